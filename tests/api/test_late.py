"""A change is made after its answer was lost, by either client: the guest is messaged at most once, or nobody knows.

The server, or a proxy before a slow one, breaks the connection or answers 504, and makes the change only then. The
times are those of a minute's grace, made shorter.
"""

from __future__ import annotations

import time

import pytest

from airflow_provider_jicoo.api import bookings, errors
from airflow_provider_jicoo.api.settings import Settings
from tests.api.acts import CANCEL, LOUD, NEW_START, QUIET, RESCHEDULE, UPDATE, every_loud, reads_back, sent

GRACE = 1.0
TIMEOUT = 0.5
EARLY, WITHIN, BEYOND = 0.2, 0.7, 1.6
"""Seconds after the answer was lost; what comes within the grace is seen by the last look, at its end."""

FAULTS = {
    "dropped": lambda late: ("dropped", {"late": late}),
    "504": lambda late: ("server_error", {"status": 504, "late": late}),
    "502 page": lambda late: ("server_error", {"status": 502, "html": True, "late": late}),
    "200 page": lambda late: ("html", {"late": late}),
    # It works on, and does not notice that the client has given up.
    "slow": lambda late: ("slow", {"seconds": TIMEOUT + late}),
}
every_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


@pytest.fixture
def driver(connect, jicoo):
    return connect(jicoo.url, key=jicoo.api_key, timeout=TIMEOUT, grace=GRACE)


@pytest.fixture
def uid(jicoo):
    return make(jicoo)


def make(jicoo, day=1):
    return jicoo.add_booking(startedAt=f"2031-01-0{day}T00:00:00Z", endedAt=f"2031-01-0{day}T00:30:00Z")["uid"]


def fail(jicoo, act, fault):
    name, options = fault
    jicoo.fail(name, method=act.method, path=act.path, **options)


def messages(jicoo, uid):
    return sum(message.uid == uid for message in jicoo.messages)


def kinds(jicoo):
    return [request.method for request in jicoo.requests]


# --- by itself: never a second time ---------------------------------------------------------------------------------


@every_fault
@pytest.mark.parametrize("late", [EARLY, WITHIN, BEYOND], ids=["early", "within the grace", "beyond the grace"])
def test_a_guest_is_messaged_once_or_nobody_knows(jicoo, driver, fault, late):
    uids = {act: make(jicoo, day) for day, act in enumerate(LOUD, 1)}
    for act in LOUD:
        fail(jicoo, act, fault(late))

    found = driver.outcomes([act.call(jicoo, uid) for act, uid in uids.items()])
    jicoo.settle()

    for act, outcome in zip(LOUD, found, strict=True):
        uid = uids[act]
        assert sent(jicoo, act) == 1
        assert messages(jicoo, uid) == act.times_done(jicoo, uid) == 1, "it came late, but it came"
        if late < GRACE:
            assert outcome == jicoo.booking(uid)
        else:
            assert type(outcome) is errors.AmbiguousOutcomeError
            assert f"Before you repeat it, read booking {uid}" in str(outcome)


@every_loud
def test_a_server_that_is_always_slower_than_the_timeout(jicoo, driver, act):
    # One of 35 s at a timeout of 30 s, for everybody.
    uids = [make(jicoo, day) for day in range(1, 6)]
    jicoo.fail("slow", method=act.method, share=1, seconds=TIMEOUT + 0.2)

    # One by one at the same slot it would be refused.
    options = [{"started_at": f"2031-03-0{day}T11:00Z", "time_zone": "UTC"} for day in range(1, 6)]
    calls = [
        bookings.reschedule_booking(uid, **option) if act is RESCHEDULE else act.call(jicoo, uid)
        for uid, option in zip(uids, options, strict=True)
    ]
    found = driver.outcomes(calls)
    jicoo.settle()

    assert found == [jicoo.booking(uid) for uid in uids]
    assert [messages(jicoo, uid) for uid in uids] == [1] * 5
    assert sent(jicoo, act) == 5


@every_loud
def test_what_never_comes_is_reported_as_unknown(jicoo, driver, uid, act):
    fail(jicoo, act, ("dropped_before", {}))

    start = time.monotonic()
    with pytest.raises(errors.AmbiguousOutcomeError, match="it was not there when it was read back over 1 s"):
        driver.send(act.call(jicoo, uid))

    assert time.monotonic() - start >= GRACE
    assert kinds(jicoo) == [act.method, "GET"]
    assert jicoo.messages == jicoo.changes == []


