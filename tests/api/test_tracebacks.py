"""Tracebacks with locals, as Sentry, rich and ``pytest -l`` show them, have neither the key nor the guest in them."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import threading

import pytest

from airflow_provider_jicoo.api import bookings, errors, event_types, organization, schedules
from airflow_provider_jicoo.api.request import request
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.secret import Secret, discreet
from airflow_provider_jicoo.api.settings import Settings
from tests.tracebacks import chain, frames, shown

KEY = "sk_live_4Qm9Zt7cVx2Lw8Rb"
GUEST = {
    "name": "Ottilie Guestname",
    "email": "ottilie@geheim.example",
    "message": "My divorce is next week",
    "company": "Unterwelt GmbH",
    "phone_number": "0312345678",
    "answers": [{"question_uid": "q1", "content": ["allergic to nuts"]}],
}
WORDS = ("Ottilie", "ottilie@", "divorce", "Unterwelt", "0312345678", "allergic", KEY, KEY[8:])
ONCE = RetryPolicy(attempts=1, base=0.01, floor=0.01)


def create():
    return bookings.create_booking(
        started_at="2031-01-01T00:00Z", time_zone="Asia/Tokyo", event_type_id="e", location_id=None, **GUEST
    )


CALLS = {
    "get": lambda: bookings.get_booking("abc"),
    "list": lambda: bookings.get_booking_contacts("abc"),
    "update": lambda: bookings.update_booking("abc", name="Ottilie Guestname", description="My divorce"),
    "quiet": lambda: bookings.update_booking("abc", name="Ottilie Guestname", is_send_updates=False),
    "create": create,
    "request": lambda: request("POST", "/v1/other", params={"who": "ottilie@geheim.example"}, json=GUEST),
}
BOOKING = {"uid": "abc", "name": "The divorce of Ottilie Guestname", "description": "allergic to nuts", "status": "x"}
GOOD = json.dumps({"data": BOOKING, "errors": {}})
ANSWERS = {
    "401": ('{"errors": {"key": ["unknown"]}}', "401 No"),
    "404": ('{"errors": {"base": ["not found"]}}', "404 No"),
    "409": ('{"errors": {"base": ["this slot is taken"]}}', "409 Conflict"),
    "422": ('{"errors": {"name": ["is too long"]}}', "422 No"),
    "500": ('{"errors": {"base": ["oops"]}}', "500 Oops"),
    "503 page": ("<h1>Oops</h1>", "503 Oops", "text/html"),
    "redirect": ("", "302 Found"),
    "other JSON": ('{"more": [1, 2]}', "200 OK"),
}


def assert_shows_nothing(error):
    assert list(frames(error)), "there is a frame of this package to look at"
    found = shown(error)
    assert not [word for word in WORDS if word in found], found


def cut(connection):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
    connection.sendall(head + GOOD.encode())


def hang(connection):
    connection.recv(1)


BREAKS = {
    "cut JSON": lambda request, number: cut,
    "dropped": lambda request, number: None,
    "timeout": lambda request, number: hang,
    "no HTTP": lambda request, number: lambda connection: connection.sendall(GOOD.encode() + b"\r\n\r\n"),
    "no gzip": lambda request, number: b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nnogzi",
    "too large": lambda request, number: b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("answer", [*ANSWERS, *BREAKS, "closed port"])
def test_of_an_error(connect, wire, reply, closed_port, call, answer):
    url = f"http://127.0.0.1:{closed_port}"
    if answer != "closed port":
        url = wire(BREAKS.get(answer) or reply(*ANSWERS[answer])).url
    driver = connect(url, key=KEY, policy=ONCE, timeout=0.1)
    if (call, answer) == (CALLS["create"], "other JSON") or (call, answer) == (CALLS["request"], "other JSON"):
        return  # any answer is one

    with pytest.raises(errors.RequestError) as caught:
        driver.send(call())

    assert_shows_nothing(caught.value)


@pytest.mark.parametrize("status", ["200 OK", "500 Oops", "404 No"])
@pytest.mark.parametrize("call", ["update", "quiet"])
def test_of_a_change_that_was_read_back(connect, wire, reply, call, status):
    def answer(request, number):
        return reply(GOOD if status == "200 OK" else "{}", status) if request.startswith(b"GET") else oops

    oops = reply("{}", "500 Oops")

    driver = connect(wire(answer).url, key=KEY, policy=ONCE, timeout=0.1)

    with pytest.raises(errors.RequestError) as caught:
        driver.send(CALLS[call]())

    assert_shows_nothing(caught.value)


@pytest.mark.parametrize("rows", [[BOOKING], [BOOKING, 7], [None]])
def test_of_a_list(connect, wire, reply, rows):
    total = len(rows)
    page = {"data": rows, "errors": {}, "count": total, "totalCount": total, "numberOfPages": 1, "currentPage": 1}
    driver = connect(wire(reply(json.dumps(page))).url, key=KEY, policy=ONCE)

    with pytest.raises(errors.RequestError) as caught:
        list(driver.client.iterate(bookings.list_bookings()) if driver.library == "requests" else listed(driver))

    assert_shows_nothing(caught.value)


def listed(driver):
    async def rows():
        return [row async for row in driver.client.iterate(bookings.list_bookings())]

    return driver._await(rows())


LONG = "Ottilie Guestname " * 9
WRONG = {
    "create": lambda: bookings.create_booking(**GUEST | {"name": LONG, "started_at": "2031-01-01T00:00Z"}),
    "update": lambda: bookings.update_booking("abc", description=["divorce"]),
    "unknown field": lambda: bookings.update_booking("abc", description="divorce", nmae="x"),
    "validate": lambda: event_types.validate_guest("1", "e", name="", email="ottilie@geheim.example"),
    "invite": lambda: organization.create_organization_invitation(email="ottilie@geheim.example", role="king"),
    "schedule": lambda: schedules.create_schedule(name="divorce", nmae="x"),
    "request": lambda: request("POST", "/v1/x", json={"message": "divorce", "more": float("nan")}),
    "request path": lambda: request("POST", "v1/x", json={"message": "divorce"}),
    "key": lambda: Settings(KEY + " "[:0] + "\n\n x"),
    "host": lambda: Settings(KEY, "ftp://api.jicoo.com"),
    "timeout": lambda: Settings(KEY, timeout=-1),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_of_what_cannot_be_sent(make):
    with pytest.raises(errors.InvalidRequestError) as caught:
        make()

    assert_shows_nothing(caught.value)


def test_of_a_bug(connect, wire):
    """An error that is none of this package's."""
    driver = connect(wire().url, key=KEY)
    call = create()
    call.body = {**call.body, "more": object()}

    with pytest.raises(TypeError, match="unsupported") as caught:
        driver.send(call)

    assert_shows_nothing(caught.value)


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals come to the main thread")
def test_of_a_task_that_is_timed_out(connect, wire):
    """Airflow raises its timeout in the middle of whatever is under way."""

    class TaskTimeoutError(BaseException):
        pass

    def alarm(number, frame):
        raise TaskTimeoutError

    driver = connect(wire(lambda request, number: hang).url, key=KEY, policy=ONCE)
    before = signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        if driver.library == "requests":
            with pytest.raises(TaskTimeoutError) as caught:
                driver.send(create())
            assert_shows_nothing(caught.value)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if driver.library == "aiohttp":
        with pytest.raises(asyncio.TimeoutError) as caught:
            driver._await(asyncio.wait_for(driver.client.send(create()), 0.1))
        assert_shows_nothing(caught.value)


