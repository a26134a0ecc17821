"""Who sends a call may hold up each of its requests: what the async client asks, and in which order."""

from __future__ import annotations

import asyncio
import time

import pytest
import pytest_asyncio

from airflow_provider_jicoo.api import bookings, errors
from airflow_provider_jicoo.api.aio import FREE, AsyncJicooClient, WithheldError
from airflow_provider_jicoo.api.exchange import Hurry, NoReply, Reply
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.settings import Settings

pytestmark = pytest.mark.asyncio


class Book:
    """A passage that writes down what it is asked.

    :param ready: what it answers each time, as ``leave``; the last one for ever.
    :param hurry: whether there is no time to wait.
    """

    def __init__(self, *, ready=(True,), leave=(True,), hurry=False):
        self._answers = {"ready": list(ready), "leave": list(leave)}
        self._hurry = hurry
        self.asked = []
        self.waits = []

    def _answer(self, question, call):
        self.asked.append((question, call.method))
        left = self._answers[question]
        return left.pop(0) if len(left) > 1 else left[0]

    async def ready(self, call):
        return self._answer("ready", call)

    async def leave(self, call):
        return self._answer("leave", call)

    def returned(self, call, came):
        self.asked.append(("returned", call.method))
        assert isinstance(came, (Reply, NoReply))
        self.waits.append(came.status if isinstance(came, Reply) else None)

    async def wait(self, call, seconds, why):
        self.asked.append(("wait" if why else "pace", call.method))
        self.waits.append((round(seconds, 3), why))
        return Hurry.HURRY if self._hurry else None


class Pace:
    """A pace that writes down what it is asked, into the same book.

    :param rate: requests per second, or None where it holds up nothing.
    """

    def __init__(self, book, rate=1000.0):
        self._book = book
        self.rate = rate

    def reserve(self, now):
        self._book.asked.append(("reserve", ""))
        return 0.25

    def answered(self, status, retry_after, sent, now):
        self._book.asked.append(("answered", ""))


@pytest_asyncio.fixture
async def client(jicoo, fast):
    settings = Settings(jicoo.api_key, jicoo.url, timeout=5, server_grace=5)
    async with AsyncJicooClient(settings, policy=fast) as client:
        yield client


@pytest.fixture
def uid(jicoo):
    return jicoo.add_booking()["uid"]


ONE = ["ready", "leave", "returned"]


def questions(book):
    return [question for question, _ in book.asked]


async def test_a_request_is_ready_then_leaves_then_has_returned(jicoo, client, uid):
    book = Book()

    assert await client.send(bookings.get_booking(uid), book) == jicoo.booking(uid)

    assert questions(book) == ONE
    assert book.waits == [200]


async def test_its_place_in_the_pace_comes_between(jicoo, fast, uid):
    book = Book()
    async with AsyncJicooClient(Settings(jicoo.api_key, jicoo.url), policy=fast, pace=Pace(book)) as client:
        await client.send(bookings.get_booking(uid), book)

    assert questions(book) == ["ready", "reserve", "pace", "leave", "returned", "answered"]
    assert book.waits == [(0.25, ""), 200], "it is the passage that waits, and is told no reason"


async def test_a_pace_that_holds_up_nothing_is_not_waited_for(jicoo, fast, uid):
    book = Book()
    async with AsyncJicooClient(Settings(jicoo.api_key, jicoo.url), policy=fast, pace=Pace(book, None)) as client:
        await client.send(bookings.get_booking(uid), book)

    assert questions(book) == ["ready", "leave", "returned", "answered"]


async def test_each_sending_is_asked_about_and_each_wait(jicoo, client, uid):
    book = Book()
    jicoo.fail("rate_limit", times=2, retry_after="7")

    await client.send(bookings.update_booking(uid, name="x", is_send_updates=True), book)

    assert questions(book) == [*ONE, "wait", *ONE, "wait", *ONE]
    assert [method for _, method in book.asked] == ["PATCH"] * 11
    status, (seconds, why), *_ = book.waits
    assert (status, seconds) == (429, 7.0), "the passage waits, and this one does not"
    assert why == "answer 429 (try 1 of 4); sending it again in 7.0 s"


async def test_reading_back_goes_through_it_too(jicoo, client, uid):
    book = Book()
    jicoo.fail("dropped", method="POST")

    found = await client.send(bookings.cancel_booking(uid), book)

    assert found["status"] == "cancel"
    assert book.asked == [
        *((question, "POST") for question in ONE),
        ("wait", "POST"),
        *((question, "GET") for question in ONE),
    ]
    assert book.waits[0] is None, "there was no answer"
    assert book.waits[1][0] == 1.0
    assert "not sending it again" in book.waits[1][1]


