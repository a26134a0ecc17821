"""Read a list, and prove while it is read that it came whole.

:func:`read` is a generator that yields what has to be done, a :class:`Call` to send or rows to pass on, and is sent
the answers. Both clients drive it, so that a list means the same to both. What cannot be proved is a doubt:
:class:`~airflow_provider_jicoo.api.errors.UnprovenListError`, or a warning where the user said so.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_jicoo.api.booking_list import BookingListing
from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.errors import BrokenRowsError, RequestError, UnprovenListError
from airflow_provider_jicoo.api.paging import Paging, Sweep
from airflow_provider_jicoo.api.proofs import IF_KNOWN, BookingReading

T = TypeVar("T")
Steps = Generator[Call[Any] | list[T], Any, None]
log = logging.getLogger(__name__)

BROKEN_AT_MOST = 20
"""How many rows that cannot be used are named, each with what is wrong."""


def read(
    listing: Listing[T], paging: Paging, *, on_unproven: str = "fail", warnings: list[str] | None = None
) -> Steps[T]:
    """Yield the calls that read a list, and its rows page by page, each once.

    It is sent the answer of each call, or the :class:`~airflow_provider_jicoo.api.errors.RequestError` that refused it.

    :param on_unproven: what to do with what cannot be proved: ``fail`` or ``warn``.
    :param warnings: where to put what is to be told; by default the log.
    :raises UnprovenListError: the list may lack rows. It comes after all rows were given.
    :raises BrokenRowsError: rows cannot be used. It comes after all others were given.
    :raises RequestError: the list cannot be read.
    """
    reading: Any = BookingReading(listing, paging) if isinstance(listing, BookingListing) else _Plain(listing, paging)
    left = listing.limit
    steps = reading.read()
    came = None
    try:
        while left != 0:
            step = steps.send(came)
            if isinstance(step, Call):
                came = yield step
                continue
            came = None
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
    if warnings is not None:
        warnings += told
    else:
        for text in told:
            log.warning("GET %s: %s", listing.path, text)


def next_step(steps: Steps[T], came: Any) -> Call[Any] | list[T] | None:
    """Return what is to be done next, None where nothing is left.

    :param came: what came of the step before.
    """
    try:
        return steps.send(came)
    except StopIteration:
        return None


class _Plain:
    """The reading of a list without filters that can be checked, and without an order.

    ``doubts``, ``notes`` and ``broken`` have what is to be told of it.
    """

    def __init__(self, listing: Listing[Any], paging: Paging) -> None:
        self._listing = listing
        self._sweep: Sweep[Any] = Sweep(replace(listing, limit=None), paging=paging)
        self.doubts: list[str] = []
        self.notes: list[str] = []

    @property
    def broken(self) -> list[str]:
        """The rows that cannot be used, and why."""
        return self._sweep.broken

    def read(self) -> Steps[Any]:
        """Yield calls and rows."""
        sweep = self._sweep
        while (call := sweep.next_call()) is not None:
            answer = yield call
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
