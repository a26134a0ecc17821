"""The office is closed for a day: move its bookings to another day, at the same time of day, one task for each.

Jicoo moves a booking only onto a free slot, and may tell the guest about each move. A booking whose slot is taken fails
its own task, with Jicoo's words for it; the others are moved all the same. To undo it, run it again with the two days
the other way round: that also moves what was on the other day before.

Nobody is asked before. ``jicoo_close_office_for_a_day`` shows a plan first, and can be taken back.
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
        "day": Param(
            type="string", format="date", title="Day that is closed", description="In the office's time zone."
        ),
        "to_day": Param(
            type="string", format="date", title="Day to move to", description="Its bookings keep their time of day."
        ),
        "time_zone": Param(
            "Asia/Tokyo",
            type="string",
            title="The office's time zone",
            description="An IANA name, as Asia/Tokyo.",
            examples=["Asia/Tokyo", "Asia/Singapore", "Europe/London", "America/New_York"],
        ),
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

    # With expand, not with expand_kwargs: Airflow renders every text of what that is given, as if it were a template.
    RescheduleBookingOperator.partial(
        task_id="move",
        started_at="{{ ti.xcom_pull(task_ids='new_starts')[ti.map_index].started_at }}",
        time_zone="{{ ti.xcom_pull(task_ids='new_starts')[ti.map_index].time_zone }}",
    ).expand(uid=new_starts(bookings.output).map(lambda move: move["uid"]))


jicoo_reschedule_day()
