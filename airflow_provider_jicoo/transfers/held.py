"""What the tables hold, asked of the tables: for a load that does not rely on what was noted of them."""

from __future__ import annotations

from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.transfers.changes import minutes
from airflow_provider_jicoo.transfers.fingerprints import ABSENT, Known
from airflow_provider_jicoo.transfers.resources import BOOKINGS, Resource

SEPARATOR = "\t"
"""Between the parts of a key that has several."""


def held(source_name: str, wanted: Resource, bit: int, *, history: bool, by_first: bool = False) -> dict[str, Known]:
    """Return the rows of a table by key; none where there is no table, or no pipeline at work.

    :param source_name: of the schema.
    :param bit: what stands for the table.
    :param history: whether the table keeps every version of a row.
    :param by_first: only the first part of the key.
    """
    import dlt

    pipeline = at_work()
    if pipeline is None:
        return {}
    naming = dlt.current.source_schema().naming
    table = naming.normalize_table_identifier(wanted.name)
    names = [*(wanted.primary_key[:1] if by_first else wanted.primary_key)]
    keys = len(names)
    names += ["_deleted", *(["startedAt"] if wanted is BOOKINGS else [])]
    # A pipeline whose state was lost knows no schema: its tables are there all the same.
    schema = source_name if source_name in pipeline.schema_names else None
    rows = _rows(pipeline, schema, table, [naming.normalize_identifier(name) for name in names], history=history)
    return {
        SEPARATOR.join(row[:keys]): Known(ABSENT, _start(row[-1]) if wanted is BOOKINGS and row[-1] else 0, bit)
        for row in rows
        if not row[keys]
    }


def _start(value: Any) -> int:
    """Return a start as a cursor keeps it. Some databases keep no offset, MySQL say, and SQLite has texts."""
    return minutes(times.moment(value, "UTC"))


def at_work() -> Any:
    """Return the pipeline that is at work, None where a source is read by itself."""
    from dlt.common.configuration.container import Container
    from dlt.common.pipeline import PipelineContext

    context = Container()[PipelineContext]
    return context.pipeline() if context.is_active() else None


def _rows(pipeline: Any, schema: str | None, table: str, columns: list[str], *, history: bool) -> list[tuple[Any, ...]]:
    from dlt.destinations.exceptions import DatabaseUndefinedRelation

    with pipeline.sql_client(schema) as client:
        selected = ", ".join(map(client.escape_column_name, columns))
        name = client.make_qualified_table_name(table)
        now = f" WHERE {client.escape_column_name('_dlt_valid_to')} IS NULL" if history else ""
        try:
            return list(client.execute_sql(f"SELECT DISTINCT {selected} FROM {name}{now}") or ())
        except DatabaseUndefinedRelation:
            return []
