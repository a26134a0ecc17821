"""Both clients, the same cases: against the sandbox, and against a server that answers what it is told to."""

from __future__ import annotations

import asyncio
import email.utils
import gzip
import itertools
import json
import os
import platform
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest
import requests
import uvloop

from airflow_provider_jicoo import __version__
from airflow_provider_jicoo.api import bookings, errors
from airflow_provider_jicoo.api.aio import AsyncJicooClient
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.ceiling import Ceiling
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.settings import Settings
from tests.api.acts import (
    CANCEL,
    CREATE,
    NEW_START,
    QUIET,
    READ,
    assert_done_once,
    assert_not_done,
    every_act,
    every_change,
    every_loud,
    reads_back,
    sent,
)

GET = bookings.get_booking("abc")
GRACE = 0.6
"""Seconds; as short as it can be where the timeout must not be shorter than a good answer on a busy machine."""


@pytest.fixture
def uid(jicoo):
    return jicoo.add_booking(startedAt="2031-01-01T00:00:00Z", endedAt="2031-01-01T00:30:00Z")["uid"]


@pytest.fixture
def driver(connect, jicoo):
    return connect(jicoo.url, key=jicoo.api_key)


# --- the table of failures ------------------------------------------------------------------------------------------


@every_act
def test_without_a_failure_one_request_does_it(jicoo, driver, uid, act):
    found = driver.send(act.call(jicoo, uid))

    assert_done_once(jicoo, act, uid)
    assert [(r.method, r.path) for r in jicoo.requests] == [(act.method, act.path.replace("{uid}", uid))]
    assert found == jicoo.booking(found["uid"])


@every_act
@pytest.mark.parametrize("retry_after", [None, "0", "0.02", "rubbish", "-1"])
def test_429_is_waited_for(jicoo, driver, uid, act, retry_after):
    jicoo.fail("rate_limit", method=act.method, path=act.path, times=2, retry_after=retry_after)

    driver.send(act.call(jicoo, uid))

    assert_done_once(jicoo, act, uid)
    assert len(jicoo.requests) == sent(jicoo, act) == 3


def test_429_with_retry_after_0_does_not_burn_the_tries(jicoo, connect, uid):
    driver = connect(jicoo.url, key=jicoo.api_key, policy=RetryPolicy(attempts=4, base=0.001, floor=0.1))
    jicoo.fail("rate_limit", times=3, retry_after="0")

    start = time.monotonic()
    driver.send(bookings.get_booking(uid))

    assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_429_is_waited_for_as_long_as_it_asks(jicoo, driver, uid, form):
    in_two_seconds = email.utils.formatdate(time.time() + 2, usegmt=True)
    jicoo.fail("rate_limit", retry_after="0.4" if form == "seconds" else in_two_seconds)

    start = time.monotonic()
    driver.send(bookings.get_booking(uid))

    # A date has whole seconds.
    assert (0.4 if form == "seconds" else 0.9) <= time.monotonic() - start < 10


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_server_whose_clock_is_ahead_is_waited_for_as_long_as_it_means(connect, wire, reply, status):
    date, until = (email.utils.formatdate(time.time() + ahead, usegmt=True) for ahead in (300, 301))
    refusal = reply(b"{}", status, headers=[f"Date: {date}", f"Retry-After: {until}"])
    server = wire(lambda request, number: refusal if number == 1 else reply())

    connect(server.url).send(GET)

    assert 0.9 <= server.times[1] - server.times[0] < 5


@every_act
def test_429_for_ever_is_given_up(jicoo, driver, uid, act, fast):
    jicoo.fail("rate_limit", method=act.method, path=act.path, share=1, retry_after="0")

    with pytest.raises(errors.RateLimitError) as caught:
        driver.send(act.call(jicoo, uid))

    assert_not_done(jicoo, act, uid)
    assert len(jicoo.requests) == fast.attempts
    assert (caught.value.status, caught.value.retry_after) == (429, 0.0)


def test_429_that_asks_for_an_hour_is_the_callers(jicoo, driver, uid):
    jicoo.fail("rate_limit", retry_after="3600")

    with pytest.raises(errors.RateLimitError, match=r"asks to wait 3,600 s, longer than a request waits") as caught:
        driver.send(bookings.get_booking(uid))

    assert caught.value.retry_after == 3600
    assert len(jicoo.requests) == 1


@every_act
def test_could_not_connect(connect, jicoo, uid, act, closed_port, fast, caplog):
    driver = connect(f"http://127.0.0.1:{closed_port}")

    with pytest.raises(errors.TransportError) as caught:
        driver.send(act.call(jicoo, uid))

    assert "could not connect" in str(caught.value)
    assert caught.value.status is None
    assert len(caplog.records) == fast.attempts - 1, "a create too: it never left"


