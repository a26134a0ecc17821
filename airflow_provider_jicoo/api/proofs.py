"""Read a list of bookings, and prove while it is read that it came whole.

Nobody here has seen how Jicoo lists, so nothing is taken for granted that a few more requests can tell. In addition to
what is checked of every list (:class:`~airflow_provider_jicoo.api.sweep.Sweep`):

- *that the list goes on to its end*: in the other direction it must begin with rows that came (one request);
- *that the filters by time leave out nothing that is meant*: they are asked for a day more on each side and applied
  again here, and the list without the filter is looked at where it begins to matter (one request);
- *that a list without a start or an end has none of its own* (what is to come, the next thirty days): it is compared
  with one from 1970 to 2037, where each of them begins, and with what starts behind its last (one request each);
- *that the order holds*, before the reading ends where the order says that nothing more is meant: in the pages read,
  in the list in the other direction, and in the middle of what is left (two requests);
- *that a list without a status shows all of them*: it must have as many rows as those by status, and theirs (two to
  four requests); and the other way round for a list by status.

Where one of these does not hold, the missing rows are read in another way if there is one; otherwise it is a doubt.
Where only the first rows are wanted, the order alone is checked.

What no filter shows cannot be proved: a server that lists only a subset, and counts only that, whatever it is asked for
(the newest bookings, those of one user).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from airflow_provider_jicoo.api.ahead import Ask
from airflow_provider_jicoo.api.booking_list import BookingListing
from airflow_provider_jicoo.api.booking_reader import IF_KNOWN, NARROW, BookingReader, Steps
from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.order_proof import Order, OrderProof
from airflow_provider_jicoo.api.paging import Paging
from airflow_provider_jicoo.api.rows import booking_problem, checked
from airflow_provider_jicoo.api.status_proof import StatusProof
from airflow_provider_jicoo.api.time_proof import TimeProof


class BookingReading:
    """The reading of a list of bookings, with its proofs.

    Its generators yield what to ask for and rows, as :func:`~airflow_provider_jicoo.api.listing.read` does. ``doubts``
    has what cannot be proved, ``notes`` what else is to be told, ``broken`` the rows that cannot be used.
    """

    def __init__(self, listing: BookingListing, paging: Paging) -> None:
        self._reader = BookingReader(listing, paging)
        self._order = OrderProof(self._reader)
        self._times = TimeProof(self._reader)
        self._statuses = StatusProof(self._reader)
        self.doubts = self._reader.doubts
        self.notes = self._reader.notes

    @property
    def broken(self) -> list[str]:
        """The rows that cannot be used, and why."""
        return self._reader.broken

    def read(self) -> Steps:
        """Yield what to ask for, and rows."""
        reader, listing, main = self._reader, self._reader.listing, self._reader.main
        if listing.limit is None:
            yield from reader.read_all(reader.sweep, self._order.look if listing.before is not None else None)
        elif not (yield from self._read_first(listing.limit)):
            return
        ends = [] if reader.sweep.is_cut else [(main.variant(descending=not main.descending), 1)]
        looks = (*ends, *self._times.looks(), *self._statuses.looks())
        reader.expected = [reader.page_call(other, page) for other, page in looks]
        if not reader.sweep.is_cut:
            yield from reader.prove_end(main, reader.sweep)
        yield from self._times.prove()
        yield from self._statuses.prove()
        self._statuses.tell_strange_ones()
        self._prove_total()

    def _read_first(self, limit: int) -> Generator[Ask | list[Booking], Any, bool]:
        """Yield the first rows; tell whether the list ended before they were all.

        Where they do not come in the order that says which are the first, all are read and put in order here.
        """
        reader = self._reader
        sweep, order = reader.sweep, Order(reader.listing)
        best: list[Booking] = []
        given = 0
        while given < limit and (answer := (yield from sweep.ask())) is not None:
            if isinstance(answer, RequestError):
                sweep.refuse(answer)
                continue
            reader.note_requests(reader.main, answer)
            if sweep.is_paging and sweep.page == 1 and (yield from self._order.has_page_zero(answer)):
                continue
            if sweep.is_paging:
                order.follow(checked(answer["data"], booking_problem, sweep.page)[0], first=sweep.page == 1)
            rows = sweep.take(answer)
            reader.note_span(rows)
            rows = reader.take_meant(rows)
            if order.holds or given:
                given += len(rows)
                yield rows
            else:
                best = order.first(limit, best + rows)
        if best:
            yield best
        elif given and not order.holds:
            reader.doubt(
                f"the first {limit} rows were asked for, but they do not come in the order by {reader.listing.column}.",
                "Ask for all, and sort them.",
            )
        return given < limit

    def _prove_total(self) -> None:
        reader = self._reader
        if reader.sweep.shortfall is None or reader.totals_of_all:
            return
        if (
            reader.main.status is None
            and reader.sweep.total is not None
            and len(reader.sweep.seen) >= reader.sweep.total
        ):
            return  # the other lists had the rest
        reader.doubt(
            f"the list was expected to have all its rows on its pages, but {reader.sweep.shortfall}.",
            f"{NARROW} {IF_KNOWN}",
        )
