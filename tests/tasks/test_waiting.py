"""When an apply may send."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_provider_jicoo.bulk.apply.stop import Stop
from airflow_provider_jicoo.tasks.waiting import Waits, Window, why_it_waits

NIGHT = Window.parse(("21:00", "07:00"), "Asia/Tokyo")


def at(text):
    return datetime.fromisoformat(text).astimezone(timezone.utc)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-01-15T20:59:59+09:00", False),
        ("2026-01-15T21:00:00+09:00", True),
        ("2026-01-16T00:00:00+09:00", True),
        ("2026-01-16T06:59:59+09:00", True),
        ("2026-01-16T07:00:00+09:00", False),
        ("2026-01-15T12:00:00+00:00", True),
    ],
)
def test_over_midnight(moment, is_open):
    assert NIGHT.is_open(at(moment)) is is_open


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-03-29T00:59:00+00:00", False),  # 01:59, right before the clocks go forward to 03:00
        ("2026-03-29T01:00:00+00:00", True),  # 03:00: half past two is skipped, and past
        ("2026-10-25T00:29:00+00:00", False),  # 02:29, the first time
        ("2026-10-25T00:30:00+00:00", True),
        ("2026-10-25T01:10:00+00:00", False),  # 02:10, the second time
        ("2026-10-25T01:30:00+00:00", True),
    ],
)
def test_where_the_clocks_change(moment, is_open):
    assert Window.parse(["02:30", "05:00"], "Europe/Berlin").is_open(at(moment)) is is_open


@pytest.mark.parametrize(
    ("between", "zone", "said"),
    [
        ("21:00-07:00", "Asia/Tokyo", "is not two times of day"),
        (("21:00",), "Asia/Tokyo", "is not two times of day"),
        (("9 pm", "07:00"), "Asia/Tokyo", "is no time of day"),
        (("21:00+09:00", "07:00"), "Asia/Tokyo", "has an offset"),
        (("07:00", "07:00"), "Asia/Tokyo", "begins when it ends"),
        (("21:00", "07:00"), None, "by which clocks"),
        (("21:00", "07:00"), "Tokyo", "no time zone"),
        (("21:00", "07:00"), "../etc/passwd", "no time zone"),
        ((21, 7), "Asia/Tokyo", "is no time of day"),
    ],
)
def test_what_is_none(between, zone, said):
    with pytest.raises(ValueError, match=said):
        Window.parse(between, zone)


@pytest.mark.parametrize("nothing", [None, "", (), []])
def test_no_window(nothing):
    assert Window.parse(nothing, None) is None


@pytest.mark.parametrize(
    ("told", "moment", "why"),
    [
        (None, "2026-01-15T22:00+09:00", None),
        (None, "2026-01-15T12:00+09:00", "it may send only from 21:00 to 07:00 Asia/Tokyo"),
        ('{"state": "pause"}', "2026-01-15T22:00+09:00", "it is paused"),
        ('{"state": "stop"}', "2026-01-15T12:00+09:00", None),
        ("what?", "2026-01-15T12:00+09:00", None),
    ],
)
def test_why_it_waits(told, moment, why):
    assert why_it_waits(told, NIGHT, at(moment)) == why


def test_a_worker_that_waits_itself_is_paused_by_the_window():
    waits = Waits(lambda: '{"max_requests_per_second": 5}', NIGHT, None, lambda: at("2026-01-15T12:00+09:00"))
    assert waits() == '{"max_requests_per_second": 5, "state": "pause"}'
    assert waits.reason is None


def test_one_that_leaves_is_ended_once_and_says_why():
    stop = Stop()
    waits = Waits(lambda: '{"state": "pause"}', None, stop)
    waits()
    waits()
    assert (stop.asked, stop.reason, waits.reason) == (True, "it is paused", "it is paused")


def test_what_was_stopped_before_is_not_gone_on_with():
    stop = Stop()
    stop("the task was killed")
    waits = Waits(lambda: '{"state": "pause"}', None, stop)
    waits()
    assert waits.reason is None
