"""Plans that people agree to, or do not, and one that nobody has to agree to."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_jicoo.bulk import Selection, ShiftTime, UpdateFields
from airflow_provider_jicoo.operators.approval import ApproveBookingPlanOperator
from airflow_provider_jicoo.operators.bulk import (
    ApplyBookingPlanOperator,
    BulkUpdateBookingsOperator,
    PlanBookingChangesOperator,
)

# Which bookings there are, and where plans are, may change between the tries of one run: it is no part of its conf.
CHOSEN = Selection(uids="{{ var.value.jicoo_chosen }}")
PLANS = "{{ var.value.jicoo_plans }}/{{ dag.dag_id }}/{{ run_id }}.jsonl"

with DAG(
    "jicoo_approvals",
    schedule=None,
    params={
        "needed": Param(1, type="integer"),
        "seconds": Param("", type="string"),
        "people": Param([], type="array"),
        # Without a value, as Airflow 3.1 does not like it in the form of a task.
        "words": Param(type="string", description="Why"),
    },
    render_template_as_native_obj=True,
):
    plan = PlanBookingChangesOperator(
        task_id="plan",
        selection=CHOSEN,
        change=UpdateFields(description="{{ params.words }}"),
        plan_path=PLANS,
        is_send_updates=True,
        shards=2,
    )
    approve = ApproveBookingPlanOperator(
        task_id="approve",
        plan=plan.output,
        body="{{ params.words }}",
        assigned_users="{{ params.people }}",
        expires_after="{{ params.seconds }}",
        min_approvals="{{ params.needed }}",
        retries=2,
        retry_delay=1,
    )

    @task
    def shards(manifest: dict[str, Any]) -> list[dict[str, Any]]:
        return manifest["shards"]

    ApplyBookingPlanOperator.partial(task_id="apply", approval=approve.output, retries=1, retry_delay=1).expand(
        plan=shards(plan.output)
    )

with DAG("jicoo_at_once", schedule=None):
    BulkUpdateBookingsOperator(
        task_id="move",
        selection=CHOSEN,
        change=ShiftTime(minutes=120),
        plan_path=PLANS,
        is_send_updates=True,
        concurrency=2,
        retries=2,
        retry_delay=1,
    )
