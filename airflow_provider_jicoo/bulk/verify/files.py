"""Plan, journal and report against each other; Jicoo is not asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

import msgspec

from airflow_provider_jicoo.bulk.apply.journal import History, announced, history
from airflow_provider_jicoo.bulk.files import StorePath, read_bytes
from airflow_provider_jicoo.bulk.journal_files import (
    CLAIM,
    RELEASED,
    SEGMENT,
    TAKEN,
    journal_names,
    journal_of,
    last_claim,
    token_in,
)
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan import PlanFile
from airflow_provider_jicoo.bulk.report import report_of
from airflow_provider_jicoo.bulk.report.write import outcomes
from airflow_provider_jicoo.bulk.verify.verification import (
    AGREES,
    COUNTS,
    INTENTS,
    MERGED,
    OUTCOMES,
    SENDS,
    WHOLE,
    Verdict,
    Verification,
)

_WORDS = frozenset(outcome.value for outcome in Outcome)
_COUNTED = ("counts", "changes", "adjusted", "sentMoreThanOnce")


@dataclass
class Reported:
    """What a report says, and what the journal knows of it.

    :param outcomes: the outcome of each planned change, in the plan's order.
    :param entries: what the journal knows, by uid.
    """

    outcomes: list[Outcome]
    entries: Mapping[str, Entry]


def check_files(path: StorePath, plan: PlanFile, found: Verification) -> Reported | None:
    """Check plan, journal and report against each other.

    :param path: of the plan, which is not in shards.
    :return: what the report says; None where it does not say what became of each planned change.
    """
    digest, folder = plan.header["digest"], report_of(path)
    facts = read_facts(folder, COUNTS, found)
    if facts is not None and facts["digest"] != digest:
        found.note(COUNTS, Verdict.FALSE, f"{folder.name} is the report of another plan, {facts['digest']}")
        return None
    try:
        rows = list(read_outcomes(folder))
    except OSError as error:
        found.note(OUTCOMES, Verdict.UNTOLD, _cannot(folder.name, "outcomes.jsonl", error))
        return None
    except ValueError as error:
        found.note(OUTCOMES, Verdict.FALSE, f"{folder.name}/outcomes.jsonl is damaged: {error}")
        return None
    if facts is not None:
        check_counts(facts, rows, len(plan), found)
    is_aligned = _check_order(plan, rows, found)
    journal = _read_journal(journal_of(path, digest), plan, found)
    if not is_aligned:
        return None
    if journal is None:
        journal = History()
    else:
        _check_journal(journal, plan, rows, facts, found)
    return Reported([Outcome(row["outcome"]) for row in rows], journal.entries)


def _cannot(folder: str, name: str, error: OSError) -> str:
    return f"{folder}/{name} " + ("is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}")


def read_facts(folder: StorePath, check: str, found: Verification) -> dict[str, Any] | None:
    """Return what is in ``report.json``; None where it cannot be read, which is noted."""
    try:
        facts = json.loads(read_bytes(folder / "report.json"))
    except OSError as error:
        found.note(check, Verdict.UNTOLD, _cannot(folder.name, "report.json", error))
        return None
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict) or not {"digest", "try", *_COUNTED} <= facts.keys():
        found.note(check, Verdict.FALSE, f"{folder.name}/report.json is damaged")
        return None
    return facts


def read_outcomes(folder: StorePath) -> Iterator[dict[str, Any]]:
    """Yield what ``outcomes.jsonl`` has.

    :raises OSError: it cannot be read.
    :raises ValueError: something in it is no outcome.
    """
    with (folder / "outcomes.jsonl").open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                row = msgspec.json.decode(raw)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict) or not isinstance(row.get("uid"), str) or row.get("outcome") not in _WORDS:
                raise ValueError(f"line {number} is no outcome")
            yield row


def check_counts(
    facts: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], planned: int, found: Verification
) -> None:
    """Check the counts of a report against its outcomes."""
    found.note(COUNTS)
    counted = counts_of(rows)
    found.counts.update(counted["counts"])
    for name in _COUNTED[:3]:
        _compare(COUNTS, name, facts[name], counted[name], found)
    if facts["changes"] != planned:
        found.note(COUNTS, Verdict.FALSE, f"report.json has {facts['changes']} changes, the plan {planned}")
    found.note(SENDS)
    _compare(SENDS, "sentMoreThanOnce", facts["sentMoreThanOnce"], counted["sentMoreThanOnce"], found)
    for row in rows:
        if row.get("sends", 0) > 1:
            found.note(SENDS, Verdict.TRUE, "sent more than once, as far as they may have arrived", row["uid"])


def _compare(check: str, name: str, said: Any, counted: Any, found: Verification) -> None:
    if said != counted:
        found.note(check, Verdict.FALSE, f"report.json says of {name}: {said}, and its outcomes are {counted}")


def counts_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what ``report.json`` has to say of its outcomes."""
    counts: Counter[str] = Counter()
    changes = adjusted = sent_again = 0
    for row in rows:
        counts[row["outcome"]] += 1
        changes += 1
        adjusted += bool(row.get("adjusted"))
        sent_again += row.get("sends", 0) > 1
    return {
        "counts": {outcome.value: counts[outcome.value] for outcome in Outcome},
        "changes": changes,
        "adjusted": adjusted,
        "sentMoreThanOnce": sent_again,
    }


