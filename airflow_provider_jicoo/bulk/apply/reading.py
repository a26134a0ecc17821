"""Read planned bookings again: many at once by listing, or one by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from airflow_provider_jicoo.api.aio import AsyncJicooClient
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.exchange import Broken, Hurry, Reply
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.plan import Line, Lines

log = logging.getLogger(__name__)


class Reader:
    """Reads the bookings of a plan. Once the run has ended, it reads no more lists; single bookings it does."""

    def __init__(self, client: AsyncJicooClient, gate: Gate) -> None:
        self._client = client
        self._gate = gate

    async def many(self, lines: Sequence[Line]) -> dict[str, Booking]:
        """Read the bookings of some lines, by listing where that takes fewer requests.

        :return: those that exist, by uid.
        :raises WithheldError: the run has ended meanwhile.
        """
        within = (min(line.started_at for line in lines), max(line.ended_at for line in lines))
        steps = lookup_bookings([line.uid for line in lines], within=within, absent_ok=True)
        return await self._client.run(steps, passage=WhileOpen(self._gate))

    async def one(self, line: Line) -> Booking | None:
        """Read the booking of a line by itself; None where it does not exist.

        :raises RequestError: it cannot be read.
        """
        found = await self._client.run(lookup_bookings([line.uid], absent_ok=True), passage=_Quiet(self._gate))
        return found.get(line.uid)

    async def check_account(self, lines: Lines, most: int) -> None:
        """Tell bookings that are gone from those of another account: of these not one is there.

        :param most: how many of them to look for.
        :raises PlanMismatchError: they are of another account.
        """
        first = lines.read(0, min(most, len(lines)))
        if len(first) > 1 and not await self.many(first):
            raise PlanMismatchError(
                f"none of the first {len(first)} planned bookings exists for this API key: "
                "the plan is of another Jicoo account; nothing was sent"
            )


class _Quiet:
    """The passage of a reading that is needed whatever comes."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def ready(self, call: Call[Any]) -> bool:
        """Let it leave."""
        return True

    async def leave(self, call: Call[Any]) -> bool:
        """Let it leave."""
        return True

    def returned(self, call: Call[Any], came: Reply | Broken) -> None:
        """Do nothing."""

    async def wait(self, call: Call[Any], seconds: float, why: str) -> Hurry | None:
        """Wait."""
        if why:
            log.debug("%s %s: %s", call.method, call.path, why)
        await asyncio.sleep(seconds)
        return None


class WhileOpen(_Quiet):
    """The passage of a reading that the end of the run ends."""

    async def ready(self, call: Call[Any]) -> bool:
        """Let it leave while the run goes on."""
        return not self._gate.closed

    async def leave(self, call: Call[Any]) -> bool:
        """Let it leave while the run goes on."""
        return not self._gate.closed

    async def wait(self, call: Call[Any], seconds: float, why: str) -> Hurry | None:
        """Wait, but not beyond the end of the run."""
        if why:
            log.debug("%s %s: %s", call.method, call.path, why)
        await self._gate.wait(seconds)
        return None
