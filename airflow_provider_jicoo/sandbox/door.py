"""The door of the server: counts each request, checks the key, keeps the rate, and lets faults happen.

Plain ASGI around the FastAPI app, so that nothing in the app knows of keys, limits and faults.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_jicoo.sandbox import choices, connection
from airflow_provider_jicoo.sandbox.choices import NO_FIELD
from airflow_provider_jicoo.sandbox.faults import Answer, Faults, refusal, too_many

REQUEST_NUMBER = "airflow_provider_jicoo.request"
"""Where the scope carries the number of the request."""


@dataclass
class Received:
    """A request that reached the sandbox.

    :param number: its number, from 1.
    :param method: HTTP method.
    :param path: path without the query, decoded.
    :param query: query parameters; of one given twice the last.
    :param body: parsed JSON; the text where it is not JSON; None where there was none.
    :param at: when it came, in UTC, by the sandbox's clock.
    :param headers: by lower-case name.
    :param status: status of the answer; None where none was given (yet).
    """

    number: int
    method: str
    path: str
    query: dict[str, str]
    body: Any
    at: datetime
    headers: dict[str, str] = field(repr=False)
    status: int | None = None


class Bucket:
    """A token bucket: ``rate`` requests per second, and :data:`~choices.BURST_SECONDS` of them at once."""

    def __init__(self, rate: float) -> None:
        if rate <= 0:
            raise ValueError(f"the rate limit must be above 0, not {rate}")
        self.rate = rate
        self._size = max(1.0, rate * choices.BURST_SECONDS)
        self._tokens = self._size
        self._filled = time.monotonic()

    def take(self) -> bool:
        """Take a token, if there is one."""
        now = time.monotonic()
        self._tokens = min(self._size, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Door:
    """ASGI app around ``app``.

    :param app: answers the requests that get through.
    :param clock: returns the time.
    :param faults: what goes wrong.
    :param remember: keep each request; otherwise they are only numbered, and a server that runs for days does not grow.
    """

    def __init__(self, app: ASGIApp, clock: Callable[[], datetime], faults: Faults, *, remember: bool) -> None:
        self._app = app
        self._clock = clock
        self.faults = faults
        self.bucket: Bucket | None = None
        self.latency = 0.0
        self.stopping = asyncio.Event()
        self.key_revoked = False
        self.requests: list[Received] = []
        self._remember = remember
        self._number = 0
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Begin counting anew."""
        with self._lock:
            self.requests = []
            self._number = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or do whatever the fault says."""
        if not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            return
        request = self._note(scope, body)
        answer = self._refuse(request)
        fault = None if answer else self.faults.pick(request.method, request.path)
        if answer is None and (fault is None or fault.changed):
            answer = await self._ask({**scope, REQUEST_NUMBER: request.number}, body)
        if self.latency:
            await asyncio.sleep(self.latency)
        waited = not (fault and fault.wait) or await connection.hold(receive, fault.wait, self.stopping)
        answer = fault.answer if fault and fault.answer else answer
        if answer is None or (fault and fault.sent == "nothing") or not waited:
            await connection.drop(receive)
            return
        request.status = answer.status
        if fault and fault.sent == "part":
            await connection.cut(answer, receive, send)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        await send({"type": "http.response.body", "body": answer.body})

    def _note(self, scope: Scope, body: bytes) -> Received:
        with self._lock:
            self._number += 1
            request = Received(
                number=self._number,
                method=scope["method"],
                path=scope["path"],
                query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
                body=_parsed(body) if self._remember else None,
                at=self._clock(),
                headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
            )
            if self._remember:
                self.requests.append(request)
            return request

    def _refuse(self, request: Received) -> Answer | None:
        key = request.headers.get("x-jicoo-api-key")
        if key == choices.FORBIDDEN_KEY:
            return refusal(403, {NO_FIELD: ["The API key does not have permission."]})
        if key != choices.API_KEY or self.key_revoked:
            return refusal(401, {NO_FIELD: ["No valid API key provided."]})
        if self.bucket is not None and not self.bucket.take():
            return too_many()
        return None

    async def _ask(self, scope: Scope, body: bytes) -> Answer:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        return Answer(
            sent[0]["status"], tuple(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:])
        )


async def _read(receive: Receive) -> bytes | None:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None  # half a request is none: an empty body would cancel a booking
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _parsed(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
