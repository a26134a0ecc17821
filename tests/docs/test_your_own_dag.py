"""The test of a DAG that the documentation shows, and its DAG."""

from __future__ import annotations

import json

import pytest

from tests.conftest import HOWTO_DAGS


@pytest.fixture
def my_dag(dags, airflow_database, one_execution_api):
    return dags(HOWTO_DAGS / "howto_testing.py").dags["howto_testing"]


# [START howto_test]
def test_my_dag(my_dag, jicoo_sandbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_JICOO_DEFAULT", json.dumps(jicoo_sandbox.connection()))
    booking = jicoo_sandbox.add_booking(status="open")
    jicoo_sandbox.fail("dropped", method="PATCH")  # the change is made, and the answer is lost

    run = my_dag.test(run_conf={"uid": booking["uid"]})

    assert run.state == "success"
    assert jicoo_sandbox.booking(booking["uid"])["priority"] == "high"
    assert jicoo_sandbox.count("PATCH", "/v1/bookings/{uid}") == 1
    assert jicoo_sandbox.messages == []  # no guest was messaged


# [END howto_test]
