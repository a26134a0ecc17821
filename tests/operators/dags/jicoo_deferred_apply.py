"""An apply that waits in the triggerer while it is paused, and rings for other DAGs when it is done."""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_provider_jicoo.bulk import Selection, UpdateFields
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator


@dag(dag_id="jicoo_deferred_apply", schedule=None, params={"plans": Param("", type="string")})
def jicoo_deferred_apply():
    plan = PlanBookingChangesOperator(
        task_id="plan",
        selection=Selection(status="open"),
        change=UpdateFields(description="Bring your badge"),
        plan_path="{{ params.plans }}/plan.jsonl",
        is_send_updates=False,
    )
    ApplyBookingPlanOperator(task_id="apply", plan=plan.output, deferrable=True, announces=True)


jicoo_deferred_apply()
