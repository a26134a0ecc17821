"""How fast to send, learnt from the requests that are refused.

Jicoo publishes no limit, so a :class:`Pace` holds nothing back until the first 429, then keeps the requests of one
process evenly spaced, and finds the limit by what a refusal tells:

- **Fall to a little under what was delivered lately**, not to a share of what was attempted: one refusal may come of
  a hair too much or of five times too much, and what got through tells which. While nothing gets through at all,
  start over from the floor.
- **Hear a burst of refusals once**: those of requests that had their slots before the fall say nothing new.
- **Grow by the fourth root of the pace**, so slowly that the next refusal comes some twenty seconds later. The dip
  refills a token bucket and the growth drains it, so that almost nothing is lost. A slow process grows faster for its
  size than a fast one and is refused less often, which is what makes several with one key drift to equal shares.
- **Hurry after a long quiet**: a limit that was raised is found within about a minute. No sooner: among several
  processes the one that has been lucky for a while would run ahead of the others.
- **Shift the beat by jitter at each fall**: of several processes that tick in step with a limiter, the same one
  would be refused each time.

All of this assumes that a slot is taken when it can be used. Workers that take theirs all at once commit to the old
pace for as many slots as there are workers: let them take turns, each reserving when the one before it has left.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

SLOWEST = 0.5
"""Requests per second that the pace never falls below, unless a ceiling is lower."""

REFUSED = (429, 503)
"""Statuses that tell of a limit. Some APIs, and most load balancers, say it with 503."""

_FALL = 0.94  # of what was delivered
_STEEPEST = 0.5  # of the pace before: the rate delivered says nothing where little was sent
_GENTLE = 0.02  # growth of the pace, in requests/s per second, at a pace of 1; grows with its fourth root
_EAGER = 2.0  # the same while nothing is known
_QUIET = 25.0  # seconds without a refusal, after which the growth doubles ...
_DOUBLING = 6.0  # ... each so many seconds
_LATELY = 2.0  # seconds (and at least _FEW answers) that make half of "lately"
_FEW = 16
_DEAF = 0.3  # seconds after a fall in which refusals are not heard
_SHORTEST = 1.0  # seconds: the least pause that a Retry-After makes
_LONGEST = 120.0  # seconds: the longest


class Pace:
    """Hands out moments to send at. Has no clock and waits for nothing; for the tasks of one event loop.

    :param ceiling: requests per second never to be exceeded; None for none.
    :param jitter: random in [0, 1).
    """

    def __init__(self, ceiling: float | None = None, *, jitter: Callable[[], float] = random.random) -> None:
        self._ceiling = math.inf if ceiling is None else ceiling
        self._luck = jitter
        self._rate = ceiling
        self._growth = _EAGER
        self._next = 0.0  # the first slot that nobody has
        self._fell = 0.0  # the first slot of the present pace
        self._hears = 0.0  # refusals of requests sent earlier are not heard
        self._through = False  # whether anything was delivered since the last fall
        # Deliveries are counted in two halves, so that there is always a whole one: before, and since.
        self._delivered = self._delivered_before = 0
        self._since = self._before = 0.0

    @property
    def rate(self) -> float | None:
        """Requests per second at present; None while nothing limits them."""
        return self._rate

    def reserve(self, now: float) -> float:
        """Take the next slot and return the seconds until it.

        :param now: a monotonic clock, in seconds.
        """
        rate = self._rate
        at = self._next
        if rate is None:
            return at - now if at > now else 0.0
        if at <= now:
            at = now
        elif rate < self._ceiling:
            # Somebody waits, so the pace is what limits. One that is not used up must not grow: it would say nothing.
            if at - self._fell > _QUIET:
                self._growth = min(_EAGER, self._growth * 2.0 ** (1.0 / rate / _DOUBLING))
            self._rate = min(self._ceiling, rate + self._growth * rate**0.25 / rate)
        self._next = at + 1.0 / rate
        return at - now

    def answered(self, status: int | None, retry_after: float | None, sent: float, now: float) -> None:
        """Learn from an answer.

        :param status: HTTP status; None where there was no answer.
        :param retry_after: seconds that the API asked to wait; nobody gets a slot before.
        :param sent: when the request left, on the clock of ``now``.
        """
        if not self._since:
            self._since = self._before = sent
        if status in REFUSED:
            if sent >= self._hears:
                self._fall(now)
        elif status is not None:
            self._through = True
            self._delivered += 1
            if now - self._since > _LATELY and self._delivered >= _FEW:
                self._delivered_before, self._delivered = self._delivered, 0
                self._before, self._since = self._since, now
        if retry_after is not None:
            self._pause(now + min(max(_SHORTEST, retry_after), _LONGEST))

    def _fall(self, now: float) -> None:
        lately = (self._delivered_before + self._delivered + 1) / max(1.0, now - self._before)
        if self._rate is None:
            # May be a bucket's store, handed out at once: half of it, and eager to find the rest.
            rate = lately / 2.0
        elif not self._through:
            rate = 0.0
            self._growth = _EAGER
        else:
            rate = max(_FALL * min(self._rate, lately), _STEEPEST * self._rate)
            self._growth = max(_GENTLE, self._growth / 2.0)
        self._rate = min(self._ceiling, max(SLOWEST, rate))
        self._through = False
        self._fell = max(self._next, now)
        self._hears = max(self._fell, now + _DEAF)
        self._next = self._fell + self._luck() / self._rate

    def _pause(self, until: float) -> None:
        if until > self._next:
            self._next = self._fell = self._hears = until
            # What is delivered per second of a pause says nothing: count anew.
            self._delivered = self._delivered_before = 0
            self._since = self._before = until
