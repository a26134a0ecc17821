"""Patch the bookings that a query names, each with the values of its row, after somebody has agreed to the plan.

The query stands in this file; whoever starts the DAG chooses the database alone. Its columns are `uid` and what is to
be set: `name`, `description`, `timeZone`, `startedAt`, `endedAt`, `hosts`, `priority`; a null leaves what there is. A
column that is unknown, a booking that is named twice or a value that Jicoo would refuse fails the first task, with row
and column, before anything is planned. Where no row comes, the rest is skipped. Guests are not messaged. The plan waits
under Required Actions; to undo it, name it to `jicoo_undo_last_run`.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_provider_jicoo.operators.approval import ApproveBookingPlanOperator
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator
from airflow_provider_jicoo.transfers.sql_selection import SqlToBookingSelection

QUERY = "SELECT uid, priority, description FROM jicoo_patch"


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo", "bulk", "warehouse"],
    doc_md=__doc__,
    params={
        "warehouse": Param(
            "warehouse",
            type="string",
            minLength=1,
            title="Connection of the database",
            description="An Airflow connection of a type that has SQL: postgres, snowflake, bigquery, ...",
        ),
        "plans": Param(
            "/tmp/jicoo-plans",
            type="string",
            minLength=1,
            title="Path for values, plans and reports",
            description="One that every worker reaches, as s3://bucket/plans; a local one where there is one machine.",
        ),
    },
)
def jicoo_patch_from_sql() -> None:
    chosen = SqlToBookingSelection(
        task_id="choose",
        sql_conn_id="{{ params.warehouse }}",
        sql=QUERY,
        values_path="{{ params.plans }}/{{ dag.dag_id }}/{{ run_id }}.values.jsonl",
    )
    plan = PlanBookingChangesOperator(
        task_id="plan",
        selection=chosen.output,
        plan_path="{{ params.plans }}/{{ dag.dag_id }}/{{ run_id }}.jsonl",
        is_send_updates=False,
        max_changes=20_000,
    )
    approve = ApproveBookingPlanOperator(
        task_id="approve", plan=plan.output, subject="Patch the bookings that the query names?"
    )
    ApplyBookingPlanOperator(task_id="apply", plan=plan.output, approval=approve.output, retries=3)


jicoo_patch_from_sql()
