"""What to do after an answer or a fault: every cell of the table in ``retry.py``."""

from __future__ import annotations

import dataclasses
import email.utils
import math
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.api.call import Repeat
from airflow_provider_jicoo.api.retry import Action, Answered, Fault, RetryPolicy, decide, looks, retry_after

POLICY = RetryPolicy(attempts=3, base=1.0, longest_backoff=5.0, longest_wait=60.0, floor=0.5)
READ, CHANGE, CREATE = Repeat.HARMLESS, Repeat.READ_BACK, Repeat.NEVER
LOUD, LOUD_AGAIN = Repeat.LEAVE, Repeat.AFTER_GRACE
A = Action

EVERY = dict.fromkeys(Repeat)
TOO_OFTEN = [Answered(429), Answered(429, "foreign"), Answered(429, "cut")]
BROKE_DOWN = [
    Answered(status, body) for status in (408, 500, 501, 502, 503, 504, 599) for body in ("good", "cut", "foreign")
]
REFUSALS = [
    Answered(status, body)
    for status in (300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 409, 410, 422, 451, 499)
    for body in ("good", "cut", "foreign")
]

# what happened -> for each way to repeat: (while there are tries left, at the last one)
TABLE = [
    *[(Answered(status), {r: (A.ACCEPT, A.ACCEPT) for r in EVERY}) for status in (200, 201, 202, 204, 299)],
    *[(event, {r: (A.AGAIN, A.GIVE_UP) for r in EVERY}) for event in [Fault.NOT_SENT, *TOO_OFTEN]],
    *[
        (
            event,
            {
                READ: (A.AGAIN, A.GIVE_UP),
                CHANGE: (A.READ_BACK, A.READ_BACK_LAST),
                LOUD: (A.WATCH, A.WATCH),
                LOUD_AGAIN: (A.WATCH, A.WATCH),
                CREATE: (A.AMBIGUOUS, A.AMBIGUOUS),
            },
        )
        for event in [*BROKE_DOWN, Fault.NO_ANSWER, Answered(200, "cut"), Answered(201, "cut")]
    ],
    *[
        (
            event,
            {
                READ: (A.REFUSE, A.REFUSE),
                CHANGE: (A.READ_BACK, A.READ_BACK_LAST),
                LOUD: (A.WATCH, A.WATCH),
                LOUD_AGAIN: (A.WATCH, A.WATCH),
                CREATE: (A.AMBIGUOUS, A.AMBIGUOUS),
            },
        )
        for event in [Answered(200, "foreign"), Answered(204, "foreign")]
    ],
    *[(event, {r: (A.REFUSE, A.REFUSE) for r in EVERY}) for event in REFUSALS],
]
CELLS = [
    pytest.param(repeat, event, *actions, id=f"{repeat.name}-{event}")
    for event, row in TABLE
    for repeat, actions in row.items()
]


@pytest.mark.parametrize(("repeat", "event", "with_tries_left", "at_the_last"), CELLS)
def test_every_cell_of_the_table(repeat, event, with_tries_left, at_the_last):
    found = [decide(repeat, event, attempt=n, jitter=0.5, policy=POLICY).action for n in (1, 2, 3, 4)]

    assert found == [with_tries_left, with_tries_left, at_the_last, at_the_last]


def test_the_table_has_every_cell():
    assert all(set(row) == set(Repeat) for _, row in TABLE)


def test_the_table_has_every_status():
    told = {event.status for event, _ in TABLE if isinstance(event, Answered)}

    assert told >= {200, 201, 204, 302, 400, 401, 402, 403, 404, 408, 422, 429, 500, 502, 503, 504}


@pytest.mark.parametrize("attempts", [0, 1])
def test_one_try_at_least(attempts):
    policy = dataclasses.replace(POLICY, attempts=attempts)

    assert decide(READ, Fault.NO_ANSWER, attempt=1, jitter=0, policy=policy).action is A.GIVE_UP
    assert decide(READ, Answered(200), attempt=1, jitter=0, policy=policy).action is A.ACCEPT


# --- how long -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [Fault.NOT_SENT, Fault.NO_ANSWER, Answered(503), Answered(200, "cut")])
@pytest.mark.parametrize(("attempt", "longest"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (50, 5.0)])
def test_back_off_doubles_up_to_its_limit(event, attempt, longest):
    policy = dataclasses.replace(POLICY, attempts=99)
    delays = [decide(READ, event, attempt=attempt, jitter=jitter, policy=policy).delay for jitter in (0.0, 0.25, 1.0)]

    assert delays == [0.0, longest / 4, longest]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    jitter=st.floats(0, 1, exclude_max=True),
    attempt=st.integers(1, 5_000),
    event=st.sampled_from([Fault.NOT_SENT, Fault.NO_ANSWER, Answered(429), Answered(500)]),
    repeat=st.sampled_from(Repeat),
)
def test_a_delay_stays_within_its_bounds_after_any_number_of_tries(jitter, attempt, event, repeat):
    policy = dataclasses.replace(POLICY, attempts=10_000)

    found = decide(repeat, event, attempt=attempt, jitter=jitter, policy=policy)

    assert 0 <= found.delay <= policy.longest_backoff
    if event == Answered(429) or found.action is A.READ_BACK:
        assert found.delay >= policy.floor


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(jitter=st.floats(0, 1, exclude_max=True))
def test_luck_spreads_over_the_whole_range(jitter):
    assert decide(READ, Fault.NO_ANSWER, attempt=2, jitter=jitter, policy=POLICY).delay == pytest.approx(2 * jitter)


