"""What became of a plan: ``report.json``, ``outcomes.jsonl`` and ``report.html`` in ``<plan>.report``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import msgspec

from airflow_provider_jicoo.api.errors import JicooError
from airflow_provider_jicoo.bulk.documents import Approval, ReportedOutcome, ReportFacts, TryFacts
from airflow_provider_jicoo.bulk.files import StorePath, make_folder, read_bytes, written_durably
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan import PlanFile, PlannedChange
from airflow_provider_jicoo.bulk.report.page import Changed, WorstFirst, page
from airflow_provider_jicoo.bulk.report.reasons import Reasons
from airflow_provider_jicoo.bulk.report.timeline import Timeline


@dataclass(frozen=True)
class Report:
    """What became of a plan.

    :param path: the folder of the report.
    :param counts: how many changes ended in which outcome; together, all that were planned.
    :param reason: why the run ended before its end, or empty.
    :param error: the error that ended it, or None.
    :param facts: what is in ``report.json``.
    """

    path: StorePath
    counts: Mapping[str, int]
    reason: str = ""
    error: JicooError | None = None
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """Whether nothing failed, nothing is unknown, not everything was stale, and the run came to its end."""
        lost = any(self.counts.get(outcome.value) for outcome in (Outcome.FAILED, Outcome.UNKNOWN))
        return not self.reason and not lost and not self.all_stale

    @property
    def all_stale(self) -> bool:
        """Whether nothing is as planned, since the bookings were edited after the plan was made."""
        return bool(self.counts.get(Outcome.STALE.value)) and not any(
            self.counts.get(outcome.value) for outcome in Outcome if outcome.is_fine
        )

    def __str__(self) -> str:
        """Return the counts and where the report is."""
        total = sum(self.counts.values())
        counted = ", ".join(f"{count:,} {name}" for name, count in self.counts.items() if count) or "nothing to do"
        notes = [f" Ended early: {self.reason}."] if self.reason else []
        if self.all_stale:
            notes.append(" Every booking was edited since the plan was made, and left alone: make a new plan.")
        if self.facts.get("adjusted"):
            notes.append(f" Jicoo stored {self.facts['adjusted']:,} of them with other values than were sent.")
        if self.facts.get("sentMoreThanOnce"):
            notes.append(f" {self.facts['sentMoreThanOnce']:,} may have been sent more than once.")
        return f"{total:,} planned changes: {counted}.{''.join(notes)} Report: {self.path / 'report.html'}"


def write_report(
    plan: StorePath,
    lines: PlanFile,
    entries: Mapping[str, Entry],
    *,
    timeline: Timeline,
    requests: int,
    refused: int,
    sent_again: int,
    approval: Approval | None,
    tries: int,
    reason: str,
    error: JicooError | None,
) -> Report:
    """Write the report of a run.

    :param entries: outcomes by uid; a line without one was not attempted.
    :param requests: how many requests were answered or lost in this try.
    :param refused: how many of them for now, with 429 or 503.
    :param sent_again: how often a request was sent again, or read back.
    :param approval: who agreed to the plan, and when.
    :param tries: which try this was.
    """
    folder = report_of(plan)
    make_folder(folder)
    counts: Counter[str] = Counter()
    adjusted = sent_more_than_once = 0
    wrong, reasons, changed = WorstFirst(), Reasons(), Changed(lines.header.get("hosts", {}))
    with written_durably(folder / "outcomes.jsonl") as file:
        for line in lines:
            outcome = _outcome_of(line, entries.get(line.uid))
            counts[outcome["outcome"]] += 1
            adjusted += "adjusted" in outcome
            sent_more_than_once += "sends" in outcome
            wrong.add(outcome)
            reasons.add(outcome)
            changed.add(outcome, line)
            file.write(msgspec.json.encode(outcome) + b"\n")
    ended = datetime.now(timezone.utc)
    this_try: TryFacts = {
        "try": tries,
        "startedAt": timeline.begun.isoformat(timespec="milliseconds"),
        "endedAt": ended.isoformat(timespec="milliseconds"),
        "seconds": round((ended - timeline.begun).total_seconds(), 2),
        "requests": requests,
        "refused": refused,
        "sentAgain": sent_again,
        "endedEarly": reason or None,
    }
    facts: ReportFacts = {
        "plan": str(plan),
        "digest": lines.header["digest"],
        "approval": approval,
        "jicoo": lines.header["terms"]["baseUrl"],
        "selection": lines.header.get("selection"),
        "change": lines.header.get("change"),
        "changes": len(lines),
        "counts": {outcome.value: counts[outcome.value] for outcome in Outcome},
        **this_try,
        "adjusted": adjusted,
        "sentMoreThanOnce": sent_more_than_once,
        "timeline": timeline.json(),
        "tries": [*earlier_tries(folder, lines.header["digest"], tries), this_try],
        "reasons": reasons.json(),
    }
    write_facts(folder, facts, wrong, changed)
    return Report(folder, facts["counts"], reason, error, facts)


def earlier_tries(folder: StorePath, digest: str, before: int) -> list[TryFacts]:
    """Return the tries at a plan that a report tells of which stands there by now.

    :param digest: of the plan: a report of another one at its path is none.
    :param before: the number of the try that writes the next report.
    """
    try:
        facts = json.loads(read_bytes(folder / "report.json"))
        # What wrote it may have been of an earlier version, which told of its own try alone.
        told = facts.get("tries", [facts]) if facts["digest"] == digest else []
        return [{name: each[name] for name in TryFacts.__annotations__} for each in told if each["try"] < before]  # type: ignore[misc]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, OSError):
        return []


def write_facts(folder: StorePath, facts: ReportFacts, wrong: Iterable[ReportedOutcome], changed: Changed) -> None:
    """Write ``report.json`` and ``report.html``."""
    with written_durably(folder / "report.json") as file:
        file.write(json.dumps(facts, ensure_ascii=False, indent=1).encode() + b"\n")
    with written_durably(folder / "report.html") as file:
        for part in page(facts, wrong, changed):
            file.write(part.encode())


def report_of(plan: StorePath) -> StorePath:
    """Return the folder of a plan's report."""
    folder: StorePath = plan.parent / f"{plan.name}.report"
    return folder


