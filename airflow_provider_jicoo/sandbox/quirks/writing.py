"""Quirks of writing: what Jicoo makes of what it is sent, and what it answers."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.sandbox import values
from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.faults import Answer, Refusal
from airflow_provider_jicoo.sandbox.quirks.quirk import Exchange, Quirk

NULLABLE = ("description", "company", "phoneNumber", "message", "access", "address", "customLocation")


class _Texts(Quirk):
    """The texts of what is sent are stored otherwise."""

    def write(self, text: str) -> str:
        raise NotImplementedError

    def store(self, fields: Row, before: Row | None) -> Row:
        texts = {name: self.write(fields[name]) for name in ("name", *NULLABLE) if isinstance(fields.get(name), str)}
        return {**fields, **texts}


class TrimmedNames(Quirk):
    """Names are stored without the blanks at their ends."""

    def store(self, fields: Row, before: Row | None) -> Row:
        return {**fields, "name": fields["name"].strip()} if isinstance(fields.get("name"), str) else fields


class CollapsedBlanks(_Texts):
    """Several blanks in a row are stored as one, in names and other texts; line breaks stay."""

    def write(self, text: str) -> str:
        return re.sub(r"[^\S\r\n]+", " ", text)


class Nfc(_Texts):
    """Texts are stored in Unicode's form NFC: an ``e`` with an accent of its own becomes one letter."""

    def write(self, text: str) -> str:
        return unicodedata.normalize("NFC", text)


class Nfkc(_Texts):
    """Texts are stored in Unicode's form NFKC: full-width letters and half-width katakana become the usual ones."""

    def write(self, text: str) -> str:
        return unicodedata.normalize("NFKC", text)


class Crlf(_Texts):
    """Line breaks are stored as CR LF."""

    def write(self, text: str) -> str:
        return re.sub(r"\r\n?|\n", "\r\n", text)


class Lf(_Texts):
    """Line breaks are stored as LF, those sent as CR LF too."""

    def write(self, text: str) -> str:
        return re.sub(r"\r\n?", "\n", text)


class EscapedHtml(_Texts):
    """Texts are stored as HTML: ``&`` becomes ``&amp;``."""

    def write(self, text: str) -> str:
        return html.escape(text)


class CutNames(Quirk):
    """Names are cut to so many characters."""

    default = "64"

    @classmethod
    def read(cls, text: str) -> int:
        return values.count(text)

    def store(self, fields: Row, before: Row | None) -> Row:
        return {**fields, "name": fields["name"][: self.value]} if isinstance(fields.get("name"), str) else fields


class NullForEmpty(Quirk):
    """An empty text is stored as null, where null is allowed."""

    def store(self, fields: Row, before: Row | None) -> Row:
        return {name: None if name in NULLABLE and value == "" else value for name, value in fields.items()}


class EmptyForNull(Quirk):
    """Null is stored as an empty text, where the field is one."""

    def store(self, fields: Row, before: Row | None) -> Row:
        return {name: "" if name in NULLABLE and value is None else value for name, value in fields.items()}


class _CutTimes(Quirk):
    seconds: int

    def store(self, fields: Row, before: Row | None) -> Row:
        cut: Row = {name: _cut(fields[name], self.seconds) for name in ("startedAt", "endedAt") if name in fields}
        return {**fields, **cut}


class CutToMinute(_CutTimes):
    """Times are stored without their seconds."""

    seconds = 60


class CutToSecond(_CutTimes):
    """Times are stored without their milliseconds."""

    seconds = 1


class FirstHostAdmin(Quirk):
    """The first host that is sent is stored with the role admin."""

    def store(self, fields: Row, before: Row | None) -> Row:
        if not fields.get("hosts"):
            return fields
        first, *rest = fields["hosts"]
        return {**fields, "hosts": [{**first, "role": "admin"}, *rest]}


class SortedHosts(Quirk):
    """Hosts are stored in the order of their ids, not in that in which they were sent."""

    def store(self, fields: Row, before: Row | None) -> Row:
        if not fields.get("hosts"):
            return fields
        return {**fields, "hosts": sorted(fields["hosts"], key=lambda host: host["userId"])}


class HostsAdded(Quirk):
    """The hosts of a change are added to those that the booking has, not put in their place."""

    def store(self, fields: Row, before: Row | None) -> Row:
        if before is None or "hosts" not in fields:
            return fields
        by_id = {host["userId"]: host for host in (*before["hosts"], *fields["hosts"])}
        return {**fields, "hosts": list(by_id.values())}


