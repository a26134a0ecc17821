"""Rows as Jicoo gives them become rows of columns: a page at once where all is as it is known to be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from airflow_provider_jicoo.transfers.resources import Kind, Resource

_WIRE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\Z"
_TYPES: dict[Kind, Any] = {
    "text": str | None,
    "moment": Annotated[str, msgspec.Meta(pattern=_WIRE)] | None,
    "integer": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None,
    "boolean": bool | None,
    "json": Any,
}


class Shaper:
    """Makes rows with exactly the columns of a resource, as :meth:`Resource.shape` does, in a tenth of the time.

    :param wanted: the resource.
    """

    def __init__(self, wanted: Resource) -> None:
        self._wanted = wanted
        fields: list[Any] = [(column.name, _TYPES[column.kind], None) for column in wanted.columns]
        self._row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, gc=False)
        self._lines: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self._row)
        moments: list[Any] = [
            (column.name, datetime | None, None) for column in wanted.columns if column.kind == "moment"
        ]
        # The pattern lets the 31st of February through.
        self._moments = msgspec.defstruct("Moments", moments, gc=False)

    def shape(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        """Return objects with the columns as attributes, in order."""
        try:
            return self._convert(rows)
        except (msgspec.ValidationError, RecursionError):
            return [self._one(row) for row in rows]

    def decode_lines(self, lines: bytes) -> list[Any]:
        """Return the rows that were written as JSON Lines."""
        return self._lines.decode_lines(lines)

    def _convert(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        msgspec.convert(rows, list[self._moments])  # type: ignore[name-defined]
        return msgspec.convert(rows, list[self._row])  # type: ignore[name-defined]

    def _one(self, row: dict[str, Any]) -> Any:
        try:
            return self._convert([row])[0]
        except (msgspec.ValidationError, RecursionError):
            return self._row(**self._wanted.shape(row))
