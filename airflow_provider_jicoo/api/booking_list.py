"""The list of bookings: what is meant by it, and what Jicoo is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.call import Listing
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.rows import booking_problem

WIDER = timedelta(days=1)
"""How much more than meant is asked of the filters by time: enough for one that leaves out the very moment, counts in
days, or takes UTC for the time of another zone."""


@dataclass(frozen=True)
class BookingListing(Listing[Booking]):
    """A list of bookings, and what is meant by it: what comes is compared with that, and the rest is left out.

    :param status: the status that is meant, also ``request``, which Jicoo does not document as a filter; None for all.
    :param starts: the first start that is meant.
    :param ends: the last end that is meant.
    :param before: the first start that is no longer meant. Jicoo has no filter for that.
    :param any_order: the order does not matter, so that what a list leaves out may come behind it.
    :param concerns: tells of a row that cannot be used whether it matters: whether it may be one that is meant.
    """

    status: str | None = None
    starts: datetime | None = None
    ends: datetime | None = None
    before: datetime | None = None
    any_order: bool = False
    concerns: Callable[[Any], bool] | None = None

    def variant(self, **changes: Any) -> BookingListing:
        """Return the same list with other filters, or in another order.

        :param changes: ``status``, ``starts``, ``ends``, ``order`` (the column), ``descending``.
        """
        order = changes.pop("order", self.column)
        descending = changes.pop("descending", self.descending)
        other = replace(self, **changes)
        return replace(other, query={"order": order, "sort": "desc" if descending else "asc"})

    @property
    def column(self) -> str:
        """The column of the order."""
        return self.query["order"]

    @property
    def descending(self) -> bool:
        """Whether the last comes first."""
        return self.query["sort"] == "desc"

    def asked(self) -> Listing[Booking]:
        """Return the list as Jicoo is asked for it: a little more than is meant."""
        query = dict(self.query)
        if self.status in ("open", "cancel", "request"):
            query["status"] = self.status
        if self.starts is not None:
            query["startedAt"] = later(self.starts, -WIDER)
        if self.ends is not None:
            query["endedAt"] = later(self.ends, WIDER)
        return Listing(self.path, query, key=self.key, permission_hint=self.permission_hint, check=booking_problem)


def later(moment: datetime, by: timedelta) -> str:
    """Return a moment so much later, as Jicoo writes it; the moment itself at an end of the calendar."""
    try:
        return times.wire(moment + by)
    except OverflowError:
        return times.wire(moment)
