"""The office closes for a day: move its bookings to another day and tell each guest once, or cancel them.

Plan, approval, apply, report. The plan changes nothing; the approval waits under Required Actions and shows what will
change and how many guests are messaged. Then all that start on that day in Japan and are not cancelled are moved to the
same time of the other day, or, where no other day is given, cancelled. Moves are undone with ``jicoo_undo_last_run``;
**a cancellation cannot be undone.**

The plan is split into four shards, which as many workers apply at once; they share Jicoo's rate limit without knowing
of each other. A last task makes one report of the four.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import Param, Variable, dag, task

from airflow_provider_jicoo.bulk import Cancel, Selection, ShiftTime
from airflow_provider_jicoo.operators.approval import ApproveBookingPlanOperator
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo", "bulk"],
    doc_md=__doc__,
    params={
        "day": Param(type="string", format="date", title="Day that is closed", description="In Japan."),
        "to_day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day to move its bookings to",
            description="At the same time of day; empty to cancel them.",
        ),
        "message": Param(
            "The office is closed on that day.",
            type=["null", "string"],
            maxLength=2000,
            title="Words for the guests",
            description="With a move; Jicoo takes none with a cancellation. Empty for none.",
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
def jicoo_close_office_for_a_day() -> None:
    # [START howto_plan_decorator]
    @task.jicoo_plan(
        selection=Selection(
            started_after="{{ params.day }}T00:00:00+09:00",
            started_before="{{ macros.ds_add(params.day, 1) }}T00:00:00+09:00",
            where=lambda booking: booking["status"] != "cancel",
        ),
        # With the DAG's id: two DAGs that start at the same moment have the same run id.
        plan_path="{{ params.plans }}/{{ dag.dag_id }}/{{ run_id }}.jsonl",
        # Moving them is quiet unless it is said; a cancellation always tells the guest.
        is_send_updates="{{ 'true' if params.to_day else '' }}",
        update_message="{{ params.message or '' if params.to_day else '' }}",
        max_notified_guests=500,
        shards=4,
    )
    def plan(booking: dict[str, Any], to_day: str) -> Any:
        return ShiftTime(to_date=to_day) if to_day else Cancel()

    # [END howto_plan_decorator]

    @task
    def shards(manifest: dict[str, Any]) -> list[dict[str, Any]]:
        """Hand them on: Airflow maps only over what a task returns."""
        return manifest["shards"]

    @task
    def remember(manifest: dict[str, Any]) -> None:
        """Note the plan for ``jicoo_undo_last_run``, before anything is changed."""
        if manifest["changes"]:
            Variable.set("jicoo_last_plan", manifest["plan"])

    manifest = plan(to_day="{{ params.to_day or '' }}")
    approve = ApproveBookingPlanOperator(
        task_id="approve",
        plan=manifest,
        subject="Close the office on {{ params.day }}, and "
        "{{ 'move its bookings to ' ~ params.to_day if params.to_day else 'CANCEL all its bookings' }}?",
    )
    parts = shards(manifest)
    apply = ApplyBookingPlanOperator.partial(
        task_id="apply", approval=approve.output, tolerated_failures="5%", retries=3
    ).expand(plan=parts)

    # Also where a shard has failed.
    @task(trigger_rule="all_done")
    def one_report(manifest: dict[str, Any], approval: dict[str, Any] | None) -> str:
        from airflow.sdk import ObjectStoragePath

        from airflow_provider_jicoo.bulk import merge_reports

        if not approval:
            # Not skipped: what becomes of the last task becomes of the run.
            raise AirflowFailException("nobody has agreed to the plan: nothing was changed")
        folders = [ObjectStoragePath(f"{shard['plan']}.report") for shard in manifest["shards"]]
        report = merge_reports(folders, ObjectStoragePath(f"{manifest['plan']}.report"))
        if not report.ok:
            raise AirflowFailException(str(report))
        return str(report)

    approve >> remember(manifest) >> apply >> one_report(manifest, approve.output)


jicoo_close_office_for_a_day()
