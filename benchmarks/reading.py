"""Reading many pages at once beside reading one after the other, at 100 ms a request."""

from __future__ import annotations

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from bulk import COUNT, seen, server, timed
from clients import KEY

from airflow_provider_jicoo.api.ahead import AT_ONCE
from airflow_provider_jicoo.api.aio import AsyncJicooClient
from airflow_provider_jicoo.api.bookings import list_bookings
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk import Selection, UpdateFields, plan_changes
from airflow_provider_jicoo.bulk.selection import select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LATENCY = 0.1
LEAST = 10.0


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield rows: what, measured, at least, reached."""
    contenders = {
        f"plan {COUNT:,} bookings": plan,
        f"list {COUNT:,} bookings with JicooClient, as ListBookingsOperator does": listing,
        f"select {COUNT:,} bookings with JicooClient, as BookingsSensor does": selection,
        f"list {COUNT:,} bookings with AsyncJicooClient, as triggers do": listing_async,
    }
    # The rivals wait nearly all of the time: one cannot slow down another.
    with ThreadPoolExecutor(len(contenders)) as pool:
        alone = list(pool.map(lambda read: measure(read, 1), contenders.values()))
    for (what, read), (rival, rival_requests) in zip(contenders.items(), alone, strict=True):
        ours, requests = measure(read, AT_ONCE)
        ratio = rival / ours
        yield (
            f"{what}, {1000 * LATENCY:.0f} ms a request, {AT_ONCE} pages at once, beside one after the other",
            f"{ours:.2f} s and {requests} requests against {rival:.1f} s and {rival_requests}: {ratio:.1f}",
            f"{LEAST:.0f}",
            ratio >= LEAST,
        )


def measure(read: Callable[[str, int], None], at_once: int) -> tuple[float, int]:
    """Return how long a reading takes, in seconds, and how many requests."""
    with server(COUNT, LATENCY) as url:
        return timed(lambda: read(url, at_once)), seen(url)["requests"]


def plan(url: str, at_once: int) -> None:
    with tempfile.TemporaryDirectory() as folder, JicooClient(Settings(KEY, url), pages_at_once=at_once) as jicoo:
        change, path = UpdateFields(priority="high"), Path(folder) / "plan.jsonl"
        assert plan_changes(jicoo, Selection(), change, path, is_send_updates=False).manifest["changes"] == COUNT


def listing(url: str, at_once: int) -> None:
    with JicooClient(Settings(KEY, url), pages_at_once=at_once) as jicoo:
        assert sum(1 for _ in jicoo.iterate(list_bookings())) == COUNT


def selection(url: str, at_once: int) -> None:
    with JicooClient(Settings(KEY, url), pages_at_once=at_once) as jicoo:
        found = select(jicoo, Selection(started_before="2040-01-01T00:00:00Z"))
        assert sum(1 for _ in found) == COUNT


def listing_async(url: str, at_once: int) -> None:
    async def main() -> None:
        async with AsyncJicooClient(Settings(KEY, url), pages_at_once=at_once) as jicoo:
            assert len([None async for _ in jicoo.iterate(list_bookings())]) == COUNT

    asyncio.run(main())