@every_act
def test_a_server_that_comes_back_gets_the_request_once(connect, wire, reply, jicoo, uid, act, closed_port):
    driver = connect(
        f"http://127.0.0.1:{closed_port}", policy=RetryPolicy(attempts=500, base=0.02, longest_backoff=0.02)
    )
    servers = []
    answer = reply(json.dumps({"data": {"uid": uid, "startedAt": NEW_START}}))
    timer = threading.Timer(0.15, lambda: servers.append(wire(answer, port=closed_port)))
    timer.start()

    driver.send(act.call(jicoo, uid))

    timer.join()
    assert len(servers[0].requests) == 1


# fault, its options, how many answers say so, and whether the change was made in spite of it
DOUBTS = [
    *[("server_error", {"status": s, "changed": c}) for s in (500, 502, 503, 504, 408) for c in (False, True)],
    ("server_error", {"status": 502, "html": True, "changed": True}),
    ("server_error", {"status": 502, "html": True, "changed": False}),
    ("dropped", {}),
    ("dropped_before", {}),
    ("cut_body", {}),
    ("hang", {"changed": True, "seconds": 30}),
    ("hang", {"changed": False, "seconds": 30}),
]
every_doubt = pytest.mark.parametrize(
    ("fault", "options"), DOUBTS, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v.values())) or "_"
)


def was_changed(fault, options):
    return options.get("changed", fault in ("dropped", "cut_body"))


@pytest.fixture
def impatient(connect, jicoo, request):
    # Only where it has to be: on a busy machine a good answer may be late too.
    hangs = request.node.callspec.params["fault"] == "hang"
    return connect(jicoo.url, key=jicoo.api_key, timeout=0.2 if hangs else GRACE, grace=GRACE)


@every_doubt
def test_in_doubt_a_read_is_sent_again(jicoo, impatient, uid, fault, options):
    times = 1 if fault == "hang" else 2
    jicoo.fail(fault, times=times, **options)

    assert impatient.send(bookings.get_booking(uid)) == jicoo.booking(uid)

    assert len(jicoo.requests) == times + 1


@pytest.mark.parametrize("fault", ["dropped", "dropped_before", "server_error", "cut_body"])
@pytest.mark.parametrize("used_before", [False, True])
def test_a_read_is_given_up_after_its_tries_and_no_library_adds_its_own(jicoo, driver, uid, fault, fast, used_before):
    if used_before:
        driver.send(bookings.get_booking(uid))
    jicoo.fail(fault, share=1)

    with pytest.raises((errors.TransportError, errors.ServerError)):
        driver.send(bookings.get_booking(uid))

    assert len(jicoo.requests) == fast.attempts + used_before


@every_loud
@every_doubt
def test_in_doubt_a_change_that_messages_is_read_back_and_not_sent_again(jicoo, impatient, uid, act, fault, options):
    jicoo.fail(fault, method=act.method, path=act.path, **options)

    (found,) = impatient.outcomes([act.call(jicoo, uid)])

    if was_changed(fault, options):
        assert found == jicoo.booking(uid)
        assert_done_once(jicoo, act, uid)
    else:
        assert type(found) is errors.AmbiguousOutcomeError
        assert "was not there when it was read back" in str(found)
        assert f"was not sent again. Before you repeat it, read booking {uid}" in str(found)
        assert_not_done(jicoo, act, uid)
    assert (sent(jicoo, act), reads_back(jicoo)) == (1, 1)


@every_doubt
def test_in_doubt_a_quiet_change_is_read_back_and_sent_again(jicoo, impatient, uid, fault, options):
    jicoo.fail(fault, method="PATCH", **options)

    found = impatient.send(QUIET.call(jicoo, uid))

    assert found == jicoo.booking(uid)
    assert_done_once(jicoo, QUIET, uid)
    assert sent(jicoo, QUIET) == (1 if was_changed(fault, options) else 2)
    assert reads_back(jicoo) == 1


@every_loud
@every_doubt
def test_in_doubt_it_is_sent_again_after_the_grace_where_the_user_said_so(jicoo, impatient, uid, act, fault, options):
    jicoo.fail(fault, method=act.method, path=act.path, **options)

    found = impatient.send(act.call(jicoo, uid, on_doubt="again"))

    assert found == jicoo.booking(uid)
    assert_done_once(jicoo, act, uid)
    times = [request.at for request in jicoo.requests if request.method == act.method]
    if was_changed(fault, options):
        assert len(times) == 1
    else:
        assert len(times) == 2
        assert (times[1] - times[0]).total_seconds() >= GRACE
    assert reads_back(jicoo) == 1


@every_doubt
def test_in_doubt_a_create_is_not_repeated(jicoo, impatient, uid, fault, options):
    jicoo.fail(fault, method="POST", **options)

    with pytest.raises(
        errors.AmbiguousOutcomeError, match="list the bookings that start at 2031-03-01T11:00"
    ) as caught:
        impatient.send(CREATE.call(jicoo, uid))

    assert len(jicoo.requests) == 1
    assert CREATE.times_done(jicoo, uid) == len(jicoo.messages) == was_changed(fault, options)
    assert caught.value.status == (options["status"] if fault == "server_error" else None)


