"""Requests as a server hands them to Airflow's application: what no client lets leave is among them."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote


async def ask(app, hostile, proof=(), hear=lambda message: None):
    """Send a request; return status and content of its answer, None and nothing where there is none.

    :param hostile: a :class:`~tests.plugins.room.hostile.Hostile`.
    :param proof: headers that tell who sends it.
    :param hear: is called with each message of the answer as it comes.
    """
    names = {name for name, _ in hostile.headers}
    usual = [(b"host", b"testserver"), (b"user-agent", b"tests")]
    if b"content-length" not in names:
        usual.append((b"content-length", b"%d" % sum(map(len, hostile.parts))))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("203.0.113.7", 50_000),
        "method": hostile.method,
        # As uvicorn does.
        "path": unquote(hostile.path),
        "raw_path": hostile.path.encode(),
        "root_path": "",
        "query_string": hostile.query,
        "headers": [*usual, *proof, *hostile.headers],
    }
    left, answered, sent = list(hostile.parts), asyncio.Event(), []

    async def receive():
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or hostile.is_cut}
        if not hostile.is_cut:
            # Its sender is there until it has the answer.
            await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        hear(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            answered.set()

    await app(scope, receive, send)
    status = next((each["status"] for each in sent if each["type"] == "http.response.start"), None)
    return status, b"".join(each.get("body", b"") for each in sent)
