"""Whether the last load of a pipeline was broken off while it wrote.

dlt keeps what a load has noted of the rows where that load came to its end. A worker that is killed between a table and
that end leaves a table with rows that nothing is noted of: one that Jicoo does not hold at the next load would stay for
ever. dlt finishes such a load by what lies in its working folder, which each try has for itself. So a load that begins
to write says so in dlt's own table of loads, as one that has not ended, and takes it back at its end.

Nor is what was noted known where the clock was set back: dlt takes the state whose load began last by the clock, and so
the one before, until the clock has caught up.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

_COLUMNS = (
    *("load_id", "schema_name", "status", "inserted_at", "schema_version_hash"),  # of loads
    *("version", "pipeline_name"),  # of states
)
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


def end(pipeline: Any, load_id: str) -> None:
    """Take it back: the load came to its end. Its state is the newest one by the clock, too, as far as it has one.

    :param load_id: of the load.
    """
    _do(pipeline, "DELETE FROM {table} WHERE {load_id} = %s", _mark(pipeline))
    _do(
        pipeline,
        "DELETE FROM {states} WHERE {pipeline_name} = %s AND ({version} > %s OR ({version} < %s AND {of} > %s))",
        pipeline.pipeline_name,
        *(2 * (pipeline.state["_state_version"],)),
        load_id,
    )


def is_noted(pipeline: Any) -> bool:
    """Tell whether the last load did not come to its end."""
    return bool(_do(pipeline, "SELECT {status} FROM {table} WHERE {load_id} = %s", _mark(pipeline)))


def is_overtaken(pipeline: Any) -> bool:
    """Tell whether the state that dlt has taken is not that of the last load, or this load's will not be taken."""
    found = _do(
        pipeline,
        "SELECT MAX(s.{version}), MAX(s.{of}) FROM {states} AS s JOIN {table} AS l ON l.{load_id} = s.{of} "
        "WHERE s.{pipeline_name} = %s AND l.{status} = 0",
        pipeline.pipeline_name,
    )
    if not found or found[0][0] is None:
        return False
    newest, latest = found[0]
    return bool(newest > pipeline.state["_state_version"] or float(latest) > time.time())


def _has_loads(pipeline: Any) -> bool:
    """Tell whether there is a table of loads that can be asked: of a pipeline that never ran there is none."""
    is_files = pipeline.destination.client_class.__name__ == "FilesystemClient"
    return not is_files and bool(pipeline.default_schema_name)


def _mark(pipeline: Any) -> str:
    return f"begun by {pipeline.pipeline_name}"


def _do(pipeline: Any, sql: str, *values: Any) -> Any:
    """Run a statement on the tables of loads and states; returns rows, or None where there are none."""
    from dlt.destinations.exceptions import DatabaseUndefinedRelation

    if not _has_loads(pipeline):
        return None
    schema = pipeline.default_schema
    with pipeline.sql_client() as client:
        names = {name: name for name in _COLUMNS} | {"of": "_dlt_load_id"}
        columns = {name: client.escape_column_name(schema.naming.normalize_path(of)) for name, of in names.items()}
        tables = {"table": schema.loads_table_name, "states": schema.state_table_name}
        qualified = {name: client.make_qualified_table_name(table) for name, table in tables.items()}
        try:
            return client.execute_sql(sql.format(**qualified, **columns), *values)
        except DatabaseUndefinedRelation:
            return None
