"""A DAG whose name ends as the folder that it is in: who may read one need not read that of another folder.

What it selects and what it writes may be personal to guests. It asks nobody: who sees what of it is what is tested.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_jicoo.bulk import Selection, UpdateFields
from airflow_provider_jicoo.operators.bulk import ApplyBookingPlanOperator, PlanBookingChangesOperator

WHOSE = Path(__file__).parent.name
READ = {"can_read"}

with DAG(
    f"jicoo_{WHOSE}",
    schedule=None,
    params={"plans": Param(type="string")},
    # For the FAB auth manager alone; the simple one has teams, and a folder each.
    access_control={
        f"{WHOSE}_reader": {"DAGs": READ},
        f"{WHOSE}_reader_without_logs": {"DAGs": READ},
        f"{WHOSE}_editor": {"DAGs": {*READ, "can_edit"}},
    },
):
    plan = PlanBookingChangesOperator(
        task_id="plan",
        selection=Selection(status="open", name_matches="Zweig"),
        change=UpdateFields(description=f"Stefanie Zweig brings papers, says {WHOSE}"),
        plan_path="{{ params.plans }}/{{ dag.dag_id }}/{{ run_id }}.jsonl",
        is_send_updates=False,
    )
    ApplyBookingPlanOperator(task_id="apply", plan=plan.output)
