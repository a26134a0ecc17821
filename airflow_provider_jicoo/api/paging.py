"""Read a list page by page: whole, however the server pages it, while others change it.

Jicoo pages by offset (``page``, ``perPage``), and how it does so was never seen: it may give fewer rows than it was
asked for, count its pages from 0, refuse a ``perPage``, ignore it, or say nothing of how many rows there are. A
:class:`Sweep` takes nothing of that for granted. The size of a page is what came, the end of the list is where the rows
end, and what a page tells of totals is compared with the rows.

A row that leaves the list moves the rows behind it up, and the one that crosses the seam of two pages is never seen. A
sweep notices from the totals and from rows that come twice that the list moved, and reads it again until a sweep was
undisturbed. Where the reading ends before the list does, neither may tell, since the row that left may have gone behind
the end: then the last row of each page is asked for once more, and must still be where it was.
"""

from __future__ import annotations

import enum
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.errors import (
    ListingMovedError,
    NotFoundError,
    RejectedError,
    RequestError,
    UnexpectedAnswerError,
)
from airflow_provider_jicoo.api.rows import BrokenRow, checked
from airflow_provider_jicoo.api.settings import PER_PAGE

T = TypeVar("T")

SWEEPS = 5
"""How often a list is read at the most before it counts as never holding still."""
PAGES_AT_MOST = 20_000
"""How many pages a list has at the most: 100,000 bookings at 5 a page. A server that pages for ever ends here."""
STALE_PAGES = 3
"""How many pages in a row may have nothing new because so many rows joined the front of the list."""


