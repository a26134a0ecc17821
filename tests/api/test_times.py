"""Moments as users give them, and as Jicoo wants them."""

# ruff: noqa: DTZ001 -- a wall clock without a zone is what some of these are about
from __future__ import annotations

import datetime as dt
import re
import zoneinfo

import pendulum
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.api import times

WIRE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
MOMENTS = st.datetimes(
    min_value=dt.datetime(1, 1, 2), max_value=dt.datetime(9999, 12, 30), timezones=st.just(dt.timezone.utc)
)
ZONES = ["Asia/Tokyo", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "America/St_Johns", "Europe/Dublin"]
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))


def utc(*fields):
    return dt.datetime(*fields, tzinfo=dt.timezone.utc)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moment=MOMENTS, zone=st.sampled_from(ZONES) | st.none(), offset=OFFSETS)
def test_every_way_to_give_a_moment_gives_the_same_one(moment, zone, offset):
    whole = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    there = moment.astimezone(offset)
    ways = [
        moment,
        there,
        there.isoformat(),
        there.isoformat(sep=" "),
        f" {there.isoformat()}\n",
        f"{there:%Y-%m-%dT%H:%M:%S.%f%z}".rjust(31, "0"),
    ]
    if zone is not None:
        ways.append(moment.astimezone(zoneinfo.ZoneInfo(zone)))
    if moment.year > 1000:
        ways += [
            pendulum.instance(moment),
            pendulum.instance(there),
            pendulum.instance(moment).in_timezone("Asia/Tokyo"),
        ]

    for way in ways:
        assert times.moment(way) == whole
        # The time zone beside it is for what has none.
        assert times.moment(way, "America/New_York") == whole


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moment=MOMENTS)
def test_a_moment_is_a_plain_datetime_in_utc_with_whole_milliseconds(moment):
    for way in (moment, pendulum.instance(moment), moment.isoformat()):
        found = times.moment(way)
        assert type(found) is dt.datetime
        assert found.tzinfo is dt.timezone.utc
        assert found.microsecond % 1000 == 0


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moment=MOMENTS)
def test_what_is_sent_has_jicoos_form_and_is_the_same_moment_again(moment):
    whole = times.moment(moment)
    text = times.wire(whole)

    assert WIRE.fullmatch(text)
    assert times.moment(text) == whole
    assert times.wire(times.moment(text)) == text


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(one=MOMENTS, other=MOMENTS)
def test_as_text_moments_are_in_the_same_order(one, other):
    one, other = times.moment(one), times.moment(other)

    assert (times.wire(one) < times.wire(other)) == (one < other)


