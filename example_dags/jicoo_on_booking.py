"""One run for each event: somebody has booked, moved or cancelled, and a line about it goes to an object store.

Webhooks start it where the connection says so: `webhook_secret`, and `jicoo_on_booking` in `webhook_dag_ids`. It can be
started by hand too, with the id of a booking. A webhook says which booking, and nothing of its guest: booking and
contacts are read here, so that the line says what holds now.

Each line is a file of its own, `<booking>.<status>.<start>.<event>.jsonl`: a task that is tried again writes the same
one, and `jicoo_daily_reconcile` sees by the names alone what nobody has rung for. **The lines hold the guests' names
and e-mail addresses**: let nobody read the folder who may not read those. Changes nothing in Jicoo.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_jicoo.tasks.failure import fail_without_retry


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo", "events"],
    doc_md=__doc__,
    params={
        "booking_uid": Param(
            type="string",
            minLength=1,
            title="Booking",
            description="Its id, as mzgdPJVBb7RE. A webhook fills it in.",
        ),
        "event": Param(
            "by_hand",
            type="string",
            title="Event",
            description="What happened, as guest_booked. A webhook fills it in.",
        ),
        "folder": Param(
            "/tmp/jicoo-events",
            type="string",
            title="Path for the lines",
            description="As s3://bucket/events; a local one is on the machine of the worker.",
        ),
    },
)
def jicoo_on_booking() -> None:
    @task(retries=3)
    def write(params: dict[str, Any], **context: Any) -> str:
        """Return where the line is: what a task returns can be read by whoever may see the DAG."""
        import json

        from airflow.sdk import ObjectStoragePath

        from airflow_provider_jicoo.hooks.jicoo import JicooHook

        told = context["dag_run"].conf or {}
        conn_id = told.get("jicoo_conn_id", "jicoo_default")
        with fail_without_retry(conn_id), JicooHook(conn_id) as hook:
            booking = hook.get_booking(params["booking_uid"])
            guests = hook.get_booking_contacts(params["booking_uid"])
        line = {
            "event": params["event"],
            **{name: booking.get(name) for name in ("uid", "status", "eventTypeId", "startedAt", "endedAt")},
            "guests": [{name: guest.get(name) for name in ("name", "email")} for guest in guests],
        }
        folder = ObjectStoragePath(params["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name_of(booking)}.{told.get('event_id', params['event'])}.jsonl"
        path.write_text(json.dumps(line, ensure_ascii=False) + "\n")
        return str(path)

    write()


def name_of(booking: dict[str, Any]) -> str:
    """What jicoo_daily_reconcile knows a line by."""
    import pendulum

    # In one form: a list of bookings and a single one may be written in two.
    start = pendulum.parse(booking["startedAt"]).in_timezone("UTC").format("YYYYMMDD[T]HHmmssSSS[Z]")
    return f"{booking['uid']}.{booking['status']}.{start}"


jicoo_on_booking()
