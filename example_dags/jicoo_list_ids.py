"""The ids that the other DAGs ask for: of the organization's users and of the event types, with their names.

They are the results of the two tasks: look at the XComs of the run. Changes nothing. A key that may not list one of the
two gets an error that says so, and the other list all the same.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_provider_jicoo.operators.event_types import ListEventTypesOperator


@dag(schedule=None, catchup=False, tags=["jicoo", "organization"], doc_md=__doc__)
def jicoo_list_ids() -> None:
    ListEventTypesOperator(task_id="event_types")

    @task
    def users() -> list[dict[str, Any]]:
        """Leave out their e-mail addresses: whoever may see the DAG can read what a task returns."""
        from airflow_provider_jicoo.hooks.jicoo import JicooHook
        from airflow_provider_jicoo.tasks.failure import fail_without_retry

        with fail_without_retry("jicoo_default"), JicooHook("jicoo_default") as hook:
            return [{"user_id": user["uid"], "name": user.get("name")} for user in hook.list_organization_users()]

    users()


jicoo_list_ids()
