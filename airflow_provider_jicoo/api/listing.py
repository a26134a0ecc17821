"""Read a list, and prove while it is read that it came whole.

:func:`read` is a generator that yields what it needs an answer to (:class:`~airflow_provider_jicoo.api.ahead.Ask`) or
rows to pass on, and is sent the answers. Both clients drive it, so that a list means the same to both. What cannot be
proved is a doubt: :class:`~airflow_provider_jicoo.api.errors.UnprovenListError`, or a warning where the user said so.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_jicoo.api.ahead import Answer, Ask
from airflow_provider_jicoo.api.booking_list import BookingListing
from airflow_provider_jicoo.api.booking_reader import IF_KNOWN
from airflow_provider_jicoo.api.call import Listing
from airflow_provider_jicoo.api.errors import BrokenRowsError, RequestError, UnprovenListError
from airflow_provider_jicoo.api.paging import Paging
from airflow_provider_jicoo.api.proofs import BookingReading
from airflow_provider_jicoo.api.sweep import Sweep

T = TypeVar("T")
Steps = Generator[Ask | list[T], Answer | None, None]
log = logging.getLogger(__name__)


class Warnings(list[str]):
    """What is to be told of lists.

    ``is_whole`` says whether nothing of it is a doubt: some is told of each list, however whole.
    """

    is_whole = True


BROKEN_AT_MOST = 20
"""How many rows that cannot be used are named, each with what is wrong."""


def read(
    listing: Listing[T], paging: Paging, *, on_unproven: str = "fail", warnings: list[str] | None = None
) -> Steps[T]:
    """Yield what to ask for to read a list, and its rows page by page, each once.

    :param on_unproven: what to do with what cannot be proved: ``fail`` or ``warn``.
    :param warnings: list to append warnings to; by default they are logged. A :class:`Warnings` learns whether one of
        them is a doubt.
    :raises UnprovenListError: the list may lack rows. It comes after all rows were given.
    :raises BrokenRowsError: rows cannot be used. It comes after all others were given.
    :raises RequestError: the list cannot be read.
    """
    reading: Any = BookingReading(listing, paging) if isinstance(listing, BookingListing) else _Plain(listing, paging)
    left = listing.limit
    steps = reading.read()
    answer: Answer | None = None
    try:
        while left != 0:
            step = steps.send(answer)
            if isinstance(step, Ask):
                answer = yield step
                paging.window.answered()
                continue
            answer = None
            if left is not None:
                step = step[:left]
                left -= len(step)
            yield step
    except StopIteration:
        pass
    broken = _named(reading.broken)
    if on_unproven == "fail" and (reading.doubts or broken):
        kind = UnprovenListError if reading.doubts else BrokenRowsError
        raise kind.of([*reading.doubts, *broken], listing.path)
    told = [*reading.doubts, *broken, *reading.notes]
    if isinstance(warnings, Warnings) and (reading.doubts or broken):
        warnings.is_whole = False
    if warnings is not None:
        warnings += told
    else:
        for text in told:
            log.warning("GET %s: %s", listing.path, text)


def next_step(steps: Steps[T], answer: Answer | None) -> Ask | list[T] | None:
    """Return what is to be done next, None where nothing is left.

    :param answer: what came of the step before, where that was an :class:`Ask`.
    """
    try:
        return steps.send(answer)
    except StopIteration:
        return None


class _Plain:
    """The reading of a list without filters that can be checked, and without an order.

    ``doubts`` has what cannot be proved, ``notes`` what else is to be told, ``broken`` the rows that cannot be used.
    """

    def __init__(self, listing: Listing[Any], paging: Paging) -> None:
        self._listing = listing
        self._sweep: Sweep[Any] = Sweep(replace(listing, limit=None), paging=paging, enough=listing.limit)
        self.doubts: list[str] = []
        self.notes: list[str] = []

    @property
    def broken(self) -> list[str]:
        """The rows that cannot be used, and why."""
        return self._sweep.broken

    def read(self) -> Steps[Any]:
        """Yield calls and rows."""
        sweep = self._sweep
        while (answer := (yield from sweep.ask())) is not None:
            if isinstance(answer, RequestError):
                sweep.refuse(answer)
                continue
            rows = sweep.take(answer)
            if self._listing.keep is not None:
                rows = list(filter(self._listing.keep, rows))
            if rows:
                yield rows
        if sweep.shortfall is not None:
            self.doubts.append(
                f"the list was expected to have all its rows on its pages, but {sweep.shortfall}. {IF_KNOWN}"
            )


def _named(broken: list[str]) -> list[str]:
    more = len(broken) - BROKEN_AT_MOST
    return [
        *(f"Row that cannot be used: {row}." for row in broken[:BROKEN_AT_MOST]),
        *([f"And {more:,} more that cannot be used."] if more > 0 else []),
    ]
