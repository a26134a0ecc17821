"""The proof that rows come in the order that was asked for, before the order ends the reading."""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.ahead import Ask
from airflow_provider_jicoo.api.booking_list import BookingListing
from airflow_provider_jicoo.api.booking_reader import BookingReader, Page
from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.paging import count, page_call
from airflow_provider_jicoo.api.rows import booking_problem, checked
from airflow_provider_jicoo.api.sweep import Sweep


class OrderProof:
    """Looks at each page before it is taken: in which order its rows are, and whether it is the first.

    :param reader: reads the list.
    """

    def __init__(self, reader: BookingReader) -> None:
        self._reader = reader
        self._order = Order(reader.main)

    def has_page_zero(self, answer: Mapping[str, Any]) -> Generator[Ask, Any, bool]:
        """Tell whether what came as the first page is the second, where the reading may never get to the end."""
        paging, came, size = self._reader.paging, answer["data"], self._reader.sweep.size
        total = count(answer.get("totalCount"))
        if paging.first_is_known or not came or (total is not None and len(came) >= total):
            return False
        if size > 1:
            alone = (yield Ask(page_call(self._reader.main.asked(), paging, 1, 1))).came
            if not isinstance(alone, RequestError) and [_uid(row) for row in alone["data"][:1]] == [_uid(came[0])]:
                paging.first_is_known = True
                return False
        before = (yield Ask(page_call(self._reader.main.asked(), paging, 0, size))).came
        known = {str(_uid(row)) for row in came}
        if isinstance(before, RequestError) or not before["data"] or known & {str(_uid(row)) for row in before["data"]}:
            return False
        paging.first, paging.first_is_known = 0, True
        return True

    def look(self, sweep: Sweep[Booking], answer: Mapping[str, Any]) -> Generator[Ask, Any, bool]:
        """See before a page is taken whether the order may end the reading there; tell whether to ask for it anew."""
        if sweep.page == 1:
            self._order = Order(self._reader.main)
            if (yield from self.has_page_zero(answer)):
                return True
        if sweep.beyond is None:
            return False
        rows, _ = checked(answer["data"], booking_problem, sweep.page)
        self._order.follow(rows)
        if self._order.holds and not self._reader.is_ordered and rows and sweep.beyond(rows[-1]):
            self._reader.is_ordered = yield from self._proves_order(rows, count(answer.get("totalCount")))
            if not self._reader.is_ordered:
                sweep.beyond = None
        elif not self._order.holds:
            sweep.beyond = None  # all is read, and what is meant is found here
        return False

    def _proves_order(self, rows: list[Booking], total: int | None) -> Generator[Ask, Any, bool]:
        """Tell whether nothing that is meant comes behind these rows, as far as two looks at what does can tell."""
        known = {row["uid"] for row in rows}
        last = times.as_wire(rows[-1]["startedAt"])

        def is_behind(page: Page | None, order: Order) -> bool:
            if page is None or not page.rows:
                return False
            order.follow(page.rows)
            return order.holds and not any(uid not in known for uid in self._reader.missed(page))

        other = self._reader.main.variant(descending=True)
        size = self._reader.sweep.size
        left = 0 if total is None else total - self._reader.sweep.rows - len(rows)
        at = (self._reader.sweep.rows + len(rows) + left // 2) // size + 1
        self._reader.expected = [self._reader.page_call(self._reader.main, at)] if left > size else []
        end = yield from self._reader.ask(other)
        if not is_behind(end, Order(other)) or times.as_wire(end.rows[0]["startedAt"]) < last:  # type: ignore[union-attr]
            return False
        if left <= size:
            return True
        middle = yield from self._reader.ask(self._reader.main, at)
        return is_behind(middle, Order(self._reader.main)) and times.as_wire(middle.rows[0]["startedAt"]) >= last  # type: ignore[union-attr]


class Order:
    """Whether rows come in the order that was asked for; ``holds`` until one does not."""

    def __init__(self, listing: BookingListing) -> None:
        self._column, self._descending = listing.column, listing.descending
        self._last: str | None = None
        self.holds = True

    def follow(self, rows: Iterable[Booking], *, first: bool = False) -> None:
        """Take in the rows of the next page.

        :param first: it is the first page, perhaps of another reading.
        """
        if first:
            self._last, self.holds = None, True
        last = self._last
        for row in rows:
            moment = self._moment(row)
            if moment is None:
                continue
            if last is not None and moment != last and (moment < last) is not self._descending:
                self.holds = False
            last = moment
        self._last = last

    def first(self, number: int, rows: Iterable[Booking]) -> list[Booking]:
        """Return the first rows of this order."""
        choose = heapq.nlargest if self._descending else heapq.nsmallest
        return choose(number, rows, key=lambda row: self._moment(row) or "")

    def _moment(self, row: Mapping[str, Any]) -> str | None:
        try:
            return times.as_wire(row[self._column])
        except (KeyError, TypeError, ValueError):
            return None  # createdAt is none of the fields that a booking is refused for


def _uid(row: Any) -> Any:
    return row.get("uid") if isinstance(row, Mapping) else None
