"""What all triggers of this package share: polling, paced on every path."""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_jicoo.api.secret import discreet

if TYPE_CHECKING:
    from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook


class Verdict(enum.Enum):
    """What one look says."""

    REACHED = "reached"
    WAITING = "waiting"
    LOST = "lost"


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reason, which names bookings by uid and status only."""

    verdict: Verdict
    reason: str


class PollingTrigger(BaseTrigger):
    """Look every so often until there is something to say, then say it once.

    A failing API is asked once per interval, like a healthy one, until the deadline; so is one in whose place something
    else answers for a while.

    The event is ``{"status": "success" | "failed" | "timeout", "message": ...}``; it names bookings by uid and
    status only, since the triggerer logs it.

    :param poll_interval: seconds between two polls.
    :param deadline: seconds since the epoch after which to give up; None for never.
    :param jicoo_conn_id: the Airflow connection.
    :param waits_for: what :meth:`look` needs: flat JSON, no secret.
    """

    def __init__(self, poll_interval: float, deadline: float | None, jicoo_conn_id: str, **waits_for: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._waits_for = waits_for
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.jicoo_conn_id = jicoo_conn_id

    async def look(self, hook: JicooAsyncHook) -> Judgement:
        """Look once."""
        raise NotImplementedError

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                **self._waits_for,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "jicoo_conn_id": self.jicoo_conn_id,
            },
        )

    @discreet
    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until there is something to say, then say it once."""
        from airflow_provider_jicoo.api.errors import JicooError, UnexpectedAnswerError
        from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook

        has_answered = False
        async with JicooAsyncHook(self.jicoo_conn_id) as hook:
            while True:
                try:
                    judgement = await self.look(hook)
                    has_answered = True
                except JicooError as error:
                    # Where it was Jicoo's API before, a page in its place is a proxy's or a maintenance's, and passes.
                    if error.permanent and not (has_answered and isinstance(error, UnexpectedAnswerError)):
                        yield _event("failed", str(error))
                        return
                    judgement = Judgement(Verdict.WAITING, f"the last poll failed: {error}")
                if judgement.verdict is not Verdict.WAITING:
                    yield _event("success" if judgement.verdict is Verdict.REACHED else "failed", judgement.reason)
                    return
                self.log.info("waiting: %s", judgement.reason)
                if self.deadline is not None and time.time() >= self.deadline:
                    yield _event("timeout", judgement.reason)
                    return
                await asyncio.sleep(self._until_next_poll())

    def _until_next_poll(self) -> float:
        """Return seconds: the interval, or less where the deadline comes first, for a last look."""
        if self.deadline is None:
            return self.poll_interval
        return min(self.poll_interval, max(0.0, self.deadline - time.time()))


def _event(status: str, message: str) -> TriggerEvent:
    return TriggerEvent({"status": status, "message": message})
