"""The source of dlt: run after run the tables become what Jicoo has, whoever changes it meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import threading
from collections import defaultdict
from datetime import timedelta

import pytest

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.errors import ListingMovedError, UnprovenListError
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.transfers import broken_off
from airflow_provider_jicoo.transfers.resources import BOOKINGS, CONTACTS, RESOURCES, RowError, contact_rows
from tests.transfers.warehouses import snake

pytest.importorskip("dlt")
pytestmark = [pytest.mark.xdist_group("warehouses"), pytest.mark.once]  # with one PostgreSQL
LOAD = os.environ.get("JICOO_LOAD") == "1"
RUNS, BOOKED = (30, 5_000) if LOAD else (3, 150)
CHANGES = 20
"""How much somebody else changes while a sweep is under way."""
FOREVER = {"timeout": 3600} if LOAD else {"timeout": 300}
BOTH = ["bookings", "contacts"]
duckdb_only = pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
# Where what is proved is ours and not the database's: in both under JICOO_LOAD=1.
duckdb = pytest.mark.parametrize("warehouse", ["duckdb", "postgres"] if LOAD else ["duckdb"], indirect=True)
postgres = pytest.mark.parametrize("warehouse", ["duckdb", "postgres"] if LOAD else ["postgres"], indirect=True)


@pytest.fixture
def loaded(jicoo_sandbox, jicoo, warehouse, tmp_path_factory):
    """A warehouse that has everything: a DuckDB is the copy of one that was loaded once, of the same bookings."""
    if warehouse.name != "duckdb":
        warehouse.load(jicoo)
        return warehouse
    once = tmp_path_factory.getbasetemp() / "loaded.duckdb"
    if not once.exists():
        warehouse.load(jicoo)
        shutil.copy(warehouse.credentials, once)
    else:
        shutil.copy(once, warehouse.credentials)
    return warehouse


def wire(row):
    return BOOKINGS.shape(row)


def truth(sandbox):
    return {row["uid"]: wire(row) for row in sandbox.bookings()}


def guests(sandbox):
    rows = [row for uid in truth(sandbox) for row in contact_rows(uid, sandbox.contacts(uid))]
    return {CONTACTS.key(shaped): shaped for shaped in map(CONTACTS.shape, rows)}


def by_key(resource, rows):
    """Return rows by their key; one that is there twice fails."""
    found = {resource.key(row): row for row in rows}
    assert len(found) == len(rows), f"{resource.name}: rows that are there twice"
    return found


def check_exactly(warehouse, sandbox):
    found = by_key(BOOKINGS, warehouse.rows(BOOKINGS))
    assert found == {(uid,): row for uid, row in truth(sandbox).items()}
    assert by_key(CONTACTS, warehouse.rows(CONTACTS)) == guests(sandbox)


class Somebody:
    """Somebody else who books, moves, edits, cancels and removes during a sweep: one change before each page.

    ``versions`` has every version that each booking had meanwhile, None where it was not there.
    """

    def __init__(self, sandbox, client, seed):
        self.sandbox, self.chance = sandbox, random.Random(seed)
        self.versions = defaultdict(list)
        self.made = 0
        self._client, self._send = client, client._send_once
        self._one_at_a_time = threading.Lock()

    def __enter__(self):
        for uid, row in truth(self.sandbox).items():
            self.versions[uid].append(row)
        self._there = sorted(self.versions)
        # The client asks for many pages at once: this is in its way before each of them.
        self._client._send_once = self._disturb
        return self

    def __exit__(self, *_):
        self._client._send_once = self._send

    def _disturb(self, call):
        with self._one_at_a_time:
            if self.made < CHANGES:
                self._change()
                self.made += 1
        return self._send(call)

    def _change(self):
        sandbox, chance = self.sandbox, self.chance
        uid = chance.choice(self._there)
        kind = chance.choice(["book", "move", "edit", "cancel", "remove", "twice"])
        moved = sandbox.now + timedelta(minutes=chance.randrange(-50_000, 50_000))
        if kind == "book":
            uid = sandbox.add_booking(startedAt=moved, endedAt=moved + timedelta(minutes=30))["uid"]
            self.versions[uid].append(None)
            self._there.append(uid)
        elif kind == "move":
            sandbox.edit(uid, startedAt=moved, endedAt=moved + timedelta(minutes=30))
        elif kind == "edit":
            sandbox.edit(uid, name=f"Edited {chance.random()}, 予約")
        elif kind == "cancel":
            sandbox.edit(uid, status="cancel", cancelReason='changed, "my" mind\n')
        elif kind == "twice":
            # Two changes within one moment of updatedAt.
            self.versions[uid].append(wire(sandbox.edit(uid, name="First")))
            sandbox.edit(uid, name=f"Second {chance.random()}", updatedAt=sandbox.booking(uid)["updatedAt"])
        else:
            sandbox.delete(uid)
            self._there.remove(uid)
        self.versions[uid].append(wire(sandbox.booking(uid)) if kind != "remove" else None)

    def check(self, rows):
        """Each booking is as it was at some instant meanwhile; none is lost, doubled or made up."""
        found = by_key(BOOKINGS, rows)
        assert {uid for (uid,) in found} <= set(self.versions)
        for uid, versions in self.versions.items():
            assert found.get((uid,)) in versions, f"{uid} is as it never was meanwhile"


@duckdb
@pytest.mark.long
@pytest.mark.timeout(**FOREVER)
@pytest.mark.jicoo_sandbox(bookings=BOOKED)
def test_somebody_changes_bookings_during_every_sweep(jicoo_sandbox, warehouse):
    with JicooClient(Settings(jicoo_sandbox.api_key, jicoo_sandbox.url, page_size=50 if LOAD else 15)) as jicoo:
        check_somebody(jicoo_sandbox, jicoo, warehouse)


def check_somebody(jicoo_sandbox, jicoo, warehouse):
    made = 0
    for run in range(RUNS):
        with Somebody(jicoo_sandbox, jicoo, seed=run) as somebody:
            load_at_last(warehouse, jicoo)
        somebody.check(warehouse.rows(BOOKINGS))
        made += somebody.made
        if run % 3 == 2:
            load_at_last(warehouse, jicoo)
            check_exactly(warehouse, jicoo_sandbox)
    assert made >= RUNS * CHANGES / 2, "the sweeps were hardly disturbed"


def load_at_last(warehouse, jicoo):
    """Load, and again where the list moved so much that it could not be proved: that wrote nothing."""
    for _ in range(3):
        before = warehouse.rows(BOOKINGS)
        try:
            return warehouse.load(jicoo, ["bookings", "contacts"])
        except (ListingMovedError, UnprovenListError):
            assert sorted(warehouse.rows(BOOKINGS), key=str) == sorted(before, key=str)
    return warehouse.load(jicoo, ["bookings", "contacts"])


class TestWhatIsWritten:
    def test_everything_at_first_and_nothing_without_a_change(self, jicoo_sandbox, jicoo, warehouse):
        first = warehouse.load(jicoo)
        asked = len(jicoo_sandbox.requests)
        second = warehouse.load(jicoo)
        check_exactly(warehouse, jicoo_sandbox)
        assert first.added["bookings"] == 50
        assert set(second.added.values()) | set(second.changed.values()) | set(second.deleted.values()) == {0}
        assert "contacts" not in "".join(request.path for request in jicoo_sandbox.requests[asked:])
        assert {row["uid"] for row in warehouse.rows(RESOURCES["users"])} == {
            user["uid"] for user in jicoo_sandbox.users
        }
        for name, rows in (("event_types", jicoo_sandbox.event_types), ("schedules", jicoo_sandbox.schedules)):
            resource = RESOURCES[name]
            shaped = map(resource.shape, rows)
            assert by_key(resource, warehouse.rows(resource)).keys() == {resource.key(row) for row in shaped}
        hosts = {
            (each["uid"], host["uid"])
            for each in jicoo_sandbox.event_types
            for host in jicoo_sandbox.hosts(each["uid"])
        }
        assert by_key(RESOURCES["hosts"], warehouse.rows(RESOURCES["hosts"])).keys() == hosts
        check_types(warehouse)

    @duckdb
    def test_contacts_of_what_was_edited_only(self, jicoo_sandbox, jicoo, loaded):
        warehouse = loaded
        uids = [row["uid"] for row in jicoo_sandbox.bookings()[:3]]
        for uid in uids:
            jicoo_sandbox.edit(uid, name="Edited")
        asked = len(jicoo_sandbox.requests)
        report = warehouse.load(jicoo, ["bookings", "contacts"])
        paths = [each.path for each in jicoo_sandbox.requests[asked:] if each.path.endswith("/contacts")]
        assert sorted(paths) == sorted(f"/v1/bookings/{uid}/contacts" for uid in uids)
        assert (report.changed["bookings"], report.added["bookings"], report.deleted["bookings"]) == (3, 0, 0)

    @duckdb
    def test_two_changes_within_one_moment(self, jicoo_sandbox, jicoo, warehouse):
        """A watermark of updatedAt would lose the second."""
        uid = jicoo_sandbox.bookings()[0]["uid"]
        moment = jicoo_sandbox.edit(uid, name="First")["updatedAt"]
        warehouse.load(jicoo, BOTH)
        jicoo_sandbox.edit(uid, name="Second", updatedAt=moment)
        warehouse.load(jicoo, BOTH)
        check_exactly(warehouse, jicoo_sandbox)

    @duckdb
    def test_what_is_gone_is_removed_with_its_guests(self, jicoo_sandbox, jicoo, loaded):
        warehouse = loaded
        uid = jicoo_sandbox.bookings()[0]["uid"]
        jicoo_sandbox.delete(uid)
        assert warehouse.load(jicoo, BOTH).deleted["bookings"] == 1
        check_exactly(warehouse, jicoo_sandbox)

    @duckdb
    def test_guests_that_are_wanted_later(self, jicoo_sandbox, jicoo, warehouse):
        """Also of bookings that did not change since; and those of one that went while nobody looked at guests."""
        warehouse.load(jicoo, ["bookings"])
        warehouse.load(jicoo, ["bookings", "contacts"])
        check_exactly(warehouse, jicoo_sandbox)
        jicoo_sandbox.delete(jicoo_sandbox.bookings()[0]["uid"])
        warehouse.load(jicoo, ["bookings"])
        warehouse.load(jicoo, ["contacts"])
        check_exactly(warehouse, jicoo_sandbox)

    @duckdb
    def test_everything_anew(self, jicoo_sandbox, jicoo, loaded):
        """Also where the tables are not as was noted: a row that somebody put there, or that a lost state forgot."""
        warehouse = loaded
        warehouse.change("INSERT INTO bookings (uid, _deleted) VALUES ('made-up', FALSE)")
        warehouse.change("INSERT INTO contacts (booking_uid, position, _deleted) VALUES ('made-up', 0, FALSE)")
        warehouse.change("INSERT INTO hosts (event_type_id, uid, _deleted) VALUES ('made', 'up', FALSE)")
        report = warehouse.load(jicoo, [*BOTH, "hosts"], sync="full")
        assert report.changed["bookings"] == 50
        assert {name for name, count in report.deleted.items() if count} == {"bookings", "contacts", "hosts"}
        check_exactly(warehouse, jicoo_sandbox)

    @duckdb
    def test_where_the_state_was_lost(self, jicoo_sandbox, jicoo, loaded):
        warehouse = loaded
        jicoo_sandbox.delete(jicoo_sandbox.bookings()[0]["uid"])
        warehouse.change("DELETE FROM _dlt_pipeline_state")
        assert warehouse.load(jicoo, BOTH).deleted["bookings"] == 1
        check_exactly(warehouse, jicoo_sandbox)


class TestWindow:
    @duckdb
    def test_what_is_older_stays(self, jicoo_sandbox, jicoo, loaded):
        """Neither removed where it went out of the window, nor where it was moved out of it."""
        warehouse = loaded
        now = jicoo_sandbox.now
        starts = {row["uid"]: times.moment(row["startedAt"]) for row in jicoo_sandbox.bookings()}
        inside = [uid for uid, start in starts.items() if abs(start - now) < timedelta(days=14)]
        assert 3 <= len(inside) < 45
        moved, gone, edited = inside[:3]
        far = now + timedelta(days=60)
        jicoo_sandbox.edit(moved, startedAt=far, endedAt=far + timedelta(minutes=30))
        jicoo_sandbox.delete(gone)
        jicoo_sandbox.edit(edited, name="Edited")
        report = warehouse.load(jicoo, BOTH, lookback_days=15, horizon_days=15, now=now)
        assert report.seen["bookings"] < 50
        assert report.deleted["bookings"] == 1
        check_exactly(warehouse, jicoo_sandbox)

    @duckdb_only
    def test_what_comes_into_it_later(self, jicoo_sandbox, jicoo, warehouse):
        now = jicoo_sandbox.now
        warehouse.load(jicoo, ["bookings"], lookback_days=1, horizon_days=1, now=now)
        for days in (10, 100):
            warehouse.load(jicoo, ["bookings"], lookback_days=days, horizon_days=days, now=now)
        assert by_key(BOOKINGS, warehouse.rows(BOOKINGS)) == {(uid,): row for uid, row in truth(jicoo_sandbox).items()}


@duckdb_only
class TestSweepThatIsNotWhole:
    @pytest.fixture(autouse=True)
    def broken(self, jicoo_sandbox, loaded):
        rows = jicoo_sandbox.bookings()
        jicoo_sandbox.break_row(rows[0]["uid"], "no-startedAt")
        jicoo_sandbox.delete(rows[1]["uid"])
        self.edited = jicoo_sandbox.edit(rows[2]["uid"], name="Edited")["uid"]

    def test_it_fails_and_writes_nothing(self, jicoo, warehouse):
        with pytest.raises(UnprovenListError):
            warehouse.load(jicoo, ["bookings"])
        assert warehouse.query("SELECT count(*) FROM bookings WHERE name = 'Edited'") == [(0,)]
        assert set(warehouse.query("SELECT status FROM _dlt_loads")) == {(0,)}, "nothing is in doubt"

    def test_or_removes_nothing(self, jicoo_sandbox, jicoo, warehouse):
        report = warehouse.load(jicoo, ["bookings"], on_unproven="warn")
        assert report.unproven == ["bookings"]
        assert warehouse.query("SELECT count(*) FROM bookings") == [(50,)]
        assert warehouse.query("SELECT uid FROM bookings WHERE name = 'Edited'") == [(self.edited,)]
        jicoo_sandbox.mend_row(jicoo_sandbox.bookings()[0]["uid"])
        assert warehouse.load(jicoo, ["bookings"]).deleted["bookings"] == 1
        assert warehouse.query("SELECT count(*) FROM bookings") == [(49,)]


class TestHistory:
    @duckdb
    def test_a_booking_that_was_moved_three_times(self, jicoo_sandbox, jicoo, warehouse):
        """The version that was there first, and one for each move; each is valid until the next begins."""
        uid = jicoo_sandbox.bookings()[0]["uid"]
        starts = [jicoo_sandbox.booking(uid)["startedAt"]]
        warehouse.load(jicoo, ["bookings", "contacts"], write="scd2")
        for days in (1, 2, 3):
            moved = jicoo_sandbox.now + timedelta(days=days)
            row = jicoo_sandbox.edit(uid, startedAt=moved, endedAt=moved + timedelta(minutes=30))
            starts.append(row["startedAt"])
            warehouse.load(jicoo, ["bookings", "contacts"], write="scd2")
        warehouse.load(jicoo, ["bookings", "contacts"], write="scd2")  # nothing changed: no version
        found = warehouse.query(
            "SELECT started_at, _dlt_valid_from, _dlt_valid_to FROM bookings "
            f"WHERE uid = '{uid}' ORDER BY _dlt_valid_from"
        )
        assert [f"{start:%Y-%m-%dT%H:%M:%S}" for start, _, _ in found] == [start[:19] for start in starts]
        assert all(until == after[1] for (_, _, until), after in itertools.pairwise(found))
        assert found[-1][2] is None
        assert all(since < until for _, since, until in found[:-1])
        assert warehouse.query("SELECT count(*) FROM bookings WHERE _dlt_valid_to IS NULL") == [(50,)]
        now = warehouse.query("SELECT booking_uid, position FROM contacts WHERE _dlt_valid_to IS NULL")
        assert sorted(now) == sorted(guests(jicoo_sandbox))

    @postgres
    def test_a_booking_that_is_gone(self, jicoo_sandbox, jicoo, warehouse):
        uid = jicoo_sandbox.bookings()[0]["uid"]
        warehouse.load(jicoo, ["bookings"], write="scd2")
        jicoo_sandbox.delete(uid)
        for _ in range(2):
            warehouse.load(jicoo, ["bookings"], write="scd2")
        found = warehouse.query(
            f"SELECT _deleted, _dlt_valid_to IS NULL FROM bookings WHERE uid = '{uid}' ORDER BY _dlt_valid_from"
        )
        assert found == [(False, False), (True, True)]
        warehouse.change("DELETE FROM _dlt_pipeline_state")
        again = warehouse.load(jicoo, ["bookings"], write="scd2", sync="full")
        assert again.deleted["bookings"] == 0
        assert warehouse.query("SELECT count(*) FROM bookings") == [(51,)]


def check_types(warehouse):
    """The columns have the types that are promised."""
    found = dict(
        warehouse.query(
            "SELECT table_name || '.' || column_name, data_type FROM information_schema.columns "
            f"WHERE table_schema = '{warehouse.dataset}'"
        )
    )
    names = {
        "duckdb": ("VARCHAR", "TIMESTAMP WITH TIME ZONE", "BIGINT", "BOOLEAN", "JSON"),
        "postgres": ("character varying", "timestamp with time zone", "bigint", "boolean", "jsonb"),
    }[warehouse.name]
    kinds = dict(zip(("text", "moment", "integer", "boolean", "json"), names, strict=True))
    for resource in RESOURCES.values():
        for column in resource.columns:
            assert found[f"{resource.name}.{snake(column.name)}"] == kinds[column.kind], column


class TestTexts:
    @postgres
    def test_a_field_that_jicoo_adds_and_a_text_that_no_database_takes(self, jicoo_sandbox, jicoo, warehouse):
        warehouse.load(jicoo, ["bookings"])
        uid = jicoo_sandbox.bookings()[0]["uid"]
        with jicoo_sandbox._state.lock:
            jicoo_sandbox._state.rows.bookings[uid] |= {"name": "a\0b", "newField": {"deep": ["c\0d"]}}
        warehouse.load(jicoo, ["bookings"])
        (row,) = [row for row in warehouse.rows(BOOKINGS) if row["uid"] == uid]
        assert row["name"] == "a\N{REPLACEMENT CHARACTER}b"
        assert row["_extra"] == {"newField": {"deep": ["c\N{REPLACEMENT CHARACTER}d"]}}


@duckdb_only
def test_a_guest_whose_text_is_no_unicode(jicoo_sandbox, jicoo, warehouse):
    uid = jicoo_sandbox.bookings()[0]["uid"]
    with jicoo_sandbox._state.lock:
        jicoo_sandbox._state.rows.contacts[uid][0]["message"] = "cut \ud83d"
    warehouse.load(jicoo, ["contacts"])
    found = warehouse.query(f"SELECT message FROM contacts WHERE booking_uid = '{uid}'")
    assert found == [("cut \N{REPLACEMENT CHARACTER}",)]


@duckdb_only
def test_a_row_that_cannot_be_told_from_others_is_named(jicoo_sandbox, jicoo, warehouse):
    """Not as an error of the warehouse's, whose words are not repeated."""
    with jicoo_sandbox._state.lock:
        jicoo_sandbox._state.rows.users[jicoo_sandbox.users[0]["uid"]]["uid"] = 5
    with pytest.raises(RowError, match="users: a row has no uid that are texts"):
        warehouse.load(jicoo, ["users"])


