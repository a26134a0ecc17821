"""The bulk change beside what one would write without it, and under a rate limit."""

from __future__ import annotations

import asyncio
import collections
import json
import logging
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import aiohttp
import requests
import uvloop
from clients import KEY
from requests.adapters import HTTPAdapter

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.settings import KEY_HEADER, Settings
from airflow_provider_jicoo.bulk import Options, Selection, UpdateFields, apply_plan, plan_changes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from airflow_provider_jicoo.bulk.plan import Plan

COUNT = 10_000
LARGE, HUGE = 100_000, 1_000_000
ROUNDS = 5
SETTLING, MEASURED = 60, 200
"""Seconds under a limit that do not count, and that do."""
SHORT = 20
"""Seconds of a short job under a limit, from the first request on."""
SLOW = 1
"""Requests per second of a slow limit; the server's bucket holds a single token then."""
HERE = Path(__file__).parent
logging.getLogger("airflow_provider_jicoo").setLevel(logging.ERROR)  # or each 429 is a line
BODY = {"priority": "high", "isSendUpdates": False}


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield rows: what, measured, at least, reached."""
    yield from unthrottled()
    yield latency()
    yield from large()
    # All at once: they leave both cores idle nearly all the time. How several share a limit is another in each run.
    runs = {(20, 1): 1, (20, 4): ROUNDS, (100, 1): 1, (100, 4): ROUNDS, (SLOW, 4): 1}
    with ThreadPoolExecutor(sum(runs.values())) as pool:
        found = {who: [pool.submit(limited, *who) for _ in range(often)] for who, often in runs.items()}
        for who, futures in found.items():
            yield from limits(*who, [future.result() for future in futures])
    # By themselves: each second in which others keep a worker from the cores is a part of so short a job.
    yield from map(short, (20, 100))


def unthrottled() -> Iterator[tuple[str, str, str, bool]]:
    took: dict[str, list[float]] = collections.defaultdict(list)
    for _ in range(ROUNDS):
        for name, without in (("ours", nullcontext()), ("ours in asyncio", mock.patch.dict(sys.modules, uvloop=None))):
            with server(COUNT) as url, planned(url) as plan, without:
                took[name].append(timed(lambda: applied(url, plan, Options())))
        for name, loop in (
            ("aiohttp", bare_aiohttp),
            ("aiohttp in uvloop", partial(bare_aiohttp, run=uvloop.run)),
            ("threads", bare_threads),
        ):
            with server(COUNT) as url:
                took[name].append(timed(lambda: loop(url)))  # noqa: B023
    rate = {name: COUNT / statistics.median(seconds) for name, seconds in took.items()}
    what = f"apply {COUNT:,} updates, unthrottled, 32 in flight, journal and re-reading included, beside "
    for name, ours, other, least in (
        ("a bare aiohttp loop without a journal", "ours", rate["aiohttp"], 0.90),
        ("the same, both in asyncio's event loop", "ours in asyncio", rate["aiohttp"], 0.90),
        ("the same, both in uvloop", "ours", rate["aiohttp in uvloop"], 0.90),
        ("a requests thread pool", "ours", rate["threads"], 4.0),
    ):
        ratio = rate[ours] / other
        yield what + name, f"{rate[ours]:,.0f} against {other:,.0f} /s: {ratio:.2f}", f"{least}", ratio >= least


def latency() -> tuple[str, str, str, bool]:
    took: dict[str, list[float]] = collections.defaultdict(list)
    for _ in range(ROUNDS):
        with server(COUNT, 0.05) as url, planned(url) as plan:
            took["ours"].append(timed(lambda: applied(url, plan, Options(concurrency=64))))
        with server(COUNT, 0.05) as url:
            took["bare"].append(timed(lambda: bare_aiohttp(url, 64)))
    rate, bare = (COUNT / statistics.median(took[name]) for name in ("ours", "bare"))
    what = f"apply {COUNT:,} updates, 50 ms latency, 64 in flight, beside a bare aiohttp loop at the same concurrency"
    return what, f"{rate:,.0f} against {bare:,.0f} /s: {rate / bare:.2f}", "0.97", rate / bare >= 0.97


def limited(rate: int, workers: int) -> tuple[float, float, float]:
    """Apply shards in as many processes, and look at the server between the end of settling and the end.

    :return: what was delivered of the limit, the part that was refused, and the slowest worker beside the fastest.
    """
    with applying(rate, workers, SETTLING + MEASURED) as (url, shards):
        time.sleep(SETTLING)
        before, done_before = seen(url), [done(shard) for shard in shards]
        time.sleep(MEASURED)
        after, done_after = seen(url), [done(shard) for shard in shards]
    sent = after["requests"] - before["requests"]
    refused = after["refused"] - before["refused"]
    made = [last - first for first, last in zip(done_before, done_after, strict=True)]
    return (sent - refused) / MEASURED / rate, refused / sent, min(made) / max(1, *made)


def limits(rate: int, workers: int, runs: list[tuple[float, float, float]]) -> Iterator[tuple[str, str, str, bool]]:
    least, most = (0.9, 0.10) if rate == SLOW else (0.98, 0.01)
    what = f"limit of {rate}/s, {workers} worker{'s' if workers > 1 else ''}, {MEASURED} s after {SETTLING} s: "
    delivered, refused, fair = zip(*runs, strict=True)
    yield what + "delivered, of the limit", medians(delivered, ".3f"), f"{least}", statistics.median(delivered) >= least
    yield what + "refused", medians(refused, ".1%"), f"under {most:.0%}", statistics.median(refused) < most
    if workers > 1 and rate != SLOW:
        name = what + "the slowest beside the fastest"
        yield name, medians(fair, ".2f"), "0.75", statistics.median(fair) >= 0.75


def medians(figures: tuple[float, ...], form: str) -> str:
    """Return a figure, or of several runs the median and all of them."""
    told = [format(figure, form) for figure in sorted(figures)]
    return told[0] if len(told) == 1 else f"{format(statistics.median(figures), form)} ({', '.join(told)})"


def short(rate: int) -> tuple[str, str, str, bool]:
    """Return what the slowest of four workers made in a short job, beside the fastest."""
    fair = []
    for _ in range(ROUNDS):
        with applying(rate, 4, SHORT) as (url, shards):
            planned_with = seen(url)["requests"]
            while seen(url)["requests"] == planned_with:
                time.sleep(0.05)
            time.sleep(SHORT)
            made = [done(shard) for shard in shards]
            fair.append(min(made) / max(1, *made))
    what = f"limit of {rate}/s, 4 workers, the first {SHORT} s: the slowest beside the fastest"
    return what, medians(tuple(fair), ".2f"), "0.6", statistics.median(fair) >= 0.6


@contextmanager
def applying(rate: int, workers: int, seconds: int) -> Iterator[tuple[str, list[Path]]]:
    """Apply shards in as many processes, of more than can be made in so many seconds; give the URL and the shards.

    They begin together, once each has imported what it needs: what is compared is how they share a limit.
    """
    count = rate * seconds * 3 // 2
    with server(count, 0.01, rate) as url, planned(url, workers) as plan:
        processes = [
            subprocess.Popen(
                [sys.executable, __file__, url, json.dumps(shard)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for shard in plan.manifest["shards"]
        ]
        try:
            for process in processes:
                assert process.stdout is not None
                process.stdout.readline()
            for process in processes:
                assert process.stdin is not None
                process.stdin.close()
            yield url, [Path(shard["plan"]) for shard in plan.manifest["shards"]]
        finally:
            for process in processes:
                process.kill()
                process.wait()


def large() -> Iterator[tuple[str, str, str, bool]]:
    """Plan and apply many in fresh processes, which say what it took."""
    told = {count: measured_apart(count) for count in (LARGE, HUGE)}
    own = told[LARGE]["cpu"]
    yield (
        f"plan {LARGE:,} bookings: our own CPU per booking, parsing of the list included",
        f"{own:.0f} microseconds",
        "under 100",
        own < 100,
    )
    for count, figures in told.items():
        for name in ("plan", "apply"):
            peak = figures[f"{name} MB"]
            yield f"{name} {count:,}: peak memory above the imports", f"{peak:.0f} MB", "under 150 MB", peak < 150
    for name in ("plan", "apply"):
        each = [1e6 * told[count][f"{name} s"] / count for count in (LARGE, HUGE)]
        yield (
            f"{name} {HUGE:,}: time per booking, beside that of {LARGE:,}",
            f"{each[1]:.0f} against {each[0]:.0f} microseconds: {each[1] / each[0]:.2f}",
            "at most 1.2",
            each[1] / each[0] <= 1.2,
        )


def measured_apart(count: int) -> dict[str, float]:
    with server(count) as url, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, url, folder, str(count), "large"]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    told: dict[str, float] = json.loads(said.splitlines()[-1])
    return told


# --- the contenders -----------------------------------------------------------------------------------------------


def applied(url: str, plan: Plan | dict[str, Any], options: Options) -> None:
    with JicooClient(Settings(KEY, url)) as jicoo:
        apply_plan(jicoo, plan, options=options)


def bare_aiohttp(url: str, in_flight: int = 32, run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession(headers={KEY_HEADER: KEY}) as session:

            async def worker(first: int) -> None:
                for number in range(first, COUNT, in_flight):
                    async with session.patch(f"{url}/v1/bookings/u{number:011d}", json=BODY) as response:
                        response.raise_for_status()
                        (await response.json())["data"]

            await asyncio.gather(*(worker(first) for first in range(in_flight)))

    run(main())


def bare_threads(url: str) -> None:
    with requests.Session() as session, ThreadPoolExecutor(32) as pool:
        session.headers[KEY_HEADER] = KEY
        session.mount("http://", HTTPAdapter(pool_maxsize=32))

        def change(number: int) -> None:
            response = session.patch(f"{url}/v1/bookings/u{number:011d}", json=BODY, timeout=30)
            response.raise_for_status()
            response.json()["data"]

        list(pool.map(change, range(COUNT)))


# --- the stage ------------------------------------------------------------------------------------------------------


@contextmanager
def server(count: int, latency: float = 0.0, rate: float = 0.0) -> Iterator[str]:
    """Run the server in a process of its own; give its URL."""
    command = [sys.executable, str(HERE / "bulk_server.py"), str(count), str(latency), str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


@contextmanager
def planned(url: str, shards: int = 1) -> Iterator[Plan]:
    with tempfile.TemporaryDirectory() as folder, JicooClient(Settings(KEY, url)) as jicoo:
        yield plan_changes(
            jicoo,
            Selection(),
            UpdateFields(priority="high"),
            Path(folder) / "plan.jsonl",
            is_send_updates=False,
            shards=shards,
        )


def seen(url: str) -> dict[str, int]:
    found: dict[str, int] = requests.get(f"{url}/seen", timeout=30).json()
    return found


def done(shard: Path) -> int:
    """Return how many changes of a shard are made, as its worker said within the last second."""
    told = Path(f"{shard}.done")
    return int(told.read_text() or 0) if told.exists() else 0


def work(url: str, shard: dict[str, Any]) -> None:
    """Apply a shard once we are told to begin, and keep saying how far it is."""
    told = Path(f"{shard['plan']}.done")
    import airflow_provider_jicoo.bulk.apply.run  # noqa: F401 (its import is no part of the job)

    print("ready", flush=True)
    sys.stdin.read()
    with JicooClient(Settings(KEY, url)) as jicoo:
        apply_plan(jicoo, shard, progress=lambda progress: told.write_text(str(progress.done)), progress_interval=1.0)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def megabytes() -> float:
    """Return the peak of this process's memory; ``ru_maxrss`` would begin with that of the process that started it."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def cpu() -> float:
    return time.process_time()


def measure_large(url: str, folder: str, count: int) -> None:
    """Plan and apply, and print seconds and the peaks of memory above the imports."""
    import airflow_provider_jicoo.bulk.undo  # noqa: F401 (an import, not a peak)

    told = {}
    with JicooClient(Settings(KEY, url)) as jicoo:
        start, begun = megabytes(), cpu()
        path = Path(folder) / "plan.jsonl"
        at = time.perf_counter()
        plan = plan_changes(jicoo, Selection(), UpdateFields(priority="high"), path, is_send_updates=False)
        told["plan s"] = time.perf_counter() - at
        told["cpu"], told["plan MB"] = 1e6 * (cpu() - begun) / count, megabytes() - start
        told["apply s"] = timed(lambda: apply_plan(jicoo, plan))
        told["apply MB"] = megabytes() - start
    print(json.dumps(told))


if __name__ == "__main__":
    if sys.argv[-1] == "large":
        measure_large(*sys.argv[1:3], int(sys.argv[3]))
    else:
        work(sys.argv[1], json.loads(sys.argv[2]))
