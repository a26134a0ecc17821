"""What was approved is what runs, on a running Airflow: cleared, retried, four eyes, another machine's disk."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.approvals import answer, asked, processes
from tests.system.stack import AirflowStack, run_path

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("running Airflow"), pytest.mark.timeout(600)]

ASKS, AT_ONCE = "jicoo_approvals", "jicoo_at_once"


@pytest.fixture(scope="module")
def jicoo() -> Iterator[Sandbox]:
    with Sandbox(bookings=80, seed=17) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def stack(airflow_stack: AirflowStack, jicoo: Sandbox) -> AirflowStack:
    airflow_stack.add_connection("jicoo_default", jicoo.connection())
    return airflow_stack


@pytest.fixture
def choose(stack: AirflowStack, jicoo: Sandbox, tmp_path: Path) -> Any:
    """Choose the bookings, and where plans are, for what is planned from now on: ``choose(0, 3)``."""

    def choose(first: int, last: int, plans: Path = tmp_path) -> list[str]:
        uids = [booking["uid"] for booking in jicoo.bookings()[first:last]]
        for key, value in (("jicoo_chosen", json.dumps(uids)), ("jicoo_plans", str(plans))):
            stack.api.request("DELETE", f"/variables/{key}")
            stack.api.post("/variables", {"key": key, "value": value})
        return uids

    return choose


def last_request(jicoo: Sandbox) -> int:
    return jicoo.requests[-1].number if jicoo.requests else 0


def changed(jicoo: Sandbox, since: int) -> Counter[str]:
    return Counter(
        request.path.split("/")[3]
        for request in jicoo.requests
        if request.number > since and request.method != "GET" and request.status == 200
    )


def clear(stack: AirflowStack, dag_id: str, run_id: str, *tasks: str) -> None:
    body = {
        "dry_run": False,
        "dag_run_id": run_id,
        "task_ids": list(tasks),
        "only_failed": False,
        "include_downstream": True,
        "reset_dag_runs": True,
    }
    stack.api.post(f"/dags/{dag_id}/clearTaskInstances", body)


def test_who_agreed_to_what(stack: AirflowStack, jicoo: Sandbox, choose: Any) -> None:
    uids, since = choose(0, 3), last_request(jicoo)
    run_id = stack.run_dag(ASKS, {"words": "Bring your badge"})
    question = answer(stack, ASKS, run_id, "Approve", who="alice")
    stack.wait_for_run(ASKS, run_id)
    manifest, approval = stack.xcom(ASKS, run_id, "plan"), stack.xcom(ASKS, run_id, "approve")
    assert question["options"] == [f"Approve {manifest['digest'][:12]}", "Reject"]
    assert question["body"].startswith("Bring your badge\n\n**3 bookings will be changed**")
    assert question["params"] == {}, "the form asks nothing but yes or no"
    assert (approval["digest"], approval["by"]) == (manifest["digest"], "alice")
    assert changed(jicoo, since) == dict.fromkeys(uids, 1)
    for index, shard in enumerate(manifest["shards"]):
        report = Path(stack.xcom(ASKS, run_id, "apply", map_index=index)["report"], "report.json")
        assert json.loads(report.read_text())["approval"] == approval
        (claim,) = Path(f"{shard['plan']}.{shard['digest'][:12]}.journal").glob("claim-*.json")
        assert json.loads(claim.read_text())["approval"] == approval

    # Cleared as a whole, it does not write over what has been applied.
    choose(0, 40)
    clear(stack, ASKS, run_id, "plan")
    stack.wait_for_run(ASKS, run_id, expect="failed")
    assert "its apply has begun" in stack.task_log(ASKS, run_id, "plan")
    assert changed(jicoo, since) == dict.fromkeys(uids, 1)


def test_a_cleared_approval_lets_no_other_plan_through(stack: AirflowStack, jicoo: Sandbox, choose: Any) -> None:
    """Airflow before 3.4 shows the text of the first try: three bookings are seen, and forty would be changed."""
    choose(0, 3)
    since = last_request(jicoo)
    run_id = stack.run_dag(ASKS, {"words": "one"})
    first = answer(stack, ASKS, run_id, "Reject", who="bob")
    stack.wait_for_run(ASKS, run_id, expect="failed")
    assert "rejected by bob" in stack.task_log(ASKS, run_id, "approve")

    choose(0, 40)
    clear(stack, ASKS, run_id, "plan")
    try:
        second = asked(stack, ASKS, run_id)
    except AssertionError:
        # It is not even asked for: nobody sees what would not be applied.
        assert stack.run_state(ASKS, run_id) == "failed"
        assert "Start a new run of the DAG" in stack.task_log(ASKS, run_id, "approve")
        assert stack.task(ASKS, run_id, "approve")["try_number"] == 2, "no retry is spent on it"
    else:
        assert second["options"][0] != first["options"][0]
        assert "**40 bookings will be changed**" in second["body"], "a fresh form, since Airflow 3.4"
        answer(stack, ASKS, run_id, "Reject")
        stack.wait_for_run(ASKS, run_id, expect="failed")
    assert changed(jicoo, since) == {}

    # What the error says helps.
    run_id = stack.run_dag(ASKS, {"words": "one"})
    fresh = answer(stack, ASKS, run_id, "Approve", who="bob")
    assert "**40 bookings will be changed**" in fresh["body"]
    stack.wait_for_run(ASKS, run_id)
    assert sum(changed(jicoo, since).values()) == 40


def test_an_approval_of_an_earlier_plan_is_not_enough(stack: AirflowStack, jicoo: Sandbox, choose: Any) -> None:
    """Somebody clears the plan alone: the approval is still there, and so is what it is for."""
    choose(40, 43)
    since = last_request(jicoo)
    run_id = stack.run_dag(ASKS, {"words": "{{ not a template", "needed": 1})
    question = asked(stack, ASKS, run_id)
    # The plan is made anew while somebody looks at the first one.
    choose(40, 60)
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": ["plan"], "only_failed": False}
    stack.api.post(f"/dags/{ASKS}/clearTaskInstances", body)
    stack.poll(
        "the plan is made anew",
        lambda: (
            True
            if stack.task(ASKS, run_id, "plan")["state"] == "success"
            and stack.xcom(ASKS, run_id, "plan")["changes"] == 20
            else None
        ),
        60,
    )
    answer(stack, ASKS, run_id, "Approve", who="alice")
    stack.wait_for_run(ASKS, run_id, expect="failed")
    assert question["options"][0] in stack.task_log(ASKS, run_id, "approve")
    assert "Start a new run of the DAG" in stack.task_log(ASKS, run_id, "approve")
    assert changed(jicoo, since) == {}


def test_four_eyes(stack: AirflowStack, jicoo: Sandbox, choose: Any) -> None:
    uids, since = choose(60, 64), last_request(jicoo)
    run_id = stack.run_dag(ASKS, {"words": "two", "needed": 2})
    answer(stack, ASKS, run_id, "Approve", who="alice")
    answer(stack, ASKS, run_id, "Approve", who="alice")
    assert changed(jicoo, since) == {}
    answer(stack, ASKS, run_id, "Approve", who="bob")
    stack.wait_for_run(ASKS, run_id)
    assert stack.xcom(ASKS, run_id, "approve")["by"] == "alice, bob"
    assert changed(jicoo, since) == dict.fromkeys(uids, 1)


def test_four_eyes_of_whom_one_rejects(stack: AirflowStack, jicoo: Sandbox, choose: Any) -> None:
    choose(64, 66)
    since = last_request(jicoo)
    run_id = stack.run_dag(ASKS, {"words": "two", "needed": 2})
    answer(stack, ASKS, run_id, "Approve", who="alice")
    answer(stack, ASKS, run_id, "Reject", who="bob")
    stack.wait_for_run(ASKS, run_id, expect="failed")
    assert "rejected by bob" in stack.task_log(ASKS, run_id, "approve")
    assert changed(jicoo, since) == {}


def test_nobody_answers(stack: AirflowStack, jicoo: Sandbox, choose: Any) -> None:
    choose(64, 66)
    since = last_request(jicoo)
    # Time enough for the scheduler to hear that the process which asked has ended: else it takes the end of the one for
    # that of the other (see `asked`).
    run_id = stack.run_dag(ASKS, {"words": "three", "seconds": "10"})
    stack.wait_for_run(ASKS, run_id, expect="failed")
    assert "not all have answered in time" in stack.task_log(ASKS, run_id, "approve")
    assert stack.task(ASKS, run_id, "approve")["try_number"] == 1
    assert changed(jicoo, since) == {}


def test_only_some_may_answer(stack: AirflowStack, jicoo: Sandbox, choose: Any) -> None:
    choose(64, 66)
    run_id = stack.run_dag(ASKS, {"words": "four", "people": [{"id": "carol", "name": "Carol"}]})
    question = asked(stack, ASKS, run_id)
    assert [user["id"] for user in question["assigned_users"]] == ["carol"]
    answer(stack, ASKS, run_id, "Reject", who="carol")
    stack.wait_for_run(ASKS, run_id, expect="failed")


def test_an_option_that_was_never_offered(stack: AirflowStack, jicoo: Sandbox, choose: Any) -> None:
    choose(64, 66)
    since = last_request(jicoo)
    run_id = stack.run_dag(ASKS, {"words": "five"})
    asked(stack, ASKS, run_id)
    path = f"{run_path(ASKS, run_id)}/taskInstances/approve/-1/hitlDetails"
    response = stack.api.request("PATCH", path, json={"chosen_options": ["Approve"], "params_input": {}})
    if not response.ok:
        # From some version on, Airflow itself refuses what was not offered.
        assert response.status_code == 400
        answer(stack, ASKS, run_id, "Reject")
    stack.wait_for_run(ASKS, run_id, expect="failed")
    assert changed(jicoo, since) == {}


def test_a_retry_on_another_machine_does_not_plan_anew(
    stack: AirflowStack, jicoo: Sandbox, choose: Any, tmp_path: Path
) -> None:
    """The plan is on the disk of a worker that is gone, and half of the bookings are moved by two hours."""
    choose(0, 60, tmp_path / "one")
    since = last_request(jicoo)
    jicoo.latency, jicoo.rate_limit = 0.3, 10
    try:
        run_id = stack.run_dag(AT_ONCE)
        stack.poll("half is moved", lambda: True if sum(changed(jicoo, since).values()) >= 20 else None, 90)
        choose(0, 60, tmp_path / "another")
        (process,) = processes(stack, AT_ONCE, run_id, "move")
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        jicoo.latency, jicoo.rate_limit = 0.0, None
        stack.wait_for_run(AT_ONCE, run_id, expect="failed")
    finally:
        jicoo.latency, jicoo.rate_limit = 0.0, None
    moved = changed(jicoo, since)
    assert set(moved.values()) == {1}
    assert len(moved) < 60
    task = stack.task(AT_ONCE, run_id, "move")
    assert task["try_number"] == 2, "no further retry is spent on it"
    assert "and its journal are gone" in stack.task_log(AT_ONCE, run_id, "move")

    # The disk is back, and a person clears the task.
    choose(0, 60, tmp_path / "one")
    clear(stack, AT_ONCE, run_id, "move")
    stack.wait_for_run(AT_ONCE, run_id, expect=None)
    assert set(changed(jicoo, since).values()) == {1}, "nobody was moved twice"
    told = Counter((message.uid, message.guest) for message in jicoo.messages)
    assert sum(changed(jicoo, since).values()) >= 55, "what was in doubt may be left as unknown"
    assert told
