"""Many answers at once, for those who have no event loop or are in somebody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_jicoo.api.errors import NotFoundError

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.call import Call
    from airflow_provider_jicoo.api.settings import Settings
    from airflow_provider_jicoo.bulk.apply.pace import Pace

T = TypeVar("T")

AT_ONCE = 32
"""How many requests may be under way: as many as of a bulk change."""


class Many:
    """Sends many calls at once, at a pace that is learnt from refusals and remembered from one lot to the next.

    :param settings: key, address and limits.
    :param at_once: how many requests may be under way.
    """

    def __init__(self, settings: Settings, at_once: int = AT_ONCE) -> None:
        self._settings = settings
        self._at_once = at_once
        self._pace: Pace | None = None

    def send(self, calls: Sequence[Call[T]]) -> list[T | None]:
        """Return the answers in the order of the calls; None for what does not exist.

        :raises RequestError: as :meth:`~airflow_provider_jicoo.api.aio.AsyncJicooClient.send`.
        """
        if not calls:
            return []
        # A loop of one's own: a notebook runs one in the thread that asks.
        with ThreadPoolExecutor(1, thread_name_prefix="jicoo-many") as thread:
            return thread.submit(asyncio.run, self._send(calls)).result()

    async def _send(self, calls: Sequence[Call[T]]) -> list[T | None]:
        from airflow_provider_jicoo.api.aio import AsyncJicooClient
        from airflow_provider_jicoo.bulk.apply.pace import Pace

        self._pace = self._pace or Pace(self._settings.max_requests_per_second)
        gate = asyncio.Semaphore(self._at_once)

        async with AsyncJicooClient(self._settings, connections=self._at_once, pace=self._pace) as client:

            async def one(call: Call[T]) -> T | None:
                async with gate:
                    try:
                        return await client.send(call)
                    except NotFoundError:
                        return None

            return list(await asyncio.gather(*map(one, calls)))
