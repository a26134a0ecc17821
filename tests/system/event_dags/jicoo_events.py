"""What the proofs of the events start: as little as possible, but with everything that may get lost on the way."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from airflow_provider_jicoo.assets import bookings_asset

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
