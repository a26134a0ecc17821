"""A worker that is killed at any moment leaves no half of a file, and the next run completes.

``JICOO_LOAD=1``: twenty moments each over 5,000 bookings.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.transfers.somebody import read_days, read_file

LOAD = os.environ.get("JICOO_LOAD") == "1"
KILLS, COUNT = (20, 5_000) if LOAD else (3, 500)
ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.jicoo_sandbox(bookings=COUNT), pytest.mark.timeout(1800 if LOAD else 120), pytest.mark.once]


@pytest.fixture(scope="module")
def worker():
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("worker.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def load(worker, jicoo_sandbox):
    """Start a load; returns the number of its process and how it ends."""

    def start(path, **order):
        asked = {"key": jicoo_sandbox.api_key, "url": jicoo_sandbox.url, "path": str(path), "order": order}
        worker.stdin.write(json.dumps(asked) + "\n")
        worker.stdin.flush()
        return int(worker.stdout.readline()), lambda: worker.stdout.readline().strip()

    return start


@pytest.fixture
def kills(load):
    """Kill loads at moments drawn with a seed, from their first moment to a little behind their end.

    Yields after each whether it was killed in time.
    """

    def killing(path_of, times, **order):
        assert load(path_of("first"), **order)[1]() == "done"
        begin = time.monotonic()
        assert load(path_of("whole"), **order)[1]() == "done"
        lasts = time.monotonic() - begin
        chance = random.Random(f"{order} {times}")
        for number in range(times):
            child, end = load(path_of(number), **order)
            # Not a wait for something, but the moment of the kill: as many near the end, where the file gets its name.
            time.sleep(lasts * (chance.uniform(0.7, 1.05) if number % 2 else chance.uniform(0.0, 0.8)))
            with contextlib.suppress(ProcessLookupError):  # it has ended, which is a moment too
                os.kill(child, signal.SIGKILL)
            yield end() == "failed"

    return killing


def truth(sandbox):
    return {booking["uid"]: booking for booking in sandbox.bookings()}


def by_uid(rows):
    assert len({row["uid"] for row in rows}) == len(rows)
    return {row["uid"]: row for row in rows}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_file_is_whole_or_the_one_before(kind, load, kills, jicoo_sandbox, tmp_path):
    path = tmp_path / f"bookings.{kind}"
    killed = 0
    states = [truth(jicoo_sandbox)]
    for was_killed in kills(lambda _: path, KILLS, format=kind):
        killed += was_killed
        assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == [path.name]
        assert by_uid(read_file(path, kind)) in states
        uid = jicoo_sandbox.add_booking(name="new")["uid"]
        jicoo_sandbox.edit(uid, priority="high")
        states.append(truth(jicoo_sandbox))
    assert killed > 0
    assert load(path, format=kind)[1]() == "done"
    assert by_uid(read_file(path, kind)) == truth(jicoo_sandbox)


def test_each_day_is_whole_and_the_next_run_completes(load, kills, jicoo_sandbox, tmp_path):
    folder, order = tmp_path / "days", {"format": "parquet", "partition_by": "startedAt"}
    killed = 0
    chance = random.Random("days")
    for was_killed in kills(lambda _: folder, KILLS, **order):
        killed += was_killed
        read_days(folder, "parquet")
        for booking in chance.sample(jicoo_sandbox.bookings(), 20):
            other = chance.choice(jicoo_sandbox.bookings())
            jicoo_sandbox.edit(booking["uid"], startedAt=other["startedAt"], endedAt=other["endedAt"])
        if killed % 2:  # now and then the next run completes what the killed one has left; otherwise the one after
            assert load(folder, **order)[1]() == "done"
            assert by_uid(read_days(folder, "parquet")) == truth(jicoo_sandbox)
    assert killed > 0
    assert load(folder, **order)[1]() == "done"
    assert by_uid(read_days(folder, "parquet")) == truth(jicoo_sandbox)
    assert json.loads((folder / "_jicoo_bookings.manifest.json").read_text())["complete"] is True


def test_changes_are_repeated_rather_than_lost(load, kills, jicoo_sandbox, tmp_path):
    killed, order = 0, {"sync": "changes"}
    paths = []

    def path_of(name):
        paths.append(tmp_path / f"{name}.jsonl")
        return paths[-1]

    for was_killed in kills(path_of, KILLS, **order):
        killed += was_killed
        for booking in jicoo_sandbox.bookings()[killed::9]:
            jicoo_sandbox.edit(booking["uid"], name=f"edited {killed}")
    assert killed > 0
    assert load(path_of("last"), **order)[1]() == "done"
    table = {}
    for path in paths:
        for row in read_file(path, "jsonl") if path.exists() else ():
            assert row.pop("_change") in ("created", "updated")
            table[row["uid"]] = row
    assert table == truth(jicoo_sandbox)
