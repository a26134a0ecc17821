"""A log that no stranger can fill: what is said again and again is said once a minute, and of all else not much."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

INTERVAL = 60.0
"""Seconds until the same is said again."""
SUBJECTS = 64
"""How many subjects there are in that time, of each level; what belongs to a further one is counted only."""


class SparingLog:
    """Writes a message of one subject at most once in :data:`INTERVAL` seconds, and then how many were left out.

    :param logger: where to.
    :param clock: seconds, of a clock that does not go back.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        # Apart, so that whoever is refused cannot silence why what is signed is not stored.
        self._levels: dict[int, _Level] = {logging.WARNING: _Level(), logging.ERROR: _Level()}

    def warning(self, subject: str, message: str) -> None:
        """Warn."""
        self._say(logging.WARNING, subject, message)

    def error(self, subject: str, message: str) -> None:
        """Say what keeps events from being stored."""
        self._say(logging.ERROR, subject, message)

    def forget(self) -> None:
        """Say again what was said."""
        with self._lock:
            self._levels = {level: _Level() for level in self._levels}

    def _say(self, level: int, subject: str, message: str) -> None:
        with self._lock:
            left_out = self._levels[level].take(subject, self._clock())
        if left_out is not None:
            more = f" ({left_out} more were left out since the last message)" if left_out else ""
            self._logger.log(level, "%s%s", message, more)


class _Level:
    """What was said on one level, the oldest first: until when it is not said again, and how often it was left out."""

    def __init__(self) -> None:
        self._said: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._others = 0

    def take(self, subject: str, now: float) -> int | None:
        """Return how many were left out before this one; None where it is left out itself."""
        until, left_out = self._said.get(subject, (now, 0))
        if now < until:
            self._said[subject] = until, left_out + 1
            return None
        self._said.pop(subject, None)
        while self._said and next(iter(self._said.values()))[0] <= now:
            self._others += self._said.popitem(last=False)[1][1]
        if len(self._said) >= SUBJECTS:
            self._others += left_out + 1
            return None
        self._said[subject] = now + INTERVAL, 0
        left_out, self._others = left_out + self._others, 0
        return left_out
