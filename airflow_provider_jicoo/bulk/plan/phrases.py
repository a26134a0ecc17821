"""How a change, a day and a distance in time read, in Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from airflow_provider_jicoo.api.exhaustive import assert_never
from airflow_provider_jicoo.bulk.plan.markdown import text, words
from airflow_provider_jicoo.bulk.plan.names import Names
from airflow_provider_jicoo.bulk.plan.tally import OTHERS, Hosts, Kind, Place, Roles, Sample, Slot, Step

MOST_HOSTS = 6
"""How many hosts of one booking are named."""
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")  # not those of the machine's language
_FIELDS = {"priority": "priority", "timeZone": "time zone"}


def describe(kind: Kind, names: Names) -> str:
    """Return what changes have in common, in Markdown."""
    if kind == OTHERS:
        return "other changes"
    parts = []
    if kind.hosts is not None:
        parts += _handover(kind.hosts, names)
    if isinstance(kind.move, Step):
        parts.append(_step(kind.move))
    elif isinstance(kind.move, Place):
        parts.append(_place(kind.move))
    parts += [
        f"{_FIELDS[name]} → {text(then)}" if now is None else f"{_FIELDS[name]} {text(now)} → {text(then)}"
        for name, now, then in kind.fields
    ]
    parts += [f"{text(name)} changes" for name in kind.hidden]
    match kind.action:
        case "update":
            return ", ".join(parts) or "changes"
        case "cancel" | "reschedule":
            return " ".join([kind.action, ", ".join(parts)]).rstrip()
        case _:
            return assert_never(kind.action)


def _handover(hosts: Hosts, names: Names) -> list[str]:
    gone = some(map(names.host, hosts.gone or ()), MOST_HOSTS, " + ")
    come = some((names.host(uid) + _in_role(role) for uid, role in hosts.come), MOST_HOSTS, " + ")
    parts = []
    if hosts.gone is None or (gone and come):
        parts.append(" ".join(filter(None, ("host", gone, "→", come))))
    elif gone:
        parts.append(f"host {gone} leaves")
    elif come:
        parts.append(f"host {come} joins")
    roles = (f"host {names.host(uid)}{_in_role(now)} →{_in_role(then)}" for uid, now, then in hosts.roles)
    return [*parts, *roles]


def _in_role(role: str | None) -> str:
    return "" if role is None else f" as {text(role or 'no role')}"


def _step(step: Step) -> str:
    if step.start == step.end:
        return span(step.start)
    if not step.start:
        return f"end {span(step.end)}"
    if not step.end:
        return f"start {span(step.start)}"
    return f"start {span(step.start)}, end {span(step.end)}"


def span(by: timedelta) -> str:
    """Return how far something moves."""
    seconds = int(abs(by).total_seconds())
    units = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts = []
    for unit, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count:,} {unit}{'s' if unit == 'day' and count > 1 else ''}")
    return f"{' '.join(parts) or '0 min'} {'earlier' if by < timedelta(0) else 'later'}"


def _place(place: Place) -> str:
    if place.at is None:
        return f"to {day(place.day)}, same time"
    hour, minute, zone = place.at
    return f"to {day(place.day)} {hour:02}:{minute:02} {words(zone)}"


def before_and_after(sample: Sample, names: Names) -> tuple[str, str]:
    """Return what differs, as it is and as it will be. What differs within that is in bold."""
    parts = []
    if sample.hosts is not None:
        now, then = sample.hosts
        parts.append((_hosts(now, then, names), _hosts(then, now, names)))
    if sample.now is not None and sample.then is not None:
        parts.append((_differing(sample.now, sample.then), _differing(sample.then, sample.now)))
    for name, before, after in sample.kind.fields:
        parts.append((f"{_FIELDS[name]} {bold(text(before or ''))}", f"{_FIELDS[name]} {bold(text(after))}"))
    parts += [("", f"{text(name)} {bold('changes')}") for name in sample.kind.hidden]
    if sample.kind.action == "cancel":
        parts.append((text(sample.status or "?"), bold("cancel")))
    return ", ".join(now for now, _ in parts if now) or "(not shown)", ", ".join(then for _, then in parts)


def _hosts(these: Roles, others: Roles, names: Names) -> str:
    shown = []
    for uid, role in these.items():
        if uid not in others:
            shown.append(bold(names.host(uid)))
        elif role != others[uid]:
            shown.append(f"{names.host(uid)} {bold(text(role or 'no role'))}")
        else:
            shown.append(names.host(uid))
    return some(shown, MOST_HOSTS, " + ") or "nobody"


def _differing(this: Slot, other: Slot) -> str:
    """Return a slot with what differs from the other in bold; the day, where that stays, is told beside it."""
    at = _clocks(this) if _clocks(this) == _clocks(other) else bold(_clocks(this))
    same_day = this.start.date() == other.start.date()
    return at if same_day else f"{bold(day(this.start.date()))} {at}"


def begin(slot: Slot | None) -> str:
    """Return when a booking starts."""
    return "at an unreadable time" if slot is None else f"{day(slot.start.date())} {_clock(slot.start)}"


def _clocks(slot: Slot) -> str:
    end = _clock(slot.end)
    if slot.end.date() != slot.start.date():
        end = f"{day(slot.end.date())} {end}"
    return f"{_clock(slot.start)}–{end}"


def _clock(moment: datetime) -> str:
    """Return the time of the day, with its offset where the clock shows it twice, as daylight saving ends."""
    twice = moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset()
    return f"{moment:%H:%M}" + (f"{moment:%z}" if twice else "")


def day(value: date) -> str:
    """Return a day with its weekday."""
    return f"{WEEKDAYS[value.weekday()]} {value.isoformat()}"


def some(items: Iterable[str], most: int, between: str) -> str:
    """Join some of the items, and say how many more there are."""
    every = list(items)
    more = [f"{len(every) - most:,} more"] if len(every) > most else []
    return between.join([*every[:most], *more])


def bold(value: str) -> str:
    """Return Markdown in bold; it stands between spaces, commas or the ends of a line."""
    return f"**{value}**"