@every_loud
def test_what_was_not_taken_before_does_not_count(jicoo, driver, uid, act):
    jicoo.fail("rate_limit", method=act.method, times=2, retry_after="0")
    fail(jicoo, act, ("dropped", {"late": EARLY}))

    assert driver.send(act.call(jicoo, uid)) == jicoo.booking(uid)

    jicoo.settle()
    assert messages(jicoo, uid) == 1
    assert sent(jicoo, act) == 3


def test_a_quiet_change_may_be_made_twice_and_messages_nobody(jicoo, driver, uid):
    fail(jicoo, QUIET, ("dropped", {"late": EARLY}))

    assert driver.send(QUIET.call(jicoo, uid))["name"] == "Renamed"

    jicoo.settle()
    assert kinds(jicoo) == ["PATCH", "GET", "PATCH"], "as ever, at once"
    assert len(jicoo.changes) == 2
    assert jicoo.messages == []


def test_a_quiet_change_is_left_alone_where_the_user_said_so(jicoo, driver, uid):
    fail(jicoo, QUIET, ("dropped", {"late": BEYOND}))

    with pytest.raises(errors.AmbiguousOutcomeError):
        driver.send(QUIET.call(jicoo, uid, on_doubt="leave"))

    jicoo.settle()
    assert kinds(jicoo) == ["PATCH", "GET"]
    assert len(jicoo.changes) == 1


# --- a read that lags -----------------------------------------------------------------------------------------------


@every_loud
@pytest.mark.parametrize(("lag", "seen"), [(0.8, 1), (1.2, 2), (3.0, None)])
@pytest.mark.parametrize("fault", ["dropped", "cut_body"])
def test_a_read_that_lags(connect, jicoo, uid, act, fault, lag, seen):
    jicoo.quirks = [f"late-read={lag}s"]
    driver = connect(jicoo.url, key=jicoo.api_key, timeout=TIMEOUT, grace=1.5)
    fail(jicoo, act, (fault, {}))

    (found,) = driver.outcomes([act.call(jicoo, uid)])

    assert sent(jicoo, act) == 1
    assert messages(jicoo, uid) == act.times_done(jicoo, uid) == 1
    if seen:
        assert found["uid"] == uid
        assert reads_back(jicoo) == seen
    else:
        assert type(found) is errors.AmbiguousOutcomeError


def test_a_read_that_lags_behind_a_quiet_change(connect, jicoo, uid):
    jicoo.quirks = ["late-read=3s"]
    driver = connect(jicoo.url, key=jicoo.api_key, timeout=TIMEOUT, grace=1.5)
    fail(jicoo, QUIET, ("dropped", {}))

    assert driver.send(QUIET.call(jicoo, uid))["name"] == "Renamed"

    assert kinds(jicoo) == ["PATCH", "GET", "PATCH"]
    assert jicoo.messages == []


# --- where the user lets it be sent again ---------------------------------------------------------------------------


@every_fault
def test_within_the_grace_it_is_not_sent_again_whatever_the_user_said(jicoo, driver, fault):
    uids = {act: make(jicoo, day) for day, act in enumerate(LOUD, 1)}
    for act in LOUD:
        fail(jicoo, act, fault(WITHIN))

    found = driver.outcomes([act.call(jicoo, uid, on_doubt="again") for act, uid in uids.items()])

    jicoo.settle()
    assert found == [jicoo.booking(uid) for uid in uids.values()]
    assert [sent(jicoo, act) for act in LOUD] == [messages(jicoo, uid) for uid in uids.values()] == [1, 1, 1]


@pytest.mark.parametrize("act", [UPDATE, CANCEL], ids=lambda act: act.name)
def test_beyond_the_grace_it_is_sent_once_more(jicoo, driver, uid, act):
    fail(jicoo, act, ("dropped", {"late": BEYOND}))

    found = driver.send(act.call(jicoo, uid, on_doubt="again"))
    jicoo.settle()

    assert found == {**jicoo.booking(uid), "updatedAt": found["updatedAt"]}
    assert kinds(jicoo) == [act.method, "GET", act.method]
    first, _, second = (request.at for request in jicoo.requests)
    assert (second - first).total_seconds() >= GRACE
    # What "again" costs where the server takes longer than it was said to. A booking is cancelled only once.
    assert messages(jicoo, uid) == (2 if act is UPDATE else 1)


