"""Bookings that somebody has named, each with new values of its own: a file that a plan is made from.

JSON Lines: a header, then a booking each, its values checked and in Jicoo's spelling; nothing to set where only the
bookings were named::

    {"jicoo_values": 1, "columns": ["priority", "startedAt"]}
    {"uid": "mzgdPJVBb7RE", "set": {"priority": "high", "startedAt": "2027-03-16T01:00:00.000Z"}}

It may have guests' data in it, as a plan has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_jicoo.bulk.changes import Change, Target
from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.files import StorePath, make_folder, read_bytes, written_durably

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.models import Booking

VERSION = 1


class ValuesManifest(TypedDict):
    """What a task returns that wrote such a file."""

    values: str
    """Its path."""
    sha256: str
    """Its digest: the plan is made from what was checked."""
    bookings: int
    """How many bookings it names."""
    columns: list[str]
    """The fields that it sets, in Jicoo's spelling."""


class EachItsOwn(Change):
    """Set fields, by Update Booking, to values that each booking has of its own.

    :param values: the fields to set in Jicoo's spelling, checked, by the booking's id. A booking without any is left
        alone.
    :param columns: the fields that are set anywhere.
    """

    def __init__(self, values: Mapping[str, dict[str, Any]], columns: Iterable[str]) -> None:
        self._values = values
        self._columns = list(columns)

    def target(self, booking: Booking) -> Target | None:
        """Return the booking's own values."""
        values = self._values.get(booking["uid"])
        return Target("update", dict(values)) if values else None

    def describe(self) -> dict[str, Any]:
        """Return the names of the fields as JSON: their values may be a guest's."""
        return {"change": "EachItsOwn", "fields": ", ".join(self._columns)}


class BookingValues:
    """What such a file says.

    :param values: the fields to set, by the booking's id, in the order of the file.
    :param columns: the fields that are set anywhere.
    """

    def __init__(self, values: Mapping[str, dict[str, Any]], columns: list[str]) -> None:
        self.uids = list(values)
        self.change = EachItsOwn(values, columns) if columns else None


def write_values(path: StorePath, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> ValuesManifest:
    """Write such a file, and return its manifest.

    :param rows: ids and the fields to set.
    :raises OSError: it cannot be written.
    """
    found = [(uid, dict(values)) for uid, values in rows]
    columns = list(dict.fromkeys(name for _, values in found for name in values))
    hashed = hashlib.sha256()
    make_folder(path.parent)
    with written_durably(path) as file:
        for line in ({"jicoo_values": VERSION, "columns": columns}, *({"uid": uid, "set": row} for uid, row in found)):
            written = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            hashed.update(written)
            file.write(written)
    return {"values": str(path), "sha256": hashed.hexdigest(), "bookings": len(found), "columns": columns}


def read_values(path: StorePath, manifest: Mapping[str, Any]) -> BookingValues:
    """Read such a file.

    :param manifest: what its task has returned.
    :raises PlanMismatchError: it is not the file that was checked, or is gone.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise PlanMismatchError(f"the values {path} are gone; run the task again that wrote them") from None
    if hashlib.sha256(content).hexdigest() != manifest.get("sha256"):
        raise PlanMismatchError(
            f"the values {path} are not those that were checked; run the task again that wrote them"
        )
    header, *lines = map(json.loads, content.splitlines())
    if header.get("jicoo_values") != VERSION:
        raise PlanMismatchError(f"the values {path} are of another version of this package; write them anew")
    return BookingValues({line["uid"]: line["set"] for line in lines}, header["columns"])
