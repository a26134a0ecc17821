"""``new_bookings_since`` in a task that Airflow runs: its context, its Variables."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT, TEST_DAGS

FILE = TEST_DAGS / "jicoo_draining.py"
pytestmark = [pytest.mark.usefixtures("jicoo_connection"), pytest.mark.long, pytest.mark.timeout(240)]


@pytest.fixture
def jicoo_sandbox_options():
    return {"bookings": 12}


def test_each_run_handles_what_is_new(run_dag, jicoo_sandbox):
    run = run_dag(FILE, "jicoo_draining")
    assert run.states == {"handle": "success"}
    uid = jicoo_sandbox.add_booking()["uid"]
    found = [run_dag(FILE, "jicoo_draining").xcom("handle") for _ in range(2)]
    assert found == [[["booked", uid]], []]


def test_a_task_of_which_many_may_run_is_refused(run_dag, jicoo_sandbox):
    run = run_dag(FILE, "jicoo_draining_sixteen_at_once")
    assert run.states == {"handle_at_once": "failed"}
    assert jicoo_sandbox.count() == 0


def test_the_dag_of_the_documentation():
    (code,) = re.findall(r"```python\n(.+?)```", (ROOT / "docs" / "poller.md").read_text(), re.DOTALL)
    names = {}
    exec(code, names)
    assert names["watcher"].trigger.serialize()[1]["jicoo_conn_id"] == "jicoo_default"
    assert names["handle"].function.__name__ == "handle"
