"""``POST /jicoo/webhooks/{conn_id}``: takes a webhook, and answers 2xx when Airflow's database has it.

The route is open to everybody, so that nothing is believed but the signature. Whatever is not signed is refused with
one answer, that does not tell whether there is such a connection: :data:`REFUSED`. Anything else than 2xx is an event
that is not stored; Jicoo is expected to send it again.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from airflow_provider_jicoo.api.errors import JicooError, WebhookPayloadError, WebhookSignatureError
from airflow_provider_jicoo.api.secret import Secret
from airflow_provider_jicoo.api.signature import DOCUMENTED, HEADER, verify
from airflow_provider_jicoo.api.webhooks import WebhookEvent, parse
from airflow_provider_jicoo.hooks.connection import Delivery, Signing
from airflow_provider_jicoo.plugins import airflow_internals
from airflow_provider_jicoo.plugins.airflow_internals import NotStoredError
from airflow_provider_jicoo.plugins.deliver import deliver
from airflow_provider_jicoo.plugins.endpoints import Endpoint, Endpoints, LookupFailedError
from airflow_provider_jicoo.plugins.sparing_log import SparingLog

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LIMIT = 64 * 1024
"""Bytes of the longest body; that of Jicoo's example has 2,000."""
PATIENCE = 10.0
"""Seconds that a body may take to come."""
DELIVERIES = 4
"""Events that are stored at once: each holds a connection to the database, of which the API server has 15."""
WAITING = 256
"""Events that wait to be stored; a further one is to come again later."""

NO_SUCH_ID = (
    "webhooks were refused whose address does not end in a connection's id of the characters A-Z a-z 0-9 _ . -: a "
    "connection with others in its id cannot receive any"
)

_CONN_ID = re.compile(r"/([A-Za-z0-9_.-]{1,200})")
_HEADER = HEADER.lower().encode()
_NOBODY = Signing((Secret(secrets.token_hex(16)),), DOCUMENTED)
"""What a request is verified with that is for no endpoint: a refusal takes the same time for all."""

log = SparingLog(logging.getLogger(__name__))


@dataclass(frozen=True)
class Answer:
    """An answer, without its headers.

    :param closes: the connection is of no use any more: its body was not read.
    """

    status: int
    text: bytes
    closes: bool = False


STORED = Answer(200, b"stored\n")
REFUSED = Answer(401, b"refused\n")
REFUSED_UNREAD = Answer(401, b"refused\n", closes=True)
NO_EVENT = Answer(422, b"signed, but no event\n")
NOT_STORED = Answer(503, b"not stored\n")


@dataclass(frozen=True)
class Head:
    """What is read of a request before its body.

    :param conn_id: the connection that it is for.
    :param signature: the signature's header; None where there is none.
    :param length: bytes of the body; None where it does not say.
    """

    conn_id: str
    signature: str | None
    length: int | None


