"""How many requests many watchers of one connection send for each poll, and how large their cursor is."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.booking_changes import seen
from airflow_provider_jicoo.events.cursor import Cursor
from airflow_provider_jicoo.events.parts import PART, pack
from airflow_provider_jicoo.sandbox import Sandbox
from airflow_provider_jicoo.triggers.events import BookingEventTrigger

if TYPE_CHECKING:
    from collections.abc import Iterator

BOOKINGS = 2_000
WATCHERS = 20
POLLS = 5
MANY = 100_000


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield the rows: what, measured, at most, reached."""
    if importlib.util.find_spec("airflow.triggers.shared_stream") is not None:
        one, many = (asyncio.run(requests_per_poll(watchers)) for watchers in (1, WATCHERS))
        yield (
            f"requests per poll of {WATCHERS} BookingEventTriggers on one connection with {BOOKINGS:,} bookings",
            f"{many:.1f}",
            f"{one:.1f}, those of one",
            many <= one,
        )
    each = characters(MANY) / MANY
    yield (
        f"what is stored for each of {MANY:,} bookings to tell what happens to them",
        f"{each:.1f} characters, {PART / each:,.0f} bookings for each value of {PART:,}",
        "32 characters",
        each <= 32,
    )


async def requests_per_poll(watchers: int) -> float:
    """Let so many watchers share their polls, as Airflow lets them, and count."""
    from airflow.triggers.shared_stream import SharedStreamManager

    with Sandbox(bookings=BOOKINGS, seed=7) as jicoo:
        os.environ["AIRFLOW_CONN_JICOO_DEFAULT"] = json.dumps(jicoo.connection())
        manager = SharedStreamManager()
        polls = [0] * watchers

        async def watch(number: int) -> None:
            trigger = BookingEventTrigger(poll_interval=1)
            key = trigger.shared_stream_key()
            stream = manager.subscribe(trigger_id=number, trigger=trigger, key=key)

            async def counted():
                async for sweep in stream:
                    polls[number] += 1
                    yield sweep

            async for _ in trigger.filter_shared_stream(counted()):
                raise AssertionError("nothing happens here")

        tasks = [asyncio.create_task(watch(number)) for number in range(watchers)]
        while min(polls) < POLLS:
            await asyncio.sleep(0.01)
        count = jicoo.count()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await manager.stop_all()
        return count / POLLS


def characters(count: int) -> int:
    """Return the length of the stored cursor of so many bookings, with ids as random as Jicoo's."""
    begin = datetime(2026, 1, 1, tzinfo=timezone.utc)
    entries = {}
    for number in range(count):
        start = begin + timedelta(minutes=15 * (number * 7919 % 17_280))
        uid = os.urandom(9).hex()
        row = {
            "status": "open",
            "startedAt": times.wire(start),
            "endedAt": times.wire(start + timedelta(minutes=30)),
            "hosts": [],
            "updatedAt": uid,
        }
        entries[uid] = seen(row).entry
    return len(pack(Cursor(begin, entries).stored()))
