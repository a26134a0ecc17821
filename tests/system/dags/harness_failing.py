"""A task that fails, to see that the reason is shown."""

from __future__ import annotations

from airflow.sdk import DAG, task

with DAG("harness_failing", schedule=None):

    @task
    def fail() -> None:
        """Fail with a word to look for."""
        raise ValueError("a reason to look for")

    fail()
