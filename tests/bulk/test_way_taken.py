"""Which arrows of one change's way the engine really takes: at random, in virtual time, killed in between.

Each life is a plan and the tries at it, at a server where anything may go wrong; a failure names its seed.
"""

from __future__ import annotations

import asyncio
import collections
import json
import os
import random
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.errors import JicooError
from airflow_provider_jicoo.api.exchange import NoReply, Reply
from airflow_provider_jicoo.api.retry import Fault, RetryPolicy
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk import Cancel, ShiftTime, Stop, UpdateFields
from airflow_provider_jicoo.bulk.apply import change as change_module
from airflow_provider_jicoo.bulk.apply.effects import Effects
from airflow_provider_jicoo.bulk.apply.run import Run
from airflow_provider_jicoo.bulk.apply.way import ARROWS, Event, State
from airflow_provider_jicoo.bulk.changes import as_change
from airflow_provider_jicoo.bulk.plan import Draft, PlanFile, Terms
from tests.bulk.tools import quick
from tests.bulk.virtual import Disk, Memory, VirtualLoop, at_once

LOAD = bool(os.environ.get("JICOO_LOAD"))
LIVES = 8_000 if LOAD else 300
NOW = datetime(2027, 3, 1, 9, tzinfo=timezone.utc)
KINDS = {
    "quiet": (UpdateFields(priority="high"), False),
    "loud": (UpdateFields(priority="high"), True),
    "cancel": (Cancel(), None),
    "moves": (ShiftTime(minutes=30), False),
}
SELDOM = {
    (State.TO_REPEAT, Event.APPLIED),
    (State.TO_REPEAT, Event.UNKNOWN),
    (State.TO_REPEAT, Event.NOT_ATTEMPTED),
    (State.ANNOUNCED_AGAIN, Event.APPLIED),
    (State.NOT_MADE, Event.APPLIED),
    (State.NOT_MADE, Event.UNKNOWN),
    (State.NOT_MADE, Event.FAILED),
    (State.IN_DOUBT, Event.FAILED),
    (State.DENIED, Event.APPLIED),
    (State.JUDGED, Event.FAILED),
    (State.JUDGED, Event.REJECTED),
    (State.JUDGED, Event.UNCHANGED),
    (State.ANNOUNCED, Event.REJECTED),
    (State.ANNOUNCED, Event.UNCHANGED),
    (State.REFUSED, Event.REJECTED),
    (State.REFUSED, Event.STALE),
    (State.REFUSED, Event.UNCHANGED),
}
"""Arrows that are taken once in some hundred lives or less: several things have to meet within a second. With
``JICOO_LOAD=1``, in thousands of lives, each of them is taken."""
ELSEWHERE = {
    # tests/bulk/test_faults.py::test_what_had_failed_and_whose_turn_does_not_come_is_not_attempted
    (State.LEFT_IN_DOUBT, Event.NOT_ATTEMPTED),
}
"""Arrows that no life was seen to take in thousands, each with the test that takes it."""