@pytest.mark.parametrize("fault", ["dropped_before", "server_error", "html"])
def test_a_quiet_change_that_never_comes_through_is_given_up(jicoo, impatient, uid, fault, fast):
    jicoo.fail(fault, method="PATCH", share=1)

    with pytest.raises((errors.TransportError, errors.ServerError, errors.UnexpectedAnswerError)):
        impatient.send(QUIET.call(jicoo, uid))

    assert_not_done(jicoo, QUIET, uid)
    assert sent(jicoo, QUIET) == reads_back(jicoo) == fast.attempts


@pytest.mark.parametrize("fault", ["dropped_before", "server_error", "html"])
def test_what_the_user_lets_be_sent_again_is_given_up_too(jicoo, impatient, uid, fault, fast):
    jicoo.fail(fault, method="POST", share=1)

    with pytest.raises((errors.TransportError, errors.ServerError, errors.UnexpectedAnswerError)):
        impatient.send(CANCEL.call(jicoo, uid, on_doubt="again"))

    assert_not_done(jicoo, CANCEL, uid)
    assert sent(jicoo, CANCEL) == reads_back(jicoo) == fast.attempts


@every_change
@pytest.mark.parametrize("fault", ["dropped", "dropped_before"])
def test_nobody_knows_where_reading_back_fails(jicoo, impatient, uid, act, fault, fast):
    jicoo.fail(fault, method=act.method, path=act.path)
    jicoo.fail("server_error", method="GET", share=1)

    with pytest.raises(errors.AmbiguousOutcomeError, match=f"read booking {uid}"):
        impatient.send(act.call(jicoo, uid))

    assert sent(jicoo, act) == 1
    assert reads_back(jicoo) == fast.attempts
    assert act.times_done(jicoo, uid) == len(jicoo.changes) == (fault == "dropped")
    assert len(jicoo.messages) == act.messages * (fault == "dropped")


@every_loud
@pytest.mark.parametrize("changed", [True, False])
def test_200_with_a_page_instead_of_an_answer_to_a_change_that_messages(jicoo, connect, uid, act, changed):
    driver = connect(jicoo.url, key=jicoo.api_key, timeout=GRACE)
    jicoo.fail("html", method=act.method, path=act.path, changed=changed)

    (found,) = driver.outcomes([act.call(jicoo, uid)])

    assert (type(found) is errors.AmbiguousOutcomeError) is not changed
    (assert_done_once if changed else assert_not_done)(jicoo, act, uid)
    assert (sent(jicoo, act), reads_back(jicoo)) == (1, 1)


@pytest.mark.parametrize("changed", [True, False])
def test_200_with_a_page_instead_of_an_answer_to_a_quiet_change(jicoo, driver, uid, changed):
    jicoo.fail("html", method="PATCH", changed=changed)

    driver.send(QUIET.call(jicoo, uid))

    assert_done_once(jicoo, QUIET, uid)
    assert (sent(jicoo, QUIET), reads_back(jicoo)) == (1 if changed else 2, 1)


def test_200_with_a_page_instead_of_an_answer_to_a_read(jicoo, driver, uid):
    jicoo.fail("html")

    with pytest.raises(errors.UnexpectedAnswerError) as caught:
        driver.send(bookings.get_booking(uid))

    assert len(jicoo.requests) == 1
    assert (caught.value.status, caught.value.said) == (200, "")
    assert "bytes of HTML" in caught.value.answer


@pytest.mark.parametrize("changed", [True, False])
def test_200_with_a_page_instead_of_an_answer_to_a_create(jicoo, driver, uid, changed):
    jicoo.fail("html", changed=changed)

    with pytest.raises(errors.AmbiguousOutcomeError):
        driver.send(CREATE.call(jicoo, uid))

    assert len(jicoo.requests) == 1


@every_act
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.RejectedError),
        (401, errors.AuthenticationError),
        (402, errors.RejectedError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (422, errors.RejectedError),
    ],
)
@pytest.mark.parametrize("html", [False, True])
def test_a_refusal_is_not_repeated(jicoo, driver, uid, act, status, kind, html):
    jicoo.fail("server_error", status=status, html=html, share=1)

    with pytest.raises(errors.RequestError) as caught:
        driver.send(act.call(jicoo, uid))

    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.permanent) == (status, True)
    assert caught.value.errors == (None if html else {"base": ["The server had a problem."]})
    assert (caught.value.method, caught.value.path) == (act.method, act.path.replace("{uid}", uid))
    assert len([each for each in jicoo.requests if each.method == act.method]) == 1
    assert_not_done(jicoo, act, uid)


@every_act
def test_a_revoked_key(jicoo, driver, uid, act):
    jicoo.revoke_key()

    with pytest.raises(errors.AuthenticationError):
        driver.send(act.call(jicoo, uid))

    assert len(jicoo.requests) == 1
    assert_not_done(jicoo, act, uid)


