"""The operator that loads into a warehouse, without a scheduler: what it writes, returns, refuses and tells."""

from __future__ import annotations

import json
import os
import stat
import traceback
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.sdk import Asset

from airflow_provider_jicoo.tasks.compat import AirflowFailException
from airflow_provider_jicoo.transfers import warehouse
from airflow_provider_jicoo.transfers.assets import TABLES, table_asset
from airflow_provider_jicoo.transfers.dlt import JicooToDltOperator
from airflow_provider_jicoo.transfers.warehouse import WarehouseError

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("dlt")
pytestmark = pytest.mark.usefixtures("jicoo_connection")


class Events:
    """What a task tells of its outlets, as Airflow collects it."""

    def __init__(self, partitions=True):
        self.added, self.keys = {}, {}
        self._partitions = partitions

    def __getitem__(self, outlet):
        events = self

        class Event:
            def add(self, asset, extra=None):
                assert outlet == TABLES
                events.added[asset.uri] = extra

        class Partitioned(Event):
            def add_partitions(self, keys):
                events.keys.setdefault(outlet.uri, []).extend(keys)

        return Partitioned() if self._partitions else Event()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def load(file, context):
    """Run the operator: ``load(sync="full")``; its connection and its address are given."""

    def run(events=None, **arguments):
        arguments = {"destination": f"duckdb:///{file}", **arguments}
        return JicooToDltOperator(task_id="load", **arguments).execute(context(outlet_events=events or Events()))

    return run


def rows(file, sql):
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchall()


class TestWhatItReturns:
    def test_a_manifest_without_rows(self, jicoo_sandbox, load):
        manifest = load(include_contacts=True)
        assert set(manifest) == {"load_id", "destination", "dataset", "seconds", "unproven", "days", "tables"}
        assert (manifest["destination"], manifest["dataset"], manifest["unproven"]) == ("duckdb", "jicoo", [])
        assert set(manifest["tables"]) == {"bookings", "contacts", "hosts", "event_types", "users", "schedules"}
        assert manifest["tables"]["bookings"] == {"seen": 50, "written": 50, "added": 50, "changed": 0, "deleted": 0}
        text = json.dumps(manifest)
        for uid in (booking["uid"] for booking in jicoo_sandbox.bookings()):
            assert uid not in text
            assert not any(guest["email"] in text for guest in jicoo_sandbox.contacts(uid) if guest["email"])

    def test_it_is_of_the_load_that_the_rows_are_of(self, file, load):
        load_id = load(resources=["users"])["load_id"]
        assert rows(file, "SELECT load_id, status FROM jicoo._dlt_loads") == [(load_id, 0)]

    def test_guests_only_where_they_are_asked_for(self, jicoo_sandbox, file, load):
        assert "contacts" not in load()["tables"]
        assert jicoo_sandbox.count("GET", "/v1/bookings/{uid}/contacts") == 0
        assert load(resources=["bookings"], include_contacts="true")["tables"]["contacts"]["seen"] > 0
        assert rows(file, "SELECT count(*) FROM jicoo_staging.contacts") == [(0,)], "dlt keeps a copy"

    def test_what_templates_make_of_arguments(self, file, load):
        manifest = load(resources='["users", "hosts"]', lookback_days="30", horizon_days="", destination_conn_id="")
        assert set(manifest["tables"]) == {"hosts", "users"}
        assert set(load(tables="bookings")["tables"]) == {"bookings"}


class TestRefusedBeforeTheFirstRequest:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"resources": ["bookings", "guests"]}, "'guests' is none of bookings, contacts, hosts"),
            ({"resources": []}, "resources: give at least one"),
            ({"destination": "oracle"}, "'oracle' is none of dlt's: .*duckdb.*postgres"),
            ({"destination": "duckdb"}, "say which file, as 'duckdb:////data/jicoo.duckdb'"),
            ({"destination": "snowflake"}, r"snowflake needs packages that are not installed.*'dlt\[snowflake\]'"),
            ({"destination": "postgres://me:secret@host/db"}, "its address has a password"),
            ({"destination": "postgres"}, "dlt lacks a part of its configuration .*destination_conn_id"),
            ({"sync": "all"}, "'all' is neither 'changes' nor 'full'"),
            ({"write": "append"}, "'append' is none of upsert"),
            ({"include_contacts": "perhaps"}, "include_contacts: 'perhaps' is neither true nor false"),
            ({"lookback_days": "soon"}, "lookback_days: 'soon' is not a number"),
            ({"horizon_days": -1}, "horizon_days: -1.0 is not a number of days"),
            ({"dataset": "None"}, "a template rendered None"),
            ({"dataset": ""}, "dataset: '' is not a text"),
        ],
    )
    def test_arguments(self, jicoo_sandbox, load, arguments, said):
        with pytest.raises(AirflowFailException, match=said):
            load(**arguments)
        assert jicoo_sandbox.requests == []

    def test_a_file_that_cannot_be_written(self, jicoo_sandbox, load):
        with pytest.raises(Exception, match="the warehouse could not be read"):
            load(destination="duckdb:////nowhere/at/all.duckdb")
        assert jicoo_sandbox.requests == []

    def test_a_table_with_other_columns(self, jicoo_sandbox, file, load):
        with duckdb.connect(str(file)) as sql:
            sql.execute("CREATE SCHEMA jicoo")
            sql.execute("CREATE TABLE jicoo.bookings (uid INTEGER, guest VARCHAR, name VARCHAR)")
        with pytest.raises(AirflowFailException, match=r"table bookings: .*uid is bigint, not text; it lacks .*status"):
            load()
        with pytest.raises(AirflowFailException, match="it has guest besides"):
            load()
        assert jicoo_sandbox.requests == []
        assert rows(file, "SELECT count(*) FROM jicoo.bookings") == [(0,)]

    def test_a_table_that_keeps_its_history(self, jicoo_sandbox, file, load):
        load(resources=["users"], write="scd2")
        asked = len(jicoo_sandbox.requests)
        with pytest.raises(AirflowFailException, match="made with write='scd2'"):
            load(resources=["users"])
        assert len(jicoo_sandbox.requests) == asked

    def test_without_dlt(self, jicoo_sandbox, load, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "dlt", None)
        with pytest.raises(AirflowFailException, match=r"install airflow-provider-jicoo\[dlt\]"):
            load()
        assert jicoo_sandbox.requests == []