class HostFields(Quirk):
    """The hosts of a booking come with name, email and profileImage; a PATCH that sends those is refused (422)."""

    def show(self, row: Row, users: Mapping[str, Row]) -> Row:
        if not _is_booking(row):
            return row
        return {**row, "hosts": [{**host, **_of_user(users.get(host["userId"]))} for host in row["hosts"]]}


class ExtraFields(Quirk):
    """Every row has fields that nobody documented."""

    def show(self, row: Row, users: Mapping[str, Row]) -> Row:
        return {**row, "version": 3, "labels": [], "_links": {"self": None}}


DRIFT = {
    "timeZone": "timezone",
    "eventTypeId": "eventTypeUid",
    "locationId": "location",
    "userId": "uid",
    "uid": "id",
}
"""Spellings that Jicoo's pages themselves mix up."""


class Drift(Quirk):
    """A field goes by the other name that Jicoo's own pages have for it, in each row and its hosts."""

    default = "timeZone"
    example = "|".join(DRIFT)

    @classmethod
    def read(cls, text: str) -> str:
        return values.one_of(text, DRIFT, "field")

    def show(self, row: Row, users: Mapping[str, Row]) -> Row:
        renamed = {DRIFT[name] if name == self.value else name: value for name, value in row.items()}
        if _is_booking(row) and self.value == "userId":
            renamed["hosts"] = [
                {DRIFT.get(name, name) if name == "userId" else name: value for name, value in host.items()}
                for host in row["hosts"]
            ]
        return renamed


class NoNulls(Quirk):
    """Rows come without the fields that are null."""

    def show(self, row: Row, users: Mapping[str, Row]) -> Row:
        return {name: value for name, value in row.items() if value is not None}


class CancelledWord(Quirk):
    """The status of a cancelled booking is ``cancelled``, as Jicoo's pages call it in their prose, not ``cancel``."""

    def show(self, row: Row, users: Mapping[str, Row]) -> Row:
        return {**row, "status": "cancelled"} if row.get("status") == "cancel" else row


class PlainTimes(Quirk):
    """Times come without milliseconds: ``2026-01-15T00:00:00Z``."""

    def show(self, row: Row, users: Mapping[str, Row]) -> Row:
        return _retimed(row, lambda text: text.replace(".000Z", "Z"))


class OffsetTimes(Quirk):
    """Times come with an offset in place of ``Z``: ``2026-01-15T00:00:00.000+00:00``."""

    def show(self, row: Row, users: Mapping[str, Row]) -> Row:
        return _retimed(row, lambda text: text.replace("Z", "+00:00"))


def _rounded_up(text: str) -> str:
    return times.wire(times.moment(_cut(text, 900)) + timedelta(minutes=15))


OTHERWISE: dict[str, Callable[[Any], Any]] = {
    "priority": lambda value: {"low": "middle", "middle": "high", "high": "low"}.get(value, "middle"),
    "name": lambda value: f"{value} (Jicoo)",
    "description": lambda value: f"{value or ''} (Jicoo)",
    "timeZone": lambda value: "Etc/UTC",
    "startedAt": _rounded_up,
    "endedAt": _rounded_up,
    "hosts": lambda value: value[:1],
}


class StoredOtherwise(Quirk):
    """A field is stored with another value than was asked for, and answered with 200."""

    default = "priority"
    example = "|".join(OTHERWISE)

    @classmethod
    def read(cls, text: str) -> str:
        return values.one_of(text, OTHERWISE, "field")

    def store(self, fields: Row, before: Row | None) -> Row:
        if self.value not in fields or before is None:
            return fields
        return {**fields, self.value: OTHERWISE[self.value](fields[self.value])}


class IgnoredField(Quirk):
    """A field of a change is ignored: answered with 200, and not stored."""

    default = "description"
    example = "|".join(OTHERWISE)

    @classmethod
    def read(cls, text: str) -> str:
        return values.one_of(text, OTHERWISE, "field")

    def store(self, fields: Row, before: Row | None) -> Row:
        return fields if before is None else {name: value for name, value in fields.items() if name != self.value}


class CancelledFixed(Quirk):
    """A change of a cancelled booking is refused with 422."""

    def store(self, fields: Row, before: Row | None) -> Row:
        if before is not None and before.get("status") == "cancel":
            raise Refusal(422, {"status": ["the booking is cancelled"]})
        return fields


class MovesNeedSlot(Quirk):
    """A PATCH of the times or the hosts needs a free slot, as a reschedule does; 422 where there is none."""


