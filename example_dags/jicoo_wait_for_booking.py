"""Wait until the host has approved a booking, without holding a worker, then go on with it.

A booking page with approval makes a booking with the status ``request``; the host's approval makes it ``open``. If it
is cancelled instead, the sensor fails at once. Changes nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_jicoo.sensors.bookings import BookingStatusSensor


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo"],
    doc_md=__doc__,
    params={
        "uid": Param(
            type="string",
            minLength=1,
            title="Booking",
            description_md="Its id, as `mzgdPJVBb7RE`: the `uid` of a row of `ListBookingsOperator`.",
        )
    },
)
def jicoo_wait_for_booking() -> None:
    approved = BookingStatusSensor(
        task_id="wait_until_approved",
        uid="{{ params.uid }}",
        status="open",
        deferrable=True,
        poke_interval=5,
        timeout=timedelta(days=2).total_seconds(),
    )

    @task
    def go_on_with(bookings: list[dict[str, Any]]) -> str:
        booking = bookings[0]
        return f"booking {booking['uid']} is {booking['status']} and starts at {booking['startedAt']}"

    go_on_with(approved.output)


jicoo_wait_for_booking()
