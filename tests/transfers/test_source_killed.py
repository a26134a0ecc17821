"""A load that is killed at any moment: each table is as before or whole, and the next load completes it."""

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

from airflow_provider_jicoo.transfers.resources import BOOKINGS, CONTACTS
from tests.transfers.test_source import by_key, check_exactly, duckdb, guests, truth

pytest.importorskip("dlt")
pytestmark = [pytest.mark.xdist_group("warehouses"), pytest.mark.once]  # with one PostgreSQL
ROOT = Path(__file__).resolve().parents[2]
LOAD = os.environ.get("JICOO_LOAD") == "1"
KILLS = 20 if LOAD else 3


@pytest.fixture(scope="module")
def loads():
    """A process that forks one for each load; no fork outlives it."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.transfers.load_worker"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def load(loads, jicoo_sandbox, warehouse):
    """Start a load; returns the number of its process, and what waits for its end and says how it ended."""

    def start():
        job = {"url": jicoo_sandbox.url, "key": jicoo_sandbox.api_key, "name": warehouse.name}
        job |= {"credentials": warehouse.credentials, "dataset": warehouse.dataset}
        loads.stdin.write(json.dumps(job) + "\n")
        loads.stdin.flush()
        return int(loads.stdout.readline()), lambda: loads.stdout.readline().strip()

    return start


def state(warehouse):
    return by_key(BOOKINGS, warehouse.rows(BOOKINGS)), by_key(CONTACTS, warehouse.rows(CONTACTS))


@duckdb
@pytest.mark.long
@pytest.mark.timeout(3600 if LOAD else 300)
@pytest.mark.jicoo_sandbox(bookings=1_000 if LOAD else 200)
def test_no_half_table_and_nothing_twice(jicoo_sandbox, jicoo, warehouse, load):
    chance = random.Random(11)
    started = time.monotonic()
    assert load()[1]() == "done"
    takes = time.monotonic() - started
    killed = 0
    for kill in range(KILLS):
        if kill % 4 == 0:  # a first load, into nothing; all others have something to change
            warehouse.dataset += "x"
        old = state(warehouse)
        for uid in chance.sample(sorted(truth(jicoo_sandbox)), 30):
            jicoo_sandbox.edit(uid, name=f"Edited {kill}")
        for uid in chance.sample(sorted(truth(jicoo_sandbox)), 5):
            jicoo_sandbox.delete(uid)
        jicoo_sandbox.add_booking()
        new = {(uid,): row for uid, row in truth(jicoo_sandbox).items()}, guests(jicoo_sandbox)
        child, end = load()
        # The seeds choose where in the load it dies; how long a load takes depends on the machine.
        time.sleep(takes * chance.uniform(0.02, 1.0))
        with contextlib.suppress(ProcessLookupError):  # it has ended, which is a moment too
            os.kill(child, signal.SIGKILL)
        if end() == "failed":
            killed += 1
        else:
            takes *= 0.6  # the first load was a long one, or the machine is quicker now
        found = state(warehouse)
        for name, was, table, will_be in zip(("bookings", "contacts"), old, found, new, strict=True):
            assert table in (was, will_be), f"{name}: half a table after kill {kill}"
        if kill % 2:  # else the next one is killed upon it
            warehouse.load(jicoo, ["bookings", "contacts"])
            check_exactly(warehouse, jicoo_sandbox)
    warehouse.load(jicoo, ["bookings", "contacts"])
    check_exactly(warehouse, jicoo_sandbox)
    assert killed >= KILLS / 3, "hardly one was killed at work"
