"""Triggers that wait for bookings."""

from __future__ import annotations

import asyncio
import enum
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

_NAMED_AT_MOST = 5


class Verdict(enum.Enum):
    """What the statuses of the bookings mean."""

    REACHED = "reached"
    WAITING = "waiting"
    LOST = "lost"


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reason, which names bookings by uid and status only."""

    verdict: Verdict
    reason: str


def judge(bookings: Mapping[str, Mapping[str, Any]], statuses: Collection[str], fail_on: Collection[str]) -> Judgement:
    """Say whether all bookings have one of the wanted statuses.

    :param bookings: the bookings by uid.
    :param statuses: the statuses waited for.
    :param fail_on: the statuses that can no longer become right.
    """
    status = {uid: str(booking.get("status")) for uid, booking in bookings.items()}
    lost = {uid: now for uid, now in status.items() if now in fail_on}
    if lost:
        return Judgement(Verdict.LOST, f"{_named(lost)} can no longer become {' or '.join(statuses)}")
    waiting = {uid: now for uid, now in status.items() if now not in statuses}
    if waiting:
        return Judgement(
            Verdict.WAITING, f"{len(waiting)} of {len(status)} are not {' or '.join(statuses)}: {_named(waiting)}"
        )
    return Judgement(Verdict.REACHED, f"all {len(status)} are {' or '.join(statuses)}")


def _named(status: Mapping[str, str]) -> str:
    first = [f"booking {uid} is {now}" for uid, now in list(status.items())[:_NAMED_AT_MOST]]
    rest = Counter(list(status.values())[_NAMED_AT_MOST:])
    return ", ".join([*first, *(f"{count} more are {now}" for now, count in rest.items())])


class BookingStatusTrigger(BaseTrigger):
    """Wait until all bookings have one of the wanted statuses.

    One trigger waits for thousands of bookings: each poll reads them by listing where that takes fewer requests than
    one GET each. A failing API is asked once per interval, like a healthy one, until the deadline.

    The event is ``{"status": "success" | "failed" | "timeout", "message": ...}``; it names bookings by uid and
    status only, since the triggerer logs it.

    :param uids: booking ids.
    :param statuses: the statuses waited for.
    :param fail_on: the statuses that can no longer become right.
    :param poll_interval: seconds between two polls.
    :param deadline: seconds since the epoch after which to give up; None for never.
    :param jicoo_conn_id: the Airflow connection.
    """

    def __init__(
        self,
        uids: list[str],
        statuses: list[str],
        fail_on: list[str],
        poll_interval: float,
        deadline: float | None = None,
        jicoo_conn_id: str = "jicoo_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.uids = uids
        self.statuses = statuses
        self.fail_on = fail_on
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.jicoo_conn_id = jicoo_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments: flat JSON, no secret."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "uids": self.uids,
                "statuses": self.statuses,
                "fail_on": self.fail_on,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "jicoo_conn_id": self.jicoo_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until there is something to say, then say it once."""
        from airflow_provider_jicoo.api.errors import JicooError
        from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook

        async with JicooAsyncHook(self.jicoo_conn_id) as hook:
            while True:
                try:
                    found = judge(await hook.lookup_bookings(self.uids), self.statuses, self.fail_on)
                except JicooError as error:
                    if error.permanent:
                        yield _event("failed", str(error))
                        return
                    found = Judgement(Verdict.WAITING, f"the last poll failed: {error}")
                if found.verdict is not Verdict.WAITING:
                    yield _event("success" if found.verdict is Verdict.REACHED else "failed", found.reason)
                    return
                self.log.info("waiting: %s", found.reason)
                if self.deadline is not None and time.time() >= self.deadline:
                    yield _event("timeout", found.reason)
                    return
                await asyncio.sleep(self._until_next_poll())

    def _until_next_poll(self) -> float:
        """Return seconds: the interval, or less where the deadline comes first, for a last look."""
        if self.deadline is None:
            return self.poll_interval
        return min(self.poll_interval, max(0.0, self.deadline - time.time()))


def _event(status: str, message: str) -> TriggerEvent:
    return TriggerEvent({"status": status, "message": message})
