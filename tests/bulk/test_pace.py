"""The pace: its rules, and workers under a limit in a simulation."""

from __future__ import annotations

import statistics

import pytest

from airflow_provider_jicoo.bulk.apply.pace import SLOWEST, Pace
from tests.bulk.limits import Ask, Bucket, FixedWindow, SlidingWindow, figures, silent, simulate, whole, zero


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
        pace.answered(429, None, 20.0 * number, 20.0 * number)
        pace.answered(200, None, 20.0 * number + 10, 20.0 * number + 10)
    assert pace.rate == SLOWEST


def test_an_outage_leaves_it_quick_to_notice_the_end():
    pace = Pace()
    for number in range(100):
        pace.answered(429, None, float(number), float(number))
    assert pace.rate == 0.5


def test_after_an_outage_it_goes_on_as_before():
    pace = Pace()
    for number in range(1000):
        pace.answered(200, None, number / 100, number / 100)
    pace.answered(429, None, 10.0, 10.0)
    before = pace.rate
    pace.answered(200, None, 10.5, 10.5)
    for second in range(11, 40):
        pace.answered(429, None, float(second), float(second))
    assert pace.rate == 0.5
    pace.answered(200, None, 40.0, 40.0)
    # It was taken for an outage at the third refusal: after a fall to 0.35 and one to a half; 0.9 of that.
    rate = pace.rate
    assert rate == pytest.approx(before * 0.35 / 2 * 0.9, rel=0.15)
    assert pace.reserve(40.0) <= 1 / rate


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


@pytest.mark.parametrize("processes", [1, 4])
@pytest.mark.parametrize("rate", [20, 100])
def test_workers_settle_on_a_limit_that_nobody_tells(rate: int, processes: int):
    runs = [figures(simulate(Bucket(rate), processes, seed, end=260), 60, 260) for seed in range(4)]
    assert min(run.delivered for run in runs) >= 0.98 * rate * 200
    assert statistics.mean(run.refused for run in runs) < 0.01
    # The share is a figure of the benchmark; here nobody is to starve.
    assert min(run.fair for run in runs) >= 0.4


def test_a_short_job_is_shared_too():
    runs = [figures(simulate(Bucket(rate), 4, seed, end=21), 0, 20) for rate in (20, 100) for seed in range(16)]
    assert statistics.median(run.fair for run in runs) >= 0.45


@pytest.mark.parametrize(("burst", "delivered", "refused"), [(1, 0.45, 0.5), (2, 0.8, 0.3), (5, 0.97, 0.2)])
def test_a_slow_limit_is_not_hammered(burst: int, delivered: float, refused: float):
    runs = [figures(simulate(Bucket(1, burst), 4, seed, end=260), 60, 260) for seed in range(4)]
    assert statistics.mean(run.delivered for run in runs) >= delivered * 200
    assert statistics.mean(run.refused for run in runs) < refused


@pytest.mark.parametrize("limiter", [lambda: FixedWindow(20, 60), lambda: SlidingWindow(20, 60)])
@pytest.mark.parametrize(("processes", "refused"), [(1, 0.035), (4, 0.11)])
def test_a_window_of_a_minute_is_used_up_with_few_refusals(limiter, processes: int, refused: float):
    runs = [figures(simulate(limiter(), processes, seed, end=420), 120, 420) for seed in range(3)]
    assert min(run.delivered for run in runs) >= 0.93 * 20 * 300
    assert statistics.mean(run.refused for run in runs) < refused


def test_the_first_burst_is_gentle():
    workers = simulate(Bucket(20), 4, 1, end=10)
    assert sum(sum(worker.refused) for worker in workers) <= 60


@pytest.mark.parametrize("asks", [silent, zero, whole])
@pytest.mark.parametrize("status", [429, 503])
def test_however_a_refusal_is_told(asks: Ask, status: int):
    run = figures(simulate(Bucket(20), 4, 1, end=260, asks=asks, status=status), 60, 260)
    assert run.delivered >= 0.98 * 20 * 200
    assert run.refused < 0.02


@pytest.mark.parametrize(
    ("limiter", "asks", "least"),
    [
        (lambda: Bucket(20, 1200), silent, 0.98),
        (lambda: FixedWindow(20, 1), silent, 0.9),
        (lambda: FixedWindow(20, 10), silent, 0.6),
        (lambda: FixedWindow(20, 60), silent, 0.9),
        (lambda: FixedWindow(20, 60), whole, 0.98),
        (lambda: SlidingWindow(20, 10), silent, 0.9),
        (lambda: SlidingWindow(20, 60), whole, 0.95),
    ],
)
@pytest.mark.parametrize("processes", [1, 4])
def test_other_limiters_do_not_break_it(limiter, asks: Ask, least: float, processes: int):
    run = figures(simulate(limiter(), processes, 1, end=420, asks=asks), 120, 420)
    assert run.delivered >= least * 20 * 300


@pytest.mark.parametrize("new", [100 / 3, 300])
def test_a_limit_that_changes_is_learnt_anew(new: float):
    run = figures(simulate(Bucket(100), 1, 3, end=160, change=(60.0, new)), 120, 160)
    assert run.delivered >= 0.9 * new * 40
    assert run.refused <= 0.02


@pytest.mark.parametrize("processes", [1, 4])
def test_a_ceiling_is_never_exceeded(processes: int):
    workers = simulate(Bucket(50), processes, 1, end=120, ceiling=7.0)
    # A second that begins with a slot may hold one more.
    assert max(max(map(sum, zip(worker.fine, worker.refused, strict=True))) for worker in workers) <= 8


def test_a_limit_below_the_ceiling_is_learnt_too():
    run = figures(simulate(Bucket(20), 4, 1, end=260, ceiling=50.0), 60, 260)
    assert run.delivered >= 0.98 * 20 * 200
    assert run.refused < 0.015
