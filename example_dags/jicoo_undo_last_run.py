"""Take back what the last run of ``jicoo_bulk_reassign_host`` has changed, after somebody has agreed to it.

Only what that run changed goes back, and only where nobody has changed it since; the plan lists the rest.
"""

from __future__ import annotations

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, dag

from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingUndoOperator


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo", "bulk"],
    doc_md=__doc__,
    params={
        "plan": Param("", type="string", description="The plan to take back; empty for that of the last run"),
        "plans": Param("/tmp/jicoo-plans", type="string", description="A folder, as s3://bucket/plans"),
    },
)
def jicoo_undo_last_run() -> None:
    undo = PlanBookingUndoOperator(
        task_id="plan_undo",
        plan="{{ params.plan or var.value.jicoo_last_plan }}",
        plan_path="{{ params.plans }}/{{ dag.dag_id }}/{{ run_id }}.jsonl",
        is_send_updates=False,
    )
    approve = ApprovalOperator(
        task_id="approve",
        subject="Take the hand-over back?",
        body="{{ ti.xcom_pull(task_ids='plan_undo', key='summary') }}",
    )
    apply = ApplyBookingPlanOperator(task_id="apply", plan=undo.output, retries=3)
    undo >> approve >> apply


jicoo_undo_last_run()
