"""Bulk changes as DAGs: by a function, in shards, all in one, undone; personal data in all that may hold some."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_jicoo.bulk import ReplaceHost, Selection, UpdateFields
from airflow_provider_jicoo.operators.bulk import (
    ApplyBookingPlanOperator,
    BulkUpdateBookingsOperator,
    PlanBookingChangesOperator,
    PlanBookingUndoOperator,
)

PARAMS = {"plans": Param(type="string"), "uids": Param([], type="array"), "host": Param("", type="string")}
# Rendered from functions: what is in params stands in the run's configuration, by the user's own doing.
WORDS = {"called": lambda: "Stefanie Zweig", "mail": lambda: "zweig.guest@example.com"}


def lower(booking: dict[str, Any]) -> UpdateFields | None:
    return None if booking["priority"] == "low" else UpdateFields(priority="low")


with DAG("jicoo_bulk", schedule=None, params=PARAMS, user_defined_macros=WORDS):

    @task
    def chosen(params: dict[str, Any]) -> list[str]:
        return params["uids"]

    @task
    def shards(manifest: dict[str, Any]) -> list[dict[str, Any]]:
        return manifest["shards"]

    planned = PlanBookingChangesOperator(
        task_id="plan",
        selection=Selection(uids=chosen()),
        change=UpdateFields(description="For {{ called() }}, {{ mail() }}", name="{{ called() }}"),
        plan_path="{{ params.plans }}/{{ run_id }}.jsonl",
        is_send_updates="{{ 'true' }}",
        update_message="We have moved",
        shards="{{ 3 }}",
    )
    applied = ApplyBookingPlanOperator.partial(task_id="apply", waves="{{ ['1'] | tojson }}").expand(
        plan=shards(planned.output)
    )
    undo = PlanBookingUndoOperator(
        task_id="plan_undo",
        plan=planned.output,
        plan_path="{{ params.plans }}/{{ run_id }}-undo.jsonl",
        is_send_updates=False,
    )
    undone = ApplyBookingPlanOperator(task_id="undo", plan=undo.output, control_variable="jicoo_not_there")
    by_function = PlanBookingChangesOperator(
        task_id="by_function",
        selection=Selection(uids="{{ params.uids | tojson }}", where=lambda booking: booking["status"] == "open"),
        change=lower,
        plan_path="{{ params.plans }}/{{ run_id }}-function.jsonl",
        is_send_updates=False,
    )
    at_once = BulkUpdateBookingsOperator(
        task_id="at_once",
        selection=Selection(uids="{{ params.uids | tojson }}"),
        change=ReplaceHost("{{ params.host }}", "nobody"),
        plan_path="{{ params.plans }}/{{ run_id }}-at-once.jsonl",
        is_send_updates=False,
        dry_run="{{ 'true' }}",
    )
    applied >> undo
    undone >> [by_function, at_once]

with DAG("jicoo_bulk_mapped", schedule=None, params=PARAMS):
    # One plan for each of several folders: the parts are the same for all.
    PlanBookingChangesOperator.partial(
        task_id="plan",
        selection=Selection(uids="{{ params.uids | tojson }}"),
        change=UpdateFields(priority="low", description="{{ params.plans }}"),
        is_send_updates=False,
    ).expand(plan_path=[f"{{{{ params.plans }}}}/{number}.jsonl" for number in range(2)])

with DAG("jicoo_bulk_fails", schedule=None, params=PARAMS, user_defined_macros=WORDS):
    # What a retry cannot mend takes none.
    patient = {"is_send_updates": False, "retries": 3, "retry_delay": 1}
    PlanBookingChangesOperator(
        task_id="too_many",
        selection=Selection(),
        change=UpdateFields(description="For {{ called() }}, {{ mail() }}"),
        plan_path="{{ params.plans }}/{{ run_id }}.jsonl",
        max_changes=1,
        **patient,
    )

    @task
    def nothing() -> None:
        """Return nothing, as a query that finds nothing may."""

    PlanBookingChangesOperator(
        task_id="lost",
        selection=Selection(uids=nothing()),
        change=UpdateFields(priority="low"),
        plan_path="{{ params.plans }}/{{ run_id }}.jsonl",
        **patient,
    )
    ApplyBookingPlanOperator(
        task_id="another_digest", plan="{{ params.plans }}/plan.jsonl", digest="0" * 64, retries=3, retry_delay=1
    )
