"""What the receiver uses of Airflow's insides, on whichever version this is: each of them in Airflow's database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_jicoo.plugins import airflow_internals as internals
from airflow_provider_jicoo.plugins.airflow_internals import NotStoredError

URI = "jicoo://jicoo_default/bookings"
TOLD = {"event_id": "abc"}
LONG_AGO = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def partitions(asset_events):
    if not internals.has_partitions():
        pytest.skip("this Airflow has no partitioned assets")
    return asset_events


class TestFindConnection:
    def test_of_the_environment(self, endpoint, webhook_dags):
        assert internals.find_connection("jicoo_default").conn_type == "jicoo"

    def test_of_the_database(self, webhook_dags):
        from airflow.models.connection import Connection
        from airflow.utils.session import create_session

        with create_session() as session:
            session.add(Connection(conn_id="stored", conn_type="jicoo", extra={"webhook_secret": "one"}))
        assert internals.find_connection("stored").extra_dejson == {"webhook_secret": "one"}

    def test_none(self, webhook_dags):
        assert internals.find_connection("no_such_one") is None

    def test_a_backend_that_fails_is_not_taken_for_one_that_knows_nothing(self, webhook_dags, endpoint, monkeypatch):
        from airflow.secrets.metastore import MetastoreBackend

        def fail(*args, **kwargs):
            raise OSError("the database is down")

        monkeypatch.setattr(MetastoreBackend, "get_connection", fail)
        with pytest.raises(OSError, match="is down"):
            internals.find_connection("no_such_one")
        # The environment comes first, and knows this one.
        assert internals.find_connection("jicoo_default") is not None


class TestDagRun:
    def test_it_is_there_once(self, runs):
        assert internals.start_dag_run("webhook_first", "jicoo__1", TOLD) is True
        assert internals.start_dag_run("webhook_first", "jicoo__1", TOLD) is False
        assert runs("webhook_first") == {"jicoo__1": TOLD}
        assert internals.conf_of_run("webhook_first", "jicoo__1") == TOLD
        assert internals.conf_of_run("webhook_first", "jicoo__2") == {}

    def test_what_airflow_says_of_it(self, runs):
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session
        from sqlalchemy import select

        internals.start_dag_run("webhook_first", "jicoo__1", TOLD)
        with create_session() as session:
            run = session.scalars(select(DagRun).where(DagRun.dag_id == "webhook_first")).one()
            assert (run.state, run.run_type, run.logical_date) == ("queued", "manual", None)
            assert run.triggering_user_name == "jicoo webhook"
            assert run.created_dag_version_id is not None
            assert [task.task_id for task in run.get_task_instances(session=session)] == ["only"]

    def test_two_at_once_make_one(self, runs, monkeypatch):
        """Both look, and both find none: one of them is told by the database."""
        both = threading.Barrier(2)
        look = internals._run_exists

        def together(*args):
            found = look(*args)
            if not found:
                both.wait(30)
            return found

        monkeypatch.setattr(internals, "_run_exists", together)
        with ThreadPoolExecutor(2) as pool:
            made = list(pool.map(lambda _: outcome("webhook_first", "jicoo__1"), range(2)))
        assert sorted(map(str, made)) in (["False", "True"], ["OperationalError", "True"])
        assert len(runs("webhook_first")) == 1

    def test_a_paused_dag_keeps_it(self, runs, pause):
        pause("webhook_first")
        assert internals.start_dag_run("webhook_first", "jicoo__1", TOLD) is True
        assert runs("webhook_first") == {"jicoo__1": TOLD}

    @pytest.mark.parametrize(
        ("dag_id", "words"),
        [
            ("no_such_dag", "there is no DAG 'no_such_dag': see webhook_dag_ids"),
            ("webhook_particular", "the DAG 'webhook_particular' refuses the run: .*table"),
        ],
    )
    def test_what_cannot_be_started(self, runs, dag_id, words):
        with pytest.raises(NotStoredError, match=words):
            internals.start_dag_run(dag_id, "jicoo__1", TOLD)
        assert not runs(dag_id)

    @pytest.mark.parametrize(
        ("field", "words"), [("is_stale", "there is no DAG 'webhook_first'"), ("has_import_errors", "import errors")]
    )
    def test_a_dag_that_is_gone_or_broken(self, runs, field, words):
        change_dag("webhook_first", **{field: True})
        try:
            with pytest.raises(NotStoredError, match=words):
                internals.start_dag_run("webhook_first", "jicoo__1", TOLD)
        finally:
            change_dag("webhook_first", **{field: False})
        assert not runs("webhook_first")

    def test_a_dag_that_allows_no_manual_runs(self, runs, monkeypatch):
        from airflow.models.dagbag import DBDagBag

        class Dag:
            allowed_run_types = ("scheduled",)

        monkeypatch.setattr(DBDagBag, "get_latest_version_of_dag", lambda *args, **kwargs: Dag())
        with pytest.raises(NotStoredError, match="allowed_run_types"):
            internals.start_dag_run("webhook_first", "jicoo__1", TOLD)


def outcome(dag_id, run_id):
    """Return what a start returns; SQLite may have no patience with the second of two."""
    from sqlalchemy.exc import OperationalError

    try:
        return internals.start_dag_run(dag_id, run_id, TOLD)
    except OperationalError:
        return "OperationalError"


def change_dag(dag_id, **values):
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(DagModel).where(DagModel.dag_id == dag_id).values(**values))


class TestPartition:
    def test_it_is_there_once(self, partitions):
        assert internals.emit_partition(URI, "abc", TOLD, LONG_AGO) is True
        assert internals.emit_partition(URI, "abc", TOLD, LONG_AGO) is False
        assert internals.emit_partition(URI, "def", TOLD, LONG_AGO) is True
        assert internals.extra_of_partition(URI, "abc", LONG_AGO) == TOLD
        assert internals.extra_of_partition(URI, "ghi", LONG_AGO) == {}
        assert partitions() == ([("abc", TOLD), ("def", TOLD)], ["webhook_partitioned"] * 2)

    def test_even_where_the_run_was_made_meanwhile(self, partitions):
        """Airflow itself would make a second one."""
        from airflow.models.asset import AssetPartitionDagRun
        from airflow.utils.session import create_session
        from sqlalchemy import update

        internals.emit_partition(URI, "abc", TOLD, LONG_AGO)
        run_id = first_run_id()
        with create_session() as session:
            session.execute(update(AssetPartitionDagRun).values(created_dag_run_id=run_id))
        assert internals.emit_partition(URI, "abc", TOLD, LONG_AGO) is False
        assert len(partitions()[0]) == 1

    def test_what_is_older_is_not_looked_at(self, partitions):
        internals.emit_partition(URI, "abc", TOLD, LONG_AGO)
        assert internals.emit_partition(URI, "abc", TOLD, datetime.now(timezone.utc) + timedelta(hours=1)) is True

    def test_a_paused_dag_would_lose_it(self, partitions, pause):
        pause("webhook_partitioned")
        with pytest.raises(NotStoredError, match="deploy or unpause it"):
            internals.emit_partition(URI, "abc", TOLD, LONG_AGO)
        assert partitions() == ([], [])
        pause("webhook_partitioned", paused=False)
        assert internals.emit_partition(URI, "abc", TOLD, LONG_AGO) is True

    def test_no_dag_uses_it(self, partitions):
        with pytest.raises(NotStoredError, match="no DAG uses the asset 'jicoo://another/bookings'"):
            internals.emit_partition("jicoo://another/bookings", "abc", TOLD, LONG_AGO)


def first_run_id():
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    internals.start_dag_run("webhook_first", "jicoo__any", TOLD)
    with create_session() as session:
        return session.scalar(select(DagRun.id).where(DagRun.dag_id == "webhook_first").limit(1))


class TestWake:
    def test_it_wakes(self, asset_events):
        internals.wake(URI, TOLD)
        assert asset_events() == ([(None, TOLD)], ["webhook_woken"])

    def test_a_paused_dag_would_sleep_on(self, asset_events, pause):
        pause("webhook_woken")
        with pytest.raises(NotStoredError, match="deploy or unpause it"):
            internals.wake(URI, TOLD)
        assert asset_events() == ([], [])

    def test_no_dag_uses_it(self, asset_events):
        with pytest.raises(NotStoredError, match="no DAG uses the asset 'jicoo://another/bookings'"):
            internals.wake("jicoo://another/bookings", TOLD)
