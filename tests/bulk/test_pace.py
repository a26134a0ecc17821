"""The pace: its rules, and workers under a limit in a simulation."""

from __future__ import annotations

import heapq
import itertools
import random

import pytest

from airflow_provider_jicoo.bulk.apply.pace import SLOWEST, Pace


def test_nothing_is_held_back_before_the_first_429():
    pace = Pace()
    assert pace.rate is None
    assert {pace.reserve(number / 1000) for number in range(1000)} == {0.0}


def test_a_ceiling_is_kept_and_evenly_spaced():
    pace = Pace(10)
    waits = [pace.reserve(5.0) for _ in range(5)]
    assert waits == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_it_falls_under_what_was_delivered():
    pace = Pace()
    for number in range(200):
        pace.answered(200, None, number / 20, number / 20)
    pace.answered(429, None, 10.0, 10.0)
    first = pace.rate
    assert first is not None
    assert first < 20
    for number in range(200):
        pace.answered(200, None, 10 + number / 10, 10 + number / 10)
    pace.answered(429, None, 30.0, 30.0)
    assert pace.rate < 10


def test_it_never_falls_below_the_floor():
    pace = Pace()
    for number in range(100):
        pace.answered(429, None, float(number), float(number))
    assert pace.rate == SLOWEST


@pytest.mark.parametrize(("asked", "waits"), [(0.0, 1.0), (0.3, 1.0), (5.0, 5.0)])
def test_nobody_sends_before_retry_after(asked, waits):
    pace = Pace()
    pace.answered(429, asked, 0.0, 0.0)
    assert pace.reserve(0.0) >= waits


def test_late_429s_of_one_burst_count_once():
    pace = Pace()
    for number in range(100):
        pace.answered(200, None, number / 50, number / 50)
    pace.answered(429, None, 2.0, 2.0)
    fallen = pace.rate
    for _ in range(30):
        pace.answered(429, None, 2.0, 2.1)
    assert pace.rate == fallen


def test_only_who_is_held_back_raises_the_pace():
    pace = Pace()
    pace.answered(429, None, 0.0, 0.0)
    fallen = pace.rate
    for second in range(1, 60):
        assert pace.reserve(second * 10.0) == 0.0
    assert pace.rate == fallen
    for _ in range(60):
        pace.reserve(600.0)
    assert pace.rate > fallen


def test_the_ceiling_holds_after_a_429_too():
    pace = Pace(4)
    pace.answered(429, None, 0.0, 0.0)
    for _ in range(2000):
        pace.reserve(0.0)
    assert pace.rate <= 4


class Bucket:
    """A token bucket that holds the requests of one second; a refused one costs nothing."""

    def __init__(self, rate: float) -> None:
        self.rate, self.tokens, self.at = rate, rate, 0.0

    def takes(self, now: float) -> bool:
        self.tokens = min(self.rate, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def simulate(rate: float, processes: int, seed: int, *, end: float = 130.0, change: tuple[float, float] | None = None):
    """Return, for each process, what was delivered and refused in each second; 32 requests in flight in each."""
    jitter = random.Random(seed)
    bucket, paces = Bucket(rate), [Pace(jitter=jitter.random) for _ in range(processes)]
    numbers = itertools.count()
    starts = [0.0, *sorted(jitter.uniform(0, 15) for _ in range(processes - 1))]
    events = [(starts[p] + 0.0001 * w, next(numbers), "wants", p, 0.0) for p in range(processes) for w in range(32)]
    heapq.heapify(events)
    seen = [([0] * int(end + 1), [0] * int(end + 1)) for _ in range(processes)]
    # As in the client, one at a time waits for its moment.
    waiting: list[list[int]] = [[] for _ in range(processes)]
    turn = [False] * processes
    while events:
        now, _, what, who, sent = heapq.heappop(events)
        if now > end:
            break
        if change is not None and now >= change[0]:
            bucket.rate = change[1]
        if what == "wants":
            if turn[who]:
                waiting[who].append(next(numbers))
                continue
            turn[who] = True
            event = (now + paces[who].reserve(now), next(numbers), "leaves", who, 0.0)
        elif what == "leaves":
            turn[who] = False
            if waiting[who]:
                heapq.heappush(events, (now, waiting[who].pop(0), "wants", who, 0.0))
            event = (now + jitter.uniform(0.002, 0.025), next(numbers), "arrives", who, now)
        elif what == "arrives":
            taken = bucket.takes(now)
            seen[who][0 if taken else 1][int(now)] += 1
            back = now + jitter.uniform(0.002, 0.025)
            event = (back, next(numbers), "fine" if taken else "refused", who, sent)
        else:
            paces[who].answered(200 if what == "fine" else 429, None, sent, now)
            event = (now + (0.0 if what == "fine" else 1 + jitter.random()), next(numbers), "wants", who, 0.0)
        heapq.heappush(events, event)
    return seen


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("processes", [1, 4])
@pytest.mark.parametrize("rate", [20, 100])
def test_workers_settle_on_a_limit_that_nobody_tells(rate: int, processes: int, seed: int):
    seen = simulate(rate, processes, seed, end=260)
    delivered = [sum(fine[60:260]) for fine, _ in seen]
    refused = sum(sum(bad[60:260]) for _, bad in seen)
    assert sum(delivered) >= 0.95 * rate * 200
    assert refused / (refused + sum(delivered)) < 0.02
    # The share is a figure of the benchmark; here nobody is to starve.
    assert min(delivered) >= 0.4 * max(delivered)


@pytest.mark.parametrize("new", [100 / 3, 300])
def test_a_limit_that_changes_is_learnt_anew(new: float):
    (fine, bad) = simulate(100, 1, 3, end=160, change=(60.0, new))[0]
    assert sum(fine[120:160]) >= 0.9 * new * 40
    assert sum(bad[120:160]) <= 0.02 * sum(fine[120:160])