@every_act
def test_a_key_without_permission(jicoo, connect, uid, act):
    driver = connect(jicoo.url, key=jicoo.forbidden_key)

    with pytest.raises(errors.PermissionDeniedError):
        driver.send(act.call(jicoo, uid))

    assert len(jicoo.requests) == 1


def test_what_the_sandbox_itself_refuses(jicoo, driver, uid):
    jicoo.edit(uid, status="cancel")
    cases = [
        (bookings.get_booking("nobody"), errors.NotFoundError),
        (bookings.update_booking("nobody", name="x"), errors.NotFoundError),
        (bookings.cancel_booking("nobody"), errors.NotFoundError),
        (bookings.get_booking_contacts("nobody"), errors.NotFoundError),
        (bookings.cancel_booking(uid), errors.RejectedError),
        (bookings.reschedule_booking(uid, started_at=NEW_START, time_zone="Asia/Tokyo"), errors.RejectedError),
        (bookings.update_booking(uid, hosts=[{"user_id": "nobody", "role": "admin"}]), errors.RejectedError),
    ]
    for call, kind in cases:
        with pytest.raises(errors.RequestError) as caught:
            driver.send(call)
        assert type(caught.value) is kind
        assert caught.value.errors

    changes = [request for request in jicoo.requests if request.method != "GET"]
    assert len(changes) == len(cases) - 2, "to read what must not show of a refusal's words is no second sending"
    assert jicoo.messages == []


@every_act
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(jicoo, driver, wire, uid, act, status):
    elsewhere = wire()
    jicoo.fail("redirect", to=f"{elsewhere.url}/v1/bookings", status=status)

    with pytest.raises(errors.UnexpectedAnswerError, match="a redirect, which is not followed") as caught:
        driver.send(act.call(jicoo, uid))

    assert caught.value.status == status
    assert len(jicoo.requests) == 1
    assert elsewhere.connections == 0
    assert_not_done(jicoo, act, uid)


@pytest.mark.parametrize(
    "to", ["http://[::1", "//", "http://127.0.0.1:999999/", "javascript:alert(1)", "\\", "http://\xff/"]
)
def test_a_redirect_to_rubbish(connect, wire, reply, to):
    driver = connect(wire(reply(b"", "302 Found", headers=[f"Location: {to}"])).url)

    with pytest.raises(errors.UnexpectedAnswerError, match="a redirect"):
        driver.send(GET)


def storm(jicoo, method):
    """Let most things go wrong, and return the ids of some bookings."""
    uids = [
        jicoo.add_booking(startedAt=f"2031-01-{day:02d}T00:00:00Z", endedAt=f"2031-01-{day:02d}T00:30:00Z")["uid"]
        for day in range(1, 29)
    ]
    for fault in ("rate_limit", "server_error", "dropped", "dropped_before", "cut_body", "html"):
        jicoo.fail(fault, method=method, share=0.15)
    for fault in ("rate_limit", "server_error", "dropped", "cut_body"):
        jicoo.fail(fault, method="GET", share=0.1)
    return uids


@pytest.fixture
def patient(connect, jicoo):
    policy = RetryPolicy(attempts=40, base=0.01, floor=0.01)
    return connect(jicoo.url, key=jicoo.api_key, timeout=0.3, policy=policy)


def test_in_a_storm_of_everything_a_guest_is_messaged_once_or_nobody_knows(jicoo, patient):
    uids = storm(jicoo, "POST")

    found = dict(zip(uids, patient.outcomes([bookings.cancel_booking(uid) for uid in uids]), strict=True))

    unknown = {uid for uid, outcome in found.items() if type(outcome) is errors.AmbiguousOutcomeError}
    done = {uid for uid, outcome in found.items() if isinstance(outcome, dict)}
    assert unknown | done == set(uids)
    assert unknown, "some were lost before they were made"
    assert len(done) > 5
    assert {jicoo.booking(uid)["status"] for uid in done} == {"cancel"}
    assert {jicoo.booking(uid)["status"] for uid in unknown} == {"open"}, "they were read back until it was sure"
    assert sorted(message.uid for message in jicoo.messages) == sorted(done)


def test_in_a_storm_of_everything_each_is_cancelled_once_where_the_user_lets_it_be_sent_again(jicoo, patient):
    uids = storm(jicoo, "POST")

    patient.send_all([bookings.cancel_booking(uid, on_doubt="again") for uid in uids])

    assert {booking["status"] for booking in jicoo.bookings()} == {"cancel"}
    assert sorted(message.uid for message in jicoo.messages) == sorted(uids)


def test_in_a_storm_of_everything_each_quiet_change_is_made(jicoo, patient):
    uids = storm(jicoo, "PATCH")

    patient.send_all([QUIET.call(jicoo, uid) for uid in uids])

    assert {booking["name"] for booking in jicoo.bookings()} == {"Renamed"}
    assert jicoo.messages == []


# --- what goes over the wire ----------------------------------------------------------------------------------------


