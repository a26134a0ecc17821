"""What the tables hold, asked of the tables: for a load that does not rely on what was noted of them."""

from __future__ import annotations

from typing import Any

from airflow_provider_jicoo.transfers.changes import minutes
from airflow_provider_jicoo.transfers.fingerprints import ABSENT, Known
from airflow_provider_jicoo.transfers.resources import BOOKINGS, Resource

SEPARATOR = "\t"
"""Between the parts of a key that has several."""


def held(source_name: str, wanted: Resource, bit: int, *, by_first: bool = False) -> dict[str, Known]:
    """Return the rows of a table by key; none where there is no table, or no pipeline at work.

    :param source_name: of the schema.
    :param bit: what stands for the table.
    :param by_first: only the first part of the key.
    """
    import dlt

    pipeline = _pipeline()
    if pipeline is None:
        return {}
    naming = dlt.current.source_schema().naming
    table = naming.normalize_table_identifier(wanted.name)
    names = [*(wanted.primary_key[:1] if by_first else wanted.primary_key)]
    keys = len(names)
    names += ["startedAt"] if wanted is BOOKINGS else []
    # A pipeline whose state was lost knows no schema: its tables are there all the same.
    schema = source_name if source_name in pipeline.schema_names else None
    rows = _rows(pipeline, schema, table, [naming.normalize_identifier(name) for name in names])
    return {
        SEPARATOR.join(row[:keys]): Known(ABSENT, minutes(row[keys]) if row[keys:] and row[keys] else 0, bit)
        for row in rows
    }


def _pipeline() -> Any:
    """Return the pipeline that is at work, None where a source is read by itself."""
    from dlt.common.configuration.container import Container
    from dlt.common.pipeline import PipelineContext

    context = Container()[PipelineContext]
    return context.pipeline() if context.is_active() else None


def _rows(pipeline: Any, schema: str | None, table: str, columns: list[str]) -> list[tuple[Any, ...]]:
    from dlt.destinations.exceptions import DatabaseUndefinedRelation

    with pipeline.sql_client(schema) as client:
        selected = ", ".join(map(client.escape_column_name, columns))
        name = client.make_qualified_table_name(table)
        try:
            return list(client.execute_sql(f"SELECT DISTINCT {selected} FROM {name} WHERE NOT _deleted") or ())
        except DatabaseUndefinedRelation:
            return []
