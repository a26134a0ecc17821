"""What the proofs of the events start: as little as possible, but with everything that may get lost on the way."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_jicoo.assets import batched, bookings_asset
from airflow_provider_jicoo.events import new_bookings_since
from airflow_provider_jicoo.triggers.events import BookingEventTrigger

# Without a process for each: what is counted is runs.
with DAG("events_each", schedule=None, max_active_runs=200):
    EmptyOperator(task_id="done")

try:
    from airflow.sdk import PartitionedAssetTimetable
except ImportError:  # Airflow 3.1
    pass
else:
    schedule = PartitionedAssetTimetable(assets=bookings_asset("jicoo_partitioned"))
    with DAG("events_partitioned", schedule=schedule, max_active_runs=200):
        EmptyOperator(task_id="done")


def consumer(dag_id: str, conn_id: str, asset: Asset) -> None:
    """Make a DAG that drains, and writes a line for each booking to a table that takes it twice too."""
    with DAG(dag_id, schedule=batched(asset), max_active_runs=1):

        @task(retries=5, retry_delay=timedelta(seconds=1))
        def drain() -> int:
            count = 0
            for booking in new_bookings_since(jicoo_conn_id=conn_id, begin="all"):
                line = {"uid": booking["uid"], "updated_at": booking["updatedAt"], "event": booking.event}
                with open(Path(os.environ["AIRFLOW_HOME"]) / f"{dag_id}.consumer.jsonl", "a") as table:
                    table.write(json.dumps(line) + "\n")
                count += 1
            return count

        drain()


consumer("events_drained", "jicoo_drained", bookings_asset("jicoo_drained"))
watcher = AssetWatcher(name="events_watched", trigger=BookingEventTrigger("jicoo_watched", poll_interval=1))
consumer("events_watched", "jicoo_watched", bookings_asset("jicoo_watched", watchers=[watcher]))
