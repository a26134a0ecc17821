"""The bookings as they are now against what a report says of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.errors import (
    RejectedError,
    RequestError,
    ServerError,
    TransportError,
    UnexpectedAnswerError,
)
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.written import reflects
from airflow_provider_jicoo.bulk.apply.judge import was_made
from airflow_provider_jicoo.bulk.lagging import ONCE, SOON, read_alone
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan import PlanFile, PlannedChange
from airflow_provider_jicoo.bulk.verify.files import Reported
from airflow_provider_jicoo.bulk.verify.verification import NOT_MADE, READ, SHOWN, UNKNOWN, Verdict, Verification

CHUNK = 200
_GONE = "it does not exist any more"
_SINCE = "changed since, by somebody"
_CHECK_OF = {Outcome.APPLIED: SHOWN, Outcome.UNCHANGED: SHOWN, Outcome.UNKNOWN: UNKNOWN}
"""Of the other outcomes it is :data:`NOT_MADE`."""
Judgement = tuple[Verdict, str]


def check_bookings(client: JicooClient, plan: PlanFile, reported: Reported, found: Verification) -> None:
    """Read the bookings of a plan, and compare each with its outcome.

    :raises RequestError: they cannot be read.
    """
    found.note(READ)
    looks = SOON
    pairs = zip(plan, reported.outcomes, strict=True)
    while chunk := list(islice(pairs, CHUNK)):
        lines = [planned for planned, _ in chunk]
        now, unreadable = _read(client, lines)
        for planned, outcome in chunk:
            check = _CHECK_OF.get(outcome, NOT_MADE)
            entry = reported.entries.get(planned.uid)
            verdict, words = judge(planned, outcome, entry, now.get(planned.uid))
            if verdict is not Verdict.TRUE and planned.uid not in unreadable:
                # A list may lag behind.
                single, failed = _read_one(client, planned, entry, looks)
                unreadable.update(failed)
                if single is not None and _is_behind(entry, single):
                    looks = ONCE
                verdict, words = judge(planned, outcome, entry, single)
            found.note(check)
            if planned.uid in unreadable:
                kind = type(unreadable[planned.uid]).__name__
                found.note(READ, Verdict.UNTOLD, f"could not be read ({kind})", planned.uid)
            else:
                found.note(check, verdict, words and f"{outcome.value}: {words}", planned.uid)


def _read(client: JicooClient, lines: list[PlannedChange]) -> tuple[dict[str, Booking], dict[str, RequestError]]:
    """Read bookings, by listing where that takes fewer requests.

    :return: those that exist, and why others cannot be read, by uid.
    """
    starts = [line.after.get("startedAt", line.started_at) for line in lines]
    ends = [line.after.get("endedAt", line.ended_at) for line in lines]
    unreadable: dict[str, RequestError] = {}
    steps = lookup_bookings(
        [line.uid for line in lines],
        within=(min(starts), max(ends)),
        absent_ok=True,
        unreadable=unreadable,
        failing_ok=True,
    )
    return client.run(steps), unreadable


def _read_one(
    client: JicooClient, planned: PlannedChange, entry: Entry | None, looks: tuple[float, ...]
) -> tuple[Booking | None, dict[str, RequestError]]:
    try:
        return read_alone(client, planned.uid, partial(_is_behind, entry), looks), {}
    except (RejectedError, ServerError, TransportError, UnexpectedAnswerError) as error:
        return None, {planned.uid: error}


def _is_behind(entry: Entry | None, booking: Mapping[str, Any]) -> bool:
    """Tell by its stamp whether a booking is shown as it was before its outcome."""
    return entry is not None and times.is_earlier(booking.get("updatedAt"), entry.updated_at)


def judge(
    planned: PlannedChange, outcome: Outcome, entry: Entry | None, booking: Mapping[str, Any] | None
) -> Judgement:
    """Say whether an outcome is true by the booking as it is now.

    :param entry: what the journal knows of it.
    :param booking: None where it does not exist.
    :return: the verdict, and the finding in words; empty where the booking is as the outcome says.
    """
    if outcome in (Outcome.APPLIED, Outcome.UNCHANGED):
        return _judge_made(planned, entry, booking)
    if booking is None:
        return Verdict.TRUE, _GONE
    made = was_made(planned, booking)
    if outcome is Outcome.UNKNOWN:
        where = {True: "the change is there now", False: "the change is not there", None: _SINCE}
        return Verdict.TRUE, where[made]
    # What was refused counts as no sending: that a server makes it all the same is what is to be found here.
    if made and (outcome in (Outcome.REJECTED, Outcome.FAILED) or (entry is not None and entry.sends)):
        return Verdict.UNTOLD, "it was sent, and the change is there now: it was made late, or by somebody"
    return Verdict.TRUE, "" if made is False else _SINCE


def _judge_made(planned: PlannedChange, entry: Entry | None, booking: Mapping[str, Any] | None) -> Judgement:
    if booking is None:
        return Verdict.UNTOLD, _GONE
    stored = entry.stored if entry is not None else None
    if reflects(booking, {**planned.after, **(stored or {})}):
        return Verdict.TRUE, ""
    then, now = entry.updated_at if entry is not None else None, booking.get("updatedAt")
    if then is None:
        return Verdict.UNTOLD, "it does not show the change, and the journal does not say when it was made"
    if _is_later(now, then):
        return Verdict.TRUE, _SINCE
    return Verdict.FALSE, "it does not show the change, and was not edited since"


def _is_later(now: Any, then: str) -> bool:
    try:
        return times.moment(str(now)) > times.moment(then)
    except ValueError:
        return bool(now != then)
