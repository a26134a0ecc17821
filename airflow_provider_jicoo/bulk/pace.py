"""The pace, learnt from 429s."""

from __future__ import annotations

from collections import deque


class Pace:
    """Interim."""

    def __init__(self, ceiling: float | None = None) -> None:
        self._ceiling = ceiling
        self._rate: float | None = ceiling
        self._next = 0.0
        self._fine: deque[float] = deque()
        self._cut = 0.0

    @property
    def rate(self) -> float | None:
        """The pace now."""
        return self._rate

    def reserve(self, now: float) -> float:
        """Take the next slot."""
        if self._rate is None:
            return 0.0
        at = max(self._next, now)
        self._next = at + 1.0 / self._rate
        return at - now

    def answered(self, status: int | None, retry_after: float | None, sent: float, now: float) -> None:
        """Learn."""
        if status != 429:
            self._fine.append(now)
            while self._fine and self._fine[0] < now - 5:
                self._fine.popleft()
            if self._rate is not None and now - self._cut > 10:
                self._cut = now
                self._rate = min(self._rate * 1.02, self._ceiling or 1e9)
        elif sent > self._cut:
            self._cut = now
            span = max(1.0, min(5.0, now - self._fine[0])) if self._fine else 1.0
            self._rate = max(0.5, 0.95 * len(self._fine) / span)
            self._next = max(self._next, now + max(1.0, retry_after or 0.0))
