"""The proof that a list without a status shows all of them, and that a list by status shows all of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, get_args

from airflow_provider_jicoo.api.ahead import Ask
from airflow_provider_jicoo.api.booking_list import BookingListing
from airflow_provider_jicoo.api.booking_reader import BookingReader, Page, Steps, some
from airflow_provider_jicoo.api.models import Booking, BookingStatus

STATUSES = frozenset(get_args(BookingStatus))


class StatusProof:
    """Compares a list without a status with those by status, and the other way round.

    :param reader: has read the list.
    """

    def __init__(self, reader: BookingReader) -> None:
        self._reader = reader

    def looks(self) -> Iterator[tuple[BookingListing, int]]:
        """Yield the pages that will be looked at where nothing is out of the ordinary."""
        main = self._reader.main
        if main.status is not None:
            for descending in self._ends_to_look_at():
                yield main.variant(status=None, descending=descending), 1
            return
        for status in ("open", "cancel"):
            yield main.variant(status=status), 1
        if not self._reader.paging.lists_requests and self._reader.listing.any_order:
            yield self._newest_of_all(), 1
            yield main.variant(status="request"), 1

    def prove(self) -> Steps:
        """See whether the lists by status, or the one without, have rows that are meant and never came."""
        if self._reader.main.status is not None:
            yield from self._prove_by_status()
            return
        hidden = yield from self._hidden_statuses()
        if self._reader.listing.status is None:
            for status, uids in hidden.items():
                yield from self._read_hidden(status, uids)
        if not self._reader.paging.lists_requests and (hidden or self._reader.listing.any_order):
            yield from self._look_for_requests(bool(hidden))

    def tell_strange_ones(self) -> None:
        """Doubt rows that were left out for a status that may be another way of writing the one that is meant."""
        meant = self._reader.listing.status
        none_came = self._reader.main.status is not None and not self._reader.statuses[self._reader.main.status]
        for status in sorted(self._reader.statuses.keys() - STATUSES):
            if none_came or status.strip().lower() == meant:
                number = self._reader.statuses[status]
                self._reader.doubts.append(
                    f"a booking was expected to have one of the statuses {', '.join(sorted(STATUSES))}, but of those "
                    f"looked at for {meant}, {number:,} came with {status!r:.40} and were left out. "
                    "List without a status, and look at what each booking has."
                )

    def _prove_by_status(self) -> Steps:
        other = self._reader.main.variant(status=None)
        for descending in self._ends_to_look_at():
            page = yield from self._reader.ask(other.variant(descending=descending))
            yield from self._reader.compare_totals(other, page)
            missed = yield from self._reader.still_missed(self._reader.missed(page))
            if missed:
                yield from self._reader.read_if(
                    missed, other, f"by status={self._reader.main.status}", "without a status"
                )
                return

    def _ends_to_look_at(self) -> tuple[bool, ...]:
        """Return at which ends to look at a list, as the directions in which it begins there."""
        return (False,) if self._reader.sweep.is_cut else (False, True)

    def _hidden_statuses(self) -> Generator[Ask | list[Booking], Any, dict[str, list[str]]]:
        """Return the statuses that a list without one leaves out, each with some bookings where they are known."""
        for _ in range(2):
            pages: dict[str, Page] = {}
            for status in ("open", "cancel"):
                page = yield from self._reader.ask(self._reader.main.variant(status=status))
                if page is None or any(row["status"] != status for row in page.rows):
                    return {}  # Jicoo does not list by status: no other list has more than this one
                pages[status] = page
            hidden = {}
            for status, page in pages.items():
                if missed := (yield from self._reader.still_missed(self._reader.missed(page, status))):
                    hidden[status] = missed
            totals = [page.total for page in pages.values()]
            counts_each = set(totals) != {self._reader.whole()} and all(map(self._reader.is_count, totals))
            if not hidden and counts_each and self._reader.is_more(sum(filter(None, totals))):
                hidden = {status: [] for status, page in pages.items() if page.total}
            if not hidden or any(hidden.values()):
                return hidden
            yield from self._reader.count_again()  # the numbers may be of different moments
        return hidden

    def _read_hidden(self, status: str, uids: list[str]) -> Steps:
        if self._reader.listing.any_order:
            yield from self._reader.read_besides(self._reader.main.variant(status=status))
        else:
            named = f" ({some(uids)})" if uids else ""
            self._reader.doubt(
                f"the list without a status was expected to have all, but leaves out those of the status {status} "
                f"that the list by status has{named}.",
                "List by each status that you want.",
            )

    def _look_for_requests(self, hides_others: bool) -> Steps:
        """Look for bookings that await approval where no list without a status has shown any."""
        yield from self._reader.ask(self._newest_of_all())
        if self._reader.paging.lists_requests:
            return
        other = self._reader.main.variant(status="request")
        page = yield from self._reader.ask(other)
        if page is not None and all(row["status"] == "request" for row in page.rows):
            missed = yield from self._reader.still_missed(self._reader.missed(page, "request"))
            yield from self._reader.read_if(missed, other, "without a status", "by status=request")
            return
        seen = (
            "no booking that awaits approval came, and Jicoo does not list them by status=request, so that the list "
            "without a status may leave them out"
        )
        if self._reader.listing.status == "request" or hides_others:
            self._reader.doubt(
                f"{seen}.",
                "Where you know that it does not, set lists_requests to true in the extras of the connection.",
            )
        else:
            self._reader.notes.append(f"{seen}; those of the other statuses are all there.")

    def _newest_of_all(self) -> BookingListing:
        return self._reader.main.variant(starts=None, ends=None, order="createdAt", descending=True)
