"""``new_bookings_since`` in a task that Airflow runs: its context, its Variables."""

from __future__ import annotations

import pytest

from tests.conftest import TEST_DAGS

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
