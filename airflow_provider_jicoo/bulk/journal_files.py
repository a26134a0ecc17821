"""Where the journal of a plan is, and the names of its files: what can be known without reading one.

Their content is described in :mod:`airflow_provider_jicoo.bulk.apply.journal`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from airflow_provider_jicoo.bulk.files import StorePath, list_names

CLAIM = re.compile(r"claim-(\d{6,})-([0-9a-f]{32})\.json")
SEGMENT = re.compile(r"(\d{6,})-([0-9a-f]{8})-(\d{6,})\.jsonl")
TAKEN = re.compile(r"taken-(\d{6,})\.json")
RELEASED = re.compile(r"released-(\d{6,})\.json")
STOPPED = re.compile(r"stopped-(\d{6,})\.json")
NUMBERED = (CLAIM, SEGMENT, TAKEN, RELEASED, STOPPED)
"""The files that tell which claim they are of: their first group is its number."""


def journal_of(plan: StorePath, digest: str) -> StorePath:
    """Return the folder of a plan's journal. Another plan written to the same path has another one."""
    folder: StorePath = plan.parent / f"{plan.name}.{digest[:12]}.journal"
    return folder


def has_begun(folder: StorePath) -> bool:
    """Tell whether any worker has taken the plan: only then may something of it have been sent.

    :raises OSError: the folder cannot be read.
    """
    return last_claim(list_names(folder)) > 0


def journals(plan: StorePath) -> list[str]:
    """Return the names of the journals beside a plan, whatever plan of that name they are of."""
    return [name for name in list_names(plan.parent) if name.startswith(f"{plan.name}.") and name.endswith(".journal")]


def last_claim(there: Sequence[str]) -> int:
    """Return the number of the last claim that any file tells of; 0 where there is none."""
    return max((number for pattern in NUMBERED for number in numbers(pattern, there).values()), default=0)


def numbers(pattern: re.Pattern[str], there: Sequence[str]) -> dict[str, int]:
    """Return the number of the claim of each file of one kind, by its name."""
    return {name: int(match[1]) for name in there if (match := pattern.fullmatch(name))}