@pytest.mark.parametrize(
    ("given_", "sent"),
    [
        ("2024-03-01T20:00:00.000Z", "2024-03-01T20:00:00.000Z"),
        ("2024-03-01T20:00:00Z", "2024-03-01T20:00:00.000Z"),
        ("2024-03-01T20:00Z", "2024-03-01T20:00:00.000Z"),
        ("2024-03-01 20:00:00+09:00", "2024-03-01T11:00:00.000Z"),
        ("2024-03-01T20:00:00+0900", "2024-03-01T11:00:00.000Z"),
        ("2024-03-01T20:00:00-05:30", "2024-03-02T01:30:00.000Z"),
        ("2024-03-01T20:00:00.1239Z", "2024-03-01T20:00:00.123Z"),
        ("2024-02-29T23:59:59.999999Z", "2024-02-29T23:59:59.999Z"),
        ("0999-01-01T00:00:00Z", "0999-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_from_text_to_wire(given_, sent):
    assert times.wire(times.moment(given_)) == sent


@pytest.mark.parametrize(
    "wall", ["2024-03-01T20:00:00", "2024-03-01 20:00", dt.datetime(2024, 3, 1, 20), pendulum.naive(2024, 3, 1, 20)]
)
def test_a_wall_clock_needs_a_time_zone(wall):
    with pytest.raises(ValueError, match=r"has no offset; write it as 2024-03-01T20:00:00\+09:00, or give time_zone"):
        times.moment(wall)

    assert times.moment(wall, "Asia/Tokyo") == utc(2024, 3, 1, 11)
    assert times.moment(wall, "America/New_York") == utc(2024, 3, 2, 1)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wall=st.datetimes(dt.datetime(1972, 1, 1), dt.datetime(2037, 1, 1)), name=st.sampled_from(ZONES))
def test_a_wall_clock_is_the_one_on_the_wall_there_or_does_not_exist(wall, name):
    try:
        found = times.moment(wall, name)
    except ValueError as error:
        assert "does not exist" in str(error)  # noqa: PT017
        shown = wall.replace(tzinfo=zoneinfo.ZoneInfo(name)).astimezone(dt.timezone.utc)
        assert shown.astimezone(zoneinfo.ZoneInfo(name)).replace(tzinfo=None) != wall
        return

    there = found.astimezone(zoneinfo.ZoneInfo(name)).replace(tzinfo=None)
    assert there == wall.replace(microsecond=wall.microsecond // 1000 * 1000)


GAP = [dt.datetime(2024, 3, 10, 2, 30), "2024-03-10T02:30:00", pendulum.naive(2024, 3, 10, 2, 30)]


@pytest.mark.parametrize("wall", GAP, ids=["datetime", "text", "pendulum"])
def test_a_wall_clock_that_daylight_saving_skips_does_not_exist(wall):
    with pytest.raises(ValueError, match=r"'2024-03-10.02:30:00' does not exist in America/New_York: the clocks go"):
        times.moment(wall, "America/New_York")

    assert times.moment(wall, "Asia/Tokyo") == utc(2024, 3, 9, 17, 30)


@pytest.mark.parametrize("minutes", [-1, 60])
def test_the_edges_of_the_gap_exist(minutes):
    wall = dt.datetime(2024, 3, 10, 2) + dt.timedelta(minutes=minutes)

    assert times.moment(wall, "America/New_York") == utc(2024, 3, 10, 7) + dt.timedelta(minutes=min(minutes, 0))


def test_a_wall_clock_that_comes_twice_is_the_first_unless_fold_says_the_second():
    wall = dt.datetime(2024, 11, 3, 1, 30)

    assert times.moment(wall, "America/New_York") == utc(2024, 11, 3, 5, 30)
    assert times.moment("2024-11-03T01:30:00", "America/New_York") == utc(2024, 11, 3, 5, 30)
    assert times.moment(wall.replace(fold=1), "America/New_York") == utc(2024, 11, 3, 6, 30)
    aware = wall.replace(tzinfo=zoneinfo.ZoneInfo("America/New_York"))
    assert [times.moment(aware), times.moment(aware.replace(fold=1))] == [
        utc(2024, 11, 3, 5, 30),
        utc(2024, 11, 3, 6, 30),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "tomorrow",
        "2024-03-01",
        "20:00",
        "1709323200",
        "20240301T200000Z",
        "2024-13-01T20:00:00Z",
        "2024-02-30T20:00:00Z",
        "2024-03-01T25:00:00Z",
        "2024-03-01T20:00:00Zulu",
        "2024-03-01T20:00:00+99:00",
        "２０２４-０３-０１T２０:００:００Z",
        1709323200,
        1709323200.5,
        None,
        True,
        dt.date(2024, 3, 1),
        ["2024-03-01T20:00:00Z"],
    ],
)
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_what_is_no_moment(bad, zone):
    with pytest.raises(ValueError, match="is not a moment; give an aware datetime or ISO 8601 such as 2024-03-01T20"):
        times.moment(bad, zone)


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+09:00", "9999-12-31T23:59:00-09:00"])
def test_a_moment_outside_of_the_calendar(edge):
    with pytest.raises(ValueError, match="is not between the years 1 and 9999 in UTC"):
        times.moment(edge)
    with pytest.raises(ValueError, match="is not between the years 1 and 9999 in UTC"):
        times.moment(dt.datetime.fromisoformat(edge))


@pytest.mark.parametrize(
    ("edge", "zone"), [("0001-01-01T00:00:00", "Asia/Tokyo"), ("9999-12-31T23:59:00", "America/New_York")]
)
def test_a_wall_clock_outside_of_the_calendar(edge, zone):
    with pytest.raises(ValueError, match="is not between the years 1 and 9999 in UTC"):
        times.moment(edge, zone)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.{0,12}", fullmatch=True))
def test_any_text_is_a_moment_or_a_value_error(text):
    try:
        found = times.moment(text, "Asia/Tokyo")
    except ValueError:
        return
    assert WIRE.fullmatch(times.wire(found))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Asia/Tokio", "; did you mean 'Asia/Tokyo'?"),
        ("asia/tokyo ", "; did you mean 'Asia/Tokyo'?"),
        ("JST", None),
        ("", ""),
        ("../etc/passwd", None),
        ("/etc/localtime", None),
        ("Asia/\0Tokyo", None),
        ("x" * 300, ""),
        ("Asia", None),
    ],
)
def test_an_unknown_time_zone_names_the_nearest(name, hint):
    with pytest.raises(ValueError, match="is not an IANA time zone such as 'Asia/Tokyo'") as caught:
        times.zone(name)

    assert hint is None or str(caught.value).endswith(f"such as 'Asia/Tokyo'{hint}")


def test_a_known_time_zone():
    assert times.zone("Asia/Tokyo").key == "Asia/Tokyo"


@pytest.mark.parametrize(
    "text",
    [
        "2031-03-01T20:00:00.000Z",
        "2031-03-01T20:00:00Z",
        "2031-03-01T20:00Z",
        "2031-03-01T20:00:00+00:00",
        "2031-03-02T05:00:00.000+09:00",
        "2031-03-01 20:00:00.000000Z",
        "2031-03-01T20:00:00.000999Z",
    ],
)
def test_a_moment_of_an_answer_in_the_form_in_which_texts_compare_as_moments(text):
    assert times.as_wire(text) == "2031-03-01T20:00:00.000Z"


@pytest.mark.parametrize("text", ["2031-03-01T20:00:00", "2031-03-01", "tomorrow", ""])
def test_what_is_no_moment_of_an_answer(text):
    with pytest.raises(ValueError, match=r"has no offset|is not a moment"):
        times.as_wire(text)


@pytest.mark.parametrize("name", ["a" * 60_000, "Asia/Tok" * 10_000])
def test_a_zone_of_60_000_characters_is_no_zone(name):
    with pytest.raises(ValueError, match="is not an IANA time zone") as caught:
        times.zone(name)
    assert len(str(caught.value)) < 250
