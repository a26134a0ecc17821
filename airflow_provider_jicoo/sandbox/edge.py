"""The edge of the server: counts each request, checks the key, keeps the rate, and lets faults happen.

Plain ASGI around the FastAPI app, so that nothing in the app knows of keys, limits and faults.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_jicoo.sandbox import choices, wire_faults
from airflow_provider_jicoo.sandbox.choices import NO_FIELD
from airflow_provider_jicoo.sandbox.faults import Answer, Fault, Faults, refusal, too_many
from airflow_provider_jicoo.sandbox.quirks.quirk import Exchange
from airflow_provider_jicoo.sandbox.quirks.wire import ClockAhead
from airflow_provider_jicoo.sandbox.quirks.writing import LateEffect
from airflow_provider_jicoo.sandbox.state import REHEARSAL, State

REQUEST_NUMBER = "airflow_provider_jicoo.request"
"""Where the scope carries the number of the request."""

NO_FAULT = Fault(changed=True)


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


class Edge:
    """ASGI app around ``app``.

    :param app: answers the requests that get through.
    :param state: what the app answers from.
    :param faults: what goes wrong.
    :param remember: keep each request; otherwise they are only numbered, and a server that runs for days does not grow.
    """

    def __init__(self, app: ASGIApp, state: State, faults: Faults, *, remember: bool) -> None:
        self._app = app
        self._state = state
        self.faults = faults
        self.bucket: Bucket | None = None
        self.latency = 0.0
        self.stopping = asyncio.Event()
        self.key_revoked = False
        self.requests: list[Received] = []
        self._remember = remember
        self._number = 0
        self._lock = threading.Condition()
        self._late: set[asyncio.Task[None]] = set()
        self._to_come = 0
        self._era = 0

    def forget(self) -> None:
        """Begin counting anew; changes still to come are not made any more."""
        with self._lock:
            self.requests = []
            self._number = 0
            self._era += 1

    def settle(self, timeout: float) -> bool:
        """Wait, in another thread than the server's, until no change is to come any more.

        :returns: whether it came so far within ``timeout`` seconds.
        """
        with self._lock:
            return self._lock.wait_for(lambda: not self._to_come, timeout)

    async def drop_late(self) -> None:
        """Give up the changes that are still to come."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or do whatever the fault says."""
        if not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            return
        request = self._note(scope, body)
        scope = {**scope, REQUEST_NUMBER: request.number}
        answer = self._refuse(request)
        fault = NO_FAULT if answer else self.faults.pick(request.method, request.path) or NO_FAULT
        late = self._lateness(request, fault)
        if answer is None and fault.changed:
            answer = await self._slowly(fault.work, scope, body, rehearsal=late is not None)
            if answer is None or answer.status >= 300:
                late = None
        # Known before the client has its answer: one that then asks whether something is to come shall hear of it.
        replied = None if late is None else self._later(late, scope, body)
        try:
            await self._reply(request, answer, fault, receive, send)
        finally:
            if replied is not None:
                replied.set()

    def _lateness(self, request: Received, fault: Fault) -> float | None:
        """Return how long after the answer the request does its work; None where it does it before, or never."""
        if request.method == "GET":
            return None
        if fault.late is not None or not fault.changed:
            return fault.late
        creates = request.method == "POST" and not request.path.endswith(("/cancel", "/reschedule"))
        return None if creates else self._state.quirks.value(LateEffect, None)

    async def _reply(
        self, request: Received, answer: Answer | None, fault: Fault, receive: Receive, send: Send
    ) -> None:
        if self.latency:
            await asyncio.sleep(self.latency)
        waited = not fault.wait or await wire_faults.hold(receive, fault.wait, self.stopping)
        answer = fault.answer or answer
        if answer is None or fault.sent == "nothing" or not waited:
            await wire_faults.drop(receive)
            return
        answer = self._final(request, answer)
        request.status = answer.status
        if fault.sent == "part":
            await wire_faults.cut(answer, receive, send)
        elif fault.drip:
            await wire_faults.drip(answer, receive, send, fault.drip, self.stopping)
        elif fault.megabytes:
            await wire_faults.flood(answer, fault.megabytes, send)
        else:
            await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
            await send({"type": "http.response.body", "body": answer.body})

    def _final(self, request: Received, answer: Answer) -> Answer:
        quirks = self._state.quirks
        now = datetime.now(timezone.utc) + timedelta(seconds=quirks.value(ClockAhead, 0))
        dated = replace(answer, headers=(*answer.headers, (b"date", format_datetime(now, usegmt=True).encode())))
        exchange = Exchange(
            request.method, request.path, self._state.guests_of(request.path), answer.status == 429, now
        )
        return quirks.wire(dated, exchange)

    async def _slowly(self, seconds: float, scope: Scope, body: bytes, *, rehearsal: bool) -> Answer | None:
        """Let a request do its work after so long, whether or not its client waits; None where the server stops."""
        if not seconds:
            return await self._ask(scope, body, rehearsal=rehearsal)
        self._comes(1)
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), seconds)
                return None
            return await self._ask(scope, body, rehearsal=rehearsal)
        finally:
            self._comes(-1)

    def _later(self, seconds: float, scope: Scope, body: bytes) -> asyncio.Event:
        """Let a request do its work so long after the event that is returned."""
        replied = asyncio.Event()
        self._comes(1)
        task = asyncio.ensure_future(self._work(replied, seconds, scope, body, self._era))
        self._late.add(task)
        task.add_done_callback(self._worked)
        return replied

    async def _work(self, replied: asyncio.Event, seconds: float, scope: Scope, body: bytes, era: int) -> None:
        await replied.wait()
        await asyncio.sleep(seconds)
        if era == self._era:
            await self._ask(scope, body)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        self._comes(-1)

    def _comes(self, more: int) -> None:
        with self._lock:
            self._to_come += more
            self._lock.notify_all()

    def _note(self, scope: Scope, body: bytes) -> Received:
        with self._lock:
            self._number += 1
            request = Received(
                number=self._number,
                method=scope["method"],
                path=scope["path"],
                query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
                body=_parsed(body) if self._remember else None,
                at=self._state.clock(),
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

    async def _ask(self, scope: Scope, body: bytes, *, rehearsal: bool = False) -> Answer:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        token = REHEARSAL.set(rehearsal)
        try:
            await self._app(scope, receive, send)
        finally:
            REHEARSAL.reset(token)
        return Answer(
            sent[0]["status"], tuple(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:])
        )


async def _read_body(receive: Receive) -> bytes | None:
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
