"""Which list of bookings a sweep reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.booking_changes import Period
    from airflow_provider_jicoo.api.booking_list import BookingListing


def bookings_in(asked: Period) -> BookingListing:
    """Return the list of all bookings that start within a period, whatever their status."""
    from airflow_provider_jicoo.api import times
    from airflow_provider_jicoo.api.bookings import list_bookings

    before = None if asked.upper is None else times.moment(asked.upper)
    # By creation rows move least while they are read; by start the reading can end where the period ends.
    listing = list_bookings(started_at=asked.lower, order_by="createdAt" if before is None else "startedAt")
    return replace(listing, before=before, any_order=True)
