"""What was found: check by check, and the verdict over all."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PLAN = "The plan is what its digest says"
OUTCOMES = "Each planned booking has one outcome, in the plan's order"
COUNTS = "report.json counts what outcomes.jsonl has"
WHOLE = "The journal is whole"
AGREES = "The journal says the same as the report"
INTENTS = "Nothing was sent without an intent in the journal"
SENDS = "What was sent more than once is counted"
MERGED = "The merged report is that of its shards"
READ = "The bookings can be read"
SHOWN = "What is applied or unchanged shows in Jicoo"
NOT_MADE = "What is rejected, failed, stale or not attempted was not changed"
UNKNOWN = "What is unknown is told as such"
CHECKS = (PLAN, OUTCOMES, COUNTS, WHOLE, AGREES, INTENTS, SENDS, MERGED, READ, SHOWN, NOT_MADE, UNKNOWN)

NAMED_AT_MOST = 20
"""Bookings that are named of those of which the same was found."""


class Verdict(str, enum.Enum):
    """Whether something that a report says is so."""

    TRUE = "true"
    UNTOLD = "cannot be told"
    FALSE = "false"


_WORST = (Verdict.TRUE, Verdict.UNTOLD, Verdict.FALSE)
_SIGNS = {Verdict.TRUE: "ok", Verdict.UNTOLD: "?", Verdict.FALSE: "FALSE"}
_VERDICTS = {
    Verdict.TRUE: "The report is true",
    Verdict.UNTOLD: "Whether the report is true cannot be told",
    Verdict.FALSE: "The report is NOT true",
}


@dataclass
class Found:
    """The same finding of some bookings, or one of none in particular.

    :param words: what was found; nothing of a guest.
    :param count: of how many bookings; 0 where it is of none in particular.
    :param bookings: ids of the first of these.
    """

    verdict: Verdict
    words: str
    count: int = 0
    bookings: list[str] = field(default_factory=list)


class Verification:
    """What came of verifying a report.

    :param plan: path of the plan.

    ``digest`` is the plan's, ``counts`` has how many outcomes of which kind its reports name, and ``checks`` what was
    found in each check: one that found nothing to say has an empty list, one that was not made is not there.
    """

    def __init__(self, plan: str) -> None:
        self.plan = plan
        self.digest = ""
        self.counts: Counter[str] = Counter()
        self.checks: dict[str, list[Found]] = {}

    def note(self, check: str, verdict: Verdict = Verdict.TRUE, words: str = "", uid: str | None = None) -> None:
        """Add what was found.

        :param words: empty where all is as it should be.
        :param uid: the booking of which it is.
        """
        entries = self.checks.setdefault(check, [])
        if not words:
            return
        found = next((each for each in entries if (each.verdict, each.words) == (verdict, words)), None)
        if found is None:
            found = Found(verdict, words)
            entries.append(found)
        if uid is not None:
            found.count += 1
            if len(found.bookings) < NAMED_AT_MOST:
                found.bookings.append(uid)

    @property
    def verdict(self) -> Verdict:
        """Whether the report is true."""
        return max((self.verdict_of(check) for check in self.checks), key=_WORST.index, default=Verdict.UNTOLD)

    def verdict_of(self, check: str) -> Verdict:
        """Return the verdict of one check, of those that were made."""
        return max((each.verdict for each in self.checks[check]), key=_WORST.index, default=Verdict.TRUE)

    @property
    def exit_code(self) -> int:
        """0 where the report is true, 1 where it is not, 2 where that cannot be told."""
        return {Verdict.TRUE: 0, Verdict.FALSE: 1, Verdict.UNTOLD: 2}[self.verdict]

    def json(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return {
            "plan": self.plan,
            "digest": self.digest,
            "verdict": self.verdict.value,
            "counts": dict(self.counts),
            "checks": [
                {
                    "check": check,
                    "verdict": self.verdict_of(check).value,
                    "found": [
                        {"verdict": each.verdict.value, "words": each.words, "count": each.count}
                        | {"bookings": each.bookings}
                        for each in self.checks[check]
                    ],
                }
                for check in CHECKS
                if check in self.checks
            ],
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in self.counts.items() if count)
        yield f"{_VERDICTS[self.verdict]}: {self.counts.total():,} planned changes{': ' + counts if counts else ''}."
        yield f"Plan: {self.plan}"
        yield ""
        for check in CHECKS:
            if check not in self.checks:
                continue
            yield f"{_SIGNS[self.verdict_of(check)]:<6}{check}"
            for each in sorted(self.checks[check], key=lambda found: -_WORST.index(found.verdict)):
                named = ", ".join(each.bookings) + (", ..." if each.count > len(each.bookings) else "")
                yield f"      - {each.words}" + (f" ({each.count:,}: {named})" if each.count else "")
