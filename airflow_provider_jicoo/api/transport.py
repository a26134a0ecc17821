"""The network of the asynchronous client: one request leaves, and its whole answer comes or does not.

:class:`~airflow_provider_jicoo.api.aio.AsyncJicooClient` takes its :class:`Transport` as an argument. The one that is
shipped uses aiohttp; a simulation of the engine brings a network of its own.

Of aiohttp it takes what is hard: connections (TLS, proxies, names with several addresses), their pool, and the parser
of answers. The request itself is a few lines that it writes. aiohttp's session would make them too, and follow
redirects, keep cookies, read ``.netrc`` and send a lost GET again, all of which is unwanted here; it takes some 55 of
the 80 microseconds of a request. And since one function connects and another one writes, "never sent" can be told from
"no answer" by where it failed: not by which of many errors it is.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Mapping
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from airflow_provider_jicoo.api.deadline import DeadlineTimer
from airflow_provider_jicoo.api.exchange import NoReply, Reply
from airflow_provider_jicoo.api.reading import DEADLINE, PIECE, Body, BodyError, is_small, too_slow, without_body
from airflow_provider_jicoo.api.retry import Fault
from airflow_provider_jicoo.api.secret import Secret
from airflow_provider_jicoo.api.settings import Settings

_BROKEN = (aiohttp.ClientError, HttpProcessingError, asyncio.TimeoutError, OSError)
"""What goes wrong with a connection, or is no HTTP."""
_KEEP_ALIVE = 3.0
"""Seconds for which an idle connection is used again. A server closes it after some seconds (uvicorn and Node: 5); a
change that is sent into that moment is in doubt, although the server never saw it."""


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
    """HTTP over aiohttp's connections. To be made and used within one event loop.

    :param settings: key, address and timeout.
    :param connections: how many connections there may be at once.
    """

    def __init__(self, settings: Settings, connections: int = 100) -> None:
        self._settings = settings
        self._base_path = URL(settings.base_url, encoded=True).raw_path.rstrip("/")
        self._connections = asyncio.Semaphore(connections)
        self._deadline = DeadlineTimer(DEADLINE * settings.timeout)
        self._server: Server | None = None

    async def ask(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> Reply | NoReply:
        """Send one request and return its whole answer, or why there is none."""
        # The number of connections is limited here: a wait for a free one is not to count as the server's time.
        await self._connections.acquire()
        task = self._deadline.begin()
        try:
            if self._server is None:
                self._server = Server(self._settings)
            try:
                connection = await self._server.connect()
            except _BROKEN as error:
                return NoReply(Fault.NOT_SENT, _reason(error))
            try:
                self._server.write(connection, method, self._target(path, query), body)
                return await self._answer(connection)
            except _BROKEN as error:
                return NoReply(Fault.NO_ANSWER, _reason(error))
            finally:
                # Does nothing to one that was released. Any other may have more to say, to whoever is next.
                connection.close()
        except asyncio.CancelledError:
            if not self._deadline.is_over():
                raise
            return NoReply(Fault.TOO_SLOW, str(too_slow(self._settings.timeout)))
        finally:
            self._deadline.end(task)
            self._connections.release()

    def _target(self, path: str, query: Mapping[str, str]) -> str:
        target = self._base_path + path
        return URL(target, encoded=True).extend_query(query).raw_path_qs if query else target

    async def _answer(self, connection: aiohttp.connector.Connection) -> Reply | NoReply:
        """Read an answer; once it is whole, its connection is free for the next request.

        :raises aiohttp.ClientError: it breaks off, or does not come in time.
        :raises HttpProcessingError: it is no HTTP.
        """
        protocol = connection.protocol
        assert protocol is not None
        while True:
            head, content = await protocol.read()
            if not 100 <= head.code < 200:  # such as 103 comes before the answer itself
                break
        status, headers = head.code, head.headers
        try:
            if is_small(headers):
                whole = await content.read()
            else:
                body = Body(headers)
                async for piece in content.iter_any():
                    body.feed(piece)
                whole = body.whole()
        except BodyError as error:
            return without_body(status, headers, error)
        except asyncio.CancelledError:
            if not self._deadline.is_over():
                raise
            return without_body(status, headers, too_slow(self._settings.timeout))
        connection.release()
        return Reply(status, headers, whole, time.time())

    async def close(self) -> None:
        """Close the connections."""
        self._deadline.close()
        server, self._server = self._server, None
        if server is not None:
            await server.close()


class Server:
    """Connections to the server, and how a request to it is written."""

    def __init__(self, settings: Settings) -> None:
        proxy = settings.proxy()
        # It says whom to connect to, and is never sent. Of its headers a proxy is told, so that the key is not in them.
        self._peer = aiohttp.ClientRequest(
            "GET",
            URL(settings.base_url, encoded=True),
            loop=asyncio.get_running_loop(),
            proxy=None if proxy is None else URL(proxy),
        )
        fields = {
            "Host": self._peer.headers["Host"],
            **settings.headers(f"aiohttp/{aiohttp.__version__}"),
            **settings.key_header(),
        }
        self._fields = Secret("".join(f"{name}: {value}\r\n" for name, value in fields.items()))
        self._news: WeakKeyDictionary[Any, select.poll] = WeakKeyDictionary()
        self.pool = aiohttp.TCPConnector(limit=0, ssl=settings.tls(), keepalive_timeout=_KEEP_ALIVE)
        # For connecting and between two pieces of an answer, as with requests; a whole answer may take longer, up to
        # the deadline.
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=settings.timeout, sock_read=settings.timeout)

    async def connect(self) -> aiohttp.connector.Connection:
        """Return a connection from the pool, or a new one. Nothing of a request is sent.

        An idle one on which something has arrived is not used again: the server has closed it, and a change that is
        sent then would be in doubt; or it has said more than it was asked, which would be taken for the next answer.
        """
        while True:
            connection = await self.pool.connect(self._peer, traces=[], timeout=self._timeout)
            protocol, transport = connection.protocol, connection.transport
            if protocol is None or transport is None:
                return connection
            news = self._news.get(protocol)
            if news is None:
                self._news[protocol] = news = select.poll()
                news.register(transport.get_extra_info("socket"), select.POLLIN)
                return connection
            # What the loop has read already, and what it has not.
            if not protocol.should_close and not news.poll(0):
                return connection
            connection.close()

    def write(self, connection: aiohttp.connector.Connection, method: str, target: str, body: bytes | None) -> None:
        """Write a request at once, since bodies are small, and begin to wait for its answer.

        :raises aiohttp.ServerDisconnectedError: the connection has gone.
        """
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(
            read_until_eof=True, auto_decompress=False, read_timeout=self._timeout.sock_read, read_bufsize=PIECE
        )
        head = f"{method} {target} HTTP/1.1\r\n{self._fields.reveal()}"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        elif method != "GET":
            head += "Content-Length: 0\r\n"
        transport.write(head.encode() + b"\r\n" + (body or b""))
        protocol.start_timeout()

    async def close(self) -> None:
        """Close the connections."""
        await self.pool.close()


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