@dataclass
class Paging:
    """What a client knows of how its server pages lists: told by the settings, or learnt. It lasts as long as it does.

    :param size: how many rows to ask for at once.
    :param first: number of the first page.
    :param first_is_known: whether that was seen to be so.
    :param accepted: the largest size that was not refused.
    :param lists_requests: whether a list without a status was seen to have bookings that await approval.
    """

    size: int = PER_PAGE
    first: int = 1
    first_is_known: bool = False
    accepted: int = 0
    lists_requests: bool = False

    def query(self, page: int, size: int | None = None) -> dict[str, str]:
        """Return what asks for a page.

        :param page: its number, from 1 wherever the server begins; 0 for the page before that which is taken for the
            first.
        """
        return {"page": str(page - 1 + self.first), "perPage": str(size or self.size)}

    def halve(self, size: int, error: RequestError, sent: Mapping[str, str]) -> bool:
        """Note that a page was refused, and tell whether a smaller one is worth asking for.

        :param size: how many rows were asked for.
        :param error: what the server says.
        :param sent: the query; where the error names something else in it, it is not about the size.
        """
        named = set(error.errors).intersection(sent) if isinstance(error.errors, Mapping) else set()
        if size <= max(1, self.accepted) or (named and "perPage" not in named):
            return False
        self.size = min(self.size, size // 2)
        return True


class _Step(enum.Enum):
    """What the next request of a sweep is for."""

    PAGE = "the rows"
    SEAM = "whether the last row of a page is still where it was"
    FIRST = "whether the first row is where it should be"
    ZERO = "whether there is a page before the first"
    HALF = "whether the page that came twice is the whole list"
    DONE = "nothing"


class _Seam(NamedTuple):
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


class Sweep(Generic[T]):
    """The state of reading one list: what to ask next, and which of the rows that came are new.

    Every row that is in the list from the first request to the last is given exactly once, or :attr:`shortfall` says
    what does not add up. A disturbance that leaves neither the total nor a double behind (one row leaves the front,
    another joins the end, between the same two requests) cannot be noticed; nor can a row that leaves a list without
    any total.

    :param listing: the list.
    :param beyond: where the list is ordered by what it looks at: tells of a row that it and all after it are not
        wanted, so that the reading ends there.
    :param paging: what is known of the server's pages; what is learnt goes there.
    :param seen: the keys of rows that were given already by the sweep of another list.
    :param concerns: tells of a row that cannot be used whether it matters.

    ``broken`` says of each row that cannot be used which one it is, and what is wrong; ``shortfall`` says at the end
    what speaks against all rows having come; ``total`` is what the server says of how many there are, unless it was
    seen to lie; ``rows`` is how many came; ``size`` is how many a page has; ``last_page`` is the number of the last one
    with new rows, from 1; ``is_cut`` says that the reading ended at a row beyond.
    """

    def __init__(
        self,
        listing: Listing[T],
        beyond: Callable[[T], bool] | None = None,
        *,
        paging: Paging | None = None,
        seen: Keys | None = None,
        concerns: Callable[[Any], bool] | None = None,
    ) -> None:
        self._listing = listing
        self._keys = (listing.key,) if isinstance(listing.key, str) else listing.key
        self._column = listing.query.get("order")
        self.beyond = beyond
        self._paging = paging or Paging()
        self._concerns = concerns
        self._left = listing.limit
        self._sweeps = 0
        self._is_ragged = False
        self._stuck = 0
        self._totals: set[int] = set()
        self.broken: list[str] = []
        self.seen_broken = Keys()
        self.shortfall: str | None = None
        self._after_first: Callable[[], None] = self._end
        self._begin()
        # What the first sweep has met is what was given: to keep it twice would double the memory.
        self.seen = self._in_sweep if seen is None else seen
        self._is_alone = seen is None

    def _begin(self) -> None:
        self._sweeps += 1
        self._restart()

    def _restart(self) -> None:
        self._step = _Step.PAGE
        self._index = 0
        self.size = self._paging.size
        self.rows = 0  # how many came on the pages so far, which is where the next one begins
        self._in_sweep = Keys()
        self.total: int | None = None
        self._total_lies = False
        self._pages: int | None = None
        self.last_page = 1
        self.is_cut = False
        self._is_adapted = False
        self._claims_end = False
        self._grown = self._grown_now = 0
        self._has_shrunk = False
        self._doubles = 0
        self._stale = 0
        self._hole: str | None = None
        self._last: list[Any] = []
        self._first_page: list[Any] = []
        self._seams: list[_Seam] = []
        self._seams_by_page = False

    # --- asking -------------------------------------------------------------------------------------------------------

    def next_call(self) -> Call[Mapping[str, Any]] | None:
        """Return the request of the next page, or None at the end.

        :raises UnexpectedAnswerError: the pages have no end.
        """
        if self._left == 0 or self._step is _Step.DONE:
            return None
        if self._index >= PAGES_AT_MOST:
            raise self._error(UnexpectedAnswerError, f"after {PAGES_AT_MOST:,} pages there is still no end.")
        return page_call(self._listing, self._paging, *self._asked())

    def _asked(self) -> tuple[int, int]:
        """Return the number of the page to ask for, from 1, and its size."""
        if self._step is _Step.FIRST:
            return 1, 1
        if self._step is _Step.ZERO:
            return 0, self._paging.size
        if self._step is _Step.HALF:
            return 2, self.size // 2
        if self._step is _Step.SEAM:
            seam = self._seams[-1]
            return (seam.page, self.size) if self._seams_by_page else (seam.rows, 1)
        return self._index + 1, self.size

    @property
    def is_paging(self) -> bool:
        """Whether the next request is for a page of rows."""
        return self._step is _Step.PAGE

    @property
    def page(self) -> int:
        """Number of the page that is read, from 1; at the end, of the last one."""
        return self._index + 1

    def refuse(self, error: RequestError) -> None:
        """Take in that the last request was refused: see whether it goes on without what it asked for.

        :raises RequestError: it does not.
        """
        if self._step in (_Step.FIRST, _Step.ZERO):
            self._is_first()
        elif self._step is _Step.HALF:
            self._end()
        elif self._step is _Step.SEAM and not self._seams_by_page:
            self._seams_by_page = True
        elif self._step is _Step.PAGE and self._index > 0 and isinstance(error, (NotFoundError, RejectedError)):
            # Where a list can be looked at from its other end, that will tell whether this was the end.
            may_end = isinstance(error, NotFoundError) or self._column is not None or self._is_adapted
            if not (self._claims_end or (self.total is None and self._pages is None and may_end)):
                self._hole = f"page {self.page} is refused ({error.status})"
            self._end()
        elif not isinstance(error, RejectedError) or not self._paging.halve(self.size, error, self._listing.query):
            raise error
        else:
            self.size = self._paging.size

    # --- taking -------------------------------------------------------------------------------------------------------

    def take(self, page: Mapping[str, Any]) -> list[T]:
        """Take in a page and return its rows that were not given before.

        :param page: the whole answer: ``data`` and the paging fields, of which any may be missing (the end of the
            page that documents them was not seen).
        :raises ListingMovedError: the list moved during every sweep.
        :raises UnexpectedAnswerError: the API gives the same rows for every page.
        """
        came: list[Any] = page["data"]
        if self._step is _Step.PAGE:
            return self._take_page(came, page)
        if self._step is _Step.SEAM:
            self._take_seam(came)
        elif self._step is _Step.HALF:
            self._take_half(came)
        else:
            self._take_first(self._identities(came))
        return []

    def _take_page(self, came: list[Any], page: Mapping[str, Any]) -> list[T]:
        self._paging.accepted = max(self._paging.accepted, self.size)
        rows, broken = checked(came, self._listing.check, self.page)
        ended = self.beyond is not None and bool(rows) and self.beyond(rows[-1])
        if ended:
            rows = [row for row in rows if not self.beyond(row)]  # type: ignore[misc]
        keys, add = list(map(self._key, rows)), self._in_sweep.add
        fresh = [row for row, key in zip(rows, keys, strict=True) if key is None or add(key)]
        given = fresh if self.seen is self._in_sweep else list(filter(self._is_new, fresh))
        identities = keys if rows is came and None not in keys else self._identities(came)
        has_new = bool(fresh) and not (self._key(fresh[0]) is None and identities == self._last)
        has_new = self._note(broken) or has_new
        doubles = len(rows) - len(fresh)
        if has_new or not self._claims_end:  # what goes behind the end is no loss
            self._compare(count(page.get("totalCount")), self.rows + len(came) if has_new else 0)
        self._compare_pages(count(page.get("numberOfPages")))
        if self._index == 0:
            self._first_page = identities
        if ended:
            self._end_of_range(len(rows), doubles)
        elif not came:
            self._end_of_rows()
        elif not has_new:
            self._nothing_new(len(came), is_same=identities == self._last)
            given = []
        else:
            self._go_on(came, doubles)
        self._last = identities
        if self._left is not None:
            given = given[: self._left]
            self._left -= len(given)
        return given

    def _is_new(self, row: T) -> bool:
        """Note a row, and tell whether it was not given before."""
        key = self._key(row)
        return key is not None and self.seen.add(key)

    def _key(self, row: Any) -> Any:
        if isinstance(row, dict):
            for name in self._keys:
                if name in row:
                    return row[name]
        return None

    def _identities(self, rows: Sequence[Any]) -> list[Any]:
        """Return what tells the rows of a page apart: their keys, and of one without a key the row itself."""
        key_of = self._key
        return [row if (key := key_of(row)) is None else key for row in rows]

    def _place(self, row: Any) -> Any:
        return row.get(self._column) if isinstance(row, Mapping) and self._column is not None else None

    def _note(self, broken: list[BrokenRow]) -> bool:
        """Take in broken rows, and tell whether one of them is new."""
        found = False
        for row in broken:
            key = self._key(row.row)
            known = f"broken {key if isinstance(key, str) else row}"
            found = self._in_sweep.add(known) or found
            if (self._concerns is None or self._concerns(row.row)) and self.seen_broken.add(known):
                self.broken.append(str(row))
        return found

    def _compare(self, total: int | None, least: int) -> None:
        """Take in what a page says of how many rows there are.

        :param least: how many there are at the least, since so many came.
        """
        if total is None or self._total_lies:
            return
        if total < least:
            # It is no count of the list, whatever it counts: the rows of the page, say.
            self.total, self._total_lies, self._has_shrunk = None, True, False
            return
        if self.total is not None:
            self._grown_now = max(0, total - self.total)
            self._grown += self._grown_now
            self._has_shrunk = self._has_shrunk or total < self.total
        self.total = total
        self._totals.add(total)

    def _compare_pages(self, pages: int | None) -> None:
        if pages is not None and self._pages is not None and self.total is None and self._index > 1:
            self._has_shrunk = self._has_shrunk or pages < self._pages
        self._pages = pages if pages is not None else self._pages

    # --- where it goes from here --------------------------------------------------------------------------------------

    def _go_on(self, came: list[Any], doubles: int) -> None:
        """Take in a page with new rows."""
        self._stale = 0
        self._doubles += doubles
        self.last_page = self.page
        self.rows += len(came)
        self._seams.append(_Seam(self.page, self.rows, self._key(came[-1]), self._place(came[-1])))
        is_full = len(came) == self.size
        is_last = self._pages is not None and self.page >= self._pages
        if self.total is not None:
            self._claims_end = self.rows >= self.total and (is_last or self._pages is None)
        else:
            self._claims_end = is_last
        # Where a page is full, the next one tells whether the claim is true.
        if self._claims_end and not is_full and (self.total is not None or self._index > 0):
            self._end()
            return
        if self._index == 0 and len(came) < self.size and not self._is_ragged:
            # It gives no more at once, unless this is the last page already. That the next page begins where this one
            # ends is certain only where it is asked for with this size: its number may be counted in pages of the size
            # that was asked for.
            self.size, self._is_adapted = len(came), True
        elif self._index == 1 and self._is_adapted and is_full and not doubles:
            self._paging.size = self.size
        # It is certain that it was not the last page when the total says so, or another page has come.
        is_first_of_more = self._is_adapted and self._index == (0 if self.total is not None else 1)
        self._index += 1
        if is_first_of_more and not self._paging.first_is_known:
            self._look_at_first(then=lambda: None)

    def _nothing_new(self, came: int, *, is_same: bool) -> None:
        """Take in a page whose rows all came before.

        :param came: how many.
        :param is_same: whether they are those of the page before it, in their order.
        """
        if self._claims_end:
            self._end()  # behind the end comes the last page again
        elif self._grown_now >= came and self._stale < STALE_PAGES:
            self._stale += 1
            self._doubles += came
            self.rows += came
            self._index += 1
        elif (
            is_same
            and self.total is None
            and self._pages is None
            and (self._index > 1 or self._is_adapted or came != self.size or (came == 1 and self._column is not None))
        ):
            self._finish()  # the last page again, or the whole list again
        elif is_same and self.total is None and self._pages is None and self.size > 1:
            self._step = _Step.HALF
        else:
            self._stuck += is_same
            self._doubles += came
            self._again()

    def _end_of_rows(self) -> None:
        """Take in an empty page."""
        promised = self.total is None and self._pages is not None and self.page <= self._pages
        if promised and not self._claims_end and self._pages != 1:
            self._hole = f"numberOfPages says {self._pages:,}, and page {self.page:,} is empty"
        self._end()

    def _end(self) -> None:
        """See whether all is read that is told of, where the rows end."""
        if self.total is not None and self.rows < self.total:
            self._hole = self._hole or f"totalCount says {self.total:,}, and the pages have {self.rows:,} rows"
        if self._has_moved():
            self._again(self.total)
        elif (self._hole or self.total is None) and not self._paging.first_is_known:
            self._look_at_first(then=self._end)
        elif self._hole and self._is_adapted:
            self._read_ragged()
        else:
            self._paging.first_is_known = self._paging.first_is_known or bool(self.total)
            self._finish(self._hole)

    def _end_of_range(self, rows: int, doubles: int) -> None:
        """Take in a page with the first row that is beyond.

        :param rows: how many rows of the page are not.
        """
        self._doubles += doubles
        self.is_cut = True
        if self._has_moved():
            self._again(self.rows + rows)
        elif self._seams:
            self._step = _Step.SEAM
        else:
            self._finish()

    def _take_seam(self, came: list[Any]) -> None:
        """Compare the row that is now where the last one of a page was."""
        seam = self._seams[-1]
        row = came[-1] if came else None
        # Of rows that are equal in the order, which comes first is left open: another that was seen is as good.
        is_tie = self._place(row) == seam.place is not None and self._key(row) in self._in_sweep
        if self._key(row) == seam.key or is_tie:
            self._seams.pop()
            if not self._seams:
                self._finish()
        elif not self._seams_by_page:
            self._seams_by_page = True  # perhaps it gives no single rows: the whole page tells
        else:
            self._has_shrunk = True
            self._again()

    def _take_half(self, came: list[Any]) -> None:
        """See from half a page whether pages are honoured, where the second was like the first."""
        if came and self._identities(came) == self._last[: self.size // 2]:
            self._stuck += 1  # it has a size, and no number: what is on a second page never comes
            self._again()
        else:
            self._end()

    def _look_at_first(self, then: Callable[[], None]) -> None:
        """See whether what came as the first page is the first; where it is, go on with ``then``."""
        self._after_first = then
        # Asked for alone, the first row is on page 1 of pages of one. Where there is none, a page 0 tells.
        self._step = _Step.FIRST if self._first_page and self._paging.size > 1 else _Step.ZERO

    def _take_first(self, came: list[Any]) -> None:
        """Take in what is at the beginning of the list."""
        if self._step is _Step.FIRST and came[:1] != self._first_page[:1]:
            self._step = _Step.ZERO
        elif self._step is _Step.ZERO and came and not any(row in self._first_page for row in came):
            # What was taken for the first page was the second.
            self._paging.first, self._paging.first_is_known = 0, True
            self._sweeps = 1
            self._restart()
        else:
            self._is_first()

    def _is_first(self) -> None:
        self._paging.first_is_known = True
        self._step = _Step.PAGE
        self._after_first()

    def _has_moved(self) -> bool:
        return self._has_shrunk or self._doubles > 0

    def _finish(self, shortfall: str | None = None) -> None:
        self._step = _Step.DONE
        self.shortfall = shortfall
        self._seams.clear()

    def _read_ragged(self) -> None:
        """Read pages that are not full as they come: rows that this key may not see are left out of each, say."""
        self._is_ragged = True
        self._restart()

    def _again(self, whole: int | None = None) -> None:
        """Read the list again, unless all of it has come.

        :param whole: how many rows there are.
        """
        if self._has_all(whole):
            self._finish()
        elif self._is_adapted and not self._is_ragged:
            self._read_ragged()
        elif self._sweeps < SWEEPS:
            self._begin()
        elif self._grown >= self._doubles and not self._has_shrunk and not self._stuck:
            # New rows explain every double: nothing that was there at the beginning can have been missed.
            self._finish()
        elif not self._paging.first_is_known:
            self._look_at_first(then=self._give_up)
        else:
            self._give_up()

    def _has_all(self, whole: int | None) -> bool:
        """Tell whether the sweeps together have every row of a list whose length never changed.

        Where the order leaves ties open, and a server breaks them anew for each request, no single sweep does.
        """
        return whole is not None and self._is_alone and len(self._totals) <= 1 and len(self.seen) == whole

    def _give_up(self) -> None:
        if self._stuck >= SWEEPS:
            raise self._error(
                UnexpectedAnswerError,
                f"page {self.page} has only rows of the pages before it: page after page comes the same, so that what "
                "is behind it cannot be read.",
            )
        raise self._error(
            ListingMovedError,
            f"the rows moved during each of {SWEEPS} sweeps, so that some may have been missed. Try again when "
            "fewer bookings are being made and cancelled, narrow the time range, or order by createdAt.",
        )

    def _error(self, kind: type[UnexpectedAnswerError], summary: str) -> UnexpectedAnswerError:
        return kind(summary, method="GET", path=self._listing.path, status=200)


def page_call(listing: Listing[Any], paging: Paging, page: int, size: int | None = None) -> Call[Mapping[str, Any]]:
    """Return the request of a page of a list.

    :param page: its number, from 1.
    :param size: how many rows to ask for; by default as many as are known to be given.
    """
    query = {**listing.query, **paging.query(page, size)}
    # To number pages from 0 is not foreseen by every server: page 0 may be one row too few for its database.
    return Call(
        "GET",
        listing.path,
        query=query,
        answer_shape="page",
        permission_hint=listing.permission_hint,
        is_optional=page == 0,
    )


def fit(call: Call[T], paging: Paging) -> Mapping[str, str]:
    """Return the query of a call, with its page as this server wants it."""
    return call.query if call.page is None else {**call.query, **paging.query(call.page)}


def count(value: Any) -> int | None:
    """Return a number of rows or pages, whether it came as a number or as its digits; None for anything else."""
    if isinstance(value, str) and len(value) < 16 and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _mark(key: Any) -> int:
    return hash(str(key)) & 0xFFFF_FFFF_FFFF_FFFF or 1


class Keys:
    """A set of keys that holds a hash of 64 bits of each: some 16 bytes, where a set of the texts takes 200.

    So a list streams whatever its length. That two of a million keys share a hash is less likely than 1 to 10,000,000.
    """

    def __init__(self) -> None:
        self._slots = array("Q", [0]) * 128  # open addressing; 0 is a free slot
        self._used = 0

    def add(self, key: Any) -> bool:
        """Add a key, and tell whether it is new."""
        if not _put(self._slots, _mark(key)):
            return False
        self._used += 1
        if self._used * 3 > len(self._slots) * 2:
            marks, self._slots = self._slots, array("Q", [0]) * (2 * len(self._slots))
            for one in marks:
                if one:
                    _put(self._slots, one)
        return True

    def __contains__(self, key: Any) -> bool:
        mark = _mark(key)
        slots, last = self._slots, len(self._slots) - 1
        at = mark & last
        while slots[at]:
            if slots[at] == mark:
                return True
            at = (at + 1) & last
        return False

    def __len__(self) -> int:
        return self._used


def _put(slots: array[int], mark: int) -> bool:
    """Put a mark where it belongs, and tell whether it is new."""
    last = len(slots) - 1
    at = mark & last
    while found := slots[at]:
        if found == mark:
            return False
        at = (at + 1) & last
    slots[at] = mark
    return True
