"""How many requests one trigger sends for each poll of 2,000 bookings."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

from airflow_provider_jicoo.api.paging import PER_PAGE
from airflow_provider_jicoo.sandbox import Sandbox
from airflow_provider_jicoo.triggers.bookings import BookingStatusTrigger

if TYPE_CHECKING:
    from collections.abc import Iterator

UIDS = 2_000
POLLS = 5


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield one row: what, measured, at most, reached."""
    with Sandbox(bookings=UIDS, seed=7) as jicoo:
        os.environ["AIRFLOW_CONN_JICOO_DEFAULT"] = json.dumps(jicoo.connection())
        uids = [booking["uid"] for booking in jicoo.bookings()]
        trigger = BookingStatusTrigger(uids, ["request"], [], poll_interval=0.2)
        asyncio.run(poll(trigger, jicoo))
        each = jicoo.count("GET") / POLLS
    pages = -(-UIDS // PER_PAGE)
    yield (
        f"requests per poll of one BookingStatusTrigger on {UIDS:,} uids, beside one GET for each booking",
        f"{each:.0f} against {UIDS:,}",
        f"{pages}, the pages of the list",
        each <= pages,
    )


async def poll(trigger: BookingStatusTrigger, jicoo: Sandbox) -> None:
    """Run the trigger for some whole polls: until it sleeps after the last of them."""
    running = asyncio.ensure_future(trigger.run().__anext__())
    pages = -(-UIDS // PER_PAGE)
    while jicoo.count("GET") < POLLS * pages and not running.done():
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
