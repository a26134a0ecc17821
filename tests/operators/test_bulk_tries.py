"""Tries of a bulk update: a further one finds its own plan, on whatever machine, or says what is gone."""

from __future__ import annotations

import collections
import json
import logging
import shutil
import threading
import time
import warnings
from pathlib import Path

import pytest

from airflow_provider_jicoo.api.errors import ServerError
from airflow_provider_jicoo.bulk import Selection, ShiftTime
from airflow_provider_jicoo.operators.bulk import (
    ApplyBookingPlanOperator,
    BulkUpdateBookingsOperator,
    PlanBookingChangesOperator,
    PlanBookingUndoOperator,
)
from airflow_provider_jicoo.tasks.compat import AirflowFailException
from tests.operators.classes import Store

SHIFT = ShiftTime(minutes=120)

pytestmark = pytest.mark.usefixtures("jicoo_connection")


@pytest.fixture
def made(context):
    def made(try_number=1, map_index=-1, run_id="run-1", dag_id="bulk", store=None):
        found = context(try_number=try_number, params={}, **({} if store is None else {"task_state_store": store}))
        about = {"dag_id": dag_id, "run_id": run_id, "task_id": "move", "map_index": map_index, "max_tries": 3}
        for name, value in about.items():
            setattr(found["ti"], name, value)
        return found

    return made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "disk" / "plan.jsonl"


@pytest.fixture
def move(made, path):
    """Move all bookings by two hours: ``move(try_number=2, ...)``."""

    def move(plan_path=None, operator=BulkUpdateBookingsOperator, change=SHIFT, **more):
        task = operator(
            task_id="move",
            selection=Selection(),
            change=change,
            plan_path=str(plan_path or path),
            is_send_updates=True,
            **({"concurrency": 2, "retries": 3} if operator is BulkUpdateBookingsOperator else {}),
        )
        return task.execute(made(**more))

    return move


@pytest.fixture
def half_done(move, jicoo_sandbox, monkeypatch):
    """Move half of the bookings, in a first try that is then told to stop by its worker's end."""

    def half_done(**more):
        jicoo_sandbox.latency = 0.02
        from airflow_provider_jicoo.bulk.apply import stop

        stops = []
        monkeypatch.setattr(stop.Stop, "__init__", _noted(stop.Stop.__init__, stops))

        def watch():
            end = time.monotonic() + 30
            while sum(changed(jicoo_sandbox).values()) < 15 and time.monotonic() < end:
                time.sleep(0.005)
            stops[-1]("the task was killed")

        thread = threading.Thread(target=watch)
        thread.start()
        with pytest.raises(Exception, match="the task was killed"):
            move(**more)
        thread.join()
        jicoo_sandbox.latency = 0
        assert 15 <= sum(changed(jicoo_sandbox).values()) < 50

    return half_done


def _noted(init, made):
    def noted(self, *arguments, **more):
        init(self, *arguments, **more)
        made.append(self)

    return noted


def changed(sandbox):
    return collections.Counter(
        request.path.split("/")[3] for request in sandbox.requests if request.method != "GET" and request.status == 200
    )


def once(sandbox):
    told = collections.Counter((message.uid, message.guest) for message in sandbox.messages)
    return set(changed(sandbox).values()) == {1} and set(told.values()) == {1}


@pytest.fixture
def said(capfd, caplog):
    caplog.set_level(logging.INFO)
    return lambda: "".join(capfd.readouterr()) + caplog.text


