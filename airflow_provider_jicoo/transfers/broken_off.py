"""Whether the last load of a pipeline was broken off while it wrote.

dlt keeps what a load has noted of the rows where that load came to its end. A worker that is killed between a table and
that end leaves a table with rows that nothing is noted of: one that Jicoo does not hold at the next load would stay for
ever. dlt finishes such a load by what lies in its working folder, which each try has for itself. So a load that begins
to write says so in dlt's own table of loads, as one that has not ended, and takes it back at its end.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

NOT_ENDED = 1
"""The status of a load that has not ended: dlt's own is 0, and it reads no other."""


def begin(pipeline: Any) -> None:
    """Note that a load begins to write. Before the first one there is no such table, and nothing to be in doubt."""
    _do(
        pipeline,
        "INSERT INTO {table} ({load_id}, {schema_name}, {status}, {inserted_at}, {schema_version_hash}) "
        "VALUES (%s, %s, %s, %s, %s)",  # as dlt does at the end of a load, in all its databases
        _mark(pipeline),
        pipeline.default_schema_name,
        NOT_ENDED,
        datetime.now(timezone.utc),
        pipeline.default_schema.version_hash,
    )


def end(pipeline: Any) -> None:
    """Take it back: the load came to its end."""
    _do(pipeline, "DELETE FROM {table} WHERE {load_id} = %s", _mark(pipeline))


def is_noted(pipeline: Any) -> bool:
    """Tell whether the last load did not come to its end."""
    return bool(_do(pipeline, "SELECT {status} FROM {table} WHERE {load_id} = %s", _mark(pipeline)))


def _mark(pipeline: Any) -> str:
    return f"begun by {pipeline.pipeline_name}"


def _do(pipeline: Any, sql: str, *values: Any) -> Any:
    """Run a statement on the table of loads; returns rows, or None where there is no such table."""
    from dlt.destinations.exceptions import DatabaseUndefinedRelation

    if pipeline.destination.client_class.__name__ == "FilesystemClient" or not pipeline.default_schema_name:
        return None
    schema = pipeline.default_schema
    with pipeline.sql_client() as client:
        names = ("load_id", "schema_name", "status", "inserted_at", "schema_version_hash")
        columns = {name: client.escape_column_name(schema.naming.normalize_identifier(name)) for name in names}
        try:
            return client.execute_sql(
                sql.format(table=client.make_qualified_table_name(schema.loads_table_name), **columns), *values
            )
        except DatabaseUndefinedRelation:
            return None
