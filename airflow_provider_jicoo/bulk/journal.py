"""The journal of an apply: what it was about to send, and what came of it. Survives ``kill -9`` at any instant.

A folder beside the plan, ``<plan>.<digest>.journal``, of files that are written once and whole, since an object store
cannot append:

- ``claim-000001-<token>.json``: a worker has taken the plan. A later claim fences off the earlier worker: it looks
  every few seconds whether there is one, and sends nothing unless it has looked lately (its *lease*). The later worker
  waits until that lease is over before it reads what the earlier one has left. Each writes a file of its own and looks
  then: of two with the same number, the one who sees the other one's gives up, and that is at least one of them.
- ``000001-000001.jsonl``: a segment of that claim. A line ``{"intent": [uid, ...]}`` is durable before any of these is
  sent; a line ``{"uid": ..., "outcome": ...}`` follows. A segment without its last line, ``{"end": true}``, was
  being written when its worker died: nothing in it was acted on.

An intent without an outcome is in doubt: whether it was sent is found out by reading the booking.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_provider_jicoo.bulk.errors import StoppedError
from airflow_provider_jicoo.bulk.files import Folder, names, read, write_durably
from airflow_provider_jicoo.bulk.outcomes import Outcome


@dataclass(slots=True)
class Entry:
    """What the journal knows of one booking.

    :param outcome: None while it is in doubt.
    :param updated_at: the booking's ``updatedAt`` after the change, where it is known.
    :param detail: the words for a person: why it was refused, which fields differ.
    """

    outcome: Outcome | None = None
    updated_at: str | None = None
    detail: str = ""


@dataclass
class History:
    """What earlier tries have left.

    :param claims: number of the last claim; how many tries there were.
    :param released: the last of them ended by itself, so that nobody need wait for its lease.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    claims: int = 0
    released: bool = True


def journal_of(plan: Folder, digest: str) -> Folder:
    """Return the folder of a plan's journal. Another plan written to the same path has another one."""
    folder: Folder = plan.parent / f"{plan.name}.{digest[:12]}.journal"
    return folder


def history(folder: Folder) -> History:
    """Read what earlier tries have left, oldest first."""
    found = History()
    there = names(folder)
    found.claims = max(_claims(there).values(), default=0)
    if found.claims:
        found.released = _released(found.claims) in there
    for name in there:
        if name.endswith(".jsonl"):
            for line in _segment(folder / name):
                _take(found.entries, line)
    return found


def _claims(there: list[str]) -> dict[str, int]:
    """Return the numbers of the claims by their names."""
    return {name: int(name.split("-")[1]) for name in there if name.startswith("claim-")}


def _released(number: int) -> str:
    return f"released-{number:06d}.json"


def _segment(path: Folder) -> Iterator[dict[str, Any]]:
    lines = read(path).splitlines()
    if lines and lines[-1] == b'{"end":true}':
        for raw in lines[:-1]:
            yield msgspec.json.decode(raw)


def _take(entries: dict[str, Entry], line: dict[str, Any]) -> None:
    for uid in line.get("intent", ()):
        entries[uid] = Entry()
    if "uid" in line:
        outcome = line["outcome"]
        if outcome is None:
            # It was announced, but its turn never came.
            entries.pop(line["uid"], None)
        else:
            entries[line["uid"]] = Entry(Outcome(outcome), line.get("updatedAt"), line.get("detail", ""))


class Journal:
    """The journal of one worker.

    :param folder: as :func:`journal_of`.
    :param lease: seconds for which a worker may send after it has looked for a later claim.

    ``lease_before`` is the longest lease of the workers before that have not said that they are done.
    """

    def __init__(self, folder: Folder, lease: float) -> None:
        self._folder = folder
        self.lease = lease
        self.lease_before = 0.0
        self._number = 0
        self._segments = 0
        self._name = ""

    def claim(self, found: History) -> None:
        """Take the plan.

        :raises StoppedError: another worker took it in the same moment.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._number = found.claims + 1
        self._name = f"claim-{self._number:06d}-{uuid.uuid4().hex}.json"
        write_durably(self._folder / self._name, json.dumps({"lease": self.lease, "at": time.time()}).encode())
        there = names(self._folder)
        claims = _claims(there)
        if any(number >= self._number and name != self._name for name, number in claims.items()):
            raise StoppedError(f"another worker has just taken this plan ({self._folder}); try again")
        # Only now: whoever claimed before has a whole claim by now, or will see this one.
        for name, number in claims.items():
            if number < self._number and _released(number) not in there:
                self.lease_before = max(self.lease_before, self._lease(self._folder / name))

    def mine(self) -> bool:
        """Tell whether nobody has taken the plan since."""
        claims = _claims(names(self._folder))
        return self._name in claims and max(claims.values()) == self._number

    def _lease(self, claim: Folder) -> float:
        try:
            return float(json.loads(read(claim))["lease"])
        except ValueError:
            return self.lease  # it was killed while it wrote this, or is about to see that it is not alone

    def write(self, outcomes: list[dict[str, Any]], intents: list[str]) -> None:
        """Write a segment: outcomes so far, and what is to be sent next. Returns when it is durable."""
        if not outcomes and not intents:
            return
        lines: list[Any] = [*outcomes, *([{"intent": intents}] if intents else []), {"end": True}]
        self._segments += 1
        content = msgspec.json.Encoder().encode_lines(lines)
        write_durably(self._folder / f"{self._number:06d}-{self._segments:06d}.jsonl", content)

    def release(self) -> None:
        """Say that this worker sends nothing more."""
        write_durably(self._folder / _released(self._number), b"{}")
