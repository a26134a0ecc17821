"""The receiver behind a real uvicorn: what only the wire can do to it."""

from __future__ import annotations

import itertools
import os
import time

import pytest

from airflow_provider_jicoo.plugins import receiver
from airflow_provider_jicoo.plugins.jicoo import PREFIX, WebhookApp
from airflow_provider_jicoo.sandbox import Sandbox
from tests.plugins.hostile import METHODS, PATHS, hand_made
from tests.plugins.sending import GUEST, PATH, SECRET, body, signed
from tests.plugins.wire import send, serve

pytestmark = pytest.mark.once

RAW = body()
COUNT = 2_000 if os.environ.get("JICOO_LOAD") else 200


@pytest.fixture(scope="module", params=["httptools", "h11"])
def server(request):
    """Where it listens."""
    from fastapi import FastAPI

    app = FastAPI()
    app.mount(PREFIX, WebhookApp())
    with serve(app, request.param) as address:
        yield address


def ask(server, *pieces, timeout=20):
    """Send bytes as they are; return status and text of the first answer, None where there was none."""
    return send(server, pieces, timeout)


def request(raw=RAW, signature=None, path=PATH, method="POST", length=True, **headers):
    lines = [f"{method} {path} HTTP/1.1", "host: airflow.example.com"]
    if length:
        lines.append(f"content-length: {len(raw)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if signature is not None:
        lines.append(f"Jicoo-Webhook-Signature: {signature}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + raw


REFUSED = (401, b"refused\n")


def test_a_signed_one(server, endpoint, runs):
    assert ask(server, request(signature=signed(RAW))) == (200, b"stored\n")
    assert len(runs("webhook_first")) == 1


def test_in_chunks_as_a_relay_may_send_it(server, endpoint, runs):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (RAW[:7], RAW[7:]))
    head = request(b"", signed(RAW), length=False, transfer_encoding="chunked", x_forwarded_for="203.0.113.7")
    assert ask(server, head, chunks, b"0\r\n\r\n") == (200, b"stored\n")


def test_from_the_sandbox(server, endpoint, runs):
    """Sent twice, late and out of order: one run for each change."""
    host, port = server
    faults = ["duplicate=30%", "reorder=30%,seconds=0.2"]
    with Sandbox(
        bookings=0, webhook_url=f"http://{host}:{port}{PATH}", webhook_secret=SECRET, webhook_faults=faults
    ) as jicoo:
        booked = [jicoo.add_booking()["uid"] for _ in range(20)]
        jicoo.settle()
        assert {delivery.status for delivery in jicoo.deliveries} == {200}
        assert len(jicoo.deliveries) > 20
    assert sorted(conf["booking_uid"] for conf in runs("webhook_first").values()) == sorted(booked)


def test_forged(server, endpoint, airflow_database):
    assert ask(server, request(signature=signed(RAW, "whsec_another"))) == REFUSED
    assert ask(server, request(path=f"{PREFIX}/no_such_one", signature=signed(RAW))) == REFUSED


def test_ten_gigabytes_are_refused_before_they_are_sent(server, endpoint):
    head = request(b"", signed(RAW), length=False, content_length=10_000_000_000)
    assert ask(server, head) == REFUSED


def test_endless_chunks_are_refused_soon(server, endpoint):
    sent = []

    def pieces():
        yield request(b"", signed(RAW), length=False, transfer_encoding="chunked")
        for _ in range(20_000):
            sent.append(1)
            yield b"1000\r\n" + b"x" * 4096 + b"\r\n"

    # The connection may be reset before the answer is read.
    assert send(server, pieces()) in (REFUSED, None)
    # What the kernel holds on its way is sent as well.
    assert len(sent) * 4096 < 40_000_000


def test_a_body_that_does_not_come(server, endpoint, monkeypatch):
    monkeypatch.setattr(receiver, "PATIENCE", 0.2)
    begin = time.monotonic()
    assert ask(server, request(RAW[:10], signed(RAW), length=False, content_length=len(RAW)), timeout=60) == REFUSED
    assert time.monotonic() - begin >= 0.2


@pytest.mark.parametrize("method", [each for each in METHODS if each and each == each.strip()])
def test_another_method(server, endpoint, runs, method):
    status, _ = ask(server, request(method=method, signature=signed(RAW))) or (400, b"")
    assert status in (400, 401)
    assert not runs("webhook_first")


@pytest.mark.parametrize(
    "path", [*PATHS, "", "/jicoo", "*", "http://another.example.com"], ids=lambda path: repr(path[:20])
)
def test_another_path(server, endpoint, runs, path):
    status, _ = ask(server, request(path=PREFIX + path, signature=signed(RAW))) or (400, b"")
    # A server decodes %6A, and some of them cut what is behind.
    assert status != 200 or path in ("/%6Aicoo_default", "/jicoo_default?", "/jicoo_default#", "/jicoo_default ")
    assert (status == 200) == bool(runs("webhook_first"))
    assert status in (200, 307, 400, 401, 404, 405)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST\r\n\r\n",
        b"\0" * 1000,
        b"POST " + PATH.encode() + b" HTTP/9.9\r\n\r\n",
        request(content_length=1, signature=signed(RAW)),
        request(transfer_encoding="chunked", signature=signed(RAW)),
        request(transfer_encoding="gzip, chunked", signature=signed(RAW)),
        request(length=False, content_length=-1, signature=signed(RAW)),
        request(length=False, content_length="1\r\ncontent-length: 2", signature=signed(RAW)),
        request(length=False, signature=signed(RAW)),
        request(signature="\r\n folded"),
        request(signature="x" * 100_000),
        request(x="y\r\nJicoo-Webhook-Signature: " + signed(RAW, "whsec_another")),
        request(content_encoding="gzip", signature=signed(RAW)),
        request(connection="upgrade", upgrade="websocket", sec_websocket_key="eA==", sec_websocket_version=13),
        request(expect="100-continue", signature=signed(RAW, "whsec_another")),
        request(signature="t=1,v1=1") * 20,
    ],
    ids=range(17),
)
def test_garbage(server, endpoint, runs, garbage):
    answer = ask(server, garbage, timeout=1)
    assert answer is None or 400 <= answer[0] < 500
    assert not runs("webhook_first")
    # And the next one is served.
    assert ask(server, request(signature=signed(RAW))) == (200, b"stored\n")