class TestConnections:
    def test_the_file_of_a_connection(self, file, load, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "duckdb", "host": str(file)}))
        load(destination="duckdb", destination_conn_id="warehouse", resources=["bookings"])
        assert rows(file, "SELECT count(*) FROM jicoo.bookings") == [(50,)]

    def test_a_connection_to_something_else(self, jicoo_sandbox, load, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "mysql", "host": "db", "password": "pw"}))
        with pytest.raises(AirflowFailException, match="is of type 'mysql', and the destination is postgres") as failed:
            load(destination="postgres", destination_conn_id="warehouse")
        assert "pw" not in str(failed.value)
        assert jicoo_sandbox.requests == []

    def test_a_kind_that_is_not_translated(self, load, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "generic", "host": "db"}))
        with pytest.raises(AirflowFailException, match="put what dlt's sqlalchemy takes into its extras"):
            load(destination="sqlalchemy", destination_conn_id="warehouse")

    def test_what_dlt_takes_in_the_extras(self, tmp_path, load, monkeypatch):
        """Any destination of dlt's can be had so."""
        extra = {"dlt": {"credentials": f"sqlite:///{tmp_path}/jicoo.sqlite"}}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "generic", "extra": extra}))
        manifest = load(destination="sqlalchemy", destination_conn_id="warehouse", resources=["users"])
        assert manifest["tables"]["users"]["written"] == 8
        assert (
            load(destination="sqlalchemy", destination_conn_id="warehouse", resources=["users"])["tables"]["users"][
                "written"
            ]
            == 0
        )

    def test_a_database_that_keeps_no_offset(self, jicoo_sandbox, tmp_path, load, monkeypatch):
        """Its moments come back as texts, or without an offset: what the tables hold is found all the same."""
        extra = {"dlt": {"credentials": f"sqlite:///{tmp_path}/jicoo.sqlite"}}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "generic", "extra": extra}))
        arguments = {"destination": "sqlalchemy", "destination_conn_id": "warehouse", "resources": ["bookings"]}
        load(**arguments)
        jicoo_sandbox.delete(jicoo_sandbox.bookings()[0]["uid"])
        made = load(**arguments, sync="full")["tables"]["bookings"]
        assert (made["seen"], made["deleted"]) == (49, 1)


