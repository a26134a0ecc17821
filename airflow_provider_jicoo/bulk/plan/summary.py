"""A plan in Markdown, made to be read before it is agreed to: what changes, for whom, when, and what that does.

It has to be readable within half a minute, in Airflow's Required Actions, in a notebook or in a terminal: its length
does not grow with the plan. What is personal to guests stays out of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import islice, zip_longest
from typing import Any, TypeVar

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.bulk.documents import LeftAlone, Manifest, PlanHeader, TermsDocument
from airflow_provider_jicoo.bulk.plan.markdown import code, table, text, words
from airflow_provider_jicoo.bulk.plan.names import Names
from airflow_provider_jicoo.bulk.plan.phrases import before_and_after, begin, day, describe, some
from airflow_provider_jicoo.bulk.plan.tally import OTHERS, Kind, Tally

MOST_LINES = 8
"""How many kinds of changes are listed, and how many event types, hosts and days are counted out."""
MOST_LEFT = 6
"""How many bookings that are left alone are named, and how many cycles."""
MOST_WORDS = 500
"""Characters of a warning that are shown at the most."""
PERSONAL = frozenset({"name_matches"})
"""Fields of a selection that may hold a guest's name."""

T = TypeVar("T")


def summary(manifest: Manifest, header: PlanHeader, terms: TermsDocument, tally: Tally, names: Names) -> str:
    """Return the whole plan in Markdown.

    :param manifest: its counts and its digest.
    :param header: selection, change, cycles, what is left alone, and who made it. Either may have the ``warnings`` of
        reading the bookings, a list of texts.
    :param terms: what holds for all changes.
    :param tally: what was counted while it was made.
    :param names: names of hosts and event types.
    """
    parts = {
        "": [*_warnings(manifest, header), *_effects(manifest, terms)],
        "Changes": changes(tally, names),
        "Bookings": _counts(tally, names),
        "Examples": _samples(tally, names, manifest["changes"]),
        "Left alone": _left_alone(header.get("leftAlone", [])),
        "Plan": _facts(manifest, header, terms, names),
    }
    lines = [_headline(manifest), ""]
    for title, part in parts.items():
        if part:
            lines += [*([f"#### {title}", ""] if title else []), *part, ""]
    return "\n".join(lines)


def changes(tally: Tally, names: Names) -> list[str]:
    """Return the kinds of changes with their numbers, as items of a list."""
    counts = Counter({group.kind: group.count for group in tally.groups()})
    if len(counts) > MOST_LINES:
        alike: Counter[Kind] = Counter()
        for kind, count in counts.items():
            alike[kind.becomes()] += count
        counts = alike if len(alike) < len(counts) else counts
    by_count = sorted(counts.items(), key=lambda counted: (-counted[1], str(counted[0])))
    lines = [f"- {count:,} × {describe(kind, names)}" for kind, count in by_count[:MOST_LINES]]
    rest = by_count[MOST_LINES:]
    if rest:
        lines.append(f"- {sum(count for _, count in rest):,} × {describe(OTHERS, names)}")
    return lines


def examples(tally: Tally, names: Names, most: int) -> list[str]:
    """Return some bookings and what becomes of them, as items of a list."""
    return [
        f"- {code(sample.uid)} {begin(sample.now)} {words(sample.zone)}: {describe(sample.moved(), names)}"
        for sample in tally.samples(most)
    ]


def _headline(manifest: Manifest) -> str:
    count, same = manifest["changes"], manifest["unchanged"]
    will = "booking" if count == 1 else "bookings"
    return f"**{count:,} {will} will be changed**, {same:,} {'is' if same == 1 else 'are'} so already."


def _warnings(manifest: Manifest, header: PlanHeader) -> list[str]:
    warnings = manifest.get("warnings") or header.get("warnings") or []
    lines = [f"- **Warning:** {text(warning, MOST_WORDS)}" for warning in warnings[:MOST_LINES]]
    if len(warnings) > MOST_LINES:
        lines.append(f"- {len(warnings) - MOST_LINES:,} more warnings are in the manifest")
    cycles = header["cycles"]
    lines += [
        f"- **No order works** for these, which take each other's slots: {some(map(code, cycle), MOST_LINES, ', ')}"
        for cycle in cycles[:MOST_LEFT]
    ]
    if len(cycles) > MOST_LEFT:
        lines.append(f"- {len(cycles) - MOST_LEFT:,} more such circles")
    return lines


def _effects(manifest: Manifest, terms: TermsDocument) -> list[str]:
    if not manifest["changes"]:
        return []
    count, final = manifest["guests_notified"], manifest["irreversible"]
    if count:
        guests = f"Guests of **{count:,}** {'booking' if count == 1 else 'bookings'} will be messaged"
        lines = [f"- {guests}{_said(terms['updateMessage'])}"]
    else:
        lines = ["- No guest will be messaged."]
    if final:
        lines.append(f"- **{final:,}** {'change' if final == 1 else 'changes'} cannot be undone.")
    else:
        lines.append("- No change is irreversible.")
    return lines


