"""The office closes for a day: move its bookings to another day and tell each guest once, or cancel them.

The plan is split into four shards, which as many workers apply at once; they share Jicoo's rate limit without knowing
of each other. A last task makes one report of the four.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_jicoo.bulk import Cancel, Selection, ShiftTime
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator


@dag(
    schedule=None,
    catchup=False,
    tags=["jicoo", "bulk"],
    doc_md=__doc__,
    params={
        "day": Param(type="string", format="date", description="The day that is closed, in Japan"),
        "to_day": Param("", type="string", description="The day to move its bookings to; empty to cancel them"),
        "message": Param("The office is closed on that day.", type="string", description="Words for the guests"),
        "plans": Param("/tmp/jicoo-plans", type="string", description="A folder, as s3://bucket/plans"),
    },
)
def jicoo_close_office_for_a_day() -> None:
    @task.jicoo_plan(
        selection=Selection(
            started_after="{{ params.day }}T00:00:00+09:00",
            started_before="{{ macros.ds_add(params.day, 1) }}T00:00:00+09:00",
            where=lambda booking: booking["status"] != "cancel",
        ),
        plan_path="{{ params.plans }}/{{ dag.dag_id }}/{{ run_id }}.jsonl",
        # Moving them is quiet unless it is said; a cancellation always tells the guest.
        is_send_updates="{{ 'true' if params.to_day else '' }}",
        update_message="{{ params.message if params.to_day else '' }}",
        max_notified_guests=500,
        shards=4,
    )
    def plan(booking: dict[str, Any], to_day: str) -> Any:
        return ShiftTime(to_date=to_day) if to_day else Cancel()

    @task
    def shards(manifest: dict[str, Any]) -> list[dict[str, Any]]:
        return manifest["shards"]

    parts = shards(plan(to_day="{{ params.to_day }}"))
    apply = ApplyBookingPlanOperator.partial(task_id="apply", tolerated_failures="5%", retries=3).expand(plan=parts)

    @task(trigger_rule="all_done")
    def one_report(shards: list[dict[str, Any]], params: dict[str, Any], run_id: str) -> str:
        from airflow.sdk import ObjectStoragePath

        from airflow_provider_jicoo.bulk import merge_reports

        folders = [ObjectStoragePath(f"{shard['plan']}.report") for shard in shards]
        report = merge_reports(folders, ObjectStoragePath(f"{params['plans']}/{run_id}.report"))
        if not report.ok:
            raise RuntimeError(str(report))
        return str(report)

    apply >> one_report(parts)


jicoo_close_office_for_a_day()
