"""Waits for a paused apply to be let go on, or for the hours in which it may send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_jicoo.tasks.storage import open_path
from airflow_provider_jicoo.tasks.waiting import Window, why_it_waits

PATIENCE = 3600.0
"""Seconds for which the storage may fail. Whoever waits for it without an end would never know."""


class ApplyMayGoOnTrigger(BaseTrigger):
    """Look at a plan's control file and at the clock until an apply may send. Holds no key, and asks Jicoo nothing.

    The event is ``{"status": "success" | "failed", "message": ...}``.

    :param plan: the path of the plan, which the triggerer must be able to read, as ``s3://conn@bucket/plan.jsonl``.
    :param only_between: times of day, as ``["21:00", "07:00"]``; None for any.
    :param time_zone: whose clocks.
    :param poll_interval: seconds between two looks. The first is after one: a worker has looked a moment ago.
    """

    def __init__(
        self,
        plan: str,
        only_between: list[str] | None = None,
        time_zone: str | None = None,
        poll_interval: float = 15.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.plan = plan
        self.only_between = only_between
        self.time_zone = time_zone
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "plan": self.plan,
                "only_between": self.only_between,
                "time_zone": self.time_zone,
                "poll_interval": self.poll_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the apply may go on."""
        window = Window.parse(self.only_between, self.time_zone)
        said = None
        read = time.monotonic()
        while True:
            await asyncio.sleep(self.poll_interval)
            try:
                # Not asyncio.to_thread: Airflow asks for a connection on the loop that asgiref remembers.
                told = await sync_to_async(self._told, thread_sensitive=False)()
            except FileNotFoundError:
                yield _event(
                    "failed",
                    f"the triggerer cannot see {self.plan}: keep plans where workers and triggerer read them, "
                    "as s3://conn@bucket/plans, or give deferrable=False",
                )
                return
            except Exception as error:  # whatever the storage raises: that of a broken network is often no OSError
                # A package is missing, which it says; anything else may pass.
                if type(error) is ValueError or time.monotonic() - read > PATIENCE:
                    what = str(error) if type(error) is ValueError else type(error).__name__
                    yield _event("failed", f"the triggerer cannot read {self.plan}: {what}")
                    return
                self.log.warning("the control file cannot be read: %s", type(error).__name__)
                continue
            read = time.monotonic()
            why = why_it_waits(told, window, datetime.now(timezone.utc))
            if why is None:
                yield _event("success", "it may go on")
                return
            if why != said:
                said = why
                self.log.info("waiting: %s", why)

    def _told(self) -> str | None:
        from airflow_provider_jicoo.bulk.apply.control import control_file

        plan = open_path("plan", self.plan)
        if not plan.exists():
            raise FileNotFoundError(self.plan)
        return control_file(plan)()


def _event(status: str, message: str) -> TriggerEvent:
    return TriggerEvent({"status": status, "message": message})
