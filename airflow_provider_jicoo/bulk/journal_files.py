"""Where the journal of a plan is, and the names of its files: what can be known without reading one.

Their content is described in :mod:`airflow_provider_jicoo.bulk.apply.journal`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import count

from airflow_provider_jicoo.bulk.files import StorePath, list_names, read_bytes

CLAIM = re.compile(r"claim-(\d{6,})-([0-9a-f]{32})\.json")
SEGMENT = re.compile(r"(\d{6,})-([0-9a-f]{8})-(\d{6,})\.jsonl")
TAKEN = re.compile(r"taken-(\d{6,})\.json")
RELEASED = re.compile(r"released-(\d{6,})\.json")
STOPPED = re.compile(r"stopped-(\d{6,})\.json")
NUMBERED = (CLAIM, SEGMENT, TAKEN, RELEASED, STOPPED)
"""The files that tell which claim they are of: their first group is its number."""
_TOKEN = re.compile(r"[0-9a-f]{32}")


def journal_of(plan: StorePath, digest: str) -> StorePath:
    """Return the folder of a plan's journal. Another plan written to the same path has another one."""
    folder: StorePath = plan.parent / f"{plan.name}.{digest[:12]}.journal"
    return folder


def has_begun(folder: StorePath) -> bool:
    """Tell whether any worker has taken the plan: only then may something of it have been sent.

    :raises OSError: the folder cannot be read.
    """
    return last_claim(journal_names(folder)) > 0


def is_under_way(folder: StorePath) -> bool:
    """Tell whether the last worker that has taken the plan has not said that it is done: it is at work, or was killed.

    :raises OSError: the folder cannot be read.
    """
    there = journal_names(folder)
    return last_claim(there) > max(numbers(RELEASED, there).values(), default=0)


def journals(plan: StorePath) -> list[str]:
    """Return the names of the journals beside a plan, whatever plan of that name they are of."""
    return [name for name in list_names(plan.parent) if name.startswith(f"{plan.name}.") and name.endswith(".journal")]


def journal_names(folder: StorePath) -> list[str]:
    """Return the names of the files in a journal, those too that a listing which lags behind does not show yet.

    A file itself is there at once, and the names of claims and segments follow from those before them. An intent that
    nobody finds would be sent once more.

    :raises OSError: the folder cannot be read.
    """
    there = list_names(folder)
    names = set(there)
    last = last_claim(there)
    for number in count(1):
        token = token_in(folder / taken_name(number))
        if token is None and number > last:
            break
        claim = f"claim-{number:06d}-{token}.json"
        if token is not None and claim not in names and (folder / claim).exists():
            names.add(claim)
    for match in filter(None, map(CLAIM.fullmatch, sorted(names))):
        _add_segments(folder, int(match[1]), match[2], names)
    return sorted(names)


def _add_segments(folder: StorePath, number: int, token: str, names: set[str]) -> None:
    """Add the names of the segments of one claim that are there."""
    start = segment_name(number, token, 1)[: -len("000001.jsonl")]
    last = max(
        (int(match[3]) for name in names if name.startswith(start) and (match := SEGMENT.fullmatch(name))), default=0
    )
    for segment in count(1):
        name = segment_name(number, token, segment)
        if name not in names and (folder / name).exists():
            names.add(name)
        elif name not in names and segment > last:
            return


def taken_name(number: int) -> str:
    """Return the name of the file that has the token of a claim."""
    return f"taken-{number:06d}.json"


def segment_name(number: int, token: str, segment: int) -> str:
    """Return the name of a segment.

    :param number: of the claim.
    :param token: of the claim.
    :param segment: its own number, from 1.
    """
    return f"{number:06d}-{token[:8]}-{segment:06d}.jsonl"


def token_in(path: StorePath) -> str | None:
    """Return whose claim a file tells of; None where it tells of none."""
    try:
        token = json.loads(read_bytes(path))["token"]
    except (ValueError, KeyError, TypeError, FileNotFoundError):
        return None
    return token if isinstance(token, str) and _TOKEN.fullmatch(token) else None


def last_claim(there: Sequence[str]) -> int:
    """Return the number of the last claim that any file tells of; 0 where there is none."""
    return max((number for pattern in NUMBERED for number in numbers(pattern, there).values()), default=0)


def numbers(pattern: re.Pattern[str], there: Sequence[str]) -> dict[str, int]:
    """Return the number of the claim of each file of one kind, by its name."""
    return {name: int(match[1]) for name in there if (match := pattern.fullmatch(name))}
