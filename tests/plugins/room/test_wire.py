"""The pages behind a real uvicorn: what only the wire can do to them."""

from __future__ import annotations

import itertools
import os
import socket

import pytest

from tests.plugins.room import planted
from tests.plugins.room.effects import notes, told
from tests.plugins.room.hostile import Targets, dump, form, hand_made, ours
from tests.plugins.wire import send, serve

pytestmark = pytest.mark.once

COUNT = 2_000 if os.environ.get("JICOO_LOAD") else 150


@pytest.fixture(params=["httptools", "h11"])
def server(rest_api, request):
    """Where Airflow's API server listens."""
    with serve(rest_api.app, request.param) as address:
        yield address


@pytest.fixture
def proof(editor):
    return [(name.encode(), value.encode()) for name, value in editor.headers.items()]


def head(path, headers, method="POST", query=b""):
    """Return the head of a request, after whose answer the server is to close."""
    lines = [f"{method} {path}{'?' if query else ''}".encode() + query + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in [(b"host", b"testserver"), (b"connection", b"close"), *headers]]
    return b"\r\n".join([*lines, b"", b""])


def test_an_order(server, proof, running):
    """So that what follows is refused for what it is."""
    length = (b"content-length", b"%d" % len(dump("pause")))
    status, _ = send(server, [head(f"{running.address}/control", [*proof, *ours(), length]), dump("pause")])
    assert status == 200
    assert told(running) == {"state": "pause"}


@pytest.mark.parametrize("tail", ["", "/control"])
def test_endless_chunks_are_answered_soon(server, proof, running, tail):
    sent = []

    def pieces():
        kind = ours() if tail else form()
        yield head(f"{running.address}{tail}", [*proof, *kind, (b"transfer-encoding", b"chunked")])
        for _ in range(20_000):
            sent.append(1)
            yield b"1000\r\n" + b" " * 4096 + b"\r\n"

    # The connection may be reset before the answer is read.
    status, _ = send(server, pieces()) or (422 if tail else 200, b"")
    assert status == (422 if tail else 200)
    # What the kernel holds on its way is sent as well.
    assert len(sent) * 4096 < 40_000_000
    assert told(running) is None


def test_who_goes_away_is_no_failure(server, proof, running, caplog):
    """Else whoever may read a DAG could fill the log of the API server with errors."""
    for tail, kind in (("", form()), ("/control", ours())):
        length = (b"content-length", b"1000")
        with socket.create_connection(server, timeout=20) as connection:
            connection.sendall(head(f"{running.address}{tail}", [*proof, *kind, length]) + dump("stop"))
    # The next one is served, and by then those before are over.
    status, _ = send(server, [head(running.address, proof, "GET")])
    assert status == 200
    assert "failed" not in caplog.text
    assert told(running) is None
    assert notes(running) == []


def test_hand_made(server, proof, person, running, tmp_path):
    """Those of the other test that a client can write on the wire."""
    other = planted.plant("room_of_others", "w", "apply", "running")
    viewer = [(name.encode(), value.encode()) for name, value in person("VIEWER").headers.items()]
    proofs = {"editor": viewer, "viewer": viewer, "nobody": []}
    sent = 0
    targets = Targets(running.address, other.address, [])
    for hostile in itertools.islice(
        itertools.chain.from_iterable(hand_made(n, targets) for n in itertools.count()), COUNT
    ):
        names = {name for name, _ in hostile.headers}
        written = f"{hostile.method}{hostile.path}"
        if hostile.is_cut or not hostile.method or not written.isascii() or " " in written or b"\n" in hostile.query:
            continue
        length = [] if b"content-length" in names else [(b"content-length", b"%d" % sum(map(len, hostile.parts)))]
        headers = [*proofs[hostile.who], *hostile.headers, *length]
        answer = send(server, [head(hostile.path, headers, hostile.method, hostile.query), *hostile.parts], timeout=60)
        status, _ = answer or (400, b"")
        assert status < 500, (status, str(hostile)[:500])
        sent += 1
    assert sent > COUNT / 2
    assert told(running) is None