class TestWhatItTells:
    def test_events_of_the_tables_that_changed(self, jicoo_sandbox, load):
        first, second, third = Events(), Events(), Events()
        load(first, resources=["bookings", "users"])
        load(second, resources=["bookings", "users"])
        jicoo_sandbox.edit(jicoo_sandbox.bookings()[0]["uid"], name="Another")
        load(third, resources=["bookings", "users"])
        assert set(first.added) == {"dlt://duckdb/jicoo/bookings", "dlt://duckdb/jicoo/users"}
        assert second.added == {}
        assert third.added == {
            "dlt://duckdb/jicoo/bookings": {"seen": 50, "written": 1, "added": 0, "changed": 1, "deleted": 0}
        }
        assert table_asset("duckdb:////some/file", "jicoo", "bookings").uri == "dlt://duckdb/jicoo/bookings"

    def test_the_days_whose_bookings_changed(self, jicoo_sandbox, load):
        """The day that a booking was moved from is among them."""
        asset, events = Asset("dlt://duckdb/jicoo/bookings/days"), Events()
        load(resources=["bookings"], days_asset=asset)
        one, other = jicoo_sandbox.bookings()[:2]
        moved = jicoo_sandbox.now + timedelta(days=100)
        jicoo_sandbox.edit(one["uid"], startedAt=moved, endedAt=moved + timedelta(minutes=30))
        jicoo_sandbox.delete(other["uid"])
        load(events, resources=["bookings"], days_asset=asset)
        days = {one["startedAt"][:10], f"{moved:%Y-%m-%d}", other["startedAt"][:10]}
        assert events.keys == {asset.uri: sorted(days)}

    def test_an_airflow_without_partitions(self, load):
        events = Events(partitions=False)
        load(events, resources=["bookings"], days_asset=Asset("dlt://duckdb/jicoo/bookings/days"))
        assert set(events.added) >= {"dlt://duckdb/jicoo/bookings"}
        assert events.keys == {}

    def test_what_was_read_and_written(self, load, monkeypatch):
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        noted = []
        collector = get_hook_lineage_collector()
        monkeypatch.setattr(collector, "add_input_asset", lambda context, uri, **_: noted.append(("in", uri)))
        monkeypatch.setattr(collector, "add_output_asset", lambda context, uri, **_: noted.append(("out", uri)))
        load(resources=["bookings"])
        assert noted == [("in", "jicoo://jicoo_default/bookings"), ("out", "dlt://duckdb/jicoo/bookings")]

    def test_the_same_for_openlineage(self, monkeypatch):
        """Its provider is not installed here: what is handed on to it is looked at."""
        told = []
        monkeypatch.setattr("airflow_provider_jicoo.transfers.dlt.open_lineage", lambda *each: told.append(each))
        operator = JicooToDltOperator(
            task_id="load", destination="postgres", destination_conn_id="wh", tables=["users"]
        )
        operator.get_openlineage_facets_on_complete(None)
        assert told == [([("jicoo://jicoo_default", "users")], [("dlt://wh", "jicoo/users")])]

    def test_no_words_of_the_database(self, jicoo_sandbox, file, load, caplog):
        """They hold the row that it could not take."""
        caplog.set_level("DEBUG")
        load(resources=["users"])
        with duckdb.connect(str(file)) as sql:
            sql.execute("CREATE UNIQUE INDEX one ON jicoo.users (name)")
        name = jicoo_sandbox.users[0]["name"]
        jicoo_sandbox.add_user(name=name)
        with pytest.raises(WarehouseError, match=r"could not be written .*ConstraintException.*'load'") as failed:
            load(resources=["users"])
        assert name not in "".join(traceback.format_exception(failed.value)) + caplog.text


class TestModes:
    @pytest.fixture(autouse=True)
    def umask(self):
        before = os.umask(0o022)
        yield
        assert os.umask(before) == 0o022

    def test_nobody_else_reads_the_file(self, file, load):
        load(include_contacts=True)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_a_file_that_is_there_keeps_its_mode(self, file, load):
        duckdb.connect(str(file)).close()
        file.chmod(0o640)
        load()
        assert stat.S_IMODE(file.stat().st_mode) == 0o640

    def test_what_is_written_beside_it(self, file, load, monkeypatch):
        """Its log of changes, which may hold guests too until they are in the file."""
        seen = set()

        def tidy(pipeline):
            with pipeline.sql_client() as client:
                client.execute_sql("CREATE TABLE more AS SELECT 1 AS a")
                seen.update(stat.S_IMODE(path.stat().st_mode) for path in file.parent.glob(f"{file.name}*"))

        monkeypatch.setattr(warehouse, "tidy_states", tidy)
        load()
        assert seen == {0o600}


class TestState:
    def test_only_the_newest_are_kept(self, jicoo_sandbox, file, load, monkeypatch):
        monkeypatch.setattr(warehouse, "STATES_KEPT", 2)
        uid = jicoo_sandbox.bookings()[0]["uid"]
        for number in range(4):
            jicoo_sandbox.edit(uid, name=f"Title {number}")
            load(resources=["bookings"])
        assert rows(file, "SELECT count(*) FROM jicoo._dlt_pipeline_state") == [(2,)]
        assert load(resources=["bookings"])["tables"]["bookings"]["written"] == 0

    def test_nothing_is_left_on_the_worker(self, load, tmp_path, monkeypatch):
        folder = tmp_path / "tmp"
        folder.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        load(resources=["users"])
        assert list(folder.iterdir()) == []


class TestInARunningDag:
    FILE = Path(__file__).parents[1] / "operators" / "dags" / "jicoo_warehouse_days.py"

    def test_events_and_partitions_are_stored(self, jicoo_sandbox, run_dag, file):
        from airflow.models.asset import AssetEvent
        from airflow.utils.session import create_session

        run = run_dag(self.FILE, destination=f"duckdb:///{file}")
        assert run.states == {"load": "success", "mapped[0]": "success"}
        with create_session() as session:
            found = [each for each in session.query(AssetEvent).all() if each.source_run_id == run.run_id]
            uris = {each.uri for each in found}
            days = {getattr(each, "partition_key", None) for each in found if each.name == "jicoo_booking_days"}
        assert uris >= {"dlt://duckdb/jicoo/bookings", "dlt://duckdb/mapped/users"}
        if compat_has_partitions():
            assert days == {booking["startedAt"][:10] for booking in jicoo_sandbox.bookings()}
        else:
            assert days == {None}


def compat_has_partitions():
    from airflow.sdk.execution_time.context import OutletEventAccessor

    return hasattr(OutletEventAccessor, "add_partitions")
