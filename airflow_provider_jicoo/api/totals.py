"""What pages tell of how much there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_jicoo.api.paging import count


class Totals:
    """What the pages of one sweep tell of how much there is, and how that changes.

    :param all_told: where to note each number of rows that was told.

    ``rows`` and ``pages`` are how many there are, as the server says; of rows, unless it was seen to lie. ``grown`` is
    by how many rows the list has grown, ``grown_now`` by how many since the page before; ``has_shrunk`` says that it
    had more.
    """

    def __init__(self, all_told: set[int]) -> None:
        self._all_told = all_told
        self._lies = False
        self._told: tuple[Any, Any] | None = None
        self.rows: int | None = None
        self.pages: int | None = None
        self.grown = self.grown_now = 0
        self.has_shrunk = False

    def is_as_before(self, page: Mapping[str, Any]) -> bool:
        """Tell whether a page tells the same as the page before it."""
        return self._told == _told(page)

    def take(self, page: Mapping[str, Any], *, least: int | None, number: int) -> None:
        """Take in what a page tells.

        :param least: how many rows there are at the least, since so many came; None where its word for the number of
            rows does not matter any more.
        :param number: number of the page, from 1.
        """
        if least is not None:
            self._compare(count(page.get("totalCount")), least)
        pages = count(page.get("numberOfPages"))
        if pages is not None and self.pages is not None and self.rows is None and number > 2:
            self.has_shrunk = self.has_shrunk or pages < self.pages
        self.pages = pages if pages is not None else self.pages
        self._told = _told(page)

    def claim_end(self, page: int, rows: int) -> bool:
        """Tell whether the list ends with this page, as the server says.

        :param page: its number, from 1.
        :param rows: how many rows there are up to its end.
        """
        is_last = self.pages is not None and page >= self.pages
        return is_last if self.rows is None else rows >= self.rows and (is_last or self.pages is None)

    def promise(self, page: int) -> bool:
        """Tell whether a page should have rows by its number alone: what tells of one page only may tell nothing."""
        return self.rows is None and self.pages is not None and self.pages != 1 and page <= self.pages

    def _compare(self, total: int | None, least: int) -> None:
        if total is None or self._lies:
            return
        if total < least:
            # It does not count the list, but something else, such as the rows of the page.
            self.rows, self._lies, self.has_shrunk = None, True, False
            return
        if self.rows is not None:
            self.grown_now = max(0, total - self.rows)
            self.grown += self.grown_now
            self.has_shrunk = self.has_shrunk or total < self.rows
        self.rows = total
        self._all_told.add(total)


def _told(page: Mapping[str, Any]) -> tuple[Any, Any]:
    return page.get("totalCount"), page.get("numberOfPages")