async def test_in_a_hurry_it_is_looked_at_once(jicoo, client, uid):
    book = Book(hurry=True)
    jicoo.fail("dropped_before", method="POST")

    with pytest.raises(errors.AmbiguousOutcomeError):
        await client.send(bookings.cancel_booking(uid), book)

    assert questions(book) == [*ONE, "wait", *ONE]


async def test_with_time_it_is_looked_at_until_the_end_of_the_grace(jicoo, client, uid):
    book = Book()
    jicoo.fail("dropped_before", method="POST")

    with pytest.raises(errors.AmbiguousOutcomeError):
        await client.send(bookings.cancel_booking(uid), book)

    assert questions(book) == [*ONE, "wait", *ONE, "wait", *ONE]
    assert [entry[0] for entry in book.waits if isinstance(entry, tuple)] == [1.0, 4.0]


# --- what is held back ----------------------------------------------------------------------------------------------


async def test_what_is_not_ready_takes_no_place_in_the_pace_and_does_not_leave(jicoo, fast, uid):
    book = Book(ready=[False])
    async with AsyncJicooClient(Settings(jicoo.api_key, jicoo.url), policy=fast, pace=Pace(book)) as client:
        with pytest.raises(WithheldError):
            await client.send(bookings.cancel_booking(uid), book)

    assert questions(book) == ["ready"]
    assert jicoo.requests == []


async def test_what_may_not_leave_at_the_last_moment_does_not(jicoo, fast, uid):
    book = Book(leave=[False])
    async with AsyncJicooClient(Settings(jicoo.api_key, jicoo.url), policy=fast, pace=Pace(book)) as client:
        with pytest.raises(WithheldError):
            await client.send(bookings.cancel_booking(uid), book)

    assert questions(book) == ["ready", "reserve", "pace", "leave"]
    assert jicoo.requests == []


@pytest.mark.parametrize("answers", [{"ready": [True, False]}, {"leave": [True, False]}], ids=["ready", "leave"])
async def test_a_second_sending_may_be_held_back(jicoo, client, uid, answers):
    jicoo.fail("rate_limit", method="POST", retry_after="0")

    with pytest.raises(WithheldError):
        await client.send(bookings.cancel_booking(uid), Book(**answers))

    assert jicoo.count() == 1
    assert jicoo.messages == []


@pytest.mark.parametrize("answers", [{"ready": [True, False]}, {"leave": [True, False]}], ids=["ready", "leave"])
async def test_reading_back_may_be_held_back_and_is_then_no_error_of_jicoos(jicoo, client, uid, answers):
    jicoo.fail("dropped", method="POST")

    with pytest.raises(WithheldError):
        await client.send(bookings.cancel_booking(uid), Book(**answers))

    assert jicoo.count() == 1


async def test_a_withheld_request_is_no_request_error():
    assert not issubclass(WithheldError, errors.JicooError)


async def test_the_client_goes_on_after_one_was_held_back(client, uid):
    with pytest.raises(WithheldError):
        await client.send(bookings.get_booking(uid), Book(ready=[False]))

    assert (await client.send(bookings.get_booking(uid)))["uid"] == uid


async def test_what_is_held_up_holds_up_nobody_else(client, uid):
    class Slow(Book):
        async def ready(self, call):
            await gate.wait()
            return True

    gate = asyncio.Event()
    slow = asyncio.create_task(client.send(bookings.get_booking(uid), Slow()))

    assert (await asyncio.wait_for(client.send(bookings.get_booking(uid)), 5))["uid"] == uid
    gate.set()
    assert (await asyncio.wait_for(slow, 5))["uid"] == uid


# --- many calls, and none that is held up ---------------------------------------------------------------------------


async def test_a_generator_of_calls_goes_through_it_too(jicoo, client):
    uids = [jicoo.add_booking()["uid"] for _ in range(3)]
    book = Book()

    assert set(await client.run(lookup_bookings(uids), book)) == set(uids)

    assert len(book.asked) == 3 * jicoo.count()
    with pytest.raises(WithheldError):
        await client.run(lookup_bookings(uids), Book(leave=[False]))


async def test_by_itself_nothing_is_held_up(jicoo, client, uid, caplog):
    jicoo.fail("rate_limit", retry_after="0")
    start = time.monotonic()

    await client.send(bookings.get_booking(uid), FREE)

    assert time.monotonic() - start < 5
    (line,) = (record.getMessage() for record in caplog.records if record.name.startswith("airflow_provider_jicoo"))
    assert line.startswith(f"GET /v1/bookings/{uid}: answer 429 (try 1 of 4); sending it again in")


async def test_waiting_for_the_pace_alone_is_not_logged(jicoo, uid, caplog):
    settings = Settings(jicoo.api_key, jicoo.url, max_requests_per_second=50)
    async with AsyncJicooClient(settings) as client:
        for _ in range(3):
            await client.send(bookings.get_booking(uid))

    assert [record for record in caplog.records if record.name.startswith("airflow_provider_jicoo")] == []
