"""DAGs of which the tests plant runs; none of them is ever run."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_jicoo.bulk import Cancel, Selection
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator

for dag_id in ("room", "room_of_others"):
    with DAG(dag_id, schedule=None):
        plan = PlanBookingChangesOperator(
            task_id="plan", selection=Selection(), change=Cancel(), plan_path="/plans/{{ run_id }}.jsonl"
        )
        ApplyBookingPlanOperator(task_id="apply", plan=plan.output)

with DAG("jicoo_undo_last_run", schedule=None, params={"plan": None, "plans": "/tmp/jicoo-plans"}):
    PlanBookingChangesOperator(task_id="plan_undo", selection=Selection(), change=Cancel(), plan_path="/plans/x.jsonl")
