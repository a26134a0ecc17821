"""What a bulk task leaves in Airflow's database for the page of its run, and where that page is.

The page of a run (``plugins/room``) is made by Airflow's API server, which knows a task by its XComs alone. Two are
there as soon as they are known, and not only at the end as a task's result is: :data:`PLAN`, which plan it makes or
applies, and :data:`PROGRESS`, how far it is. Both are counts, paths and names of colleagues; nothing of a guest's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from airflow_provider_jicoo.tasks.compat import conf

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_jicoo.bulk.documents import PlanNote, ProgressNote
    from airflow_provider_jicoo.bulk.progress import Progress

PLAN = "jicoo_plan"
"""Key of the XCom that tells which plan a task makes or applies: a ``PlanNote``."""
PROGRESS = "jicoo_progress"
"""Key of the XCom that tells how far an apply is: a ``ProgressNote``."""
PREFIX = "/jicoo/runs"
"""Where Airflow's API server has the pages."""
SAMPLES = 120
"""How many samples over time stand in the database: with so many, the note of an apply has some 8,000 bytes."""

T = TypeVar("T")
log = logging.getLogger(__name__)


def address_of(dag_id: str, run_id: str, task_id: str, map_index: int | None) -> str:
    """Return the address of a run's page, as Airflow's own addresses are made.

    :param map_index: -1 or None where the task is not mapped.
    """
    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    parts = (dag_id, run_id, task_id, str(-1 if map_index is None else map_index))
    # Ids of runs hold ":" and "+".
    return f"{base}{PREFIX}/{'/'.join(quote(part, safe='') for part in parts)}"


def note_plan(
    context: Context,
    plan: Mapping[str, Any],
    *,
    applies: bool,
    approval: Any = None,
    control: str | None = None,
) -> None:
    """Note which plan a task makes or applies.

    :param plan: its manifest, that of one of its shards, or the header with its path as ``plan``.
    :param applies: whether the task applies it.
    :param approval: who has agreed to it.
    :param control: the Airflow Variable that tells the apply what to do; None where that is the file beside the plan.
    """
    is_approval = isinstance(approval, Mapping) and {"digest", "by", "at"} <= approval.keys()
    note: PlanNote = {
        "plan": str(plan["plan"]),
        "digest": plan["digest"],
        "changes": plan.get("changes", 0),
        "unchanged": plan.get("unchanged", 0),
        "guests_notified": plan.get("guests_notified", 0),
        "irreversible": plan.get("irreversible", 0),
        "shards": len(plan.get("shards", ())) or 1,
        "applies": applies,
        "approval": {"digest": approval["digest"], "by": approval["by"], "at": approval["at"]} if is_approval else None,
        "control": control or None,
    }
    _push(context, PLAN, note)


def note_progress(context: Context, progress: Progress) -> None:
    """Note how far an apply is."""
    note: ProgressNote = {
        "total": progress.total,
        "done": progress.done,
        "counts": dict(progress.counts),
        "rate": round(progress.rate, 2),
        "remaining": None if progress.remaining is None else round(progress.remaining),
        "paused": progress.paused,
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "timeline": thinned(progress.timeline),
    }
    _push(context, PROGRESS, note)


def note_address(context: Context, *links: Any) -> None:
    """Let the links of a task lead to its page while it runs: Airflow itself notes them at its end only."""
    ti = context["ti"]
    for link in links:
        _push(context, link.xcom_key, link.get_link(None, ti_key=ti))


def thinned(samples: Sequence[T]) -> list[T]:
    """Return at most :data:`SAMPLES` of these, evenly spread, the last one among them."""
    step = -(-len(samples) // SAMPLES)
    return list(samples) if step <= 1 else list(samples[::-step][::-1])


def _push(context: Context, key: str, value: Any) -> None:
    try:
        context["ti"].xcom_push(key=key, value=value)
    except Exception as error:  # whatever is wrong with Airflow's API: a page is no reason to end a run
        log.warning("the page of the run will not show %s: it could not be stored: %s", key, type(error).__name__)
