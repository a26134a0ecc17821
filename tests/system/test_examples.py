"""The example DAGs of the sections beside bookings, on a running Airflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pendulum
import pytest

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.approvals import answer, asked
from tests.system.stack import AirflowStack

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("running Airflow"), pytest.mark.timeout(600)]

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"


@pytest.fixture(scope="module")
def jicoo() -> Iterator[Sandbox]:
    with Sandbox(bookings=200, seed=13) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def stack(airflow_stack: AirflowStack, jicoo: Sandbox) -> AirflowStack:
    """Airflow with the connection and the example DAGs."""
    airflow_stack.add_connection("jicoo_default", jicoo.connection())
    airflow_stack.add_dags(EXAMPLES)
    return airflow_stack


@pytest.fixture(scope="module")
def runs(stack: AirflowStack, jicoo: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The ids of the runs. All are started at once, and each test waits for its own."""
    plans, reports = (str(tmp_path_factory.mktemp(name)) for name in ("plans", "reports"))
    leaves, takes_over = (user["uid"] for user in jicoo.users[1:3])
    event_type, busy = jicoo.event_types[0]["uid"], host(jicoo)["uid"]
    for day in range(40):
        start = pendulum.now("UTC").add(days=1 + day % 20)
        jicoo.add_booking(status="open", startedAt=start, hosts=[{"userId": busy, "role": "admin"}])
    offboard = {"user_id": leaves, "to_user_id": takes_over, "plans": plans}
    report = {"folder": reports, "days": 9}
    return {
        "offboard": stack.run_dag("jicoo_offboard_user", offboard),
        "report": stack.run_dag("jicoo_free_slot_report", report),
        "too few": stack.run_dag("jicoo_free_slot_report", {**report, "fail_below": 1_000_000}),
        "rebalance": stack.run_dag("jicoo_rebalance_hosts", {"event_type_id": event_type}),
    }


def host(jicoo: Sandbox) -> dict[str, Any]:
    """Return the first host of the first event type."""
    found: dict[str, Any] = jicoo.hosts(jicoo.event_types[0]["uid"])[0]
    return found


def test_free_slot_report(stack: AirflowStack, jicoo: Sandbox, runs: dict[str, str]) -> None:
    stack.wait_for_run("jicoo_free_slot_report", runs["report"])
    folder = Path(stack.xcom("jicoo_free_slot_report", runs["report"], "write"))
    table = (folder / "free_slots.md").read_text()
    assert len(table.splitlines()) == 2 + 9 + 1
    assert (folder / "free_slots.svg").read_text().count("<polyline") == len(jicoo.event_types)


def test_free_slot_report_fails_below_its_threshold(stack: AirflowStack, runs: dict[str, str]) -> None:
    run = ("jicoo_free_slot_report", runs["too few"])
    stack.wait_for_run(*run, expect="failed")
    assert stack.task_state(*run, "write") == "success", "the report is written all the same"


def test_rebalance_hosts(stack: AirflowStack, jicoo: Sandbox, runs: dict[str, str]) -> None:
    stack.wait_for_run("jicoo_rebalance_hosts", runs["rebalance"])
    (change,) = [
        each
        for each in stack.xcom("jicoo_rebalance_hosts", runs["rebalance"], "changes")
        if each["user"] == host(jicoo)["uid"]
    ]
    assert host(jicoo)["priority"] == change["becomes"] == change["was"] - 1


def test_offboard_user(stack: AirflowStack, jicoo: Sandbox, runs: dict[str, str]) -> None:
    run = ("jicoo_offboard_user", runs["offboard"])
    leaves = jicoo.users[1]["uid"]
    question = asked(stack, *run)
    assert "cannot be undone" in question["body"]
    assert leaves in {user["uid"] for user in jicoo.users}, "nobody is removed before somebody agrees"
    answer(stack, *run, "Approve")
    stack.wait_for_run(*run)
    assert leaves not in {user["uid"] for user in jicoo.users}
    now = pendulum.now("UTC").isoformat()
    left = [
        booking["uid"]
        for booking in jicoo.bookings()
        if booking["startedAt"] > now
        and booking["status"] != "cancel"
        and leaves in {host["userId"] for host in booking["hosts"]}
    ]
    assert left == []
