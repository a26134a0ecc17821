"""The bulk operators, executed against the sandbox with the least context that does."""

from __future__ import annotations

import collections
import inspect
import json
import logging
import os
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.bulk import Cancel, ReplaceHost, Reschedule, Selection, ShiftTime, UpdateFields
from airflow_provider_jicoo.bulk.errors import (
    BulkFailedError,
    PlanError,
    PlanLimitError,
    PlanMismatchError,
    StoppedError,
)
from airflow_provider_jicoo.decorators.bulk import DecoratedPlanOperator
from airflow_provider_jicoo.operators.bulk import (
    ApplyBookingPlanOperator,
    BulkUpdateBookingsOperator,
    PlanBookingChangesOperator,
    PlanBookingUndoOperator,
)
from airflow_provider_jicoo.tasks.compat import AirflowFailException
from tests.bulk.tools import hurry_operators

OPERATORS = (
    PlanBookingChangesOperator,
    ApplyBookingPlanOperator,
    BulkUpdateBookingsOperator,
    PlanBookingUndoOperator,
    DecoratedPlanOperator,
)
LOW = UpdateFields(priority="low", description="Bring your badge")

pytestmark = pytest.mark.usefixtures("jicoo_connection")


# --- what the tests share --------------------------------------------------------------------------------------------


class Store:
    """The part of Airflow 3.3's task state store that is used."""

    def __init__(self):
        self.told = []

    def set(self, key, value):
        self.told.append((key, json.loads(json.dumps(value))))


@pytest.fixture
def made(context):
    """Make a context with what a plan notes of its task."""

    def make(try_number=1, **more):
        found = context(try_number=try_number, **{"params": {}, **more})
        for name, value in {"dag_id": "bulk", "run_id": "run-1", "task_id": "task"}.items():
            setattr(found["ti"], name, value)
        return found

    return make


@pytest.fixture
def run(made):
    """Render an operator's templates and execute it: ``run(operator, params={...}, ...)`` returns its result.

    ``run.pushed`` has the XComs that the last one pushed.
    """

    def run(operator, /, *, try_number=1, max_tries=None, params=None, native=False, store=None, **arguments):
        from airflow.sdk import DAG

        more = {"dag": DAG("native", render_template_as_native_obj=True)} if native else {}
        task = operator(task_id="task", **more, **arguments)
        ready = made(try_number, params=params or {}, **({} if store is None else {"task_state_store": store}))
        if max_tries is not None:
            ready["ti"].max_tries = max_tries
        run.pushed, run.task = ready["ti"].pushed, task
        task.render_template_fields(ready)
        return task.execute(ready)

    return run


@pytest.fixture(autouse=True)
def _short_lease(monkeypatch):
    hurry_operators(monkeypatch, lease=0.3, policy=RetryPolicy(attempts=10))


@pytest.fixture
def quick(monkeypatch, jicoo_connection):
    """An apply that tries as often as always, but does not wait in between, nor long for a server."""
    jicoo_connection(extra={"timeout": 1, "server_grace": 1})
    hurry_operators(monkeypatch, lease=0.3, policy=RetryPolicy(attempts=10, base=0.0, floor=0.0))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "plans" / "plan.jsonl")


@pytest.fixture
def planned(run, path):
    """Write a plan and return its manifest: of ``LOW`` for all bookings, where nothing else is said."""

    def planned(**more):
        more = {"selection": Selection(), "change": LOW, "plan_path": path, "is_send_updates": False, **more}
        return run(PlanBookingChangesOperator, **more)

    return planned


@pytest.fixture
def said(capfd, caplog):
    """Return what was logged so far: through structlog to the output, or as Python's logging."""
    caplog.set_level(logging.INFO)
    return lambda: "".join(capfd.readouterr()) + caplog.text


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def report(plan):
    return json.loads(Path(f"{plan}.report", "report.json").read_text())


def changes(sandbox):
    """Count the changes that were made, by booking."""
    return collections.Counter(
        request.path.split("/")[3] for request in sandbox.requests if request.method != "GET" and request.status == 200
    )


def sent(sandbox):
    return sandbox.count("PATCH") + sandbox.count("POST")


def at_most_once(sandbox):
    told = collections.Counter((message.uid, message.guest) for message in sandbox.messages)
    return not told or max(told.values()) == 1


def still(sandbox):
    """Return the bookings without the moment of their last change."""
    return [{**booking, "updatedAt": ""} for booking in sandbox.bookings()]


def when(true, then, seconds=30.0):
    """Do something in a thread, as soon as something is true; returns the thread, which has started."""

    def watch():
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                return
            time.sleep(0.005)
        then()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


# --- plan ------------------------------------------------------------------------------------------------------------