# --- a retry ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [False, True])
class TestARetry:
    @pytest.fixture
    def store(self, stored):
        return Store() if stored else None

    def test_goes_on_with_its_own_plan(self, move, half_done, jicoo_sandbox, store):
        half_done(store=store)
        done = move(try_number=2, store=store)
        assert done["counts"]["applied"] == done["changes"] == 50
        assert once(jicoo_sandbox)

    def test_on_another_machine_does_not_plan_anew(self, move, half_done, jicoo_sandbox, store, tmp_path):
        """Half of the bookings would be moved by two hours more, and their guests messaged again."""
        half_done(store=store)
        before = changed(jicoo_sandbox)
        with pytest.raises(AirflowFailException, match="its journal are gone") as failed:
            move(tmp_path / "another disk" / "plan.jsonl", try_number=2, store=store)
        assert changed(jicoo_sandbox) == before
        assert "updatedAt tells which were changed" in str(failed.value)
        assert "start a new run" in str(failed.value)
        if store is not None:
            assert str(tmp_path / "disk") in str(failed.value), "where the plan was"

    def test_still_does_not_when_it_is_tried_again(self, move, half_done, jicoo_sandbox, store, tmp_path):
        half_done(store=store)
        before = changed(jicoo_sandbox)
        for number in (2, 3, 4):
            with pytest.raises(AirflowFailException, match="are gone"):
                move(tmp_path / "another disk" / "plan.jsonl", try_number=number, store=store)
        assert changed(jicoo_sandbox) == before

    def test_back_on_the_first_machine_goes_on(self, move, half_done, jicoo_sandbox, store, tmp_path):
        half_done(store=store)
        with pytest.raises(AirflowFailException, match="are gone"):
            move(tmp_path / "another disk" / "plan.jsonl", try_number=2, store=store)
        assert move(try_number=3, store=store)["counts"]["applied"] == 50
        assert once(jicoo_sandbox)

    def test_where_the_disk_was_wiped(self, move, half_done, jicoo_sandbox, store, path):
        """As ``/tmp`` is when a machine starts again."""
        half_done(store=store)
        shutil.rmtree(path.parent)
        before = changed(jicoo_sandbox)
        with pytest.raises(AirflowFailException, match="are gone"):
            move(try_number=2, store=store)
        assert changed(jicoo_sandbox) == before

    def test_where_only_the_journal_is_left(self, move, half_done, jicoo_sandbox, store, path):
        half_done(store=store)
        path.unlink()
        before = changed(jicoo_sandbox)
        with pytest.raises(AirflowFailException, match="are gone"):
            move(try_number=2, store=store)
        assert changed(jicoo_sandbox) == before

    def test_of_one_that_died_before_it_planned_is_not_stuck(self, move, jicoo_sandbox, store, quick_retries, path):
        jicoo_sandbox.fail("server_error", times=quick_retries)
        with pytest.raises(ServerError):
            move(store=store)
        assert not path.exists()
        assert move(try_number=2, store=store)["counts"]["applied"] == 50
        assert once(jicoo_sandbox)

    def test_does_not_take_another_runs_plan_for_its_own(self, move, jicoo_sandbox, store, said):
        """One path for every run: last week's plan was taken for its own, and the run was green having done nothing."""
        move(run_id="last-week", store=Store() if store else None)
        before = changed(jicoo_sandbox)
        for number in (1, 2):
            with pytest.raises(AirflowFailException, match="it holds that of DAG bulk, run last-week, task move"):
                move(try_number=number, store=store)
        assert changed(jicoo_sandbox) == before

    def test_nor_that_of_another_of_its_mapped_tasks(self, move, jicoo_sandbox, store):
        move(map_index=0, store=Store() if store else None)
        with pytest.raises(AirflowFailException, match="run run-1, task move, map index 0"):
            move(map_index=1, try_number=2, store=store)

    def test_of_one_that_ended_well_does_nothing_again(self, move, jicoo_sandbox, store):
        move(store=store)
        assert move(try_number=2, store=store)["counts"]["applied"] == 50
        assert once(jicoo_sandbox)

    def test_of_a_run_that_was_removed_and_made_again_under_its_name(self, move, jicoo_sandbox, store):
        move(store=store)
        with pytest.raises(AirflowFailException, match="this task has made before, and its apply has begun"):
            move(store=Store() if store else None)
        assert once(jicoo_sandbox)


def test_on_storage_that_all_share_no_plan_means_that_nothing_was_sent(move, jicoo_sandbox, monkeypatch):
    import fsspec
    from airflow.sdk.io import attach

    # Airflow keeps what was attached for the whole process, and so what another test has named in vain.
    monkeypatch.setattr("airflow.sdk.io.store._STORE_CACHE", {})
    attach("memory", fs=fsspec.filesystem("memory"))
    done = move(f"memory://bucket/{time.time_ns()}/plan.jsonl", try_number=2)
    assert done["counts"]["applied"] == 50


def test_a_store_that_fails_lets_nothing_be_sent(move, jicoo_sandbox):
    class Away(Store):
        def set(self, key, value):
            raise RuntimeError("the API server is away")

    with pytest.raises(RuntimeError, match="the API server is away"):
        move(store=Away())
    assert changed(jicoo_sandbox) == {}


def test_what_is_noted_of_a_plan(move, path):
    store = Store()
    done = move(store=store)
    noted = store.values["plan"]
    assert (noted["plan"], noted["digest"]) == (str(path), done["digest"])
    assert noted.keys() == {"plan", "digest", "host", "at"}


# --- the operators that only plan ------------------------------------------------------------------------------------


