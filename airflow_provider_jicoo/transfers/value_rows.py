"""Rows that name bookings and say what they are to become: checked before anything is planned.

Errors name the line and the column, and never a value: in a wrong column, also in that of the ids, may be a guest's
address or telephone number.
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Literal

from pydantic import ValidationError
from pydantic.alias_generators import to_camel, to_snake

from airflow_provider_jicoo.api.models import UpdateBookingBody
from airflow_provider_jicoo.api.paths import is_id
from airflow_provider_jicoo.transfers.csv_text import original

Nulls = Literal["leave", "set"]
TOLD_AT_MOST = 20
"""How many rows an error names."""
_FIELDS = [name for name in UpdateBookingBody.model_fields if name not in ("update_message", "is_send_updates")]
_KNOWN = ", ".join(("uid", *map(to_camel, _FIELDS)))
_BY_PLAIN = {name.replace("_", ""): name for name in ("uid", *_FIELDS)}


class RowsError(ValueError):
    """Rows that cannot be used: says of each its line, its column and what is wrong."""


class Rows:
    """Checks rows, one after the other.

    :param place: what a row's number counts: ``line`` or ``row``.
    :param nulls: what a null means: ``leave`` the field as it is, or ``set`` it to null.
    :raises ValueError: ``nulls`` is neither.
    """

    def __init__(self, place: str, nulls: Nulls) -> None:
        if nulls not in ("leave", "set"):
            raise ValueError(f"nulls: {nulls!r:.100} is neither 'leave' nor 'set'")
        self._place = place
        self._leaves = nulls == "leave"
        self._problems: list[str] = []
        self._more = 0
        self._numbers: dict[str, int] = {}
        self.found: list[tuple[str, dict[str, Any]]] = []

    def fields(self, number: int, columns: Sequence[str]) -> dict[str, str]:
        """Return the fields that columns stand for, by column. Cases and underscores do not count: databases fold them.

        :param number: of the line that names them.
        :raises RowsError: a column is unknown or doubled, or ``uid`` is missing.
        """
        names = [_BY_PLAIN.get(str(column).lower().replace("_", "")) for column in columns]
        if columns and not any(names):
            # A first line that is no line of names: of a guest, perhaps.
            raise RowsError(
                f"{self._place} {number}: there are no names of columns that are known, which are {_KNOWN}; in a CSV "
                "file they are its first line, with commas between them"
            )
        known: dict[str, str] = {}
        for column, name in zip(columns, names, strict=True):
            if name is None:
                raise RowsError(f"{self._place} {number}: {_unknown(str(column))}")
            if name in known.values():
                raise RowsError(f"{self._place} {number}: column {column!r:.60}: the field {name} is there twice")
            known[column] = name
        if "uid" not in known.values():
            raise RowsError(f"{self._place} {number}: there is no column uid, which names the booking")
        return known

    def add(self, number: int, row: Mapping[str, Any], fields: Mapping[str, str]) -> None:
        """Take a row in, or note what is wrong with it.

        :param number: its number.
        :param row: its values by column.
        :param fields: what the columns stand for.
        """
        values = {name: row[column] for column, name in fields.items()}
        uid = values.pop("uid")
        if not is_id(uid):
            self._note(number, "column uid: it is no booking id such as 'mzgdPJVBb7RE'")
            return
        if uid in self._numbers:
            self._note(number, f"column uid: the booking of {self._place} {self._numbers[uid]} once more")
            return
        self._numbers[uid] = number
        given = {name: value for name, value in values.items() if not (value is None and self._leaves)}
        try:
            made = UpdateBookingBody.model_validate(_parsed(given)).wire() if given else {}
        except ValidationError as error:
            columns = {name: column for column, name in fields.items()}
            for problem in _problems(error, columns):
                self._note(number, problem)
            return
        self.found.append((uid, made))

    def _note(self, number: int, problem: str) -> None:
        if len(self._problems) < TOLD_AT_MOST:
            self._problems.append(f"{self._place} {number}: {problem}")
        else:
            self._more += 1

    def note(self, number: int, problem: str) -> None:
        """Note that a line cannot be read."""
        self._note(number, problem)

    def checked(self) -> list[tuple[str, dict[str, Any]]]:
        """Return ids and the fields to set, of all rows.

        :raises RowsError: rows cannot be used.
        """
        if self._problems:
            more = f"; and {self._more:,} more" if self._more else ""
            raise RowsError(f"{'; '.join(self._problems)}{more}. Nothing was planned")
        return self.found


def _unknown(column: str) -> str:
    if column.lower().replace("_", "") in ("updatemessage", "issendupdates"):
        return f"column {column!r}: it holds for a whole plan: give it to PlanBookingChangesOperator"
    near = difflib.get_close_matches(to_snake(column), _FIELDS, n=1, cutoff=0.5)
    hint = f"did you mean {to_camel(near[0])!r}?" if near else f"known are {_KNOWN}"
    return f"column {column!r:.60}: Update Booking has no such field; {hint}"


def _parsed(values: dict[str, Any]) -> dict[str, Any]:
    hosts = values.get("hosts")
    if isinstance(hosts, str):
        try:
            return {**values, "hosts": json.loads(hosts)}
        except ValueError:
            return values  # the check of the body names the column
    return values


def _problems(error: ValidationError, columns: Mapping[str, str]) -> Iterator[str]:
    """Yield the faults of a row without the values."""
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        message = str(fault["msg"]).removeprefix("Value error, ")
        if fault["loc"]:
            name, nested = to_snake(str(fault["loc"][0])), ".".join(map(str, fault["loc"][1:]))
        else:
            name, nested = message.partition(":")[0], ""
        if name not in columns:
            yield message  # the end is not after the start: two moments that were read
            continue
        # A moment is read with the time zone beside it, which may be what is wrong.
        if "is not an IANA time zone" in message and "time_zone" in columns:
            name = "time_zone"
        # Of a fault that our own checks have found, the words show the value.
        if message.endswith("the clocks go forward over it"):
            message = "it does not exist in the time zone beside it: the clocks go forward over it"
        elif name in UpdateBookingBody.moments and fault["type"] == "value_error":
            message = (
                "it is no moment with an offset, such as 2024-03-01T20:00:00Z; without one, give timeZone beside it"
            )
        elif fault["type"] == "value_error":
            message = "it is no IANA time zone such as 'Asia/Tokyo'"
        yield f"column {columns[name]}{f' ({nested})' if nested else ''}: {message[0].lower()}{message[1:]}"


def check_table(rows: Rows, columns: Sequence[str], values: Iterable[Sequence[Any]]) -> None:
    """Check the rows of a table.

    :param columns: their names.
    :param values: the rows, in that order.
    """
    fields = rows.fields(1, columns)
    for number, row in enumerate(values, 1):
        rows.add(number, dict(zip(columns, row, strict=True)), fields)


def check_csv(rows: Rows, file: IO[str]) -> None:
    """Check the lines of a CSV file with a line of names. What is empty is null.

    :param file: opened with ``newline=""``.
    :raises RowsError: there is no line of names, or it is no CSV.
    """
    reader = csv.reader(file, strict=True)
    number = 1
    try:
        columns = next(reader, None)
        if not columns:
            raise RowsError("line 1: there are no names of columns")
        fields = rows.fields(1, columns)
        number = reader.line_num + 1
        for row in reader:
            if len(row) == len(columns):
                values = (original(value) if value else None for value in row)
                rows.add(number, dict(zip(columns, values, strict=True)), fields)
            elif row:
                rows.note(number, f"it has {len(row)} fields, the line of names {len(columns)}")
            number = reader.line_num + 1
    except csv.Error as error:
        raise RowsError(f"line {number}: it is no CSV: {error}") from None


class _TwiceError(Exception):
    """An object has a name twice: which of the values is meant?"""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(f"column {next(name for name in names if names.count(name) > 1)!r:.60}: it is there twice")
    return found


def check_json_lines(rows: Rows, file: IO[str]) -> None:
    """Check the lines of a JSON Lines file. A column that a row does not have is left as it is."""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_each_once)
        except _TwiceError as twice:
            rows.note(number, str(twice))
            continue
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            rows.note(number, "it is no JSON object")
            continue
        try:
            fields = rows.fields(number, list(row))
        except RowsError as error:
            rows.note(number, str(error).partition(": ")[2])
            continue
        rows.add(number, row, fields)
