"""Links from the tasks that plan and apply to the page of their run in Airflow's UI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

from airflow_provider_jicoo.tasks.room import address_of

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


class PlanLink(BaseOperatorLink):
    """Opens the page of the plan that a task makes or applies, for whoever may read the DAG."""

    name = "Plan"
    part = "plan"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the address of the page, at its part."""
        index = getattr(ti_key, "map_index", None)
        address = address_of(ti_key.dag_id, ti_key.run_id, ti_key.task_id, index)
        return f"{address}#{self.part}"


class ReportLink(PlanLink):
    """Opens the same page where it tells what became of the plan."""

    name = "Report"
    part = "report"
