"""How fast to send, learnt from the requests that are refused.

Jicoo publishes no limit, so a :class:`Pace` holds nothing back until the first 429, then keeps the requests of one
process evenly spaced, and finds the limit, and its share of it, from refusals alone:

- **Large steps first, small ones later.** Whoever is faster is refused more often, and falls by a part of its pace;
  while young, all grow by the same amount a second. That is what brings several processes with one key to equal
  shares, the faster the larger the steps. So a young pace falls by more than half and grows by some requests/s each
  second; both shrink with its age, until a refusal costs a twentieth and the next one comes some half a minute later.
- **Believe what was delivered.** One refusal may come of a hair too much or of five times too much. Where clearly less
  was delivered lately than the pace allows, the fall starts from there, or from half of the pace.
- **After an outage go on as before.** That nothing gets through, three refusals in a row, is an outage or a window of a
  minute that is used up, and says nothing of the pace after it: ask seldom, and with the first request that is taken
  return to nearly the pace before, young once more.
- **Hear a burst of refusals once**: those of requests that had their slots before the fall say nothing new.
- **Hurry after a long quiet**: a limit that was raised is found within about a minute and a half.
- **Shift the beat at random at each fall**: of several processes that tick in step with a limiter, the same one would
  be refused each time.

All of this assumes that a slot is taken when it can be used. Workers that take theirs all at once commit to the old
pace for as many slots as there are workers: let them take turns, each reserving when the one before it has left.

The constants were chosen by a search over simulated jobs (``benchmarks/limits.py``): four workers that share 20/s and
100/s, for 20 s and for 260 s. What cannot be had at once is told in that file.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

SLOWEST = 0.25
"""Requests per second that the pace never falls below, unless a ceiling is lower: four processes under 1/s need 0.25
each. With 0.1 they were given 0.39 of it where the bucket holds one token, not 0.56 (31 % refused, not 40); with 0.5,
0.70 (67 %), and 51 % were refused where it holds five, not 14."""

REFUSED = (429, 503)
"""Statuses that tell of a limit. Some APIs, and most load balancers, say it with 503."""

# What another value did is said beside each: one was changed at a time, over 48 seeds other than those that
# benchmarks/limits.py reports. "Fair": what the slowest of four workers was given, of what the fastest was; the median.
_FIRST = 0.15  # of what was delivered before the first refusal. With 0.25, 20 s were 0.55 fair at 20/s, not 0.59
_LEAST_FIRST = 3.0  # requests/s: who comes second finds the bucket empty. With 2, 20 s at 20/s were 0.52 fair, not 0.59
_FALL = 0.055  # part of the pace that a refusal costs. With 0.04, 1.08 % of 20/s were refused; with 0.08, 0.71 fair
_YOUNG_FALL = 0.65  # the same at first. With 0.4 and 0.8, 20 s at 20/s were 0.55 fair, not 0.59; halves each ...
_FALL_HALVES = 14.0  # ... seconds. With 10 and 20, 20 s at 20/s were 0.55 and 0.54 fair
_GENTLE = 0.0017  # growth per second, in parts of the pace. With 0.0025, 1.06 % of 20/s were refused; 0.0012: 0.80 fair
_EAGER = 3.0  # growth of a young pace, in requests/s per second. With 2, 20 s at 100/s gave 0.76 of it, not 0.93; with
# 5, 1.01, but 0.96 % of 20/s were refused, and more than before in windows of 10 s; halves each ...
_EAGER_HALVES = 9.0  # ... seconds. With 7, 20/s were 0.75 fair, not 0.84; with 12, 1.21 % refused
_PAID = 22.0  # requests in which a fall is regained at the earliest; with 60, much the same
_QUIET = 50.0  # seconds without a refusal, after which the growth doubles (with 30, 1.15 % of 20/s were refused) ...
_MANY = 2000.0  # ... or so many requests (1000: 100/s 0.68 fair, not 0.74; 3000: one worker is given 0.982 of it) ...
_DOUBLING = 4.0  # ... each so many seconds (with 8, 0.87 of a limit for four raised from 100/s to 300/s, not 1.00) ...
_HURRY = 0.05  # ... up to this part of the pace a second
_LESS = 0.8  # of the pace: less delivered lately, and the pace is not what was used. With 0.6, 19 % of 1/s were refused
_LATELY = 2.0  # seconds (and at least _FEW answers) that make half of "lately"
_FEW = 16
_DEAF = 0.2  # seconds after a fall in which refusals are not heard. With 0.3, 14.0 % in windows of 10 s, not 12.6
_LOST = 2  # falls with nothing delivered between them, after which it is an outage. With 3, 14.5 % in windows of 10 s
_BLINDEST = 0.5  # requests/s: how often to ask in an outage. With 0.25, four made 0.85 in windows of 10 s, not 1.00
_RESUME = 0.9  # of the pace before the outage. With none, one worker made 0.74 in a sliding window of 60 s, not 1.00
_SHORTEST = 1.0  # seconds: the least pause that a Retry-After makes
_LONGEST = 120.0  # seconds: the longest


class Pace:
    """Hands out moments to send at. Has no clock and waits for nothing; for the tasks of one event loop.

    :param ceiling: requests per second never to be exceeded; None for none.
    :param jitter: random in [0, 1).
    """

    def __init__(self, ceiling: float | None = None, *, jitter: Callable[[], float] = random.random) -> None:
        self._ceiling = math.inf if ceiling is None else ceiling
        self._jitter = jitter
        self._rate = ceiling
        self._born = -math.inf  # when it began to learn
        self._next = 0.0  # the first slot that nobody has
        self._fell = 0.0  # the first slot of the present pace
        self._hears = 0.0  # refusals of requests sent earlier are not heard
        self._blind = 0  # falls since anything was delivered
        self._resume = 0.0  # the pace to return to once something is delivered again; 0 for the present one
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
            self._rate = rate = min(self._ceiling, rate + self._growth(rate, at) / rate)
        self._next = at + 1.0 / rate
        return at - now

    def _growth(self, rate: float, at: float) -> float:
        """Return by how many requests/s the pace grows in a second."""
        fall = self._fall_at(at)
        growth = min(_GENTLE * rate, fall * rate * rate / _PAID)
        quiet = at - self._fell - min(_QUIET, _MANY / rate)
        if quiet > 0.0:
            # No more doublings than a float holds.
            growth = max(growth, min(growth * math.pow(2.0, min(quiet / _DOUBLING, 100.0)), _HURRY * rate))
        # One slot must not regain more than two thirds of a fall: a slow pace would be refused at every other one.
        young = min(_EAGER * math.pow(2.0, (self._born - at) / _EAGER_HALVES), fall * rate * rate / 1.5)
        return max(growth, young)

    def _fall_at(self, now: float) -> float:
        return max(_FALL, _YOUNG_FALL * math.pow(2.0, (self._born - now) / _FALL_HALVES))

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
            if self._resume:
                self._go_on(now)
            self._blind = 0
            self._delivered += 1
            if now - self._since > _LATELY and self._delivered >= _FEW:
                self._delivered_before, self._delivered = self._delivered, 0
                self._before, self._since = self._since, now
        if retry_after is not None:
            self._pause(now + min(max(_SHORTEST, retry_after), _LONGEST))

    def _fall(self, now: float) -> None:
        lately = (self._delivered_before + self._delivered + 1) / max(1.0, now - self._before)
        if self._born == -math.inf:
            self._born = now
        if self._rate is None:
            rate = max(_FIRST * lately, _LEAST_FIRST)
        elif 0 < self._blind < _LOST:
            rate = max(self._rate / 2.0, min(self._rate, _BLINDEST))
        elif self._blind:
            if not self._resume and self._rate > _BLINDEST:
                self._resume = _RESUME * self._rate
            rate = min(self._rate, _BLINDEST)
        else:
            used = max(lately, self._rate / 2.0) if lately < _LESS * self._rate else self._rate
            rate = (1.0 - self._fall_at(now)) * used
        self._rate = min(self._ceiling, max(SLOWEST, rate))
        self._blind += 1
        self._fell = max(self._next, now)
        self._hears = max(self._fell, now + _DEAF)
        self._next = self._fell + self._jitter() / self._rate

    def _go_on(self, now: float) -> None:
        """Return to the pace before the outage, of which this is the end."""
        assert self._rate is not None
        self._rate, self._resume = min(self._ceiling, max(self._rate, self._resume)), 0.0
        self._born = self._fell = now
        self._next = min(self._next, now + 1.0 / self._rate)

    def _pause(self, until: float) -> None:
        if until > self._next:
            self._next = self._fell = self._hears = until
            # What is delivered per second of a pause says nothing: count anew.
            self._delivered = self._delivered_before = 0
            self._since = self._before = until
