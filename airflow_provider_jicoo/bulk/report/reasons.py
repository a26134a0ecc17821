"""Why changes did not go through: alike ones together, with how many there are and some of them. Pure, and bounded."""

from __future__ import annotations

import re

from airflow_provider_jicoo.bulk.documents import Reason, ReportedOutcome
from airflow_provider_jicoo.bulk.outcomes import Outcome

MOST = 200
"""How many reasons are told apart."""
NAMED = 20
"""How many bookings of each are named."""
OTHERS = "for further reasons, which outcomes.jsonl has"
_PARTICULAR = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?|\b\d+(?:\.\d+)?\b")
_WORST_FIRST = (Outcome.UNKNOWN, Outcome.FAILED, Outcome.REJECTED, Outcome.STALE)


class Reasons:
    """Reasons, collected change by change."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Reason] = {}

    def add(self, made: ReportedOutcome) -> None:
        """Take in what became of a change."""
        if Outcome(made["outcome"]) not in _WORST_FIRST:
            return
        detail = made.get("detail", "")
        key = made["outcome"], _general(detail, made["uid"])
        if key not in self._kept and len(self._kept) >= MOST:
            key, detail = (made["outcome"], OTHERS), OTHERS
        found = self._kept.get(key)
        if found is None:
            self._kept[key] = {"outcome": made["outcome"], "detail": detail, "count": 1, "uids": [made["uid"]]}
            return
        found["count"] += 1
        if found["detail"] != detail:
            found["detail"] = key[1]
        if len(found["uids"]) < NAMED:
            found["uids"].append(made["uid"])

    def json(self) -> list[Reason]:
        """Return them, the worst first, and of these the most frequent."""
        order = {outcome.value: number for number, outcome in enumerate(_WORST_FIRST)}
        return sorted(self._kept.values(), key=lambda each: (order[each["outcome"]], -each["count"], each["detail"]))


def _general(detail: str, uid: str) -> str:
    """Return a reason without what is particular to one booking: its id, and numbers and times."""
    return _PARTICULAR.sub("…", detail.replace(uid, "…") if uid else detail)
