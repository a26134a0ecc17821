"""What each change makes of a booking, and that nothing of a guest is in its description."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.bulk import Cancel, Change, ReplaceHost, Reschedule, ShiftTime, UpdateFields
from airflow_provider_jicoo.bulk.changes import as_change

UTC = timezone.utc


def booking(start="2026-09-01T01:00:00.000Z", end="2026-09-01T02:00:00.000Z", zone="Asia/Tokyo", **fields):
    return {
        "uid": "mzgdPJVBb7RE",
        "name": "山田 太郎 / demo",
        "description": "bring the contract",
        "status": "open",
        "startedAt": start,
        "endedAt": end,
        "timeZone": zone,
        "hosts": [{"userId": "leaves", "role": "admin"}],
        **fields,
    }


def local(zone, *clock, fold=0, minutes=60):
    """A booking at a wall clock, and so many minutes long."""
    start = datetime(*clock, tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)
    return booking(times.wire(start), times.wire(start + timedelta(minutes=minutes)), zone)


def clock(moment, zone):
    return times.moment(moment).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def length(fields):
    return times.moment(fields["endedAt"]) - times.moment(fields["startedAt"])


# --- UpdateFields ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["time_zone", "timeZone"])
def test_fields_in_either_spelling(name):
    target = UpdateFields(**{name: "Europe/Madrid"}, priority=None).target(booking())
    assert (target.action, target.after, target.send) == (
        "update",
        {"timeZone": "Europe/Madrid", "priority": None},
        None,
    )


def test_times_are_sent_in_utc():
    after = UpdateFields(startedAt="2026-09-01T10:30+09:00").target(booking()).after
    assert after == {"startedAt": "2026-09-01T01:30:00.000Z"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"descripton": "x"}, "unknown field 'descripton'; did you mean 'description'?"),
        ({"status": "cancel"}, "unknown field 'status'"),
        ({}, "changes nothing"),
        ({"priority": "urgent"}, "priority"),
        ({"name": None}, "name"),
        ({"started_at": "2026-09-01T10:30"}, "no offset"),
        ({"timeZone": "Tokyo"}, "is not an IANA time zone"),
        ({"time_zone": "Asia/Tokyo", "timeZone": "Asia/Tokyo"}, "given twice"),
        ({"hosts": [{"userId": "a"}]}, "hosts.0.role is required"),
        ({"description": "x", "is_send_updates": True}, "given to the plan"),
        ({"description": "x", "isSendUpdates": False}, "given to the plan"),
        ({"description": "x", "update_message": "hello"}, "given to the plan"),
        ({"isSendUpdates": True}, "changes nothing"),
    ],
)
def test_fields_that_cannot_be_right(fields, words):
    with pytest.raises((InvalidRequestError, ValueError), match=re.escape(words)):
        UpdateFields(**fields).target(booking())


# --- ReplaceHost -----------------------------------------------------------------------------------------------------


def hosts(*pairs):
    return [{"userId": user, "role": role} for user, role in pairs]


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ([("leaves", "admin")], [("comes", "admin")]),
        ([("leaves", "viewer"), ("other", "admin")], [("comes", "viewer"), ("other", "admin")]),
        ([("other", "admin"), ("leaves", "editor")], [("other", "admin"), ("comes", "editor")]),
        ([("leaves", "admin"), ("comes", "viewer")], [("comes", "viewer")]),
        ([("a", "admin"), ("comes", "editor"), ("leaves", "viewer")], [("a", "admin"), ("comes", "editor")]),
    ],
)
def test_a_host_is_replaced_and_the_rest_stays(now, then):
    given = booking(hosts=hosts(*now))
    target = ReplaceHost("leaves", "comes").target(given)
    assert target.after == {"hosts": hosts(*then)}
    assert given["hosts"] == hosts(*now), "the booking itself was changed"


@pytest.mark.parametrize("now", [[], [("comes", "admin")], [("other", "admin"), ("third", "viewer")]])
def test_a_booking_of_other_hosts_is_left_alone(now):
    assert ReplaceHost("leaves", "comes").target(booking(hosts=hosts(*now))) is None


@pytest.mark.parametrize("ids", [("same", "same"), ("", "comes"), ("leaves", ""), ("", "")])
def test_two_different_hosts_are_needed(ids):
    with pytest.raises(ValueError, match="two different user ids"):
        ReplaceHost(*ids).target(booking(hosts=hosts(("same", "admin"))))


# --- ShiftTime -------------------------------------------------------------------------------------------------------

CHANGES_OF_CLOCK = [
    # Zone, the day before, the day after: forward, then back.
    ("America/New_York", (2026, 3, 7), (2026, 3, 8)),
    ("America/New_York", (2026, 10, 31), (2026, 11, 1)),
    ("Europe/London", (2026, 3, 28), (2026, 3, 29)),
    ("Europe/London", (2026, 10, 24), (2026, 10, 25)),
    ("Australia/Sydney", (2026, 10, 3), (2026, 10, 4)),
    ("Australia/Sydney", (2026, 4, 4), (2026, 4, 5)),
    ("Asia/Tokyo", (2026, 3, 7), (2026, 3, 8)),
    ("Asia/Kolkata", (2026, 10, 24), (2026, 10, 25)),
]


@pytest.mark.parametrize(("zone", "day", "next_day"), CHANGES_OF_CLOCK)
@pytest.mark.parametrize("back", [False, True])
def test_a_day_further_is_the_same_time_on_the_wall(zone, day, next_day, back):
    since, to = (next_day, day) if back else (day, next_day)
    given = local(zone, *since, 10, 30, minutes=90)
    for change in (ShiftTime(minutes=-1440 if back else 1440), ShiftTime(to_date=date(*to))):
        after = change.target(given).after
        assert clock(after["startedAt"], zone) == datetime(*to, 10, 30)  # noqa: DTZ001
        assert length(after) == timedelta(minutes=90)
        assert after.keys() == {"startedAt", "endedAt"}


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", (2026, 3, 7), 23),
        ("America/New_York", (2026, 10, 31), 25),
        ("Australia/Sydney", (2026, 10, 3), 23),
        ("Australia/Sydney", (2026, 4, 4), 25),
        ("Asia/Tokyo", (2026, 3, 7), 24),
    ],
)
def test_that_day_is_as_long_as_it_is(zone, day, hours):
    given = local(zone, *day, 10)
    after = ShiftTime(minutes="1440").target(given).after
    assert times.moment(after["startedAt"]) - times.moment(given["startedAt"]) == timedelta(hours=hours)


SKIPPED = [
    ("America/New_York", (2026, 3, 8), 2),
    ("Europe/London", (2026, 3, 29), 1),
    ("Australia/Sydney", (2026, 10, 4), 2),
]


@pytest.mark.parametrize(("zone", "day", "hour"), SKIPPED)
def test_a_wall_clock_that_is_skipped_becomes_the_one_an_hour_later(zone, day, hour):
    before = datetime(*day) - timedelta(days=1)  # noqa: DTZ001
    given = local(zone, before.year, before.month, before.day, hour, 30)
    for change in (ShiftTime(minutes=1440), ShiftTime(to_date="{:04}-{:02}-{:02}".format(*day))):
        after = change.target(given).after
        assert clock(after["startedAt"], zone) == datetime(*day, hour + 1, 30)  # noqa: DTZ001
        assert length(after) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("zone", "repeated", "skipped"),
    [
        ("America/New_York", (2025, 11, 2, 1, 30), None),
        ("Europe/London", (2025, 10, 26, 1, 30), (2026, 3, 29)),
        ("Australia/Sydney", (2026, 4, 5, 2, 30), (2026, 10, 4)),
    ],
)
def test_from_the_second_of_two_equal_hours(zone, repeated, skipped):
    given = local(zone, *repeated, fold=1)
    # Neither back into the first of them ...
    assert ShiftTime(minutes=0).target(given).after["startedAt"] == given["startedAt"]
    assert ShiftTime(to_date=date(*repeated[:3])).target(given).after["startedAt"] == given["startedAt"]
    after = ShiftTime(minutes=15).target(given).after
    assert times.moment(after["startedAt"]) - times.moment(given["startedAt"]) == timedelta(minutes=15)
    # ... nor to the wrong side of an hour that is skipped.
    if skipped:
        after = ShiftTime(to_date=date(*skipped)).target(given).after
        assert clock(after["startedAt"], zone) == datetime(*skipped, repeated[3] + 1, 30)  # noqa: DTZ001


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["America/New_York", "Europe/London", "Australia/Sydney", "Asia/Tokyo", "Australia/Lord_Howe"]),
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001
    st.integers(-60 * 24 * 40, 60 * 24 * 40),
    st.integers(1, 60 * 30),
)
def test_the_wall_clock_moves_by_what_was_asked(zone, at, minutes, long):
    at = at.replace(second=0, microsecond=0)
    given = booking(zone=zone)
    start = at.replace(tzinfo=UTC)
    given["startedAt"], given["endedAt"] = times.wire(start), times.wire(start + timedelta(minutes=long))
    after = ShiftTime(minutes=minutes).target(given).after
    wanted = clock(given["startedAt"], zone) + timedelta(minutes=minutes)
    got = clock(after["startedAt"], zone)
    there = wanted.replace(tzinfo=ZoneInfo(zone))
    exists = there.astimezone(UTC).astimezone(there.tzinfo).replace(tzinfo=None) == wanted
    if exists:
        assert got == wanted
    else:
        assert timedelta(0) < got - wanted <= timedelta(hours=1), "a skipped hour becomes a later one"
    assert length(after) == length(given)
    if minutes >= 24 * 60:
        assert after["startedAt"] > given["startedAt"]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["America/New_York", "Europe/London", "Australia/Sydney", "Asia/Tokyo"]),
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001
    st.dates(date(2025, 1, 1), date(2028, 1, 1)),
)
def test_to_date_is_that_day(zone, at, day):
    start = at.replace(tzinfo=UTC, microsecond=0)
    given = booking(times.wire(start), times.wire(start + timedelta(minutes=45)), zone)
    for spelling in (day, day.isoformat()):
        after = ShiftTime(to_date=spelling).target(given).after
        assert clock(after["startedAt"], zone).date() == day
        assert length(after) == timedelta(minutes=45)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "either minutes or to_date"),
        ({"minutes": 5, "to_date": "2027-03-16"}, "either minutes or to_date"),
        ({"minutes": "an hour"}, "minutes: 'an hour' is not a whole number"),
        ({"minutes": 7.9}, "minutes: 7.9 is not a whole number"),
        ({"minutes": True}, "minutes: True is not a whole number"),
        ({"to_date": "16 March"}, "Invalid isoformat"),
        ({"to_date": "2027-02-30"}, "day"),
    ],
)
def test_shifts_that_cannot_be_right(fields, words):
    with pytest.raises(ValueError, match=words):
        ShiftTime(**fields).target(booking())


# --- Reschedule, Cancel, function ------------------------------------------------------------------------------------


def test_a_start_without_offset_is_in_the_bookings_own_zone():
    target = Reschedule("2026-09-03T10:00").target(booking(zone="America/New_York"))
    assert target.action == "reschedule"
    assert target.after == {"startedAt": "2026-09-03T14:00:00.000Z"}
    assert target.send == {"startedAt": "2026-09-03T14:00:00.000Z", "timeZone": "America/New_York"}


def test_a_zone_of_its_own_and_an_offset_of_its_own():
    given = booking(zone="America/New_York")
    target = Reschedule("2026-09-03T10:00", "Asia/Tokyo").target(given)
    assert target.send == {"startedAt": "2026-09-03T01:00:00.000Z", "timeZone": "Asia/Tokyo"}
    target = Reschedule("2026-09-03T10:00+02:00").target(given)
    assert target.send == {"startedAt": "2026-09-03T08:00:00.000Z", "timeZone": "America/New_York"}
    target = Reschedule(datetime(2026, 9, 3, 8, tzinfo=UTC)).target(given)
    assert target.after == {"startedAt": "2026-09-03T08:00:00.000Z"}


@pytest.mark.parametrize("started_at", ["2026-03-08T02:30", "tomorrow", 5])
def test_a_start_that_cannot_be_right(started_at):
    with pytest.raises(ValueError, match=r"does not exist|not a moment"):
        Reschedule(started_at).target(booking(zone="America/New_York"))


def test_cancel():
    target = Cancel().target(booking())
    assert (target.action, target.after, target.send) == ("cancel", {"status": "cancel"}, {})


def test_a_function_of_a_booking():
    def decide(given):
        return None if given["priority"] == "high" else Cancel()

    change = as_change(decide)
    assert change.target(booking(priority="low")).action == "cancel"
    assert change.target(booking(priority="high")) is None
    assert as_change(as_change(decide)) is not None
    assert as_change(Cancel()).describe() == {"change": "Cancel"}


@pytest.mark.parametrize("rubbish", [False, {"description": "x"}, "cancel", Cancel])
def test_a_function_that_returns_rubbish(rubbish):
    with pytest.raises(ValueError, match=f"returned a {type(rubbish).__name__}, neither a change nor None"):
        as_change(lambda given: rubbish).target(booking())


@pytest.mark.parametrize("rubbish", [None, "cancel", 5, {"description": "x"}])
def test_what_is_no_change(rubbish):
    with pytest.raises(ValueError, match="neither a change"):
        as_change(rubbish)


# --- what is shown of it ---------------------------------------------------------------------------------------------


def by_name(given):
    return UpdateFields(name=given["name"])


@pytest.mark.parametrize(
    ("change", "shown", "text"),
    [
        (
            UpdateFields(name="山田 太郎", description="secret words", priority="high"),
            {"change": "UpdateFields", "fields": "name, description, priority"},
            "UpdateFields(fields=name, description, priority)",
        ),
        (
            ReplaceHost("leaves", "comes"),
            {"change": "ReplaceHost", "from_user_id": "leaves", "to_user_id": "comes"},
            "ReplaceHost(from_user_id=leaves, to_user_id=comes)",
        ),
        (ShiftTime(minutes=-30), {"change": "ShiftTime", "minutes": "-30"}, "ShiftTime(minutes=-30)"),
        (ShiftTime(to_date=date(2027, 3, 16)), {"change": "ShiftTime", "to_date": "2027-03-16"}, None),
        (
            Reschedule("2026-09-03T10:00"),
            {"change": "Reschedule", "started_at": "2026-09-03T10:00"},
            "Reschedule(started_at=2026-09-03T10:00)",
        ),
        (Cancel(), {"change": "Cancel"}, "Cancel()"),
        (as_change(by_name), {"change": "function", "function": "by_name"}, "ByFunction(function=by_name)"),
    ],
)
def test_a_description_says_what_and_no_words_for_guests(change, shown, text):
    assert change.describe() == shown
    assert text is None or str(change) == text
    for words in ("山田", "secret"):
        assert words not in f"{change} {change.describe()}"
        assert words not in repr(change)


def test_a_change_of_ones_own_needs_a_target():
    with pytest.raises(NotImplementedError):
        Change().target(booking())
