"""The network of the asynchronous client: one request leaves, and its whole answer comes or does not.

:class:`~airflow_provider_jicoo.api.aio.AsyncJicooClient` takes its :class:`Transport` as an argument. The one that is
shipped uses aiohttp; a simulation of the engine brings a network of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

import aiohttp
from aiohttp import BytesPayload
from yarl import URL

from airflow_provider_jicoo.api.deadline import DeadlineTimer
from airflow_provider_jicoo.api.exchange import NoReply, Reply
from airflow_provider_jicoo.api.reading import DEADLINE, Body, BodyError, is_small, too_slow, without_body
from airflow_provider_jicoo.api.retry import Fault
from airflow_provider_jicoo.api.settings import Settings

_NEVER_SENT = (
    aiohttp.ClientConnectorError,  # refused, unreachable, name not found, certificate refused
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientProxyConnectionError,
    aiohttp.ClientHttpProxyError,  # the proxy refused to connect
)
_JSON = "application/json"
_KEEP_ALIVE = 3.0
"""Seconds for which an idle connection is used again."""


class Transport(Protocol):
    """Sends requests, each once: whether one is sent again is decided elsewhere."""

    async def ask(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> Reply | NoReply:
        """Send one request and return its whole answer, or why there is none.

        :param path: below the base URL, each part quoted: ``/v1/bookings/mzgdPJVBb7RE``.
        :param query: query parameters, not quoted; empty for none.
        :param body: JSON, encoded; None for no body.
        """

    async def close(self) -> None:
        """Close the connections."""


class AiohttpTransport:
    """HTTP with aiohttp. To be made and used within one event loop.

    :param settings: key, address and timeout.
    :param connections: how many connections there may be at once.
    """

    def __init__(self, settings: Settings, connections: int = 100) -> None:
        self._settings = settings
        self._connections = asyncio.Semaphore(connections)
        self._deadline = DeadlineTimer(DEADLINE * settings.timeout)
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        # The timeout is for connecting and between two pieces of an answer, as with requests; a whole answer may
        # take longer, up to the deadline.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._settings.headers(f"aiohttp/{aiohttp.__version__}"),
                # A server closes an idle connection after some seconds (uvicorn and Node: 5); a change that is sent
                # into that moment is in doubt, although the server never saw it. The number of connections is limited
                # in ask: a wait for a free one is not to count as the server's time.
                connector=aiohttp.TCPConnector(limit=0, ssl=self._settings.tls(), keepalive_timeout=_KEEP_ALIVE),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self._settings.timeout, sock_read=self._settings.timeout
                ),
                # Not trust_env: that would read ~/.netrc in a thread for each request, and send what it finds there.
                proxy=self._settings.proxy(),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    async def ask(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> Reply | NoReply:
        """Send one request and return its whole answer, or why there is none."""
        payload = None if body is None else BytesPayload(body, content_type=_JSON)
        await self._connections.acquire()
        self._deadline.begin()
        try:
            async with self._open().request(
                method,
                URL(self._settings.base_url + path, encoded=True),
                params=query or None,
                data=payload,
                headers=self._settings.key_header(),
                allow_redirects=False,
                middlewares=(_once,) if method in ("GET", "PUT", "DELETE") else None,
            ) as response:
                return await self._read(response)
        except _NEVER_SENT as error:
            return NoReply(Fault.NOT_SENT, _reason(error))
        except _LostError as error:
            return NoReply(Fault.NO_ANSWER, str(error))
        except asyncio.CancelledError:
            if not self._deadline.is_over():
                raise
            return NoReply(Fault.TOO_SLOW, str(too_slow(self._settings.timeout)))
        except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError) as error:
            return NoReply(Fault.NO_ANSWER, _reason(error))
        finally:
            self._deadline.end()
            self._connections.release()

    async def _read(self, response: aiohttp.ClientResponse) -> Reply | NoReply:
        """Read the body of an answer.

        :raises aiohttp.ClientError: it breaks off.
        """
        status, headers = response.status, response.headers
        try:
            if is_small(headers):
                return Reply(status, headers, await response.read(), time.time())
            body = Body(headers)
            async for piece in response.content.iter_any():
                body.feed(piece)
            return Reply(status, headers, body.whole(), time.time())
        except BodyError as error:
            response.close()
            return without_body(status, headers, error)
        except asyncio.CancelledError:
            if not self._deadline.is_over():
                raise
            response.close()
            return without_body(status, headers, too_slow(self._settings.timeout))

    async def close(self) -> None:
        """Close the connections."""
        self._deadline.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _LostError(aiohttp.ClientError):
    """No answer, in words."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a lost GET, PUT or DELETE again by itself, past ceiling, count of tries and log.

    It does so after these two errors; see its ``retry_persistent_connection``.
    """
    try:
        return await handler(request)
    except _NEVER_SENT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _LostError(_reason(error)) from error


def _reason(cause: BaseException) -> str:
    """Name the cause, in words only where they are this machine's: a server's may name a guest, and so may an address.

    So do the words of a time-out while connecting; those of a proxy that refuses have its address, with its password.
    """
    text = ""
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        text = f"{cause.status} {cause.message}"
    elif isinstance(cause, (OSError, asyncio.TimeoutError)) and not isinstance(cause, aiohttp.ConnectionTimeoutError):
        text = str(cause)
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__