class TestPlan:
    def test_the_manifest_and_the_summary(self, run, jicoo_sandbox, path, planned):
        jicoo_sandbox.edit(jicoo_sandbox.bookings()[0]["uid"], priority="low", description="Bring your badge")
        before = jicoo_sandbox.bookings()

        manifest = planned()

        shards = manifest.pop("shards")
        digest = manifest.pop("digest")
        assert (manifest.pop("requests"), manifest.pop("warnings")) == (50, [])
        assert manifest == {
            "plan": path,
            "changes": 49,
            "unchanged": 1,
            "guests_notified": 0,
            "irreversible": 0,
        }
        assert shards == [{**manifest, "digest": digest}]
        assert len(digest) == 64
        assert set(run.pushed) == {"summary", "jicoo_plan"}
        summary = run.pushed["summary"]
        assert summary.startswith("**49 bookings will be changed**, 1 is so already.")
        assert digest in summary
        assert " × priority high → low, description changes\n" in summary
        header, *rest = lines(path)
        assert (header["digest"], header["madeBy"]) == (digest, "bulk, run run-1, task task")
        assert len(rest) == 49
        assert jicoo_sandbox.bookings() == before
        assert sent(jicoo_sandbox) == 0

    def test_what_the_page_of_the_run_needs(self, run, planned, path, jicoo_sandbox):
        """Noted as soon as it is known: an apply that is killed has noted its plan, too."""
        manifest = planned()
        assert run.pushed["jicoo_plan"]["digest"] == manifest["digest"]
        assert run.pushed["jicoo_plan"]["applies"] is False
        approval = {"digest": manifest["digest"], "by": "Ada", "at": "2027-01-01T00:00:00Z"}
        run(ApplyBookingPlanOperator, plan=manifest, approval=approval)
        note, progress = run.pushed["jicoo_plan"], run.pushed["jicoo_progress"]
        assert (note["plan"], note["applies"], note["approval"], note["control"]) == (path, True, approval, None)
        assert (progress["done"], progress["counts"]) == (50, {"applied": 50})
        assert run.pushed["_link_PlanLink"].endswith("/jicoo/runs/bulk/run-1/task/-1#plan")
        assert list(run.pushed).index("jicoo_plan") < list(run.pushed).index("jicoo_progress")

    def test_of_a_plan_by_its_path(self, run, planned, path):
        digest = planned()["digest"]
        run(ApplyBookingPlanOperator, plan=path, digest=digest)
        assert (run.pushed["jicoo_plan"]["plan"], run.pushed["jicoo_plan"]["changes"]) == (path, 50)

    def test_the_same_bookings_give_the_same_digest(self, planned, tmp_path):
        assert planned()["digest"] == planned(plan_path=str(tmp_path / "other.jsonl"))["digest"]

    def test_in_shards(self, run, jicoo_sandbox, path, planned):
        manifest = planned(shards=4)
        assert [shard["plan"] for shard in manifest["shards"]] == [f"{path}.shard-{number}" for number in range(4)]
        assert sum(shard["changes"] for shard in manifest["shards"]) == manifest["changes"] == 50
        assert all(os.path.exists(shard["plan"]) for shard in manifest["shards"])
        assert "In 4 shards" in run.pushed["summary"]

    def test_nothing_matches(self, run, jicoo_sandbox, planned):
        manifest = planned(selection=Selection(host_user_id="nobody"))
        assert (manifest["changes"], manifest["unchanged"], manifest["guests_notified"]) == (0, 0, 0)
        assert run.pushed["summary"].startswith("**0 bookings will be changed**")
        counts = run(ApplyBookingPlanOperator, plan=manifest)["counts"]
        assert set(counts.values()) == {0}
        assert sent(jicoo_sandbox) == 0

    def test_nothing_matches_in_shards(self, run, jicoo_sandbox, planned):
        manifest = planned(selection=Selection(host_user_id="nobody"), shards=3)
        assert [shard["changes"] for shard in manifest["shards"]] == [0, 0, 0]
        for shard in manifest["shards"]:
            run(ApplyBookingPlanOperator, plan=shard)

    @pytest.mark.parametrize(
        ("change", "said", "notified", "irreversible"),
        [
            (LOW, True, 50, 0),
            (LOW, False, 0, 0),
            (ShiftTime(minutes=30), True, 50, 0),
            (Cancel(), None, 50, 50),
            (Reschedule("2031-03-05T10:00:00Z"), None, 1, 0),
        ],
    )
    def test_it_counts_the_guests(self, jicoo_sandbox, planned, change, said, notified, irreversible):
        uids = [booking["uid"] for booking in jicoo_sandbox.bookings()]
        if isinstance(change, Reschedule):
            selection = Selection(uids=uids[:1])
        else:
            for uid in uids:
                jicoo_sandbox.edit(uid, status="open")
            selection = Selection(status="open")
        manifest = planned(selection=selection, change=change, is_send_updates=said)
        assert (manifest["guests_notified"], manifest["irreversible"]) == (notified, irreversible)

    def test_a_function(self, run, jicoo_sandbox, path, planned):
        """The change may be a Python function; Airflow must not take it for a template."""
        chosen = jicoo_sandbox.bookings()[7]["uid"]

        def only_one(booking):
            return UpdateFields(priority="high") if booking["uid"] == chosen else None

        jicoo_sandbox.edit(chosen, priority=None)
        manifest = planned(change=only_one)
        assert manifest["changes"] == 1
        assert lines(path)[1]["uid"] == chosen
        assert "only_one" in run.pushed["summary"]

    def test_the_progress_of_reading_is_logged(self, jicoo_sandbox, planned, said):
        jicoo_sandbox.reset(bookings=10_001)
        assert planned(change=lambda booking: None)["changes"] == 0
        assert "10,000 bookings read" in said()


