"""The link to a booking's event type, along the way that Airflow's UI takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_jicoo.links.bookings import EventTypeLink
from airflow_provider_jicoo.operators.bookings import GetBookingOperator

DAG_FILE = Path(__file__).parent.parent / "operators" / "dags" / "jicoo_all_operators.py"


@pytest.fixture
def links(jicoo_sandbox, jicoo_connection, run_dag):
    """Run the DAG with a connection of these extras; returns the address behind the link of a task."""

    def run(**extra):
        from airflow.models.serialized_dag import SerializedDagModel
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session

        jicoo_connection(extra=extra)
        event_type = next(each for each in jicoo_sandbox.event_types if not each["needsApproval"])
        one = jicoo_sandbox.add_booking(startedAt="2031-05-01T00:00:00Z", eventTypeId=None)["uid"]
        result = run_dag(
            DAG_FILE,
            event_type_id=event_type["uid"],
            uid=one,
            user_id=jicoo_sandbox.users[0]["uid"],
            cancelled=one,
        )
        assert result.state == "success"

        def link(task_id, map_index=-1):
            with create_session() as session:
                dag = SerializedDagModel.get_dag(result.dag_id, session=session)
                instance = (
                    session.query(TaskInstance)
                    .filter_by(dag_id=result.dag_id, run_id=result.run_id, task_id=task_id, map_index=map_index)
                    .one()
                )
                return dag.get_task(task_id).get_extra_links(instance, EventTypeLink.name)

        return link, f"https://www.jicoo.com/t/our-team/e/{event_type['uid']}"

    return run


def test_where_the_connection_names_a_team(links):
    link, url = links(team_slug="our-team")

    for task_id in ("create", "get", "update", "reschedule", "cancel"):
        assert link(task_id) == url
    assert [link("by_uid", index) for index in (0, 1)] == [url, ""]
    assert link("list") is None
    assert not link("cancel_again"), "a booking without an event type has none"


def test_where_it_names_none(links):
    link, _ = links()
    for task_id in ("create", "get", "update", "reschedule", "cancel"):
        assert link(task_id) == ""
    assert link("by_uid", 0) == ""


@pytest.mark.parametrize("slug", [None, "our-team"])
def test_what_a_task_notes(jicoo_sandbox, jicoo_connection, context, slug):
    jicoo_connection(extra={"team_slug": slug})
    booking = jicoo_sandbox.bookings()[0]
    made = context()
    GetBookingOperator(task_id="get", uid=booking["uid"]).execute(made)
    url = f"https://www.jicoo.com/t/our-team/e/{booking['eventTypeId']}"
    assert made["ti"].pushed == ({} if slug is None else {EventTypeLink.key: url})