def _check_order(plan: PlanFile, rows: list[dict[str, Any]], found: Verification) -> bool:
    """Check that there is one outcome for each planned change; tell whether there is."""
    found.note(OUTCOMES)
    for number, (planned, row) in enumerate(zip_longest(plan, rows), 1):
        if planned is not None and row is not None and planned.uid == row["uid"]:
            continue
        uid = row["uid"] if planned is None else planned.uid
        words = "has an outcome and is not in the plan" if planned is None else "has no outcome where the plan has it"
        found.note(OUTCOMES, Verdict.FALSE, f"the booking of line {number} {words}", uid)
        return False
    return True


def _read_journal(folder: StorePath, plan: PlanFile, found: Verification) -> History | None:
    """Return what the journal says; None where there is none, which is noted."""
    found.note(WHOLE)
    try:
        journal = history(folder)
        intents = announced(folder)
        emptied = list(_emptied(folder))
    except OSError as error:
        found.note(WHOLE, Verdict.UNTOLD, f"{folder.name} cannot be read: {error}")
        return None
    if not journal.claims:
        found.note(WHOLE, Verdict.UNTOLD, f"{folder.name} is missing")
        return None
    for damage in (*journal.damage, *emptied):
        found.note(WHOLE, Verdict.UNTOLD, f"{folder.name}: {damage}")
    found.note(INTENTS)
    strays = set(journal.entries)
    for planned in plan:
        strays.discard(planned.uid)
        entry = journal.entries.get(planned.uid)
        if entry is None or planned.uid in intents:
            continue
        if entry.sends or entry.outcome is Outcome.APPLIED:
            # What is missing of a damaged journal may have been the intent.
            verdict = Verdict.UNTOLD if journal.damage else Verdict.FALSE
            found.note(INTENTS, verdict, "sent, and the journal has no intent of it", planned.uid)
    for uid in sorted(strays):
        found.note(INTENTS, Verdict.FALSE, "in the journal, and not in the plan", uid)
    return journal


def _emptied(folder: StorePath) -> Iterator[str]:
    """Yield the small files of a journal that do not say whose they are, each in words.

    An apply goes on without them. But who sends has written them whole, so that the storage has lost something.

    :raises OSError: the folder cannot be read.
    """
    there = journal_names(folder)
    last = last_claim(there)
    senders = {(int(match[1]), match[2]) for name in there if (match := SEGMENT.fullmatch(name))}
    sent = {number for number, _ in senders}
    for name in there:
        token = token_in(folder / name)
        if match := CLAIM.fullmatch(name):
            is_damaged = (int(match[1]), match[2][:8]) in senders and token != match[2]
        elif match := TAKEN.fullmatch(name):
            is_damaged = int(match[1]) in sent and token is None
        else:
            # One that was killed while it wrote this has left nothing else behind.
            match = RELEASED.fullmatch(name)
            is_damaged = match is not None and int(match[1]) == last and token is None
        if is_damaged:
            yield f"{name} does not say whose it is"


def _check_journal(
    journal: History,
    plan: PlanFile,
    rows: list[dict[str, Any]],
    facts: Mapping[str, Any] | None,
    found: Verification,
) -> None:
    """Check each outcome of a report against what the journal says of it."""
    found.note(AGREES)
    is_later = facts is not None and journal.claims > facts["try"]
    ended_early = facts is not None and facts.get("endedEarly")
    for row, known in zip(rows, outcomes(plan, journal.entries), strict=True):
        if row == known:
            continue
        differing = sorted(name for name in {*row, *known} if row.get(name) != known.get(name))
        words = f"they differ in {', '.join(differing)}"
        if "outcome" in differing:
            words = f"the report says {row['outcome']}, the journal {known['outcome']}"
        verdict = Verdict.UNTOLD if journal.damage else Verdict.FALSE
        if is_later:
            verdict, words = Verdict.UNTOLD, f"{words}: another try has begun since the report was written"
        elif (row["outcome"], known["outcome"]) == ("not_attempted", "unknown"):
            # An earlier try left it in doubt, the last one found it as before, and ended before it could send it.
            verdict = Verdict.UNTOLD
        elif not journal.released and _is_open(journal.entries.get(row["uid"])):
            verdict, words = Verdict.UNTOLD, f"{words}: the end of the journal is missing"
        elif ended_early and (row["outcome"], known["outcome"]) == ("not_attempted", "failed"):
            verdict, words = Verdict.TRUE, "it had failed in an earlier try, and the last one ended before its turn"
        found.note(AGREES, verdict, words, row["uid"])


def _is_open(entry: Entry | None) -> bool:
    """Tell whether a journal does not say what became of a change."""
    return entry is None or entry.outcome is None


def check_merged(path: StorePath, shards: Iterable[StorePath], found: Verification) -> None:
    """Check the merged report of a plan in shards against those of the shards.

    :param path: of the plan.
    """
    found.note(MERGED)
    facts = read_facts(report_of(path), MERGED, found)
    folders = [report_of(shard) for shard in shards]
    try:
        rows, parts = read_outcomes(report_of(path)), chain.from_iterable(map(read_outcomes, folders))
        for number, (row, part) in enumerate(zip_longest(rows, parts), 1):
            if row != part:
                uid = (row or part or {})["uid"]
                found.note(MERGED, Verdict.FALSE, f"outcome {number} is not that of the shards, in their order", uid)
                break
        counted = counts_of(chain.from_iterable(map(read_outcomes, folders)))
    except OSError as error:
        found.note(MERGED, Verdict.UNTOLD, f"outcomes cannot be read: {error}")
        return
    except ValueError as error:
        found.note(MERGED, Verdict.FALSE, f"outcomes are damaged: {error}")
        return
    for name in _COUNTED if facts is not None else ():
        assert facts is not None
        _compare(MERGED, name, facts[name], counted[name], found)
