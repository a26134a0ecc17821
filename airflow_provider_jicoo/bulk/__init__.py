"""Change many bookings safely: see it, agree to it, run it, know what happened, take it back.

Knows the API and nothing of Airflow: it works in a notebook too. ::

    from pathlib import Path
    from airflow_provider_jicoo.api.client import JicooClient
    from airflow_provider_jicoo.api.settings import Settings
    from airflow_provider_jicoo.bulk import ReplaceHost, Selection, apply_plan, plan_changes, plan_undo

    with JicooClient(Settings("sk_live_...")) as jicoo:
        plan = plan_changes(
            jicoo, Selection(status="open"), ReplaceHost("leaves", "takes over"), Path("plan.jsonl"),
            is_send_updates=False,
        )
        print(plan.summary)
        print(apply_plan(jicoo, plan))
        print(plan_undo(jicoo, plan, Path("undo.jsonl"), is_send_updates=False).summary)

Light to import: what makes and applies plans is loaded when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.bulk.changes import Cancel, Change, ReplaceHost, Reschedule, ShiftTime, UpdateFields
from airflow_provider_jicoo.bulk.selection import Selection

if TYPE_CHECKING:
    from airflow_provider_jicoo.bulk.apply import Options, Timing, apply_plan
    from airflow_provider_jicoo.bulk.apply.stop import Stop
    from airflow_provider_jicoo.bulk.plan import Plan, plan_changes
    from airflow_provider_jicoo.bulk.progress import Progress
    from airflow_provider_jicoo.bulk.report import Report, merge_reports
    from airflow_provider_jicoo.bulk.undo import plan_undo

__all__ = [
    "Cancel",
    "Change",
    "Options",
    "Plan",
    "Progress",
    "ReplaceHost",
    "Report",
    "Reschedule",
    "Selection",
    "ShiftTime",
    "Stop",
    "Timing",
    "UpdateFields",
    "apply_plan",
    "merge_reports",
    "plan_changes",
    "plan_undo",
]

_LATER = {
    "Options": "apply",
    "Timing": "apply",
    "Progress": "progress",
    "Stop": "apply.stop",
    "apply_plan": "apply",
    "Plan": "plan",
    "plan_changes": "plan",
    "Report": "report",
    "merge_reports": "report",
    "plan_undo": "undo",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
