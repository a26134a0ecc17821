"""What the proofs of the events share: bursts of changes in the sandbox, and what became of each of them in Airflow."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple
from urllib.parse import quote

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.stack import AirflowStack

FINAL = ("success", "failed")
RETRIES = (1.0, 2.0, *[4.0] * 75)
"""Seconds after which a webhook is sent again. For five minutes: a receiver that was killed is back by then."""


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


class Account:
    """A Jicoo that a connection of the running Airflow leads to, and all that ever happened in it.

    :param stack: the running Airflow.
    :param conn_id: the connection, which is stored.
    :param dag_id: the DAG that is to hear of it, which is unpaused.
    :param faults: of the webhooks.
    :param extra: of the connection. Without one there are no webhooks.
    """

    def __init__(
        self, stack: AirflowStack, conn_id: str, dag_id: str, faults: Iterable[str] = (), **extra: Any
    ) -> None:
        self.dag_id = dag_id
        url = f"{stack.api.base_url}/jicoo/webhooks/{conn_id}" if extra else None
        self.jicoo = Sandbox(bookings=0, webhook_url=url, webhook_faults=faults, webhook_retries=RETRIES).start()
        self.bursts: list[Burst] = []
        connection = self.jicoo.connection()
        stack.add_connection(conn_id, {**connection, "extra": {**connection.get("extra", {}), **extra}})
        unpause(stack, dag_id)

    def burst(self, events: int, per_second: float) -> Burst:
        """Begin a burst."""
        self.bursts.append(Burst(self.jicoo, events, per_second))
        return self.bursts[-1].start()

    def close(self, stack: AirflowStack) -> None:
        """End it; its DAG hears of nothing any more."""
        unpause(stack, self.dag_id, is_paused=True)
        self.jicoo.stop()

    @property
    def rung(self) -> list[Rung]:
        """Every event so far."""
        return [each for burst in self.bursts for each in burst.rung]

    @property
    def states(self) -> list[State]:
        """Every state that a booking was in."""
        return [each for burst in self.bursts for each in burst.states]

    @property
    def last_states(self) -> list[State]:
        """The last state of each booking."""
        return [State(*each) for each in dict(self.states).items()]


def runs(stack: AirflowStack, dag_id: str) -> Iterator[dict[str, Any]]:
    """Yield what the API says of each run of a DAG."""
    return pages(stack, f"/dags/{quote(dag_id)}/dagRuns", order_by="id")


def pages(stack: AirflowStack, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """Yield all rows of a list of the API."""
    offset, total = 0, 1
    while offset < total:
        page = stack.api.get(path, limit=100, offset=offset, **query)
        (rows,) = (value for value in page.values() if isinstance(value, list))
        yield from rows
        offset, total = offset + 100, page["total_entries"]


def ended_runs(stack: AirflowStack, dag_id: str, timeout: float) -> list[dict[str, Any]]:
    """Wait until no run of a DAG is to come to an end any more, and return all of them.

    A run that is still to be made is none: whatever makes them must be done.
    """

    def probe() -> list[dict[str, Any]] | None:
        found = list(runs(stack, dag_id))
        return found if all(run["state"] in FINAL for run in found) else None

    return stack.poll(f"all runs of {dag_id} have ended", probe, timeout, lambda: states_of_runs(stack, dag_id))


def started_for(stack: AirflowStack, dag_id: str, timeout: float) -> list[Rung]:
    """Return the events that the runs of a DAG were started for, all of which have succeeded by then."""
    found = ended_runs(stack, dag_id, timeout)
    assert Counter(run["state"] for run in found) == {"success": len(found)}
    return [Rung(run["conf"]["event"], run["conf"]["booking_uid"]) for run in found]


def started_for_partitions(stack: AirflowStack, dag_id: str, uri: str, at_least: int, timeout: float) -> list[Rung]:
    """The same for a DAG that is started for the partitions of an asset, one for each event.

    :param at_least: how many runs the scheduler is still to make: it does so after the event is stored.
    """
    stack.poll(
        f"{dag_id} has {at_least} runs",
        lambda: True if sum(1 for _ in runs(stack, dag_id)) >= at_least else None,
        timeout,
        lambda: states_of_runs(stack, dag_id),
    )
    found = ended_runs(stack, dag_id, timeout)
    assert Counter(run["state"] for run in found) == {"success": len(found)}
    (asset,) = stack.api.get("/assets", uri_pattern=uri)["assets"]
    # Last: Airflow 3.3 answers with 500 as long as a run of one of the events has not begun.
    told = {event["partition_key"]: event["extra"] for event in pages(stack, "/assets/events", asset_id=asset["id"])}
    return [Rung(told[key]["event"], told[key]["booking_uid"]) for key in (run["partition_key"] for run in found)]


def wait_for_states(stack: AirflowStack, dag_id: str, wanted: Iterable[State], timeout: float) -> list[State]:
    """Wait until a consumer has written all of these states, and its runs have ended; return all it has written."""
    expected = set(wanted)
    stack.poll(
        f"{dag_id} has handled {len(expected)} states",
        lambda: True if expected <= set(handled(stack, dag_id)) else None,
        timeout,
        lambda: f"{len(expected - set(handled(stack, dag_id)))} are missing; {states_of_runs(stack, dag_id)}",
    )
    found = ended_runs(stack, dag_id, timeout)
    assert Counter(run["state"] for run in found) == {"success": len(found)}
    return handled(stack, dag_id)


def handled(stack: AirflowStack, dag_id: str) -> list[State]:
    """Return what a consumer has written so far."""
    path = stack.home / f"{dag_id}.consumer.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [State(line["uid"], line["updated_at"]) for line in lines]


def states_of_runs(stack: AirflowStack, dag_id: str) -> str:
    """Return how many runs of a DAG are in which state."""
    return str(dict(Counter(run["state"] for run in runs(stack, dag_id))))


def unpause(stack: AirflowStack, *dag_ids: str, is_paused: bool = False) -> None:
    """Let DAGs run, or stop them."""
    for dag_id in dag_ids:
        stack.wait_for_dag(dag_id)
        stack.api.patch(f"/dags/{quote(dag_id)}", {"is_paused": is_paused}, update_mask="is_paused")
