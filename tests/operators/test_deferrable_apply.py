"""An apply that leaves its worker while it may send nothing, and goes on from the journal."""

from __future__ import annotations

import collections
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_jicoo.bulk import Selection, UpdateFields
from airflow_provider_jicoo.bulk.errors import StoppedError
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator
from airflow_provider_jicoo.tasks.compat import AirflowFailException, TaskDeferred
from tests.bulk.tools import hurry_operators

pytestmark = pytest.mark.usefixtures("jicoo_connection")
GO_ON = {"status": "success", "message": ""}


@pytest.fixture
def ready(context, monkeypatch):
    hurry_operators(monkeypatch, lease=0.3)
    made = context(params={})
    names = {"dag_id": "bulk", "run_id": "run-1", "task_id": "apply", "map_index": -1}
    for name, value in names.items():
        setattr(made["ti"], name, value)
    return made


@pytest.fixture
def plan(ready, tmp_path):
    return PlanBookingChangesOperator(
        task_id="plan",
        selection=Selection(),
        change=UpdateFields(description="Bring your badge"),
        plan_path=str(tmp_path / "plan.jsonl"),
        is_send_updates=False,
    ).execute(ready)


def apply(plan, **more):
    return ApplyBookingPlanOperator(task_id="apply", plan=plan, **{"deferrable": True, **more})


def control(plan, state):
    Path(f"{plan['plan']}.control").write_text(json.dumps({"state": state}))


def journal(plan):
    return {file.name for folder in Path(plan["plan"]).parent.glob("*.journal") for file in folder.iterdir()}


def hours(begin, end):
    """Times of day, so many hours from now."""
    now = datetime.now(timezone.utc)
    return [f"{now + timedelta(hours=each):%H:%M}" for each in (begin, end)]


def changed(sandbox):
    return collections.Counter(
        request.path.split("/")[3]
        for request in sandbox.requests
        if request.method == "PATCH" and request.status == 200
    )


def test_a_plan_that_is_paused_is_not_even_taken(plan, ready, jicoo_sandbox):
    control(plan, "pause")
    before = jicoo_sandbox.count()
    with pytest.raises(TaskDeferred) as deferred:
        apply(plan).execute(ready)
    assert jicoo_sandbox.count() == before
    assert journal(plan) == set()
    assert deferred.value.method_name == "execute_complete"
    arguments = deferred.value.trigger.serialize()[1]
    assert arguments == {"plan": plan["plan"], "only_between": None, "time_zone": None, "poll_interval": 15.0}


def test_outside_of_its_hours_it_waits(plan, ready, jicoo_sandbox):
    between = hours(1, 2)
    with pytest.raises(TaskDeferred) as deferred:
        apply(plan, only_between=between, time_zone="UTC").execute(ready)
    assert not changed(jicoo_sandbox)
    arguments = deferred.value.trigger.serialize()[1]
    assert (arguments["only_between"], arguments["time_zone"]) == (between, "UTC")
    assert (
        apply(plan, only_between=hours(-1, 1), time_zone="UTC").execute(ready)["counts"]["applied"] == plan["changes"]
    )


def test_paused_in_the_middle_it_leaves_and_goes_on_from_the_journal(plan, ready, jicoo_sandbox, monkeypatch):
    count = 0
    from airflow_provider_jicoo.bulk.apply.ledger import Ledger

    own = Ledger.announce

    async def announce(self, changes):
        nonlocal count
        await own(self, changes)
        count += len(changes)
        if count >= 3 and not Path(f"{plan['plan']}.control").exists():
            control(plan, "pause")

    monkeypatch.setattr(Ledger, "announce", announce)
    jicoo_sandbox.fail("slow", method="PATCH", times=1000, seconds=0.3)
    with pytest.raises(TaskDeferred):
        apply(plan, concurrency=1).execute(ready)
    done = changed(jicoo_sandbox)
    assert 0 < len(done) < plan["changes"]
    assert any(name.startswith("released-") for name in journal(plan))  # nobody waits for its lease

    control(plan, "run")
    jicoo_sandbox.heal()
    result = apply(plan).execute_complete(ready, GO_ON)

    assert result["counts"]["applied"] == plan["changes"]
    assert set(changed(jicoo_sandbox).values()) == {1}


def test_who_stops_it_while_it_waits(plan, ready, jicoo_sandbox):
    control(plan, "pause")
    with pytest.raises(TaskDeferred):
        apply(plan).execute(ready)
    control(plan, "stop")
    with pytest.raises(AirflowFailException, match="told to stop"):
        apply(plan).execute_complete(ready, GO_ON)
    assert not changed(jicoo_sandbox)


@pytest.mark.parametrize("event", [None, {"status": "failed", "message": "the triggerer cannot see it"}, "success"])
def test_a_triggerer_that_cannot_wait(plan, ready, event, jicoo_sandbox):
    with pytest.raises(StoppedError, match="could not wait"):
        apply(plan).execute_complete(ready, event)
    assert not changed(jicoo_sandbox)


def test_a_variable_cannot_be_read_by_the_triggerer(plan, ready, jicoo_sandbox):
    with pytest.raises(AirflowFailException, match=r"control_variable: .* give deferrable=False"):
        apply(plan, control_variable="jicoo").execute(ready)


def test_hours_that_are_none(plan, ready, jicoo_sandbox):
    with pytest.raises(AirflowFailException, match="by which clocks"):
        apply(plan, only_between=("21:00", "07:00")).execute(ready)
    assert not changed(jicoo_sandbox)