class Jicoo:
    """A server, and what is between it and us: at random, anything can go wrong."""

    def __init__(self, rng, count):
        self.rng = rng
        self.now = lambda: 0.0
        self.late = []
        self.messages = collections.Counter()
        self.bookings = {}
        self.faults = rng.choice([0.0, 0.1, 0.4, 0.8])
        # Each life has faults of its own: among all of them, two rare ones seldom meet.
        self.menu = rng.sample(FAULTS, rng.choice([1, 2, 4, len(FAULTS)]))
        self.edits = rng.choice([0.0, 0.02, 0.2])
        for number in range(count):
            start = NOW + timedelta(minutes=30 * number)
            self.bookings[f"b{number:011d}"] = {
                "uid": f"b{number:011d}",
                "eventTypeId": "o072r8CvwVF4",
                "name": f"Guest {number}",
                "description": "",
                "status": "open",
                "priority": "low",
                "timeZone": "UTC",
                "startedAt": times.as_wire(start.isoformat()),
                "endedAt": times.as_wire((start + timedelta(minutes=30)).isoformat()),
                "createdAt": times.as_wire(NOW.isoformat()),
                "updatedAt": times.as_wire(NOW.isoformat()),
                "hosts": [{"userId": "h" * 28, "role": "admin"}],
            }

    def edit(self, uid, **fields):
        if uid in self.bookings:
            moved = NOW + timedelta(seconds=self.now())
            self.bookings[uid] = {**self.bookings[uid], **fields, "updatedAt": times.as_wire(moved.isoformat())}

    def somebody_else(self, uid):
        doing = self.rng.choice(["description", "description", "the same", "delete", "cancel"])
        if doing == "delete" and len(self.bookings) > 4:
            del self.bookings[uid]
        else:
            self.edit(
                uid,
                **{"description": {"description": "mine"}, "cancel": {"status": "cancel"}}.get(
                    doing, {"priority": "high"}
                ),
            )

    async def ask(self, method, path, query, body):
        await asyncio.sleep(self.rng.choice([0.02, 0.1, 0.1, 0.6]))
        for at, change in [each for each in self.late if each[0] <= self.now()]:
            self.late.remove((at, change))
            self.make(*change)
        if self.rng.random() < self.edits:
            self.somebody_else(self.rng.choice(list(self.bookings)))
        uid = path.split("/")[3] if path.count("/") > 2 else None
        return self.read(uid, path) if method == "GET" else self.change(method, uid, path, json.loads(body or b"{}"))

    def read(self, uid, path):
        fault = self.rng.random() < self.faults / 6
        if fault and uid is not None:
            return self.rng.choice([NoReply(Fault.NO_ANSWER, "lost"), self.answer(500), self.answer(429)])
        if path.endswith("/contacts"):
            return self.answer(200, [])
        if uid is None:
            rows = list(self.bookings.values())
            return self.answer(200, rows, totalCount=len(rows), numberOfPages=1)
        return self.answer(200, self.bookings[uid]) if uid in self.bookings else self.answer(404)

    def make(self, method, uid, path, body):
        if uid not in self.bookings:
            return
        loud = method == "POST" or body.pop("isSendUpdates", False)
        body = {name: value for name, value in body.items() if name != "isSendUpdates"}
        self.edit(uid, **({"status": "cancel"} if path.endswith("/cancel") else body))
        self.messages[uid] += bool(loud)

    def change(self, method, uid, path, body):
        if uid not in self.bookings:
            return self.answer(404)
        before = self.bookings[uid]
        change = (method, uid, path, body)
        fault = self.rng.choice(self.menu) if self.rng.random() < self.faults else "made"
        if fault in ("made", "lost after", "500 after", "html", "stamped"):
            self.make(*change)
        if fault in ("late", "lag", "lost and late"):
            self.late.append((self.now() + self.rng.uniform(0.1, 1.9), change))
        if self.rng.random() < self.edits and fault != "made":
            self.somebody_else(uid)
        if fault == "broken":
            raise ZeroDivisionError("the engine itself")
        if fault in ("not sent", "lost before", "lost after", "lost and late"):
            return NoReply(Fault.NOT_SENT if fault == "not sent" else Fault.NO_ANSWER, "gone")
        answers = {
            "made": lambda: self.answer(200, self.bookings.get(uid, before)),
            "late": lambda: self.answer(502),
            "lag": lambda: self.answer(200, before),
            "never": lambda: self.answer(200, before),
            "stamped": lambda: self.answer(200, {**before, "updatedAt": self.bookings.get(uid, before)["updatedAt"]}),
            "another": lambda: self.answer(200, {**before, "uid": "b99999999999"}),
            "html": lambda: Reply(200, {"Content-Type": "text/html"}, b"<html>", 0.0),
        }
        status = fault.split()[0]
        return answers[fault]() if fault in answers else self.answer(int(status))

    def answer(self, status, data=None, **more):
        date = (NOW + timedelta(seconds=self.now())).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"Content-Type": "application/json", "Date": date}
        return Reply(status, headers, json.dumps({"data": data, "errors": {}, **more}).encode(), 0.0)

    async def close(self):
        pass


FAULTS = [
    *("not sent", "429", "429", "lost before", "lost after", "lost and late", "500 before", "500 after", "late"),
    *("lag", "never", "stamped", "another", "html", "400", "302", "401", "broken"),
]


