"""The office is closed for a day: move its bookings to another day, at the same time of day.

Jicoo moves a booking only onto a free slot, and may tell the guest about each move. A booking whose slot is taken fails
its own task, with Jicoo's words for it; the others are moved all the same.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_jicoo.operators.bookings import ListBookingsOperator, RescheduleBookingOperator


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo"],
    doc_md=__doc__,
    params={
        "day": Param(type="string", format="date", description="The day that is closed"),
        "to_day": Param(type="string", format="date", description="The day to move its bookings to"),
        "time_zone": Param("Asia/Tokyo", type="string", description="The office's time zone"),
    },
)
def jicoo_reschedule_day() -> None:
    @task(multiple_outputs=True)
    def the_day(params: dict[str, Any]) -> dict[str, str]:
        """Return the first moment of the day and that of the next, where the office is."""
        import pendulum

        start = pendulum.parse(params["day"], tz=params["time_zone"])
        assert isinstance(start, pendulum.DateTime)
        return {"start": start.isoformat(), "end": start.add(days=1).isoformat()}

    day = the_day()
    bookings = ListBookingsOperator(
        task_id="list_bookings_of_the_day", status="open", started_at=day["start"], ended_at=day["end"]
    )

    @task
    def new_starts(bookings: list[dict[str, Any]], params: dict[str, Any]) -> list[dict[str, str]]:
        """Return each booking's id and its new start: the same wall clock on the other day."""
        import pendulum

        to_day = pendulum.Date.fromisoformat(params["to_day"])
        moves = []
        for booking in bookings:
            start = pendulum.parse(booking["startedAt"])
            assert isinstance(start, pendulum.DateTime)
            local = start.in_timezone(params["time_zone"])
            moved = local.set(year=to_day.year, month=to_day.month, day=to_day.day)
            moves.append({"uid": booking["uid"], "started_at": moved.isoformat(), "time_zone": booking["timeZone"]})
        return moves

    RescheduleBookingOperator.partial(task_id="move").expand_kwargs(new_starts(bookings.output))


jicoo_reschedule_day()
