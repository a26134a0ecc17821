"""What a planned change comes to: by its booking as it is now, by its answer, by its error. Functions of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from airflow_provider_jicoo.api import bookings, errors
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.bulk.journal import Entry
from airflow_provider_jicoo.bulk.outcomes import Outcome
from airflow_provider_jicoo.bulk.plan import Line

GONE = "the booking does not exist any more"


def judge(line: Line, booking: Mapping[str, Any] | None, *, doubted: bool) -> tuple[Outcome | None, str]:
    """Say what a planned change has come to by the booking as it is now; None where it is to be sent.

    :param line: the planned change.
    :param booking: the booking, or None where it does not exist.
    :param doubted: whether an earlier try may have sent it.
    """
    if booking is None:
        return (Outcome.UNKNOWN, f"it may have been made, and {GONE}") if doubted else (Outcome.REJECTED, GONE)
    if bookings.shows(booking, line.after):
        return (Outcome.APPLIED if doubted else Outcome.UNCHANGED), ""
    if booking.get("updatedAt") == line.updated_at:
        return None, ""
    others = differing(line.before, booking) or "other fields than the planned ones"
    if doubted:
        return Outcome.UNKNOWN, f"an earlier try may have changed it, and it was edited since, in {others}"
    return Outcome.STALE, f"edited at {booking.get('updatedAt')}, after the plan was made, in {others}"


def blocked(line: Line, entry_of: Callable[[str], Entry | None]) -> tuple[Outcome, str] | None:
    """Say what a move comes to whose slot may not be free; None where it can be sent.

    :param line: the planned move.
    :param entry_of: what is known of the bookings that had to move away first.
    """
    for uid in line.waits_for:
        entry = entry_of(uid)
        if entry is not None and (entry.outcome in (Outcome.APPLIED, Outcome.UNCHANGED) or entry.detail == GONE):
            continue
        if entry is not None and entry.outcome is Outcome.STALE:
            return Outcome.STALE, f"booking {uid}, which was to leave the slot first, was edited and left where it is"
        return Outcome.FAILED, f"it was not sent: booking {uid}, which was to leave the slot first, did not"
    return None


def differing(expected: Mapping[str, Any], booking: Mapping[str, Any]) -> str:
    """Name the fields in which a booking is not as expected."""
    return ", ".join(name for name, value in expected.items() if not bookings.shows(booking, {name: value}))


def outcome_of(error: errors.RequestError) -> Outcome:
    """Say what a failed request means for its change."""
    if isinstance(error, errors.AmbiguousOutcomeError):
        return Outcome.UNKNOWN
    if isinstance(error, (errors.RejectedError, errors.NotFoundError)):
        return Outcome.REJECTED
    return Outcome.FAILED


def call_of(line: Line, terms: Mapping[str, Any]) -> Call[Booking]:
    """Return the request of a planned change."""
    done = partial(made, line)
    body = line.after if line.send is None else line.send
    if line.action == "cancel":
        return bookings.cancel_call(line.uid, done)
    if line.action == "reschedule":
        return bookings.reschedule_call(line.uid, body, done)
    said = {"isSendUpdates": terms["isSendUpdates"]}
    if terms["updateMessage"] is not None:
        said["updateMessage"] = terms["updateMessage"]
    return bookings.update_call(line.uid, {**body, **said}, done)


def made(line: Line, booking: Mapping[str, Any]) -> bool | None:
    """Tell whether a change was made; None where the booking has changed, but not to what was planned."""
    if bookings.shows(booking, line.after):
        return True
    return False if booking.get("updatedAt") == line.updated_at else None
