"""What a planned change comes to: by its booking as it is now, by its answer, by its error. Functions of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from airflow_provider_jicoo.api import bookings, errors, times
from airflow_provider_jicoo.api.call import Call, OnDoubt
from airflow_provider_jicoo.api.exhaustive import assert_never
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.status import is_cancelled
from airflow_provider_jicoo.api.written import Field, compare, reflects_exactly, stored
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan import PlannedChange
from airflow_provider_jicoo.bulk.plan.seen import edited
from airflow_provider_jicoo.bulk.plan.tally import SHOWN

_TOLD = SHOWN | {"startedAt", "endedAt", "hosts", "status"}
"""Fields whose values are told where Jicoo stored another one; any other may be personal."""
_NOT_CANCELLED = ("request", "open")
_AS_SENT = frozenset({Field.AFTER})
_MADE = frozenset({Field.AFTER, Field.ADJUSTED})
"""How the fields of a booking stand where this plan has made the change."""
GONE = "the booking does not exist any more"
_LOOK = 'look at the booking, and ask its guest if need be; on_doubt="again" sends it once more'


def judge_booking(
    planned: PlannedChange, booking: Mapping[str, Any] | None, *, in_doubt: bool, skip_stamp: bool = False
) -> Entry | None:
    """Say what a planned change has come to by the booking as it is now; None where it is still as planned.

    That only ``updatedAt`` has moved does not make a booking stale by itself, and that it has not moved does not make
    it fresh: stamps may be of whole seconds, or not move for every field. The fields tell.

    :param planned: the planned change.
    :param booking: the booking, or None where it does not exist.
    :param in_doubt: whether an earlier sending may have arrived.
    :param skip_stamp: whether a booking of which only ``updatedAt`` has moved is stale.
    """
    if booking is None:
        if in_doubt:
            return Entry(Outcome.UNKNOWN, None, f"it may have been made, and {GONE}; {_LOOK}")
        return Entry(Outcome.REJECTED, None, GONE)
    cancelled = _cancelled_meanwhile(planned, booking)
    if not cancelled:
        fields = compare(booking, planned.before, planned.after)
        if (_MADE if in_doubt else _AS_SENT).issuperset(fields.values()):
            return _stored(Outcome.APPLIED if in_doubt else Outcome.UNCHANGED, planned, booking, fields)
    updated_at = booking.get("updatedAt")
    others = ["status"] if cancelled else _edited(planned, booking)
    if others:
        where = ", ".join(others)
        if in_doubt:
            detail = f"an earlier sending may have changed it, and it was edited since, in {where}"
            return Entry(Outcome.UNKNOWN, updated_at, detail)
        return Entry(Outcome.STALE, updated_at, f"edited at {updated_at}, after the plan was made, in {where}")
    if updated_at != planned.updated_at and not in_doubt and (skip_stamp or not planned.seen):
        detail = f"edited at {updated_at}, after the plan was made, in no field that is known"
        return Entry(Outcome.STALE, updated_at, detail)
    return None


def is_behind(planned: PlannedChange, booking: Mapping[str, Any]) -> bool:
    """Tell whether a booking may have been read as it was before the plan saw it.

    Answers may come from copies that lag. That is no proof: a server's clock may go back.
    """
    return times.is_earlier(booking.get("updatedAt"), planned.updated_at)


def is_part(planned: PlannedChange, booking: Mapping[str, Any]) -> bool:
    """Tell whether a booking lacks fields that the plan has seen: a list may leave out what it has by itself."""
    return any(value is not None and name not in booking for name, value in planned.before.items())


def _edited(planned: PlannedChange, booking: Mapping[str, Any]) -> list[str]:
    """Name the fields that are not as they were when the plan was made, the planned ones first."""
    first = [
        name
        for name, value in planned.before.items()
        if booking.get(name) != value and not reflects_exactly(booking, {name: value})
    ]
    return [*first, *(name for name in edited(planned.seen, booking) if name not in first)]


def _cancelled_meanwhile(planned: PlannedChange, booking: Mapping[str, Any]) -> bool:
    return planned.action != "cancel" and is_cancelled(booking.get("status")) and not is_cancelled(planned.status)


def judge_answer(planned: PlannedChange, booking: Mapping[str, Any], *, is_read: bool = False) -> Entry | None:
    """Say what a change has come to by the booking as it is after an answer of success; None where it is as before.

    What Jicoo stored is what counts, however it writes it.

    :param planned: the change that was sent.
    :param booking: what was answered, or read since.
    :param is_read: whether it was read since: a booking has all its fields, but Jicoo may leave out what is null.
    """
    uid, updated_at = booking.get("uid"), _stamp(booking)
    if uid not in (None, planned.uid):
        detail = (
            f"Jicoo answered with another booking, {uid}: it may have made a new one and cancelled this one; {_LOOK}"
        )
        return Entry(Outcome.UNKNOWN, None, detail)
    if _cancelled_meanwhile(planned, booking):
        detail = f"it is cancelled now: Jicoo may have made a new booking of it; {_LOOK}"
        return Entry(Outcome.UNKNOWN, updated_at, detail)
    if planned.action == "cancel" and booking.get("status") in _NOT_CANCELLED:
        return None  # somebody may have confirmed it since it was read: that is no cancellation
    fields = compare(booking, planned.before, planned.after, answered=True)
    # A field that is missing from the answer proves nothing: it may be a receipt, or a part of the booking.
    missing = [name for name in fields if name not in booking and not (is_read and planned.after[name] is None)]
    if Field.BEFORE in fields.values() or missing:
        return None
    return _stored(Outcome.APPLIED, planned, booking, fields)


def _stored(outcome: Outcome, planned: PlannedChange, booking: Mapping[str, Any], fields: Mapping[str, Field]) -> Entry:
    """Return an outcome, with what Jicoo has stored in another way than it was sent."""
    kept = stored(booking, planned.after)
    if not kept:
        return Entry(outcome, _stamp(booking))
    adjusted = any(field in (Field.ADJUSTED, Field.OTHER) for field in fields.values())
    return Entry(outcome, _stamp(booking), _stored_words(planned, booking, fields), kept, adjusted)


def _stamp(booking: Mapping[str, Any]) -> str | None:
    """Return when a booking was edited last; None where an answer does not say it in a text."""
    stamp = booking.get("updatedAt")
    return stamp if isinstance(stamp, str) else None


def _stored_words(planned: PlannedChange, booking: Mapping[str, Any], fields: Mapping[str, Field]) -> str:
    """Say what Jicoo has stored instead of what was sent; the texts that may be personal are not told."""
    parts = [
        f"{name} = {_shown(stored(booking, planned.after)[name])}" if name in _TOLD else f"another {name}"
        for name, field in fields.items()
        if field in (Field.ADJUSTED, Field.OTHER)
    ]
    return f"Jicoo stored {', '.join(parts)}" if parts else ""


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " + ".join(f"{host.get('userId')} ({host.get('role')})" for host in value)
    return str(value)


def not_seen(planned: PlannedChange, booking: Mapping[str, Any] | None, seconds: float) -> Entry:
    """Say what a change has come to that was answered with success, and is still not there.

    :param booking: the booking as it was read last; None where it does not exist.
    :param seconds: for how long it was read back.
    """
    if booking is None:
        return Entry(Outcome.UNKNOWN, None, f"Jicoo answered with success, and {GONE}; {_LOOK}")
    fields = compare(booking, planned.before, planned.after, answered=True)
    same = [name for name, field in fields.items() if field is Field.BEFORE]
    words = f"is as before in {', '.join(same)}"
    if not same:
        words = f"does not show {', '.join(fields.keys() - booking.keys() or fields)}"
    detail = f"Jicoo answered with success, but {seconds:.0f} s later the booking {words}; {_LOOK}"
    return Entry(Outcome.UNKNOWN, _stamp(booking), detail)


def not_read(error: Exception, *, in_doubt: bool) -> Entry:
    """Say what a change comes to whose booking cannot be read.

    :param in_doubt: whether an earlier sending may have arrived.
    """
    if in_doubt:
        return Entry(Outcome.UNKNOWN, None, f"it may have been made, and it could not be read: {error}; {_LOOK}")
    return Entry(Outcome.FAILED, None, f"it was not sent, since its booking could not be read: {error}")


def left_in_doubt(seconds: float) -> str:
    """Say that a change of an earlier try stays in doubt.

    :param seconds: for how long it was read back.
    """
    return f"an earlier try may have sent it, and it was not there when it was read back over {seconds:.0f} s; {_LOOK}"


def blocked_by_slot(planned: PlannedChange, entry_of: Callable[[str], Entry | None]) -> tuple[Outcome, str] | None:
    """Say what a move comes to whose slot may not be free; None where it can be sent.

    :param planned: the planned move.
    :param entry_of: what is known of the bookings that had to move away first.
    """
    for uid in planned.waits_for:
        entry = entry_of(uid)
        if entry is not None and (entry.outcome in (Outcome.APPLIED, Outcome.UNCHANGED) or entry.detail == GONE):
            continue
        if entry is not None and entry.outcome is Outcome.STALE:
            return Outcome.STALE, f"booking {uid}, which was to leave the slot first, was edited and left where it is"
        return Outcome.FAILED, f"it was not sent: booking {uid}, which was to leave the slot first, did not"
    return None


def outcome_of(error: errors.RequestError) -> Outcome:
    """Say what a failed request means for its change."""
    if isinstance(error, errors.AmbiguousOutcomeError):
        return Outcome.UNKNOWN
    if isinstance(error, (errors.RejectedError, errors.NotFoundError)):
        return Outcome.REJECTED
    return Outcome.FAILED


def messages(planned: PlannedChange, terms: Mapping[str, Any]) -> bool:
    """Tell whether a change messages a guest: Jicoo does at every cancel and reschedule."""
    return planned.action != "update" or bool(terms["isSendUpdates"])


def call_of(planned: PlannedChange, terms: Mapping[str, Any], on_doubt: OnDoubt | None) -> Call[Booking]:
    """Return the request of a planned change."""
    done = partial(was_made, planned)
    body = planned.after if planned.send is None else planned.send
    match planned.action:
        case "cancel":
            return bookings.cancel_call(planned.uid, done, on_doubt=on_doubt)
        case "reschedule":
            return bookings.reschedule_call(planned.uid, body, done, on_doubt=on_doubt)
        case "update":
            said = {"isSendUpdates": terms["isSendUpdates"]}
            if terms["updateMessage"] is not None:
                said["updateMessage"] = terms["updateMessage"]
            return bookings.update_call(planned.uid, {**body, **said}, done, on_doubt=on_doubt)
        case _:
            return assert_never(planned.action)


def was_made(planned: PlannedChange, booking: Mapping[str, Any]) -> bool | None:
    """Tell whether a change was made; None where the booking has changed, but not to what was planned."""
    if _cancelled_meanwhile(planned, booking):
        return None
    # A field that the change leaves as it is says nothing.
    changing = {
        name: value for name, value in planned.after.items() if not reflects_exactly(planned.before, {name: value})
    }
    fields = set(compare(booking, planned.before, changing or planned.after).values())
    if fields <= _MADE:
        return True
    return False if fields == {Field.BEFORE} else None
