"""What rows were a while ago, for a list and a read that lag behind."""

from __future__ import annotations

import time
from collections import deque

from airflow_provider_jicoo.sandbox.data import Row


class Past:
    """What rows were before they changed, for as long as anybody may still see them so."""

    def __init__(self) -> None:
        self._before: deque[tuple[float, str, str, Row | None]] = deque()

    def note(self, section: str, uid: str, before: Row | None, longest: float) -> None:
        """Note that a row changes now.

        :param before: what it was; None where there was none.
        :param longest: seconds for which it may be asked for; 0 where it never is.
        """
        if longest:
            now = time.monotonic()
            self._before.append((now, section, uid, before))
            while self._before[0][0] < now - longest:
                self._before.popleft()

    def different(self, section: str, seconds: float) -> dict[str, Row | None]:
        """Return what was different so long ago, by uid; None for what was not there."""
        past: dict[str, Row | None] = {}
        if seconds:
            since = time.monotonic() - seconds
            for at, of, uid, before in reversed(self._before):
                if at < since:
                    break
                if of == section:
                    past[uid] = before
        return past

    def forget(self) -> None:
        """Forget all of it."""
        self._before.clear()
