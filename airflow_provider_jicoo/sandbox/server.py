"""The sandbox as a thing: a server in a thread, and the handles to look into it and to break it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn

from airflow_provider_jicoo.sandbox import app, choices
from airflow_provider_jicoo.sandbox.edge import Edge, Received
from airflow_provider_jicoo.sandbox.faults import Faults, matcher
from airflow_provider_jicoo.sandbox.quirks import Quirks
from airflow_provider_jicoo.sandbox.state import Change, Message, State
from airflow_provider_jicoo.sandbox.trouble import Trouble
from airflow_provider_jicoo.sandbox.webhooks import Delivery, Webhooks

STOPPING_SECONDS = 1
"""How long requests at work may take when the server stops."""


class Sandbox(Trouble):
    """An embedded Jicoo. Use it as a context manager, or with :meth:`start` and :meth:`stop`.

    :param bookings: how many bookings to begin with.
    :param seed: seed of the data and of faults by share.
    :param now: an aware datetime to spread the data around; the sandbox's clock starts there. Default: the real time.
    :param host: address to listen on.
    :param port: port to listen on; 0 for a free one.
    :param rate_limit: requests per second, over all clients; None for no limit.
    :param latency: seconds by which each answer is delayed.
    :param state: SQLite file that keeps bookings, contacts and messages over a restart; what it holds already goes
        before ``bookings`` and ``seed``.
    :param remember: keep every request for :attr:`requests` and :meth:`count`, and every change for :attr:`changes`.
    :param quirks: ways in which this Jicoo behaves differently, each as ``name`` or ``name=value``; see
        :mod:`~airflow_provider_jicoo.sandbox.quirks`.
    :param webhook_url: address that gets a signed request at every change that Jicoo has an event for; see
        :mod:`~airflow_provider_jicoo.sandbox.webhooks`. None for no webhooks.
    :param webhook_secret: what they are signed with.
    :param webhook_faults: what goes wrong with them, as ``duplicate=10%``, ``drop=1%``, ``delay=20%,seconds=3`` or
        ``reorder=5%``.
    :param webhook_retries: seconds to wait before one that was not answered with 2xx is sent again, for each time.
    :raises OSError: the port is taken.
    :raises ValueError: there is no such quirk or fault, or the address is none.
    """

    def __init__(
        self,
        *,
        bookings: int = 50,
        seed: int = 7,
        now: datetime | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        rate_limit: float | None = None,
        latency: float = 0.0,
        state: str | Path | None = None,
        remember: bool = True,
        quirks: Iterable[str] = (),
        webhook_url: str | None = None,
        webhook_secret: str = choices.WEBHOOK_SECRET,
        webhook_faults: Iterable[str] = (),
        webhook_retries: Sequence[float] = choices.WEBHOOK_RETRIES,
    ) -> None:
        known = Quirks(quirks)
        kept = State(bookings, seed, now, None if state is None else Path(state), remember=remember)
        kept.quirks = known
        super().__init__(kept, Edge(app.make(kept), kept, Faults(seed), remember=remember))
        self._webhooks: Webhooks | None = None
        if webhook_url is not None:
            self._webhooks = Webhooks(
                webhook_url,
                webhook_secret,
                faults=webhook_faults,
                retries=webhook_retries,
                seed=seed,
                clock=kept.now,
                remember=remember,
            )
            kept.on_change = self._webhooks.ring
        self.rate_limit = rate_limit
        self.latency = latency
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    # --- the server ------------------------------------------------------------------------------------------------

    def start(self) -> Sandbox:
        """Start to listen; when this returns, the server answers."""
        self._socket = _listen(*self._address)
        config = uvicorn.Config(
            self._edge,
            log_config=None,
            log_level="warning",
            date_header=False,  # the edge's: it can be a quirk
            access_log=False,  # paths and queries tell who booked what
            lifespan="off",
            ws="none",
            # After uvicorn's 5 seconds a slow test would meet a closed connection that it did not ask for.
            timeout_keep_alive=75,
        )
        self._server = server = _Server(config, self._edge)
        self._thread = threading.Thread(
            target=server.run, kwargs={"sockets": [self._socket]}, name="jicoo-sandbox", daemon=True
        )
        self._thread.start()
        while not server.ready.wait(0.1):
            if not self._thread.is_alive():
                raise RuntimeError("the sandbox's server did not start; its log says why")
        if self._webhooks is not None:
            self._webhooks.start()
        return self

    def stop(self) -> None:
        """Stop to listen, close every connection and the state's file.

        Changes still to come are not made any more, and webhooks still to be sent are not sent.
        """
        if self._webhooks is not None:
            self._webhooks.stop()
        if self._server is not None and self._thread is not None and self._socket is not None:
            self._server.leave()
            self._thread.join()
            self._socket.close()
            self._server = self._thread = self._socket = None
        self._state.close()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base URL, as ``http://127.0.0.1:54321``."""
        if self._socket is None:
            raise RuntimeError("the sandbox is not running: use it in a with statement, or call start()")
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def api_key(self) -> str:
        """The key that is good for everything."""
        return choices.API_KEY

    @property
    def forbidden_key(self) -> str:
        """A key that gets 403."""
        return choices.FORBIDDEN_KEY

    def connection(self) -> dict[str, Any]:
        """Return an Airflow connection to the sandbox, for ``json.dumps`` into ``AIRFLOW_CONN_...``."""
        made: dict[str, Any] = {"conn_type": "jicoo", "host": self.url, "password": self.api_key}
        return made if self._webhooks is None else {**made, "extra": {"webhook_secret": self._webhooks.secret}}

    def reset(self, bookings: int = 50, seed: int = 7) -> None:
        """Begin again: fresh data, no requests, no messages, no faults, the key good. Rate limit and latency stay."""
        self._state.reset(bookings, seed)
        self._edge.forget()
        self._edge.faults = Faults(seed)
        self._edge.key_revoked = False
        if self._webhooks is not None:
            self._webhooks.forget()

    # --- what reached it -------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[Received]:
        """Every request to ``/v1/...`` so far, in order."""
        return list(self._edge.requests)

    def count(self, method: str | None = None, path: str | None = None) -> int:
        """Count the requests so far.

        :param method: only those with this method.
        :param path: only those to this path; ``{...}`` stands for one segment, as in ``/v1/bookings/{uid}``.
        """
        matches = matcher(path)
        return sum(
            (method is None or request.method == method.upper()) and matches(request.path) for request in self.requests
        )

    @property
    def messages(self) -> list[Message]:
        """Every message that a guest would have got, in order."""
        with self._state.lock:
            return list(self._state.messages)

    @property
    def changes(self) -> list[Change]:
        """Every create, update, cancel and reschedule of a booking that was carried out, in order."""
        with self._state.lock:
            return list(self._state.changes)

    @property
    def deliveries(self) -> list[Delivery]:
        """Every webhook that was sent, in the order of the answers; one that was sent again is there again."""
        return [] if self._webhooks is None else list(self._webhooks.deliveries)

    def settle(self, timeout: float = 60) -> None:
        """Wait until no change is to come any more: by the option ``late``, the fault slow, the quirk late-effect.

        Then until every webhook was taken or given up.

        :param timeout: seconds to wait at the most, for each of both.
        :raises TimeoutError: some are still to come.
        """
        if not self._edge.settle(timeout):
            raise TimeoutError(f"changes are still to come after {timeout} s")
        if self._webhooks is not None and not self._webhooks.settle(timeout):
            raise TimeoutError(f"webhooks are still to be sent after {timeout} s")


class _Server(uvicorn.Server):
    """uvicorn, but it starts and stops at once: it looks only ten times a second whether to stop, and then waits again.

    A suite with a fresh sandbox in each of hundreds of tests would spend most of its time on that.
    """

    def __init__(self, config: uvicorn.Config, edge: Edge) -> None:
        super().__init__(config)
        self._edge = edge
        self._leave = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready.set()

    def leave(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._leave.set)

    async def main_loop(self) -> None:
        leaving = asyncio.ensure_future(self._leave.wait())
        while not leaving.done():
            await self.on_tick(0)  # the header Date
            await asyncio.wait([leaving], timeout=1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # Requests that hang end here, those at work go on, and no connection is kept.
        self._edge.stopping.set()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks), timeout=STOPPING_SECONDS)
        await self._edge.drop_late()


def _listen(host: str, port: int) -> socket.socket:
    # Bound here and not by uvicorn: a taken port is then an error of the caller, and port 0 is known at once.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # asyncio's own loop sets it only on sockets made with this protocol; each connection inherits it. Without it an
        # answer, sent in two pieces, waits 40 ms for the client's acknowledgement of the first.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener
