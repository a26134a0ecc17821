"""Rows as Jicoo gives them become rows of columns: a page at once where all is as it is known to be."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from airflow_provider_jicoo.transfers.resources import EXTRA, Kind, Resource

_LENGTH = len("2024-03-01T20:00:00.000Z")
"""With this length, a ``T`` and a ``Z``, what can be read as a moment is written as Jicoo does. A pattern that says so
would take three times as long as all the rest."""
_T_AND_Z = slice(10, 24, 13)
_TYPES: dict[Kind, Any] = {
    "text": str | None,
    "moment": Annotated[str, msgspec.Meta(min_length=_LENGTH, max_length=_LENGTH)] | None,
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
        # A field that Jicoo calls so may be anything.
        fields = [(name, dict[str, Any] | None if name == EXTRA else kind, none) for name, kind, none in fields]
        self._row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True, gc=False)
        self._lines: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self._row)
        names = [column.name for column in wanted.columns if column.kind == "moment"]
        moments: list[Any] = [
            (column.name, datetime | None, None) for column in wanted.columns if column.kind == "moment"
        ]
        self._moments_of = _getter(names)
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
        """Return rows that are as they are known to be.

        :raises msgspec.ValidationError: one is not.
        """
        msgspec.convert(rows, list[self._moments])  # type: ignore[name-defined]
        made: list[Any] = msgspec.convert(rows, list[self._row])  # type: ignore[name-defined]
        for row in map(self._moments_of, made):
            for moment in row:
                if moment is not None and moment[_T_AND_Z] != "TZ":
                    raise msgspec.ValidationError("a moment is written otherwise")
        return made

    def _one(self, row: dict[str, Any]) -> Any:
        try:
            return self._convert([row])[0]
        except (msgspec.ValidationError, RecursionError):
            return self._row(**self._wanted.shape(row))


def _getter(names: Sequence[str]) -> Callable[[Any], Sequence[Any]]:
    """Return what gives the attributes of these names. Of one name ``attrgetter`` gives no tuple."""
    if len(names) < 2:
        return lambda row: [getattr(row, name) for name in names]
    return operator.attrgetter(*names)
