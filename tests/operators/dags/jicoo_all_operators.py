"""Each operator once, as a DAG; that of an update also mapped, in both ways."""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

from airflow_provider_jicoo.operators.bookings import (
    CancelBookingOperator,
    CreateBookingOperator,
    GetBookingContactsOperator,
    GetBookingOperator,
    ListBookingsOperator,
    RescheduleBookingOperator,
    UpdateBookingOperator,
)

with DAG(
    "jicoo_all_operators",
    schedule=None,
    params={name: Param(type="string") for name in ("event_type_id", "uid", "user_id", "cancelled")},
):
    created = CreateBookingOperator(
        task_id="create",
        started_at="2031-03-05T10:00",
        time_zone="Asia/Tokyo",
        event_type_id="{{ params.event_type_id }}",
        guest_email="guest@example.com",
        name="Guest",
        location_id=None,
    )
    uid = "{{ ti.xcom_pull('create')['uid'] }}"
    got = GetBookingOperator(task_id="get", uid=uid)
    contacts = GetBookingContactsOperator(task_id="contacts", uid=uid)
    moved = RescheduleBookingOperator(
        task_id="reschedule", uid=uid, started_at="2031-03-06T10:00", time_zone="Asia/Tokyo"
    )
    updated = UpdateBookingOperator(
        task_id="update",
        uid=uid,
        hosts=[{"user_id": "{{ params.user_id }}", "role": "admin"}],
        is_send_updates="{{ params.uid == 'never' }}",
    )
    listed = ListBookingsOperator(task_id="list", started_at="2031-01-01T00:00Z", status="open")
    cancelled = CancelBookingOperator(task_id="cancel", uid=uid)
    cancelled_again = CancelBookingOperator(task_id="cancel_again", uid="{{ params.cancelled }}")

    @task
    def changes(bookings, params):
        return [{"uid": booking["uid"], "priority": "high"} for booking in bookings] + [
            {"uid": params["uid"], "priority": None, "description": "mapped"}
        ]

    @task
    def uids(bookings):
        return [booking["uid"] for booking in bookings]

    by_kwargs = UpdateBookingOperator.partial(task_id="by_kwargs", is_send_updates=False).expand_kwargs(
        changes(listed.output)
    )
    by_uid = UpdateBookingOperator.partial(task_id="by_uid", name="{{ params.user_id }}").expand(
        uid=uids(listed.output)
    )

    created >> [got, contacts] >> moved >> updated >> listed
    [by_kwargs, by_uid] >> cancelled >> cancelled_again
