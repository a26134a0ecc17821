"""Loading a warehouse by dlt beside a loader written by hand, and a load of what changed.

The API is a server that lists a thousand rows a second, as a token bucket would: then what is measured is the whole way
of a booking. Both sides read with the package's own sweep.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from clients import KEY

from airflow_provider_jicoo.api.bookings import list_bookings
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.transfers import warehouse
from airflow_provider_jicoo.transfers.resources import BOOKINGS
from airflow_provider_jicoo.transfers.source import LoadReport, jicoo_source

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 100_000
ROWS_A_SECOND = 1_000
MOST = 1.3
EVERY = 100
"""One booking of so many changes."""
ROUNDS = 1
HERE = Path(__file__).parent


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield rows: what, measured, at most, reached."""
    yield beside_by_hand(COUNT, ROWS_A_SECOND)
    yield beside_by_hand(COUNT, 0)
    yield from what_changed(COUNT)


def beside_by_hand(count: int, rate: float) -> tuple[str, str, str, bool]:
    """Measure a first load; without a rate the API is as fast as it can, and what is measured is the loading."""
    ours, other = [], []
    for _ in range(ROUNDS):
        with server(count, rate) as url, tempfile.TemporaryDirectory() as folder:
            ours.append(timed(lambda: by_dlt(url, folder)))
        with server(count, rate) as url, tempfile.TemporaryDirectory() as folder:
            other.append(timed(lambda: by_hand(url, folder)))
    mine, his = statistics.median(ours), statistics.median(other)
    api = f"at an API of {rate:,.0f} rows/s" if rate else "at an API without a limit"
    what = f"load {count:,} bookings into DuckDB by dlt, {api}, beside a pyarrow load written by hand"
    limit = MOST if rate else 0
    return (
        what,
        f"{mine:.1f} s against {his:.1f} s: {mine / his:.2f}",
        f"at most {MOST}" if limit else "none",
        (not limit or mine / his <= limit),
    )


def what_changed(count: int) -> Iterator[tuple[str, str, str, bool]]:
    """Measure a load of which one in a hundred bookings changed, contacts included."""
    with server(count, 0) as url, tempfile.TemporaryDirectory() as folder:
        load(url, folder, ["bookings", "contacts"])
        ask(url, f"/change?every={EVERY}")
        before = ask(url, "/seen")
        started = time.perf_counter()
        report = load(url, folder, ["bookings", "contacts"])
        seconds = time.perf_counter() - started
        contacts = ask(url, "/seen")["contacts"] - before["contacts"]
        size = state_bytes(folder)
    changed = count // EVERY
    written = report.written("bookings") + report.deleted["bookings"]
    yield (
        f"changes only, {count:,} bookings of which {changed:,} changed: bookings written, and contacts asked for",
        f"{written:,} and {contacts:,}, in {seconds:.1f} s",
        f"{changed:,} and {changed:,}",
        (written, contacts) == (changed, changed),
    )
    yield f"the cursor of {count:,} bookings in dlt's state", f"{size / 1e6:.1f} MB", "none", True


def by_dlt(url: str, folder: str) -> None:
    assert load(url, folder, ["bookings"]).added["bookings"] == COUNT


def load(url: str, folder: str, resources: list[str]) -> LoadReport:
    import dlt

    report = LoadReport()
    with warehouse.workplace() as work, JicooClient(Settings(KEY, url)) as client:
        destination = dlt.destinations.duckdb(f"{folder}/bench.duckdb")
        pipeline = warehouse.opened("jicoo", destination, "jicoo", work)
        source = jicoo_source(client, resources, report=report)
        warehouse.check_tables(pipeline, source)
        warehouse.run(pipeline, source)
    return report


def by_hand(url: str, folder: str) -> None:
    """Load as somebody would who writes it for one table: Arrow batches, and an upsert by DuckDB's SQL."""
    names = [column.name for column in BOOKINGS.columns if column.name != "_extra"]
    moments = {column.name for column in BOOKINGS.columns if column.kind == "moment"}
    lists = {column.name for column in BOOKINGS.columns if column.kind == "json"}
    with JicooClient(Settings(KEY, url)) as client, duckdb.connect(f"{folder}/bench.duckdb") as sql:
        columns = ", ".join(
            f'"{name}" {"TIMESTAMPTZ" if name in moments else "JSON" if name in lists else "VARCHAR"}' for name in names
        )
        sql.execute(f'CREATE TABLE bookings ({columns}, PRIMARY KEY ("uid"))')

        def write(rows: list[Any]) -> None:
            arrays = []
            for name in names:
                values = [row.get(name) for row in rows]
                if name in lists:
                    values = [json.dumps(value) for value in values]
                array = pa.array(values, pa.string())
                arrays.append(array.cast(pa.timestamp("us", tz="UTC")) if name in moments else array)
            batch = pa.Table.from_arrays(arrays, names=names)  # noqa: F841 (DuckDB finds it by its name)
            sql.execute("INSERT OR REPLACE INTO bookings SELECT * FROM batch")

        rows: list[Any] = []
        for row in client.iterate(list_bookings(order_by="createdAt")):
            rows.append(row)
            if len(rows) == 10_000:
                write(rows)
                rows = []
        write(rows)
        assert sql.execute("SELECT count(*) FROM bookings").fetchone() == (COUNT,)


def state_bytes(folder: str) -> int:
    with duckdb.connect(f"{folder}/bench.duckdb") as sql:
        (size,) = sql.execute(
            "SELECT length(state) FROM jicoo._dlt_pipeline_state ORDER BY version DESC LIMIT 1"
        ).fetchall()[0]
    return int(size)


def timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ask(url: str, path: str) -> dict[str, int]:
    with urllib.request.urlopen(url + path) as answer:
        found: dict[str, int] = json.load(answer)
    return found


@contextmanager
def server(count: int, rate: float) -> Iterator[str]:
    command = [sys.executable, str(HERE / "warehouse_server.py"), str(count), str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.communicate()  # closes its stdin, at which it ends


if __name__ == "__main__":
    for line in run():
        print(*line, sep=" | ", flush=True)
