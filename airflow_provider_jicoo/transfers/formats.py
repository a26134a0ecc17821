"""The formats of a file: rows in, bytes out, a batch at a time.

JSON Lines: an object a line, all columns in order; moments as Jicoo writes them, lists and objects as they are.

CSV (RFC 4180): UTF-8 with a byte order mark, without which spreadsheets take Japanese for something else; a line of
names; texts in quotes, null as nothing at all; lists and objects as JSON. See
:mod:`~airflow_provider_jicoo.transfers.csv_text` for texts that begin like a formula.

Parquet is in :mod:`~airflow_provider_jicoo.transfers.parquet`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import IO, Any, Literal, Protocol, cast

import msgspec

from airflow_provider_jicoo.transfers.csv_text import quoted
from airflow_provider_jicoo.transfers.resources import Column

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: tuple[Format, ...] = ("jsonl", "csv", "parquet")
_JSON = msgspec.json.Encoder()


class Writer(Protocol):
    """Writes rows into a file."""

    def write(self, rows: Sequence[Any]) -> None:
        """Write rows that :class:`~airflow_provider_jicoo.transfers.shaping.Shaper` made."""

    def close(self) -> None:
        """Write what is left. The file stays open."""


def as_format(value: Any) -> Format:
    """Return a format that can be written here.

    :raises ValueError: there is no such format, or the package that writes it is missing; says which.
    """
    if value not in FORMATS:
        raise ValueError(f"format: {value!r:.100} is none of {', '.join(FORMATS)}")
    if value == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ValueError(
            "format: Parquet is written by pyarrow, which is missing: pip install 'airflow-provider-jicoo[parquet]'"
        )
    return cast(Format, value)


def open_writer(kind: Format, file: IO[bytes], columns: Sequence[Column]) -> Writer:
    """Return what writes a format into a file that is open.

    :param columns: of the rows, in order.
    """
    if kind == "jsonl":
        return JsonLines(file)
    if kind == "csv":
        return Csv(file, columns)
    from airflow_provider_jicoo.transfers.parquet import Parquet

    return Parquet(file, columns)


def as_json_text(value: Any) -> str | None:
    """Return a list or an object as the text of its JSON; None for null."""
    return None if value is None else _JSON.encode(value).decode()


class JsonLines:
    """Writes JSON Lines.

    :param file: where to.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, rows: Sequence[Any]) -> None:
        """Write rows."""
        self._file.write(_JSON.encode_lines(rows))

    def close(self) -> None:
        """Do nothing: nothing is left."""


class Csv:
    """Writes CSV.

    :param file: where to.
    :param columns: of the rows.
    """

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        self._file = file
        self._fields: list[tuple[str, Callable[[Any], str]]] = [(column.name, _CSV[column.kind]) for column in columns]
        file.write(("\ufeff" + ",".join(quoted(column.name) for column in columns) + "\r\n").encode())

    def write(self, rows: Sequence[Any]) -> None:
        """Write rows."""
        lines = []
        for row in rows:
            values = ((getattr(row, name), written) for name, written in self._fields)
            lines.append(",".join("" if value is None else written(value) for value, written in values) + "\r\n")
        self._file.write("".join(lines).encode())

    def close(self) -> None:
        """Do nothing: nothing is left."""


def _json_field(value: Any) -> str:
    return quoted(_JSON.encode(value).decode())


_CSV: dict[str, Callable[[Any], str]] = {
    "text": quoted,
    "moment": quoted,
    "integer": str,
    "boolean": lambda value: "true" if value else "false",
    "json": _json_field,
}
