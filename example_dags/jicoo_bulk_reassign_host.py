"""A host leaves: hand all their future bookings to a colleague, after somebody has agreed to the plan.

Plan, approval, apply, report. The plan is a file; the approval shows what it will change, how many guests would be
messaged and how many changes cannot be undone; the apply refuses any other plan than the one that was agreed to. Undo
it with ``jicoo_undo_last_run``.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, Variable, dag, task

from airflow_provider_jicoo.bulk import ReplaceHost, Selection
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo", "bulk"],
    doc_md=__doc__,
    params={
        # With a default, since the ApprovalOperator of Airflow 3.1 wants all params while the file is parsed.
        "from_user_id": Param("", type="string", description="The user id of the host who leaves"),
        "to_user_id": Param("", type="string", description="The user id of the colleague"),
        "plans": Param("/tmp/jicoo-plans", type="string", description="A folder, as s3://bucket/plans"),
    },
)
def jicoo_bulk_reassign_host() -> None:
    plan = PlanBookingChangesOperator(
        task_id="plan",
        selection=Selection(
            status="open",
            started_after="{{ dag_run.run_after.isoformat() }}",
            host_user_id="{{ params.from_user_id }}",
        ),
        change=ReplaceHost("{{ params.from_user_id }}", "{{ params.to_user_id }}"),
        plan_path="{{ params.plans }}/{{ dag.dag_id }}/{{ run_id }}.jsonl",
        is_send_updates=False,
        max_changes=20_000,
    )
    approve = ApprovalOperator(
        task_id="approve",
        subject="Hand over the bookings of a host who leaves?",
        body="{{ ti.xcom_pull(task_ids='plan', key='summary') }}",
        # "Reject" ends the run with the apply skipped.
    )
    apply = ApplyBookingPlanOperator(task_id="apply", plan=plan.output, retries=3)

    @task
    def remember(manifest: dict[str, Any]) -> None:
        """Note the plan for ``jicoo_undo_last_run``, before anything is changed."""
        Variable.set("jicoo_last_plan", manifest["plan"])

    @task
    def tell(applied: dict[str, Any]) -> str:
        """Say what happened; put a notifier of your own here."""
        return f"{applied['counts']}; see {applied['report']}/report.html"

    plan >> approve >> remember(plan.output) >> apply
    tell(apply.output)


jicoo_bulk_reassign_host()
