"""Each morning: which bookings has nobody rung for? A run of `jicoo_on_booking` is started for each of them.

A webhook may never come, and Airflow may have been down when it did. This DAG lists the bookings that were made or
changed lately and looks which of them have no line in the folder of `jicoo_on_booking`, with the status and the start
that they have now. The task `find` says how many, and which; it is green either way, and warns where there are some.

Where many are missing each day, look whether the webhooks arrive at all: the log of the API server, and Jicoo's
dashboard. Changes nothing in Jicoo.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, dag, task

from airflow_provider_jicoo.tasks.failure import fail_without_retry

AT_MOST = 1_000  # Airflow maps a task over 1,024 values; the rest is found on the next day


@dag(
    schedule="0 6 * * *",
    catchup=False,
    max_active_runs=1,
    tags=["jicoo", "events"],
    doc_md=__doc__,
    params={
        "days": Param(
            2,
            type="integer",
            minimum=1,
            maximum=90,
            title="Days",
            description="Bookings that were made or changed in so many days.",
        ),
        "minutes": Param(
            15,
            type="integer",
            minimum=0,
            title="Minutes of grace",
            description="What was changed this lately may still be on its way.",
        ),
        "folder": Param(
            "/tmp/jicoo-events",
            type="string",
            title="Path of the lines",
            description="The folder that jicoo_on_booking writes to.",
        ),
    },
)
def jicoo_daily_reconcile() -> None:
    @task(retries=3)
    def find(params: dict[str, Any]) -> list[dict[str, str]]:
        import pendulum
        from airflow.sdk import ObjectStoragePath

        from airflow_provider_jicoo.hooks.jicoo import JicooHook

        now = pendulum.now("UTC")
        since, until = now.subtract(days=params["days"]), now.subtract(minutes=params["minutes"])
        folder = ObjectStoragePath(params["folder"])
        written = {path.name.rsplit(".", 2)[0] for path in folder.iterdir()} if folder.is_dir() else set()
        missing = []
        with fail_without_retry("jicoo_default"), JicooHook("jicoo_default") as hook:
            for booking in hook.list_bookings(started_at=since):
                is_lately = since <= pendulum.parse(booking["updatedAt"]) <= until
                # Jicoo sends no event while a request waits for the host.
                if is_lately and booking["status"] != "request" and name_of(booking) not in written:
                    missing.append({"booking_uid": booking["uid"], "event": "reconciled", "folder": params["folder"]})
        if missing:
            logging.getLogger(__name__).warning("nobody has rung for %d bookings", len(missing))
        return missing[:AT_MOST]

    # Each has a file of its own: whoever runs this twice writes none twice.
    TriggerDagRunOperator.partial(task_id="ring", trigger_dag_id="jicoo_on_booking").expand(conf=find())


def name_of(booking: dict[str, Any]) -> str:
    """As in jicoo_on_booking: what is the same in it is a state that a line was written of."""
    import pendulum

    # In one form: a list of bookings and a single one may be written in two.
    start = pendulum.parse(booking["startedAt"]).in_timezone("UTC").format("YYYYMMDD[T]HHmmssSSS[Z]")
    return f"{booking['uid']}.{booking['status']}.{start}"


jicoo_daily_reconcile()
