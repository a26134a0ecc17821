"""Each operator for event types, availability and any request once, as a DAG; that of an update also mapped."""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

from airflow_provider_jicoo.operators.availability import (
    GetUserAvailabilityCalendarOperator,
    ListUserAvailabilityCalendarsOperator,
)
from airflow_provider_jicoo.operators.event_types import (
    CreateEventTypeHostOperator,
    DeleteEventTypeHostOperator,
    GetEventTypeOperator,
    ListAvailableSchedulesOperator,
    ListEventTypeHostsOperator,
    ListEventTypesOperator,
    UpdateEventTypeHostOperator,
    ValidateGuestOperator,
)
from airflow_provider_jicoo.operators.request import JicooRequestOperator

with DAG(
    "jicoo_event_types",
    schedule=None,
    params={name: Param("x", type="string") for name in ("user_id", "uid")},
):
    listed = ListEventTypesOperator(task_id="list", limit="{{ 1 + 1 }}")
    uid = "{{ ti.xcom_pull('list')[0]['uid'] }}"
    got = GetEventTypeOperator(task_id="get", event_type_id=uid)
    created = CreateEventTypeHostOperator(
        task_id="create", event_type_id=uid, user_id="{{ params.user_id }}", priority="{{ 3 }}"
    )
    hosts = ListEventTypeHostsOperator(task_id="hosts", event_type_id=uid)

    @task
    def priorities(hosts):
        return [{"uid": host["uid"], "priority": 3 - host["priority"]} for host in hosts]

    updated = UpdateEventTypeHostOperator.partial(task_id="update", event_type_id=uid).expand_kwargs(
        priorities(hosts.output)
    )
    deleted = DeleteEventTypeHostOperator(task_id="delete", event_type_id=uid, uid="{{ params.user_id }}")
    slots = ListAvailableSchedulesOperator(
        task_id="slots",
        event_type_id=uid,
        period_start="2031-03-03T00:00",
        period_end="{{ '2031-03-17T00:00' }}",
        time_zone="Asia/Tokyo",
    )
    page = ValidateGuestOperator(
        task_id="page",
        team_id="exampleteam",
        event_type_id=uid,
        name="Stefanie Zweig",
        guest_email="{{ 'zweig' }}@example.com",
    )
    calendars = ListUserAvailabilityCalendarsOperator(task_id="calendars", user_id="{{ params.user_id }}")
    calendar = GetUserAvailabilityCalendarOperator(task_id="calendar", uid="{{ ti.xcom_pull('calendars')[1]['uid'] }}")
    read = JicooRequestOperator(task_id="read", method="GET", path="/v1/bookings", query={"perPage": 1})
    sent = JicooRequestOperator(
        task_id="send",
        method="PATCH",
        path="/v1/bookings/{{ params.uid }}",
        json={"name": "{{ 'Sprechstunde' }}", "priority": "high"},
        retries=2,
    )

    listed >> got >> created >> hosts
    updated >> deleted >> slots >> page >> calendars >> calendar >> read >> sent
