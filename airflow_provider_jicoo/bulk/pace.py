"""The pace, learnt from 429s.

Until the first 429 nothing is held back. At a 429 the pace falls to a little under the rate that was *delivered*
lately, which is what the API gives; falling from the rate that was *attempted* would sit on the limit and be refused
again and again. From there it creeps upward by a growth that is small after a 429 and doubles every few seconds, so
that it probes gently and seldom near the limit, yet finds a limit that was raised. Whoever falls gives room that all
who share the limit grow into at the same rate, whatever they have: several workers that know nothing of each other come
to a fair share.

A pure function of what it is told: no clock and no socket.
"""

from __future__ import annotations

FLOOR = 0.5
"""Requests per second; the pace falls no lower."""
FIRST_FALL, FALL = 0.5, 0.9
"""What part of the delivered rate the pace falls to: at the first 429, when that rate was still a burst, and later."""
GROWTH, LEAST_GROWTH, CUT = 5.0, 0.02, 0.25
"""Requests per second gained in a second: at the most, at the least, and what part of it is left after a 429."""
DOUBLING, DOUBLING_SLOW, DOUBLING_AT_MOST = 4.0, 40.0, 20.0
"""Seconds until the growth doubles: the first, and more where the pace is slow and tells little, the second divided by
the pace; together at most the third, or it would take minutes to recover from a storm."""
DEAF = 0.3
"""Seconds after a fall in which further 429s say nothing new: they answer requests that left before it."""
WINDOW, WINDOW_COUNT = 5.0, 16
"""The delivered rate is measured over at least so many seconds and so many answers."""


class Pace:
    """Says when each request may leave, and learns from the answers.

    :param ceiling: requests per second that are never exceeded, or None.
    """

    def __init__(self, ceiling: float | None = None) -> None:
        self._ceiling = ceiling
        self._rate: float | None = None
        self._growth = GROWTH
        self._next = 0.0
        self._deaf_until = float("-inf")
        # Answers in the window that fills now, and in the whole one before it.
        self._delivered = 0
        self._since: float | None = None
        self._before = 0
        self._fine = 0  # answers since the last fall
        self._before_since = 0.0

    @property
    def rate(self) -> float | None:
        """The pace now, in requests per second; None while nothing limits it."""
        return self._ceiling if self._rate is None else self._rate

    def reserve(self, now: float) -> float:
        """Take the next moment to send at, and return the seconds until it.

        :param now: a monotonic clock, in seconds.
        """
        rate = self.rate
        if rate is None:
            return 0.0
        gap = 1.0 / rate
        wait = self._next - now
        if wait <= 0:
            self._next = now + gap
            return 0.0
        self._next += gap
        if self._rate is not None:
            # Only who is held back by the pace may raise it.
            self._rate = min(rate + self._growth * gap, self._ceiling or float("inf"))
            doubling = min(DOUBLING_AT_MOST, DOUBLING + DOUBLING_SLOW / rate)
            self._growth = min(GROWTH, self._growth * (1 + 0.69 * gap / doubling))
        return wait

    def answered(self, status: int | None, retry_after: float | None, sent: float, now: float) -> None:
        """Learn from an answer, or from none, to a request that left at ``sent``.

        :param status: HTTP status, or None.
        :param retry_after: seconds that the API asked to wait, or None.
        """
        if status != 429:
            self._count(sent, now)
            return
        if retry_after is not None:
            self._hold(now + max(1.0, retry_after), now)
        if sent >= self._deaf_until:
            self._fall(now)

    def _count(self, sent: float, now: float) -> None:
        if self._since is None:
            self._since = self._before_since = sent
        self._delivered += 1
        self._fine += 1
        if now - self._since > WINDOW and self._delivered >= WINDOW_COUNT:
            self._before, self._before_since = self._delivered, self._since
            self._delivered, self._since = 0, now

    def _hold(self, until: float, now: float) -> None:
        """Let nobody send before a moment; the time lost does not count as time in which little was delivered."""
        if until > self._next:
            lost = until - max(self._next, now)
            self._next = until
            if self._since is not None:
                self._since += lost
                self._before_since += lost

    def _fall(self, now: float) -> None:
        start = now if self._since is None else self._before_since
        delivered = (self._before + self._delivered + 1) / max(1.0, now - start)
        if self._rate is None:
            self._rate = max(FLOOR, FIRST_FALL * delivered)
        else:
            self._rate = max(FLOOR, FALL * min(self._rate, delivered))
            if self._fine:  # without an answer since the last fall it is a storm, which says nothing of the limit
                self._growth = max(LEAST_GROWTH, CUT * self._growth)
        self._fine = 0
        if self._ceiling is not None:
            self._rate = min(self._rate, self._ceiling)
        self._next = max(self._next, now)
        self._deaf_until = max(self._next, now + DEAF)
