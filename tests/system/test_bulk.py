"""The bulk change on a running Airflow: agreed to through its API, killed, retried, spread over workers, taken back."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pendulum
import pytest

from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk.verify import Verdict, verify_report
from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.approvals import answer, asked, processes
from tests.system.stack import AirflowStack

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("running Airflow"), pytest.mark.timeout(600)]

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"
REASSIGN, UNDO, CLOSE = "jicoo_bulk_reassign_host", "jicoo_undo_last_run", "jicoo_close_office_for_a_day"


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


def check_report(jicoo: Sandbox, plan: str) -> None:
    """Check that plan, journal, report and Jicoo tell the same of each booking."""
    found = verify_report(Settings(jicoo.api_key, base_url=jicoo.url), Path(plan))
    assert found.verdict is Verdict.TRUE, str(found)
    assert found.counts["applied"], str(found)


def test_reassign_waits_for_approval_and_is_taken_back(stack: AirflowStack, jicoo: Sandbox, plans: Path) -> None:
    leaves, takes_over = busiest(jicoo)[0], busiest(jicoo)[-1]
    affected = of_host(jicoo, leaves)
    assert len(affected) > 10
    before = state(jicoo)
    conf = {"from_user_id": leaves, "to_user_id": takes_over, "plans": str(plans)}
    run_id = stack.run_dag(REASSIGN, conf)

    question = asked(stack, REASSIGN, run_id)

    manifest = stack.xcom(REASSIGN, run_id, "plan")
    assert question["options"] == [f"Approve {manifest['digest'][:12]}", "Reject"]
    assert f"**{len(affected)} bookings will be changed**" in question["body"]
    assert "No guest will be messaged" in question["body"]
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
    check_report(jicoo, manifest["plan"])

    until = jicoo.requests[-1].number
    run_id = stack.run_dag(UNDO, {"plans": str(plans)})
    question = answer(stack, UNDO, run_id, "Approve")
    assert f"**{len(affected)} bookings will be changed**" in question["body"]
    stack.wait_for_run(UNDO, run_id)

    assert state(jicoo) == before
    assert changed(jicoo, until) == dict.fromkeys(affected, 1)
    assert jicoo.messages == []
    check_report(jicoo, stack.xcom(UNDO, run_id, "plan_undo")["plan"])


def test_a_rejected_plan_is_not_applied(stack: AirflowStack, jicoo: Sandbox, plans: Path) -> None:
    leaves, takes_over = busiest(jicoo)[:2]
    before, until = jicoo.bookings(), jicoo.requests[-1].number
    run_id = stack.run_dag(REASSIGN, {"from_user_id": leaves, "to_user_id": takes_over, "plans": str(plans)})

    answer(stack, REASSIGN, run_id, "Reject")
    stack.wait_for_run(REASSIGN, run_id, expect="failed")

    states = [stack.task_state(REASSIGN, run_id, task) for task in ("remember", "apply", "tell")]
    assert states == ["upstream_failed"] * 3
    assert changed(jicoo, until) == {}
    assert jicoo.bookings() == before
    assert not list(Path(stack.xcom(REASSIGN, run_id, "plan")["plan"]).parent.glob(f"{run_id}*.journal"))


def test_a_killed_worker_is_replaced_and_changes_nothing_twice(
    stack: AirflowStack, jicoo: Sandbox, plans: Path, tmp_path: Path
) -> None:
    # The example as it is, but Airflow tries again after a second, not after its default of five minutes.
    source = (EXAMPLES / f"{REASSIGN}.py").read_text()
    impatient = tmp_path / "jicoo_bulk_impatient.py"
    impatient.write_text(source.replace(REASSIGN, impatient.stem).replace("retries=3", "retries=3, retry_delay=1"))
    assert "retry_delay" in impatient.read_text()
    stack.add_dags(impatient)
    leaves, takes_over = busiest(jicoo)[:2]
    for day in range(40):
        jicoo.add_booking(
            hosts=[{"userId": leaves, "role": "admin"}], startedAt=pendulum.datetime(2032, 1, 1).add(days=day)
        )
    affected = of_host(jicoo, leaves)
    assert len(affected) > 60
    before, until = state(jicoo), jicoo.requests[-1].number
    run = (
        impatient.stem,
        stack.run_dag(impatient.stem, {"from_user_id": leaves, "to_user_id": takes_over, "plans": str(plans)}),
    )
    jicoo.latency, jicoo.rate_limit = 0.3, 10
    try:
        answer(stack, *run, "Approve")
        half = len(affected) // 2
        stack.poll("half is changed", lambda: True if sum(changed(jicoo, until).values()) >= half else None, 90)
        (process,) = processes(stack, *run, "apply")
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert half <= sum(changed(jicoo, until).values()) < len(affected)
        jicoo.latency, jicoo.rate_limit = 0.0, None
        stack.wait_for_run(*run)
    finally:
        jicoo.latency, jicoo.rate_limit = 0.0, None

    task = stack.task(*run, "apply")
    assert (task["state"], task["try_number"]) == ("success", 2)
    assert changed(jicoo, until) == dict.fromkeys(affected, 1), "a booking was changed twice, or not at all"
    assert {uid for uid, booking in state(jicoo).items() if booking != before[uid]} == affected
    assert of_host(jicoo, leaves) == set()
    assert jicoo.messages == []
    found = report(stack.xcom(*run, "plan")["plan"])
    assert found["counts"]["applied"] == found["changes"] == len(affected)
    assert found["try"] == 2
    check_report(jicoo, stack.xcom(*run, "plan")["plan"])


def test_four_workers_at_once_bear_one_rate_limit(stack: AirflowStack, jicoo: Sandbox, plans: Path) -> None:
    day = pendulum.datetime(2031, 3, 3, tz="Asia/Tokyo")
    made = {
        jicoo.add_booking(
            startedAt=(start := day.add(minutes=number * 3)), endedAt=start.add(minutes=30), timeZone="Asia/Tokyo"
        )["uid"]
        for number in range(400)
    }
    around = [jicoo.add_booking(startedAt=day.add(days=days), timeZone="Asia/Tokyo")["uid"] for days in (-1, 1)]
    before, until = state(jicoo), jicoo.requests[-1].number
    jicoo.rate_limit = 40
    try:
        conf = {"day": "2031-03-03", "to_day": "2031-03-10", "message": "Sorry", "plans": str(plans)}
        run_id = stack.run_dag(CLOSE, conf)
        answer(stack, CLOSE, run_id, "Approve")
        stack.wait_for_run(CLOSE, run_id)
    finally:
        jicoo.rate_limit = None

    tasks = [stack.task(CLOSE, run_id, "apply", index) for index in range(4)]
    assert [(task["state"], task["try_number"]) for task in tasks] == [("success", 1)] * 4
    for index in range(4):
        assert sum(stack.xcom(CLOSE, run_id, "apply", map_index=index)["counts"].values()) == 100
    assert changed(jicoo, until) == dict.fromkeys(made, 1)
    after = state(jicoo)
    for uid in made:
        then, now = (datetime.fromisoformat(each[uid]["startedAt"][:19]) for each in (before, after))
        assert now == then + timedelta(days=7)
    assert all(after[uid] == before[uid] for uid in around)
    told = Counter((message.uid, message.guest) for message in jicoo.messages)
    assert set(told) == {(uid, guest) for uid in made for guest in range(len(jicoo.contacts(uid)))}
    assert set(told.values()) == {1}
    assert f"{len(made)} applied" in stack.xcom(CLOSE, run_id, "one_report")
    check_report(jicoo, stack.xcom(CLOSE, run_id, "plan")["plan"])
    assert max(task["start_date"] for task in tasks) < min(task["end_date"] for task in tasks), "one after the other"
    assert any(request.status == 429 for request in jicoo.requests if request.number > until), "there was no limit"


def test_no_log_and_no_plan_holds_the_key_or_a_guest(stack: AirflowStack, jicoo: Sandbox, plans: Path) -> None:
    """Last in this file: it searches what all the tests above have left."""
    guests = {
        contact[field]
        for booking in jicoo.bookings()
        for contact in jicoo.contacts(booking["uid"])
        for field in ("name", "email")
    }
    assert guests
    files = [path for path in plans.rglob("*") if path.is_file()]
    assert {"report.json", "report.html", "outcomes.jsonl"} <= {path.name for path in files}
    for path in [*files, *stack.log_files()]:
        text = path.read_text(errors="replace")
        assert jicoo.api_key not in text, path.name
        assert not [guest for guest in guests if guest in text], path.name
