"""Bookings that others make, move, edit and cancel while they are loaded: nothing lost, nothing doubled, nothing old.

``JICOO_LOAD=1``: thirty runs over 5,000 bookings.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_provider_jicoo.api.errors import ListingMovedError
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk.selection import Selection
from airflow_provider_jicoo.transfers.load import Order, load
from airflow_provider_jicoo.transfers.resources import BOOKINGS
from tests.transfers.somebody import Somebody, read_days, read_file

LOAD = os.environ.get("JICOO_LOAD") == "1"
RUNS, COUNT = (30, 5_000) if LOAD else (3, 500)
KINDS = ("jsonl", "csv", "parquet") if LOAD else ("jsonl", "parquet")
# A quarter of what somebody does makes bookings: at a thousand a second they and the loads would grow without end.
PAUSE = 0.01 if LOAD else 0.001

pytestmark = [pytest.mark.jicoo_sandbox(bookings=COUNT), pytest.mark.timeout(1800 if LOAD else 120), pytest.mark.once]


@pytest.fixture
def settings(jicoo_sandbox):
    # So that others have time for something between two pages.
    jicoo_sandbox.latency = 0.01
    return Settings(jicoo_sandbox.api_key, jicoo_sandbox.url, page_size=20)


def truth(sandbox):
    return {booking["uid"]: booking for booking in sandbox.bookings()}


def by_uid(rows):
    assert len({row["uid"] for row in rows}) == len(rows)
    return {row["uid"]: row for row in rows}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_the_truth_of_its_run(kind, settings, jicoo_sandbox, tmp_path):
    somebody = Somebody(jicoo_sandbox, f"file {kind}", PAUSE)
    path = tmp_path / f"bookings.{kind}"
    for _ in range(RUNS):
        with somebody:
            made = load(settings, Order(BOOKINGS, path, format=kind))
        assert somebody.done - somebody.made_before > 20
        rows = read_file(path, kind)
        assert len(rows) == made["rows"]
        somebody.check(rows)
    load(settings, Order(BOOKINGS, path, format=kind))
    assert by_uid(read_file(path, kind)) == truth(jicoo_sandbox)


def test_so_are_the_files_of_days(settings, jicoo_sandbox, tmp_path):
    somebody = Somebody(jicoo_sandbox, "days", PAUSE)
    order = Order(BOOKINGS, tmp_path / "days", format="parquet", partition_by="startedAt")
    removed = 0
    for _ in range(RUNS):
        with somebody:
            made = load(settings, order)
        rows = read_days(tmp_path / "days", "parquet")
        assert len(rows) == made["rows"]
        somebody.check(rows)
        removed += len(made["partitions"]["removed"])
    made = load(settings, order)
    assert by_uid(read_days(tmp_path / "days", "parquet")) == truth(jicoo_sandbox)
    assert load(settings, order)["partitions"] == {"all": made["partitions"]["all"], "written": [], "removed": []}


def test_a_window_by_start_whose_rows_move_within_the_pages(settings, jicoo_sandbox, tmp_path):
    """Such a list is read in the order of the starts, so that each move shifts rows between the pages."""
    window = Selection(started_after="2026-01-10T00:00:00Z", started_before="2026-04-01T00:00:00Z")

    def meant(booking):
        return "2026-01-10" <= booking["startedAt"] < "2026-04-01"

    somebody = Somebody(jicoo_sandbox, "window", pause=0.05)
    written = 0
    for _ in range(3 * RUNS):
        try:
            with somebody:
                load(settings, Order(BOOKINGS, tmp_path / "file", selection=window))
        except ListingMovedError:  # it never held still: loud, and nothing is written
            continue
        somebody.check(read_file(tmp_path / "file", "jsonl"), meant)
        written += 1
    assert written > 0
    load(settings, Order(BOOKINGS, tmp_path / "file", selection=window))
    expected = {uid: booking for uid, booking in truth(jicoo_sandbox).items() if meant(booking)}
    assert by_uid(read_file(tmp_path / "file", "jsonl")) == expected


def test_the_files_of_changes_add_up_to_the_truth(settings, jicoo_sandbox, tmp_path):
    somebody = Somebody(jicoo_sandbox, "changes", PAUSE)
    table = {}
    for number in range(RUNS + 1):
        path = tmp_path / f"{number}.jsonl"
        order = Order(BOOKINGS, path, sync="changes")
        if number < RUNS:
            with somebody:
                made = load(settings, order)
        else:
            made = load(settings, order)
        assert_applied(table, path, made)
        if number < RUNS:
            somebody.check(list(table.values()))
    assert table == truth(jicoo_sandbox)
    path = tmp_path / "quiet.jsonl"
    assert load(settings, Order(BOOKINGS, path, sync="changes"))["rows"] == 0
    assert path.read_bytes() == b""


def assert_applied(table, path: Path, made):
    """Apply a file of changes to a table, and see that it says of each what it is."""
    counts = {"created": 0, "updated": 0, "deleted": 0}
    for row in read_file(path, "jsonl"):
        change = row.pop("_change")
        counts[change] += 1
        assert (row["uid"] in table) == (change != "created")
        if change == "deleted":
            del table[row["uid"]]
        else:
            assert table.get(row["uid"]) != row
            table[row["uid"]] = row
    assert counts == made["changes"]
    assert sum(counts.values()) == made["rows"]


def test_what_leaves_the_selection_is_deleted(settings, jicoo_sandbox, tmp_path):
    table = {}
    for number in range(3):
        path = tmp_path / f"{number}.jsonl"
        made = load(settings, Order(BOOKINGS, path, sync="changes", selection=Selection(status="open")))
        assert_applied(table, path, made)
        assert table == {uid: booking for uid, booking in truth(jicoo_sandbox).items() if booking["status"] == "open"}
        for uid in list(table)[number::7]:
            jicoo_sandbox.edit(uid, status="cancel")
    assert made["changes"]["deleted"] > 10


def test_contacts_are_read_only_of_what_changed(settings, jicoo_sandbox, tmp_path):
    def run(number):
        before = jicoo_sandbox.count("GET", "/v1/bookings/{uid}/contacts")
        load(settings, Order(BOOKINGS, tmp_path / f"{number}.jsonl", sync="changes", include_contacts=True))
        return jicoo_sandbox.count("GET", "/v1/bookings/{uid}/contacts") - before

    jicoo_sandbox.latency = 0.0
    assert run(0) == COUNT
    for booking in jicoo_sandbox.bookings()[:3]:
        jicoo_sandbox.edit(booking["uid"], priority="high", name="x")
    assert run(1) == 3
    rows = read_file(tmp_path / "1.jsonl", "jsonl")
    assert [row["contacts"] for row in rows] == [jicoo_sandbox.contacts(row["uid"]) for row in rows]
