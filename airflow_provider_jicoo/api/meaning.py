"""Which bookings a list means, whatever Jicoo gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.booking_list import BookingListing
from airflow_provider_jicoo.api.models import Booking


class Meaning:
    """Tells of a booking whether a list means it.

    :param listing: the list.
    """

    def __init__(self, listing: BookingListing) -> None:
        self._listing = listing
        self.starts, self.ends, self.before = (
            None if moment is None else times.wire(moment) for moment in (listing.starts, listing.ends, listing.before)
        )
        self.is_all = {listing.status, self.starts, self.ends, self.before} == {None}

    def is_meant(self, row: Booking) -> bool:
        """Tell whether a booking is meant."""
        return self._listing.status in (None, row["status"]) and self.is_in_time(row)

    def is_in_time(self, row: Booking) -> bool:
        """Tell whether a booking is meant by its times."""
        return self._starts_in_time(times.as_wire(row["startedAt"])) and (
            self.ends is None or times.as_wire(row["endedAt"]) <= self.ends
        )

    def _starts_in_time(self, start: str) -> bool:
        return (self.starts is None or start >= self.starts) and (self.before is None or start < self.before)

    def concerns(self, row: Any) -> bool:
        """Tell of a row that cannot be used whether it may be meant: whether what it says rules that out."""
        if isinstance(row, Mapping):
            status, start = row.get("status"), row.get("startedAt")
            if isinstance(status, str) and status and self._listing.status not in (None, status):
                return False
            try:
                if not self._starts_in_time(times.as_wire(start)):  # type: ignore[arg-type]
                    return False
            except (TypeError, ValueError):
                pass  # it does not say
        return self._listing.concerns is None or self._listing.concerns(row)

    def beyond(self) -> Callable[[Booking], bool] | None:
        """Return what tells of a booking that it and all after it start too late, where the order lets it tell."""
        before = self.before
        if before is None or self._listing.column != "startedAt" or self._listing.descending:
            return None
        return lambda row: times.as_wire(row["startedAt"]) >= before

    def left(self, first: Booking, last: Booking) -> float:
        """Return how many times as many rows as from the first to the last are left until those that start too late."""
        begin, now = times.moment(first["startedAt"]), times.moment(last["startedAt"])
        if self._listing.before is None or now <= begin:
            return 1.0
        return (self._listing.before - now) / (now - begin)