def test_hand_made(server, endpoint, runs):
    """Those of the other test that a client can write on the wire."""
    sent = 0
    for hostile in itertools.islice(itertools.chain.from_iterable(map(hand_made, itertools.count())), COUNT):
        path, method = hostile.get("path", PATH), hostile.get("method", "POST")
        signature = hostile.get("signature")
        if "parts" in hostile or not f"{path}{method}{signature}".isprintable() or " " in path + method or not method:
            continue
        headers = {name.decode(): value.decode("latin-1") for name, value in hostile.get("headers", ())}
        has_length = "content-length" in hostile.get("own", ["content-length"])
        wire = request(hostile["raw_body"], signature, path, method, has_length, **headers)
        status, _ = ask(server, wire) or (400, b"")
        # FastAPI leads "" to "/"; a server cuts what is behind "?" or "#" of a request that is right otherwise.
        assert 300 <= status < 500 or path[-1] in "?#" or "%6A" in path, (status, hostile)
        sent += 1
    assert sent > COUNT / 2


def test_nothing_private_is_said(server, endpoint, caplog, capfd):
    caplog.set_level("DEBUG")
    for secret in (SECRET, "whsec_another"):
        ask(server, request(signature=signed(RAW, secret)))
    said = caplog.text + "".join(capfd.readouterr())
    assert "webhook for 'jicoo_default' refused" in said
    for private in (SECRET, "whsec_another", *GUEST.values()):
        assert private not in said
