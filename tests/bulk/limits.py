"""Workers with one key under a limit, simulated: a pure function of its seed, with virtual time."""

from __future__ import annotations

import collections
import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_jicoo.bulk.apply.pace import Pace

Ask = Callable[[float], "float | None"]
"""What a refusal says in Retry-After, given the seconds until a request would be taken."""


def silent(seconds: float) -> float | None:
    return None


def zero(seconds: float) -> float | None:
    return 0.0


def whole(seconds: float) -> float | None:
    return float(math.ceil(seconds))


class Limiter(Protocol):
    rate: float

    def wait(self, now: float) -> float:
        """Take a request and return 0, or return the seconds until one would be taken."""


class Bucket:
    """A token bucket; a refused request costs nothing.

    :param burst: tokens that it holds; by default those of one second.
    """

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self.rate, self.burst, self.at = rate, burst, 0.0
        self.tokens = self._size()

    def _size(self) -> float:
        return max(1.0, self.rate if self.burst is None else self.burst)

    def wait(self, now: float) -> float:
        self.tokens = min(self._size(), self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return (1 - self.tokens) / self.rate
        self.tokens -= 1
        return 0.0


class FixedWindow:
    """So many requests in each window, which all begin anew at once."""

    def __init__(self, rate: float, window: float) -> None:
        self.rate, self.window, self.number, self.taken = rate, window, -1, 0

    def wait(self, now: float) -> float:
        number = int(now // self.window)
        if number != self.number:
            self.number, self.taken = number, 0
        if self.taken >= self.rate * self.window:
            return (number + 1) * self.window - now
        self.taken += 1
        return 0.0


class SlidingWindow:
    """So many requests in the time before each request."""

    def __init__(self, rate: float, window: float) -> None:
        self.rate, self.window = rate, window
        self.taken: collections.deque[float] = collections.deque()

    def wait(self, now: float) -> float:
        while self.taken and self.taken[0] <= now - self.window:
            self.taken.popleft()
        if len(self.taken) >= self.rate * self.window:
            return max(1e-6, self.taken[0] + self.window - now)
        self.taken.append(now)
        return 0.0


@dataclass
class Worker:
    pace: Pace
    fine: list[int]
    refused: list[int]
    free: int = 2
    """Tasks with nothing to do; as in the engine two begin, and each answer lets one more begin."""
    tasks: int = 2
    has_turn: bool = field(default=False)
    """Whether one of its tasks waits for its moment: one at a time does, as in the client."""


def simulate(
    limiter: Limiter,
    workers: int,
    seed: int,
    *,
    end: float,
    spread: float = 1.0,
    change: tuple[float, float] | None = None,
    asks: Ask = silent,
    status: int = 429,
    ceiling: float | None = None,
) -> list[Worker]:
    """Return the workers, with what was taken and refused in each second; up to 32 requests in flight in each.

    :param spread: seconds within which they start.
    :param change: when the limit becomes another, and which.
    :param status: of a refusal.
    """
    jitter = random.Random(seed)
    all_of = [
        Worker(Pace(ceiling, jitter=jitter.random), [0] * (int(end) + 1), [0] * (int(end) + 1)) for _ in range(workers)
    ]
    numbers = itertools.count()
    starts = [0.0, *sorted(jitter.uniform(0, spread) for _ in range(workers - 1))]
    events = [(at, next(numbers), "starts", worker, 0.0, None) for at, worker in zip(starts, all_of, strict=True)]

    def then(at: float, what: str, worker: Worker, sent: float = 0.0, asked: float | None = None) -> None:
        heapq.heappush(events, (at, next(numbers), what, worker, sent, asked))

    while events and events[0][0] <= end:
        now, _, what, worker, sent, asked = heapq.heappop(events)
        if change is not None and now >= change[0]:
            limiter.rate = change[1]
        if what == "leaves":
            worker.has_turn = False
            then(now + jitter.uniform(0.002, 0.025), "arrives", worker, now)
        elif what == "arrives":
            wait = limiter.wait(now)
            (worker.refused if wait else worker.fine)[int(now)] += 1
            back = now + jitter.uniform(0.002, 0.025)
            then(back, "is refused" if wait else "is taken", worker, sent, asks(wait) if wait else None)
        elif what == "is taken":
            worker.pace.answered(200, None, sent, now)
            more = int(worker.tasks < 32)
            worker.tasks += more
            worker.free += 1 + more
        elif what == "is refused":
            worker.pace.answered(status, asked, sent, now)
            then(now + max(1.0, asked or 0.0), "goes on", worker)
        elif what == "goes on":
            worker.free += 1
        while worker.free and not worker.has_turn:
            worker.free -= 1
            worker.has_turn = worker.pace.rate is not None
            then(now + worker.pace.reserve(now), "leaves", worker)
    return all_of


@dataclass(frozen=True)
class Figures:
    """Of some seconds of a simulation.

    :param delivered: requests taken.
    :param refused: part of all requests that was refused.
    :param fair: what the slowest worker was given, of what the fastest was.
    """

    delivered: int
    refused: float
    fair: float


def figures(workers: list[Worker], first: int, last: int) -> Figures:
    taken = [sum(worker.fine[first:last]) for worker in workers]
    refused = sum(sum(worker.refused[first:last]) for worker in workers)
    return Figures(sum(taken), refused / max(1, refused + sum(taken)), min(taken) / max(1, *taken))
