"""The bulk change on a running Airflow: agreed to through its API, killed, retried, spread over workers, taken back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pendulum
import pytest

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.stack import AirflowStack, StackError, run_path

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"
REASSIGN, UNDO, CLOSE = "jicoo_bulk_reassign_host", "jicoo_undo_last_run", "jicoo_close_office_for_a_day"
WAITING = ("awaiting_input", "deferred")
"""The state of a task that waits for a person: since Airflow 3.3, and before."""


@pytest.fixture(scope="module")
def jicoo() -> Iterator[Sandbox]:
    with Sandbox(bookings=400, seed=11) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans")


@pytest.fixture(scope="module")
def stack(airflow_stack: AirflowStack, jicoo: Sandbox) -> AirflowStack:
    """Airflow with the connection and the example DAGs."""
    airflow_stack.add_connection("jicoo_default", jicoo.connection())
    airflow_stack.add_dags(EXAMPLES)
    return airflow_stack


def asked(stack: AirflowStack, dag_id: str, run_id: str, task_id: str = "approve") -> dict[str, Any]:
    """Wait until a task asks a person, and return what it asks."""

    def probe() -> dict[str, Any] | None:
        if stack.run_state(dag_id, run_id) in ("success", "failed"):
            raise StackError(f"the run ended without an approval\n{stack.describe_run(dag_id, run_id)}")
        if stack.task_state(dag_id, run_id, task_id) not in WAITING:
            return None
        found: dict[str, Any] = stack.api.get(f"{run_path(dag_id, run_id)}/taskInstances/{task_id}/-1/hitlDetails")
        return found

    return stack.poll(f"{task_id} of {dag_id} asks", probe, 90, lambda: stack.describe_run(dag_id, run_id))


def answer(stack: AirflowStack, dag_id: str, run_id: str, option: str, task_id: str = "approve") -> dict[str, Any]:
    """Answer an approval as a person does, and return what was asked.

    ``PATCH /api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/{map_index}/hitlDetails`` with
    ``{"chosen_options": ["Approve"]}`` or ``["Reject"]``; the map index of a task that is not mapped is -1.
    """
    question = asked(stack, dag_id, run_id, task_id)
    path = f"{run_path(dag_id, run_id)}/taskInstances/{task_id}/-1/hitlDetails"
    stack.api.patch(path, {"chosen_options": [option], "params_input": {}})
    return question


def of_host(jicoo: Sandbox, user: str) -> set[str]:
    """Return the open bookings to come of a host."""
    now = pendulum.now("UTC").isoformat()
    return {
        booking["uid"]
        for booking in jicoo.bookings()
        if booking["status"] == "open"
        and booking["startedAt"] > now
        and any(host["userId"] == user for host in booking["hosts"])
    }


def busiest(jicoo: Sandbox) -> list[str]:
    """Return the hosts, the one with the most open bookings to come first."""
    return sorted((user["uid"] for user in jicoo.users), key=lambda user: -len(of_host(jicoo, user)))


def state(jicoo: Sandbox) -> dict[str, dict[str, Any]]:
    """Return all bookings, without the moment of their last change."""
    return {booking["uid"]: {**booking, "updatedAt": None} for booking in jicoo.bookings()}


def changed(jicoo: Sandbox, since: int = 0) -> Counter[str]:
    """Return how often each booking was changed, by requests after the one with the number ``since``."""
    return Counter(
        request.path.split("/")[3]
        for request in jicoo.requests
        if request.number > since and request.method != "GET" and request.status == 200
    )


def report(plan: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"{plan}.report", "report.json").read_text())
    return found


def test_reassign_waits_for_approval_and_is_taken_back(stack: AirflowStack, jicoo: Sandbox, plans: Path) -> None:
    leaves, takes_over = busiest(jicoo)[0], busiest(jicoo)[-1]
    affected = of_host(jicoo, leaves)
    assert len(affected) > 10
    before = state(jicoo)
    conf = {"from_user_id": leaves, "to_user_id": takes_over, "plans": str(plans)}
    run_id = stack.run_dag(REASSIGN, conf)

    question = asked(stack, REASSIGN, run_id)

    assert question["options"] == ["Approve", "Reject"]
    assert f"**{len(affected)} bookings will be changed**" in question["body"]
    assert "Guests of **0** bookings will be messaged" in question["body"]
    manifest = stack.xcom(REASSIGN, run_id, "plan")
    assert manifest["digest"] in question["body"]
    assert changed(jicoo) == {}, "nothing is changed before somebody agrees"
    assert state(jicoo) == before

    answer(stack, REASSIGN, run_id, "Approve")
    stack.wait_for_run(REASSIGN, run_id)

    assert of_host(jicoo, leaves) == set()
    assert changed(jicoo) == dict.fromkeys(affected, 1)
    assert {uid for uid, booking in state(jicoo).items() if booking != before[uid]} == affected
    assert jicoo.messages == []
    assert stack.xcom(REASSIGN, run_id, "apply")["counts"]["applied"] == len(affected)
    assert report(manifest["plan"])["counts"]["applied"] == len(affected)
    assert f"{len(affected)} applied" in stack.task_log(REASSIGN, run_id, "apply")

    until = jicoo.requests[-1].number
    run_id = stack.run_dag(UNDO, {"plans": str(plans)})
    question = answer(stack, UNDO, run_id, "Approve")
    assert f"**{len(affected)} bookings will be changed**" in question["body"]
    stack.wait_for_run(UNDO, run_id)

    assert state(jicoo) == before
    assert changed(jicoo, until) == dict.fromkeys(affected, 1)
    assert jicoo.messages == []
