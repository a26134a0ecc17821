"""The journal of an apply: what it was about to send, and what came of it. Survives ``kill -9`` at any instant.

A folder beside the plan, ``<plan>.<digest>.journal``, of files that are written once and whole, since an object store
cannot append:

- ``claim-000001-<token>.json``: a worker has taken the plan. A later claim fences off the earlier worker: it looks
  every few seconds whether there is one, and sends nothing unless it has looked lately (its *lease*). The later worker
  waits until that lease is over before it reads what the earlier one has left. Each writes a file of its own and looks
  then: of two with the same number, each who sees the other one gives up, also where a listing that lags shows it late.
- ``taken-000001.json``: the token of the claim with that number, for storage whose listings lag behind its files.
- ``000001-<token>-000001.jsonl``: a segment of that claim. A line ``{"intent": [uid, ...]}`` is durable before any of
  these is sent, and again before one is sent once more; a line ``{"uid": ..., "outcome": ...}`` follows. The last
  segment of a claim may lack its last line, ``{"end": true}``: it was being written when its worker died, and nothing
  in it was acted on.
- ``released-000001.json``: that worker sends nothing more; tells how many segments it wrote.
- ``stopped-000001.json``: somebody stopped that worker for good.

Other files in the folder are none of the journal's, and left alone. An intent without an outcome is in doubt: whether
it was sent is found out by reading the booking.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import msgspec

from airflow_provider_jicoo.bulk.documents import Approval, Claim, EndLine, IntentLine, OutcomeLine, Release, StopNote
from airflow_provider_jicoo.bulk.entries import Entries
from airflow_provider_jicoo.bulk.errors import StoppedError
from airflow_provider_jicoo.bulk.files import StorePath, list_names, make_folder, read_bytes, write_durably
from airflow_provider_jicoo.bulk.journal_files import (
    CLAIM,
    RELEASED,
    SEGMENT,
    journal_names,
    last_claim,
    numbers,
    segment_name,
    taken_name,
    token_in,
)
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome

_OUTCOMES = frozenset(outcome.value for outcome in Outcome)
_KINDS: dict[str, type] = {"updatedAt": str, "detail": str, "stored": dict, "sends": int}
"""What else may stand in the line of an outcome."""
_END = b'{"end":true}'


@dataclass
class History:
    """What earlier tries have left.

    :param entries: what is known of each booking, by uid.
    :param claims: number of the last claim; how many tries there were.
    :param released: the last of them ended by itself, so that nobody need wait for its lease.
    :param damage: what is missing or cannot be read, each in words; what was sent is then not known.
    :param stopped_by: who ran the last try, where somebody stopped it; empty otherwise.
    """

    entries: Entries = field(default_factory=Entries)
    claims: int = 0
    released: bool = True
    damage: list[str] = field(default_factory=list)
    stopped_by: str = ""


def history(folder: StorePath) -> History:
    """Read what earlier tries have left, oldest first.

    :raises OSError: the folder cannot be read.
    """
    found = History()
    there = journal_names(folder)
    claims = {match[1] + match[2][:8] for name in there if (match := CLAIM.fullmatch(name))}
    found.claims = last_claim(there)
    released = set(numbers(RELEASED, there).values())
    found.released = not found.claims or found.claims in released
    segments = _segments(there)
    for number, token in sorted({(int(each[:-8]), each[-8:]) for each in claims} | segments.keys()):
        _read_claim(folder, number, token, segments.get((number, token), {}), number in released, found)
    known = {int(each[:-8]) for each in claims} | {number for number, _ in segments}
    # A number without claim and segments is known from the other files' names: that worker may have sent anything. For
    # the last number only its release proves it: without one, another worker may just be writing its claim.
    ended = found.claims + (found.claims in released)
    found.damage += [f"the claim {number:06d} is missing" for number in range(1, ended) if number not in known]
    if f"stopped-{found.claims:06d}.json" in there:
        found.stopped_by = _stopped_by(folder / f"stopped-{found.claims:06d}.json")
    return found


def announced(folder: StorePath) -> set[str]:
    """Return the ids of all bookings that any intent in a journal names, whatever became of them.

    :raises OSError: the folder cannot be read.
    """
    found: set[str] = set()
    for name in list_names(folder):
        if SEGMENT.fullmatch(name):
            try:
                for line in _lines(folder / name):
                    if "intent" in line:
                        found.update(line["intent"])
            except (ValueError, RecursionError, FileNotFoundError, msgspec.DecodeError):
                continue  # history() reports unreadable segments
    return found


def _segments(there: Sequence[str]) -> dict[tuple[int, str], dict[int, str]]:
    """Return the names of the segments by their numbers, of each claim."""
    found: dict[tuple[int, str], dict[int, str]] = defaultdict(dict)
    for name in there:
        match = SEGMENT.fullmatch(name)
        if match:
            found[int(match[1]), match[2]][int(match[3])] = name
    return found


def _read_claim(
    folder: StorePath, number: int, token: str, segments: dict[int, str], released: bool, found: History
) -> None:
    last = max(segments, default=0)
    if released:
        last = max(last, _written(folder / f"released-{number:06d}.json", token))
    for segment in range(1, last + 1):
        name = segments.get(segment)
        if name is None:
            found.damage.append(f"segment {number:06d}-{token}-{segment:06d}.jsonl is missing")
            continue
        try:
            lines = list(_lines(folder / name))
        except (ValueError, RecursionError, FileNotFoundError, msgspec.DecodeError) as error:
            if segment < last or released:
                found.damage.append(f"{name} cannot be read ({type(error).__name__})")
            # The last segment of a worker that died was still being written: nothing in it was acted on.
            continue
        for line in lines:
            _take(found.entries, line)


def _written(path: StorePath, token: str) -> int:
    """Return how many segments a worker says that it wrote; 0 where it does not."""
    try:
        told = json.loads(read_bytes(path))
        return int(told["segments"]) if told.get("token", "").startswith(token) else 0
    except (ValueError, KeyError, TypeError, AttributeError, FileNotFoundError):
        return 0


def _stopped_by(path: StorePath) -> str:
    try:
        return str(json.loads(read_bytes(path))["by"])
    except (ValueError, KeyError, TypeError, FileNotFoundError):
        return ""


def _lines(path: StorePath) -> Iterator[IntentLine | OutcomeLine]:
    """Yield the lines of a whole segment.

    :raises ValueError: it is not whole, or is no segment.
    """
    lines = read_bytes(path).splitlines()
    if not lines or lines[-1] != _END:
        raise ValueError("its end is missing")
    for raw in lines[:-1]:
        line = msgspec.json.decode(raw)
        if not isinstance(line, dict) or not (_is_intent(line) or _is_outcome(line)):
            raise ValueError("a line of it is no line of a journal")
        yield line


def _is_intent(line: Mapping[str, Any]) -> TypeGuard[IntentLine]:
    intent = line.get("intent")
    return isinstance(intent, list) and all(isinstance(uid, str) for uid in intent)


def _is_outcome(line: Mapping[str, Any]) -> TypeGuard[OutcomeLine]:
    if not isinstance(line.get("uid"), str) or "outcome" not in line:
        return False
    if not all(isinstance(line.get(name, kind()), kind) for name, kind in _KINDS.items()):
        return False
    outcome = line["outcome"]
    return outcome is None or (isinstance(outcome, str) and outcome in _OUTCOMES)


def _take(entries: Entries, line: IntentLine | OutcomeLine) -> None:
    if "intent" in line:
        for uid in line["intent"]:
            before = entries.get(uid)
            entries[uid] = Entry(sends=1 + (0 if before is None else before.sends))
    else:
        outcome = line["outcome"]
        if outcome is None:
            # It was announced, but its turn never came.
            entries.pop(line["uid"], None)
        else:
            entries[line["uid"]] = Entry(
                Outcome(outcome),
                line.get("updatedAt"),
                line.get("detail", ""),
                line.get("stored"),
                bool(line.get("adjusted")),
                line.get("sends", 0),
            )


def outcome_line(uid: str, entry: Entry) -> OutcomeLine:
    """Return the line of an outcome: ``uid``, ``outcome``, and of the rest what there is."""
    line: OutcomeLine = {"uid": uid, "outcome": None if entry.outcome is None else entry.outcome.value}
    if entry.updated_at is not None:
        line["updatedAt"] = entry.updated_at
    if entry.detail:
        line["detail"] = entry.detail
    if entry.stored:
        line["stored"] = entry.stored
    if entry.adjusted:
        line["adjusted"] = True
    if entry.sends:
        line["sends"] = entry.sends
    return line


class Journal:
    """The journal of one worker.

    :param folder: as :func:`journal_of`.
    :param lease: seconds for which a worker may send after it has looked for a later claim.
    :param approval: who agreed to the plan, and when; stands in the claim, which is there before anything is sent.
    :param token: 32 hexadecimal digits, unlike those of any other worker; by default made at random.

    ``lease_before`` is the longest lease of the workers before that have not said that they are done.
    """

    def __init__(self, folder: StorePath, lease: float, approval: Approval | None = None, *, token: str = "") -> None:
        self.folder = folder
        self._approval = approval
        self.lease = lease
        self.lease_before = 0.0
        self._number = 0
        self._segments = 0
        self._token = token or uuid.uuid4().hex

    @property
    def _name(self) -> str:
        return f"claim-{self._number:06d}-{self._token}.json"

    def claim(self, found: History) -> None:
        """Take the plan.

        :raises StoppedError: another worker took it in the same moment.
        :raises OSError: the folder cannot be written.
        """
        make_folder(self.folder)
        self._number = found.claims + 1
        about: Claim = {"lease": self.lease, "at": time.time(), "token": self._token, "approval": self._approval}
        if (self.folder / taken_name(self._number)).exists():
            raise StoppedError(f"another worker has just taken this plan ({self.folder}); try again")
        write_durably(self.folder / self._name, json.dumps(about).encode())
        write_durably(self.folder / taken_name(self._number), json.dumps(about).encode())
        if not self.mine():
            raise StoppedError(f"another worker has just taken this plan ({self.folder}); try again")
        # Not before our claim is visible: every earlier claim is complete by now, or its worker will see this one.
        there = journal_names(self.folder)
        released = set(numbers(RELEASED, there).values())
        for name, number in numbers(CLAIM, there).items():
            if number < self._number and number not in released:
                self.lease_before = max(self.lease_before, self._lease(self.folder / name))

    def mine(self) -> bool:
        """Tell whether nobody else has taken the plan since, nor at the same moment.

        :raises OSError: the folder cannot be read.
        """
        claims = numbers(CLAIM, list_names(self.folder))
        if self._name not in claims:
            # A lagging listing does not show our own claim yet; exists() asks for the file itself.
            if not (self.folder / self._name).exists():
                return False
            claims[self._name] = self._number
        if any(number >= self._number and name != self._name for name, number in claims.items()):
            return False
        return self._holder() == self._token and not (self.folder / taken_name(self._number + 1)).exists()

    def _holder(self) -> str:
        """Return whose the plan is by the file of this claim's number, which no listing is needed for."""
        # No token yet: the other worker is still writing it, and will look after that.
        return token_in(self.folder / taken_name(self._number)) or self._token

    def _lease(self, claim: StorePath) -> float:
        try:
            return float(json.loads(read_bytes(claim))["lease"])
        except (ValueError, KeyError, TypeError, FileNotFoundError):
            return self.lease  # torn claim: killed while writing it, or about to see that it is not alone

    def write(self, outcomes: Sequence[OutcomeLine], intents: Sequence[str]) -> None:
        """Write a segment: outcomes so far, and what is to be sent next. Returns when it is durable.

        :raises OSError: it cannot be written.
        """
        if not outcomes and not intents:
            return
        lines: list[OutcomeLine | IntentLine | EndLine] = [*outcomes]
        if intents:
            lines.append({"intent": list(intents)})
        lines.append({"end": True})
        content = msgspec.json.Encoder().encode_lines(lines)
        name = segment_name(self._number, self._token, self._segments + 1)
        write_durably(self.folder / name, content)
        self._segments += 1

    def release(self) -> None:
        """Say that this worker sends nothing more."""
        told: Release = {"segments": self._segments, "token": self._token}
        write_durably(self.folder / f"released-{self._number:06d}.json", json.dumps(told).encode())

    def note_stop(self, by: str) -> None:
        """Remember that somebody stopped this worker for good.

        :param by: who ran it, so that a further try of the same one can be told from one that a person began.
        """
        told: StopNote = {"by": by, "at": time.time()}
        write_durably(self.folder / f"stopped-{self._number:06d}.json", json.dumps(told).encode())
