"""A user leaves the organization: hand over their future bookings, after somebody has agreed, and remove them last.

List, plan, approval, apply, look again, remove. They are removed only when the apply has succeeded and Jicoo lists no
future booking of theirs any more: a booking that somebody edited meanwhile was left alone, and a guest may have booked
since. Then the run fails; plan the rest in a new one. Take them out of their event types before, so that no guest books
with them any more. The guests are not messaged. Until the user is removed, the hand-over can be undone with
``jicoo_undo_last_run``; **the removal cannot**, and it is never sent twice.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import Param, Variable, dag, task

from airflow_provider_jicoo.bulk import ReplaceHost, Selection
from airflow_provider_jicoo.operators.approval import ApproveBookingPlanOperator
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator
from airflow_provider_jicoo.operators.organization import DeleteOrganizationUserOperator

USER_ID = "Their user id, as `cfmSbUHeizSoZob9cRA3N8fmfKg1`. The DAG `jicoo_list_ids` lists them."


def is_wanted(booking: Any) -> bool:
    """Tell whether somebody may still come: a request that waits for approval has to be handed over too.

    Whether Jicoo lists such requests is not documented.
    """
    return booking["status"] != "cancel"


def future_bookings(user_id: str) -> list[str]:
    """Return the ids of the bookings from now on that have this user as a host."""
    from datetime import datetime, timezone

    from airflow_provider_jicoo.hooks.jicoo import JicooHook
    from airflow_provider_jicoo.tasks.failure import fail_without_retry

    with fail_without_retry("jicoo_default"), JicooHook("jicoo_default") as hook:
        return [
            booking["uid"]
            for booking in hook.list_bookings(started_at=datetime.now(timezone.utc))
            if is_wanted(booking) and user_id in [host["userId"] for host in booking["hosts"]]
        ]


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo", "bulk", "organization"],
    doc_md=__doc__,
    params={
        "user_id": Param(type="string", minLength=1, title="User who leaves", description_md=USER_ID),
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
def jicoo_offboard_user() -> None:
    @task
    def their_bookings(params: dict[str, Any]) -> list[str]:
        """List what has to be handed over."""
        if params["user_id"] == params["to_user_id"]:
            raise AirflowFailException("user_id and to_user_id are the same: give two users")
        return future_bookings(params["user_id"])

    plan = PlanBookingChangesOperator(
        task_id="plan",
        selection=Selection(
            started_after="{{ dag_run.run_after.isoformat() }}",
            host_user_id="{{ params.user_id }}",
            where=is_wanted,
        ),
        change=ReplaceHost("{{ params.user_id }}", "{{ params.to_user_id }}"),
        # With the DAG's id: two DAGs that start at the same moment have the same run id.
        plan_path="{{ params.plans }}/{{ dag.dag_id }}/{{ run_id }}.jsonl",
        is_send_updates=False,
        max_changes=20_000,
    )
    approve = ApproveBookingPlanOperator(
        task_id="approve",
        plan=plan.output,
        subject="Hand over their bookings, and remove them from the organization?",
        body="User {{ params.user_id }} has {{ ti.xcom_pull(task_ids='their_bookings') | length }} future bookings, "
        "which go to {{ params.to_user_id }}. **Then the user is removed, which cannot be undone.**",
        # Asked in any case: who has no bookings is removed too.
        min_changes_to_ask=0,
    )
    apply = ApplyBookingPlanOperator(task_id="apply", plan=plan.output, approval=approve.output, retries=3)

    @task
    def remember(manifest: dict[str, Any]) -> None:
        """Note the plan for ``jicoo_undo_last_run``, before anything is changed."""
        if manifest["changes"]:
            Variable.set("jicoo_last_plan", manifest["plan"])

    @task
    def nothing_is_left(params: dict[str, Any]) -> None:
        """Fail where a future booking of theirs is left."""
        left = future_bookings(params["user_id"])
        if left:
            raise AirflowFailException(f"not removed: {len(left)} future bookings are left, as {', '.join(left[:5])}")

    remove = DeleteOrganizationUserOperator(task_id="remove", user_id="{{ params.user_id }}", retries=0)

    their_bookings() >> plan >> approve >> remember(plan.output) >> apply >> nothing_is_left() >> remove


jicoo_offboard_user()
