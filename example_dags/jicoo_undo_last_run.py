"""Take back what the last run of one of the bulk DAGs has changed, after somebody has agreed to it.

The last run is that of ``jicoo_bulk_reassign_host``, ``jicoo_offboard_user`` or ``jicoo_close_office_for_a_day`` whose
plan was approved last: they note it in the Airflow Variable ``jicoo_last_plan``. Only what that run changed goes back,
and only where nobody has changed it since; the plan lists the rest. A cancelled booking cannot be brought back. To undo
the undo, name its own plan here; where it is, its task ``plan_undo`` says.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import Param, Variable, dag, task

from airflow_provider_jicoo.operators.approval import ApproveBookingPlanOperator
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingUndoOperator


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo", "bulk"],
    doc_md=__doc__,
    params={
        "plan": Param(
            None,
            type=["null", "string"],
            title="Plan to take back",
            description="Its path, as the result of the task that planned says it; empty for that of the last run.",
        ),
        "tell_guests": Param(
            False,
            type="boolean",
            title="Message the guests",
            description="Yes where the run told them that their bookings were moved.",
        ),
        "plans": Param(
            "/tmp/jicoo-plans",
            type="string",
            minLength=1,
            title="Path for plans and reports",
            description="One that every worker reaches, as s3://bucket/plans; a local one where there is one machine.",
        ),
    },
)
def jicoo_undo_last_run() -> None:
    @task
    def which_plan(params: dict[str, Any]) -> str:
        plan: str | None = params["plan"] or Variable.get("jicoo_last_plan", default=None)
        if not plan:
            raise AirflowFailException("no run has noted its plan in the Variable jicoo_last_plan: name the plan")
        return plan

    # [START howto_undo]
    undo = PlanBookingUndoOperator(
        task_id="plan_undo",
        plan=which_plan(),
        plan_path="{{ params.plans }}/{{ dag.dag_id }}/{{ run_id }}.jsonl",
        is_send_updates="{{ params.tell_guests }}",
    )
    approve = ApproveBookingPlanOperator(
        task_id="approve",
        plan=undo.output,
        subject="Take the last run back?",
        # Asked in any case: where nothing can be taken back, somebody has to see that, and why.
        min_changes_to_ask=0,
    )
    ApplyBookingPlanOperator(task_id="apply", plan=undo.output, approval=approve.output, retries=3)
    # [END howto_undo]


jicoo_undo_last_run()