class MessagesByDefault(Quirk):
    """A PATCH without ``isSendUpdates`` messages the guests."""


class AnswersBefore(Quirk):
    """A change of a booking is made and answered with the booking as it was before."""

    def answer(self, before: Row, after: Row) -> Row:
        return before


class AnswersPart(Quirk):
    """A change of a booking is made and answered with its uid and the fields that changed."""

    def answer(self, before: Row, after: Row) -> Row:
        return {name: value for name, value in after.items() if name == "uid" or value != before[name]}


class AnswersReceipt(Quirk):
    """A change of a booking is made and answered with a receipt: ``"data": {"queued": true}``, or the uid alone."""

    default = "queued"
    example = "queued|uid"

    @classmethod
    def read(cls, text: str) -> str:
        return values.one_of(text, ("queued", "uid"), "receipt")

    def answer(self, before: Row, after: Row) -> Row:
        return {"uid": after["uid"]} if self.value == "uid" else {"queued": True}


class AnswersNull(Quirk):
    """A change of a booking is made and answered with 200 and ``"data": null``."""

    def answer(self, before: Row, after: Row) -> None:
        return None


class AnswersNothing(Quirk):
    """A change of a booking is made and answered with 204 and nothing in it."""

    def wire(self, answer: Answer, exchange: Exchange) -> Answer:
        if exchange.method == "GET" or answer.status != 200 or not exchange.path.startswith("/v1/bookings/"):
            return answer
        return Answer(204, tuple(pair for pair in answer.headers if not pair[0].startswith(b"content-")), b"")


class LateEffect(Quirk):
    """A change is made so long after its good answer, if it is still possible then. What is new is made at once."""

    default = "1.5s"

    @classmethod
    def read(cls, text: str) -> float:
        return values.seconds(text)


class RescheduleMakesNew(Quirk):
    """A reschedule makes a new booking with another uid, cancels the old one, and answers with the new or the old."""

    default = "new"
    example = "new|old"

    @classmethod
    def read(cls, text: str) -> str:
        return values.one_of(text, ("new", "old"), "answer")


class SecondStamps(Quirk):
    """``updatedAt`` is cut to the second: two changes in the same one look like one."""

    def show(self, row: Row, users: Mapping[str, Row]) -> Row:
        return {**row, "updatedAt": _cut(row["updatedAt"], 1)} if "updatedAt" in row else row


class HostsKeepStamp(Quirk):
    """``updatedAt`` stays where nothing but the hosts of a booking changed."""

    def stamp(self, stamp: str, before: Row, after: Row) -> str:
        apart = ("hosts", "updatedAt")
        same = all(before[name] == after[name] for name in before if name not in apart)
        return before["updatedAt"] if same and "hosts" in before else stamp


class FrozenStamps(Quirk):
    """``updatedAt`` stays whatever changes."""

    def stamp(self, stamp: str, before: Row, after: Row) -> str:
        return str(before["updatedAt"])


def _is_booking(row: Row) -> bool:
    return "hosts" in row and "startedAt" in row


def _of_user(user: Row | None) -> Row:
    return {"name": None, "email": None, "profileImage": None, **{n: (user or {}).get(n) for n in ("name", "email")}}


def _cut(text: str, seconds: int) -> str:
    at = times.moment(text)
    return times.wire(at - timedelta(seconds=at.timestamp() % seconds))


def _retimed(row: Row, write: Callable[[str], str]) -> Row:
    return {name: write(value) if name.endswith("At") and value else value for name, value in row.items()}


QUIRKS: tuple[type[Quirk], ...] = (
    TrimmedNames,
    CollapsedBlanks,
    Nfc,
    Nfkc,
    Crlf,
    Lf,
    EscapedHtml,
    CutNames,
    NullForEmpty,
    EmptyForNull,
    CutToMinute,
    CutToSecond,
    FirstHostAdmin,
    SortedHosts,
    HostsAdded,
    HostFields,
    ExtraFields,
    Drift,
    NoNulls,
    CancelledWord,
    PlainTimes,
    OffsetTimes,
    StoredOtherwise,
    IgnoredField,
    CancelledFixed,
    MovesNeedSlot,
    MessagesByDefault,
    AnswersBefore,
    AnswersPart,
    AnswersReceipt,
    AnswersNull,
    AnswersNothing,
    LateEffect,
    RescheduleMakesNew,
    SecondStamps,
    HostsKeepStamp,
    FrozenStamps,
)
