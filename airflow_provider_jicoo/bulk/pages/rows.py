"""A planned change as a person reads it: when, where, who, and what of it differs. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from functools import lru_cache, partial
from itertools import takewhile
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.bulk.plan.file import PlannedChange
from airflow_provider_jicoo.bulk.plan.phrases import WEEKDAYS
from airflow_provider_jicoo.bulk.plan.tally import SHOWN, roles_of

LONGEST = 300
"""Characters of one value that are shown."""
_NAMES = {"timeZone": "time zone"}
_TIMES = ("startedAt", "endedAt")
_BY_THEMSELVES = frozenset({*_TIMES, "hosts", "status"})
"""Fields that are told in words of their own."""


class Part(NamedTuple):
    """A piece of a value, and whether it differs from the other side."""

    text: str
    differs: bool


Side = tuple[Part, ...]


class Difference(NamedTuple):
    """One thing that a change changes.

    :param name: what it is.
    :param before: as it is now.
    :param after: as it will be.
    """

    name: str
    before: Side
    after: Side


@dataclass(frozen=True)
class Row:
    """One planned change.

    :param uid: the booking.
    :param action: ``update``, ``reschedule`` or ``cancel``.
    :param when: its time now, on the clock of its zone, with the day of the week.
    :param zone: the name of that zone.
    :param differences: what changes.
    :param hidden: names of further fields that change, whose values may be personal to guests and are not shown.
    """

    uid: str
    action: str
    when: str
    zone: str
    differences: tuple[Difference, ...]
    hidden: tuple[str, ...] = ()

    def text(self) -> str:
        """Return all that is to be read in it, for a search."""
        parts = [self.uid, self.action, self.when, self.zone, *self.hidden]
        for each in self.differences:
            parts += [each.name, "".join(part.text for part in each.before), "".join(part.text for part in each.after)]
        return "\n".join(parts).casefold()


class _Told(NamedTuple):
    """One thing that a change changes, as plain texts: to mark what differs takes longer than all else.

    :param mark: returns the same two texts with what differs marked.
    """

    name: str
    before: str
    after: str
    mark: Callable[[], tuple[Side, Side]]


def row_of(line: PlannedChange, hosts: Mapping[str, str], personal: bool) -> Row:
    """Return a planned change as it is shown.

    :param hosts: names of hosts by their ids.
    :param personal: whether the values of fields are shown that may be personal to guests.
    """
    clock, zone = _zone(line.time_zone or None)
    told, hidden = _told(line, hosts, clock, personal)
    differences = tuple(Difference(each.name, *each.mark()) for each in told)
    return Row(
        line.uid, line.action, " ".join(_slot(line.started_at, line.ended_at, clock)), zone, differences, tuple(hidden)
    )


def text_of(line: PlannedChange, hosts: Mapping[str, str], personal: bool) -> str:
    """Return the words of :meth:`Row.text` without making the row: of a search, each change of a plan is asked for it.

    Only the white space between them may be another.

    :param hosts: as for :func:`row_of`.
    :param personal: likewise.
    """
    clock, zone = _zone(line.time_zone or None)
    told, hidden = _told(line, hosts, clock, personal)
    parts = [line.uid, line.action, *_slot(line.started_at, line.ended_at, clock), zone, *hidden]
    for each in told:
        parts += each[:3]
    return "\n".join(parts).casefold()


def _told(
    line: PlannedChange, hosts: Mapping[str, str], clock: tzinfo, personal: bool
) -> tuple[list[_Told], list[str]]:
    """Return what changes, and the names of the fields whose values are not shown."""
    told = [*_time(line, clock), *_hosts(line, hosts), *_status(line)]
    hidden = []
    then = {**line.send, **line.after} if line.send else line.after
    for name, value in then.items():
        if name in _BY_THEMSELVES or line.before.get(name) == value:
            continue
        if personal or name in SHOWN:
            told.append(_field(name, line.before.get(name), value))
        else:
            hidden.append(name)
    return told, hidden


def _time(line: PlannedChange, clock: tzinfo) -> Iterator[_Told]:
    if not any(name in line.after for name in _TIMES):
        return
    start, end = line.after.get("startedAt", line.started_at), line.after.get("endedAt")
    if end is None:
        end = _shifted(line, start) if line.action == "reschedule" else line.ended_at
    now, then = _slot(line.started_at, line.ended_at, clock), _slot(start, end, clock)
    yield _Told("time", " ".join(now), " ".join(then), partial(_sides, now, then))


def _shifted(line: PlannedChange, start: str) -> str:
    """Return when a booking ends that is as long as before, and begins otherwise."""
    try:
        length = times.moment(line.ended_at) - times.moment(line.started_at)
        return times.wire(times.moment(start) + length)
    except (ValueError, OverflowError):
        return line.ended_at


def _sides(now: tuple[str, ...], then: tuple[str, ...]) -> tuple[Side, Side]:
    """Return two texts in pieces that can be compared one by one."""
    pairs = list(zip(now, then, strict=False)) if len(now) == len(then) else [(" ".join(now), " ".join(then))]
    before: list[Part] = []
    after: list[Part] = []
    for number, (this, that) in enumerate(pairs):
        for side, text in ((before, this), (after, that)):
            side += [Part(" ", False)] if number else []
            side.append(Part(text, this != that))
    return tuple(before), tuple(after)


def _hosts(line: PlannedChange, names: Mapping[str, str]) -> Iterator[_Told]:
    if "hosts" not in line.after:
        return
    now, then = roles_of(line.before.get("hosts")), roles_of(line.after["hosts"])

    def side(these: Mapping[str, Any], others: Mapping[str, Any]) -> Side:
        parts = []
        for number, (uid, role) in enumerate(these.items()):
            other = uid not in others or others[uid] != role
            shown = names.get(uid) or uid
            with_role = f" as {role}" if role and uid in others and other else ""
            if number:
                parts.append(Part(", ", False))
            parts.append(Part(shown + with_role, other))
        return tuple(parts) or (Part("nobody", True),)

    sides = side(now, then), side(then, now)
    before, after = ("".join(part.text for part in each) for each in sides)
    yield _Told("host", before, after, lambda: sides)


def _status(line: PlannedChange) -> Iterator[_Told]:
    before, after = line.before.get("status", line.status), line.after.get("status")
    if line.action == "cancel" or (after is not None and before != after):
        yield _whole("status", _word(before or "open"), _word(after or "cancel"))


def _whole(name: str, now: str, then: str) -> _Told:
    """Return a difference that is marked as a whole."""
    return _Told(name, now, then, lambda: ((Part(now, True),), (Part(then, True),)))


def _field(name: str, before: Any, after: Any) -> _Told:
    now, then = _word(before), _word(after)
    return _Told(_NAMES.get(name, name), now, then, partial(_marked, now, then))


def _word(value: Any) -> str:
    if value is None or value == "":
        return "(empty)"
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def _marked(now: str, then: str) -> tuple[Side, Side]:
    """Return two texts with what differs marked: all between a common beginning and a common end, by whole words."""
    these, those = now.split(" "), then.split(" ")
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(these, those, strict=False))))
    most = min(len(these), len(those)) - same
    ends = zip(reversed(these[-most:] if most else []), reversed(those[-most:] if most else []), strict=False)
    tail = len(list(takewhile(lambda pair: pair[0] == pair[1], ends)))

    def side(parts: list[str]) -> Side:
        begin, end = " ".join(parts[:same]), " ".join(parts[len(parts) - tail :]) if tail else ""
        middle = " ".join(parts[same : len(parts) - tail])
        pieces = [Part(f"{begin} " if begin and (middle or end) else begin, False)] if begin else []
        if middle:
            pieces.append(Part(middle, True))
        if end:
            pieces.append(Part(f" {end}" if middle else end, False))
        return tuple(pieces)

    return side(these), side(those)


def _slot(start: str, end: str, clock: tzinfo) -> tuple[str, ...]:
    """Return day, begin and end of a booking as they are said; what cannot be read is left as it stands."""
    # A moment has thirty characters. Whatever else a plan has there is not to be remembered.
    if isinstance(start, str) and isinstance(end, str) and len(start) + len(end) < 80:
        return _remembered_slot(start, end, clock)
    return _read_slot(start, end, clock)


def _read_slot(start: str, end: str, clock: tzinfo) -> tuple[str, ...]:
    begins, ends = _local(start, clock), _local(end, clock)
    if begins is None:
        return (str(start)[:40],)
    day, clock_time = _day(begins), f"{begins:%H:%M}"
    if ends is None:
        return day, clock_time
    if ends.date() != begins.date():
        return day, clock_time, f"to {_day(ends)} {ends:%H:%M}"
    return day, f"{clock_time}–{ends:%H:%M}"


# Many bookings are at the same time, one host's beside another's, and each time is said twice: as it is, and as it
# is in what changes.
_remembered_slot = lru_cache(maxsize=4096)(_read_slot)


def _day(moment: datetime) -> str:
    return f"{WEEKDAYS[moment.weekday()]} {moment:%Y-%m-%d}"


def _local(value: str, clock: tzinfo) -> datetime | None:
    try:
        if value.endswith("Z"):
            return datetime.fromisoformat(f"{value[:-1]}+00:00").astimezone(clock)
        return times.moment(value).astimezone(clock)
    except (ValueError, OverflowError, AttributeError):
        return None


@lru_cache(maxsize=1024)
def _zone(name: str | None) -> tuple[tzinfo, str]:
    try:
        return (timezone.utc, "UTC") if name is None else (ZoneInfo(name), name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return timezone.utc, "UTC"
