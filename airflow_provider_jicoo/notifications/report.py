"""Tell what became of a bulk change, through any of Airflow's notifiers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

NAME = "jicoo_report"
"""What a notifier's templates call it."""
_ORDER = ("applied", "unchanged", "stale", "rejected", "failed", "unknown", "not_attempted")


class TellReport:
    """A callback of an apply's task: it gives the run's report to a notifier, as ``jicoo_report`` in its templates.

    ::

        tell = TellReport(SlackWebhookNotifier(slack_webhook_conn_id="slack", text="{{ jicoo_report.text }}"))
        ApplyBookingPlanOperator(..., on_success_callback=tell, on_failure_callback=tell)

    ``jicoo_report`` has ``text`` (all of the following in some lines), ``state`` (``success`` or ``failed``), ``plan``,
    ``digest``, ``report`` (where it is), ``link`` (the task in Airflow), ``counts`` (by outcome), ``changes``,
    ``approved_by``, ``approved_at`` (None where nobody was asked), ``ended_early`` (``yes``, or None) and ``try``.
    Counts and ids, and nothing of a guest: neither outcomes' details nor errors' texts are in it.

    :param notifier: whatever Airflow accepts as a callback; a notifier, or a function of the context.
    """

    def __init__(self, notifier: Callable[[Any], Any]) -> None:
        self.notifier = notifier

    def __call__(self, context: Context) -> None:
        """Read the report, and call the notifier."""
        given: Any = {**context, NAME: report_facts(context)}
        self.notifier(given)


def report_facts(context: Context) -> dict[str, Any]:
    """Return what is known of the apply of a task: see :class:`TellReport`.

    Where there is no report, as of a plan that was refused, or where it cannot be read, ``report`` is None and
    ``counts`` is empty; nothing is raised: a callback that fails tells nobody.
    """
    ti: Any = context["ti"]
    task: Any = context.get("task") or getattr(ti, "task", None)
    plan, digest = _plan(task)
    facts = _read(plan)
    if digest is not None and facts.get("digest") != digest:
        facts = {}  # of another plan, which stood at this path before
    approval = facts.get("approval") or {}
    found = {
        "state": "failed" if context.get("exception") is not None or _is_lost(ti) else "success",
        "plan": plan,
        "digest": facts.get("digest"),
        "report": f"{plan}.report/report.html" if facts else None,
        "link": getattr(ti, "log_url", None),
        "counts": facts.get("counts", {}),
        "changes": facts.get("changes"),
        "approved_by": approval.get("by"),
        "approved_at": approval.get("at"),
        "ended_early": "yes" if facts.get("endedEarly") else None,
        "try": facts.get("try"),
    }
    return {"text": _text(found, ti), **found}


def _is_lost(ti: Any) -> bool:
    """Tell whether its worker was killed: then Airflow's DAG processor calls, with neither an exception nor a state."""
    state = getattr(ti, "state", "success")
    return state is None or (isinstance(state, str) and state != "success")


def _plan(task: Any) -> tuple[str | None, str | None]:
    """Return path and digest of the plan that a task applies, as far as they are known."""
    given = getattr(task, "plan", None) or getattr(task, "plan_path", None)
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = json.loads(given)
        except ValueError:
            return None, None
    manifest: Mapping[str, Any] = given if isinstance(given, Mapping) else {"plan": given}
    path, digest = manifest.get("plan"), manifest.get("digest")
    return (path if isinstance(path, str) and path else None), digest


def _read(plan: str | None) -> dict[str, Any]:
    from airflow_provider_jicoo.bulk.files import read_bytes
    from airflow_provider_jicoo.bulk.report.write import report_of
    from airflow_provider_jicoo.tasks.storage import open_path

    if plan is None:
        return {}
    try:
        found = json.loads(read_bytes(report_of(open_path("plan", plan)) / "report.json"))
    except FileNotFoundError:
        return {}
    except Exception as error:  # whatever is wrong with a storage: the notifier is called all the same
        log.warning("the report of %s cannot be read: %s", plan, type(error).__name__)
        return {}
    return found if isinstance(found, dict) else {}


def _text(found: Mapping[str, Any], ti: Any) -> str:
    counts: Mapping[str, int] = found["counts"]
    counted = ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in _ORDER if counts.get(name))
    where = f"{getattr(ti, 'dag_id', '?')}, task {getattr(ti, 'task_id', '?')}"
    lines = [f"Jicoo, {where}: {found['state']}."]
    if found["report"] is None:
        why = "nothing was sent in this run, its worker was lost, or its storage cannot be read"
        lines.append(f"There is no report: {why}.")
    else:
        lines.append(f"{found['changes']:,} planned changes: {counted or 'nothing to do'}.")
    if found["ended_early"]:
        lines.append("It ended before its end.")
    if found["approved_by"]:
        lines.append(f"Approved by {found['approved_by']}, {found['approved_at']}.")
    lines.extend(f"{name}: {value}" for name, value in (("Report", found["report"]), ("Task", found["link"])) if value)
    return "\n".join(lines)
