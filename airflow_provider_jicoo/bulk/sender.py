"""Send announced changes: each asks once more, at the last moment, whether it may leave."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from airflow_provider_jicoo.api.aio import AsyncJicooClient
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.exchange import Broken, Reply
from airflow_provider_jicoo.api.retry import Fault
from airflow_provider_jicoo.bulk.plan import Line


class Withheld(Exception):
    """The run has ended: a change was not sent, or not sent again."""


class ReadAgain(Exception):
    """The booking was read too long ago: it may have been edited meanwhile."""


@dataclass(slots=True)
class Item:
    """A change that is announced in the journal and waits for its turn.

    :param read_at: when its booking was read again, by a monotonic clock.
    """

    line: Line
    read_at: float


@dataclass(slots=True)
class Sending:
    """A change whose turn has come.

    :param sent: whether it was sent at all.
    :param doubted: whether the last sending may have made it, so that it has to be read back.
    :param ever_doubted: whether any sending may have.
    :param read_again: whether its booking was read once more because it had waited for long.
    """

    item: Item
    sent: bool = False
    doubted: bool = False
    ever_doubted: bool = False
    read_again: bool = False


SENDING: ContextVar[Sending | None] = ContextVar("SENDING", default=None)
"""What the running task sends; it passes through the client, which knows nothing of it."""


class Sender(AsyncJicooClient):
    """Asks before a change leaves, at the last moment: it may have waited for the pace, or to be sent again, until
    long after its worker was replaced. Waits so that the end of the run ends it.

    :param before: returns when a change may leave.
    :param after: is told whether a change was refused for now.
    :param wait: waits so many seconds.
    """

    def __init__(
        self,
        *args: Any,
        before: Callable[[], Coroutine[Any, Any, None]],
        after: Callable[[bool], None],
        wait: Callable[[float], Coroutine[Any, Any, None]],
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self._before, self._after, self._wait_so_long = before, after, wait

    async def _wait(self, seconds: float) -> None:
        await self._wait_so_long(seconds)

    async def _ask(self, call: Call[Any]) -> Reply | Broken:
        if call.method == "GET":
            return await super()._ask(call)
        await self._before()
        came = await super()._ask(call)
        self._after(came.status == 429 if isinstance(came, Reply) else came.fault is Fault.NOT_SENT)
        return came
