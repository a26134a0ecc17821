"""Counting free slots by the wall clock."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.api.errors import InvalidRequestError, UnexpectedAnswerError
from airflow_provider_jicoo.api.slots import When, capacity, free, per_day


def slot(start, room=1):
    return {"startedAt": start, "remainingCapacity": room}


FRIDAY_EVENING = slot("2031-03-07T10:00:00.000Z", 2)  # 19:00 in Tokyo
SATURDAY_MORNING = slot("2031-03-07T15:30:00.000Z")  # 00:30 on Saturday in Tokyo, a Friday in UTC
MONDAY_NOON = slot("2031-03-10T03:00:00.000Z", 3)
FULL = slot("2031-03-10T04:00:00.000Z", 0)
ALL = [FRIDAY_EVENING, SATURDAY_MORNING, MONDAY_NOON, FULL]


@pytest.mark.parametrize(
    ("weekdays", "hours", "expected"),
    [
        (None, None, [FRIDAY_EVENING, SATURDAY_MORNING, MONDAY_NOON]),
        (["fri"], None, [FRIDAY_EVENING]),
        (["Saturday", " MON "], None, [SATURDAY_MORNING, MONDAY_NOON]),
        ("mon,fri", None, [FRIDAY_EVENING, MONDAY_NOON]),
        (None, ("19:00", "20:00"), [FRIDAY_EVENING]),
        (None, ("18:00", "19:00"), []),
        (None, ["18", "24:00"], [FRIDAY_EVENING]),
        (None, "0:00-1:00", [SATURDAY_MORNING]),
        (None, (0, 24), [FRIDAY_EVENING, SATURDAY_MORNING, MONDAY_NOON]),
        (("mon",), (12, 13), [MONDAY_NOON]),
    ],
)
def test_free(weekdays, hours, expected):
    assert free(ALL, When.of(weekdays, hours, "Asia/Tokyo")) == expected


def test_hours_are_the_wall_clock_on_both_sides_of_a_change():
    """New York's clocks go forward on 9 March 2031: noon is 17:00 UTC before, 16:00 UTC after."""
    slots = [slot(f"2031-03-{day:02d}T{hour}:00:00.000Z") for day in (7, 10) for hour in (16, 17)]
    assert free(slots, When.of(hours=("12:00", "13:00"), time_zone="America/New_York")) == [slots[1], slots[2]]


def test_without_conditions_no_zone_is_needed():
    assert free(ALL) == ALL[:3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"weekdays": ["mon"]}, "time_zone: weekdays and hours need one"),
        ({"hours": ("18:00", "22:00")}, "time_zone"),
        ({"weekdays": [1], "time_zone": "Asia/Tokyo"}, "weekdays: 1 is none of mon, tue"),
        ({"weekdays": [], "time_zone": "Asia/Tokyo"}, "at least one"),
        ({"weekdays": "monn", "time_zone": "Asia/Tokyo"}, "weekdays: 'monn' is none of"),
        ({"hours": ("22:00", "18:00"), "time_zone": "Asia/Tokyo"}, "is not a begin and a later end"),
        ({"hours": ("18:00",), "time_zone": "Asia/Tokyo"}, "is not a begin and a later end"),
        ({"hours": ("18:00", "24:30"), "time_zone": "Asia/Tokyo"}, "hours: '24:30' is not a wall-clock time"),
        ({"hours": ("6pm", "22:00"), "time_zone": "Asia/Tokyo"}, "hours: '6pm' is not a wall-clock time"),
        ({"time_zone": "Asia/Tokio"}, "time_zone: .*did you mean 'Asia/Tokyo'"),
    ],
)
def test_what_cannot_be_read(arguments, words):
    with pytest.raises(InvalidRequestError, match=words):
        When.of(**arguments)


def test_per_day():
    assert per_day(reversed(ALL), "Asia/Tokyo") == {
        "2031-03-07": {"slots": 1, "capacity": 2},
        "2031-03-08": {"slots": 1, "capacity": 1},
        "2031-03-10": {"slots": 1, "capacity": 3},
    }
    assert list(per_day(reversed(ALL), "UTC")) == ["2031-03-07", "2031-03-10"]
    with pytest.raises(InvalidRequestError, match="time_zone"):
        per_day([], "nowhere")


@pytest.mark.parametrize(
    ("given", "room"), [({}, 1), ({"remainingCapacity": None}, 1), (slot("x", 0), 0), (slot("x", 5), 5)]
)
def test_capacity(given, room):
    assert capacity(given) == room


def test_a_slot_that_does_not_say_when():
    with pytest.raises(UnexpectedAnswerError, match="does not say when it starts"):
        free([{"remainingCapacity": 1}])
