"""What a webhook starts."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("on_webhook", schedule=None):
    EmptyOperator(task_id="read") >> EmptyOperator(task_id="write")
