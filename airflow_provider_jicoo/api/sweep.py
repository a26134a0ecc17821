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

import math
from collections.abc import Callable, Generator, Mapping
from typing import Any, Generic, TypeVar

from airflow_provider_jicoo.api.ahead import Answer, Ask
from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.course import Course, Step
from airflow_provider_jicoo.api.errors import RequestError, UnexpectedAnswerError
from airflow_provider_jicoo.api.keys import Keys
from airflow_provider_jicoo.api.new_rows import NewRows
from airflow_provider_jicoo.api.paging import Paging, page_call

T = TypeVar("T")

PAGES_AT_MOST = 200_000
"""How many pages a list has at the most: a million bookings at 5 a page. A server that pages for ever ends here."""


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
    :param besides: the sweep of another list: what it has given is not given again.
    :param concerns: tells of a row that cannot be used whether it matters.
    :param left: where ``beyond`` is given: tells of the first row and the last one so far how many times as many rows
        are left until then, if they go on as densely. So no more pages are read ahead than will be wanted.
    :param enough: how many rows will do, so that no pages behind those are read ahead.
    """

    def __init__(
        self,
        listing: Listing[T],
        beyond: Callable[[T], bool] | None = None,
        *,
        paging: Paging | None = None,
        besides: Sweep[T] | None = None,
        concerns: Callable[[Any], bool] | None = None,
        left: Callable[[T, T], float] | None = None,
        enough: int | None = None,
    ) -> None:
        self._listing = listing
        self._paging = paging or Paging()
        self._rows: NewRows[T] = NewRows(listing, None if besides is None else besides._rows, concerns)
        self._course = Course(listing.path, self._rows, self._paging, is_ordered="order" in listing.query)
        self.beyond = beyond
        self._left_till_beyond = left
        self._span: tuple[T, T] | None = None
        self._enough = enough
        self._left = listing.limit
        self._changes_told = 0

    # --- asking -------------------------------------------------------------------------------------------------------

    def next_call(self) -> Call[Mapping[str, Any]] | None:
        """Return the request of the next page, or None at the end.

        :raises UnexpectedAnswerError: the pages have no end.
        """
        if self._left == 0 or self._course.step is Step.DONE:
            return None
        if self._course.now.index >= PAGES_AT_MOST:
            raise UnexpectedAnswerError(
                f"after {PAGES_AT_MOST:,} pages there is still no end.",
                method="GET",
                path=self._listing.path,
                status=200,
            )
        return self._call(*self._asked())

    def ask(self) -> Generator[Ask, Answer, Any]:
        """Ask for what is next, and return the answer, or the error that refused it; None at the end.

        Pages that are under way together are read by the server in any order, and a row that leaves and one that joins
        between them may make up for each other. So a page that was read ahead counts only where it tells of as many
        rows as the page before it. Where it does not, it is asked for now, and all that was read ahead is forgotten.

        :raises UnexpectedAnswerError: the pages have no end.
        """
        call = self.next_call()
        if call is None:
            return None
        answer = yield Ask(call, self._ahead(), self._paging.window.size >> self._changes_told)
        if not answer.is_early or not self.is_paging:
            return answer.came
        if isinstance(answer.came, Mapping) and self._course.now.totals.is_as_before(answer.came):
            self._changes_told = 0
            return answer.came
        self._changes_told += 1
        return (yield Ask(call)).came

    def _ahead(self) -> list[Call[Mapping[str, Any]]]:
        """Return what will be asked for after the next request, if nothing is out of the ordinary."""
        step, now, number = self._course.step, self._course.now, self._paging.window.most - 1
        if step is Step.SEAM:
            return [self._call(*now.seam(seam)) for seam in now.seams[-2 : -2 - number : -1]]
        if now.index == 0 or step not in (Step.PAGE, Step.FIRST):
            return []
        first = now.page + (step is Step.PAGE)
        last = min(first + number - 1, self._last_expected())
        return [self._call(page, now.size) for page in range(first, last + 1)]

    def _last_expected(self) -> int:
        """Return the number of the last page that will be asked for, as far as is known."""
        now, totals = self._course.now, self._course.now.totals
        # Behind a full page the next one tells whether the total is true.
        last = (totals.pages or 0) if totals.rows is None else totals.rows // now.size + 1
        if self._enough is not None:
            last = min(last, -(-self._enough // now.size))
        if self.beyond is not None and self._left_till_beyond is not None and self._span is not None:
            last = min(last, now.index + 1 + math.ceil(now.index * self._left_till_beyond(*self._span)))
        return last

    def _call(self, page: int, size: int) -> Call[Mapping[str, Any]]:
        return page_call(self._listing, self._paging, page, size)

    def _asked(self) -> tuple[int, int]:
        """Return the number of the page to ask for, from 1, and its size."""
        step, now = self._course.step, self._course.now
        if step is Step.FIRST:
            return 1, 1
        if step is Step.ZERO:
            return 0, self._paging.size
        if step is Step.HALF:
            return 2, now.size // 2
        if step is Step.SEAM:
            return now.seam(now.seams[-1])
        return now.page, now.size

    # --- taking -------------------------------------------------------------------------------------------------------

    def refuse(self, error: RequestError) -> None:
        """Take in that the last request was refused: see whether it goes on without what it asked for.

        :raises RequestError: it does not.
        """
        self._course.refuse(error, self._listing.query)

    def take(self, page: Mapping[str, Any]) -> list[T]:
        """Take in a page and return its rows that were not given before.

        :param page: the whole answer: ``data`` and the paging fields, of which any may be missing (the end of the
            page that documents them was not seen).
        :raises ListingMovedError: the list moved during every sweep.
        :raises UnexpectedAnswerError: the API gives the same rows for every page.
        """
        came: list[Any] = page["data"]
        course, now = self._course, self._course.now
        if not self.is_paging:
            course.take_look(came)
            return []
        self._paging.accepted = max(self._paging.accepted, now.size)
        found = self._rows.find(came, now.page, now.last, self.beyond)
        if found.rows:
            self._span = (found.rows[0] if self._span is None or now.index == 0 else self._span[0], found.rows[-1])
        course.take_page(came, page, found)
        given = found.given if found.has_new or found.is_cut else []
        if self._left is not None:
            given = given[: self._left]
            self._left -= len(given)
        return given

    # --- what is known ------------------------------------------------------------------------------------------------

    @property
    def is_paging(self) -> bool:
        """Whether the next request is for a page of rows."""
        return self._course.step is Step.PAGE

    @property
    def page(self) -> int:
        """Number of the page that is read, from 1; at the end, of the last one."""
        return self._course.now.page

    @property
    def last_page(self) -> int:
        """Number of the last page with new rows, from 1."""
        return self._course.now.last_page

    @property
    def size(self) -> int:
        """How many rows a page has."""
        return self._course.now.size

    @property
    def rows(self) -> int:
        """How many rows came."""
        return self._course.now.rows

    @property
    def total(self) -> int | None:
        """How many rows there are, as the server says, unless it was seen to lie."""
        return self._course.now.totals.rows

    @property
    def is_cut(self) -> bool:
        """Whether the reading ended at a row beyond."""
        return self._course.now.is_cut

    @property
    def shortfall(self) -> str | None:
        """What speaks against all rows having come, at the end."""
        return self._course.shortfall

    @property
    def seen(self) -> Keys:
        """The keys of the rows that were given."""
        return self._rows.seen

    @property
    def broken(self) -> list[str]:
        """Says of each row that cannot be used which one it is, and what is wrong."""
        return self._rows.broken
