"""The report as one page that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from airflow_provider_jicoo.bulk.documents import ReportedOutcome, ReportFacts
from airflow_provider_jicoo.bulk.outcomes import Outcome
from airflow_provider_jicoo.bulk.pages.plot import plot
from airflow_provider_jicoo.bulk.pages.render import render, source_hash
from airflow_provider_jicoo.bulk.pages.rows import Row, row_of
from airflow_provider_jicoo.bulk.plan import PlannedChange

ROWS = 5_000
"""How many rows of what did not go through the page has at the most; ``outcomes.jsonl`` has all."""
CHANGED = 2_000
"""How many rows of what was changed it has at the most: a browser on a phone shows these without delay."""
WORST_FIRST = ("unknown", "failed", "rejected", "stale")
"""Outcomes of changes that did not go through, in the order of the page's rows. ``not_attempted`` is a number only."""


class WorstFirst:
    """Changes that did not go through, collected one by one; no more of them are kept than the page shows."""

    def __init__(self) -> None:
        self._kept: dict[str, list[ReportedOutcome]] = {outcome: [] for outcome in WORST_FIRST}

    def add(self, made: ReportedOutcome) -> None:
        """Take in what became of a change."""
        kept = self._kept.get(made["outcome"])
        if kept is not None and len(kept) < ROWS:
            kept.append(made)

    def __iter__(self) -> Iterator[ReportedOutcome]:
        """Yield them, the worst first, and otherwise in the order in which they came."""
        for kept in self._kept.values():
            yield from kept


class Changed:
    """What was changed, collected one by one; no more of it is kept than the page shows.

    Values that may be personal to guests are left out: a report is handed on more easily than a plan.

    :param hosts: names of hosts by their ids.
    """

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self._hosts = hosts
        self.rows: list[Row] = []

    def add(self, made: ReportedOutcome, line: PlannedChange | None = None) -> None:
        """Take in what became of a change.

        :param line: the change; None where only its outcome is known, as in the report of several shards.
        """
        if made["outcome"] != Outcome.APPLIED.value or len(self.rows) >= CHANGED:
            return
        if line is None:
            self.rows.append(Row(made["uid"], made["action"], "", "", ()))
        else:
            self.rows.append(row_of(line, self._hosts, personal=False))


def page(facts: ReportFacts, wrong: Iterable[ReportedOutcome], changed: Changed | None = None) -> Iterator[str]:
    """Yield the page in parts.

    :param facts: what is in ``report.json``.
    :param wrong: the changes that did not go through, the worst first: ``uid``, ``action``, ``outcome``, ``detail``.
    :param changed: what was changed.
    """
    rest = iter(wrong)
    first = next(rest, None)
    shown = () if first is None else chain((first,), islice(rest, ROWS - 1))
    count = facts["counts"].get
    yield from render(
        "report.html",
        policy=f"default-src 'none'; style-src {source_hash('style.css')}; script-src {source_hash('script.js')}; "
        "base-uri 'none'; form-action 'none'",
        facts=facts,
        **of_all_tries(facts),
        reasons=facts.get("reasons", ()),
        plot=plot(facts["timeline"]),
        wrong=shown,
        went_through=first is None,
        # How many there are is in the counts, and where these do not tell, what is left of the rows.
        more=lambda: max(_rest(rest), sum(count(outcome, 0) for outcome in WORST_FIRST) - ROWS),
        left=count("not_attempted", 0),
        changed=changed.rows if changed else (),
        applied=count("applied", 0),
    )


def of_all_tries(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what all tries at a plan took together, and how many of them have told nothing.

    :param facts: what is in ``report.json``, of this version or of one that told of the last try only.
    """
    tries = facts.get("tries") or [facts]
    total = {name: sum(each[name] for each in tries) for name in ("seconds", "requests", "refused")}
    return {"total": total, "untold": max(0, facts["try"] - len(tries))}


def _rest(rows: Iterator[Any]) -> int:
    return sum(1 for _ in rows)
