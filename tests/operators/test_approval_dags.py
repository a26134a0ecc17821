"""Asking people about a plan in a DAG that Airflow really runs, and that they answer through its REST API."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from airflow.utils.state import TaskInstanceState

FILE = Path(__file__).parent / "dags" / "jicoo_approval.py"
WAITING = ("awaiting_input", "deferred")

pytestmark = pytest.mark.usefixtures("jicoo_connection")
waits = pytest.mark.skipif(
    not hasattr(TaskInstanceState, "AWAITING_INPUT"), reason="`dag.test` waits for a person since Airflow 3.3"
)


@pytest.fixture
def answers(rest_api):
    """Answer an approval one by one while the DAG runs: ``answers(("alice", "Approve"), ("bob", "Reject"))``.

    Returns what was asked, each time, when ``join()`` has waited for the end.
    """
    started = []

    def answers(*people):
        person = People(rest_api, people)
        person.start()
        started.append(person)
        return person

    yield answers
    for person in started:
        person.done.set()
        person.join()


class People(threading.Thread):
    def __init__(self, api, people):
        super().__init__()
        self.api, self.people = api, people
        self.done = threading.Event()
        self.asked, self.status = [], []

    def run(self):
        for who, option in self.people:
            detail = self._wait(who)
            if detail is None:
                return
            self.asked.append(detail)
            (chosen,) = [each for each in detail["options"] if each.startswith(option)]
            task = detail["task_instance"]
            path = f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/approve/-1/hitlDetails"
            answer = self.api.patch(
                path, json={"chosen_options": [chosen], "params_input": {}}, headers=self.api.as_user(who)
            )
            self.status.append(answer.status_code)

    def _wait(self, who):
        """Wait until the task waits for an answer: one that comes before is lost."""
        seen = 0
        while not self.done.wait(0.3):
            found = self.api.get(
                "/api/v2/dags/jicoo_approval/dagRuns/~/hitlDetails",
                params={"response_received": "false"},
                headers=self.api.as_user(who),
            )
            for detail in found.json().get("hitl_details", []):
                if detail["task_instance"]["state"] in WAITING and not detail["response_received"]:
                    seen += 1
                    if seen > 3:
                        return detail
        return None


def said(capfd, caplog):
    written = capfd.readouterr()
    return written.out + written.err + caplog.text


@pytest.fixture
def run(run_dag, jicoo_sandbox, tmp_path):
    uids = [booking["uid"] for booking in jicoo_sandbox.bookings()[:6]]

    def run(**conf):
        return run_dag(FILE, "jicoo_approval", plans=str(tmp_path), uids=uids, **conf)

    return run


def changed(sandbox):
    return {request.path for request in sandbox.requests if request.method != "GET"}


@waits
def test_somebody_agrees(run, answers, jicoo_sandbox):
    person = answers(("alice", "Approve"))
    found = run()
    assert found.state == "success", found.states
    manifest, approval = found.xcom("plan"), found.xcom("approve")
    assert (approval["digest"], approval["by"]) == (manifest["digest"], "alice")
    (asked,) = person.asked
    assert asked["options"] == [f"Approve {manifest['digest'][:12]}", "Reject"]
    assert asked["subject"] == "Change 6 bookings, which messages the guests of 6?"
    assert asked["params"] == {}
    assert len(changed(jicoo_sandbox)) == 6
    for index in range(2):
        report = json.loads(Path(found.xcom("apply", map_index=index)["report"], "report.json").read_text())
        assert report["approval"] == approval


@waits
def test_somebody_rejects(run, answers, jicoo_sandbox, capfd, caplog):
    answers(("bob", "Reject"))
    found = run()
    assert (found.state, found.states["approve"]) == ("failed", "failed")
    assert set(found.states) == {"plan", "approve", "shards", "apply"}
    assert found.states["apply"] == "upstream_failed"
    assert "rejected by bob" in said(capfd, caplog)
    assert changed(jicoo_sandbox) == set()


@waits
def test_four_eyes(run, answers, jicoo_sandbox):
    person = answers(("alice", "Approve"), ("alice", "Approve"), ("bob", "Approve"))
    found = run(needed=2)
    assert found.xcom("approve")["by"] == "alice, bob"
    assert len(person.asked) == 3, "the same one twice counts once"
    assert person.status == [200] * 3
    assert len(changed(jicoo_sandbox)) == 6


@waits
def test_the_second_one_rejects(run, answers, jicoo_sandbox):
    answers(("alice", "Approve"), ("bob", "Reject"))
    assert run(needed=2).states["approve"] == "failed"
    assert changed(jicoo_sandbox) == set()


def test_the_form_of_another_plan(run, answers, jicoo_sandbox, capfd, caplog):
    """That an earlier try has left: Airflow before 3.4 would show it again."""
    person = answers(("alice", "Approve"))
    found = run(earlier="Approve 000000000000", try_number=2)
    if person.asked:
        assert person.asked[0]["options"][0] == f"Approve {found.xcom('plan')['digest'][:12]}"
        assert "6 bookings" in person.asked[0]["body"]
        assert found.state == "success"
    else:
        assert found.states["approve"] == "failed"
        assert "Start a new run of the DAG" in said(capfd, caplog)
        assert changed(jicoo_sandbox) == set()


@waits
def test_who_answers_it_agrees_to_nothing(run, answers, jicoo_sandbox, capfd, caplog):
    person = answers(("alice", "Approve"))
    found = run(earlier="Approve 000000000000", try_number=1)
    if person.asked[0]["options"][0] == "Approve 000000000000":
        assert found.states["approve"] == "failed"
        assert "Start a new run of the DAG" in said(capfd, caplog)
        assert changed(jicoo_sandbox) == set()
    else:
        assert found.state == "success"


def test_a_plan_of_nothing(run_dag, jicoo_sandbox, tmp_path, answers):
    person = answers(("alice", "Approve"))
    uids = [jicoo_sandbox.bookings()[0]["uid"]]
    jicoo_sandbox.edit(uids[0], priority="low", description="Bring your badge")
    found = run_dag(FILE, "jicoo_approval", plans=str(tmp_path), uids=uids)
    assert found.state == "success"
    assert found.xcom("approve")["by"] == "nobody was asked: 0 changes"
    assert person.asked == []
    assert changed(jicoo_sandbox) == set()
