"""What the proofs of the events share: bursts of changes in the sandbox, and what became of each of them in Airflow."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.stack import AirflowStack

FINAL = ("success", "failed")


class Rung(NamedTuple):
    """An event that Jicoo has sent, or should have."""

    event: str
    uid: str


class State(NamedTuple):
    """A booking as it was at some moment."""

    uid: str
    updated_at: str


@dataclass(frozen=True)
class Verdict:
    """What became of what was to be done; nothing in it where all is well."""

    missing: list[Any] = field(default_factory=list)
    doubled: list[Any] = field(default_factory=list)
    unknown: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, expected: Iterable[Any], seen: Iterable[Any]) -> Verdict:
        """Compare what was to be done with what was done, each as often as it stands there."""
        wanted, found = Counter(expected), Counter(seen)
        return cls(
            missing=sorted((wanted - found).elements()),
            doubled=sorted(each for each in (found - wanted).elements() if each in wanted),
            unknown=sorted(each for each in (found - wanted).elements() if each not in wanted),
        )

    @property
    def is_well(self) -> bool:
        return not (self.missing or self.doubled or self.unknown)


class Burst:
    """Bookings made, moved and cancelled in a sandbox, at a pace.

    Of ten events seven make a booking, two move one and one cancels one, each booking at most once after it was made:
    two events of one name and one booking within a second could not be told apart.

    :param jicoo: the sandbox.
    :param events: how many.
    :param per_second: how many a second; behind schedule it makes up leeway.
    """

    def __init__(self, jicoo: Sandbox, events: int, per_second: float = 50) -> None:
        self.jicoo = jicoo
        self.events = events
        self.per_second = per_second
        self.rung: list[Rung] = []
        self.states: list[State] = []
        """Each state that a booking was in, in order."""
        self._untouched: list[str] = []
        self._error: BaseException | None = None
        self._half = threading.Event()
        self._thread = threading.Thread(target=self._run, name="burst", daemon=True)

    def start(self) -> Burst:
        """Begin, beside whoever asks for it."""
        self._thread.start()
        return self

    def wait_for_half(self) -> None:
        """Wait until half of it has happened."""
        assert self._half.wait(120 + 2 * self.events / self.per_second)
        self._complain()

    def finish(self) -> Burst:
        """Wait until all of it has happened."""
        self._thread.join(120 + 2 * self.events / self.per_second)
        assert not self._thread.is_alive()
        self._complain()
        assert len(self.rung) == self.events
        return self

    @property
    def last_states(self) -> list[State]:
        """The last state of each booking."""
        return [State(*each) for each in dict(self.states).items()]

    def _complain(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            begin = time.monotonic()
            for number in range(self.events):
                time.sleep(max(0.0, begin + number / self.per_second - time.monotonic()))
                self._change(number)
                if number + 1 >= self.events / 2:
                    self._half.set()
        except BaseException as error:
            self._error = error
            self._half.set()

    def _change(self, number: int) -> None:
        what = "moved" if number % 10 in (4, 8) else "cancelled" if number % 10 == 9 else "made"
        if what == "made":
            start = datetime.now(timezone.utc) + timedelta(days=2, minutes=number)
            booking = self.jicoo.add_booking(status="open", startedAt=start, endedAt=start + timedelta(minutes=30))
            self._untouched.append(booking["uid"])
            event = "guest_booked"
        elif what == "moved":
            uid = self._untouched.pop(0)
            start = datetime.now(timezone.utc) + timedelta(days=5, minutes=number)
            booking = self.jicoo.edit(uid, startedAt=start, endedAt=start + timedelta(minutes=30))
            event = "guest_rescheduled"
        else:
            booking = self.jicoo.edit(self._untouched.pop(0), status="cancel")
            event = "guest_cancelled"
        self.rung.append(Rung(event, booking["uid"]))
        self.states.append(State(booking["uid"], booking["updatedAt"]))


def runs(stack: AirflowStack, dag_id: str) -> Iterator[dict[str, Any]]:
    """Yield what the API says of each run of a DAG."""
    offset, total = 0, 1
    while offset < total:
        page = stack.api.get(f"/dags/{quote(dag_id)}/dagRuns", limit=100, offset=offset, order_by="id")
        yield from page["dag_runs"]
        offset, total = offset + 100, page["total_entries"]


def ended_runs(stack: AirflowStack, dag_id: str, timeout: float) -> list[dict[str, Any]]:
    """Wait until no run of a DAG is to come to an end any more, and return all of them.

    A run that is still to be made is none: whatever makes them must be done.
    """

    def probe() -> list[dict[str, Any]] | None:
        found = list(runs(stack, dag_id))
        return found if all(run["state"] in FINAL for run in found) else None

    def explain() -> str:
        return str(Counter(run["state"] for run in runs(stack, dag_id)))

    return stack.poll(f"all runs of {dag_id} have ended", probe, timeout, explain)


def table(stack: AirflowStack, name: str) -> list[dict[str, Any]]:
    """Return the lines that a consumer has written."""
    path = consumers_table(stack.home, name)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def consumers_table(home: Path, name: str) -> Path:
    """Return where a consumer writes to."""
    return home / f"{name}.consumer.jsonl"


def unpause(stack: AirflowStack, *dag_ids: str, is_paused: bool = False) -> None:
    """Let DAGs run, or stop them."""
    for dag_id in dag_ids:
        stack.wait_for_dag(dag_id)
        stack.api.patch(f"/dags/{quote(dag_id)}", {"is_paused": is_paused}, update_mask="is_paused")