def test_the_guest_is_messaged_once_where_a_cancel_arrives_while_the_second_is_under_way(connect, jicoo, uid):
    # The second is refused then, since it is cancelled: that is our own doing.
    driver = connect(jicoo.url, key=jicoo.api_key, timeout=TIMEOUT, grace=TIMEOUT)
    fail(jicoo, CANCEL, ("dropped", {"late": 0.7}))
    fail(jicoo, CANCEL, ("slow", {"seconds": 0.4}))

    found = driver.send(CANCEL.call(jicoo, uid, on_doubt="again"))

    assert found == jicoo.booking(uid)
    assert found["status"] == "cancel"
    assert kinds(jicoo) == ["POST", "GET", "POST", "GET"]
    assert messages(jicoo, uid) == len(jicoo.changes) == 1


# --- how it is written does not matter ------------------------------------------------------------------------------

NAMES = {
    "trimmed-names": ("  Renamed ", "Renamed"),
    "collapsed-blanks": ("Re   named", "Re named"),
    "nfc": ("Cafe\u0301", "Café"),
}


@pytest.mark.parametrize("quirk", NAMES)
@pytest.mark.parametrize("tell", [True, False], ids=["loud", "quiet"])
def test_a_name_that_jicoo_writes_its_own_way_is_seen(jicoo, driver, uid, quirk, tell):
    given, stored = NAMES[quirk]
    jicoo.quirks = [quirk]
    fail(jicoo, UPDATE, ("dropped", {}))

    found = driver.send(bookings.update_booking(uid, name=given, is_send_updates=tell))

    assert found["name"] == jicoo.booking(uid)["name"] == stored
    assert kinds(jicoo) == ["PATCH", "GET"]
    assert messages(jicoo, uid) == tell


