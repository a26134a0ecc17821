"""The page of a plan of 100,000 bookings, on a running API server: how soon it begins, and what it costs in memory."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.plugins.room import planted
from tests.system.stack import AirflowStack, run_path, session_members

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 100_000
DAG_ID = "on_webhook"
LOOKS = 15
QUERIES: tuple[dict[str, str], ...] = (
    {},
    {"page": "1900"},
    {"sort": "host"},
    {"sort": "new", "dir": "down"},
    {"q": "2027-03-05"},
    {"q": "ada lovelace", "page": "3"},
)


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield rows: what, measured, at least or at most, reached."""
    with tempfile.TemporaryDirectory() as folder, AirflowStack([Path(__file__).with_name("dags")]) as airflow:
        airflow.wait_for_dag(DAG_ID)
        # The run stays as it is: what is measured is the page.
        airflow.kill("scheduler")
        run_id = airflow.run_dag(DAG_ID)
        manifest = planted.write_plan(Path(folder) / "plan.jsonl", map(planted.change, range(ROWS)), owner=None)
        task = next(iter(airflow.api.get(f"{run_path(DAG_ID, run_id)}/taskInstances")["task_instances"]))["task_id"]
        path = f"{run_path(DAG_ID, run_id)}/taskInstances/{task}/xcomEntries"
        airflow.api.post(path, {"key": "jicoo_plan", "value": planted.note(manifest), "map_index": -1})
        page = f"{airflow.api.base_url}/jicoo/runs/{DAG_ID}/{run_id}/{task}/-1"
        airflow.api.session.get(f"{airflow.api.base_url}/jicoo/runs/", timeout=60)  # makes the application
        before = megabytes(airflow)
        cold = look(airflow, page)
        looks = [look(airflow, page, query) for _ in range(LOOKS) for query in QUERIES]
        after = megabytes(airflow)
        first = 1000 * statistics.median(each[0] for each in looks)
        whole = 1000 * statistics.median(each[1] for each in looks)
        more = [look(airflow, page, {"q": f"b0{number:03}"}) for number in range(LOOKS)]
        grown = megabytes(airflow) - after
        search = statistics.median(each[1] for each in more)
    what = f"page of a plan of {ROWS:,} bookings on a running API server"
    yield f"{what}: first byte", f"{first:,.0f} ms", "under 300 ms", first < 300
    yield f"{what}: first byte of the first look", f"{1000 * cold[0]:,.0f} ms", "under 300 ms", cold[0] < 0.3
    yield f"{what}: whole, after the first look", f"{whole:,.0f} ms", "under 1 s", whole < 1000
    yield f"{what}: a search that nobody made before, whole", f"{search:,.1f} s", "under 5 s", search < 5
    yield (
        f"{what}: memory of the API server by {len(looks)} looks",
        f"{after - before:,.0f} MB",
        "under 60 MB",
        after - before < 60,
    )
    yield f"{what}: and by {LOOKS} searches more", f"{grown:,.0f} MB", "under 10 MB", grown < 10


def look(airflow: AirflowStack, address: str, query: dict[str, str] | None = None) -> tuple[float, float]:
    """Return seconds until the first byte of a page, and until its last."""
    begin = time.perf_counter()
    with airflow.api.session.post(address, data=query or {}, stream=True, timeout=120) as answer:
        assert answer.status_code == 200, answer.status_code
        pieces = answer.iter_content(None)
        text = next(pieces)
        first = time.perf_counter() - begin
        text += b"".join(pieces)
    assert b"to its end" not in text
    assert b"<tbody>" in text
    return first, time.perf_counter() - begin


def megabytes(airflow: AirflowStack) -> float:
    members = session_members(airflow.services["api-server"].pid)
    return sum(process.memory_info().rss for process in members) / 1e6