class Receiver:
    """The receiver as an ASGI application.

    :param find_connection: returns the connection of an id, None where there is none. It may block.
    :param store: stores an event; committed when it returns. It may block.
    """

    def __init__(
        self,
        find_connection: Callable[[str], Any] = airflow_internals.find_connection,
        store: Callable[[str, Delivery, WebhookEvent], None] = deliver,
    ) -> None:
        self._endpoints = Endpoints(find_connection)
        self._store = store
        self._pool = ThreadPoolExecutor(DELIVERIES, "jicoo-webhook")
        self._at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        head = read_head(scope)
        body = None if head is None else await read_body(head, receive)
        if head is None or body is None:
            await _send(REFUSED_UNREAD, send)
            return
        try:
            answer = await self._answer(head, body)
        except Exception as error:
            # What it says, and its frames, may hold anything: nothing of them is for a log or an error tracker.
            log.error(
                f"{head.conn_id} {type(error).__name__}",
                f"webhook for {head.conn_id!r} not stored: {type(error).__name__}{_place(error)}",
            )
            answer = NOT_STORED
        await _send(answer, send)

    async def _answer(self, head: Head, body: bytes) -> Answer:
        try:
            endpoint = await self._endpoints.get(head.conn_id)
        except LookupFailedError:
            return NOT_STORED
        signing = _NOBODY if endpoint is None else endpoint.signing
        try:
            verify(body, head.signature, signing.secrets, variant=signing.variant)
        except WebhookSignatureError as error:
            if endpoint is not None:
                log.warning(f"{endpoint.conn_id} {error.reason}", f"webhook for {endpoint.conn_id!r} refused: {error}")
            return REFUSED
        if endpoint is None:
            return REFUSED
        self._endpoints.prove(endpoint.conn_id)
        try:
            event = parse(body)
        except WebhookPayloadError as error:
            log.error(f"{endpoint.conn_id} {error.field}", f"webhook for {endpoint.conn_id!r} not stored: {error}")
            return NO_EVENT
        return await self._stored(endpoint, event)

    async def _stored(self, endpoint: Endpoint, event: WebhookEvent) -> Answer:
        delivery = endpoint.delivery
        if isinstance(delivery, JicooError):
            log.error(f"{endpoint.conn_id} {delivery}", f"webhooks are not stored: {delivery}")
            return NOT_STORED
        if self._at_work >= WAITING:
            log.error("busy", f"{WAITING} webhooks wait to be stored: further ones are to come again later")
            return NOT_STORED
        self._at_work += 1
        stored = asyncio.get_running_loop().run_in_executor(self._pool, self._store, endpoint.conn_id, delivery, event)
        stored.add_done_callback(self._done)
        try:
            await asyncio.shield(stored)
        except NotStoredError as error:
            log.error(f"{endpoint.conn_id} {error}", f"webhook for {endpoint.conn_id!r} not stored: {error}")
            return NOT_STORED
        return STORED

    def _done(self, stored: asyncio.Future[None]) -> None:
        self._at_work -= 1
        if not stored.cancelled():
            stored.exception()  # else asyncio complains of one that nobody waited for


def _place(error: BaseException) -> str:
    """Return where an error was raised, and the kind of the database's own behind it."""
    frames = [f"{frame.f_code.co_filename}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    behind = getattr(error, "orig", None)
    kind = "" if behind is None else f" of {type(behind).__name__}"
    return f"{kind}, raised at {frames[-1]}" if frames else kind


def read_head(scope: Scope) -> Head | None:
    """Read what is needed of a request; None where it is to be refused without being read further."""
    path, root = scope["path"], scope.get("root_path", "")
    # The server leaves the path as it is, and says what of it belongs to others.
    found = _CONN_ID.fullmatch(path[len(root) :] if root and path.startswith(f"{root}/") else path)
    if scope["method"] != "POST" or found is None or not found[1].strip("."):
        if scope["method"] == "POST":
            log.warning("path", NO_SUCH_ID)
        return None
    signatures, length = [], None
    for name, value in scope["headers"]:
        if name == _HEADER:
            signatures.append(value.decode("latin-1"))
        elif name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 10 else LIMIT + 1
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            return None
    if len(signatures) > 1 or (length is not None and length > LIMIT):
        return None
    return Head(found[1], signatures[0] if signatures else None, length)


async def read_body(head: Head, receive: Receive) -> bytes | None:
    """Read the body; None where it is too long, comes too slowly or is cut short."""
    try:
        body = await asyncio.wait_for(_read(receive), PATIENCE)
    except asyncio.TimeoutError:
        return None
    return body if body is not None and head.length in (None, len(body)) else None


async def _read(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > LIMIT:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def _send(answer: Answer, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(answer.text))]
    if answer.closes:
        headers.append((b"connection", b"close"))
    if answer.status == 401:
        headers.append((b"www-authenticate", HEADER.encode()))
    if answer.status == 503:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.text})
