"""What became of bookings between two looks, as a function of both."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_jicoo.api import booking_changes
from airflow_provider_jicoo.api.booking_changes import (
    GONE_AT_MOST,
    Period,
    VanishedError,
    absent,
    change_of,
    check_gone,
    past,
    period,
    seen,
    start_of,
)
from airflow_provider_jicoo.api.models import Booking

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def booking(**fields):
    return {
        "uid": "mzgdPJVBb7RE",
        "eventTypeId": "o072r8CvwVF4",
        "name": "A talk with Hanako",
        "status": "open",
        "startedAt": "2026-03-02T09:00:00.000Z",
        "endedAt": "2026-03-02T10:00:00.000Z",
        "hosts": [{"userId": "u1", "role": "admin"}, {"userId": "u2", "role": "viewer"}],
        "createdAt": "2026-02-01T00:00:00.000Z",
        "updatedAt": "2026-02-01T00:00:00.000Z",
        **fields,
    }


def told(before, **fields):
    entry = None if before is None else seen(booking(**before)).entry
    change = change_of("mzgdPJVBb7RE", entry, seen(booking(**fields)))
    return None if change is None else change.event


LATER = {"startedAt": "2026-03-03T09:00:00.000Z", "endedAt": "2026-03-03T10:00:00.000Z"}


@pytest.mark.parametrize(
    ("before", "now", "event"),
    [
        (None, {}, "booked"),
        (None, {"status": "request"}, "booked"),
        (None, {"status": "cancel"}, "cancelled"),
        ({}, {}, None),
        ({}, {"name": "Another"}, "updated"),
        ({}, {"hosts": [{"userId": "u3"}]}, "updated"),
        ({}, {"updatedAt": "2026-02-02T00:00:00.000Z"}, "updated"),
        ({"status": "request"}, {}, "updated"),
        ({}, LATER, "rescheduled"),
        ({}, {"endedAt": "2026-03-02T11:00:00.000Z"}, "rescheduled"),
        ({}, {**LATER, "status": "cancel"}, "cancelled"),
        ({"status": "cancel"}, {"status": "cancel"}, None),
        ({"status": "cancel"}, {"status": "cancel", "cancelReason": "ill"}, "updated"),
        ({"status": "cancel"}, {}, "booked"),
        ({}, {"status": "cancelled"}, "cancelled"),
        ({"status": "new"}, {"status": "newer"}, "updated"),
    ],
)
def test_what_happened(before, now, event):
    assert told(before, **now) == event


@pytest.mark.parametrize(
    "same",
    [
        {"hosts": [{"userId": "u2", "role": "viewer"}, {"userId": "u1", "role": "admin"}]},
        {"startedAt": "2026-03-02T18:00:00+09:00"},
        {"updatedAt": "2026-02-01T00:00:00Z", "createdAt": "2026-02-01T09:00:00.000+09:00"},
        {"description": ""},
        {"cancelledAt": "", "cancelReason": ""},
        {"aFieldThatIsNotDocumented": "changes with each answer"},
    ],
    ids=["order of hosts", "the time of another zone", "stamps", "nothing as empty", "not cancelled", "unknown field"],
)
def test_what_is_written_otherwise_is_no_change(same):
    assert told({}, **same) is None


def test_two_changes_within_one_second_are_two():
    """``updatedAt`` may be cut to seconds."""
    one = seen(booking(updatedAt="2026-02-02T00:00:00.000Z")).entry
    assert change_of("a", one, seen(booking(updatedAt="2026-02-02T00:00:00.000Z", priority="high"))).event == "updated"


def test_one_that_is_gone_is_cancelled_once():
    change = change_of("a", seen(booking()).entry, None)
    assert (change.event, change.status, change.entry) == ("cancelled", "gone", None)
    assert change_of("a", seen(booking(status="cancel")).entry, None) is None
    assert change_of("a", None, None) is None


def test_the_id_is_that_of_the_change():
    change = change_of("a", None, seen(booking()))
    again = change_of("a", None, seen(booking()))
    other = change_of("a", seen(booking()).entry, seen(booking(priority="high")))
    assert change.id == again.id
    assert len({change.id, other.id, change_of("b", None, seen(booking())).id}) == 3
    assert len(change.id) == 32


def test_nothing_that_the_guest_told_is_in_it():
    row = booking(name="Hanako Yamada", phoneNumber="+81-90-0000-0000", description="my knee", address="Kyoto 1-1")
    shown = repr(seen(row)) + json.dumps(seen(row)) + repr(change_of("a", None, seen(row)))
    for secret in ("Hanako", "Yamada", "0000", "knee", "Kyoto"):
        assert secret not in shown


class TestPeriod:
    def test_it_begins_a_day_before_the_last_look(self):
        assert period(NOW, NOW, None) == Period("2026-02-28T12:00:00.000Z", None)
        assert period(NOW - timedelta(days=9), NOW, 30) == Period(
            "2026-02-19T12:00:00.000Z", "2026-03-31T12:00:00.000Z"
        )

    def test_a_clock_that_was_put_back(self):
        assert period(NOW + timedelta(days=9), NOW, None).lower == "2026-02-28T12:00:00.000Z"

    @pytest.mark.parametrize(("start", "has"), [("2026-03-01", True), ("2026-03-02", False), ("2026-02-28", False)])
    def test_what_is_in_it(self, start, has):
        assert Period("2026-03-01", "2026-03-02").has(start) is has


def test_what_a_sweep_should_have_shown():
    entries = {uid: f"open {start} {start} 00" for uid, start in (("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"))}
    assert absent(entries, ["c"], Period("2", "4")) == ["b"]
    assert past(entries, "3") == ["a", "b"]
    assert start_of(entries["d"]) == "4"


def test_a_status_with_a_space_in_it():
    entry = seen(booking(status="not yet known")).entry
    assert start_of(entry) == "2026-03-02T09:00:00.000Z"
    assert change_of("a", entry, seen(booking(status="cancel"))).event == "cancelled"


def test_many_that_are_gone_at_once_are_not_cancelled():
    entries = {str(number): "open 1 2 00" for number in range(50)}
    check_gone(entries, dict.fromkeys(list(entries)[:GONE_AT_MOST]))
    with pytest.raises(VanishedError, match=r"^11 of the 50 bookings known do not exist any more for this API key"):
        check_gone(entries, dict.fromkeys(list(entries)[: GONE_AT_MOST + 1]))


def test_many_may_be_gone_that_were_cancelled_before():
    """Jicoo may remove those after a while; nothing is told of them, and nothing else must be kept back."""
    entries = {str(number): "cancel 1 2 00" for number in range(50)}
    check_gone(entries, dict.fromkeys(entries))
    with pytest.raises(VanishedError):
        check_gone({**entries, "0": "open 1 2 00"}, dict.fromkeys(entries))


def test_all_that_is_documented_of_a_booking_is_compared():
    """The list is written out, since stored cursors depend on its order, and nothing heavy is to be imported for it."""
    said_itself = {"uid", "status", "startedAt", "endedAt", "hosts"}
    assert [name for name in Booking.__annotations__ if name not in said_itself] == list(booking_changes._FIELDS)
