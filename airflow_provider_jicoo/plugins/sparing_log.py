"""A log that no stranger can fill: what is said again and again is said once a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

INTERVAL = 60.0
"""Seconds until the same is said again."""
SUBJECTS = 256
"""How many subjects are kept apart; beyond, the oldest is forgotten."""


class SparingLog:
    """Writes a message of one subject at most once in :data:`INTERVAL` seconds, and then how many were left out.

    :param logger: where to.
    :param clock: seconds, of a clock that does not go back.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._said: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def warning(self, subject: str, message: str) -> None:
        """Warn."""
        self._say(logging.WARNING, subject, message)

    def error(self, subject: str, message: str) -> None:
        """Say what keeps events from being stored."""
        self._say(logging.ERROR, subject, message)

    def _say(self, level: int, subject: str, message: str) -> None:
        with self._lock:
            now = self._clock()
            until, left_out = self._said.get(subject, (now, 0))
            if now < until:
                self._said[subject] = until, left_out + 1
                return
            self._said[subject] = now + INTERVAL, 0
            self._said.move_to_end(subject)
            if len(self._said) > SUBJECTS:
                self._said.popitem(last=False)
        more = f" ({left_out} more like it since the last message)" if left_out else ""
        self._logger.log(level, "%s%s", message, more)
