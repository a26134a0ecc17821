"""What a plan would do, counted while it is made, so that a person can agree to it without reading every line.

Bounded, whatever the size of the plan: counters, and of each kind of change a few bookings. Those are picked by a hash
of their ids, so that they are spread over the plan, and are the same ones in whichever order the bookings were read.
Nothing is kept of what may be personal to guests: of a field that is not among :data:`SHOWN` only that it changes.
"""

from __future__ import annotations

import heapq
import zlib
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.bulk.changes import Action
from airflow_provider_jicoo.bulk.plan.markdown import LONGEST

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.models import Booking
    from airflow_provider_jicoo.bulk.plan import PlannedChange

SAMPLE = 12
"""How many bookings are shown."""
MOST_KINDS = 100
"""How many kinds of changes are told apart; what comes beyond is counted as others."""
MOST_PLACES = 8
"""To how many places bookings may move so that they are told by place."""
SHOWN = frozenset({"priority", "timeZone"})
"""Fields whose values are shown, beside times and hosts. Any other may be personal."""
_TOLD_APART = frozenset({"startedAt", "endedAt", "hosts", "status"})


class Slot(NamedTuple):
    """When a booking takes place, on the wall clock of its own time zone."""

    start: datetime
    end: datetime


class Step(NamedTuple):
    """By how much start and end move on the wall clock."""

    start: timedelta
    end: timedelta

    @classmethod
    def between(cls, now: Slot, then: Slot) -> Step:
        """Return how far a booking moves."""
        # Python subtracts two datetimes of the same zone on the wall clock.
        start, end = then.start - now.start, then.end - now.end
        if start == end == timedelta(0):  # from the first of two equal hours to the second, as daylight saving ends
            start, end = _utc(then.start) - _utc(now.start), _utc(then.end) - _utc(now.end)
        return cls(start, end)


class Place(NamedTuple):
    """Where start moves to.

    :param at: hour, minute and time zone; None where those stay and only the day changes.
    """

    day: date
    at: tuple[int, int, str] | None

    @classmethod
    def of(cls, then: Slot, step: Step, zone: str) -> Place:
        """Return where a booking moves to with a step."""
        new_time = step.start.seconds or step.start.microseconds
        return cls(then.start.date(), (then.start.hour, then.start.minute, zone) if new_time else None)


class Hosts(NamedTuple):
    """How the hosts change, by user id.

    :param gone: who leaves; None for whoever it is.
    :param come: who takes over, with the role where none of those who leave has it.
    :param roles: who stays in another role: user id, role now, role then.
    """

    gone: tuple[str, ...] | None
    come: tuple[tuple[str, str | None], ...]
    roles: tuple[tuple[str, str, str], ...]


class Kind(NamedTuple):
    """What changes of many bookings have in common.

    :param fields: name of a field, value now (None for whatever it is), value then.
    :param hidden: names of fields that change, whose values may be personal.
    """

    action: Action
    move: Step | Place | None = None
    hosts: Hosts | None = None
    fields: tuple[tuple[str, str | None, str], ...] = ()
    hidden: tuple[str, ...] = ()

    def becomes(self) -> Kind:
        """Return the same without what is now: changes that differ in that alone are alike in what they lead to."""
        hosts = self.hosts._replace(gone=None) if self.hosts and self.hosts.come else self.hosts
        return self._replace(hosts=hosts, fields=tuple((name, None, then) for name, _, then in self.fields))


OTHERS = Kind("update", hidden=("",))
"""Stands for all kinds beyond :data:`MOST_KINDS`."""


Roles = dict[str, "str | None"]
"""Hosts by user id, with their roles."""


@dataclass(slots=True)
class Sample:
    """One booking of a plan, as a person sees it.

    :param status: its status now, where the change is about that.
    :param zone: IANA name of its time zone.
    :param now: its slot; None where its times cannot be read.
    :param then: its slot after the change, where that moves.
    :param hosts: its hosts now and after the change, where they change.
    :param kind: what changes beside the time.
    """

    uid: str
    status: str | None
    event_type: str | None
    zone: str
    now: Slot | None
    then: Slot | None
    hosts: tuple[Roles, Roles] | None
    kind: Kind

    def moved(self) -> Kind:
        """Return what changes, with how far the booking moves."""
        if self.now is None or self.then is None:
            return self.kind
        return self.kind._replace(move=Step.between(self.now, self.then))