class Life:
    """A plan, and up to four tries at it; all but the last may be killed at any moment."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.kind = self.rng.choice(list(KINDS))
        self.jicoo = Jicoo(self.rng, self.rng.choice([3, 12, 24]))
        self.files = {}
        self.path = Memory(self.files, "plans", "p")
        self.on_doubt = self.rng.choice([None, "again", "leave"])
        self.time = 1000.0
        change, said = KINDS[self.kind]
        draft = Draft(Terms(said, None, "https://api.jicoo.com"))
        for booking in list(self.jicoo.bookings.values()):
            draft.consider(booking, as_change(change))
        self.plan = draft.write(
            self.path,
            1,
            {"selection": {}, "change": as_change(change).describe(), "madeBy": "", "owner": None, "warnings": []},
        )
        draft.close()

    def options(self):
        rng = self.rng
        return quick(
            lease=0.5,
            tolerated_failures=rng.choice(["100%", "100%", "100%", 2]),
            concurrency=rng.choice([1, 2, 6]),
            waves=rng.choice([(), (1, "20%")]),
            on_doubt=self.on_doubt,
            on_stamp=rng.choice(["send", "skip"]),
            reread=rng.choice([None, "list", "each"]),
            chunk=8,
            least_chunk=4,
            fresh=rng.choice([0.05, 0.3, 0.5, 20.0]),
            last_wait=0.2,
            soon=(0.2, 1.0),
            policy=RetryPolicy(
                attempts=rng.choice([2, 3, 6]), base=0.1, longest_backoff=0.5, floor=rng.choice([0.1, 1.0])
            ),
        )

    def try_it(self, *, may_die):
        """One try; return whether it came to its end."""
        loop = VirtualLoop(self.time)
        self.jicoo.now = lambda: loop.time() - 1000.0
        stop = Stop()
        if self.rng.random() < 0.3:
            loop.call_later(self.rng.uniform(0.0, 6.0), stop, "enough")
        begins, ends = sorted(self.rng.choice([0.0, self.rng.uniform(0.0, 6.0)]) for _ in range(2))
        lines = PlanFile(self.path, self.plan.manifest["digest"])
        run = Run(
            Settings("sk_live_x", "https://api.jicoo.com", timeout=1, server_grace=2),
            self.path,
            lines,
            self.options(),
            control=lambda: '{"state": "pause"}' if begins < loop.time() - self.time < ends else None,
            stop=stop,
            by="",
            approval=None,
            tell=None,
            tell_every=1.0,
            effects=Effects(
                clock=loop.time,
                in_thread=at_once,
                transport=lambda settings, connections: self.jicoo,
                random=random.Random(self.rng.random()),
            ),
        )
        try:
            return loop.run_until_complete(self.until_killed(run, self.rng.uniform(0.0, 8.0) if may_die else None))
        finally:
            self.time = loop.time() + self.rng.uniform(0.0, 0.5)
            loop.close()
            lines.close()

    async def until_killed(self, run, seconds):
        working = asyncio.ensure_future(run.run())
        await asyncio.wait([working], timeout=seconds)
        if working.done():
            error = working.exception()
            assert error is None or isinstance(error, (JicooError, ZeroDivisionError)), repr(error)
            return True
        Disk.is_dead = True
        try:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        finally:
            Disk.is_dead = False
        return False

    def check(self):
        """No guest twice; and what is reported is what the server has, as far as nobody else was at it."""
        raw = self.files["plans", "p.report", "outcomes.jsonl"]
        outcomes = {line["uid"]: line["outcome"] for line in map(json.loads, raw.splitlines())}
        assert len(outcomes) == self.plan.manifest["changes"]
        for uid, outcome in outcomes.items():
            if self.on_doubt != "again":
                assert self.jicoo.messages[uid] <= 1, (uid, outcome)
            if outcome in ("unchanged", "stale", "failed", "not_attempted", "rejected"):
                assert not self.jicoo.messages[uid], (uid, outcome)


def live(seed):
    life = Life(seed)
    for left in range(life.rng.choice([1, 2, 4]), -1, -1):
        done = life.try_it(may_die=left > 0)
        if done and life.rng.random() < 0.5:
            break
    else:
        life.check()
    return life


@pytest.mark.timeout(1800 if LOAD else 120)
def test_every_arrow_is_taken_by_somebody(monkeypatch):
    taken = collections.Counter()
    follow = change_module.follow

    def noted(state, event):
        taken[state, event] += 1
        return follow(state, event)

    monkeypatch.setattr(change_module, "follow", noted)
    for seed in range(LIVES):
        try:
            live(seed)
        except Exception as error:
            raise AssertionError(f"the life of seed {seed}") from error

    there = {(state, event) for state, arrows in ARROWS.items() for event in arrows}
    assert not taken.keys() - there, "an event that does not fit"
    missing = there - taken.keys() - ELSEWHERE - (set() if LOAD else SELDOM)
    assert not missing, sorted((state.name, event.name) for state, event in missing)
