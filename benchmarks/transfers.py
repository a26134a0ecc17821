"""Bookings into files, beside a bare loop of aiohttp that reads the pages as concurrently and writes lines."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bulk import megabytes, server
from clients import KEY

from airflow_provider_jicoo.api.ahead import AT_ONCE
from airflow_provider_jicoo.api.settings import KEY_HEADER, PER_PAGE, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 100_000
ROUNDS = 7


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield rows: what, measured, at least, reached."""
    found: dict[str, list[dict[str, float]]] = {"bare": [], "jsonl": [], "csv": [], "parquet": []}
    with server(COUNT) as url, tempfile.TemporaryDirectory() as folder:
        # One after the other in each round: what else the machine does comes to all of them.
        for _ in range(ROUNDS):
            for name, figures in found.items():
                figures.append(measured(name, url, folder))
    # Not the quickest of each, which may be of different rounds: one lucky run would decide.
    seconds = {name: statistics.median(each["s"] for each in figures) for name, figures in found.items()}
    peak = {name: max(each["MB"] for each in figures) for name, figures in found.items()}
    ratio = seconds["bare"] / seconds["jsonl"]
    yield (
        f"{COUNT:,} bookings to JSON Lines, beside a bare aiohttp loop with {AT_ONCE} pages at once",
        f"{seconds['jsonl']:.2f} s against {seconds['bare']:.2f} s: {ratio:.2f}",
        "0.80",
        ratio >= 0.8,
    )
    ratio = seconds["parquet"] / seconds["jsonl"]
    yield (
        f"{COUNT:,} bookings to Parquet, beside JSON Lines",
        f"{seconds['parquet']:.2f} s against {seconds['jsonl']:.2f} s: {ratio:.2f}",
        "under 1.3",
        ratio < 1.3,
    )
    for name in ("jsonl", "csv", "parquet"):
        what = f"{COUNT:,} bookings to {name}: peak memory above the imports"
        yield what, f"{peak[name]:.0f} MB", "under 100 MB", peak[name] < 100


def measured(name: str, url: str, folder: str) -> dict[str, float]:
    """Load once in a process of its own; return seconds, and the peak of memory above the imports."""
    command = [sys.executable, __file__, name, url, f"{folder}/bookings.{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def work(name: str, url: str, path: str) -> None:
    if name == "parquet":
        import pyarrow.parquet

        pyarrow.array([""])  # imports pandas where that is installed: an import, neither time nor peak
    from airflow_provider_jicoo.transfers.load import Order, load
    from airflow_provider_jicoo.transfers.resources import BOOKINGS

    before, begin, spent = megabytes(), time.perf_counter(), time.process_time()
    if name == "bare":
        asyncio.run(bare(url, path))
    else:
        made = load(Settings(KEY, url), Order(BOOKINGS, Path(path), format=name))  # type: ignore[arg-type]
        assert made["rows"] == COUNT
    took = {"s": time.perf_counter() - begin, "cpu": time.process_time() - spent}
    print(json.dumps({**took, "MB": megabytes() - before}))


async def bare(url: str, path: str) -> None:
    import aiohttp

    pages = iter(range(2, -(-COUNT // PER_PAGE) + 1))
    query = {"order": "createdAt", "sort": "asc", "perPage": str(PER_PAGE)}
    written = 0
    with open(path, "w") as file:

        async def read(session: aiohttp.ClientSession, page: int) -> None:
            nonlocal written
            async with session.get(f"{url}/v1/bookings", params={**query, "page": str(page)}) as response:
                for row in (await response.json())["data"]:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    written += 1

        async def reader(session: aiohttp.ClientSession) -> None:
            for page in pages:
                await read(session, page)

        async with aiohttp.ClientSession(headers={KEY_HEADER: KEY}) as session:
            await read(session, 1)
            await asyncio.gather(*(reader(session) for _ in range(AT_ONCE)))
    assert written == COUNT


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(*sys.argv[1:4])
    else:
        for row in run():
            print(*row, sep=" | ")
