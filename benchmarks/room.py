"""The page of a plan of 100,000 bookings, on a running API server: how soon it begins, and what it costs in memory."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.plugins.room import planted
from tests.system.stack import AirflowStack, run_path, session_members

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 100_000
DAG_ID = "on_webhook"
PLANS = 5
"""More than are kept in memory at once."""
LOOKS = 15
QUERIES: tuple[dict[str, str], ...] = (
    {},
    {"page": "1900"},
    {"sort": "host"},
    {"sort": "new", "dir": "down"},
    {"q": "2027-03-05"},
    {"q": "ada lovelace", "page": "3"},
)
TOLD = "no figure is promised"


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield rows: what, measured, at least or at most, reached."""
    with tempfile.TemporaryDirectory() as folder, AirflowStack([Path(__file__).with_name("dags")]) as airflow:
        airflow.wait_for_dag(DAG_ID)
        # The runs stay as they are: what is measured is the page.
        airflow.kill("scheduler")
        manifest = planted.write_plan(Path(folder) / "plan.jsonl", map(planted.change, range(ROWS)), owner=None)
        pages = [page_of_a_plan(airflow, manifest, Path(folder) / f"{number}.jsonl") for number in range(PLANS)]
        first_page = pages[0]
        airflow.api.session.get(f"{airflow.api.base_url}/jicoo/runs/", timeout=60)  # makes the application
        before = megabytes(airflow)
        cold = look(airflow, first_page)
        sort = statistics.median(look(airflow, first_page, {"sort": name})[1] for name in ("host", "new", "booking"))
        first_search = look(airflow, first_page, {"q": "b000999"})[1]
        looks = [look(airflow, first_page, query) for _ in range(LOOKS) for query in QUERIES]
        search = statistics.median(look(airflow, first_page, {"q": f"b0{n:03}"})[1] for n in range(LOOKS))
        one_plan = megabytes(airflow)
        # Then what is kept is at its most.
        everything(airflow, pages)
        full = megabytes(airflow)
        everything(airflow, pages)
        grown = megabytes(airflow) - full
    first, whole = (1000 * statistics.median(each[index] for each in looks) for index in (0, 1))
    what = f"page of a plan of {ROWS:,} bookings on a running API server"
    yield f"{what}: first byte", f"{first:,.0f} ms", "under 300 ms", first < 300
    yield f"{what}: first byte of the first look", f"{1000 * cold[0]:,.0f} ms", "under 300 ms", cold[0] < 0.3
    yield f"{what}: whole, at the first look", f"{cold[1]:,.1f} s", TOLD, True
    yield f"{what}: whole, of what was asked for before", f"{whole:,.0f} ms", TOLD, True
    yield f"{what}: whole, sorted as nobody has before", f"{sort:,.1f} s", TOLD, True
    yield f"{what}: whole, the first search of all", f"{first_search:,.1f} s", TOLD, True
    yield f"{what}: whole, a search that nobody has made before", f"{search:,.2f} s", TOLD, True
    yield f"{what}: memory of the API server, more by one such plan", f"{one_plan - before:,.0f} MB", TOLD, True
    yield f"{what}: more by {PLANS - 1} further ones", f"{full - one_plan:,.0f} MB", TOLD, True
    yield (
        f"{what}: memory of the API server, more by looking at all {PLANS} again, sorted and searched",
        f"{grown:,.0f} MB",
        "flat: under 10 MB",
        grown < 10,
    )


def page_of_a_plan(airflow: AirflowStack, manifest: dict[str, Any], path: Path) -> str:
    """Let a task of a new run have noted a plan, which is copied; return the address of its page."""
    shutil.copy(manifest["plan"], path)
    run_id = airflow.run_dag(DAG_ID)
    task = next(iter(airflow.api.get(f"{run_path(DAG_ID, run_id)}/taskInstances")["task_instances"]))["task_id"]
    entries = f"{run_path(DAG_ID, run_id)}/taskInstances/{task}/xcomEntries"
    note = planted.note({**manifest, "plan": str(path)})
    airflow.api.post(entries, {"key": "jicoo_plan", "value": note, "map_index": -1})
    return f"{airflow.api.base_url}/jicoo/runs/{DAG_ID}/{run_id}/{task}/-1"


def everything(airflow: AirflowStack, pages: list[str]) -> None:
    for page in pages:
        for query in QUERIES:
            look(airflow, page, query)


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
