"""Which list of bookings a sweep reads, and how what it does not show is looked up."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.booking_changes import Period
    from airflow_provider_jicoo.api.booking_list import BookingListing
    from airflow_provider_jicoo.api.errors import RequestError
    from airflow_provider_jicoo.api.lookup import Lookup


def bookings_in(asked: Period) -> BookingListing:
    """Return the list of all bookings that start within a period, whatever their status."""
    from airflow_provider_jicoo.api import times
    from airflow_provider_jicoo.api.bookings import list_bookings

    before = None if asked.upper is None else times.moment(asked.upper)
    # By creation rows move least while they are read; by start the reading can end where the period ends.
    listing = list_bookings(started_at=asked.lower, order_by="createdAt" if before is None else "startedAt")
    return replace(listing, before=before, any_order=True)


def look_up(uids: Collection[str], unreadable: dict[str, RequestError]) -> Lookup:
    """Read bookings that a list which has just come does not show; what does not exist any more is left out.

    Jicoo answers, then. Where it fails at a few of them, it is these that are the matter, and they must not keep back
    what happened to all the others.

    :param uids: the bookings.
    :param unreadable: takes those that cannot be read, with what is wrong.
    :raises RequestError: they cannot be read, and are many, or the API key does not do.
    """
    from airflow_provider_jicoo.api.booking_changes import GONE_AT_MOST
    from airflow_provider_jicoo.api.errors import RejectedError, ServerError, TransportError, UnexpectedAnswerError
    from airflow_provider_jicoo.api.lookup import lookup_bookings

    try:
        return (yield from lookup_bookings(uids, absent_ok=True, unreadable=unreadable, failing_ok=True))
    except (RejectedError, ServerError, TransportError, UnexpectedAnswerError) as error:
        if len(uids) > GONE_AT_MOST:
            raise
        if error not in unreadable.values():
            unreadable.update(dict.fromkeys(uids, error))  # it gave up before it had tried all
        return {}
