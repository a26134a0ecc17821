"""The proof that the filters by time leave out nothing that is meant."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import datetime, timezone
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.ahead import Ask
from airflow_provider_jicoo.api.booking_list import WIDER, BookingListing
from airflow_provider_jicoo.api.booking_reader import BookingReader, Steps
from airflow_provider_jicoo.api.models import Booking

LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)


class TimeProof:
    """Compares a list with those without its filters by time, where these begin to matter.

    :param reader: has read the list.
    """

    def __init__(self, reader: BookingReader) -> None:
        self._reader = reader

    def looks(self) -> Iterator[tuple[BookingListing, int]]:
        """Yield the pages that will be looked at where nothing is out of the ordinary."""
        main, number = self._reader.main, self._reader.number
        if main.starts is None:
            yield self._from_long_ago(), 1
        elif number is not None:
            yield self._behind_those_in_time(number)
        if main.ends is not None and number is not None:
            yield self._without_end(number)

    def prove(self) -> Steps:
        """See whether the lists without the filters by time have rows that the main list should have had."""
        main, number = self._reader.main, self._reader.number
        if main.starts is None:
            # Without a time it may list what is to come only.
            other = main.variant(starts=LONG_AGO + WIDER)
            missed = yield from self._left_out_without_start()
            yield from self._reader.read_if(missed, other, "without startedAt", "with startedAt=1970")
        else:
            other = main.variant(starts=None)
            missed = yield from self._left_out_by_start(other, number)
            missed = yield from self._reader.still_missed(missed)
            yield from self._reader.read_if(missed, other, "by startedAt", "without it")
        if main.ends is not None and number is not None:
            other = main.variant(ends=None)
            page = yield from self._reader.ask(*self._without_end(number))
            missed = yield from self._reader.still_missed(self._reader.missed(page))
            yield from self._reader.read_if(missed, other, "by endedAt", "without it")

    def _from_long_ago(self) -> BookingListing:
        return self._reader.main.variant(starts=LONG_AGO + WIDER, order="startedAt", descending=False)

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
        by_start = self._from_long_ago()
        page = yield from self._reader.ask(by_start)
        missed = yield from self._reader.still_missed(self._reader.missed(page))
        if page is None or missed or not self._reader.is_more(page.total):
            return missed
        # By the numbers it has more; but they may be of different moments.
        yield from self._reader.count_again()
        page = (yield from self._reader.ask(by_start)) or page
        return [row["uid"] for row in page.rows] if self._reader.is_more(page.total) else []

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
            # More start in time than the filter lets through, and these have come: others still later have not.
            missed = self._reader.missed((yield from self._reader.ask(backwards)))
        return missed
