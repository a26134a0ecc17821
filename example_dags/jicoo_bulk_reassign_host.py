"""A host leaves: hand all their future bookings to a colleague, after somebody has agreed to the plan.

Plan, approval, apply, report. The plan is a file and changes nothing. The approval waits under Required Actions and
shows what will change; the apply refuses any other plan than the one that was agreed to. Changed are the hosts of the
leaving host's open bookings from now on; the other hosts stay, and the guests are not messaged. To undo it, run
``jicoo_undo_last_run``.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, Variable, dag, task

from airflow_provider_jicoo.bulk import ReplaceHost, Selection
from airflow_provider_jicoo.operators.approval import ApproveBookingPlanOperator
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator

USER_ID = "Their user id, as `cfmSbUHeizSoZob9cRA3N8fmfKg1`. The DAG `jicoo_list_ids` lists them."


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo", "bulk"],
    doc_md=__doc__,
    params={
        "from_user_id": Param(type="string", minLength=1, title="Host who leaves", description_md=USER_ID),
        "to_user_id": Param(type="string", minLength=1, title="Colleague who takes over", description_md=USER_ID),
        "plans": Param(
            "/tmp/jicoo-plans",
            type="string",
            minLength=1,
            title="Path for plans and reports",
            description="One that every worker reaches, as s3://bucket/plans; a local one where there is one machine.",
        ),
    },
)
def jicoo_bulk_reassign_host() -> None:
    # [START howto_bulk]
    plan = PlanBookingChangesOperator(
        task_id="plan",
        selection=Selection(
            status="open",
            started_after="{{ dag_run.run_after.isoformat() }}",
            host_user_id="{{ params.from_user_id }}",
        ),
        change=ReplaceHost("{{ params.from_user_id }}", "{{ params.to_user_id }}"),
        # With the DAG's id: two DAGs that start at the same moment have the same run id.
        plan_path="{{ params.plans }}/{{ dag.dag_id }}/{{ run_id }}.jsonl",
        is_send_updates=False,
        max_changes=20_000,
    )
    approve = ApproveBookingPlanOperator(
        task_id="approve", plan=plan.output, subject="Hand over the bookings of a host who leaves?"
    )
    apply = ApplyBookingPlanOperator(task_id="apply", plan=plan.output, approval=approve.output, retries=3)
    # [END howto_bulk]

    @task
    def remember(manifest: dict[str, Any]) -> None:
        """Note the plan for ``jicoo_undo_last_run``, before anything is changed."""
        if manifest["changes"]:
            Variable.set("jicoo_last_plan", manifest["plan"])

    @task
    def tell(applied: dict[str, Any]) -> str:
        """Say what happened; put a notifier of your own here."""
        return f"{applied['counts']}; see {applied['report']}/report.html"

    approve >> remember(plan.output) >> apply
    tell(apply.output)


jicoo_bulk_reassign_host()
