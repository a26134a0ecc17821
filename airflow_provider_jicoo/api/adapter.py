"""What requests and urllib3 lack: a whole answer within a bounded time, and logs without what is asked for."""

from __future__ import annotations

import functools
import http
import http.client
import io
import logging
import socket
import threading
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from airflow_provider_jicoo.api.reading import DEADLINE


class Adapter(HTTPAdapter):
    """An adapter of which a whole answer takes at most :data:`~airflow_provider_jicoo.api.reading.DEADLINE` timeouts.

    urllib3's timeout is between two pieces of it. What reads beyond the deadline gets urllib3's ReadTimeoutError.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools for answers that come straight."""
        super().init_poolmanager(*args, **kwargs)
        _set_deadline(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pools for answers that come through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _set_deadline(manager)
        return manager

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; what urllib3 logs meanwhile has no query."""
        _OURS.sending = True
        try:
            return super().send(*args, **kwargs)
        finally:
            _OURS.sending = False


class _UntilDeadline(io.RawIOBase):
    """What comes from a socket, until the deadline.

    :param connection: the socket; its timeout is that of the request.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._from: io.RawIOBase = connection.makefile("rb", buffering=0)
        # pyOpenSSL's sockets, which another package may let urllib3 use, do not tell it themselves.
        self._timeout = getattr(connection, "socket", connection).gettimeout() or float("inf")
        self._until = time.monotonic() + DEADLINE * self._timeout

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> Any:
        """Fill the buffer with what has arrived; return how many bytes that is.

        :raises TimeoutError: nothing came within the timeout, or the deadline is over.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        if left < self._timeout:
            self._socket.settimeout(left)
        return self._from.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._from.close()
        super().close()


class _Files:
    """Stands for the socket where http.client makes a file of it, which is all that a response does with it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_UntilDeadline(self._connection))


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_Files(sock), *args, **kwargs)  # type: ignore[arg-type]

    def _read_status(self) -> tuple[str, int, str]:
        """Read the first line of an answer.

        http.client passes over 100 and takes any other interim answer, such as 103, for the answer itself: the next
        request on the connection would get this one's.
        """
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not http.HTTPStatus.CONTINUE < status < http.HTTPStatus.OK:
                return version, status, reason
            http.client.parse_headers(self.fp)


def _set_deadline(manager: Any) -> None:
    """Let the pools of a manager read by the deadline. Those for a SOCKS proxy are classes of their own."""
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _until_deadline(pool) for scheme, pool in pools.items()}


@functools.cache
def _until_deadline(pool: Any) -> Any:
    if issubclass(pool.ConnectionCls.response_class, _Response):
        return pool
    connection = type(pool.ConnectionCls.__name__, (pool.ConnectionCls,), {"response_class": _Response})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


_OURS = threading.local()


class _WithoutQueries(logging.Filter):
    """Takes queries, and what a server sent, out of what urllib3 logs of our requests: there may be guests in them."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(_OURS, "sending", False):
            record.exc_info = record.exc_text = None
            if isinstance(record.args, tuple):
                record.args = tuple(_shown(value) for value in record.args)
        return True


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return value.split("?", 1)[0]
    return type(value).__name__ if isinstance(value, Exception) else value


for _name in ("connection", "connectionpool", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_WithoutQueries())
