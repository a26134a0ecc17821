"""The least a running Airflow must be able to do."""

from __future__ import annotations

from airflow.sdk import DAG, task

with DAG("harness_trivial", schedule=None):

    @task
    def double(**context: object) -> dict[str, int]:
        """Return twice the number the run was given."""
        number = context["dag_run"].conf["number"]  # type: ignore[attr-defined]
        print(f"doubling {number}")
        return {"doubled": number * 2}

    double()