def test_the_log_of_the_libraries_has_no_query(connect, wire, reply, caplog):
    caplog.set_level(logging.DEBUG)
    driver = connect(wire(reply("{}", "500 Oops")).url, key=KEY, policy=ONCE)

    with pytest.raises(errors.RequestError):
        driver.send(request("GET", "/v1/guests", params={"email": "ottilie@geheim.example"}))

    if driver.library == "requests":
        assert 'GET /v1/guests HTTP/1.1" 500' in caplog.text
    assert not [word for word in WORDS if word in caplog.text]


def test_other_requests_are_logged_as_ever(wire, caplog):
    import requests

    caplog.set_level(logging.DEBUG)
    requests.get(wire().url + "/other?who=me", timeout=5)

    assert "/other?who=me" in caplog.text


# --- discreet itself ------------------------------------------------------------------------------------------------


def test_a_secret_shows_nothing():
    secret = Secret(KEY)

    assert KEY not in f"{secret} {secret!r} {[secret]} {vars(secret) if hasattr(secret, '__dict__') else ''}"
    assert secret.reveal() == KEY


def test_what_was_being_handled_keeps_its_traceback():
    @discreet
    def fails(secret):
        raise KeyError("inner")

    def handles():
        try:
            raise OSError("outer")
        except OSError:
            fails("divorce")

    with pytest.raises(KeyError) as caught:
        handles()

    assert str(caught.value.__context__) == "outer"
    assert caught.value.__context__.__traceback__ is not None


@pytest.mark.parametrize(
    "exceptions", [None, ("one", 2), [KeyError("inner")], lambda: None], ids=lambda value: type(value).__name__
)
def test_an_error_with_something_of_its_own_called_exceptions_is_raised(exceptions):
    class OwnError(Exception):
        pass

    OwnError.exceptions = exceptions

    @discreet
    def fails():
        raise OwnError

    with pytest.raises(OwnError):
        fails()


def test_where_an_error_of_no_words_was_raised_is_noted():
    @discreet
    def fails(secret):
        return 1 / 0

    with pytest.raises(ZeroDivisionError) as caught:
        fails("divorce")

    if hasattr(caught.value, "__notes__"):
        assert caught.value.__notes__[0].startswith(f"Raised at {__file__}:")
    assert chain(caught.value) == [caught.value]


def test_generators_are_what_they_were():
    closed = []

    @discreet
    def count(to):
        try:
            for number in range(to):
                sent = yield number
                assert sent is None
        finally:
            closed.append(to)
        return "end"

    steps = count(2)
    assert [next(steps), next(steps)] == [0, 1]
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "end"
    begun = count(9)
    next(begun)
    begun.close()
    assert closed == [2, 9]


def test_async_generators_are_what_they_were():
    closed = []

    @discreet
    async def count(to):
        try:
            for number in range(to):
                yield number
            raise KeyError(to)
        finally:
            closed.append(to)

    async def use():
        rows = count(9)
        assert await rows.__anext__() == 0
        await rows.aclose()
        return [number async for number in count(2)]

    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(KeyError):
            loop.run_until_complete(use())
    finally:
        loop.close()
    assert closed == [9, 2]