@duckdb_only
def test_in_a_notebook(jicoo_sandbox, jicoo, warehouse, tmp_path):
    """Where an event loop is running already, and without a pipeline of ours."""
    import asyncio

    import dlt

    from airflow_provider_jicoo.transfers.source import jicoo_source

    async def cell():
        destination = dlt.destinations.duckdb(warehouse.credentials)
        pipeline = dlt.pipeline("mine", destination=destination, dataset_name="jicoo", pipelines_dir=str(tmp_path))
        return pipeline.run(jicoo_source(jicoo))

    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(cell())
    check_exactly(warehouse, jicoo_sandbox)


class Killed(BaseException):
    """A worker dies."""


class TestBrokenOff:
    """A worker that dies between the tables and the end of the load, where dlt notes what the tables have."""

    @pytest.fixture
    def die(self, monkeypatch):
        """Let the next load die there."""
        from dlt.destinations.job_client_impl import SqlJobClientBase

        def load(warehouse, jicoo, *arguments, **options):
            def dies(*_):
                raise Killed

            with monkeypatch.context() as patch:
                patch.setattr(SqlJobClientBase, "complete_load", dies)
                with pytest.raises(Killed):
                    warehouse.load(jicoo, *arguments, **options)

        return load

    def test_what_it_wrote_and_jicoo_has_no_more(self, jicoo_sandbox, jicoo, loaded, die):
        warehouse = loaded
        made = jicoo_sandbox.add_booking()["uid"]
        edited = jicoo_sandbox.bookings()[0]
        jicoo_sandbox.edit(edited["uid"], name="for a moment")
        die(warehouse, jicoo, [*BOTH, "users"])
        assert (made,) in warehouse.query("SELECT uid FROM bookings"), "it died before something was written"
        jicoo_sandbox.delete(made)
        with jicoo_sandbox._state.lock:
            jicoo_sandbox._state.rows.bookings[edited["uid"]] |= edited  # as if nobody had edited it
        asked = len(jicoo_sandbox.requests)
        report = warehouse.load(jicoo, [*BOTH, "users"])
        check_exactly(warehouse, jicoo_sandbox)
        assert (report.deleted["bookings"], report.added["bookings"]) == (1, 0)
        assert not [each for each in jicoo_sandbox.requests[asked:] if each.path.endswith("/contacts")]
        assert warehouse.load(jicoo, [*BOTH, "users"]).written("bookings") == 0
        assert {status for (status,) in warehouse.query("SELECT status FROM _dlt_loads")} == {0}

    @duckdb_only
    def test_the_first_load(self, jicoo_sandbox, jicoo, warehouse, die):
        made = jicoo_sandbox.add_booking()["uid"]
        die(warehouse, jicoo, ["bookings", "contacts"])
        jicoo_sandbox.delete(made)
        warehouse.load(jicoo, ["bookings", "contacts"])
        check_exactly(warehouse, jicoo_sandbox)

    @duckdb_only
    def test_no_version_twice(self, jicoo_sandbox, jicoo, warehouse, die):
        warehouse.load(jicoo, ["bookings"], write="scd2")
        jicoo_sandbox.edit(jicoo_sandbox.bookings()[0]["uid"], name="Edited")
        die(warehouse, jicoo, ["bookings"], write="scd2")
        warehouse.load(jicoo, ["bookings"], write="scd2")
        assert warehouse.query("SELECT count(*) FROM bookings") == [(51,)]