def test_headers(connect, wire, key):
    server = wire()
    driver = connect(server.url)
    driver.send(GET)
    driver.send(bookings.cancel_booking("abc"))
    driver.send(bookings.update_booking("abc", name="予約"))

    library = {"requests": requests.__version__, "aiohttp": aiohttp.__version__}[driver.library]
    for head in server.heads():
        assert head["x-jicoo-api-key"] == key
        assert head["user-agent"] == (
            f"airflow-provider-jicoo/{__version__} ({driver.library}/{library}; python/{platform.python_version()})"
        )
        assert head["accept"] == "application/json"
        assert not {"authorization", "cookie", "proxy-authorization"} & head.keys()
    assert ["content-type" in head for head in server.heads()] == [False, True, True]
    assert {head["content-type"] for head in server.heads()[1:]} == {"application/json"}
    bodies = [request.partition(b"\r\n\r\n")[2] for request in server.requests]
    assert bodies == [b"", b"{}", '{"name":"予約"}'.encode()]


def test_path_and_query_arrive_as_they_were_meant(jicoo, driver):
    listing = bookings.list_bookings(status="open", started_at="2031-01-01T00:00:00+09:00", descending=True)

    assert list(driver.iterate(listing)) == []

    assert jicoo.requests[0].path == "/v1/bookings"
    assert jicoo.requests[0].query == {
        "order": "startedAt",
        "sort": "desc",
        "status": "open",
        "startedAt": "2030-12-30T15:00:00.000Z",  # a day more than is meant
        "page": "1",
        "perPage": "50",
    }


def test_a_path_before_the_apis_own(connect, wire):
    server = wire()

    connect(f"{server.url}/gateway/").send(GET)

    assert server.requests[0].startswith(b"GET /gateway/v1/bookings/abc HTTP/1.1\r\n")


def test_an_id_may_have_every_character_that_ids_have(jicoo, driver):
    for uid in ("_zDLK66WrbIT", "o-P4XTBDZeLW", "-abc", "~a", "a.b", "_"):
        jicoo.add_booking(uid=uid)
        assert driver.send(bookings.get_booking(uid))["uid"] == uid


def test_one_connection_is_kept(connect, wire):
    server = wire()
    driver = connect(server.url)

    for call in [GET, bookings.cancel_booking("abc"), *[GET] * 20]:
        driver.send(call)

    assert len(server.requests) == 22
    assert server.connections == 1


def test_a_connection_is_kept_after_a_refusal_a_redirect_and_a_page(connect, wire, reply):
    answers = [
        reply(b'{"errors": {}}', "404 Not Found"),
        reply(b"<h1>No", "403 Forbidden", "text/html"),
        reply(b"gone", "302 Found", headers=["Location: /x"]),
        reply(b"<h1>Hi", kind="text/html"),
        reply(),
    ]
    server = wire(lambda request, number: answers[number - 1])
    driver = connect(server.url)

    for _ in answers[:-1]:
        with pytest.raises(errors.RequestError):
            driver.send(GET)
    driver.send(GET)

    assert (len(server.requests), server.connections) == (5, 1)


def test_a_connection_that_the_server_has_closed_is_not_used(connect, wire, reply):
    """A change that is sent into one that is closed already is in doubt, though the server never saw it."""
    body = b'{"data": {"uid": "abc", "status": "cancel"}}'
    server = wire(lambda request, number: lambda connection: connection.sendall(reply(body)))  # and closes it unsaid
    driver = connect(server.url, timeout=0.5)

    for _ in range(5):
        driver.send(bookings.cancel_booking("abc"))
        time.sleep(0.05)

    assert [request.split(b" ", 1)[0] for request in server.requests] == [b"POST"] * 5


def twice(reply, number):
    """Answer, and a moment later once more."""

    def answer(connection):
        whole = reply(b'{"data": {"uid": "%d"}}' % number)
        connection.sendall(whole)
        time.sleep(0.05)
        connection.sendall(whole)
        time.sleep(0.3)

    return answer


def once(reply, number):
    """Answer, and close without a word."""
    return lambda connection: connection.sendall(reply(b'{"data": {"uid": "%d"}}' % number))


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("behave", [twice, once])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_comes_while_the_event_loop_cannot_read(wire, tls, trust, reply, scheme, behave, run):
    """A program that computes keeps its loop from reading; the next request must not be the first to find out."""
    server = wire(lambda request, number: behave(reply, number), tls=tls if scheme == "https" else None)

    async def ask_and_compute(count=4):
        client = AsyncJicooClient(Settings("sk_live_tests", server.url), policy=RetryPolicy(attempts=1))
        found = []
        try:
            for _ in range(count):
                found.append((await client.send(GET))["uid"])
                time.sleep(0.1)
        finally:
            await client.close()
            await asyncio.sleep(0.5)  # until the server, too, has closed
        return found

    assert run(ask_and_compute()) == ["1", "2", "3", "4"]
    assert (len(server.requests), server.connections) == (4, 4)