def is_reported(plan: StorePath, digest: str) -> bool:
    """Tell whether there is a report of this plan, not of another one that stood at its path before."""
    try:
        facts = json.loads(read_bytes(report_of(plan) / "report.json"))
        return bool(facts["digest"] == digest)
    except (ValueError, RecursionError, KeyError, TypeError, FileNotFoundError, NotADirectoryError):
        return False


def outcomes(lines: Iterable[PlannedChange], entries: Mapping[str, Entry]) -> Iterator[ReportedOutcome]:
    """Yield what became of each planned change, in the plan's order."""
    for line in lines:
        yield _outcome_of(line, entries.get(line.uid))


def _outcome_of(line: PlannedChange, entry: Entry | None) -> ReportedOutcome:
    # Announced but without an outcome: only a try that was killed leaves one like this.
    outcome = Outcome.NOT_ATTEMPTED if entry is None else entry.outcome or Outcome.UNKNOWN
    made: ReportedOutcome = {"uid": line.uid, "action": line.action, "outcome": outcome.value}
    if entry is not None and entry.detail:
        made["detail"] = entry.detail
    if entry is not None and entry.adjusted:
        made["adjusted"] = True
    if entry is not None and entry.sends > 1:
        made["sends"] = entry.sends
    return made


def merge_reports(reports: Iterable[StorePath], into: StorePath) -> Report:
    """Make one report of those of several shards.

    :param reports: folders of reports.
    :param into: the folder to write.
    :raises FileNotFoundError: a shard has no report.
    """
    folders = list(reports)
    parts: list[ReportFacts] = [json.loads(read_bytes(folder / "report.json")) for folder in folders]
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part["counts"])
    endings = [part["endedEarly"] for part in parts if part["endedEarly"]]
    started = min((part["startedAt"] for part in parts if part["startedAt"]), default=None)
    ended = max((part["endedAt"] for part in parts if part["endedAt"]), default=None)
    facts: ReportFacts = {
        "plan": ", ".join(part["plan"] for part in parts),
        "digest": ", ".join(part["digest"] for part in parts),
        "approval": _one_approval(parts),
        "jicoo": ", ".join(sorted({part["jicoo"] for part in parts})),
        "selection": parts[0]["selection"] if parts else None,
        "change": parts[0]["change"] if parts else None,
        "changes": sum(part["changes"] for part in parts),
        "counts": {outcome.value: counts[outcome.value] for outcome in Outcome},
        "endedEarly": "; ".join(endings) or None,
        "try": max((part["try"] for part in parts), default=0),
        "startedAt": started,
        "endedAt": ended,
        # Times of the whole plan: shards may have run one after the other.
        "seconds": _seconds(started, ended) if started and ended else 0.0,
        "requests": sum(part["requests"] for part in parts),
        "refused": sum(part["refused"] for part in parts),
        "sentAgain": sum(part["sentAgain"] for part in parts),
        "adjusted": sum(part["adjusted"] for part in parts),
        "sentMoreThanOnce": sum(part["sentMoreThanOnce"] for part in parts),
        "timeline": [],
        "tries": [],
        "reasons": [],
    }
    make_folder(into)
    wrong, reasons, changed = WorstFirst(), Reasons(), Changed({})
    with written_durably(into / "outcomes.jsonl") as file:
        for line in _all_outcomes(folders):
            file.write(line)
            made: ReportedOutcome = json.loads(line)
            wrong.add(made)
            reasons.add(made)
            changed.add(made)
    facts["reasons"] = reasons.json()
    write_facts(into, facts, wrong, changed)
    return Report(into, facts["counts"], "; ".join(endings), None, facts)


def _one_approval(parts: list[ReportFacts]) -> Approval | None:
    """Return the approval that the shards have in common; of several, all names and the last moment."""
    approvals = [approval for part in parts if (approval := part.get("approval"))]
    if not approvals:
        return None
    return {
        "digest": ", ".join(dict.fromkeys(each["digest"] for each in approvals)),
        "by": ", ".join(dict.fromkeys(each["by"] for each in approvals)),
        "at": max(each["at"] for each in approvals),
    }


def _seconds(started: str, ended: str) -> float:
    return round((datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds(), 2)


def _all_outcomes(folders: Iterable[StorePath]) -> Iterator[bytes]:
    for folder in folders:
        with (folder / "outcomes.jsonl").open("rb") as file:
            yield from file
