"""One booking through its life: the operators of Jicoo's section "Booking", and the sensors that wait for them."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_jicoo.bulk import Selection
from airflow_provider_jicoo.operators.bookings import (
    CancelBookingOperator,
    CreateBookingOperator,
    GetBookingContactsOperator,
    GetBookingOperator,
    ListBookingsOperator,
    RescheduleBookingOperator,
    UpdateBookingOperator,
)
from airflow_provider_jicoo.sensors.bookings import BookingsSensor, BookingStatusSensor

with DAG("howto_bookings", schedule=None, params={"event_type_id": Param(type="string")}):
    # [START howto_create]
    create = CreateBookingOperator(
        task_id="create",
        event_type_id="{{ params.event_type_id }}",
        started_at="2031-03-05T10:00:00",
        time_zone="Asia/Tokyo",
        guest_email="guest@example.com",
        name="John Doe",
        location_id="zoom",
    )
    # [END howto_create]
    uid = "{{ ti.xcom_pull('create')['uid'] }}"
    # [START howto_get]
    get = GetBookingOperator(task_id="get", uid=uid)
    guests = GetBookingContactsOperator(task_id="guests", uid=uid)  # personal data, and it goes to an XCom
    # [END howto_get]
    # [START howto_update]
    update = UpdateBookingOperator(task_id="update", uid=uid, priority="high", is_send_updates=False)
    # [END howto_update]
    # [START howto_reschedule]
    move = RescheduleBookingOperator(task_id="move", uid=uid, started_at="2031-03-06T10:00:00", time_zone="Asia/Tokyo")
    # [END howto_reschedule]
    # [START howto_list]
    list_open = ListBookingsOperator(
        task_id="list_open", status="open", started_at="{{ dag_run.run_after.isoformat() }}", limit=100
    )
    # [END howto_list]
    # [START howto_wait_status]
    wait = BookingStatusSensor(task_id="wait", uid=uid, status="open", poke_interval=60, deferrable=True)
    # [END howto_wait_status]
    # [START howto_wait_bookings]
    wait_for_ten = BookingsSensor(
        task_id="wait_for_ten",
        selection=Selection(status="open", event_type_id="{{ params.event_type_id }}"),
        min_count=1,
        poke_interval=60,
        deferrable=True,
    )
    # [END howto_wait_bookings]
    # [START howto_cancel]
    cancel = CancelBookingOperator(task_id="cancel", uid=uid)
    # [END howto_cancel]

    create >> [get, guests] >> update >> move >> list_open >> wait >> wait_for_ten >> cancel
