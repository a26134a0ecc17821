"""``@task.jicoo_plan``, as the provider's discovery offers it: with arguments of its own, of other tasks, mapped."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_jicoo.bulk import Selection, UpdateFields
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator

PARAMS = {"plans": Param(type="string"), "uids": Param([], type="array"), "priority": Param("low", type="string")}
SOME = {"selection": Selection(uids="{{ params.uids | tojson }}"), "is_send_updates": False}

with DAG("jicoo_plan_decorator", schedule=None, params=PARAMS):

    @task
    def words(params: dict[str, Any]) -> dict[str, str]:
        return dict.fromkeys(params["uids"][:2], "from another task")

    @task.jicoo_plan(plan_path="{{ params.plans }}/{{ run_id }}.jsonl", **SOME)
    def plan(booking: dict[str, Any], by_uid: dict[str, str], priority: str = "high") -> UpdateFields | None:
        """Change those that the other task names."""
        if booking["uid"] not in by_uid:
            return None
        return UpdateFields(description=by_uid[booking["uid"]], priority=priority)

    @task.jicoo_plan(task_id="plain", plan_path="{{ params.plans }}/{{ run_id }}-plain.jsonl", **SOME)
    def without_arguments(booking: dict[str, Any]) -> UpdateFields:
        return UpdateFields(priority="middle")

    planned = plan(words(), priority="{{ params.priority }}")
    applied = ApplyBookingPlanOperator(task_id="apply", plan=planned)
    applied >> without_arguments()

    @task.jicoo_plan(plan_path="{{ params.plans }}/{{ run_id }}-{{ ti.map_index }}.jsonl", task_id="mapped", **SOME)
    def mapped(booking: dict[str, Any], priority: str) -> UpdateFields:
        return UpdateFields(priority=priority)

    applied >> mapped.expand(priority=["low", "middle", "high"])
