"""A plan that people are asked about; once as after a try that asked about another plan."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from airflow_provider_jicoo.bulk import Selection, UpdateFields
from airflow_provider_jicoo.operators.approval import ApproveBookingPlanOperator
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator

PARAMS = {
    "plans": Param(type="string"),
    "uids": Param([], type="array"),
    "needed": Param(1, type="integer"),
    "seconds": Param("", type="string"),
    "earlier": Param("", type="string"),
    "try_number": Param(1, type="integer"),
}


class AskedBefore(ApproveBookingPlanOperator):
    """An approval whose earlier try, if any, has asked about another plan, as one does that was cleared."""

    def execute(self, context: Any) -> Any:
        if context["params"]["earlier"]:
            upsert_hitl_detail(
                ti_id=context["ti"].id,
                options=[context["params"]["earlier"], "Reject"],
                subject="Change 3 bookings?",
                body="**3 bookings**",
                params={},
            )
            context["ti"].try_number = context["params"]["try_number"]
        return super().execute(context)


with DAG("jicoo_approval", schedule=None, params=PARAMS):
    plan = PlanBookingChangesOperator(
        task_id="plan",
        selection=Selection(uids="{{ params.uids | tojson }}"),
        change=UpdateFields(priority="low", description="Bring your badge"),
        plan_path="{{ params.plans }}/{{ run_id }}.jsonl",
        is_send_updates=True,
        shards=2,
    )
    approve = AskedBefore(
        task_id="approve", plan=plan.output, min_approvals="{{ params.needed }}", expires_after="{{ params.seconds }}"
    )

    @task
    def shards(manifest: dict[str, Any]) -> list[dict[str, Any]]:
        return manifest["shards"]

    ApplyBookingPlanOperator.partial(task_id="apply", approval=approve.output).expand(plan=shards(plan.output))
