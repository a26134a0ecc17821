"""The Booking section of Jicoo's API: what each request is.

Source: the pages under "Booking" on https://developer.jicoo.com. What is inferred there says so here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.booking_list import BookingListing
from airflow_provider_jicoo.api.call import Call, OnDoubt, ReadBack, Repeat, repeat_of
from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.api.models import (
    Booking,
    BookingContact,
    CreateBookingBody,
    RescheduleBookingBody,
    UpdateBookingBody,
    body,
)
from airflow_provider_jicoo.api.paths import checked_id, checked_limit
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.api.status import is_cancelled
from airflow_provider_jicoo.api.written import reflects


def list_bookings(
    *,
    status: str | None = None,
    started_at: datetime | str | None = None,
    ended_at: datetime | str | None = None,
    order_by: str = "startedAt",
    descending: bool = False,
    limit: int | None = None,
) -> BookingListing:
    """List Bookings (https://developer.jicoo.com/api-5452986).

    Read to its end, the list is proved to be whole; see :mod:`~airflow_provider_jicoo.api.listing`.

    :param status: only bookings of this status. Jicoo documents ``open`` and ``cancel``; whether requests awaiting
        approval are in the list without a status is not documented.
    :param started_at: only bookings that start at or after this moment.
    :param ended_at: only bookings that end at or before this moment.
    :param order_by: the column, ``startedAt`` or ``createdAt``. Jicoo calls it ``order``. By ``createdAt`` ascending
        rows move least while they are read, since a new booking comes last.
    :param descending: the direction. Jicoo calls it ``sort`` (``asc``, ``desc``).
    :param limit: stop after so many bookings; None for all.
    :raises InvalidRequestError: a value Jicoo does not know, or a time without an offset.
    """
    operation = "List Bookings"
    if status not in (None, "open", "cancel"):
        hint = " (list without a status and keep those you want)" if status == "request" else ""
        raise InvalidRequestError(f"{operation}: status: Jicoo lists by 'open' or 'cancel', not {status!r:.100}{hint}")
    if order_by not in ("startedAt", "createdAt"):
        raise InvalidRequestError(f"{operation}: order_by: 'startedAt' or 'createdAt', not {order_by!r}")
    query = {"order": order_by, "sort": "desc" if descending else "asc"}
    if status is not None:
        query["status"] = status
    after, before = _moment(operation, "started_at", started_at), _moment(operation, "ended_at", ended_at)
    if after is not None and before is not None and before < after:
        raise InvalidRequestError(
            f"{operation}: ended_at {times.wire(before)} is before started_at {times.wire(after)}"
        )
    if after is not None:
        query["startedAt"] = times.wire(after)
    if before is not None:
        query["endedAt"] = times.wire(before)
    return BookingListing(
        "/v1/bookings", query, limit=checked_limit(operation, limit), status=status, starts=after, ends=before
    )


def get_booking(uid: str) -> Call[Booking]:
    """Get Booking (https://developer.jicoo.com/api-5453063).

    :param uid: booking id, as ``mzgdPJVBb7RE``.
    """
    return Call("GET", _path(uid))


@discreet
def create_booking(**fields: Any) -> Call[Booking]:
    """Create Booking (https://developer.jicoo.com/api-5531352). The answer's form is inferred.

    Jicoo knows no idempotency key: where nobody can tell whether the booking was made, it is not made again and
    :class:`~airflow_provider_jicoo.api.errors.AmbiguousOutcomeError` is raised.

    :param fields: as :class:`~airflow_provider_jicoo.api.models.CreateBookingBody`.
    """
    checked = body(CreateBookingBody, fields, "Create Booking")
    return Call(
        "POST",
        "/v1/bookings",
        body=checked.wire(),
        answer_shape="anything",
        repeat=Repeat.NEVER,
        how_to_check=f"list the bookings that start at {times.wire(checked.started_at)} and look for this guest",
    )


@discreet
def update_booking(uid: str, *, on_doubt: OnDoubt | None = None, **fields: Any) -> Call[Booking]:
    """Update Booking (https://developer.jicoo.com/project-373292/api-5545485). Only what is given is sent.

    :param uid: booking id.
    :param on_doubt: ``leave`` or send ``again`` where the answer was lost and the change is not there; by default it is
        left where it may message the guest (whether Jicoo does without ``is_send_updates`` is not documented).
    :param fields: as :class:`~airflow_provider_jicoo.api.models.UpdateBookingBody`. ``hosts`` replaces the
        whole list (inferred).
    """
    return update_call(uid, body(UpdateBookingBody, fields, "Update Booking").wire(), on_doubt=on_doubt)


def update_call(
    uid: str,
    sent: Mapping[str, Any],
    done: Callable[[Booking], bool | None] | None = None,
    *,
    on_doubt: OnDoubt | None = None,
) -> Call[Booking]:
    """Return an Update Booking whose body was checked before.

    :param uid: booking id.
    :param sent: the body, in Jicoo's spelling.
    :param done: tells of the booking whether it was done; by default whether it reflects what was sent.
    :param on_doubt: as for :func:`update_booking`.
    """
    messages = sent.get("isSendUpdates") is not False
    return Call(
        "PATCH",
        _path(uid),
        body=sent,
        repeat=repeat_of(on_doubt, messages=messages),
        read_back=ReadBack(
            partial(get_booking, uid),
            done or partial(_was_updated, sent, messages),
            answered=None if done else partial(_is_answered, sent),
        ),
        how_to_check=_look_at(uid),
    )


def cancel_booking(uid: str, *, on_doubt: OnDoubt | None = None) -> Call[Booking]:
    """Cancel Booking (https://developer.jicoo.com/project-373292/api-5467821). May message the guest; cannot be undone.

    :param uid: booking id.
    :param on_doubt: ``leave`` (the default) or send ``again`` where the answer was lost and it is not cancelled.
    """
    return cancel_call(uid, on_doubt=on_doubt)


def cancel_call(
    uid: str, done: Callable[[Booking], bool | None] | None = None, *, on_doubt: OnDoubt | None = None
) -> Call[Booking]:
    """Return a Cancel Booking.

    :param uid: booking id.
    :param done: tells of the booking whether it was done; by default whether it is cancelled.
    :param on_doubt: as for :func:`cancel_booking`.
    """
    return Call(
        "POST",
        _path(uid, "/cancel"),
        body={},
        repeat=repeat_of(on_doubt, messages=True),
        read_back=ReadBack(
            partial(get_booking, uid),
            done or (lambda booking: is_cancelled(booking.get("status"))),
            answered=None if done else _is_answered_as_cancelled,
        ),
        how_to_check=_look_at(uid),
    )


def reschedule_booking(
    uid: str, *, started_at: datetime | str, time_zone: str, on_doubt: OnDoubt | None = None
) -> Call[Booking]:
    """Reschedule Booking (https://developer.jicoo.com/apidoc/project-373292/api-5478461). The slot must be free.

    :param uid: booking id.
    :param started_at: the new start; without an offset it is read as a wall clock in ``time_zone``.
    :param time_zone: IANA name, as ``Asia/Tokyo``.
    :param on_doubt: ``leave`` (the default) or send ``again`` where the answer was lost and it was not moved.
    """
    checked = body(RescheduleBookingBody, {"started_at": started_at, "time_zone": time_zone}, "Reschedule Booking")
    return reschedule_call(uid, checked.wire(), on_doubt=on_doubt)


def reschedule_call(
    uid: str,
    sent: Mapping[str, Any],
    done: Callable[[Booking], bool | None] | None = None,
    *,
    on_doubt: OnDoubt | None = None,
) -> Call[Booking]:
    """Return a Reschedule Booking whose body was checked before.

    :param uid: booking id.
    :param sent: the body, in Jicoo's spelling.
    :param done: tells of the booking whether it was done; by default whether it is open at that start: Jicoo may make a
        new booking of it and cancel this one.
    :param on_doubt: as for :func:`reschedule_booking`.
    """
    # That the booking takes over the time zone is not documented: the start alone tells whether it was moved.
    moved = {"startedAt": sent["startedAt"]}
    return Call(
        "POST",
        _path(uid, "/reschedule"),
        body=sent,
        repeat=repeat_of(on_doubt, messages=True),
        read_back=ReadBack(
            partial(get_booking, uid),
            done or partial(_was_moved, moved),
            answered=None if done else partial(_is_answered_as_moved, uid, moved),
        ),
        how_to_check=_look_at(uid),
    )


def get_booking_contacts(uid: str) -> Call[list[BookingContact]]:
    """Get Booking Contacts (https://developer.jicoo.com/project-373292/api-9082713): the guests. Personal data.

    :param uid: booking id.
    """
    return Call("GET", _path(uid, "/contacts"), answer_shape="list")


def _was_updated(sent: Mapping[str, Any], messages: bool, booking: Mapping[str, Any]) -> bool | None:
    found = reflects(booking, sent)
    # Where the booking does not tell, a quiet change is sent again: making it twice does no harm.
    return found if messages else found is True


def _is_answered(sent: Mapping[str, Any], booking: Mapping[str, Any]) -> bool | None:
    """Tell whether what an answer shows of a change is what was sent; an answer may show only a part.

    :return: None where it shows another value.
    """
    if "uid" not in booking:
        return False  # a receipt such as {"queued": true} does not say that the change was made
    shown = {name: value for name, value in sent.items() if name in booking}
    return None if reflects(booking, shown) is False else True


def _is_answered_as_cancelled(booking: Mapping[str, Any]) -> bool:
    return "uid" in booking and booking.get("status") not in ("open", "request")


def _is_answered_as_moved(uid: str, moved: Mapping[str, Any], booking: Mapping[str, Any]) -> bool | None:
    """Tell the same of a move: Jicoo may have made a new booking, and cancelled this one."""
    if booking.get("uid") != uid or is_cancelled(booking.get("status")):
        return False
    return _is_answered(moved, booking)


def _was_moved(moved: Mapping[str, Any], booking: Mapping[str, Any]) -> bool | None:
    return None if is_cancelled(booking.get("status")) else reflects(booking, moved)


def booking_id(uid: Any) -> str:
    """Return ``uid`` where it can be a booking's id.

    :raises InvalidRequestError: it is empty, or has a character that no id has (a slash, a line break).
    """
    return checked_id("uid", uid, "a booking id such as 'mzgdPJVBb7RE'")


def _moment(operation: str, name: str, value: datetime | str | None) -> datetime | None:
    try:
        return None if value is None else times.moment(value)
    except ValueError as error:
        raise InvalidRequestError(f"{operation}: {name}: {error}") from None


def _path(uid: str, rest: str = "") -> str:
    return f"/v1/bookings/{booking_id(uid)}{rest}"


def _look_at(uid: str) -> str:
    return f"read booking {uid} and compare it with what was sent"
