"""Read a list page by page while others change it.

Jicoo pages by offset (``page``, ``perPage``), so a row that leaves the list moves the rows behind it up, and the one
that crosses the seam of two pages is never seen. A :class:`Sweep` notices from the totals and from rows that come
twice that the list moved, and reads it again until a sweep was undisturbed. Where the reading ends before the list
does, neither may tell, since the row that left may have gone behind the end: then the last row of each page is asked
for once more, and must still be where it was.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.errors import ListingMovedError, UnexpectedAnswerError

T = TypeVar("T")

PER_PAGE = 50
"""Rows asked for at once. Jicoo documents no maximum; 50 is what clients are known to use."""
SWEEPS = 5
"""How often a list is read at the most before it counts as never holding still."""


class Sweep(Generic[T]):
    """The state of reading one list: what to ask next, and which of the rows that came are new.

    Every row that is in the list from the first request to the last is given exactly once. A disturbance that
    leaves neither the total nor a double behind (one row leaves the front, another joins the end, between the same
    two requests) cannot be noticed.

    :param listing: the list.
    :param beyond: where the list is ordered by what it looks at: tells of a row that it and all after it are not
        wanted, so that the reading ends there.
    """

    def __init__(self, listing: Listing[T], beyond: Callable[[T], bool] | None = None) -> None:
        self._listing = listing
        self._keys = (listing.key,) if isinstance(listing.key, str) else listing.key
        self._beyond = beyond
        self._left = listing.limit
        self._sweeps = 0
        self._page: int | None = 1
        self._begin()
        # What the first sweep has met is what was given: to keep it twice would double the memory.
        self._seen = self._in_sweep

    def _begin(self) -> None:
        self._sweeps += 1
        self._page = 1
        self._in_sweep = _Keys()
        self._met = 0
        self._total: int | None = None
        self._grown = 0
        self._shrunk = False
        self._doubles = 0
        self._seams: list[tuple[int, Any]] = []  # of each page, how many rows there are up to its end, and the last one

    def next_call(self) -> Call[Mapping[str, Any]] | None:
        """Return the request of the next page, or None at the end."""
        if self._left == 0:
            return None
        if self._page is not None:
            page, size = self._page, PER_PAGE
        elif self._seams:
            page, size = self._seams[-1][0], 1
        else:
            return None
        query = {**self._listing.query, "page": str(page), "perPage": str(size)}
        return Call("GET", self._listing.path, query=query, answers="page", forbidden=self._listing.forbidden)

    def take(self, page: Mapping[str, Any]) -> list[T]:
        """Take in a page and return its rows that were not given before.

        :param page: the whole answer: ``data`` and the paging fields, of which any may be missing (the end of the
            page that documents them was not seen).
        :raises ListingMovedError: the list moved during every sweep.
        :raises UnexpectedAnswerError: the API gives the same rows for every page.
        """
        rows: list[T] = page["data"]
        if self._page is None:
            self._check_seam(rows)
            return []
        ended = self._beyond is not None and bool(rows) and self._beyond(rows[-1])
        if ended:
            rows = [row for row in rows if not self._beyond(row)]  # type: ignore[misc]
        fresh = self._fold(rows)
        given = [row for row in fresh if self._is_new(row)]  # before another sweep may begin
        self._compare(page.get("totalCount"))
        self._turn(self._page if ended else page.get("numberOfPages"), rows, fresh, ended)
        if self._left is not None:
            given = given[: self._left]
            self._left -= len(given)
        return given

    def _check_seam(self, rows: list[T]) -> None:
        _, last = self._seams.pop()
        if not rows or self._key(rows[0]) != last:
            self._shrunk = True
            self._again()

    def _fold(self, rows: list[T]) -> list[T]:
        """Return the rows that this sweep has not met yet."""
        fresh = []
        for row in rows:
            key = self._key(row)
            if key is None or self._in_sweep.add(key):
                fresh.append(row)
            else:
                self._doubles += 1
        self._met += len(fresh)
        return fresh

    def _is_new(self, row: T) -> bool:
        if self._sweeps == 1:
            return True
        key = self._key(row)
        return key is not None and self._seen.add(key)

    def _key(self, row: Any) -> Any:
        if isinstance(row, Mapping):
            for name in self._keys:
                if name in row:
                    return row[name]
        return None

    def _compare(self, total: Any) -> None:
        if not isinstance(total, int):
            return
        if self._total is not None:
            self._grown += max(0, total - self._total)
            self._shrunk = self._shrunk or total < self._total
        self._total = total

    def _turn(self, pages: Any, rows: list[T], fresh: list[T], ended: bool) -> None:
        assert self._page is not None
        if not rows and isinstance(pages, int) and self._page < pages:
            self._shrunk = True  # a hole where rows should be
        if rows and not fresh and not isinstance(pages, int):
            if self._page == 2 and self._total is None and not self._listing.paged:
                self._end()  # the same again, and no word of pages: that was the whole list
                return
            raise UnexpectedAnswerError(
                f"page {self._page} has only rows of the pages before it.",
                method="GET",
                path=self._listing.path,
                status=200,
            )
        if rows and self._more(pages):
            read = (self._seams[-1][0] if self._seams else 0) + len(rows)
            self._seams.append((read, self._key(rows[-1])))
            self._page += 1
        elif self._moved():
            self._again()
        elif ended:
            self._page = None  # the seams are left to check
        else:
            self._end()

    def _end(self) -> None:
        self._page = None
        self._seams.clear()

    def _again(self) -> None:
        if self._sweeps < SWEEPS:
            self._begin()
        elif self._grown >= self._doubles and not self._shrunk:
            # New rows explain every double: nothing that was there at the beginning can have been missed.
            self._end()
        else:
            raise ListingMovedError(
                f"the rows moved during each of {SWEEPS} sweeps, so that some may have been missed. Try again when "
                "fewer bookings are being made and cancelled, narrow the time range, or order by createdAt.",
                method="GET",
                path=self._listing.path,
                status=200,
            )

    def _more(self, pages: Any) -> bool:
        if isinstance(pages, int):
            return self._page is not None and self._page < pages
        if self._total is not None:
            return self._met < self._total
        return True

    def _moved(self) -> bool:
        return self._shrunk or self._doubles > 0


class _Keys:
    """A set of keys that holds a hash of 64 bits of each: some 16 bytes, where a set of the texts takes 200.

    So a list streams whatever its length. That two of a million keys share a hash is less likely than 1 to 10,000,000.
    """

    def __init__(self) -> None:
        self._slots = array("Q", [0]) * 128  # open addressing; 0 is a free slot
        self._used = 0

    def add(self, key: Any) -> bool:
        """Add a key, and tell whether it is new."""
        mark = hash(str(key)) & 0xFFFF_FFFF_FFFF_FFFF or 1
        if not self._put(mark):
            return False
        self._used += 1
        if self._used * 3 > len(self._slots) * 2:
            marks, self._slots = self._slots, array("Q", [0]) * (2 * len(self._slots))
            for one in marks:
                if one:
                    self._put(one)
        return True

    def _put(self, mark: int) -> bool:
        slots, last = self._slots, len(self._slots) - 1
        at = mark & last
        while slots[at]:
            if slots[at] == mark:
                return False
            at = (at + 1) & last
        slots[at] = mark
        return True
