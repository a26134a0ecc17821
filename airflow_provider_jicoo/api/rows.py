"""The rows of a list, checked where they come in.

What Jicoo's list gives becomes a plan, and what is in a plan is sent. A row that lacks what the package works with is
named by its id or its place, with the field that is wrong; the rest of its page is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.paths import is_id

RowCheck = Callable[[Any], str | None]
"""Says of a row what is wrong with it, None for a good one."""


@dataclass(frozen=True)
class Unreadable:
    """Stands in a page for a row that is no JSON.

    :param row: what could be read of it.
    :param problem: what is wrong with it.
    """

    row: Any
    problem: str


@dataclass(frozen=True)
class BrokenRow:
    """A row that cannot be used.

    :param row: what could be read of it.
    :param place: where it stands, for people.
    :param problem: what is wrong with it; never a value of it but its id.
    """

    row: Any
    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


def checked(rows: Sequence[Any], check: RowCheck | None, page: int) -> tuple[list[Any], list[BrokenRow]]:
    """Return the good rows of a page, and the broken ones.

    :param check: what else is asked of a row than to be JSON.
    :param page: number of the page, from 1, for the words.
    """
    if check is booking_problem and _are_bookings(rows):
        return rows if isinstance(rows, list) else list(rows), []
    good, broken = [], []
    for number, row in enumerate(rows, 1):
        problem = row.problem if isinstance(row, Unreadable) else None if check is None else check(row)
        if problem is None:
            good.append(row)
        else:
            row = row.row if isinstance(row, Unreadable) else row
            broken.append(BrokenRow(row, _place(row, number, page), problem))
    return good, broken


def _place(row: Any, number: int, page: int) -> str:
    uid = row.get("uid") if isinstance(row, Mapping) else None
    where = f"row {number} of page {page}"
    return f"{uid!r} ({where})" if is_id(uid) else where


# --- what a booking must have ----------------------------------------------------------------------------------------

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _Host(msgspec.Struct, gc=False):
    userId: Annotated[str, msgspec.Meta(min_length=1)]


class _Booking(msgspec.Struct, gc=False):
    """The fields that the package works with. Of the others, what Jicoo gives is passed on as it comes."""

    uid: Annotated[str, msgspec.Meta(pattern=r"^(?!\.*$)[A-Za-z0-9_~.-]+$", max_length=255)]
    status: Annotated[str, msgspec.Meta(min_length=1)]
    startedAt: _Moment
    endedAt: _Moment
    updatedAt: str
    hosts: list[_Host]
    name: str | None = None
    eventTypeId: str | None = None
    timeZone: str | None = None
    createdAt: str | None = None


def _are_bookings(rows: Sequence[Any]) -> bool:
    """Tell of a whole page at once whether all is as it should be: in the time that one row takes otherwise."""
    try:
        found = msgspec.convert(rows, list[_Booking])
    except (msgspec.ValidationError, ValueError, RecursionError):
        return False
    # At the ends of the calendar a moment may have no UTC.
    return all(1 < row.startedAt.year < 9999 and 1 < row.endedAt.year < 9999 for row in found)


_TEXTS = ("status", "updatedAt")
_TEXTS_OR_NULL = ("name", "eventTypeId", "timeZone", "createdAt")


def booking_problem(row: Any) -> str | None:
    """Say what is wrong with a row that should be a booking; None for a good one.

    Times may be written in any form of ISO 8601 with an offset. A status that is not known yet is none of ours to
    refuse.
    """
    if not isinstance(row, Mapping):
        return f"it is {kind(row)}, not an object"
    return next(_booking_problems(row), None)


def status_problem(row: Any) -> str | None:
    """Say what is wrong with a row of which only the id and the status are needed; None for a good one."""
    if not isinstance(row, Mapping):
        return f"it is {kind(row)}, not an object"
    if not is_id(row.get("uid")):
        return f"uid is {_kind_of(row, 'uid')}, not an id such as 'mzgdPJVBb7RE'"
    return None if _is_text(row.get("status")) else f"status is {_kind_of(row, 'status')}, not a text"


def _booking_problems(row: Mapping[str, Any]) -> Iterator[str]:
    if not is_id(row.get("uid")):
        shown = f" ({row['uid']!r:.40})" if isinstance(row.get("uid"), (str, int)) else ""
        yield f"uid is {_kind_of(row, 'uid')}{shown}, not an id such as 'mzgdPJVBb7RE'"
    for name in _TEXTS:
        if not isinstance(row.get(name), str) or not row[name]:
            yield f"{name} is {_kind_of(row, name)}, not a text"
    for name in ("startedAt", "endedAt"):
        try:
            times.moment(row.get(name) if isinstance(row.get(name), str) else None)
        except ValueError:
            yield f"{name} is {_kind_of(row, name)}, not a moment with an offset such as 2024-03-01T20:00:00.000Z"
    hosts = row.get("hosts")
    if not isinstance(hosts, list):
        yield f"hosts is {_kind_of(row, 'hosts')}, not a list"
    elif not all(isinstance(host, Mapping) and _is_text(host.get("userId")) for host in hosts):
        yield "hosts has an element without a userId that is a text"
    for name in _TEXTS_OR_NULL:
        if not isinstance(row.get(name), (str, type(None))):
            yield f"{name} is {_kind_of(row, name)}, not a text"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _kind_of(row: Mapping[str, Any], name: str) -> str:
    return kind(row[name]) if name in row else "missing"


def kind(value: Any) -> str:
    """Name what JSON calls a value of this type."""
    if value is None:
        return "null"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "a boolean"),
        ((int, float), "a number"),
        (str, "a text" if value else "an empty text"),
        ((list, tuple), "a list"),
        (Mapping, "an object"),
    )
    return next((word for types, word in kinds if isinstance(value, types)), f"a {type(value).__name__}")


def row_problem(keys: tuple[str, ...]) -> RowCheck:
    """Return what is asked of the rows of other lists: to be objects, and that an id, where there is one, can be one.

    :param keys: the fields of which one is the id.
    """

    def problem(row: Any) -> str | None:
        if not isinstance(row, Mapping):
            return f"it is {kind(row)}, not an object"
        name = next((name for name in keys if name in row), None)
        if name is None or (isinstance(row[name], (str, int)) and not isinstance(row[name], bool) and row[name] != ""):
            return None
        return f"{name} is {kind(row[name])}, not an id"

    return problem


# --- pages that are not quite JSON -----------------------------------------------------------------------------------


_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class _NoNumber:
    """What stands for ``NaN`` and ``Infinity``, which JSON does not know."""

    name: str


def is_cut(body: bytes) -> bool:
    """Tell of an answer that is no JSON whether it broke off, and may come whole another time.

    Where all that is wrong is a text or a number that JSON does not know, it will be wrong again.
    """
    try:
        json.loads(body.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return True
    return False


def salvage(body: bytes) -> Any:
    """Read an answer whose rows are in part no JSON: lone surrogates, bytes that are no UTF-8, ``NaN``.

    :return: the answer, with an :class:`Unreadable` for each such row of its ``data``.
    :raises ValueError: it cannot be read at all, or is wrong in another place than its rows.
    """
    answer = json.loads(body.decode("utf-8", "surrogateescape"), parse_constant=_NoNumber)
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise ValueError("not a page of a list")
    for name, value in answer.items():
        if name != "data" and _fault(value, name) is not None:
            raise ValueError("not a page of a list")
    answer["data"] = [row if (fault := _fault(row, "")) is None else Unreadable(row, fault) for row in answer["data"]]
    return answer


def replaced(body: bytes) -> Any:
    """Read an answer whose texts are in part no Unicode, with U+FFFD for each character that is none.

    :raises ValueError: it is no JSON for another reason.
    """
    return _replaced(json.loads(body.decode("utf-8", "surrogateescape"), parse_constant=_refuse))


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {_replaced(name): _replaced(part) for name, part in value.items()}
    return [_replaced(part) for part in value] if isinstance(value, list) else value


def text_problem(body: bytes) -> str | None:
    """Say which text or number of an answer no JSON can hold; None where that is not what is wrong with it."""
    try:
        return _fault(json.loads(body.decode("utf-8", "surrogateescape"), parse_constant=_NoNumber), "")
    except (ValueError, RecursionError):
        return None


def _fault(value: Any, name: str) -> str | None:
    """Say what in a value no JSON can hold; None for nothing."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"{name or 'it'} has a text that is no Unicode (a lone surrogate, or bytes of another encoding)"
        return None
    if isinstance(value, _NoNumber):
        return f"{name or 'it'} is {value.name}, which is not JSON"
    if isinstance(value, dict):
        parts: Iterator[tuple[str, Any]] = ((str(key), part) for key, part in value.items())
        if any(_fault(key, "") for key in value):
            return "a name in it is no Unicode"
    elif isinstance(value, list):
        parts = ((name, part) for part in value)
    else:
        return None
    return next((fault for key, part in parts if (fault := _fault(part, key)) is not None), None)
