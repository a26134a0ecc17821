"""A planned change as a person reads it: when, where, who, and what of it differs. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from functools import lru_cache
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


def row_of(line: PlannedChange, hosts: Mapping[str, str], personal: bool) -> Row:
    """Return a planned change as it is shown.

    :param hosts: names of hosts by their ids.
    :param personal: whether the values of fields are shown that may be personal to guests.
    """
    clock, zone = _zone(line.time_zone or None)
    hidden = () if personal else tuple(name for name in _others(line) if name not in SHOWN)
    differences = [*_time(line, clock), *_hosts(line, hosts), *_status(line)]
    differences += [_field(line, name) for name in _others(line) if name not in hidden]
    return Row(
        line.uid, line.action, " ".join(_slot(line.started_at, line.ended_at, clock)), zone, (*differences,), hidden
    )


def _others(line: PlannedChange) -> list[str]:
    """Return the names of the fields that change and are neither times, hosts nor status."""
    then = {**(line.send or {}), **line.after}
    return [
        name
        for name, value in then.items()
        if name not in (*_TIMES, "hosts", "status") and line.before.get(name) != value
    ]


def _time(line: PlannedChange, clock: tzinfo) -> Iterator[Difference]:
    if not any(name in line.after for name in _TIMES):
        return
    start, end = line.after.get("startedAt", line.started_at), line.after.get("endedAt")
    if end is None:
        end = _shifted(line, start) if line.action == "reschedule" else line.ended_at
    now, then = _slot(line.started_at, line.ended_at, clock), _slot(start, end, clock)
    yield Difference("time", *_sides(now, then))


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


def _hosts(line: PlannedChange, names: Mapping[str, str]) -> Iterator[Difference]:
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

    yield Difference("host", side(now, then), side(then, now))


def _status(line: PlannedChange) -> Iterator[Difference]:
    before, after = line.before.get("status", line.status), line.after.get("status")
    if line.action == "cancel" or (after is not None and before != after):
        yield Difference("status", (Part(_word(before or "open"), True),), (Part(_word(after or "cancel"), True),))


def _field(line: PlannedChange, name: str) -> Difference:
    now, then = _word(line.before.get(name)), _word({**(line.send or {}), **line.after}[name])
    return Difference(_NAMES.get(name, name), *_marked(now, then))


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
    begins, ends = _local(start, clock), _local(end, clock)
    if begins is None:
        return (str(start)[:40],)
    day, clock_time = _day(begins), f"{begins:%H:%M}"
    if ends is None:
        return day, clock_time
    if ends.date() != begins.date():
        return day, clock_time, f"to {_day(ends)} {ends:%H:%M}"
    return day, f"{clock_time}–{ends:%H:%M}"


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


SORTS: dict[str, Callable[[PlannedChange, Mapping[str, str]], Any]] = {
    "start": lambda line, hosts: (line.started_at, line.uid),
    "booking": lambda line, hosts: line.uid,
    "action": lambda line, hosts: (line.action, line.started_at, line.uid),
    "new": lambda line, hosts: (str(line.after.get("startedAt", line.started_at)), line.uid),
    "host": lambda line, hosts: (_host_names(line, hosts), line.started_at, line.uid),
}
"""By what a plan can be sorted, in the order in which it is offered."""


def _host_names(line: PlannedChange, hosts: Mapping[str, str]) -> str:
    return ", ".join(hosts.get(uid) or uid for uid in roles_of(line.before.get("hosts"))).casefold()
