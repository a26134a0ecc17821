"""The DAGs that the pages of each section of the API quote, run as they are."""

from __future__ import annotations

import pytest

from tests.conftest import HOWTO_DAGS

pytestmark = [pytest.mark.usefixtures("jicoo_connection")]


@pytest.fixture
def event_type(jicoo_sandbox):
    return next(each["uid"] for each in jicoo_sandbox.event_types if not each["needsApproval"])


def test_bookings(jicoo_sandbox, event_type, run_dag):
    run = run_dag(HOWTO_DAGS / "howto_bookings.py", event_type_id=event_type)

    assert set(run.states.values()) == {"success"}, run.states
    made = run.xcom("create")["uid"]
    assert run.xcom("guests")[0]["email"] == "guest@example.com"
    assert run.xcom("update")["priority"] == "high"
    assert run.xcom("move")["startedAt"] == "2031-03-06T01:00:00.000Z"
    assert made in [booking["uid"] for booking in run.xcom("list_open")]
    assert jicoo_sandbox.booking(made)["status"] == "cancel"
    assert [message.kind for message in jicoo_sandbox.messages] == ["create", "reschedule", "cancel"]


def test_event_types(jicoo_sandbox, event_type, run_dag):
    hosts = jicoo_sandbox.hosts(event_type)
    user = next(each["uid"] for each in jicoo_sandbox.users if each["uid"] not in {host["uid"] for host in hosts})

    run = run_dag(HOWTO_DAGS / "howto_event_types.py", event_type_id=event_type, user_id=user)

    assert set(run.states.values()) == {"success"}, run.states
    assert {"uid": user, "priority": 2}.items() <= next(
        host for host in run.xcom("hosts") if host["uid"] == user
    ).items()
    assert jicoo_sandbox.hosts(event_type) == hosts
    assert len(run.xcom("free")) > 10
    assert run.xcom("calendar") == run.xcom("calendars")[0]
    assert jicoo_sandbox.messages == []


def test_organization(jicoo_sandbox, run_dag):
    user = jicoo_sandbox.users[-1]["uid"]

    run = run_dag(HOWTO_DAGS / "howto_organization.py", user_id=user)

    assert set(run.states.values()) == {"success"}, run.states
    assert run.xcom("rename")["name"] == "Lunch"
    assert run.xcom("rename")["uid"] in [schedule["uid"] for schedule in run.xcom("schedules")]
    assert run.xcom("demote")["role"] == "member"
    assert user not in [each["uid"] for each in jicoo_sandbox.users]
    assert len(run.xcom("anything")["data"]) == 1
