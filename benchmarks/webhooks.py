"""The receiver of webhooks: how fast it refuses, how fast it stores, and what it costs those who need it not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import statistics
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from airflow_provider_jicoo.api.signature import HEADER
from airflow_provider_jicoo.plugins.jicoo import PREFIX
from airflow_provider_jicoo.plugins.receiver import Receiver

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.system.stack import AirflowStack

if TYPE_CHECKING:
    from collections.abc import Iterator

FORGED = 5_000
EVENTS = 500
IN_FLIGHT = 16
ROUNDS = 9
SIZE = 2048
CONN_ID, DAG_ID, SECRET = "jicoo_default", "on_webhook", "whsec_benchmark"
CONNECTION = {
    "conn_type": "jicoo",
    "password": "sk_live_benchmark",
    "extra": json.dumps({"webhook_secret": SECRET, "webhook_dag_ids": DAG_ID}),
}
# Airflow has imported what its plugins are made of before it imports the first.
TIMED = """
import time
import airflow.plugins_manager
start = time.perf_counter()
import airflow_provider_jicoo.plugins.jicoo
print(time.perf_counter() - start)
"""


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield rows: what, measured, at least or at most, reached."""
    cost = 1000 * statistics.median(imported() for _ in range(ROUNDS))
    yield "import of the plugin by each process of Airflow", f"{cost:.2f} ms", "under 5 ms", cost < 5
    for kind, conn_id in (("forged for an endpoint", CONN_ID), ("for an unknown connection", "no_such_connection")):
        rate = statistics.median(asyncio.run(refused(conn_id)) for _ in range(ROUNDS))
        what = f"webhooks of 2 KB, {kind}, verified and refused, on one core, at the ASGI level"
        yield what, f"{rate:,.0f} /s", "3,000 /s", rate >= 3_000
    rate = stored()
    what = (
        f"{EVENTS} signed webhooks of 2 KB, {IN_FLIGHT} in flight, over HTTP to one worker of a running API server, "
        "until PostgreSQL has the runs of a DAG with two tasks (it does not wait for its disk)"
    )
    yield what, f"{rate:,.0f} /s", "50 /s", rate >= 50


def imported() -> float:
    """Return seconds, of a fresh process."""
    done = subprocess.run([sys.executable, "-c", TIMED], check=True, capture_output=True, text=True)
    return float(done.stdout.strip().splitlines()[-1])


def body(number: int) -> bytes:
    content = {
        "createdAt": "2026-01-15T03:30:00.000Z",
        "event": "guest_booked",
        "object": {"uid": f"benchmark{number:06}", "startedAt": "2026-01-20T01:00:00.000Z", "note": ""},
    }
    content["object"]["note"] = "x" * (SIZE - len(json.dumps(content)))
    return json.dumps(content).encode()


def signed(raw_body: bytes, secret: str) -> str:
    moment = int(time.time())
    return f"t={moment},v1={hmac.new(secret.encode(), b'%d.' % moment + raw_body, hashlib.sha256).hexdigest()}"


async def refused(conn_id: str) -> float:
    """Return requests per second of this process's time."""
    found = types.SimpleNamespace(**{**CONNECTION, "extra_dejson": json.loads(CONNECTION["extra"])}, conn_id=CONN_ID)
    receiver = Receiver({CONN_ID: found}.get, lambda *event: None)
    raw = body(1)
    headers = [
        (b"host", b"airflow.example.com"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(raw)),
        (HEADER.lower().encode(), signed(raw, "whsec_forged").encode()),
    ]
    scope = {"type": "http", "method": "POST", "path": f"{PREFIX}/{conn_id}", "root_path": PREFIX, "headers": headers}
    answers = []

    async def receive():
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message):
        answers.append(message.get("status"))

    begin = time.process_time()
    for _ in range(FORGED):
        await receiver(scope, receive, send)
    spent = time.process_time() - begin
    assert answers.count(401) == FORGED
    return FORGED / spent


def stored() -> float:
    """Return events per second, from the first request to the last answer."""
    with AirflowStack([Path(__file__).with_name("dags")]) as airflow:
        airflow.add_connection(CONN_ID, CONNECTION)
        airflow.wait_for_dag(DAG_ID)
        # The DAG stays paused: what is measured is the receiver, and not the scheduler beside it.
        airflow.kill("scheduler")
        seconds = asyncio.run(send_all(f"{airflow.api.base_url}{PREFIX}/{CONN_ID}"))
        assert airflow.api.get(f"/dags/{DAG_ID}/dagRuns", limit=1)["total_entries"] == EVENTS + 1
    return EVENTS / seconds


async def send_all(url: str) -> float:
    async with aiohttp.ClientSession() as session:

        async def send(number: int) -> None:
            raw = body(number)
            headers = {"content-type": "application/json", HEADER: signed(raw, SECRET)}
            async with session.post(url, data=raw, headers=headers) as answer:
                assert answer.status == 200, (answer.status, await answer.text())

        async def some(numbers: Iterator[int]) -> None:
            for number in numbers:
                await send(number)

        await send(0)  # the first makes the receiver
        numbers = iter(range(1, EVENTS + 1))
        begin = time.perf_counter()
        await asyncio.gather(*(some(numbers) for _ in range(IN_FLIGHT)))
        return time.perf_counter() - begin