class TestAPlanTask:
    @pytest.fixture
    def plan(self, move):
        return lambda **more: move(operator=PlanBookingChangesOperator, **more)

    def test_tried_again_plans_anew(self, plan, jicoo_sandbox):
        plan()
        jicoo_sandbox.delete(jicoo_sandbox.bookings()[0]["uid"])
        assert plan(try_number=2)["changes"] == 49

    def test_cleared_after_its_apply_says_so(self, plan, made, jicoo_sandbox, path):
        manifest = plan()
        ApplyBookingPlanOperator(task_id="apply", plan=manifest).execute(made())
        with pytest.raises(AirflowFailException, match="its apply has begun"):
            plan(try_number=2)
        assert json.loads(path.read_text().splitlines()[0])["digest"] == manifest["digest"]

    def test_of_another_run(self, plan):
        plan()
        with pytest.raises(AirflowFailException, match="it holds that of DAG bulk, run run-1, task move"):
            plan(run_id="run-2")

    def test_an_undo_of_another_run(self, plan, made, tmp_path):
        manifest = plan()

        def undo(**more):
            task = PlanBookingUndoOperator(
                task_id="undo", plan=manifest, plan_path=str(tmp_path / "undo.jsonl"), is_send_updates=False
            )
            return task.execute(made(**more))

        undo()
        undo(try_number=2)
        with pytest.raises(AirflowFailException, match="it holds that of DAG bulk, run run-1"):
            undo(run_id="run-2")


class TestEarly:
    @pytest.mark.parametrize("operator", [PlanBookingChangesOperator, BulkUpdateBookingsOperator])
    @pytest.mark.parametrize(
        ("plan_path", "words"),
        [
            ("s3://bucket/plan.jsonl", r"plan_path: s3://.* install apache-airflow-providers-amazon\[s3fs\]"),
            ("/proc/plan.jsonl", "cannot be written to /proc/plan.jsonl"),
            ("/dev/null/plan.jsonl", "cannot be written to /dev/null/plan.jsonl"),
            ("None", "plan_path: a template rendered None"),
        ],
    )
    def test_a_path_is_refused_before_anything_is_read(self, move, jicoo_sandbox, operator, plan_path, words):
        with pytest.raises(AirflowFailException, match=words):
            move(plan_path, operator=operator)
        assert jicoo_sandbox.count() == 0

    def test_so_it_is_for_an_undo(self, move, made, jicoo_sandbox):
        manifest = move(operator=PlanBookingChangesOperator)
        before = jicoo_sandbox.count()
        task = PlanBookingUndoOperator(
            task_id="undo", plan=manifest, plan_path="gs://bucket/undo.jsonl", is_send_updates=False
        )
        with pytest.raises(AirflowFailException, match="install apache-airflow-providers-google"):
            task.execute(made())
        assert jicoo_sandbox.count() == before

    def test_and_for_the_plan_of_an_apply(self, made, jicoo_sandbox):
        task = ApplyBookingPlanOperator(task_id="apply", plan="s3://bucket/plan.jsonl", digest="0" * 64)
        with pytest.raises(AirflowFailException, match=r"plan: s3://bucket/plan\.jsonl cannot be used here"):
            task.execute(made())


# --- one worker's own disk -------------------------------------------------------------------------------------------


class TestOneWorkersDisk:
    @pytest.fixture
    def celery(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")

    def operators(self, path, **more):
        plan = {"change": SHIFT, "selection": Selection(), "plan_path": path, "is_send_updates": True, **more}
        yield lambda: PlanBookingChangesOperator(task_id="plan", **plan)
        yield lambda: BulkUpdateBookingsOperator(task_id="move", **plan)
        yield lambda: PlanBookingUndoOperator(task_id="undo", plan="x", plan_path=path, is_send_updates=False, **more)

    @pytest.mark.parametrize("path", ["/plans/{{ run_id }}.jsonl", "file:///plans/plan.jsonl"])
    def test_is_warned_about_when_the_dag_is_parsed(self, celery, path):
        for operator in self.operators(path):
            with pytest.warns(UserWarning, match=r"(plan|move|undo): plan_path: .* CeleryExecutor may run") as told:
                operator()
            assert [Path(each.filename).name for each in told][:1] == [Path(__file__).name]

    @pytest.mark.parametrize("path", ["s3://bucket/{{ run_id }}.jsonl", "{{ params.plans }}/{{ run_id }}.jsonl"])
    def test_not_where_it_may_be_elsewhere(self, celery, path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for operator in self.operators(path):
                operator()

    def test_not_for_a_task_that_stays_on_the_machine(self, celery):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for operator in self.operators("/plans/plan.jsonl", executor="LocalExecutor"):
                operator()

    def test_is_warned_about_when_the_task_runs(self, celery, move, said):
        with pytest.warns(UserWarning, match="CeleryExecutor may run"):
            move(operator=PlanBookingChangesOperator)
        assert "is on the disk of one worker, but CeleryExecutor may run" in said()

    def test_is_not_on_one_machine(self, move, said):
        move(operator=PlanBookingChangesOperator)
        assert "is on the disk of one worker" not in said()
