"""Ring for other DAGs when an apply has changed bookings."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import AssetAlias

from airflow_provider_jicoo.assets.jicoo import bookings_asset, bookings_uri
from airflow_provider_jicoo.bulk.outcomes import Outcome

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_jicoo.bulk.report import Report

log = logging.getLogger(__name__)

APPLIED = AssetAlias("jicoo_applied_plans")
"""Whose events those of the bookings are: the connection is known only when the task runs."""
UIDS_AT_MOST = 500
"""Ids in one event, some 16 bytes each: Airflow keeps them in its database, and loads them with each run they start."""


def announce_applied(context: Context, jicoo_conn_id: str, report: Report) -> bool:
    """Let an event of ``jicoo://<conn_id>/bookings`` go out where an apply has changed something.

    Its ``extra`` is ``{"jicoo_conn_id", "event": "applied", "plan", "digest", "counts", "booking_uids", "left_out",
    "updated_at"}``: ids, and nothing of a guest. Airflow drops it where the task fails; what a later try finishes is in
    that one's event, with what the earlier ones did.

    A run that an event of these bookings has started announces nothing: its own DAG would start again, and again.

    :param report: what became of the plan.
    :return: whether it goes out.
    """
    events = context.get("outlet_events")
    if events is None or not report.counts.get(Outcome.APPLIED.value):
        return False
    try:
        uri = bookings_uri(jicoo_conn_id)
    except ValueError as error:
        log.warning("no other DAG is told of this apply: %s", error)
        return False
    if _is_started_by(context, uri):
        log.info("an event of %s has started this run, so that its apply is not announced", uri)
        return False
    events[APPLIED].add(bookings_asset(jicoo_conn_id), extra=_letter(jicoo_conn_id, report))
    return True


def _letter(jicoo_conn_id: str, report: Report) -> dict[str, Any]:
    uids: list[str] = []
    count = 0
    for uid in _applied(report):
        count += 1
        if len(uids) < UIDS_AT_MOST:
            uids.append(uid)
    facts: Mapping[str, Any] = report.facts
    return {
        "jicoo_conn_id": jicoo_conn_id,
        "event": "applied",
        "plan": facts["plan"],
        "digest": facts["digest"],
        "counts": dict(report.counts),
        "booking_uids": uids,
        "left_out": count - len(uids),
        # When it began, not when it ended: a task that drains for the first time goes back to this moment, and would
        # otherwise count the first hours of a long apply as handled.
        "updated_at": facts["startedAt"],
    }


def _applied(report: Report) -> Iterator[str]:
    with (report.path / "outcomes.jsonl").open("rb") as file:
        for line in file:
            outcome = json.loads(line)
            if outcome["outcome"] == Outcome.APPLIED.value:
                yield outcome["uid"]


def _is_started_by(context: Context, uri: str) -> bool:
    started_by: Mapping[Any, Any] = context.get("triggering_asset_events") or {}
    return any(getattr(asset, "uri", None) == uri and events for asset, events in started_by.items())
