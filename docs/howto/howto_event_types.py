"""Event types, their hosts and free slots: the operators of Jicoo's sections "Event Type" and "Availability"."""

from __future__ import annotations

from airflow.sdk import DAG, Param

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
from airflow_provider_jicoo.sensors.event_types import AvailableSchedulesSensor

EVENT_TYPE = "{{ params.event_type_id }}"
USER = "{{ params.user_id }}"

with DAG(
    "howto_event_types",
    schedule=None,
    params={"event_type_id": Param(type="string"), "user_id": Param(type="string")},
):
    # [START howto_event_types]
    event_types = ListEventTypesOperator(task_id="event_types")
    event_type = GetEventTypeOperator(task_id="event_type", event_type_id=EVENT_TYPE)
    # [END howto_event_types]
    # [START howto_hosts]
    add = CreateEventTypeHostOperator(task_id="add", event_type_id=EVENT_TYPE, user_id=USER, priority=1)
    prefer = UpdateEventTypeHostOperator(task_id="prefer", event_type_id=EVENT_TYPE, uid=USER, priority=2)
    hosts = ListEventTypeHostsOperator(task_id="hosts", event_type_id=EVENT_TYPE)
    remove = DeleteEventTypeHostOperator(task_id="remove", event_type_id=EVENT_TYPE, uid=USER)
    # [END howto_hosts]
    # [START howto_slots]
    free = ListAvailableSchedulesOperator(
        task_id="free",
        event_type_id=EVENT_TYPE,
        period_start="2031-03-03T00:00",
        period_end="2031-03-17T00:00",
        time_zone="Asia/Tokyo",
    )
    # [END howto_slots]
    # [START howto_wait_slots]
    wait_for_slots = AvailableSchedulesSensor(
        task_id="wait_for_slots",
        event_type_id=EVENT_TYPE,
        period_start="2031-03-03T00:00",
        period_end="2031-03-10T00:00",
        time_zone="Asia/Tokyo",
        hours=("09:00", "12:00"),
        min_slots=5,
        poke_interval=300,
        deferrable=True,
    )
    # [END howto_wait_slots]
    # [START howto_validate]
    page = ValidateGuestOperator(
        task_id="page",
        team_id="exampleteam",
        event_type_id=EVENT_TYPE,
        name="John Doe",
        guest_email="guest@example.com",
    )
    # [END howto_validate]
    # [START howto_calendars]
    calendars = ListUserAvailabilityCalendarsOperator(task_id="calendars", user_id=USER)
    calendar = GetUserAvailabilityCalendarOperator(task_id="calendar", uid="{{ ti.xcom_pull('calendars')[0]['uid'] }}")
    # [END howto_calendars]

    event_types >> event_type >> add >> prefer >> hosts >> remove >> free >> wait_for_slots >> page
    page >> calendars >> calendar
