"""The example DAGs of the sections beside bookings, on a running Airflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pendulum
import pytest

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.approvals import answer
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


def test_free_slot_report(stack: AirflowStack, jicoo: Sandbox, tmp_path: Path) -> None:
    run_id = stack.run_dag("jicoo_free_slot_report", {"folder": str(tmp_path), "days": 9})
    stack.wait_for_run("jicoo_free_slot_report", run_id)
    folder = Path(stack.xcom("jicoo_free_slot_report", run_id, "write"))
    table = (folder / "free_slots.md").read_text()
    assert len(table.splitlines()) == 2 + 9 + 1
    assert (folder / "free_slots.svg").read_text().count("<polyline") == len(jicoo.event_types)


def test_free_slot_report_fails_below_its_threshold(stack: AirflowStack, tmp_path: Path) -> None:
    run_id = stack.run_dag("jicoo_free_slot_report", {"folder": str(tmp_path), "fail_below": 1_000_000})
    stack.wait_for_run("jicoo_free_slot_report", run_id, expect="failed")
    assert stack.task_state("jicoo_free_slot_report", run_id, "write") == "success", (
        "the report is written all the same"
    )


def test_rebalance_hosts(stack: AirflowStack, jicoo: Sandbox) -> None:
    event_type = jicoo.event_types[0]["uid"]
    hosts = {host["uid"]: host["priority"] for host in jicoo.hosts(event_type) if host["userType"] == "host"}
    busy = next(uid for uid, priority in hosts.items() if priority > 0)
    for day in range(40):
        start = pendulum.now("UTC").add(days=1 + day % 20)
        jicoo.add_booking(status="open", startedAt=start, hosts=[{"userId": busy, "role": "admin"}])
    run_id = stack.run_dag("jicoo_rebalance_hosts", {"event_type_id": event_type})
    stack.wait_for_run("jicoo_rebalance_hosts", run_id)
    after = {host["uid"]: host["priority"] for host in jicoo.hosts(event_type)}
    assert after[busy] == hosts[busy] - 1


def test_offboard_user(stack: AirflowStack, jicoo: Sandbox, tmp_path: Path) -> None:
    leaves, takes_over = (user["uid"] for user in jicoo.users[1:3])
    conf = {"user_id": leaves, "to_user_id": takes_over, "plans": str(tmp_path)}
    run_id = stack.run_dag("jicoo_offboard_user", conf)
    question = answer(stack, "jicoo_offboard_user", run_id, "Approve")
    assert "cannot be undone" in question["body"]
    assert leaves in {user["uid"] for user in jicoo.users}, "nobody is removed before somebody agrees"
    stack.wait_for_run("jicoo_offboard_user", run_id)
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
