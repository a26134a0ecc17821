"""Quirks of listing: which rows a list has, in which order, on which pages, and what it says of them.

Those of pages are for every list of the API, the others for that of bookings.
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.sandbox import damage, values
from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.faults import Refusal
from airflow_provider_jicoo.sandbox.quirks.quirk import Asked, Page, Quirk

TOTALS = ("totalCount", "count", "currentPage", "numberOfPages")
LISTS = (
    "bookings",
    "event_types",
    "event_type_hosts",
    "schedules",
    "user_availability_calendars",
    "organization_users",
    "organization_invitations",
    "teams",
)


class _Number(Quirk):
    @classmethod
    def read(cls, text: str) -> int:
        return values.count(text)


# --- which bookings, in which order ----------------------------------------------------------------------------------


class OrderIgnored(Quirk):
    """``order`` and ``sort`` of the list of bookings are ignored: it comes by this column; ``-``: the last first."""

    default = "createdAt"
    example = "[-]createdAt|startedAt|uid"

    @classmethod
    def read(cls, text: str) -> tuple[str, str]:
        column = values.one_of(text.removeprefix("-"), ("createdAt", "startedAt", "uid"), "column")
        return column, "desc" if text.startswith("-") else "asc"

    def select(self, asked: Asked, now: str) -> Asked:
        return replace(asked, order=self.value[0], sort=self.value[1])


class SortIgnored(Quirk):
    """``sort`` of the list of bookings is ignored: it always comes in this direction."""

    default = "asc"
    example = "asc|desc"

    @classmethod
    def read(cls, text: str) -> str:
        return values.one_of(text, ("asc", "desc"), "direction")

    def select(self, asked: Asked, now: str) -> Asked:
        return replace(asked, sort=self.value)


class SortReversed(Quirk):
    """The list of bookings comes in the other direction than ``sort`` says."""

    def select(self, asked: Asked, now: str) -> Asked:
        return replace(asked, sort="asc" if asked.sort == "desc" else "desc")


class TiesShuffled(Quirk):
    """Bookings that are equal in the column of the order come in another order among themselves at each request."""

    def arrange(self, uids: Sequence[str], rows: Mapping[str, Row], asked: Asked) -> Sequence[str]:
        chance = {uid: random.random() for uid in uids}
        return sorted(
            sorted(uids, key=chance.__getitem__),
            key=lambda uid: str(rows[uid][asked.order]),
            reverse=asked.sort == "desc",
        )


class StartExclusive(Quirk):
    """The filter ``startedAt`` leaves out the bookings that start at the very moment."""

    def lists(self, row: Row, asked: Asked) -> bool:
        return asked.started is None or bool(row["startedAt"] != asked.started)


class EndExclusive(Quirk):
    """The filter ``endedAt`` leaves out the bookings that end at the very moment."""

    def lists(self, row: Row, asked: Asked) -> bool:
        return asked.ended is None or bool(row["endedAt"] != asked.ended)


class EndMeansStart(Quirk):
    """The filter ``endedAt`` leaves out what starts after it: it looks at the start of a booking, not at its end."""

    def select(self, asked: Asked, now: str) -> Asked:
        return asked if asked.ended is None else replace(asked, ended=_moved(asked.ended, timedelta(days=1)))

    def lists(self, row: Row, asked: Asked) -> bool:
        return asked.ended is None or bool(row["startedAt"] <= _moved(asked.ended, timedelta(days=-1)))


class FilterIgnored(Quirk):
    """The filters ``startedAt`` and ``endedAt`` are ignored."""

    def select(self, asked: Asked, now: str) -> Asked:
        return replace(asked, started=None, ended=None)


class FilterShifted(Quirk):
    """The filters ``startedAt`` and ``endedAt`` are read as a local time: they look so much later than was asked."""

    default = "9h"

    @classmethod
    def read(cls, text: str) -> timedelta:
        return timedelta(seconds=values.seconds(text))

    def select(self, asked: Asked, now: str) -> Asked:
        started, ended = (moment and _moved(moment, self.value) for moment in (asked.started, asked.ended))
        return replace(asked, started=started, ended=ended)


class OpenOnly(Quirk):
    """A list without ``status`` has open bookings only."""

    def select(self, asked: Asked, now: str) -> Asked:
        return replace(asked, status=asked.status or "open")


class NoCancelled(Quirk):
    """A list without ``status`` has no cancelled bookings."""

    def lists(self, row: Row, asked: Asked) -> bool:
        return asked.status is not None or bool(row["status"] != "cancel")


class NoRequests(Quirk):
    """No list has the bookings that wait for approval."""

    def lists(self, row: Row, asked: Asked) -> bool:
        return bool(row["status"] != "request")


class CancelledGone(Quirk):
    """A cancelled booking is in no list, and 404 where it is asked for."""

    def finds(self, row: Row) -> bool:
        return bool(row["status"] != "cancel")

    def lists(self, row: Row, asked: Asked) -> bool:
        return self.finds(row)


class FutureOnly(Quirk):
    """A list without ``startedAt`` and ``endedAt`` has no bookings of the past."""

    def select(self, asked: Asked, now: str) -> Asked:
        # To the minute, so that one sweep is one list.
        return replace(asked, started=f"{now[:16]}:00.000Z") if asked.started is asked.ended is None else asked


class _Days(Quirk):
    default = "7d"

    @classmethod
    def read(cls, text: str) -> timedelta:
        return timedelta(seconds=values.seconds(text))

    def around(self, now: str) -> tuple[str, str]:
        """Return the moments so long ago, and so far ahead. To the minute, so that one sweep is one list."""
        minute = f"{now[:16]}:00.000Z"
        return _moved(minute, -self.value), _moved(minute, self.value)


class NearOnly(_Days):
    """A list without ``startedAt`` and ``endedAt`` has, and counts, only what is so near to now."""

    def select(self, asked: Asked, now: str) -> Asked:
        early, late = self.around(now)
        return replace(asked, started=early, ended=late) if asked.started is asked.ended is None else asked


class NearEnds(_Days):
    """A list without ``startedAt`` begins so long ago, and one without ``endedAt`` ends so far ahead."""

    def select(self, asked: Asked, now: str) -> Asked:
        early, late = self.around(now)
        return replace(asked, started=asked.started or early, ended=asked.ended or late)


class SpanLimit(_Days):
    """A list ends so long after ``startedAt`` at the latest; without ``startedAt`` it begins now."""

    def select(self, asked: Asked, now: str) -> Asked:
        started = asked.started or f"{now[:16]}:00.000Z"
        latest = _moved(started, self.value)
        return replace(asked, started=started, ended=min(asked.ended or latest, latest))


class StatusIgnored(Quirk):
    """The filter ``status`` is ignored."""

    def select(self, asked: Asked, now: str) -> Asked:
        return replace(asked, status=None)


class RequestFilter(Quirk):
    """``status=request`` is a filter like the two that are documented, and not refused."""


class ListLeavesOut(Quirk):
    """The list of bookings comes without a field that a booking has where it is asked for by itself."""

    default = "description"
    example = "description|name|priority|timeZone"

    @classmethod
    def read(cls, text: str) -> str:
        return values.one_of(text, ("description", "name", "priority", "timeZone"), "field")

    def envelope(self, content: Row) -> Row:
        if not isinstance(content.get("data"), list):
            return content
        return {**content, "data": [self._part(row) for row in content["data"]]}

    def _part(self, row: Any) -> Any:
        if not isinstance(row, dict) or "hosts" not in row:
            return row
        return {name: value for name, value in row.items() if name != self.value}


class ListCuts(Quirk):
    """The list of bookings shows of a field only its begin: the first of the hosts, ten characters of a text."""

    default = "hosts"
    example = "hosts|description|name"

    @classmethod
    def read(cls, text: str) -> str:
        return values.one_of(text, ("hosts", "description", "name"), "field")

    def envelope(self, content: Row) -> Row:
        if not isinstance(content.get("data"), list):
            return content
        return {**content, "data": [self._begin(row) for row in content["data"]]}

    def _begin(self, row: Any) -> Any:
        value = row.get(self.value) if isinstance(row, dict) and "hosts" in row else None
        return {**row, self.value: value[: 1 if self.value == "hosts" else 10]} if value else row


class LateList(Quirk):
    """Lists show everything as it was so long ago."""

    default = "2.5s"

    @classmethod
    def read(cls, text: str) -> float:
        return values.seconds(text)


class LateRead(Quirk):
    """A single booking is shown as it was so long ago."""

    default = "2.5s"

    @classmethod
    def read(cls, text: str) -> float:
        return values.seconds(text)


class BadRows(Quirk):
    """One booking in twenty comes out damaged, alone and in lists, in one of the ways of ``Sandbox.break_row``."""

    default = "surrogate"
    example = "|".join(damage.FORMS)

    @classmethod
    def read(cls, text: str) -> str:
        damage.damaged(dict.fromkeys(Booking.__annotations__), text)
        return text

    def show(self, row: Row, users: Mapping[str, Row]) -> Any:
        if "startedAt" not in row or zlib.crc32(str(row.get("uid")).encode()) % 20:
            return row
        return damage.damaged(row, self.value)


# --- pages of every list ----------------------------------------------------------------------------------------------


class PageCap(_Number):
    """A page has so many rows at the most, while ``numberOfPages`` is computed from the ``perPage`` asked for."""

    default = "20"

    def cut(self, page: Page) -> None:
        page.size = min(page.size, self.value)

    def tell(self, told: Row, page: Page) -> Row:
        return {**told, "numberOfPages": math.ceil(page.total / page.asked)}


class PageLimit(_Number):
    """A ``perPage`` above this is refused with 422."""

    default = "20"

    def cut(self, page: Page) -> None:
        if page.asked > self.value:
            raise Refusal(422, {"perPage": [f"must be at most {self.value}"]})


class PageFixed(_Number):
    """A page has so many rows, whatever ``perPage`` says."""

    default = "20"

    def cut(self, page: Page) -> None:
        page.size = self.value


class ListCap(_Number):
    """A list ends without a word after so many rows: ``totalCount`` tells no more either."""

    default = "700"

    def cut(self, page: Page) -> None:
        page.uids = page.uids[: self.value]
        page.total = min(page.total, self.value)


class ListCapTold(_Number):
    """A list ends after so many rows, while ``totalCount`` and ``numberOfPages`` tell of them all."""

    default = "700"

    def cut(self, page: Page) -> None:
        page.uids = page.uids[: self.value]


class PagesFromZero(Quirk):
    """The first page is ``page=0``, in the query and in the answer."""

    def cut(self, page: Page) -> None:
        if page.is_numbered:
            page.number += 1
            page.rows_of += 1

    def tell(self, told: Row, page: Page) -> Row:
        return {**told, "currentPage": page.number - 1}


class CurrentFromZero(Quirk):
    """The first page is ``page=1`` in the query, and ``currentPage`` 0 in the answer."""

    def tell(self, told: Row, page: Page) -> Row:
        return {**told, "currentPage": page.number - 1}


class NoTotals(Quirk):
    """Lists come without their paging fields, or without the one that is named."""

    default = "all"
    example = f"all|{'|'.join(TOTALS)}"

    @classmethod
    def read(cls, text: str) -> str:
        return values.one_of(text, ("all", *TOTALS), "paging field")

    def tell(self, told: Row, page: Page) -> Row:
        return {name: value for name, value in told.items() if self.value not in ("all", name)}


class TextTotals(Quirk):
    """The paging fields are texts: ``"totalCount": "50"``."""

    def tell(self, told: Row, page: Page) -> Row:
        return {name: str(value) for name, value in told.items()}


LIES: dict[str, Callable[[Row, Page], int]] = {
    "numberOfPages": lambda told, page: 1,
    "totalCount": lambda told, page: page.total + page.asked,
    "count": lambda told, page: page.asked,
}


class LyingTotals(Quirk):
    """One paging field lies: ``numberOfPages`` is 1, ``totalCount`` a page too high, ``count`` what was asked for."""

    default = "numberOfPages"
    example = "|".join(LIES)

    @classmethod
    def read(cls, text: str) -> str:
        return values.one_of(text, LIES, "paging field")

    def tell(self, told: Row, page: Page) -> Row:
        return {**told, self.value: LIES[self.value](told, page)}


class TotalOfPage(Quirk):
    """``totalCount`` counts the rows of the page only; ``numberOfPages`` is true."""

    def tell(self, told: Row, page: Page) -> Row:
        return {**told, "totalCount": told["count"]}


class EndlessPages(Quirk):
    """Every page has the rows of the first, and tells that one more follows."""

    def cut(self, page: Page) -> None:
        page.rows_of = 1

    def tell(self, told: Row, page: Page) -> Row:
        more = page.number + 1
        return {**told, "numberOfPages": more, "totalCount": more * page.size}


class LastPageAgain(Quirk):
    """Behind its last page a list has the last page again, not an empty one."""

    def cut(self, page: Page) -> None:
        page.rows_of = min(page.number, max(1, math.ceil(page.total / page.size)))


class Unpaged(Quirk):
    """Lists come whole and without paging fields, whatever is asked for: every one but that of bookings, or these."""

    default = "+".join(LISTS[1:])
    example = f"all|{LISTS[1]}+{LISTS[2]}..."

    @classmethod
    def read(cls, text: str) -> tuple[str, ...]:
        return LISTS if text == "all" else tuple(values.one_of(name, LISTS, "list") for name in text.split("+"))

    def cut(self, page: Page) -> None:
        if page.name in self.value:
            page.rows_of, page.size = 1, max(1, len(page.uids))

    def tell(self, told: Row, page: Page) -> Row:
        return {} if page.name in self.value else told


def _moved(moment: str, by: timedelta) -> str:
    try:
        return times.wire(times.moment(moment) + by)
    except OverflowError:
        return moment


QUIRKS: tuple[type[Quirk], ...] = (
    OrderIgnored,
    SortIgnored,
    SortReversed,
    TiesShuffled,
    StartExclusive,
    EndExclusive,
    EndMeansStart,
    FilterIgnored,
    FilterShifted,
    OpenOnly,
    NoCancelled,
    NoRequests,
    CancelledGone,
    FutureOnly,
    NearOnly,
    NearEnds,
    SpanLimit,
    StatusIgnored,
    RequestFilter,
    ListLeavesOut,
    ListCuts,
    LateList,
    LateRead,
    BadRows,
    PageCap,
    PageLimit,
    PageFixed,
    ListCap,
    ListCapTold,
    PagesFromZero,
    CurrentFromZero,
    NoTotals,
    TextTotals,
    LyingTotals,
    TotalOfPage,
    EndlessPages,
    LastPageAgain,
    Unpaged,
)
