"""Which connections receive webhooks, remembered for some seconds: else each forged request would cost a look-up."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.hooks import connection as connections
from airflow_provider_jicoo.plugins.sparing_log import SparingLog

FRESH = 5.0
"""Seconds that a connection, and that there is none, is remembered: how long a changed secret takes to count."""
REMEMBERED = 1024
"""How many ids are remembered that nobody has proved to know the secret of; further ones drive out the oldest."""
LOOKUPS = 2
"""Look-ups at once. Each holds a connection to the database, of which the API server has few."""
WAITING = 64
"""How many ids that nobody has proved may wait for their look-up; further ones are refused without one.

Else whoever asks for ever new ids would keep the look-ups of real ones waiting.
"""

log = SparingLog(logging.getLogger(__name__))


@dataclass(frozen=True)
class Endpoint:
    """A connection that receives webhooks.

    :param conn_id: its id.
    :param signing: how they are signed.
    :param delivery: what they do, or why that cannot be told.
    """

    conn_id: str
    signing: connections.Signing
    delivery: connections.Delivery | InvalidRequestError


@dataclass(frozen=True)
class _Remembered:
    """What a look-up has found, and until when that counts."""

    until: float
    endpoint: Endpoint | None


class LookupFailedError(Exception):
    """It cannot be told now whether there is such a connection."""


class Endpoints:
    """The endpoints by the id of their connection.

    Those for which a signed request came are kept apart, so that no stranger drives them out: there are endless ids
    that are none, and for a connection in an environment variable endless ways to write the id of one, too.

    :param find: returns the connection of an id, None where there is none. It may block.
    :param clock: seconds, of a clock that does not go back.
    """

    def __init__(self, find: Callable[[str], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._find = find
        self._clock = clock
        self._proved: dict[str, _Remembered] = {}
        self._others: OrderedDict[str, _Remembered] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[Endpoint | None]] = {}
        self._pool = ThreadPoolExecutor(LOOKUPS, "jicoo-webhook-lookup")

    async def get(self, conn_id: str) -> Endpoint | None:
        """Return the endpoint of a connection; None where there is none.

        :raises LookupFailedError: it cannot be told now.
        """
        remembered = self._proved.get(conn_id) or self._others.get(conn_id)
        if remembered is not None and remembered.until > self._clock():
            return remembered.endpoint
        waiting = self._waiting.get(conn_id)
        if waiting is None:
            if conn_id not in self._proved and len(self._waiting) >= WAITING:
                log.warning("busy", "too many webhooks for unknown connections: some were refused without a look-up")
                return None
            waiting = asyncio.get_running_loop().run_in_executor(self._pool, self._look_up, conn_id)
            self._waiting[conn_id] = waiting
            waiting.add_done_callback(functools.partial(self._keep, conn_id))
        # Whoever gives up must not take the answer from the others.
        return await asyncio.shield(waiting)

    def prove(self, conn_id: str) -> None:
        """Note that somebody knows the secret of an endpoint."""
        remembered = self._others.pop(conn_id, None)
        if remembered is not None:
            self._proved[conn_id] = remembered

    def _look_up(self, conn_id: str) -> Endpoint | None:
        try:
            found = self._find(conn_id)
        except Exception as error:
            # What a backend says may hold its credentials.
            log.error(f"lookup {type(error).__name__}", f"a connection could not be looked up: {type(error).__name__}")
            raise LookupFailedError from None
        return None if found is None else _endpoint(conn_id, found)

    def _keep(self, conn_id: str, done: asyncio.Future[Endpoint | None]) -> None:
        del self._waiting[conn_id]
        if done.cancelled() or done.exception() is not None:
            return
        remembered = _Remembered(self._clock() + FRESH, done.result())
        if conn_id in self._proved and remembered.endpoint is not None:
            self._proved[conn_id] = remembered
            return
        self._proved.pop(conn_id, None)
        self._others[conn_id] = remembered
        self._others.move_to_end(conn_id)
        while len(self._others) > REMEMBERED:
            self._others.popitem(last=False)


def _endpoint(conn_id: str, connection: Any) -> Endpoint | None:
    try:
        signing = connections.signing(connection)
    except InvalidRequestError as error:
        # Of another type, or wrong beyond telling what its secret is.
        log.warning(f"{conn_id} {error}", f"webhooks are refused: {error}")
        return None
    if signing is None:
        return None
    try:
        return Endpoint(conn_id, signing, connections.delivery(connection))
    except InvalidRequestError as error:
        return Endpoint(conn_id, signing, error)
