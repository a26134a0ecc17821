"""Watch all bookings, and write a line about each that is made, changed, moved or cancelled. Misses none.

The triggerer lists the bookings each minute, needs no webhook, and rings where something has changed. The run that is
started then asks for all that it has not handled yet, and does not rely on who rang: a webhook with
`webhook_delivery = asset` in the connection rings the same bell at once, and you may start it by hand.

Each line is a file in the folder, `<booking>.<status>.<start>.<event>.jsonl`, as `jicoo_on_booking` writes them: a
booking that is handled again, since a worker died in between, has the same one. **The lines hold the guests' names and
e-mail addresses.** One run at a time, or two would handle the same booking. Changes nothing in Jicoo.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetWatcher, Param, dag, task

from airflow_provider_jicoo.assets import batched, bookings_asset
from airflow_provider_jicoo.events import new_bookings_since
from airflow_provider_jicoo.tasks.failure import fail_without_retry
from airflow_provider_jicoo.triggers.events import BookingEventTrigger

WATCHER = AssetWatcher(name="jicoo_bookings", trigger=BookingEventTrigger("jicoo_default", poll_interval=60))


@dag(
    schedule=batched(bookings_asset("jicoo_default", watchers=[WATCHER])),
    catchup=False,
    max_active_runs=1,
    tags=["jicoo", "events"],
    doc_md=__doc__,
    params={
        "folder": Param(
            "/tmp/jicoo-events",
            type="string",
            title="Path for the lines",
            description="As s3://bucket/events; a local one is on the machine of the worker.",
        ),
    },
)
def jicoo_watch_bookings() -> None:
    @task(retries=3)
    def write(params: dict[str, Any]) -> int:
        """Return how many there were: what a task returns can be read by whoever may see the DAG."""
        import json

        from airflow.sdk import ObjectStoragePath

        from airflow_provider_jicoo.api.errors import NotFoundError
        from airflow_provider_jicoo.hooks.jicoo import JicooHook

        folder = ObjectStoragePath(params["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        with fail_without_retry("jicoo_default"), JicooHook("jicoo_default") as hook:
            for booking in new_bookings_since(jicoo_conn_id="jicoo_default"):
                try:
                    guests = [] if booking["status"] == "gone" else hook.get_booking_contacts(booking["uid"])
                except NotFoundError:
                    guests = []  # it has none, or is gone meanwhile; that must not keep back the bookings behind it
                line = {
                    "event": booking.event,
                    **{name: booking.get(name) for name in ("uid", "status", "eventTypeId", "startedAt", "endedAt")},
                    "guests": [{name: guest.get(name) for name in ("name", "email")} for guest in guests],
                }
                path = folder / f"{name_of(booking)}.{booking.event_id}.jsonl"
                path.write_text(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
        return count

    write()


def name_of(booking: dict[str, Any]) -> str:
    """What jicoo_daily_reconcile knows a line by."""
    import pendulum

    # In one form: a list of bookings and a single one may be written in two.
    start = pendulum.parse(booking["startedAt"]).in_timezone("UTC").format("YYYYMMDD[T]HHmmssSSS[Z]")
    return f"{booking['uid']}.{booking['status']}.{start}"


jicoo_watch_bookings()
