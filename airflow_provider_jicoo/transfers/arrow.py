"""Rows of a resource as Arrow tables: dlt takes those as they are, and need not look at each value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from airflow_provider_jicoo.transfers.resources import Column, Kind, Resource, Row

if TYPE_CHECKING:
    from airflow_provider_jicoo.transfers.changes import Changed

DELETED = "_deleted"
"""The column of a row that is gone."""
VERSION = "row_version"
"""The column by which dlt tells the versions of a row apart, where it keeps its history."""

_TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "moment": pa.timestamp("us", tz="UTC"),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "json": pa.string(),
}
_HINTS: dict[Kind, str] = {
    "text": "text",
    "moment": "timestamp",
    "integer": "bigint",
    "boolean": "bool",
    "json": "json",
}


def hints(resource: Resource, *, history: bool) -> dict[str, dict[str, Any]]:
    """Return the columns of a resource's table as dlt is told of them.

    :param history: whether the table keeps every version of a row.
    """
    columns: dict[str, dict[str, Any]] = {each.name: {"data_type": _HINTS[each.kind]} for each in resource.columns}
    for name in resource.primary_key:
        # What says that a group of rows is gone has no key of its own row.
        columns[name]["nullable"] = name != resource.primary_key[0]
    columns[DELETED] = {"data_type": "bool"} if history else {"data_type": "bool", "hard_delete": True}
    if history:
        columns[VERSION] = {"data_type": "text", "x-row-version": True, "nullable": False}
    return columns


def table(resource: Resource, changes: Iterable[Changed], *, history: bool) -> pa.Table:
    """Return a table of rows that changed and rows that are gone.

    :param changes: each a row as Jicoo gives it, and its digest.
    :param history: as for :func:`hints`.
    """
    changes = list(changes)
    rows = [resource.shape(each.row) for each in changes]
    arrays = [_array(column, [row[column.name] for row in rows]) for column in resource.columns]
    names = [column.name for column in resource.columns]
    arrays.append(pa.array([each.gone for each in changes], pa.bool_()))
    names.append(DELETED)
    if history:
        arrays.append(pa.array([each.digest.hex() for each in changes], pa.string()))
        names.append(VERSION)
    return pa.Table.from_arrays(arrays, names=names)


def _array(column: Column, values: Sequence[Any]) -> pa.Array:
    if column.kind == "moment":
        return pa.array(values, pa.string()).cast(_TYPES["moment"])
    if column.kind == "json":
        values = [None if value is None else msgspec.json.encode(value).decode() for value in values]
        return pa.array([_without_escaped_nul(value) for value in values], pa.string())
    if column.kind == "text":
        values = [value.replace("\0", "\N{REPLACEMENT CHARACTER}") if value else value for value in values]
    return pa.array(values, _TYPES[column.kind])


def _without_escaped_nul(text: str | None) -> str | None:
    """Return JSON without the character that PostgreSQL has no place for, in texts as in JSON."""
    if text is None or "\\u0000" not in text:
        return text
    return msgspec.json.encode(_replaced(msgspec.json.decode(text))).decode()


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, Mapping):
        return {_replaced(name): _replaced(part) for name, part in value.items()}
    return [_replaced(part) for part in value] if isinstance(value, list) else value


def gone(resource: Resource, key: Mapping[str, Any]) -> Row:
    """Return a row of which nothing is known but its key, or a part of it.

    :param key: values by column.
    """
    return {column.name: None for column in resource.columns} | dict(key)
