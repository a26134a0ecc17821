"""Nothing that a server sends takes more than so much memory, or so much time."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jicoo.api import bookings, errors
from airflow_provider_jicoo.api.adapter import _UntilDeadline
from airflow_provider_jicoo.api.reading import ANSWER_AT_MOST, Body, BodyError
from airflow_provider_jicoo.api.retry import Fault, RetryPolicy
from tests.api.acts import CREATE

GET = bookings.get_booking("abc")
MUTE = bookings.update_booking("abc", name="Olivia", is_send_updates=False)
DATA = b'{"data": {"uid": "abc", "name": "Olivia"}, "errors": {}}'
BLANKS = b" " * ANSWER_AT_MOST


def head(*headers, status="200 OK"):
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Type: application/json", *headers, "", ""]).encode()


def endless(*headers, **options):
    """Send a body without end."""

    def send(connection):
        with contextlib.suppress(OSError):
            connection.sendall(head(*headers, **options))
            for _ in range(400):
                connection.sendall(b"100000\r\n" + b" " * 2**20 + b"\r\n")

    return lambda request, number: send


def drip(text, before=b"", gap=0.05):
    """Send a byte now and then, each well within the timeout."""

    def send(connection):
        with contextlib.suppress(OSError):
            connection.sendall(before)
            for byte in text:
                connection.sendall(bytes([byte]))
                time.sleep(gap)

    return lambda request, number: send


def bomb(encoding, status="200 OK"):
    """Send 16 MiB and one byte, packed into some 16 KB."""
    packed = gzip.compress(BLANKS + b" ") if encoding == "gzip" else zlib.compress(BLANKS + b" ")
    return lambda request, number: (
        head(f"Content-Encoding: {encoding}", f"Content-Length: {len(packed)}", status=status) + packed
    )


TOO_LARGE = {
    "declared": lambda request, number: head(f"Content-Length: {ANSWER_AT_MOST + 1}"),
    "declared in many digits": lambda request, number: head("Content-Length: 9999999999999999"),
    "chunks without end": endless("Transfer-Encoding: chunked"),
    "until the connection closes": endless("Connection: close"),
    "gzip": bomb("gzip"),
    "deflate": bomb("deflate"),
}
TOO_SLOW = {
    "head": drip(head("X-Padding: " + "x" * 999)),
    "status line": drip(b"HTTP/1.1 200 " + b"x" * 999),
    "body": drip(DATA, head(f"Content-Length: {len(DATA)}")),
    "chunks": drip(b"1\r\n \r\n" * 99, head("Transfer-Encoding: chunked")),
    "size of a chunk": drip(b"0" * 999, head("Transfer-Encoding: chunked")),
    "until the connection closes": drip(b" " * 999, head("Connection: close")),
    "gzip": drip(gzip.compress(DATA), head("Content-Encoding: gzip", "Content-Length: 999")),
}
of_every_size = pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=TOO_LARGE)
of_every_slowness = pytest.mark.parametrize("answer", TOO_SLOW.values(), ids=TOO_SLOW)


@of_every_size
def test_a_read_whose_answer_is_too_large_is_given_up_at_once(connect, wire, answer):
    server = wire(answer)

    with pytest.raises(errors.UnexpectedAnswerError, match=r"more than 16 MiB .* ask for fewer rows .* page_size"):
        connect(server.url).send(GET)

    assert len(server.requests) == 1, "it would be as large again"


@of_every_slowness
def test_a_read_whose_answer_is_too_slow_is_given_up_after_four_timeouts(connect, wire, answer):
    server = wire(answer)
    started = time.monotonic()

    with pytest.raises(errors.TransportError, match=r"not whole after 0.4 s, 4 times the timeout; raise the timeout"):
        connect(server.url, timeout=0.1).send(GET)

    assert 0.4 <= time.monotonic() - started < 3
    assert len(server.requests) == 1, "it has had four timeouts"


@pytest.mark.parametrize(
    "answer", [TOO_LARGE["declared"], TOO_LARGE["gzip"], TOO_SLOW["body"]], ids=["declared", "gzip", "slow"]
)
def test_a_change_whose_answer_is_not_to_be_had_is_in_doubt(connect, wire, reply, jicoo, answer):
    """Nobody knows whether a create was made; a change is read back."""
    server = wire(lambda request, number: reply(DATA) if request.startswith(b"GET") else answer(request, number))
    driver = connect(server.url, timeout=0.1)

    with pytest.raises(errors.AmbiguousOutcomeError, match=r"the answer (is too large|takes too long)"):
        driver.send(CREATE.call(jicoo, ""))
    assert driver.send(MUTE)["name"] == "Olivia"

    assert [request.split(b" ", 1)[0] for request in server.requests] == [b"POST", b"PATCH", b"GET"]


@pytest.mark.parametrize("answer", [endless("Connection: close", status="401 No"), bomb("gzip", "401 No")])
def test_a_refusal_is_one_whatever_its_body_is(connect, wire, answer):
    server = wire(answer)

    with pytest.raises(errors.AuthenticationError):
        connect(server.url).send(GET)

    assert len(server.requests) == 1


def test_a_slow_refusal_too(connect, wire):
    with pytest.raises(errors.AuthenticationError):
        connect(wire(drip(b"x" * 999, head("Content-Length: 999", status="401 No"))).url, timeout=0.1).send(GET)


def test_after_an_answer_that_was_too_large_the_client_goes_on(connect, wire, reply):
    server = wire(lambda request, number: reply() if number > 1 else TOO_LARGE["gzip"](request, number))
    driver = connect(server.url, connections=1)

    with pytest.raises(errors.UnexpectedAnswerError):
        driver.send(GET)
    assert driver.send(GET) == {"uid": "abc"}


def test_who_waits_for_a_connection_loses_no_time_for_the_answer(connect, wire, reply):
    def late(connection):
        time.sleep(0.1)
        return reply()

    driver = connect(wire(lambda request, number: late).url, timeout=0.2, connections=1, policy=RetryPolicy(attempts=1))

    assert driver.send_all([GET] * 10) == [{"uid": "abc"}] * 10, "1 s one after the other; the deadline is 0.8 s"


def test_somebody_elses_cancellation_is_none_of_the_deadline(connect, wire):
    driver = connect(wire(drip(b"x" * 99, head("Content-Length: 99"))).url, timeout=0.2)
    if driver.library != "aiohttp":
        return

    async def cancelled_after(seconds):
        task = asyncio.ensure_future(driver.client.send(GET))
        await asyncio.sleep(seconds)
        task.cancel()
        return await task

    with pytest.raises(asyncio.CancelledError):
        driver._await(cancelled_after(0.2))
    # The task that was cancelled by the deadline goes on as if nothing had been.
    with pytest.raises(errors.TransportError, match="not whole after"):
        driver._await(asyncio.wait_for(driver.client.send(GET), 5))


def test_a_bomb_costs_no_more_memory_than_the_limit(connect, wire):
    packed = gzip.compress(bytes(100 * 2**20), 1)
    server = wire(lambda request, number: head("Content-Encoding: gzip", f"Content-Length: {len(packed)}") + packed)
    driver = connect(server.url)

    tracemalloc.start()
    try:
        with pytest.raises(errors.UnexpectedAnswerError):
            driver.send(GET)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * ANSWER_AT_MOST
    finally:
        tracemalloc.stop()


def test_only_what_can_be_bounded_is_asked_for(connect, wire):
    server = wire()

    connect(server.url).send(GET)

    assert server.heads()[0]["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "rot13"])
def test_what_was_not_asked_for_is_no_answer(connect, wire, reply, encoding):
    server = wire(reply(headers=[f"Content-Encoding: {encoding}"]))

    with pytest.raises(errors.TransportError, match="packed in a way that was not asked for"):
        connect(server.url, policy=RetryPolicy(attempts=1)).send(GET)


def raw_deflate(data):
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


def members(data):
    middle = len(data) // 2
    return gzip.compress(data[:middle]) + gzip.compress(b"") + gzip.compress(data[middle:])


PACKED = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "gzip of several members": ("gzip", members),
    "gzip and padding": ("gzip", lambda data: gzip.compress(data) + b"\0" * 9),
    "deflate": ("deflate", zlib.compress),
    "deflate without its header": ("deflate", raw_deflate),
    "deflate and garbage": ("deflate", lambda data: zlib.compress(data) + b"garbage"),
    "identity": ("identity", bytes),
    "nothing": ("", bytes),
}
of_every_packing = pytest.mark.parametrize(("encoding", "pack"), PACKED.values(), ids=PACKED)


@of_every_packing
@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_packed_is_read(connect, wire, encoding, pack, chunked):
    data = json.dumps({"data": {"uid": "abc", "name": "予" * 99_999}}).encode()
    packed = pack(data)
    if chunked:
        pieces = [packed[at : at + 1000] for at in range(0, len(packed), 1000)]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        answer = head(f"Content-Encoding: {encoding}", "Transfer-Encoding: chunked") + framed
    else:
        answer = head(f"Content-Encoding: {encoding}", f"Content-Length: {len(packed)}") + packed
    server = wire(answer)
    driver = connect(server.url)

    assert len(driver.send(GET)["name"]) == 99_999
    driver.send(GET)

    assert server.connections == 1, "it was read to its end"


def unpacked(encoding, pieces):
    body = Body({"Content-Encoding": encoding})
    for piece in pieces:
        body.feed(piece)
    return body.whole()


@of_every_packing
@given(data=st.binary(max_size=300), size=st.integers(1, 50))
def test_however_it_is_cut_into_pieces(encoding, pack, data, size):
    packed = pack(data)

    assert unpacked(encoding, [packed[at : at + size] for at in range(0, len(packed), size)]) == data


@of_every_packing
def test_what_breaks_off_or_is_damaged_is_no_answer(encoding, pack):
    packed = pack(bytes(range(256)) * 4)
    if encoding.lower() not in ("gzip", "x-gzip", "deflate") or "garbage" in repr(packed) or packed.endswith(b"\0" * 9):
        return
    for cut in (packed[:1], packed[:5], packed[: len(packed) // 2], packed[:-1], b"no" + packed):
        with pytest.raises(BodyError) as caught:
            unpacked(encoding, [cut])
        assert caught.value.fault is Fault.NO_ANSWER


def test_nothing_is_nothing_however_it_is_packed():
    for encoding in ("gzip", "deflate", "identity"):
        assert unpacked(encoding, []) == b""


def test_a_body_may_have_the_limit_and_no_more():
    assert len(unpacked("", [BLANKS])) == len(unpacked("gzip", [gzip.compress(BLANKS, 1)])) == ANSWER_AT_MOST
    with pytest.raises(BodyError) as caught:
        unpacked("", [BLANKS, b" "])
    assert caught.value.fault is Fault.TOO_LARGE


def test_a_socket_that_does_not_tell_its_timeout():
    # As pyOpenSSL's, which other packages of a worker may let urllib3 use; google-auth does for mTLS.
    class Wrapped:
        def __init__(self, inner):
            self.socket = inner
            self.settimeout, self.makefile = inner.settimeout, inner.makefile

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.05)
        read = _UntilDeadline(Wrapped(ours))
        theirs.send(b"x")
        assert read.read(1) == b"x"
        with pytest.raises(TimeoutError):
            read.read(1)
        read.close()