@pytest.mark.parametrize(
    ("quirks", "fields"),
    [
        (["crlf"], {"description": "One\ntwo"}),
        (["lf"], {"description": "One\r\ntwo"}),
        (["null-for-empty"], {"description": ""}),
        (["empty-for-null"], {"description": None}),
        (["cut-to-minute"], {"started_at": "2031-03-01T11:00:42.125Z", "ended_at": "2031-03-01T11:30:42.125Z"}),
        (["cut-to-second"], {"started_at": "2031-03-01T11:00:42.125Z", "ended_at": "2031-03-01T11:30:42.125Z"}),
        (["plain-times"], {"started_at": NEW_START, "ended_at": "2031-03-01T11:30Z"}),
        (["offset-times"], {"started_at": NEW_START, "ended_at": "2031-03-01T11:30Z"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_fields_that_jicoo_writes_its_own_way_are_seen(jicoo, driver, uid, quirks, fields):
    jicoo.quirks = quirks
    fail(jicoo, UPDATE, ("dropped", {}))

    driver.send(bookings.update_booking(uid, is_send_updates=True, **fields))

    assert kinds(jicoo) == ["PATCH", "GET"]
    assert len(jicoo.changes) == messages(jicoo, uid) == 1


@pytest.mark.parametrize("quirk", ["host-fields", "sorted-hosts", None])
def test_hosts_that_jicoo_writes_its_own_way_are_seen(jicoo, driver, uid, quirk):
    jicoo.quirks = [quirk] if quirk else []
    hosts = [{"user_id": user["uid"], "role": "editor"} for user in jicoo.users[3:0:-1]]
    fail(jicoo, UPDATE, ("dropped", {}))

    driver.send(bookings.update_booking(uid, hosts=hosts, is_send_updates=True))

    assert kinds(jicoo) == ["PATCH", "GET"]
    assert messages(jicoo, uid) == 1


class TestRoles:
    """That the people are the same says nothing of a change of their roles."""

    @pytest.fixture
    def change(self, jicoo, uid):
        host = jicoo.users[3]["uid"]
        jicoo.edit(uid, hosts=[{"userId": host, "role": "viewer"}])

        def change(tell):
            return bookings.update_booking(uid, hosts=[{"user_id": host, "role": "editor"}], is_send_updates=tell)

        return change

    def role(self, jicoo, uid):
        return jicoo.booking(uid)["hosts"][0]["role"]

    def test_a_loud_one_that_was_not_made_is_not_called_done(self, jicoo, driver, uid, change):
        fail(jicoo, UPDATE, ("dropped_before", {}))

        with pytest.raises(errors.AmbiguousOutcomeError, match="what was read back over 1 s does not tell"):
            driver.send(change(True))

        assert self.role(jicoo, uid) == "viewer"
        assert kinds(jicoo) == ["PATCH", "GET"]

    def test_a_quiet_one_that_was_not_made_is_sent_again(self, jicoo, driver, uid, change):
        fail(jicoo, UPDATE, ("dropped_before", {}))

        driver.send(change(False))

        assert self.role(jicoo, uid) == "editor"
        assert kinds(jicoo) == ["PATCH", "GET", "PATCH"]

    def test_where_jicoo_gives_a_role_of_its_own_nobody_knows(self, jicoo, driver, uid, change):
        jicoo.quirks = ["first-host-admin"]
        fail(jicoo, UPDATE, ("dropped", {}))

        with pytest.raises(errors.AmbiguousOutcomeError, match="does not tell"):
            driver.send(change(True))

        assert self.role(jicoo, uid) == "admin"
        assert messages(jicoo, uid) == sent(jicoo, UPDATE) == 1


def test_a_reschedule_that_makes_a_new_booking_is_not_called_moved(jicoo, driver, uid):
    jicoo.quirks = ["reschedule-makes-new"]
    fail(jicoo, RESCHEDULE, ("dropped", {}))

    with pytest.raises(errors.AmbiguousOutcomeError, match="does not tell"):
        driver.send(RESCHEDULE.call(jicoo, uid))

    assert jicoo.booking(uid)["status"] == "cancel"
    assert sent(jicoo, RESCHEDULE) == len(jicoo.changes) == 1


# --- how long the server may be at work -----------------------------------------------------------------------------


def test_it_is_a_minute_by_itself(key):
    assert Settings(key).server_grace == 60.0


@pytest.mark.parametrize(
    ("timeout", "grace", "found"), [(30, 60, 60), (30, 90.5, 90.5), (120, 60, 120), (30, 1, 30), (0.5, 0.1, 0.5)]
)
def test_it_is_never_less_than_the_timeout(key, timeout, grace, found):
    assert Settings(key, timeout=timeout, server_grace=grace).server_grace == found


def test_it_is_never_less_than_a_timeout_above_its_default(key):
    assert Settings(key, timeout=90).server_grace == 90


@pytest.mark.parametrize("grace", [0, -1, float("nan"), float("inf"), "60", None, True])
def test_what_cannot_be_one_is_refused(key, grace):
    with pytest.raises(errors.InvalidRequestError, match=r"server_grace: .* is not a positive number of seconds"):
        Settings(key, server_grace=grace)


def test_a_grace_below_the_timeout_does_not_end_the_looking_before_it(connect, jicoo, uid):
    driver = connect(jicoo.url, key=jicoo.api_key, timeout=0.6, grace=0.05)
    fail(jicoo, CANCEL, ("dropped", {"late": 0.3}))

    assert driver.send(CANCEL.call(jicoo, uid))["status"] == "cancel"

    assert kinds(jicoo) == ["POST", "GET"]
    assert messages(jicoo, uid) == 1


def test_the_clients_take_it_from_their_settings_not_from_a_policy(connect, jicoo, uid, fast):
    assert fast.server_grace == 60
    driver = connect(jicoo.url, key=jicoo.api_key, timeout=TIMEOUT, grace=TIMEOUT, policy=fast)
    fail(jicoo, CANCEL, ("dropped_before", {}))

    start = time.monotonic()
    with pytest.raises(errors.AmbiguousOutcomeError):
        driver.send(CANCEL.call(jicoo, uid))

    assert TIMEOUT <= time.monotonic() - start < 30


# --- an answer of success that shows the booking as it was -----------------------------------------------------------


@pytest.fixture
def old(jicoo, uid):
    """A booking that was edited last long before."""
    jicoo.edit(uid, updatedAt="2020-01-01T00:00:00Z")
    return uid


@pytest.mark.parametrize("quirks", ["answers-before", "answers-before late-effect=0.5s"])
@pytest.mark.parametrize("act", [*LOUD, QUIET], ids=lambda act: act.name)
def test_an_answer_that_shows_the_state_before_is_read_back(jicoo, driver, old, act, quirks):
    jicoo.quirks = quirks.split()
    found = driver.send(act.call(jicoo, old))
    assert found == jicoo.booking(old)
    assert kinds(jicoo) == [act.method, "GET"]
    assert act.times_done(jicoo, old) == 1


@pytest.mark.parametrize("tell", [True, False], ids=["loud", "quiet"])
def test_an_answer_of_success_for_what_never_comes_is_not_called_done(jicoo, driver, old, tell):
    jicoo.quirks = ["ignored-field=name"]
    with pytest.raises(errors.AmbiguousOutcomeError, match="answer 200, and it was not there when it was read back"):
        driver.send(bookings.update_booking(old, name="Renamed", is_send_updates=tell))
    assert kinds(jicoo) == ["PATCH", "GET"]


def test_what_was_answered_with_success_is_not_sent_again_whatever_the_user_said(jicoo, driver, old):
    # It was not lost: a server that ignores a field would message the guest each time.
    jicoo.quirks = ["ignored-field=name"]
    with pytest.raises(errors.AmbiguousOutcomeError, match="answer 200, and it was not there when it was read back"):
        driver.send(bookings.update_booking(old, name="Renamed", is_send_updates=True, on_doubt="again"))
    assert kinds(jicoo) == ["PATCH", "GET"]
    assert messages(jicoo, old) <= 1


@pytest.mark.parametrize("stamp", ['"updatedAt": "2099-01-01T00:00:00.000Z", ', ""], ids=["moved stamp", "no stamp"])
def test_a_cancel_that_is_answered_with_an_open_booking_is_not_called_done(connect, wire, reply, stamp):
    server = wire(reply('{"data": {' + stamp + '"uid": "abc", "status": "open"}, "errors": {}}'))
    driver = connect(server.url, timeout=TIMEOUT, grace=TIMEOUT)

    with pytest.raises(errors.AmbiguousOutcomeError, match="it was not there when it was read back"):
        driver.send(bookings.cancel_booking("abc"))
    assert [request.split(b" ")[0] for request in server.requests] == [b"POST", b"GET"]


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_move_that_is_answered_with_a_new_booking_is_not_called_done(jicoo, driver, old, which):
    jicoo.quirks = [f"reschedule-makes-new={which}"]
    with pytest.raises(errors.AmbiguousOutcomeError, match="what was read back over 1 s does not tell"):
        driver.send(RESCHEDULE.call(jicoo, old))
    assert sent(jicoo, RESCHEDULE) == len(jicoo.changes) == 1


@pytest.mark.parametrize("quirk", ["escaped-html", "stored-otherwise=name", "cut-names=3", "plain-times"])
def test_what_jicoo_stores_in_another_way_is_done_at_once(jicoo, driver, old, quirk):
    jicoo.quirks = [quirk]
    found = driver.send(bookings.update_booking(old, name="A & B", is_send_updates=True))
    assert found["name"] == jicoo.booking(old)["name"]
    assert kinds(jicoo) == ["PATCH"]


@pytest.mark.parametrize("quirk", ["answers-part", "cancelled-word", "clock-ahead", "no-date", "second-stamps"])
@pytest.mark.parametrize("act", LOUD, ids=lambda act: act.name)
def test_an_answer_that_shows_it_is_enough(jicoo, driver, old, act, quirk):
    jicoo.quirks = [quirk]
    driver.send(act.call(jicoo, old))
    assert kinds(jicoo) == [act.method]


@pytest.mark.parametrize("act", LOUD, ids=lambda act: act.name)
def test_a_receipt_is_no_word_of_what_it_is_for(jicoo, driver, old, act):
    jicoo.quirks = ["answers-receipt"]
    found = driver.send(act.call(jicoo, old))
    assert found["uid"] == old
    assert kinds(jicoo) == [act.method, "GET"]
