"""Where the reading of a list goes from here: which request is next, what for, and when the list is read."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from airflow_provider_jicoo.api.errors import (
    ListingMovedError,
    NotFoundError,
    RejectedError,
    RequestError,
    UnexpectedAnswerError,
)
from airflow_provider_jicoo.api.new_rows import Found, NewRows
from airflow_provider_jicoo.api.paging import Paging, count
from airflow_provider_jicoo.api.totals import Totals

SWEEPS = 5
"""How often a list is read at the most before it counts as never holding still."""
STALE_PAGES = 3
"""How many pages in a row may have nothing new because so many rows joined the front of the list."""


_STUCK = (
    "page {} has only rows of the pages before it: page after page comes the same, so that what is behind it cannot be "
    "read."
)
_MOVED = (
    f"the rows moved during each of {SWEEPS} sweeps, so that some may have been missed. Try again when fewer bookings "
    "are being made and cancelled, narrow the time range, or order by createdAt."
)


class Step(enum.Enum):
    """What the next request is for."""

    PAGE = "the rows"
    SEAM = "whether the last row of a page is still where it was"
    FIRST = "whether the first row is where it should be"
    ZERO = "whether there is a page before the first"
    HALF = "whether the page that came twice is the whole list"
    DONE = "nothing"


class Seam(NamedTuple):
    """Where two pages meet.

    :param page: the number of the first of them.
    :param rows: how many rows there are up to its end.
    :param key: of its last row.
    :param place: what the order is by, of that row.
    """

    page: int
    rows: int
    key: Any
    place: Any


@dataclass
class OneSweep:
    """What is known of one sweep through the list so far.

    :param size: how many rows a page has.
    :param totals: what its pages tell of how much there is.
    :param index: how many pages were read.
    :param rows: how many rows came on them, which is where the next one begins.
    :param last_page: number of the last page with new rows, from 1.
    :param is_cut: the reading ended at a row beyond.
    :param is_adapted: pages have fewer rows than were asked for.
    :param claims_end: by its totals, the list has ended.
    :param doubles: how many rows came twice.
    :param stale: how many pages in a row had nothing new.
    :param hole: what speaks against all rows having come.
    :param last: what tells the rows of the last page apart.
    :param first: the same of the first page.
    :param seams: where its pages meet.
    :param seams_by_page: seams are looked at by whole pages.
    """

    size: int
    totals: Totals
    index: int = 0
    rows: int = 0
    last_page: int = 1
    is_cut: bool = False
    is_adapted: bool = False
    claims_end: bool = False
    doubles: int = 0
    stale: int = 0
    hole: str | None = None
    last: list[Any] = field(default_factory=list)
    first: list[Any] = field(default_factory=list)
    seams: list[Seam] = field(default_factory=list)
    seams_by_page: bool = False

    @property
    def page(self) -> int:
        """Number of the page that is read, from 1."""
        return self.index + 1

    @property
    def has_moved(self) -> bool:
        """Whether something speaks for rows having moved meanwhile."""
        return self.totals.has_shrunk or self.doubles > 0

    @property
    def tells_nothing(self) -> bool:
        """Whether no page tells of how much there is."""
        return self.totals.rows is None and self.totals.pages is None

    def add(self, came: int, doubles: int, key: Any, place: Any) -> None:
        """Take in a page with new rows.

        :param came: how many rows it has.
        :param doubles: how many of them came before.
        :param key: of its last row.
        :param place: what the order is by, of its last row.
        """
        self.stale = 0
        self.doubles += doubles
        self.last_page = self.page
        self.rows += came
        self.seams.append(Seam(self.page, self.rows, key, place))

    def pass_over(self, came: int) -> None:
        """Take in a page of rows that all came before.

        :param came: how many it has.
        """
        self.stale += 1
        self.doubles += came
        self.rows += came
        self.index += 1

    def lacks_rows(self, came: int, told: int | None, *, is_ragged: bool) -> str | None:
        """Say what speaks against all rows of a page in the middle of the list having come.

        Where the whole list is read, its total tells. Where the reading ends before, the pages alone do.

        :param told: how many rows the page says that it has.
        :param is_ragged: pages are read as they come, whatever their size.
        """
        goes_on = (self.totals.pages or 0) > self.page or (self.totals.rows or 0) > self.rows + came
        if not came or not goes_on:
            return None
        if self.index > 0 and came < self.size and not is_ragged:
            return f"page {self.page:,} has {came:,} rows, those before it {self.size:,} each, and more pages follow"
        if told is not None and came < told <= self.size:
            return f"page {self.page:,} says that it has {told:,} rows, and has {came:,}"
        return None

    def seam(self, seam: Seam) -> tuple[int, int]:
        """Return the number and the size of the page at whose end a seam is."""
        return (seam.page, self.size) if self.seams_by_page else (seam.rows, 1)


class Course:
    """Decides on the next step from what came, sweep after sweep until one was undisturbed.

    :param path: path of the list, for the words.
    :param rows: tells which rows are new.
    :param paging: what is known of the server's pages; what is learnt goes there.
    :param is_ordered: whether the list is asked for in an order.

    ``shortfall`` says at the end what speaks against all rows having come.
    """

    def __init__(self, path: str, rows: NewRows[Any], paging: Paging, *, is_ordered: bool) -> None:
        self._path = path
        self._rows = rows
        self._paging = paging
        self._is_ordered = is_ordered
        self._totals: set[int] = set()
        self._sweeps = 1
        self._is_ragged = False
        self._stuck = 0
        self._after_first: Callable[[], None] = self._end
        self._short: str | None = None
        self.shortfall: str | None = None
        self.step = Step.PAGE
        self.now = OneSweep(paging.size, Totals(self._totals))

    def _restart(self) -> None:
        self.step = Step.PAGE
        self._short = None
        self.now = OneSweep(self._paging.size, Totals(self._totals))
        self._rows.begin()

    def refuse(self, error: RequestError, query: Mapping[str, str]) -> None:
        """Take in that the last request was refused: see whether it goes on without what it asked for.

        :param query: what the list is asked for with.
        :raises RequestError: it does not.
        """
        now = self.now
        if self.step in (Step.FIRST, Step.ZERO):
            self._is_first()
        elif self.step is Step.HALF:
            self._end()
        elif self.step is Step.SEAM and not now.seams_by_page:
            now.seams_by_page = True
        elif self.step is Step.PAGE and now.index > 0 and isinstance(error, (NotFoundError, RejectedError)):
            # Where a list can be looked at from its other end, that will tell whether this was the end.
            may_end = isinstance(error, NotFoundError) or self._is_ordered or now.is_adapted
            if not (now.claims_end or (now.tells_nothing and may_end)):
                now.hole = f"page {now.page} is refused ({error.status})"
            self._end()
        elif not isinstance(error, RejectedError) or not self._paging.halve(now.size, error, query):
            raise error
        else:
            now.size = self._paging.size

    def take_page(self, came: list[Any], page: Mapping[str, Any], found: Found) -> None:
        """Take in a page of rows.

        :param came: its rows.
        :param page: the whole answer.
        :param found: which of the rows are new.
        """
        now = self.now
        least = None
        if found.has_new or not now.claims_end:  # a row that moved behind the end is not lost
            least = now.rows + len(came) if found.has_new else 0
        now.totals.take(page, least=least, number=now.page)
        self._short = self._short or now.lacks_rows(len(came), count(page.get("count")), is_ragged=self._is_ragged)
        if now.index == 0:
            now.first = found.identities
        doubles = len(found.rows) - len(found.fresh)
        if found.is_cut:
            self._end_of_range(len(found.rows), doubles)
        elif not came:
            self._end_of_rows()
        elif not found.has_new:
            self._nothing_new(len(came), is_same=found.identities == now.last)
        else:
            self._go_on(came, doubles)
        self.now.last = found.identities  # also where this page was the end of a sweep

    def _go_on(self, came: list[Any], doubles: int) -> None:
        """Take in a page with new rows."""
        now, totals = self.now, self.now.totals
        now.add(len(came), doubles, self._rows.key(came[-1]), self._rows.place(came[-1]))
        is_full = len(came) == now.size
        now.claims_end = totals.claim_end(now.page, now.rows)
        # Where a page is full, the next one tells whether the claim is true.
        if now.claims_end and not is_full and (totals.rows is not None or now.index > 0):
            self._end()
            return
        if now.index == 0 and len(came) < now.size and not self._is_ragged:
            # The server caps pages at this size, unless this is the last page already. Ask on with this size: a server
            # may compute the offset of page 2 from the perPage that was asked for, and skip rows.
            now.size, now.is_adapted = len(came), True
        elif now.index == 1 and now.is_adapted and is_full and not doubles:
            self._paging.size = now.size
        # It is certain that it was not the last page when the total says so, or another page has come.
        is_first_of_more = now.is_adapted and now.index == (0 if totals.rows is not None else 1)
        now.index += 1
        if is_first_of_more and not self._paging.first_is_known:
            self._look_at_first(then=lambda: None)

    def _nothing_new(self, came: int, *, is_same: bool) -> None:
        """Take in a page whose rows all came before; ``is_same`` where they are those of the last page."""
        now = self.now
        if now.claims_end:
            self._end()  # behind the end comes the last page again
        elif now.totals.grown_now >= came and now.stale < STALE_PAGES:
            now.pass_over(came)
        elif (
            is_same
            and now.tells_nothing
            and (now.index > 1 or now.is_adapted or came != now.size or (came == 1 and self._is_ordered))
        ):
            self._finish()  # the last page again, or the whole list again
        elif is_same and now.tells_nothing and now.size > 1:
            self.step = Step.HALF
        else:
            self._stuck += is_same
            now.doubles += came
            self._again()

    def _end_of_rows(self) -> None:
        """Take in an empty page."""
        if not self.now.claims_end and self.now.totals.promise(self.now.page):
            self.now.hole = f"numberOfPages says {self.now.totals.pages:,}, and page {self.now.page:,} is empty"
        self._end()

    def _end_of_range(self, rows: int, doubles: int) -> None:
        """Take in a page with the first row that is beyond, and so many ``rows`` that are not."""
        now = self.now
        now.doubles += doubles
        now.is_cut = True
        if now.has_moved:
            self._again(now.rows + rows)
        elif self._short and self._sweeps == 1:
            self._sweeps += 1
            self._restart()
        elif now.seams:
            self.step = Step.SEAM
        else:
            self._finish(self._short)

    def take_look(self, came: list[Any]) -> None:
        """Take in what was asked for another reason than its rows."""
        if self.step is Step.SEAM:
            self._take_seam(came)
        elif self.step is Step.HALF:
            self._take_half(self._rows.identities(came))
        else:
            self._take_first(self._rows.identities(came))

    def _take_seam(self, came: list[Any]) -> None:
        """Compare the row that is now where the last one of a page was."""
        now = self.now
        if self._rows.fits(came[-1] if came else None, now.seams[-1].key, now.seams[-1].place):
            now.seams.pop()
            if not now.seams:
                self._finish(self._short)
        elif not now.seams_by_page:
            now.seams_by_page = True  # perhaps it gives no single rows: the whole page tells
        else:
            now.totals.has_shrunk = True
            self._again()

    def _take_half(self, came: list[Any]) -> None:
        """See from half a page whether pages are honoured, where the second was like the first."""
        if came and came == self.now.last[: self.now.size // 2]:
            self._stuck += 1  # it obeys perPage and ignores page: the second page can never be had
            self._again()
        else:
            self._end()

    def _look_at_first(self, then: Callable[[], None]) -> None:
        """See whether what came as the first page is the first; where it is, go on with ``then``."""
        self._after_first = then
        # Asked for alone, the first row is on page 1 of pages of one. Where there is none, a page 0 tells.
        self.step = Step.FIRST if self.now.first and self._paging.size > 1 else Step.ZERO

    def _take_first(self, came: list[Any]) -> None:
        """Take in what is at the beginning of the list."""
        first = self.now.first
        if self.step is Step.FIRST and came[:1] != first[:1]:
            self.step = Step.ZERO
        elif self.step is Step.ZERO and came and not any(row in first for row in came):
            # Pages are numbered from 0: what was taken for the first page was the second.
            self._paging.first, self._paging.first_is_known = 0, True
            self._sweeps = 1
            self._restart()
        else:
            self._is_first()

    def _is_first(self) -> None:
        self._paging.first_is_known = True
        self.step = Step.PAGE
        self._after_first()

    def _end(self) -> None:
        """See whether all is read that is told of, where the rows end."""
        now, total = self.now, self.now.totals.rows
        if total is not None and now.rows < total:
            now.hole = now.hole or f"totalCount says {total:,}, and the pages have {now.rows:,} rows"
        if now.has_moved:
            self._again(total)
        elif (now.hole or total is None) and not self._paging.first_is_known:
            self._look_at_first(then=self._end)
        elif now.hole and now.is_adapted:
            self._read_ragged()
        else:
            self._paging.first_is_known = self._paging.first_is_known or bool(total)
            self._finish(now.hole)

    def _finish(self, shortfall: str | None = None) -> None:
        self.step = Step.DONE
        self.shortfall = shortfall
        self.now.seams.clear()

    def _read_ragged(self) -> None:
        """Read pages that are not full as they come: rows that this key may not see are left out of each, say."""
        self._is_ragged = True
        self._restart()

    def _again(self, whole: int | None = None) -> None:
        """Read the list again, unless all of it has come: the ``whole`` number of rows."""
        now = self.now
        if whole is not None and len(self._totals) <= 1 and self._rows.are_all_of(whole):
            self._finish()
        elif now.is_adapted and not self._is_ragged:
            self._read_ragged()
        elif self._sweeps < SWEEPS:
            self._sweeps += 1
            self._restart()
        elif now.totals.grown >= now.doubles and not now.totals.has_shrunk and not self._stuck:
            # New rows explain every double: nothing that was there at the beginning can have been missed.
            self._finish()
        elif not self._paging.first_is_known:
            self._look_at_first(then=self._give_up)
        else:
            self._give_up()

    def _give_up(self) -> NoReturn:
        kind, summary = UnexpectedAnswerError, _STUCK.format(self.now.page)
        if self._stuck < SWEEPS:
            kind, summary = ListingMovedError, _MOVED
        raise kind(summary, method="GET", path=self._path, status=200)
