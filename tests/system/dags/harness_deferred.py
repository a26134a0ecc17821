"""A task that waits in the triggerer."""

from __future__ import annotations

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import DAG

with DAG("harness_deferred", schedule=None):
    DateTimeSensorAsync(task_id="wait", target_time="{{ dag_run.conf['until'] }}")