def _said(message: str | None) -> str:
    lines = [words(line) for line in (message or "").splitlines() if line.strip()]
    return f", with these words: {' ↵ '.join(lines)}" if lines else "."


def _counts(tally: Tally, names: Names) -> list[str]:
    lines = []
    if tally.days:
        lines.append(f"- Days (local): {_days(tally.days)}")
    if tally.new_days and tally.new_days != tally.days:
        lines.append(f"- New days (local): {_days(tally.new_days)}")
    if tally.event_types:
        lines.append(f"- Event types: {_counted(tally.event_types, names.event_type)}")
    if tally.hosts:
        lines.append(f"- Hosts now: {_counted(tally.hosts, names.host)}")
    return lines


def _days(days: Counter[date]) -> str:
    if len(days) <= MOST_LINES:
        return ", ".join(f"{days[each]:,} × {day(each)}" for each in sorted(days))
    most = sorted(days, key=lambda each: (-days[each], each))[:3]
    largest = ", ".join(f"{days[each]:,} × {day(each)}" for each in most)
    return f"{day(min(days))} to {day(max(days))}, {len(days):,} days; the largest {largest}"


def _counted(counts: Counter[T], show: Callable[[T], str]) -> str:
    by_count = sorted(counts.items(), key=lambda counted: (-counted[1], str(counted[0])))
    return some((f"{count:,} × {show(each)}" for each, count in by_count), MOST_LINES, ", ")


def _samples(tally: Tally, names: Names, changes: int) -> list[str]:
    samples = tally.samples()
    if not samples:
        return []
    zones = {sample.zone for sample in samples}
    zone = f" ({words(samples[0].zone)})" if len(zones) == 1 else ""
    rows = [
        (
            begin(sample.now) + ("" if zone else f" {words(sample.zone)}"),
            *before_and_after(sample, names),
            names.event_type(sample.event_type),
            code(sample.uid),
        )
        for sample in samples
    ]
    # On a phone the last columns are out of sight.
    lines = table((f"Local time{zone}", "Now", "Then", "Event type", "Booking"), rows)
    if len(samples) < changes:
        lines += ["", f"{len(samples)} of {changes:,}, spread over the kinds of changes."]
    return lines


def _left_alone(left: Sequence[LeftAlone]) -> list[str]:
    if not left:
        return []
    whys = Counter(each["why"] for each in left)
    by_count = sorted(whys.items(), key=lambda counted: (-counted[1], counted[0]))
    reasons = some((f"{count:,} × {text(why)}" for why, count in by_count), MOST_LINES, ", ")
    # The first of each reason, then the second of each: those of one do not hide those of another.
    kept = [[each for each in left if each["why"] == why] for why, _ in by_count]
    in_turn = (each for turn in zip_longest(*kept) for each in turn if each is not None)
    named = [f"  - {code(each['uid'])}: {text(each['why'])}" for each in islice(in_turn, MOST_LEFT)]
    return [f"- **{len(left):,} are left alone**: {reasons}", *named]


def _facts(manifest: Manifest, header: PlanHeader, terms: TermsDocument, names: Names) -> list[str]:
    """Return what identifies the plan and what it costs, a line each."""
    at, by = header.get("madeAt"), header.get("madeBy")
    made = [*([_moment(at)] if at else []), *([text(by, MOST_WORDS)] if by else [])]
    lines = [
        f"Selection: {_pairs(header['selection'], names) or 'everything'}",
        f"Change: {_change(header['change'], names)}",
        *([f"Made: {', '.join(made)}"] if made else []),
        *([f"In {len(manifest['shards'])} shards"] if len(manifest["shards"]) > 1 else []),
        *names.notes,
        *_requests(manifest),
        f"Jicoo: {code(terms['baseUrl'])}",
        f"Digest: `{manifest['digest']}`",
    ]
    return [f"- {line}" for line in lines]


def _requests(manifest: Manifest) -> list[str]:
    if not manifest.get("requests"):
        return []
    each = ": each booking whose guest is messaged is read right before" if manifest["guests_notified"] else ""
    return [f"Applying it takes about {manifest['requests']:,} requests{each}"]


def _moment(at: str) -> str:
    moment = times.moment(at)
    return f"{day(moment.date())} {moment:%H:%M} UTC"


def _change(change: Mapping[str, Any], names: Names) -> str:
    given = {name: value for name, value in change.items() if name != "change"}
    return ", ".join(filter(None, (text(change["change"]), _pairs(given, names))))


def _pairs(values: Mapping[str, Any], names: Names) -> str:
    return ", ".join(f"{name} = {_value(name, value, names)}" for name, value in values.items())


def _value(name: str, value: Any, names: Names) -> str:
    if name in PERSONAL:
        return "(not shown)"
    known = names.of(str(value))
    return text(value) if known is None else f"{code(value)} ({known})"