class Group:
    """Changes of one kind: how many, and a few of them."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.count = 0
        self._samples: list[tuple[int, str, int, Sample]] = []  # a heap; its first has the highest mark, and goes next

    def add(self, mark: int, line: PlannedChange, booking: Booking, slot: tuple[str, str] | None) -> None:
        """Count a change, and keep it where its mark is among the lowest."""
        self.count += 1
        kept = self._samples
        if len(kept) < SAMPLE:
            heapq.heappush(kept, (-mark, line.uid, self.count, _sample(line, booking, slot)))
        elif (-mark, line.uid) > kept[0][:2]:
            heapq.heapreplace(kept, (-mark, line.uid, self.count, _sample(line, booking, slot)))

    def samples(self) -> list[Sample]:
        """Return what was kept, the first to show first."""
        return [sample for *_, sample in sorted(self._samples, key=lambda kept: kept[:3], reverse=True)]


class Tally:
    """The counts of a plan.

    ``event_types``, ``hosts``, ``days`` and ``new_days`` count bookings: by event type and by each of their hosts, as
    they are now; by the day on which they start, and on which those that move will start, in their own time zones.
    """

    def __init__(self) -> None:
        self.event_types: Counter[str | None] = Counter()
        self.hosts: Counter[str] = Counter()
        self.days: Counter[date] = Counter()
        self.new_days: Counter[date] = Counter()
        self._taking_over: set[str] = set()
        self._still: dict[Kind, Group] = {}
        self._by_step: dict[Kind, Group] = {}
        # None once there are so many that listing them would not be shorter.
        self._by_place: dict[Kind, Group] | None = {}

    # Runs for each of 100,000 bookings: whatever only a sample needs is computed later.
    def add(self, line: PlannedChange, booking: Booking, slot: tuple[str, str] | None) -> None:
        """Count a change.

        :param slot: start and end after the change, where it moves the booking.
        """
        self.event_types[_text(booking.get("eventTypeId"))] += 1
        hosts = roles_of(booking.get("hosts"))
        for uid in hosts:
            self.hosts[uid] += 1
        then = hosts
        if "hosts" in line.after:
            then = roles_of(line.after["hosts"])
            self._taking_over.update(then)
        changed = (_hosts(hosts, then), *_fields(line))
        mark = zlib.crc32(line.uid.encode("utf-8", "replace"))
        clock, zone = _zone(_text(booking.get("timeZone")))
        start = _local(line.started_at, clock)
        if start is not None:
            self.days[start.date()] += 1
        end, new = (None, None) if slot is None else (_local(line.ended_at, clock), _slot(*slot, clock))
        step = None if start is None or end is None or new is None else Step.between(Slot(start, end), new)
        if step is None or new is None or not (step.start or step.end):
            _of(self._still, Kind(line.action, None, *changed)).add(mark, line, booking, None)
            return
        self.new_days[new.start.date()] += 1
        _of(self._by_step, Kind(line.action, step, *changed)).add(mark, line, booking, slot)
        if self._by_place is not None:
            # A booking that becomes longer or shorter is told by how far its ends move.
            move = Place.of(new, step, zone) if step.start == step.end else step
            _of(self._by_place, Kind(line.action, move, *changed)).add(mark, line, booking, slot)
            if len(self._by_place) > MOST_PLACES:
                self._by_place = None

    def users(self) -> set[str]:
        """Return the ids of all hosts, of those who take over too."""
        return self._taking_over.union(self.hosts)

    def groups(self) -> list[Group]:
        """Return the changes by kind, most first. Moves are told by how far or by where to, whichever is shorter."""
        places = self._by_place
        moves = self._by_step if places is None or len(places) >= len(self._by_step) else places
        return sorted((*self._still.values(), *moves.values()), key=lambda group: (-group.count, str(group.kind)))

    def samples(self, most: int = SAMPLE) -> list[Sample]:
        """Return some bookings, of each kind of change as far as there is room, in the order of their start."""
        kept = [group.samples() for group in self.groups()]
        in_turn = (sample for turn in zip_longest(*kept) for sample in turn if sample is not None)
        return sorted(islice(in_turn, most), key=_by_start)


def roles_of(hosts: Any) -> Roles:
    """Return the hosts of a booking; what is no host is left out."""
    roles: Roles = {}
    for row in hosts if isinstance(hosts, list) else ():
        if isinstance(row, dict) and isinstance(uid := row.get("userId"), str):
            roles[uid] = _text(row.get("role"))
    return roles


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _of(groups: dict[Kind, Group], kind: Kind) -> Group:
    group = groups.get(kind)
    if group is None:
        kind = kind if len(groups) < MOST_KINDS else OTHERS
        group = groups.setdefault(kind, Group(kind))
    return group


def _sample(line: PlannedChange, booking: Booking, slot: tuple[str, str] | None) -> Sample:
    clock, zone = _zone(_text(booking.get("timeZone")))
    hosts = roles_of(booking.get("hosts"))
    then = roles_of(line.after["hosts"]) if "hosts" in line.after else hosts
    return Sample(
        line.uid,
        _text(line.before.get("status")),
        _text(booking.get("eventTypeId")),
        zone,
        _slot(line.started_at, line.ended_at, clock),
        None if slot is None else _slot(*slot, clock),
        None if hosts == then else (hosts, then),
        Kind(line.action, None, _hosts(hosts, then), *_fields(line)),
    )


def _hosts(now: Roles, then: Roles) -> Hosts | None:
    if now is then or now == then:
        return None
    gone = tuple(sorted(uid for uid in now if uid not in then))
    known = {now[uid] for uid in gone}
    come = tuple(sorted((uid, None if role in known else role or "") for uid, role in then.items() if uid not in now))
    roles = tuple(
        sorted((uid, now[uid] or "", then[uid] or "") for uid in now if uid in then and now[uid] != then[uid])
    )
    return Hosts(gone, come, roles)


def _fields(line: PlannedChange) -> tuple[tuple[tuple[str, str | None, str], ...], tuple[str, ...]]:
    fields: list[tuple[str, str | None, str]] = []
    hidden = []
    for name, value in (line.after if not line.send else {**line.send, **line.after}).items():
        before = line.before.get(name)
        if name in _TOLD_APART or before == value:
            continue
        if name in SHOWN:
            fields.append((name, _word(before), _word(value)))
        else:
            hidden.append(name)
    return tuple(fields), tuple(hidden)


def _word(value: Any) -> str:
    return "none" if value is None else str(value)[:LONGEST]


@lru_cache(maxsize=1024)
def _zone(name: str | None) -> tuple[tzinfo, str]:
    """Return a time zone and its name; UTC where there is no such zone, which is no reason for a plan to fail."""
    try:
        return (timezone.utc, "UTC") if name is None else (ZoneInfo(name), name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return timezone.utc, "UTC"


def _slot(start: str, end: str, clock: tzinfo) -> Slot | None:
    begins, ends = _local(start, clock), _local(end, clock)
    return None if begins is None or ends is None else Slot(begins, ends)


def _local(value: str, clock: tzinfo) -> datetime | None:
    """Return a moment on a wall clock; None where it cannot be read."""
    try:
        # Ten times as fast as the general parser, for the form that Jicoo documents.
        if value.endswith("Z"):
            return datetime.fromisoformat(f"{value[:-1]}+00:00").astimezone(clock)
        return times.moment(value).astimezone(clock)
    except (ValueError, OverflowError):
        return None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc)


def _by_start(sample: Sample) -> tuple[float, str]:
    return (0.0 if sample.now is None else sample.now.start.timestamp(), sample.uid)