def test_what_comes_unasked_is_not_taken_for_the_next_answer(connect, wire, reply):
    server = wire(lambda request, number: twice(reply, number))
    driver = connect(server.url)

    found = []
    for _ in range(3):
        found.append(driver.send(GET)["uid"])
        time.sleep(0.15)

    assert found == ["1", "2", "3"]


@pytest.mark.parametrize("hint", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_what_comes_before_the_answer_is_passed_over(connect, wire, reply, hint):
    early = f"HTTP/1.1 {hint}\r\nLink: </style.css>; rel=preload\r\n\r\n".encode()
    driver = connect(wire(early * 2 + reply()).url)

    assert [driver.send(GET), driver.send(GET)] == [{"uid": "abc"}] * 2


@pytest.mark.parametrize("told", ["null", "[]", '{"base": [], "name": null}'])
def test_errors_without_any_in_them(connect, wire, reply, told):
    driver = connect(wire(reply(f'{{"data": {{"uid": "abc"}}, "errors": {told}}}')).url)

    assert driver.send(GET) == {"uid": "abc"}


def test_a_byte_order_mark_before_the_json(connect, wire, reply):
    driver = connect(wire(reply(b'\xef\xbb\xbf{"data": {"uid": "abc"}}')).url)

    assert driver.send(GET) == {"uid": "abc"}


def test_many_at_once_share_the_pool(connect, wire):
    server = wire()
    driver = connect(server.url, connections=4)

    for _ in range(3):
        driver.send_all([GET] * 4)

    assert len(server.requests) == 12
    assert server.connections <= 4


def test_no_cookie_is_sent_back(connect, wire, reply):
    server = wire(reply(headers=["Set-Cookie: session=1; Path=/", "Set-Cookie: lb=2"]))
    driver = connect(f"http://localhost:{server.port}")  # of an address in numbers aiohttp keeps none anyway

    driver.send(GET)
    driver.send(GET)

    assert "cookie" not in server.heads()[1]


def test_no_password_of_netrc_is_sent(connect, wire, monkeypatch, tmp_path):
    for name in ("netrc", ".netrc"):
        (tmp_path / name).write_text("machine 127.0.0.1 login me password geheim\ndefault login me password geheim\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    server = wire()

    connect(server.url).send(GET)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    connect(server.url).send(GET)

    assert ["authorization" in head for head in server.heads()] == [False, False]


# --- oddities -------------------------------------------------------------------------------------------------------


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


ODD = {
    "reset": lambda request, number: reset,
    "nothing": lambda request, number: None,
    "no HTTP": lambda request, number: lambda connection: connection.sendall(b"220 mail.example.com ESMTP\r\n\r\n"),
    "head breaks off": lambda request, number: lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "body breaks off": lambda request, number: (
        lambda connection: connection.sendall(
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{"data"'
        )
    ),
    "chunks break off": lambda request, number: (
        lambda connection: connection.sendall(
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"data":\r\n'
        )
    ),
    "no gzip": lambda request, number: (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
        b"Content-Length: 7\r\n\r\nnogzip!"
    ),
    "bad length": lambda request, number: (
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}")
    ),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("create", [False, True], ids=["get", "create"])
def test_what_is_no_whole_answer(connect, wire, reply, jicoo, odd, create):
    answers = itertools.chain([odd], itertools.repeat(lambda request, number: reply()))
    server = wire(lambda request, number: next(answers)(request, number))
    driver = connect(server.url, timeout=0.5)
    # http.client takes what came of the head for the whole, and reads the body up to the end of the connection.
    is_lenient = driver.library == "requests" and odd in (ODD["bad length"], ODD["head breaks off"])

    if create and is_lenient:
        driver.send(CREATE.call(jicoo, ""))  # the server said 200, and a create may be answered with anything
        assert len(server.requests) == 1
    elif create:
        with pytest.raises(errors.AmbiguousOutcomeError, match="no answer"):
            driver.send(CREATE.call(jicoo, ""))
        assert len(server.requests) == 1
    elif is_lenient:
        with pytest.raises(errors.UnexpectedAnswerError):
            driver.send(GET)
    else:
        assert driver.send(GET) == {"uid": "abc"}
        assert len(server.requests) == 2


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_an_interim_answer_is_none(connect, wire, reply, interim):
    """Taken for one, it would leave its request's answer to the next request on the connection."""

    def answer(request, number):
        def send(connection):
            for _ in range(2):
                connection.sendall(b"HTTP/1.1 " + interim + b"\r\nLink: </a>; rel=preload\r\n\r\n")
            time.sleep(0.1)  # the server is at work: what it says then would come too late
            return reply(b'{"data": {"uid": "%d"}}' % number)

        return send

    server = wire(answer)
    driver = connect(server.url)
    assert [driver.send(GET)["uid"] for _ in range(3)] == ["1", "2", "3"]
    assert (len(server.requests), server.connections) == (3, 1)


def test_gzip_is_read(connect, wire, reply):
    body = gzip.compress(b'{"data": {"uid": "zip"}}')

    assert connect(wire(reply(body, headers=["Content-Encoding: gzip"])).url).send(GET) == {"uid": "zip"}


def test_an_answer_in_pieces_may_take_longer_than_the_timeout(connect, wire):
    def slowly(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n")
        for piece in (b'{"data":', b' {"uid":', b' "slow"}', b"}")[:3]:
            time.sleep(0.15)
            connection.sendall(piece)

    server = wire(lambda request, number: slowly)

    start = time.monotonic()
    with pytest.raises(errors.UnexpectedAnswerError):  # 24 bytes of JSON without its last brace
        connect(server.url, timeout=0.3, policy=RetryPolicy(attempts=1)).send(GET)

    assert time.monotonic() - start >= 0.4
    assert len(server.requests) == 1


@pytest.mark.parametrize("timeout", [0.2, 0.5])
def test_the_timeout_is_the_one_that_was_set(jicoo, connect, uid, timeout):
    driver = connect(jicoo.url, key=jicoo.api_key, timeout=timeout, policy=RetryPolicy(attempts=1))
    jicoo.fail("hang", seconds=30)

    start = time.monotonic()
    with pytest.raises(errors.TransportError, match="no answer"):
        driver.send(bookings.get_booking(uid))

    assert timeout <= time.monotonic() - start < timeout + 4


def test_a_server_that_does_not_accept_times_out_as_not_connected(connect, jicoo):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        try:
            with pytest.raises(errors.TransportError, match="could not connect"):
                connect(f"http://127.0.0.1:{port}", timeout=0.2, policy=RetryPolicy(attempts=1)).send(
                    CREATE.call(jicoo, "")
                )
        finally:
            for one in waiting:
                one.close()


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [READ, CREATE], ids=lambda act: act.name)
def test_a_certificate_that_nobody_vouches_for_gets_no_request(connect, wire, tls, jicoo, act):
    server = wire(tls=tls)

    # A create too: the handshake failed, so that nothing can have been done.
    with pytest.raises(errors.TransportError, match=r"could not connect .*certificate verify failed"):
        connect(server.url).send(act.call(jicoo, "abc"))

    assert server.requests == []


def test_https(connect, wire, tls, trust):
    server = wire(tls=tls)
    driver = connect(server.url)

    assert [driver.send(GET), driver.send(GET)] == [{"uid": "abc"}] * 2

    assert server.connections == 1


# The asyncio of Python 3.10 leaves a TLS transport that was cut off to the garbage collector.
@pytest.mark.filterwarnings("default:.*_SSLProtocolTransport:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", ["closed", "garbage"])
def test_https_that_breaks_after_the_request_has_left_is_a_doubt(connect, wire, tls, trust, jicoo, how):
    def garbage(connection):
        os.write(connection.fileno(), b"this is no TLS record, whatever else it is")

    server = wire(lambda request, number: garbage if how == "garbage" else None, tls=tls)
    driver = connect(server.url)

    with pytest.raises(errors.AmbiguousOutcomeError):
        driver.send(CREATE.call(jicoo, ""))

    assert len(server.requests) == 1, "a create is not sent twice"


# --- pace -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "at once"])
def test_the_ceiling_is_kept(connect, wire, together):
    server = wire()
    driver = connect(server.url, rate=40)

    if together:
        driver.send_all([GET] * 21)
    else:
        for _ in range(21):
            driver.send(GET)

    took = max(server.times) - min(server.times)
    assert 0.45 <= took < 5, "20 gaps of 25 ms"


def test_a_ceiling_hands_out_moments_evenly():
    ceiling = Ceiling(10)

    assert [round(ceiling.reserve(now), 6) for now in (5.0, 5.0, 5.0, 5.25, 9.0, 9.05)] == [0, 0.1, 0.2, 0.05, 0, 0.05]
    assert [Ceiling(None).reserve(now) for now in (0.0, 0.0)] == [0, 0]


def test_a_ceiling_gives_no_moment_twice_to_threads():
    ceiling = Ceiling(1_000)
    with ThreadPoolExecutor(8) as pool:
        moments = list(pool.map(lambda _: ceiling.reserve(0.0), range(2_000)))

    assert sorted(round(moment * 1_000) for moment in moments) == list(range(2_000))


def test_the_ceiling_holds_for_repeats_and_for_reading_back(connect, wire, reply):
    server = wire(reply(b"{}", "503 Service Unavailable"))
    driver = connect(server.url, rate=20, policy=RetryPolicy(attempts=4, base=0.001, floor=0.001))

    started = time.monotonic()
    with pytest.raises(errors.AmbiguousOutcomeError):
        driver.send(bookings.update_booking("abc", name="x", is_send_updates=False))

    assert len(server.requests) == 5
    # From the start: the first request takes its time to arrive, since it opens the connection.
    assert server.times[-1] - started >= 0.19


def test_without_a_ceiling_nothing_waits(connect, wire):
    server = wire()
    driver = connect(server.url)

    for _ in range(50):
        driver.send(GET)

    assert server.times[-1] - server.times[0] < 5


@pytest.mark.parametrize(
    ("status", "jitter", "gaps"),
    [
        ("503 Service Unavailable", 0.999, [0.05, 0.1, 0.15, 0.15]),
        ("429 Too Many Requests", 0.0, [0.1, 0.1, 0.1, 0.1]),
        ("429 Too Many Requests", 0.999, [0.1, 0.1, 0.15, 0.15]),
    ],
)
def test_a_failing_server_is_not_hammered(connect, wire, reply, status, jitter, gaps):
    server = wire(reply(b"{}", status))
    policy = RetryPolicy(attempts=5, base=0.05, longest_backoff=0.15, floor=0.1, jitter=lambda: jitter)

    with pytest.raises(errors.RequestError):
        connect(server.url, policy=policy).send(GET)

    found = [b - a for a, b in itertools.pairwise(server.times)]
    assert len(found) == 4
    assert all(least * 0.95 <= gap for gap, least in zip(found, gaps, strict=True)), found
    assert sum(found) < sum(gaps) + 4


def test_a_closed_port_is_not_hammered(connect, closed_port):
    policy = RetryPolicy(attempts=4, base=0.05, jitter=lambda: 0.999)
    start = time.monotonic()

    with pytest.raises(errors.TransportError):
        connect(f"http://127.0.0.1:{closed_port}", policy=policy).send(GET)

    assert time.monotonic() - start >= 0.34


def test_each_wait_is_logged(jicoo, driver, uid, caplog):
    jicoo.fail("rate_limit")
    jicoo.fail("dropped")

    driver.send(bookings.get_booking(uid))

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("airflow_provider_jicoo")]
    assert len(lines) == 2
    assert lines[0].startswith(f"GET /v1/bookings/{uid}: answer 429 (try 1 of 4); sending it again in 0.0")
    assert lines[1].startswith(f"GET /v1/bookings/{uid}: no answer (")
    assert "(try 2 of 4); sending it again in 0.0" in lines[1]


@pytest.mark.asyncio
async def test_a_pace_is_asked_before_each_request_and_told_what_came(jicoo, key, fast):
    class Pace:
        rate = 1000.0

        def __init__(self):
            self.told = []
            self.asked = 0

        def reserve(self, now):
            self.asked += 1
            return 0.02

        def answered(self, status, retry_after, sent, now):
            assert sent <= now
            self.told.append((status, retry_after))

    uid = jicoo.add_booking()["uid"]
    jicoo.fail("rate_limit", retry_after="0")
    jicoo.fail("dropped")
    pace = Pace()
    start = time.monotonic()
    async with AsyncJicooClient(Settings(jicoo.api_key, jicoo.url), policy=fast, pace=pace) as client:
        await client.send(bookings.get_booking(uid))

    assert pace.told == [(429, 0.0), (None, None), (200, None)]
    assert pace.asked == 3
    assert time.monotonic() - start >= 0.06


# --- the client as a thing ------------------------------------------------------------------------------------------


def test_run_drives_a_generator_and_hands_errors_on(jicoo, driver):
    uids = [jicoo.add_booking()["uid"] for _ in range(3)]

    assert list(driver.run(lookup_bookings(uids))) == uids
    with pytest.raises(errors.NotFoundError):
        driver.run(lookup_bookings(["nobody"]))


def test_a_blocking_client_is_closed_at_the_end(wire, key):
    server = wire()
    with JicooClient(Settings(key, server.url)) as client:
        client.send(GET)
        client.close()

    assert client.send(GET) == {"uid": "abc"}, "requests opens anew"
    client.close()


@pytest.mark.asyncio
async def test_an_async_client_is_closed_at_the_end(wire, key):
    server = wire()
    async with AsyncJicooClient(Settings(key, server.url)) as client:
        assert await client.send(GET) == {"uid": "abc"}
        await client.close()
        await client.close()
        assert await client.send(GET) == {"uid": "abc"}, "it opens anew"

    assert server.connections == 2
    assert client._transport._server is None


@pytest.mark.asyncio
async def test_an_async_client_can_be_cancelled_in_the_middle(jicoo, uid):
    import asyncio

    jicoo.fail("hang", seconds=30)
    async with AsyncJicooClient(Settings(jicoo.api_key, jicoo.url)) as client:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.send(bookings.get_booking(uid)), 0.2)
        assert (await client.send(bookings.get_booking(uid)))["uid"] == uid


def test_an_answer_to_a_delete_may_be_empty(connect, wire):
    server = wire(lambda request, number: b"HTTP/1.1 204 No Content\r\n\r\n")

    assert connect(server.url).send(Call("DELETE", "/v1/things/1", answer_shape="anything")) is None
    assert server.requests[0].startswith(b"DELETE /v1/things/1 ")
