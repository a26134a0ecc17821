"""A hard ceiling on the rate of requests of one client."""

from __future__ import annotations

import sys
import threading
from typing import Protocol

LEAST_RATE = 1 / 3600
"""Requests per second: one an hour. Whoever gives less has mistaken the unit, and would wait for longer than a task."""


def rate_problem(rate: object) -> str | None:
    """Say what is wrong with a ceiling that somebody gave, in requests per second; None for a good one."""
    # JSON has integers that no float can hold.
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= sys.float_info.max:
        return "is not a positive number of requests per second"
    return None if rate >= LEAST_RATE else "is less than one request an hour, in requests per second"


class PaceLike(Protocol):
    """What says when a request may leave."""

    @property
    def rate(self) -> float | None:
        """The pace now, in requests per second; None while nothing is to wait."""

    def reserve(self, now: float) -> float:
        """Take the next moment to send at, and return the seconds until it from ``now``, a monotonic clock."""

    def answered(self, status: int | None, retry_after: float | None, sent: float, now: float) -> None:
        """Learn from an answer, or from its absence, to a request that left at ``sent``."""


class Ceiling:
    """Hands out moments to send at, evenly spaced. Safe to share between threads.

    :param rate: requests per second; None for no ceiling.
    """

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self._gap = 0.0 if rate is None else 1.0 / rate
        self._next = 0.0
        self._lock = threading.Lock()

    def reserve(self, now: float) -> float:
        """Take the next moment and return the seconds until it.

        :param now: a monotonic clock, in seconds.
        """
        if not self._gap:
            return 0.0
        with self._lock:
            at = max(self._next, now)
            self._next = at + self._gap
        return at - now

    def answered(self, status: int | None, retry_after: float | None, sent: float, now: float) -> None:
        """Do nothing: a ceiling does not learn."""