class TestClockThatWasSetBack:
    """dlt takes the state whose load began last by the clock."""

    @pytest.fixture
    def set_back(self, loaded):
        """A warehouse whose loads began an hour later than it is now."""

        def change(name, column):
            loaded.change(f"UPDATE {name} SET {column} = CAST(CAST({column} AS DOUBLE PRECISION) + 3600 AS VARCHAR)")

        change("_dlt_loads", "load_id")
        change("_dlt_pipeline_state", "_dlt_load_id")
        return loaded

    def test_what_was_written_since_and_jicoo_has_no_more(self, jicoo_sandbox, jicoo, set_back):
        made = jicoo_sandbox.add_booking()["uid"]
        assert set_back.load(jicoo, BOTH).added["bookings"] == 1
        jicoo_sandbox.delete(made)
        assert set_back.load(jicoo, BOTH).deleted["bookings"] == 1
        check_exactly(set_back, jicoo_sandbox)

    def test_also_once_the_clock_has_caught_up(self, jicoo_sandbox, jicoo, set_back, monkeypatch):
        """Where what was loaded meanwhile was left as dlt leaves it: in a notebook, without the operator."""
        made = jicoo_sandbox.add_booking()["uid"]
        with monkeypatch.context() as patch:
            patch.setattr(broken_off, "begin", lambda pipeline: None)
            patch.setattr(broken_off, "end", lambda pipeline, load_id: None)
            set_back.load(jicoo, BOTH)
        for name, column in (("_dlt_loads", "load_id"), ("_dlt_pipeline_state", "_dlt_load_id")):
            set_back.change(f"UPDATE {name} SET {column} = CAST(CAST({column} AS DOUBLE PRECISION) - 7200 AS VARCHAR)")
        jicoo_sandbox.delete(made)
        told = []
        assert set_back.load(jicoo, BOTH, tell=told.append).deleted["bookings"] == 1
        assert any("the clock was set back" in text for text in told)
        check_exactly(set_back, jicoo_sandbox)
        told.clear()
        assert set_back.load(jicoo, BOTH, tell=told.append).written("bookings") == 0
        assert not any("the clock" in text for text in told)
