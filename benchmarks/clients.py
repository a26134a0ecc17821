"""The clients beside bare loops of the libraries they are built on, on an unthrottled loopback server."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import requests
from requests.adapters import HTTPAdapter

from airflow_provider_jicoo.api import bookings
from airflow_provider_jicoo.api.aio import AsyncJicooClient
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.settings import KEY_HEADER, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REQUESTS = 5_000
IN_FLIGHT = 32
ROUNDS = 11
KEY = "sk_live_benchmark"
PATH = "/v1/bookings/mzgdPJVBb7RE"


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield rows: what, measured, at least, reached."""
    with still_server() as url:
        for ours, bare, name in (
            (async_client, bare_aiohttp, "AsyncJicooClient, 32 in flight, beside a bare aiohttp loop"),
            (client, bare_requests, "JicooClient, 32 threads, beside a bare requests session"),
        ):
            mine, other = compare(ours, bare, url)
            ratio = mine / other
            yield (
                f"{name}: {REQUESTS:,} updates",
                f"{mine:,.0f} against {other:,.0f} requests/s: {ratio:.2f}",
                "0.90",
                ratio >= 0.9,
            )


def compare(ours: Callable[[str], None], bare: Callable[[str], None], url: str) -> tuple[float, float]:
    """Return the median rates of both in requests per second, measured by turns."""
    took: tuple[list[float], list[float]] = ([], [])
    for number, (which, loop) in itertools.product(range(ROUNDS + 1), enumerate((ours, bare))):
        start = time.perf_counter()
        loop(url)
        if number:  # the first round warms up
            took[which].append(time.perf_counter() - start)
    return REQUESTS / statistics.median(took[0]), REQUESTS / statistics.median(took[1])


def async_client(url: str) -> None:
    async def main() -> None:
        async with AsyncJicooClient(Settings(KEY, url)) as jicoo:

            async def worker(count: int) -> None:
                for _ in range(count):
                    await jicoo.send(bookings.update_booking("mzgdPJVBb7RE", priority="high", is_send_updates=False))

            await asyncio.gather(*(worker(count) for count in shares()))

    asyncio.run(main())


def bare_aiohttp(url: str) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession(headers={KEY_HEADER: KEY}) as session:

            async def worker(count: int) -> None:
                for _ in range(count):
                    body = {"priority": "high", "isSendUpdates": False}
                    async with session.patch(url + PATH, json=body) as response:
                        response.raise_for_status()
                        (await response.json())["data"]

            await asyncio.gather(*(worker(count) for count in shares()))

    asyncio.run(main())


def client(url: str) -> None:
    with JicooClient(Settings(KEY, url)) as jicoo, ThreadPoolExecutor(IN_FLIGHT) as pool:

        def worker(count: int) -> None:
            for _ in range(count):
                jicoo.send(bookings.update_booking("mzgdPJVBb7RE", priority="high", is_send_updates=False))

        list(pool.map(worker, shares()))


def bare_requests(url: str) -> None:
    with requests.Session() as session, ThreadPoolExecutor(IN_FLIGHT) as pool:
        session.headers[KEY_HEADER] = KEY
        session.mount("http://", HTTPAdapter(pool_maxsize=IN_FLIGHT))

        def worker(count: int) -> None:
            for _ in range(count):
                body = {"priority": "high", "isSendUpdates": False}
                response = session.patch(url + PATH, json=body, timeout=30)
                response.raise_for_status()
                json.loads(response.content)["data"]

        list(pool.map(worker, shares()))


def shares() -> list[int]:
    """Return how many requests each of the workers sends."""
    each, rest = divmod(REQUESTS, IN_FLIGHT)
    return [each + (number < rest) for number in range(IN_FLIGHT)]


@contextmanager
def still_server() -> Iterator[str]:
    """Run the server in a process of its own; give its URL."""
    command = [sys.executable, str(Path(__file__).with_name("still_server.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()
