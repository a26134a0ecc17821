"""Parquet, by pyarrow: texts as strings, moments as timestamps in UTC with milliseconds, lists and objects as the text
of their JSON.

A row group is written as soon as it is full, so that memory does not grow with the file.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import IO, Any

from airflow_provider_jicoo.transfers.formats import as_json_text
from airflow_provider_jicoo.transfers.resources import Column, Kind

GROUP = 5_000
"""Rows of a row group: some 3 MB of bookings before compression. With 10,000 a load's memory peaks at 91 MB."""


class Parquet:
    """Writes Parquet.

    :param file: where to.
    :param columns: of the rows.
    """

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        import pyarrow
        import pyarrow.parquet

        self._pyarrow: Any = pyarrow
        self._columns = columns
        self._schema = schema(columns)
        self._writer = pyarrow.parquet.ParquetWriter(file, self._schema, compression="snappy")
        self._rows: list[Any] = []

    def write(self, rows: Sequence[Any]) -> None:
        """Take rows in, and write each row group that is full."""
        self._rows += rows
        while len(self._rows) >= GROUP:
            group, self._rows = self._rows[:GROUP], self._rows[GROUP:]
            self._write_group(group)

    def _write_group(self, rows: Sequence[Any]) -> None:
        # In a loop of Python's this would take longer than all that pyarrow does.
        arrays = [self._array(column, list(map(operator.attrgetter(column.name), rows))) for column in self._columns]
        self._writer.write_batch(self._pyarrow.record_batch(arrays, schema=self._schema))

    def _array(self, column: Column, values: list[Any]) -> Any:
        kind = self._schema.field(column.name).type
        if column.kind == "moment":
            return self._pyarrow.array(values, self._pyarrow.string()).cast(kind)
        if column.kind == "json":
            values = [as_json_text(value) for value in values]
        return self._pyarrow.array(values, kind)

    def close(self) -> None:
        """Write the last row group and the footer."""
        if self._rows:
            self._write_group(self._rows)
        self._writer.close()


def schema(columns: Sequence[Column]) -> Any:
    """Return the Arrow schema of columns."""
    import pyarrow

    types: dict[Kind, Any] = {
        "text": pyarrow.string(),
        "moment": pyarrow.timestamp("ms", tz="UTC"),
        "integer": pyarrow.int64(),
        "boolean": pyarrow.bool_(),
        "json": pyarrow.string(),
    }
    return pyarrow.schema([pyarrow.field(column.name, types[column.kind]) for column in columns])
