"""Turn the journal of an apply into a plan that takes it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.errors import (
    BrokenRowsError,
    RejectedError,
    RequestError,
    ServerError,
    TransportError,
    UnexpectedAnswerError,
)
from airflow_provider_jicoo.api.exhaustive import assert_never
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.api.status import is_cancelled
from airflow_provider_jicoo.api.written import documented, reflects, reflects_exactly
from airflow_provider_jicoo.bulk.apply.journal import history
from airflow_provider_jicoo.bulk.changes import Change
from airflow_provider_jicoo.bulk.documents import LeftAlone, Owner, PlanAbout
from airflow_provider_jicoo.bulk.errors import PlanError, PlanMismatchError
from airflow_provider_jicoo.bulk.files import StorePath, as_store_path
from airflow_provider_jicoo.bulk.journal_files import journal_of
from airflow_provider_jicoo.bulk.lagging import ONCE, SOON, read_alone
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan import Draft, Plan, PlanFile, PlannedChange, Terms
from airflow_provider_jicoo.bulk.plan.header import find_shards, read_header, shard_paths
from airflow_provider_jicoo.bulk.plan.place import prepare_place
from airflow_provider_jicoo.bulk.plan.seen import fingerprint
from airflow_provider_jicoo.bulk.plan.terms import check_count
from airflow_provider_jicoo.bulk.report import is_reported

CHUNK = 200
_TIMES = frozenset({"startedAt", "endedAt"})


@discreet
def plan_undo(
    client: JicooClient,
    plan: Plan | Mapping[str, Any] | StorePath | str,
    path: StorePath | str,
    *,
    is_send_updates: bool | None = None,
    update_message: str | None = None,
    max_changes: int | None = None,
    max_notified_guests: int | None = None,
    made_by: str = "",
    owner: Owner | None = None,
    open_path: Callable[[str], StorePath] = Path,
) -> Plan:
    """Write a plan that takes back what the apply of a plan has changed. Nothing is changed by this.

    Only fields that this apply has changed go back, and only where nobody has changed them since. What is left alone
    is listed in the header of the new plan under ``leftAlone``, and in its summary: fields changed since, cancelled
    bookings, which nothing brings back, and changes of which nobody knows whether they were made, as where the journal
    is damaged.

    :param client: a client of the Jicoo that the plan was for.
    :param plan: the plan that was applied, its manifest, or its path; where it is in shards, all of them.
    :param path: the file to write.
    :return: as :func:`~airflow_provider_jicoo.bulk.plan.plan_changes`, which the other parameters are of too.
    :raises PlanMismatchError: there is no such plan, it is of another Jicoo, or one of its shards is missing.
    :raises PlanError: as for ``plan_changes``.
    """
    applied, path = _path(plan, open_path), as_store_path(path)
    terms = Terms(is_send_updates, update_message, client.settings.base_url)
    terms.check(Change())
    check_count("max_changes", max_changes)
    check_count("max_notified_guests", max_notified_guests)
    left: list[LeftAlone] = []
    warnings: list[str] = []
    header = read_header(applied)
    find_shards(applied, header)
    if str(path) in map(str, (applied, *(shard_paths(applied, header) if "shards" in header else ()))):
        raise PlanError(
            f"the undo cannot be written to {path}: that is the plan that it takes back, and its apply has begun. Give "
            "it a path of its own; nothing was sent"
        )
    prepare_place(path, owner)
    with closing(Draft(terms)) as draft:
        for shard in shard_paths(applied, header) if "shards" in header else [applied]:
            _undo(client, shard, draft, left, warnings)
        draft.read_names(client)
        draft.check_limits(max_changes, max_notified_guests)
        about: PlanAbout = {
            "selection": {"applied by": str(applied)},
            "change": {"change": "undo"},
            "madeBy": made_by,
            "owner": owner,
            "leftAlone": left,
            "warnings": warnings,
        }
        return draft.write(path, 1, about)


def _path(plan: Plan | Mapping[str, Any] | StorePath | str, open_path: Callable[[str], StorePath]) -> StorePath:
    if isinstance(plan, Plan):
        plan = plan.manifest
    return open_path(plan["plan"]) if isinstance(plan, Mapping) else as_store_path(plan)


def _undo(client: JicooClient, path: StorePath, draft: Draft, left: list[LeftAlone], warnings: list[str]) -> None:
    digest = read_header(path)["digest"]
    journal = history(journal_of(path, digest))
    entries = journal.entries
    if not journal.claims and is_reported(path, digest):
        journal.damage.append("all of it is missing, though there is a report of this plan")
    if journal.damage:
        warnings.append(
            f"the journal {journal_of(path, digest)} is damaged: {'; '.join(journal.damage[:5])}. What it says "
            "nothing of may have been changed, and is left alone."
        )
    elif not journal.claims:
        warnings.append(f"nothing of {path} was applied: it has no journal beside it, {journal_of(path, digest)}")
    with closing(PlanFile(path, digest)) as lines:
        if lines.header["terms"]["baseUrl"] != client.settings.base_url:
            raise PlanMismatchError(
                f"{path} is of {lines.header['terms']['baseUrl']}, not of {client.settings.base_url}"
            )
        if journal.damage:
            why = "the journal is damaged and says nothing of it: nobody knows whether it was changed"
            left += [{"uid": planned.uid, "why": why} for planned in lines if planned.uid not in entries]
        touched = (planned for planned in lines if planned.uid in entries)
        while chunk := list(islice(touched, CHUNK)):
            now, unreadable = _read_current(client, chunk, entries)
            for planned in chunk:
                entry = entries[planned.uid]
                why = _why_left_alone(entry.outcome, unreadable.get(planned.uid))
                if why:
                    left.append({"uid": planned.uid, "why": why})
                elif entry.outcome is Outcome.APPLIED:
                    _take_back(planned, entry, now.get(planned.uid), draft, left)


def _why_left_alone(outcome: Outcome | None, unreadable: RequestError | None) -> str:
    """Say why a change is not taken back whatever its booking is now; empty where that decides, or nothing was changed.

    :param unreadable: why its booking cannot be read, if it cannot.
    """
    match outcome:
        case None | Outcome.UNKNOWN:
            return "nobody knows whether it was changed"
        case Outcome.APPLIED:
            return "" if unreadable is None else f"it could not be read: {unreadable}"
        case Outcome.UNCHANGED | Outcome.STALE | Outcome.REJECTED | Outcome.FAILED | Outcome.NOT_ATTEMPTED:
            return ""
        case _:
            return assert_never(outcome)


def _read_current(
    client: JicooClient, chunk: list[PlannedChange], entries: Mapping[str, Entry]
) -> tuple[dict[str, Booking], dict[str, RequestError]]:
    """Read bookings by listing; what the list does not show as the apply left it, by itself: a list may lag behind.

    :return: those that exist, and why others cannot be read, by uid.
    """
    unreadable: dict[str, RequestError] = {}
    uids = [planned.uid for planned in chunk]
    steps = lookup_bookings(uids, within=_within(chunk), absent_ok=True, unreadable=unreadable, failing_ok=True)
    now = client.run(steps)
    behind = [
        planned
        for planned in chunk
        if planned.uid in now
        and entries[planned.uid].outcome is Outcome.APPLIED
        and not reflects_exactly(now[planned.uid], _as_stored(planned, entries[planned.uid]))
    ]
    has_failed, looks = False, SOON
    for line in behind:
        uid = line.uid
        del now[uid]
        try:
            is_behind = partial(_is_as_before_its_change, line, entries[uid])
            booking = read_alone(client, uid, is_behind, looks)
            has_failed = False
            if booking is not None:
                now[uid] = booking
                looks = ONCE if is_behind(booking) else looks
        except (RejectedError, ServerError, TransportError, UnexpectedAnswerError) as error:
            if has_failed:
                raise  # twice in a row: it is not the booking
            has_failed, unreadable[uid] = not isinstance(error, BrokenRowsError), error
    return now, unreadable


def _is_as_before_its_change(planned: PlannedChange, entry: Entry, booking: Booking) -> bool:
    """Tell by its stamp whether a booking was read as it was before its change: from a copy that lags, say."""
    return booking["updatedAt"] == planned.updated_at != (entry.updated_at or planned.updated_at)


def _as_stored(planned: PlannedChange, entry: Entry) -> dict[str, Any]:
    """Return the fields of a change as Jicoo stored them, however it wrote them."""
    return {**planned.after, **(entry.stored or {})}


def _within(chunk: list[PlannedChange]) -> tuple[str, str]:
    starts = [planned.after.get("startedAt", planned.started_at) for planned in chunk]
    # The end after a reschedule is not in the plan, and does not matter: what the list leaves out is read by itself.
    ends = [planned.after.get("endedAt", planned.ended_at) for planned in chunk]
    return min(starts), max(ends)


def _take_back(
    planned: PlannedChange, entry: Entry, booking: Booking | None, draft: Draft, left: list[LeftAlone]
) -> None:
    """Take the way back of one change in, or say why it is left alone.

    :param entry: what the journal knows of it.
    """
    applied = _as_stored(planned, entry)
    if booking is None:
        left.append({"uid": planned.uid, "why": "it does not exist any more"})
        return
    if planned.is_irreversible:
        left.append({"uid": planned.uid, "why": "a cancelled booking cannot be brought back"})
        return
    if is_cancelled(booking.get("status")) and not is_cancelled(planned.status):
        left.append({"uid": planned.uid, "why": "it was cancelled since"})
        return
    if _is_as_before_its_change(planned, entry, booking):
        why = f"Jicoo still gives it as it was at {booking['updatedAt']}, before it was changed; plan the undo anew"
        left.append({"uid": planned.uid, "why": why})
        return
    current: Mapping[str, Any] = booking
    changed = [name for name, value in applied.items() if not reflects(current, {name: value})]
    left += ({"uid": planned.uid, "why": f"{name} was changed since"} for name in sorted(changed))
    if not _TIMES.isdisjoint(changed):
        changed += _TIMES  # half a move would be a booking of another length
    back = {name: _as_sent(name, planned.before[name]) for name in planned.after if name not in changed}
    if not back or reflects_exactly(current, back):
        return
    send = {**back, "timeZone": _zone(planned, booking)} if planned.action == "reschedule" else None
    if send is not None and not planned.before.get("timeZone"):
        left.append({"uid": planned.uid, "why": "its time zone before is not known, and stays"})
    reverse = PlannedChange(
        planned.uid,
        planned.action,
        {name: documented(name, current.get(name)) for name in (*back, *(send or {}))},
        back,
        booking["updatedAt"],
        times.as_wire(booking["startedAt"]),
        times.as_wire(booking["endedAt"]),
        send,
        status=str(booking.get("status") or ""),
        seen=fingerprint(booking),
        time_zone=str(booking.get("timeZone") or ""),
    )
    draft.add(reverse, booking)


def _as_sent(name: str, value: Any) -> Any:
    """Return a field as it was, in the form in which it is sent: moves are put in order by that."""
    return times.as_wire(value) if name in _TIMES and isinstance(value, str) else documented(name, value)


def _zone(planned: PlannedChange, booking: Booking) -> str:
    """Return the zone to send back with a start, which is not sent without one: an edit since stays."""
    sent: str = (planned.send or {})["timeZone"]
    now = booking.get("timeZone") or sent
    return planned.before.get("timeZone") or now if now == sent else now
