"""The package on a running Airflow, with an embedded Jicoo."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pendulum
import pytest

from airflow_provider_jicoo.hooks.forms import EXTRA_FIELDS
from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.stack import TRIGGERER_THRESHOLD, AirflowStack, session_members

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("running Airflow"), pytest.mark.timeout(600)]

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"


@pytest.fixture(scope="module")
def jicoo() -> Iterator[Sandbox]:
    with Sandbox(bookings=200, seed=7) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def stack(airflow_stack: AirflowStack, jicoo: Sandbox) -> AirflowStack:
    """Airflow with the connection and the example DAGs."""
    airflow_stack.add_connection("jicoo_default", {**jicoo.connection(), "extra": json.dumps({"team_slug": "acme"})})
    airflow_stack.add_dags(EXAMPLES)
    return airflow_stack


def of_host(jicoo: Sandbox, user: str) -> list[str]:
    now = pendulum.now("UTC").isoformat()
    return [
        booking["uid"]
        for booking in jicoo.bookings()
        if booking["status"] == "open"
        and booking["startedAt"] > now
        and any(host["userId"] == user for host in booking["hosts"])
    ]


def test_connection_type_is_listed_with_its_form(stack: AirflowStack) -> None:
    metas = stack.api.get("/ui/connections/hook_meta")
    (ours,) = [meta for meta in metas if meta["connection_type"] == "jicoo"]
    assert ours["hook_name"] == "Jicoo"
    assert set(ours["extra_fields"]) == {field.name for field in EXTRA_FIELDS}
    assert ours["extra_fields"]["webhook_secret"]["schema"]["format"] == "password"
    assert ours["standard_fields"]["password"]["title"] == "API key"


@pytest.mark.parametrize(
    ("key", "works", "says"),
    [("api_key", True, "accepts the API key"), ("forbidden_key", False, "no permission"), ("", False, "refuses")],
)
def test_connection_test_through_the_api(stack: AirflowStack, jicoo: Sandbox, key: str, works: bool, says: str) -> None:
    password = getattr(jicoo, key) if key else "sk_live_wrong"
    body = {"connection_id": "jicoo_tested", "conn_type": "jicoo", "host": jicoo.url, "password": password}
    answer = stack.api.post("/connections/test", body)
    assert answer["status"] is works
    assert says in answer["message"]
    assert password not in answer["message"]


def test_reassign_host(stack: AirflowStack, jicoo: Sandbox) -> None:
    leaves, takes_over = jicoo.users[0]["uid"], jicoo.users[1]["uid"]
    affected = of_host(jicoo, leaves)
    assert affected
    before = jicoo.count("PATCH")
    run_id = stack.run_dag("jicoo_reassign_host", {"from_user_id": leaves, "to_user_id": takes_over})
    stack.wait_for_run("jicoo_reassign_host", run_id, timeout=300)
    assert of_host(jicoo, leaves) == []
    assert set(affected) <= set(of_host(jicoo, takes_over))
    assert jicoo.count("PATCH") - before == len(affected)
    assert jicoo.messages == []


def test_reschedule_day(stack: AirflowStack, jicoo: Sandbox) -> None:
    start = pendulum.datetime(2031, 3, 3, 10, tz="Asia/Tokyo")
    booking = jicoo.add_booking(
        status="open", startedAt=start, endedAt=start.add(minutes=30), timeZone="Asia/Tokyo", name="moved"
    )
    run_id = stack.run_dag("jicoo_reschedule_day", {"day": "2031-03-03", "to_day": "2031-03-05"})
    stack.wait_for_run("jicoo_reschedule_day", run_id)
    assert pendulum.parse(jicoo.booking(booking["uid"])["startedAt"]) == start.add(days=2)
    assert jicoo.count("POST", f"/v1/bookings/{booking['uid']}/reschedule") == 1
    link = stack.xcom("jicoo_reschedule_day", run_id, "move", key="jicoo_event_type_url", map_index=0)
    assert link == f"https://www.jicoo.com/t/acme/e/{booking['eventTypeId']}"


def test_a_waiting_sensor_survives_kill_of_the_triggerer(stack: AirflowStack, jicoo: Sandbox) -> None:
    booking = jicoo.add_booking(status="request", startedAt=pendulum.now("UTC").add(days=9))
    run_id = stack.run_dag("jicoo_wait_for_booking", {"uid": booking["uid"]})
    run = ("jicoo_wait_for_booking", run_id, "wait_until_approved")
    stack.wait_for_task_state(*run, "deferred")
    stack.wait_for_triggerer(*run)

    pid = stack.services["triggerer"].pid
    stack.kill("triggerer")
    assert session_members(pid) == [], "a killed triggerer asks no more"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    polls = jicoo.count("GET", f"/v1/bookings/{booking['uid']}")
    assert stack.task_state(*run) == "deferred"
    stack.start("triggerer")
    deadline = time.monotonic() + TRIGGERER_THRESHOLD + 60
    while jicoo.count("GET", f"/v1/bookings/{booking['uid']}") == polls:
        assert time.monotonic() < deadline, "nobody waits for the booking any more"
        time.sleep(0.5)

    jicoo.edit(booking["uid"], status="open")
    stack.wait_for_run("jicoo_wait_for_booking", run_id)
    assert stack.task(*run)["try_number"] == 1
    assert booking["uid"] in stack.xcom("jicoo_wait_for_booking", run_id, "go_on_with")


def test_a_cancelled_booking_fails_the_sensor_with_a_reason(stack: AirflowStack, jicoo: Sandbox) -> None:
    booking = jicoo.add_booking(status="request", startedAt=pendulum.now("UTC").add(days=10))
    run_id = stack.run_dag("jicoo_wait_for_booking", {"uid": booking["uid"]})
    run = ("jicoo_wait_for_booking", run_id, "wait_until_approved")
    stack.wait_for_task_state(*run, "deferred")
    jicoo.edit(booking["uid"], status="cancel")
    assert stack.wait_for_run("jicoo_wait_for_booking", run_id, expect="failed") == "failed"
    assert f"booking {booking['uid']} is cancel" in stack.task_log(*run)


def test_no_log_holds_the_key_or_a_guest(stack: AirflowStack, jicoo: Sandbox) -> None:
    """Last in this file: it searches what all the tests above have logged."""
    guests = {
        contact[field]
        for booking in jicoo.bookings()
        for contact in jicoo.contacts(booking["uid"])
        for field in ("name", "email")
    }
    assert guests
    for path in stack.log_files():
        text = path.read_text(errors="replace")
        assert jicoo.api_key not in text, path.name
        assert jicoo.forbidden_key not in text, path.name
        # PostgreSQL logs statements only where they fail, and then with their values: none should.
        assert not [guest for guest in guests if guest in text], path.name