class TestPlanPath:
    def test_a_file_url(self, run, jicoo_sandbox, planned, tmp_path):
        manifest = planned(plan_path=f"file://{tmp_path}/deep/er/plan.jsonl")
        assert len(lines(tmp_path / "deep" / "er" / "plan.jsonl")) == 51
        done = run(ApplyBookingPlanOperator, plan=manifest)
        assert done["counts"]["applied"] == 50
        assert json.loads((tmp_path / "deep/er/plan.jsonl.report/report.json").read_text())["counts"]["applied"] == 50

    def test_an_object_store(self, run, jicoo_sandbox, planned):
        import fsspec
        from airflow.sdk import ObjectStoragePath
        from airflow.sdk.io import attach

        attach("memory", fs=fsspec.filesystem("memory"))
        manifest = planned(plan_path=f"memory://bucket/{time.time_ns()}/plan.jsonl", shards=2)
        assert all("memory:" in shard["plan"] for shard in manifest["shards"])
        for shard in json.loads(json.dumps(manifest["shards"])):
            done = run(ApplyBookingPlanOperator, plan=shard)
            assert ObjectStoragePath(done["report"]).joinpath("report.html").exists()
        assert changes(jicoo_sandbox) == collections.Counter(booking["uid"] for booking in jicoo_sandbox.bookings())
        undo = run(
            PlanBookingUndoOperator,
            plan=manifest["plan"],
            plan_path=f"{manifest['plan']}.undo",
            is_send_updates=False,
        )
        assert undo["changes"] == 50

    def test_a_folder_that_cannot_be_made(self, jicoo_sandbox, planned, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(AirflowFailException, match="the plan cannot be written to") as caught:
            planned(plan_path=str(tmp_path / "file" / "plan.jsonl"))
        assert isinstance(caught.value.__context__, PlanError)


class TestTemplates:
    @pytest.mark.parametrize("operator", OPERATORS)
    def test_every_argument_that_carries_a_value_is_templated(self, operator):
        arguments = set()
        for each in operator.__mro__:
            if each.__module__.startswith("airflow_provider_jicoo"):
                arguments |= set(inspect.signature(each.__init__).parameters) - {"self", "kwargs", "args"}
        spoken = {"dry_run": "plan_only"}
        fields = {spoken.get(name, name) for name in arguments}
        # What TaskFlow gives itself, what Airflow must know before it renders, and where it would make no sense.
        not_meant = {"python_callable", "task_id", "multiple_outputs", "announces", "deferrable"}
        if operator is DecoratedPlanOperator:
            not_meant.add("change")
        if operator is BulkUpdateBookingsOperator:
            not_meant.add("shards")
        assert set(operator.template_fields) == fields - not_meant
        assert len(set(operator.template_fields)) == len(operator.template_fields)

    def test_nested_and_as_text(self, run, jicoo_sandbox, path):
        host, colleague = (user["uid"] for user in jicoo_sandbox.users[:2])
        expected = {
            booking["uid"]
            for booking in jicoo_sandbox.bookings()
            if booking["status"] == "open"
            and booking["startedAt"] >= "2020-01-01"
            and any(each["userId"] == host for each in booking["hosts"])
        }
        manifest = run(
            PlanBookingChangesOperator,
            selection=Selection(
                status="{{ params.status }}",
                started_after="{{ params.after }}",
                started_before="{{ params.before }}",
                host_user_id="{{ params.host }}",
                name_matches="{{ params.name }}",
            ),
            change=ReplaceHost("{{ params.host }}", "{{ params.to }}"),
            plan_path="{{ params.folder }}/{{ params.file }}",
            is_send_updates="{{ params.tell }}",
            update_message="{{ params.words }}",
            max_changes="{{ params.most }}",
            max_notified_guests="{{ params.nothing }}",
            shards="{{ params.shards }}",
            params={
                "status": "open",
                "after": "2020-01-01T00:00:00+09:00",
                "before": "2040-01-01T00:00:00+09:00",
                "host": host,
                "to": colleague,
                "name": ".",
                "folder": os.path.dirname(path),
                "file": "plan.jsonl",
                "tell": True,
                "words": "Your new host is Sato",
                "most": 1000,
                "nothing": "",
                "shards": 3,
            },
        )
        assert manifest["changes"] == len(expected) > 0
        assert manifest["guests_notified"] == manifest["changes"]
        assert len(manifest["shards"]) == 3
        found = [line for shard in manifest["shards"] for line in lines(shard["plan"])[1:]]
        assert {line["uid"] for line in found} == expected
        assert lines(manifest["shards"][0]["plan"])[0]["terms"] == {
            "isSendUpdates": True,
            "updateMessage": "Your new host is Sato",
            "baseUrl": jicoo_sandbox.url,
        }

    @pytest.mark.parametrize("form", ["json", "list", "native"])
    def test_uids(self, run, jicoo_sandbox, planned, path, form):
        uids = [booking["uid"] for booking in jicoo_sandbox.bookings()[3:6]]
        given = {
            "json": "{{ params.uids | tojson }}",
            "list": ["{{ params.uids[0] }}", "{{ params.uids[1] }}", "{{ params.uids[2] }}"],
            "native": "{{ params.uids }}",
        }[form]
        planned(selection=Selection(uids=given), params={"uids": uids}, native=form == "native")
        assert {line["uid"] for line in lines(path)[1:]} == set(uids)

    def test_the_values_of_fields(self, jicoo_sandbox, planned, path):
        user = jicoo_sandbox.users[3]["uid"]
        planned(
            selection=Selection(uids=[jicoo_sandbox.bookings()[0]["uid"]]),
            change=UpdateFields(
                description="{{ params.words }}", hosts=[{"user_id": "{{ params.user }}", "role": "admin"}]
            ),
            params={"words": "Raum 2", "user": user},
        )
        assert lines(path)[1]["after"] == {"description": "Raum 2", "hosts": [{"userId": user, "role": "admin"}]}

    @pytest.mark.parametrize(("text", "sent"), [("true", True), ("True", True), ("false", False), (" FALSE ", False)])
    def test_booleans(self, jicoo_sandbox, planned, path, text, sent):
        planned(is_send_updates="{{ params.tell }}", params={"tell": text})
        assert lines(path)[0]["terms"]["isSendUpdates"] is sent

    def test_an_empty_text_is_not_given(self, jicoo_sandbox, planned):
        """The example that moves or cancels counts on it."""
        manifest = planned(
            change=lambda booking: Cancel() if booking["status"] == "open" else None,
            is_send_updates="{{ '' }}",
            update_message="{{ '' }}",
            max_changes="{{ '' }}",
        )
        assert manifest["irreversible"] == manifest["changes"] > 0
        with pytest.raises(AirflowFailException, match="is_send_updates must be said"):
            planned(is_send_updates="{{ '' }}")

    @pytest.mark.parametrize("said", ["yes", "1", "perhaps", 1, 0])
    def test_what_is_neither_true_nor_false(self, jicoo_sandbox, planned, said):
        with pytest.raises(AirflowFailException, match=r"is_send_updates: .* is neither true nor false"):
            planned(is_send_updates=said)
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize("name", ["plan_path", "is_send_updates", "update_message", "max_changes"])
    def test_a_none_that_became_text_is_refused(self, jicoo_sandbox, planned, name):
        with pytest.raises(AirflowFailException, match=f"{name}: a template rendered None to the text 'None'"):
            planned(**{name: "{{ params.nothing }}"}, params={"nothing": None})
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize("name", ["uids", "status", "host_user_id", "started_after", "name_matches"])
    def test_a_filter_that_is_lost_does_not_select_everything(self, jicoo_sandbox, planned, name):
        with pytest.raises(AirflowFailException, match=f"selection: {name} .* None"):
            planned(selection=Selection(**{name: "{{ params.nothing }}"}), params={"nothing": None}, native=True)
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize("operator", [PlanBookingChangesOperator, BulkUpdateBookingsOperator])
    def test_the_dags_own_selection_and_change_stay_as_they_are(self, made, jicoo_sandbox, tmp_path, operator):
        """A second run of the DAG in the same process renders them anew."""
        selection = Selection(uids=["{{ params.uid }}"], status="{{ params.status }}")
        change = UpdateFields(
            description="{{ params.words }}", hosts=[{"user_id": "{{ params.user }}", "role": "admin"}]
        )
        task = operator(
            task_id="task",
            selection=selection,
            change=change,
            plan_path=str(tmp_path / "{{ params.words }}.jsonl"),
            is_send_updates=False,
        )
        for number, booking in enumerate(jicoo_sandbox.bookings()[:2]):
            again = task.prepare_for_execution()
            params = {
                "uid": booking["uid"],
                "status": booking["status"],
                "words": f"run {number}",
                "user": jicoo_sandbox.users[number]["uid"],
            }
            ready = made(params=params)
            again.render_template_fields(ready)
            assert again.execute(ready)["changes"] == 1
            assert lines(tmp_path / f"run {number}.jsonl")[1]["uid"] == booking["uid"]
            assert again.selection.uids == [booking["uid"]]
        assert selection == Selection(uids=["{{ params.uid }}"], status="{{ params.status }}")
        assert change.fields == {
            "description": "{{ params.words }}",
            "hosts": [{"user_id": "{{ params.user }}", "role": "admin"}],
        }

    @pytest.mark.parametrize("operator", [PlanBookingChangesOperator, BulkUpdateBookingsOperator])
    def test_what_another_task_gives_makes_it_wait_for_that(self, operator):
        from airflow.sdk import DAG

        with DAG("both"):
            uids = PlanBookingChangesOperator(task_id="uids", selection=Selection(), change=LOW, plan_path="x")
            words = PlanBookingChangesOperator(task_id="words", selection=Selection(), change=LOW, plan_path="x")
            task = operator(
                task_id="task",
                selection=Selection(uids=uids.output),
                change=UpdateFields(hosts=[{"user_id": words.output, "role": "admin"}]),
                plan_path="x",
            )
        assert task.upstream_task_ids == {"uids", "words"}

    def test_the_constructor_refuses_nothing(self):
        """Templates and mapped values are not there yet."""
        for operator in (PlanBookingChangesOperator, BulkUpdateBookingsOperator):
            operator(task_id="x", selection="{{ a }}", change="{{ b }}", plan_path="{{ c }}", max_changes="{{ d }}")
        ApplyBookingPlanOperator(task_id="x", plan="{{ a }}", waves="{{ b }}", concurrency="{{ c }}")


class TestLimits:
    @pytest.mark.parametrize(("name", "text"), [("max_changes", 49), ("max_changes", "49"), ("max_notified_guests", 0)])
    def test_they_fail_at_once(self, jicoo_sandbox, planned, path, name, text):
        with pytest.raises(AirflowFailException, match=f"{name} is {text}, and the plan has 50") as caught:
            planned(**{name: text}, is_send_updates=True)
        assert isinstance(caught.value.__context__, PlanLimitError)
        assert not os.path.exists(path)
        assert sent(jicoo_sandbox) == 0

    def test_at_the_limit(self, planned):
        assert planned(max_changes=50, max_notified_guests=50, is_send_updates=True)["changes"] == 50

    @pytest.mark.parametrize("name", ["max_changes", "max_notified_guests", "shards"])
    def test_what_is_no_number(self, jicoo_sandbox, planned, name):
        with pytest.raises(AirflowFailException, match=f"{name}: 'many' is not a whole number"):
            planned(**{name: "many"})
        assert jicoo_sandbox.count() == 0


class TestWhatAPlanRefuses:
    """Before anything is read, and without a retry."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"is_send_updates": None}, "is_send_updates must be said"),
            ({"update_message": "Hello"}, "update_message is given, but is_send_updates is not True"),
            ({"is_send_updates": True, "update_message": "x" * 2001}, "2001 characters, at most 2000"),
            ({"shards": 0}, "shards: 0 is not 1 or more"),
            ({"selection": Selection(status="opened")}, "status: 'opened' is none of"),
            ({"selection": Selection(started_after="2031-01-01T00:00")}, "has no offset"),
            ({"selection": Selection(name_matches="(")}, "selection: "),
            ({"selection": Selection(uids=[])}, "uids: give at least one"),
            ({"change": "cancel"}, "is neither a change"),
            ({"selection": "{{ 'open' }}"}, "selection: 'open' is not a Selection"),
            ({"selection": {"status": "open"}}, "neither a Selection nor"),
        ],
    )
    def test_bad_input(self, jicoo_sandbox, planned, path, arguments, words):
        with pytest.raises(AirflowFailException, match=words) as caught:
            planned(**arguments)
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.count() == 0
        assert not os.path.exists(path)

    def test_a_bad_field(self, jicoo_sandbox, planned, path):
        with pytest.raises(AirflowFailException, match=r"unknown field 'pririty'.*nothing was sent") as caught:
            planned(change=UpdateFields(pririty="low"))
        assert isinstance(caught.value.__context__, PlanError)
        assert not os.path.exists(path)
        assert sent(jicoo_sandbox) == 0

    def test_a_function_that_fails(self, jicoo_sandbox, planned):
        def broken(booking):
            raise KeyError("no such key")

        with pytest.raises(AirflowFailException, match=r"booking \w+: KeyError.*nothing was sent"):
            planned(change=broken)

    def test_no_such_booking(self, jicoo_sandbox, planned):
        with pytest.raises(AirflowFailException) as caught:
            planned(selection=Selection(uids=["mzgdPJVBb7RE"]))
        assert isinstance(caught.value.__context__, errors.NotFoundError)

    def test_a_refused_key(self, jicoo_sandbox, planned):
        jicoo_sandbox.revoke_key()
        with pytest.raises(AirflowFailException) as caught:
            planned()
        assert isinstance(caught.value.__context__, errors.AuthenticationError)

    def test_a_server_that_fails_is_worth_a_retry(self, jicoo_sandbox, planned, quick_retries):
        jicoo_sandbox.fail("server_error", times=1000)
        with pytest.raises(errors.ServerError):
            planned()


# --- apply -----------------------------------------------------------------------------------------------------------


class TestApply:
    @pytest.mark.parametrize("form", ["manifest", "shard", "json", "path and digest", "native"])
    def test_the_forms_of_a_plan(self, run, jicoo_sandbox, planned, path, form):
        manifest = planned(is_send_updates=True)
        given = {
            "manifest": {"plan": manifest},
            "shard": {"plan": manifest["shards"][0]},
            "json": {"plan": "{{ params.plan | tojson }}"},
            "native": {"plan": "{{ params.plan }}", "native": True},
            "path and digest": {"plan": "{{ params.plan.plan }}", "digest": "{{ params.plan.digest }}"},
        }[form]

        done = run(ApplyBookingPlanOperator, **given, params={"plan": manifest})

        assert done == {"report": f"{path}.report", "counts": {**dict.fromkeys(done["counts"], 0), "applied": 50}}
        assert set(done["counts"]) == {
            "applied",
            "unchanged",
            "stale",
            "rejected",
            "failed",
            "unknown",
            "not_attempted",
        }
        assert {(row["priority"], row["description"]) for row in jicoo_sandbox.bookings()} == {
            ("low", "Bring your badge")
        }
        assert set(changes(jicoo_sandbox).values()) == {1}
        assert at_most_once(jicoo_sandbox)
        assert report(path)["digest"] == manifest["digest"]

    def test_a_path_alone_is_refused(self, run, jicoo_sandbox, planned, path):
        planned()
        with pytest.raises(AirflowFailException, match="give the digest that was agreed to") as caught:
            run(ApplyBookingPlanOperator, plan=path)
        assert isinstance(caught.value.__context__, PlanError)
        assert sent(jicoo_sandbox) == 0

    @pytest.mark.parametrize("by", ["path", "manifest", "other file"])
    def test_another_digest_is_refused(self, run, jicoo_sandbox, planned, path, tmp_path, by):
        manifest = planned()
        if by == "other file":
            # Somebody has planned anew after the approval.
            planned(change=UpdateFields(priority="high"))
        plan, digest = (path if by == "path" else manifest), (None if by == "other file" else "0" * 64)
        with pytest.raises(AirflowFailException, match="was agreed to; nothing was sent") as caught:
            run(ApplyBookingPlanOperator, plan=plan, digest=digest)
        assert isinstance(caught.value.__context__, PlanMismatchError)
        assert sent(jicoo_sandbox) == 0

    def test_a_plan_that_was_changed_is_refused(self, run, jicoo_sandbox, planned, path):
        manifest = planned()
        Path(path).write_text(Path(path).read_text().replace('"low"', '"high"', 1))
        with pytest.raises(AirflowFailException, match="is damaged") as caught:
            run(ApplyBookingPlanOperator, plan=manifest)
        assert isinstance(caught.value.__context__, PlanMismatchError)
        assert sent(jicoo_sandbox) == 0

    def test_no_plan_there(self, run, jicoo_sandbox, tmp_path):
        with pytest.raises(AirflowFailException, match="cannot be read as a plan") as caught:
            run(ApplyBookingPlanOperator, plan=str(tmp_path / "none.jsonl"), digest="0" * 64)
        assert isinstance(caught.value.__context__, PlanMismatchError)

    def test_a_whole_plan_of_several_shards_is_refused(self, run, jicoo_sandbox, planned):
        with pytest.raises(AirflowFailException, match=r"apply each of manifest\['shards'\]"):
            run(ApplyBookingPlanOperator, plan=planned(shards=2))
        assert sent(jicoo_sandbox) == 0

    def test_a_second_apply_changes_nothing(self, run, jicoo_sandbox, planned):
        manifest = planned(is_send_updates=True)
        first = run(ApplyBookingPlanOperator, plan=manifest)
        before, messages = sent(jicoo_sandbox), len(jicoo_sandbox.messages)
        assert run(ApplyBookingPlanOperator, plan=manifest, try_number=2) == first
        assert (sent(jicoo_sandbox), len(jicoo_sandbox.messages)) == (before, messages)

    def test_edited_ones_are_skipped(self, run, jicoo_sandbox, planned):
        manifest = planned()
        edited = jicoo_sandbox.bookings()[4]["uid"]
        jicoo_sandbox.edit(edited, name="Other")
        counts = run(ApplyBookingPlanOperator, plan=manifest)["counts"]
        assert (counts["applied"], counts["stale"]) == (49, 1)
        assert edited not in changes(jicoo_sandbox)

    def test_edited_ones_fail_it(self, run, jicoo_sandbox, planned, path):
        manifest = planned()
        jicoo_sandbox.edit(lines(path)[1]["uid"], name="Other")
        with pytest.raises(AirflowFailException, match="1 bookings were edited since the plan was made") as caught:
            run(ApplyBookingPlanOperator, plan=manifest, on_stale="{{ 'fail' }}")
        assert f"{path}.report" in str(caught.value)

    def test_waves(self, run, jicoo_sandbox, planned, path, quick):
        """The first wave is not within the tolerance: the others do not begin."""
        manifest = planned()
        jicoo_sandbox.fail("server_error", method="PATCH", times=10_000)
        with pytest.raises(BulkFailedError):
            run(ApplyBookingPlanOperator, plan=manifest, waves='["2", 1]', concurrency="1")
        assert report(path)["counts"]["not_attempted"] >= 48
        assert len({request.path for request in jicoo_sandbox.requests if request.method == "PATCH"}) <= 2

    @pytest.mark.parametrize("waves", [(), [], "10%", 5, "5", '["1", "50%"]', ("1", "1%", "10%")])
    def test_forms_of_waves(self, run, planned, waves):
        assert run(ApplyBookingPlanOperator, plan=planned(), waves=waves)["counts"]["applied"] == 50

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"waves": "many"}, "waves: 'many' is neither a count"),
            ({"waves": ["0"]}, "is an empty wave"),
            ({"waves": ["1", None]}, "waves: None"),
            ({"waves": "['1']"}, "waves: not JSON.*tojson"),
            ({"tolerated_failures": "some"}, "tolerated_failures: 'some' is neither"),
            ({"tolerated_failures": "101%"}, "more than 100%"),
            ({"concurrency": "0"}, "concurrency: 0 is not 1 or more"),
            ({"concurrency": "many"}, "concurrency: 'many' is not a whole number"),
            ({"on_stale": "ask"}, "on_stale: 'ask' is neither"),
        ],
    )
    @pytest.mark.parametrize("operator", [ApplyBookingPlanOperator, BulkUpdateBookingsOperator])
    def test_bad_options_fail_before_anything_is_read(self, run, jicoo_sandbox, path, operator, options, words):
        more = {"plan": "nowhere", "digest": "0" * 64}
        if operator is BulkUpdateBookingsOperator:
            more = {"selection": Selection(), "change": LOW, "plan_path": path, "is_send_updates": False}
        with pytest.raises(AirflowFailException, match=words) as caught:
            run(operator, **more, **options)
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.count() == 0
        assert not os.path.exists(path)

    @pytest.mark.parametrize("plan", [{}, {"digest": "0" * 64}, [], {"plan": "x"}, 5])
    def test_what_is_no_plan(self, run, jicoo_sandbox, plan):
        with pytest.raises(AirflowFailException, match="plan"):
            run(ApplyBookingPlanOperator, plan=plan)
        assert jicoo_sandbox.count() == 0


class TestApplyFails:
    def test_the_report_is_written_and_named(self, run, jicoo_sandbox, planned, path, quick):
        manifest = planned()
        bad = lines(path)[5]["uid"]
        jicoo_sandbox.fail("server_error", method="PATCH", path=f"/v1/bookings/{bad}", times=1000)
        with pytest.raises(BulkFailedError, match="1 failed") as caught:
            run(ApplyBookingPlanOperator, plan=manifest)
        assert not isinstance(caught.value, AirflowFailException)
        assert f"{path}.report" in str(caught.value)
        found = report(path)
        assert found["counts"]["failed"] == 1
        assert sum(found["counts"].values()) == 50
        assert Path(f"{path}.report/report.html").stat().st_size > 1000

    def test_what_jicoo_refused_burns_no_retries(self, run, jicoo_sandbox, planned, path):
        manifest = planned()
        jicoo_sandbox.delete(lines(path)[5]["uid"])
        with pytest.raises(AirflowFailException, match="1 rejected") as caught:
            run(ApplyBookingPlanOperator, plan=manifest)
        assert isinstance(caught.value.__context__, BulkFailedError)
        assert f"{path}.report" in str(caught.value)

    def test_within_the_tolerance_it_still_fails(self, run, jicoo_sandbox, planned, path, quick):
        """Never green over a loss."""
        manifest = planned()
        bad = lines(path)[5]["uid"]
        jicoo_sandbox.fail("server_error", method="PATCH", path=f"/v1/bookings/{bad}", times=1000)
        with pytest.raises(BulkFailedError):
            run(ApplyBookingPlanOperator, plan=manifest, tolerated_failures="{{ '2%' }}")
        assert report(path)["counts"] == {**dict.fromkeys(report(path)["counts"], 0), "applied": 49, "failed": 1}

    def test_rejected_within_the_tolerance(self, run, jicoo_sandbox, planned, path):
        manifest = planned(
            change=lambda booking: Cancel() if booking["status"] == "open" else None, is_send_updates=None
        )
        # Cancelled by somebody else within the moment between reading and sending.
        bad = lines(path)[3]["uid"]
        jicoo_sandbox.fail("html", method="POST", path=f"/v1/bookings/{bad}/cancel", status=422, times=1000)
        done = run(ApplyBookingPlanOperator, plan=manifest, tolerated_failures="1")
        assert done["counts"]["rejected"] == 1
        assert done["counts"]["applied"] == manifest["changes"] - 1

    def test_a_refused_key_is_permanent(self, run, jicoo_sandbox, planned, path, quick):
        manifest = planned()
        thread = when(lambda: sent(jicoo_sandbox) >= 10, jicoo_sandbox.revoke_key)
        jicoo_sandbox.latency = 0.05
        with pytest.raises(AirflowFailException, match="API key") as caught:
            run(ApplyBookingPlanOperator, plan=manifest, concurrency=2)
        thread.join()
        assert isinstance(caught.value.__context__, errors.AuthenticationError)
        assert jicoo_sandbox.api_key not in str(caught.value)
        found = report(path)
        assert found["counts"]["not_attempted"] > 0
        assert "the API key was refused" in found["endedEarly"]

    def test_a_key_refused_from_the_start(self, run, jicoo_sandbox, planned, path):
        manifest = planned()
        jicoo_sandbox.revoke_key()
        with pytest.raises(AirflowFailException) as caught:
            run(ApplyBookingPlanOperator, plan=manifest)
        assert isinstance(caught.value.__context__, errors.AuthenticationError)
        assert report(path)["counts"]["not_attempted"] == 50
        assert sent(jicoo_sandbox) == 0

    def test_another_jicoo_is_permanent(self, run, jicoo_sandbox, planned, jicoo_connection):
        manifest = planned()
        jicoo_connection(host="http://127.0.0.1:1")
        with pytest.raises(AirflowFailException, match="is a plan for") as caught:
            run(ApplyBookingPlanOperator, plan=manifest)
        assert isinstance(caught.value.__context__, PlanMismatchError)

    @pytest.mark.parametrize("kind", ["update", "cancel", "reschedule"])
    def test_the_next_try_goes_on(self, run, jicoo_sandbox, planned, path, quick, kind):
        """The server breaks down half-way; Airflow tries again when it is back."""
        jicoo_sandbox.reset(bookings=120)

        def slot(booking):
            start = datetime.fromisoformat(booking["startedAt"].replace("Z", "+00:00"))
            return Reschedule(start + timedelta(days=3640))

        change, said = {"update": (LOW, True), "cancel": (Cancel(), None), "reschedule": (slot, None)}[kind]
        manifest = planned(change=change, is_send_updates=said, selection=Selection(status="open"))
        total = manifest["changes"]
        jicoo_sandbox.latency = 0.01
        thread = when(
            lambda: sum(changes(jicoo_sandbox).values()) >= total // 2,
            lambda: [
                jicoo_sandbox.fail("server_error", method=method, times=100_000, status=500)
                for method in ("PATCH", "POST")
            ],
        )
        with pytest.raises(BulkFailedError) as caught:
            run(ApplyBookingPlanOperator, plan=manifest, concurrency=4, on_doubt="again")
        thread.join()
        assert not isinstance(caught.value, AirflowFailException), "Airflow is to try again"
        first = report(path)["counts"]
        assert total // 2 <= first["applied"] < total
        jicoo_sandbox.heal()

        done = run(ApplyBookingPlanOperator, plan=manifest, try_number=2, concurrency=4, on_doubt="again")

        assert done["counts"]["applied"] == total
        assert (report(path)["try"], report(path)["counts"]["applied"]) == (2, total)
        assert at_most_once(jicoo_sandbox)
        planned_uids = {line["uid"] for line in lines(path)[1:]}
        assert {message.uid for message in jicoo_sandbox.messages} == planned_uids
        assert set(changes(jicoo_sandbox).values()) <= {1}

    def test_the_next_try_after_a_lost_end(self, run, jicoo_sandbox, planned, path, monkeypatch):
        """The worker is gone without having released the plan; the next one waits for its lease and goes on."""
        from airflow_provider_jicoo.bulk.apply import journal

        manifest = planned(is_send_updates=True)
        monkeypatch.setattr(journal.Journal, "release", lambda self: None)
        run(ApplyBookingPlanOperator, plan=manifest)
        before, begin = sent(jicoo_sandbox), time.monotonic()
        run(ApplyBookingPlanOperator, plan=manifest, try_number=2)
        assert time.monotonic() - begin >= 0.3
        assert sent(jicoo_sandbox) == before
        assert at_most_once(jicoo_sandbox)


class TestStopping:
    def test_on_kill(self, run, made, jicoo_sandbox, planned, path):
        manifest = planned(is_send_updates=True)
        jicoo_sandbox.latency = 0.05
        task = ApplyBookingPlanOperator(task_id="task", plan=manifest, concurrency=2, waves=())
        thread = when(lambda: sent(jicoo_sandbox) >= 8, task.on_kill)
        with pytest.raises(StoppedError, match="the task was killed") as caught:
            task.execute(made())
        thread.join()
        at_the_end = sent(jicoo_sandbox)
        assert not isinstance(caught.value, AirflowFailException)
        assert f"{path}.report" in str(caught.value)
        counts = report(path)["counts"]
        assert counts["applied"] == at_the_end == sum(changes(jicoo_sandbox).values())
        assert counts["applied"] + counts["not_attempted"] == 50
        assert counts["unknown"] == counts["failed"] == 0
        assert report(path)["endedEarly"] == "the task was killed"
        assert any(Path(path).parent.glob("plan.jsonl.*.journal/released-*"))
        time.sleep(0.2)
        assert sent(jicoo_sandbox) == at_the_end

        jicoo_sandbox.latency = 0.0
        begin = time.monotonic()
        done = run(ApplyBookingPlanOperator, plan=manifest, try_number=2)
        assert done["counts"]["applied"] == 50
        assert time.monotonic() - begin < 4, "no lease is waited for after an orderly end"
        assert set(changes(jicoo_sandbox).values()) == {1}
        assert at_most_once(jicoo_sandbox)

    @pytest.mark.parametrize(
        "operator", [ApplyBookingPlanOperator, BulkUpdateBookingsOperator, PlanBookingChangesOperator]
    )
    def test_on_kill_before_it_runs(self, operator, path):
        more = (
            {"plan": path}
            if operator is ApplyBookingPlanOperator
            else {"selection": Selection(), "change": LOW, "plan_path": path}
        )
        operator(task_id="task", **more).on_kill()

    def test_a_timeout_of_the_task(self, made, jicoo_sandbox, planned, path):
        """Airflow raises it in the main thread, out of a signal handler: what is under way is finished first."""
        import signal

        try:
            from airflow.sdk.exceptions import AirflowTaskTimeout
        except ImportError:  # Airflow 3.1
            from airflow.exceptions import AirflowTaskTimeout

        def ring(signum, frame):
            raise AirflowTaskTimeout("timed out")

        manifest = planned(is_send_updates=True)
        jicoo_sandbox.latency = 0.05
        before = signal.signal(signal.SIGALRM, ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.8)
            with pytest.raises(AirflowTaskTimeout):
                ApplyBookingPlanOperator(task_id="task", plan=manifest, concurrency=1, waves=()).execute(made())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        counts = report(path)["counts"]
        assert counts["applied"] == sum(changes(jicoo_sandbox).values()) > 0
        assert counts["not_attempted"] > 0


class TestControl:
    def test_pause_and_go_on(self, run, jicoo_sandbox, planned, monkeypatch):
        manifest = planned()
        monkeypatch.setenv("AIRFLOW_VAR_JICOO_CONTROL", '{"state": "pause"}')
        seen = []

        def go_on():
            seen.append(sent(jicoo_sandbox))
            monkeypatch.setenv("AIRFLOW_VAR_JICOO_CONTROL", '{"state": "run"}')

        timer = threading.Timer(1.5, go_on)
        timer.start()
        done = run(
            ApplyBookingPlanOperator,
            plan=manifest,
            control_variable="{{ params.variable }}",
            params={"variable": "jicoo_control"},
        )
        timer.join()
        assert seen[0] <= 32, "only what had begun before the first look at it"
        assert done["counts"]["applied"] == 50

    def test_stop(self, run, jicoo_sandbox, planned, path, monkeypatch):
        manifest = planned()
        monkeypatch.setenv("AIRFLOW_VAR_JICOO_CONTROL", '{"state": "run"}')
        jicoo_sandbox.latency = 0.05
        thread = when(
            lambda: sent(jicoo_sandbox) >= 5,
            lambda: monkeypatch.setenv("AIRFLOW_VAR_JICOO_CONTROL", '{"state": "stop"}'),
        )
        arguments = {"plan": manifest, "control_variable": "jicoo_control", "concurrency": 1, "waves": ()}
        with pytest.raises(AirflowFailException, match="it was told to stop"):
            run(ApplyBookingPlanOperator, **arguments)
        thread.join()
        applied = report(path)["counts"]["applied"]
        assert 5 <= applied < 50
        monkeypatch.setenv("AIRFLOW_VAR_JICOO_CONTROL", '{"state": "run"}')
        before = sent(jicoo_sandbox)
        with pytest.raises(AirflowFailException, match="somebody has stopped this plan"):
            run(ApplyBookingPlanOperator, **arguments, try_number=2)
        assert sent(jicoo_sandbox) == before, "a retry does not go on with what a person has stopped"
        done = run(ApplyBookingPlanOperator, **arguments, try_number=3, max_tries=5)
        assert done["counts"]["applied"] == 50, "somebody who clears the task does"

    def test_slower(self, run, jicoo_sandbox, planned, monkeypatch):
        uids = [booking["uid"] for booking in jicoo_sandbox.bookings()[:10]]
        manifest = planned(selection=Selection(uids=uids))
        monkeypatch.setenv("AIRFLOW_VAR_JICOO_CONTROL", '{"max_requests_per_second": 5}')
        begin = time.monotonic()
        run(ApplyBookingPlanOperator, plan=manifest, control_variable="jicoo_control")
        assert time.monotonic() - begin > 1.5

    def test_what_cannot_be_understood(self, run, jicoo_sandbox, planned, path, monkeypatch):
        manifest = planned()
        monkeypatch.setenv("AIRFLOW_VAR_JICOO_CONTROL", "stop!")
        with pytest.raises(StoppedError, match="is not JSON such as"):
            run(ApplyBookingPlanOperator, plan=manifest, control_variable="jicoo_control")
        assert sum(report(path)["counts"].values()) == 50

    def test_while_airflow_does_not_say_it_the_last_order_holds(self, run, jicoo_sandbox, planned, api_server, said):
        """Airflow's own function takes an API server that is away for one without an order: it would go on."""
        manifest = planned()
        api_server.texts["jicoo_control"] = '{"state": "pause"}'
        seen = []

        def come_back():
            seen.append(sent(jicoo_sandbox))
            api_server.texts["jicoo_control"] = '{"state": "run"}'
            api_server.away = False

        def go_away():
            api_server.away = True
            threading.Timer(3, come_back).start()

        timer = threading.Timer(1.5, go_away)
        timer.start()
        done = run(ApplyBookingPlanOperator, plan=manifest, control_variable="jicoo_control")
        timer.join()
        assert seen[0] <= 32, "only what had begun before the first look at it"
        assert done["counts"]["applied"] == 50
        assert said().count("what it said last holds") == 1

    def test_what_airflow_never_says(self, run, jicoo_sandbox, planned, api_server):
        manifest = planned()
        api_server.away = True
        with pytest.raises(ConnectionError, match="look whether its API server runs"):
            run(ApplyBookingPlanOperator, plan=manifest, control_variable="jicoo_control")
        assert sent(jicoo_sandbox) == 0

    def test_what_airflow_says_no_more(self, run, jicoo_sandbox, planned, path, api_server, monkeypatch):
        """Nobody could pause or stop it: it ends in order, and a retry goes on."""
        monkeypatch.setattr("airflow_provider_jicoo.operators.bulk.ORDER_HOLDS", 1.0)
        manifest = planned()
        api_server.texts["jicoo_control"] = '{"max_requests_per_second": 10}'
        thread = when(lambda: sent(jicoo_sandbox) >= 5, lambda: setattr(api_server, "away", True))
        with pytest.raises(ConnectionError, match="look whether its API server runs"):
            run(ApplyBookingPlanOperator, plan=manifest, control_variable="jicoo_control")
        thread.join()
        assert 5 <= report(path)["counts"]["applied"] < 50
        api_server.away = False
        api_server.texts.clear()
        done = run(ApplyBookingPlanOperator, plan=manifest, control_variable="jicoo_control", try_number=2)
        assert done["counts"]["applied"] == 50

    def test_a_file_beside_the_plan(self, run, jicoo_sandbox, planned, path):
        manifest = planned()
        Path(f"{path}.control").write_text('{"state": "stop"}')
        with pytest.raises(AirflowFailException, match="it was told to stop"):
            run(ApplyBookingPlanOperator, plan=manifest)
        assert sent(jicoo_sandbox) <= 32


class TestProgress:
    def test_in_the_task_log(self, run, jicoo_sandbox, planned, path, said):
        run(ApplyBookingPlanOperator, plan=planned())
        text = said()
        assert "50 of 50 done (50 applied)" in text
        assert f"{path}.report" in text

    def test_in_the_task_state_store(self, run, jicoo_sandbox, planned):
        store = Store()
        run(ApplyBookingPlanOperator, plan=planned(), store=store)
        assert store.told[-1] == ("progress", {"done": 50, "total": 50, "counts": {"applied": 50}})

    def test_a_store_that_fails_does_not_matter(self, run, jicoo_sandbox, planned, path, said):
        class NoReply(Store):
            def set(self, key, value):
                raise RuntimeError("the API server is away")

        done = run(ApplyBookingPlanOperator, plan=planned(), store=NoReply())
        assert done["counts"]["applied"] == 50
        assert report(path)["counts"]["applied"] == 50
        assert "the API server is away" in said()


# --- plan and apply in one -------------------------------------------------------------------------------------------


class TestBulkUpdate:
    @pytest.fixture
    def both(self, run, path):
        def both(**more):
            more = {"selection": Selection(), "change": LOW, "plan_path": path, "is_send_updates": True, **more}
            return run(BulkUpdateBookingsOperator, **more)

        return both

    def test_plan_and_apply(self, run, both, jicoo_sandbox, path):
        done = both()
        assert done["counts"]["applied"] == done["changes"] == 50
        assert done["report"] == f"{path}.report"
        assert done["plan"] == path
        assert "50 bookings will be changed" in run.pushed["summary"]
        assert set(changes(jicoo_sandbox).values()) == {1}

    @pytest.mark.parametrize("dry", [True, "true", "True", "{{ params.dry }}"])
    def test_dry_run(self, run, both, jicoo_sandbox, path, dry):
        found = both(dry_run=dry, params={"dry": True})
        assert set(found) == {
            "plan",
            "digest",
            "changes",
            "unchanged",
            "guests_notified",
            "irreversible",
            "requests",
            "warnings",
            "shards",
        }
        assert "50 bookings will be changed" in run.pushed["summary"]
        assert sent(jicoo_sandbox) == 0
        assert not list(Path(path).parent.glob("*.journal"))

    @pytest.mark.parametrize("dry", [False, "false", "{{ params.dry }}"])
    def test_not_dry(self, both, dry):
        assert both(dry_run=dry, params={"dry": False})["counts"]["applied"] == 50

    @pytest.mark.parametrize("dry", ["yes", "1", "", None, "{{ params.dry }}"])
    def test_what_is_neither_is_no_go_ahead(self, both, jicoo_sandbox, path, dry):
        with pytest.raises(AirflowFailException, match="dry_run"):
            both(dry_run=dry, params={"dry": None})
        assert jicoo_sandbox.count() == 0
        assert not os.path.exists(path)

    def test_airflow_has_a_method_of_that_name(self, path):
        task = BulkUpdateBookingsOperator(task_id="t", selection=Selection(), change=LOW, plan_path=path, dry_run=True)
        assert callable(task.dry_run)

    def test_shards_are_refused(self, both, jicoo_sandbox):
        with pytest.raises(AirflowFailException, match="shards"):
            both(shards=2)
        assert jicoo_sandbox.count() == 0

    def test_a_further_try_goes_on_with_the_first_plan(self, both, jicoo_sandbox, path, quick):
        """Planned anew, a shift in time would move what is moved already once more."""
        uids = [booking["uid"] for booking in jicoo_sandbox.bookings()]
        before = {booking["uid"]: booking["startedAt"] for booking in jicoo_sandbox.bookings()}
        shift = {"change": ShiftTime(minutes=1440), "concurrency": 2, "on_doubt": "again"}
        jicoo_sandbox.latency = 0.01
        thread = when(
            lambda: sum(changes(jicoo_sandbox).values()) >= 20,
            lambda: jicoo_sandbox.fail("server_error", method="PATCH", times=100_000, status=500),
        )
        with pytest.raises(BulkFailedError):
            both(**shift)
        thread.join()
        jicoo_sandbox.heal()
        agreed = lines(path)[0]["digest"]

        done = both(**shift, try_number=2)

        assert (done["digest"], done["counts"]["applied"]) == (agreed, 50)
        assert done["changes"] == 50, "the manifest is as whole as after the first try"
        assert done["shards"][0]["digest"] == agreed
        for uid in uids:
            then, now = (
                datetime.fromisoformat(each.replace("Z", "+00:00"))
                for each in (before[uid], jicoo_sandbox.booking(uid)["startedAt"])
            )
            assert timedelta(hours=23) <= now - then <= timedelta(hours=25)
        assert set(changes(jicoo_sandbox).values()) == {1}
        assert at_most_once(jicoo_sandbox)

    def test_a_further_try_of_one_that_planned_nothing(self, both, jicoo_sandbox, quick_retries, path):
        jicoo_sandbox.fail("server_error", times=quick_retries)
        with pytest.raises(errors.ServerError):
            both()
        assert not os.path.exists(path)
        assert both(try_number=2)["counts"]["applied"] == 50

    @pytest.mark.parametrize("left", ["nothing", "half a header", "half the lines"])
    def test_a_further_try_of_one_that_was_killed_while_it_wrote_the_plan(self, both, jicoo_sandbox, path, left):
        both(dry_run=True)
        whole = Path(path).read_bytes()
        cut = {"nothing": 0, "half a header": 50, "half the lines": len(whole) // 2}[left]
        Path(path).write_bytes(whole[:cut])
        assert both(try_number=2)["counts"]["applied"] == 50
        again = Path(path).read_bytes()
        assert again.splitlines()[1:] == whole.splitlines()[1:]
        assert {**json.loads(again.splitlines()[0]), "madeAt": ""} == {
            **json.loads(whole.splitlines()[0]),
            "madeAt": "",
        }

    def test_a_plan_that_was_damaged_after_it_was_begun_is_not_made_anew(self, both, jicoo_sandbox, path, quick):
        thread = when(
            lambda: sum(changes(jicoo_sandbox).values()) >= 20,
            lambda: jicoo_sandbox.fail("server_error", method="PATCH", times=100_000),
        )
        jicoo_sandbox.latency = 0.01
        with pytest.raises(BulkFailedError):
            both(change=ShiftTime(minutes=1440), concurrency=2)
        thread.join()
        jicoo_sandbox.heal()
        Path(path).write_bytes(Path(path).read_bytes()[:-100])
        before = sent(jicoo_sandbox)
        with pytest.raises(AirflowFailException, match="is damaged"):
            both(change=ShiftTime(minutes=1440), try_number=2)
        assert sent(jicoo_sandbox) == before

    def test_a_first_try_plans_anew(self, both, jicoo_sandbox, path):
        both(dry_run=True)
        jicoo_sandbox.edit(jicoo_sandbox.bookings()[0]["uid"], priority="low", description="Bring your badge")
        assert both()["changes"] == 49


# --- undo ------------------------------------------------------------------------------------------------------------


class TestUndo:
    @pytest.mark.parametrize("change", [LOW, ShiftTime(minutes=90), "host"])
    @pytest.mark.parametrize("form", ["manifest", "path", "json"])
    def test_apply_undo_apply(self, run, jicoo_sandbox, planned, path, tmp_path, change, form):
        first, second = (user["uid"] for user in jicoo_sandbox.users[:2])
        change = ReplaceHost(first, second) if change == "host" else change
        before = still(jicoo_sandbox)
        manifest = planned(change=change)
        run(ApplyBookingPlanOperator, plan=manifest)
        after = still(jicoo_sandbox)
        assert after != before

        given = {"manifest": manifest, "path": path, "json": "{{ params.plan | tojson }}"}[form]
        undo = run(
            PlanBookingUndoOperator,
            plan=given,
            plan_path="{{ params.folder }}/undo.jsonl",
            is_send_updates="{{ 'false' }}",
            max_changes="{{ 1000 }}",
            params={"plan": manifest, "folder": str(tmp_path)},
        )
        assert undo["changes"] == manifest["changes"]
        assert run.pushed["summary"].startswith(f"**{undo['changes']} bookings will be changed**")
        assert still(jicoo_sandbox) == after, "an undo is a plan: nothing is changed by it"
        assert run(ApplyBookingPlanOperator, plan=undo)["counts"]["applied"] == undo["changes"]

        assert still(jicoo_sandbox) == before
        assert jicoo_sandbox.messages == []

    def test_of_shards(self, run, jicoo_sandbox, planned, tmp_path):
        before = still(jicoo_sandbox)
        manifest = planned(shards=3)
        for shard in manifest["shards"]:
            run(ApplyBookingPlanOperator, plan=shard)
        undo = run(
            PlanBookingUndoOperator, plan=manifest, plan_path=str(tmp_path / "undo.jsonl"), is_send_updates=False
        )
        run(ApplyBookingPlanOperator, plan=undo)
        assert still(jicoo_sandbox) == before

    def test_what_is_left_alone_is_said(self, run, jicoo_sandbox, planned, tmp_path):
        manifest = planned()
        run(ApplyBookingPlanOperator, plan=manifest)
        edited = jicoo_sandbox.bookings()[3]["uid"]
        jicoo_sandbox.edit(edited, priority="high", description="Somebody's words")
        undo = run(
            PlanBookingUndoOperator, plan=manifest, plan_path=str(tmp_path / "undo.jsonl"), is_send_updates=False
        )
        assert undo["changes"] == 49
        assert f"`{edited}`: priority was changed since" in run.pushed["summary"]
        assert "Somebody's words" not in run.pushed["summary"]

    @pytest.mark.parametrize(
        ("arguments", "words", "cause"),
        [
            ({}, "is_send_updates must be said", PlanError),
            ({"is_send_updates": "maybe"}, "is_send_updates: 'maybe' is neither true nor false", None),
            ({"is_send_updates": False, "max_changes": "10"}, "max_changes is 10, and the plan has 50", PlanLimitError),
            ({"is_send_updates": True, "max_notified_guests": 9}, "max_notified_guests is 9", PlanLimitError),
            ({"is_send_updates": False, "plan": "nowhere.jsonl"}, "cannot be read as a plan", PlanMismatchError),
        ],
    )
    def test_what_is_refused(self, run, jicoo_sandbox, planned, tmp_path, arguments, words, cause):
        manifest = planned()
        run(ApplyBookingPlanOperator, plan=manifest)
        with pytest.raises(AirflowFailException, match=words) as caught:
            run(PlanBookingUndoOperator, **{"plan": manifest, "plan_path": str(tmp_path / "undo.jsonl"), **arguments})
        assert isinstance(caught.value.__context__, cause or errors.InvalidRequestError)
        assert not (tmp_path / "undo.jsonl").exists()

    def test_of_a_plan_that_was_not_applied(self, run, planned, tmp_path):
        undo = run(
            PlanBookingUndoOperator, plan=planned(), plan_path=str(tmp_path / "undo.jsonl"), is_send_updates=False
        )
        assert undo["changes"] == 0


def test_the_key_is_in_no_file(run, jicoo_sandbox, planned, path, tmp_path):
    manifest = planned(shards=2)
    for shard in manifest["shards"]:
        run(ApplyBookingPlanOperator, plan=shard)
    run(PlanBookingUndoOperator, plan=manifest, plan_path=f"{path}.undo", is_send_updates=False)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 10
    for file in files:
        assert jicoo_sandbox.api_key.encode() not in file.read_bytes(), file
    assert datetime.now(timezone.utc).isoformat()[:10] in Path(f"{path}.shard-0.report/report.json").read_text()


@pytest.mark.parametrize("operator", [PlanBookingChangesOperator, BulkUpdateBookingsOperator, PlanBookingUndoOperator])
def test_words_to_guests_show_as_asterisks_among_the_rendered_fields(operator, context):
    parts = (
        {}
        if operator is PlanBookingUndoOperator
        else {
            "selection": Selection(name_matches="{{ params.name }}"),
            "change": Cancel(),
        }
    )
    plan = {"plan": "x"} if operator is PlanBookingUndoOperator else {}
    task = operator(task_id="t", plan_path="/x", update_message="Dear {{ params.name }}", **parts, **plan)
    task.render_template_fields(context(params={"name": "Zweig"}))

    assert str(task.update_message) == "***"
    assert "Zweig" not in " ".join(str(getattr(task, name)) for name in operator.template_fields)
    assert task._limits()["update_message"] == "Dear Zweig"
