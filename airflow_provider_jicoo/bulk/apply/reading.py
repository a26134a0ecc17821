"""Read planned bookings again: many at once by listing, or one by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_jicoo.api.aio import AsyncJicooClient, Free
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.errors import (
    RejectedError,
    RequestError,
    ServerError,
    TransportError,
    UnexpectedAnswerError,
)
from airflow_provider_jicoo.api.exchange import Hurry
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.plan import PlanFile, PlannedChange

log = logging.getLogger(__name__)


class Reader:
    """Reads the bookings of a plan. Once the run has ended, it reads no more lists; single bookings it does.

    :param plan: the plan.
    :param most: how many bookings are looked up at most to recognise another account.
    :param known: whether an earlier try has already established that the account is the plan's.
    :param last_wait: seconds that a reading waits at the most once the run has ended.
    """

    def __init__(
        self, client: AsyncJicooClient, gate: Gate, plan: PlanFile, *, most: int, known: bool, last_wait: float
    ) -> None:
        self._client = client
        self._last_wait = last_wait
        self._gate = gate
        self._plan = plan
        self._most = most
        self._known = known

    async def many(self, changes: Sequence[PlannedChange]) -> dict[str, Booking | RequestError]:
        """Read the bookings of some changes, by listing where that takes fewer requests.

        :return: those that exist, by uid; of one that cannot be read, the error, so that it does not end the run.
        :raises RequestError: not one of them can be read.
        :raises WithheldError: the run has ended meanwhile.
        :raises PlanMismatchError: they are of another account.
        """
        try:
            found = await self._list(changes)
        except (RejectedError, ServerError, TransportError, UnexpectedAnswerError) as error:
            found = {changes[0].uid: await self._blame(error, changes)}
        await self._check_account(found)
        return found

    async def _blame(self, error: RequestError, changes: Sequence[PlannedChange]) -> RequestError:
        """Return why a booking cannot be read, where that is all that was asked for: another one can.

        :raises RequestError: it is not the booking, but the server.
        """
        other = next(
            (planned for planned in self._plan.read(0, min(2, len(self._plan))) if planned.uid != changes[0].uid), None
        )
        if len(changes) > 1 or other is None:
            raise error
        await self._list([other])
        return error

    async def one(self, planned: PlannedChange) -> Booking | None:
        """Read the booking of a change by itself; None where it does not exist.

        :raises RequestError: it cannot be read.
        :raises PlanMismatchError: the plan is of another account.
        """
        found = await self._client.run(
            lookup_bookings([planned.uid], absent_ok=True), passage=_Needed(self._gate, self._last_wait)
        )
        await self._check_account(found)
        return found.get(planned.uid)

    async def _list(self, changes: Sequence[PlannedChange]) -> dict[str, Booking | RequestError]:
        within = (min(planned.started_at for planned in changes), max(planned.ended_at for planned in changes))
        unreadable: dict[str, RequestError] = {}
        steps = lookup_bookings(
            [planned.uid for planned in changes], within=within, absent_ok=True, unreadable=unreadable, failing_ok=True
        )
        return {**(await self._client.run(steps, passage=_WhileOpen(self._gate))), **unreadable}

    async def _check_account(self, found: Mapping[str, Any]) -> None:
        """Refuse the plan of another account: none of its bookings exists here, where single ones may be deleted."""
        if self._known or found:
            self._known = True
            return
        first = self._plan.read(0, min(self._most, len(self._plan)))
        if len(first) > 1 and not await self._list(first):
            raise PlanMismatchError(
                f"none of the first {len(first)} planned bookings exists for this API key: the plan is of another "
                "Jicoo account, or they were deleted; nothing was sent. If the key is right, make a new plan"
            )
        self._known = True


class _Needed(Free):
    """The passage of a read-back, which is needed even after the run has ended; then it does not wait long.

    :param last_wait: seconds.
    """

    def __init__(self, gate: Gate, last_wait: float = 0.0) -> None:
        self._gate = gate
        self._last_wait = last_wait

    async def wait(self, call: Call[Any], seconds: float, why: str) -> Hurry | None:
        """Wait."""
        if why:
            log.debug("%s %s: %s", call.method, call.path, why)
        until = self._gate.now() + seconds
        await self._gate.wait(seconds)
        if self._gate.closed:
            await asyncio.sleep(max(0.0, min(until - self._gate.now(), self._last_wait)))
        return None


class _WhileOpen(_Needed):
    """The passage of a re-read, which is pointless once the run has ended."""

    async def ready(self, call: Call[Any]) -> bool:
        """Let it leave while the run goes on."""
        return not self._gate.closed

    leave = ready
