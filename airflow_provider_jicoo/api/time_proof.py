"""The proof that the filters by time leave out nothing that is meant."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.ahead import Ask
from airflow_provider_jicoo.api.booking_list import WIDER, BookingListing
from airflow_provider_jicoo.api.booking_reader import IF_KNOWN, BookingReader, Steps, some
from airflow_provider_jicoo.api.models import Booking

LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)
FAR_AHEAD = datetime(2037, 12, 30, tzinfo=timezone.utc)
"""Before 2038, since a server may count the seconds from 1970 in 32 bits."""
SHORTER = "Select by started_after and started_before, a short time at once."
NEXT_TO = (timedelta(days=365), timedelta(days=31), timedelta(days=7), timedelta(days=1))
"""How far before the first booking it is looked for others, where a longer time shows nothing: so long a time a server
lists at least. Of free slots, Jicoo is known to list seven days at once."""


class TimeProof:
    """Compares a list with those without its filters by time, where these begin to matter.

    :param reader: has read the list.
    """

    def __init__(self, reader: BookingReader) -> None:
        self._reader = reader
        self._is_refused = False

    def looks(self) -> Iterator[tuple[BookingListing, int]]:
        """Yield the pages that will be looked at where nothing is out of the ordinary."""
        main, number = self._reader.main, self._reader.number
        if main.starts is None:
            yield self._first_of_all_times(), 1
        elif number is not None:
            yield self._behind_those_in_time(number)
        if self._may_end_too_early():
            yield self._behind_the_last(FAR_AHEAD), 1
        if main.ends is not None and number is not None:
            yield self._without_end(number)

    def prove(self) -> Steps:
        """See whether other lists have rows that the main list should have had.

        Where it is asked for no start or no end, it may have one of its own: what is to come, or the next thirty days.
        """
        main, number = self._reader.main, self._reader.number
        if main.starts is None:
            missed = yield from self._left_out_without_start()
            yield from self._read_all_times(missed, "without startedAt", "with startedAt=1970")
        else:
            other = main.variant(starts=None)
            missed = yield from self._left_out_by_start(other, number)
            missed = yield from self._reader.still_missed(missed)
            yield from self._reader.read_if(missed, other, "by startedAt", "without it")
        if self._may_end_too_early():
            missed = yield from self._left_out_without_end()
            yield from self._read_all_times(missed, "without endedAt", "with endedAt=2037")
        if main.ends is not None and number is not None:
            other = main.variant(ends=None)
            page = yield from self._reader.ask(*self._without_end(number))
            missed = yield from self._reader.still_missed(self._reader.missed(page))
            yield from self._reader.read_if(missed, other, "by endedAt", "without it")

    # --- without a start or an end -----------------------------------------------------------------------------------

    def _all_times(self) -> BookingListing:
        """Return the main list with a start and an end, so that it cannot have one of its own."""
        main = self._reader.main
        return main.variant(starts=main.starts or LONG_AGO + WIDER, ends=main.ends or FAR_AHEAD)

    def _first_of_all_times(self) -> BookingListing:
        return self._all_times().variant(order="startedAt", descending=False)

    def _may_end_too_early(self) -> bool:
        """Tell whether the main list was asked for no end, and came to one of its own."""
        return self._reader.main.ends is None and not self._reader.sweep.is_cut

    def _behind_the_last(self, until: datetime) -> BookingListing:
        """Return the list of what starts as late as the last that came, or later.

        It begins there and not where the selection does: a server that lists so many days at the most shows the next.
        """
        main, span = self._reader.main, self._reader.span
        starts = (main.starts or LONG_AGO + WIDER) if span is None else times.moment(span[1])
        if main.before is None:
            return main.variant(starts=starts, ends=until, order="startedAt", descending=True)
        # Ascending and without the extra day: a descending page would be full of bookings behind the selection, and an
        # ascending one with the day before full of bookings that have come.
        return main.variant(starts=starts + WIDER, ends=until, order="startedAt", descending=False)

    def _left_out_before_the_first(self) -> Generator[Ask | list[Booking], Any, list[str]]:
        """Return bookings that start not long before the first that came."""
        reader = self._reader
        first = reader.listing.before if reader.span is None else times.moment(reader.span[0])
        if first is None:
            return []
        has_any = False
        for time in NEXT_TO:
            near = reader.main.variant(starts=first - time, ends=first + WIDER, order="startedAt", descending=False)
            page = yield from reader.ask(near)
            missed = yield from reader.still_missed(reader.missed(page))
            if missed:
                return missed
            has_any = has_any or (page is not None and bool(page.rows))
        if not has_any:
            reader.doubt(
                "the lists of the times before the first booking were expected to have that one, but have none, so "
                "that it cannot be told whether the list without startedAt has those of long ago.",
                f"{SHORTER} {IF_KNOWN}",
            )
        return []

    def _read_all_times(self, missed: list[str], name: str, besides: str) -> Steps:
        """Read the list of all times, where the main one leaves out bookings, and go by it from then on.

        :param missed: some of them.
        """
        reader = self._reader
        if missed and self._is_refused:
            reader.doubt(
                f"the list {name} was expected to have all that is meant, but leaves out bookings that one of a "
                f"shorter time has ({some(missed)}), and Jicoo refuses one of all times.",
                SHORTER,
            )
            return
        yield from reader.read_if(missed, self._all_times(), name, besides)
        if not missed or not reader.listing.any_order:
            return
        has_no_start, may_end_too_early = reader.main.starts is None, self._may_end_too_early()
        reader.main = self._all_times()
        missed = []
        if may_end_too_early:
            missed = reader.missed((yield from reader.ask(self._behind_the_last(FAR_AHEAD))))
            missed = yield from reader.still_missed(missed)
        if has_no_start and not missed:
            missed = yield from self._left_out_before_the_first()
        if missed:
            reader.doubt(
                "the list from 1970 to 2037 was expected to have all that is meant, but leaves out bookings that the "
                f"list of a shorter time has ({some(missed)}): Jicoo may list a limited time at once.",
                SHORTER,
            )

    def _behind_those_in_time(self, number: int) -> tuple[BookingListing, int]:
        """Return the list without the filter by start, the last first, and the page on which those in time end.

        :param number: how many bookings the filter lets through.
        """
        backwards = self._reader.main.variant(starts=None, order="startedAt", descending=True)
        return backwards, max(0, number - self._reader.early) // self._reader.sweep.size + 1

    def _without_end(self, number: int) -> tuple[BookingListing, int]:
        """Return the list without the filter by end, and the page on which those that it lets through end.

        :param number: how many bookings it lets through.
        """
        by_start = self._reader.main.variant(ends=None, order="startedAt", descending=False)
        return by_start, number // self._reader.sweep.size + 1

    def _left_out_without_start(self) -> Generator[Ask | list[Booking], Any, list[str]]:
        """Return bookings that only a list with a first start has, however long ago that is."""
        reader = self._reader
        first = self._first_of_all_times()
        page = yield from reader.ask(first)
        self._is_refused = page is None
        if page is None and reader.main.ends is None:
            first = first.variant(ends=None)
            page = yield from reader.ask(first)
        if (page is None or not page.rows) and reader.number != 0:
            # Refused, or empty although bookings came: Jicoo may not list so long a time at once.
            return (yield from self._left_out_before_the_first())
        missed = yield from reader.still_missed(reader.missed(page))
        if page is None or missed or not reader.is_more(page.total):
            return missed
        # By totalCount it has more; but the two totals may be of different moments.
        yield from reader.count_again()
        page = (yield from reader.ask(first)) or page
        return [row["uid"] for row in page.rows] if reader.is_more(page.total) else []

    def _left_out_without_end(self) -> Generator[Ask | list[Booking], Any, list[str]]:
        """Return bookings that only a list with a last end has, however far ahead that is."""
        reader, span = self._reader, self._reader.span
        behind = self._behind_the_last(FAR_AHEAD)
        page = yield from reader.ask(behind)
        self._is_refused = self._is_refused or page is None
        last = reader.main.starts if span is None else times.moment(span[1])
        if last is not None and (page is None or (span is not None and not page.rows)):
            for time in NEXT_TO:
                page = yield from reader.ask(self._behind_the_last(last + time))
                if page is not None and page.rows:
                    break
        elif span is not None and page is not None and reader.number is not None and not behind.descending:
            is_filtered = times.as_wire(page.rows[0]["startedAt"]) >= span[1]
            if not is_filtered:
                page = yield from reader.ask(behind, reader.number // reader.sweep.size + 1)
        return (yield from reader.still_missed(reader.missed(page)))

    # --- by a start or an end -----------------------------------------------------------------------------------------

    def _left_out_by_start(self, other: BookingListing, number: int | None) -> Generator[Ask, Any, list[str]]:
        """Return bookings that the filter by start leaves out although they start in time.

        In the list without it, the last first, as many start in time as the filter lets through: where these end, the
        next ones must start too early.

        :param number: how many bookings the filter lets through; None where that is not known.
        """
        if number is None:
            backwards = other.variant(order="startedAt", descending=True)
            page = yield from self._reader.ask(backwards.variant(ends=self._reader.main.before))
            return self._reader.missed(page)
        in_time, size = max(0, number - self._reader.early), self._reader.sweep.size
        backwards, at = self._behind_those_in_time(number)
        page = yield from self._reader.ask(backwards, at)
        yield from self._reader.compare_totals(backwards, page)
        behind = [] if page is None or not page.is_whole else page.rows[in_time % size :]
        late = [
            row
            for row in behind
            if self._reader.meaning.starts is None or times.as_wire(row["startedAt"]) >= self._reader.meaning.starts
        ]
        missed = self._reader.missed(page) or self._reader.unseen(late)
        if late and not missed:
            # More bookings start in time than the filter lets through, and those seen here have come: the missing ones
            # start even later.
            missed = self._reader.missed((yield from self._reader.ask(backwards)))
        return missed