@pytest.mark.parametrize(
    ("asked", "delay"),
    [
        pytest.param(None, 0.5, id="nothing: the floor"),
        pytest.param(0.0, 0.5, id="0: the floor, it must not burn the tries"),
        pytest.param(0.1, 0.5, id="less than the floor"),
        pytest.param(7.0, 7.0, id="more"),
        pytest.param(60.0, 60.0, id="the longest that is waited for"),
    ],
)
@pytest.mark.parametrize("repeat", Repeat)
def test_a_429_waits_as_long_as_it_is_asked_to(repeat, asked, delay):
    found = decide(repeat, Answered(429, retry_after=asked), attempt=1, jitter=0.0, policy=POLICY)

    assert (found.action, found.delay) == (A.AGAIN, delay)


def test_a_429_that_asks_for_too_long_is_not_waited_for():
    found = decide(READ, Answered(429, retry_after=60.5), attempt=1, jitter=0.0, policy=POLICY)

    assert found.action is A.GIVE_UP


def test_retry_after_is_heeded_by_a_5xx_too_up_to_the_longest_wait():
    def delay(asked, repeat=READ):
        return decide(repeat, Answered(503, retry_after=asked), attempt=1, jitter=0.0, policy=POLICY).delay

    assert [delay(None), delay(3.0), delay(9_999.0)] == [0.0, 3.0, 60.0]
    assert [delay(None, CHANGE), delay(3.0, CHANGE)] == [0.5, 3.0]


@pytest.mark.parametrize("event", [Fault.NO_ANSWER, Answered(500), Answered(200, "foreign"), Answered(200, "cut")])
def test_reading_back_lets_the_server_finish_first(event):
    for attempt in (1, 3):
        assert decide(CHANGE, event, attempt=attempt, jitter=0.0, policy=POLICY).delay == POLICY.floor


# --- when a change in doubt is read back ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grace", "at"),
    [
        (0.25, [0.25]),
        (1.0, [1.0]),
        (1.5, [1.0, 1.5]),
        (5.0, [1.0, 5.0]),
        (30.0, [1.0, 5.0, 15.0, 30.0]),
        (60.0, [1.0, 5.0, 15.0, 30.0, 60.0]),
        (61.0, [1.0, 5.0, 15.0, 30.0, 60.0, 61.0]),
        (3600.0, [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 3600.0]),
    ],
)
def test_looks(grace, at):
    assert looks(grace) == at


@given(grace=st.floats(0.001, 1e6))
def test_the_last_look_is_at_the_grace_and_each_later_than_the_one_before(grace):
    found = looks(grace)

    assert found[-1] == grace
    assert all(before < after for before, after in zip([0.0, *found], found, strict=False))


def test_the_grace_is_a_minute_by_itself():
    assert looks(RetryPolicy().server_grace) == [1.0, 5.0, 15.0, 30.0, 60.0]


# --- the header -----------------------------------------------------------------------------------------------------

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("inf", None),
        ("-inf", None),
        ("nan", None),
        ("1e999", None),
        ("", None),
        ("soon", None),
        ("7 seconds", None),
        ("Wed, 99 Foo 2023 99:99:99 GMT", None),
        ("Tue, 14 Nov 99999 22:13:30 GMT", None),
        (email.utils.formatdate(NOW + 30, usegmt=True), 30.0),
        (email.utils.formatdate(NOW - 30, usegmt=True), 0.0),
        ("Wednesday, 15-Nov-23 07:13:30 +0900", 10.0),
    ],
)
def test_retry_after_header(header, seconds):
    assert retry_after(header, None, NOW) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        pytest.param(email.utils.formatdate(NOW + 300, usegmt=True), 30.0, id="clock ahead"),
        pytest.param(email.utils.formatdate(NOW - 300, usegmt=True), 630.0, id="clock behind"),
        pytest.param(None, 330.0, id="no Date"),
        pytest.param("the day before yesterday", 330.0, id="unreadable Date"),
        pytest.param("", 330.0, id="empty Date"),
    ],
)
def test_a_date_is_taken_against_the_servers_clock(date, seconds):
    assert retry_after(email.utils.formatdate(NOW + 330, usegmt=True), date, NOW) == seconds


def test_seconds_need_no_clock():
    assert retry_after("7", email.utils.formatdate(NOW + 300, usegmt=True), NOW) == 7.0


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize(
    "header",
    [
        pytest.param("Tue, 14 Nov 2023 22:13:30 GMT", id="IMF"),
        pytest.param("Tue Nov 14 22:13:30 2023", id="asctime"),
        pytest.param("Tue, 14 Nov 2023 22:13:30 -0000", id="unknown zone"),
    ],
)
def test_a_date_is_in_utc_wherever_the_worker_stands(monkeypatch, header, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert retry_after(header, None, NOW) == 10.0
    finally:
        monkeypatch.undo()
        time.tzset()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=40) | st.floats().map(str) | st.integers().map(str))
def test_whatever_the_header_is_the_wait_is_a_finite_number_or_none(header):
    seconds = retry_after(header, header, NOW)

    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
