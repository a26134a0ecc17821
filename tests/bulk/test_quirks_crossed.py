"""Each way in which Jicoo may behave, crossed with plan, apply, kill, resume and undo.

What is said is compared with the sandbox's own log: no guest is messaged twice, nothing is green over a loss, after the
undo all is as before or it is said why not, and whatever cannot be done ends with an error of the package's own.
``make test-proofs`` runs each quirk with two kinds of change, ``JICOO_LOAD=1`` with every kind.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.errors import JicooError
from airflow_provider_jicoo.api.written import reflects
from airflow_provider_jicoo.bulk import (
    Cancel,
    Options,
    ReplaceHost,
    Reschedule,
    Selection,
    ShiftTime,
    Timing,
    UpdateFields,
    apply_plan,
    plan_changes,
    plan_undo,
)
from airflow_provider_jicoo.sandbox import Sandbox
from airflow_provider_jicoo.sandbox.quirks import QUIRKS
from tests.bulk.conftest import until
from tests.bulk.tools import FAST, connect, outcomes, read_plan

LOAD = bool(os.environ.get("JICOO_LOAD"))
NOW = datetime(2027, 3, 1, tzinfo=timezone.utc)
BOOKINGS = 14
WAIT = 30.0
"""Seconds within which every run ends."""
SETTINGS = {"timeout": 0.5, "server_grace": 0.5}
ONE_AT_A_TIME = threading.Lock()
KILLED_AFTER = 3  # changes that were made
BITES = {
    "cut-names": ("5",),
    "drift": ("timeZone", "eventTypeId", "locationId", "userId", "uid"),
    "stored-otherwise": ("name", "description", "priority", "startedAt", "endedAt", "hosts", "timeZone"),
    "ignored-field": ("name", "description", "startedAt", "hosts", "timeZone"),
    "late-effect": ("0.3s",),
    "late-list": ("1s",),
    "late-read": ("0.3s",),
    "reschedule-makes-new": ("new", "old"),
    "bad-rows": ("surrogate", "hosts=null", "null"),
    "page-cap": ("5",),
    "page-limit": ("5",),
    "page-fixed": ("5",),
    "list-cap": ("8",),
    "list-cap-told": ("8",),
    "no-totals": ("all", "totalCount"),
    "lying-totals": ("numberOfPages", "totalCount", "count"),
    "unpaged": ("all",),
    "retry-after": ("0.2s",),
    "retry-after-date": ("1s",),
}
"""Values with which a quirk meets a dozen bookings."""
LIMITED = ("limit-503", "retry-after", "retry-after-date", "clock-ahead", "no-date")
REFUSING = ("conflict-409", "names-guest", "errors-as", *LIMITED)


def given():
    for name in QUIRKS:
        yield from ((f"{name}={value}" for value in BITES[name]) if name in BITES else (name,))


def text(booking):
    """Return a change of texts that Jicoo may write its own way."""
    number = sum(map(ord, booking["uid"])) % 3
    description = ("", "One  &  two\nCafe\u0301 ｶﾅ ", "Room 2")[number]
    return UpdateFields(name=f"  {booking['name']}  (B&B)  ", description=description, priority="high")


def reschedule(booking):
    return Reschedule(times.moment(booking["startedAt"]) + timedelta(days=3640, seconds=30), time_zone="Europe/Paris")


def change_of(kind, sandbox):
    """Return a kind's change, what it is for, and whether guests are messaged."""
    host = collections.Counter(
        host["userId"] for row in sandbox.bookings() if row["status"] == "open" for host in row["hosts"]
    ).most_common(1)[0][0]
    other = next(user["uid"] for user in sandbox.users if user["uid"] != host)
    everything, still_open = Selection(), Selection(status="open")
    return {
        "text": (text, everything, False),
        "message": (text, still_open, True),
        "move": (ShiftTime(minutes=7 * 1440), still_open, True),
        "host": (ReplaceHost(host, other), everything, False),
        "reschedule": (reschedule, still_open, None),
        "cancel": (Cancel(), still_open, None),
    }[kind]


KINDS = ("text", "message", "move", "host", "reschedule", "cancel")


class Crossing:
    """One quirk and one kind of change, from the plan to the undo.

    ``told`` collects what was said instead of a result.
    """

    def __init__(self, nursery, folder, quirk, kind):
        self.nursery, self.folder, self.quirk, self.kind = nursery, folder, quirk, kind
        self.told = []

    def run(self):
        name = self.quirk.partition("=")[0]
        with ONE_AT_A_TIME:  # pydantic warns of nothing at all where two threads build the same models
            sandbox = Sandbox(bookings=BOOKINGS, seed=7, now=NOW, quirks=[self.quirk])
        with sandbox:
            self.sandbox = sandbox
            sandbox.latency = 0.02
            if name in LIMITED:
                sandbox.rate_limit = 15
            self.before = {row["uid"]: row for row in sandbox.bookings()}
            try:
                self.plan = self.planned()
            except JicooError as error:
                self.told.append(f"{type(error).__name__}: {error}")
                assert not sandbox.changes
                return
            if name in REFUSING:
                sandbox.fail("refused", method="PATCH", times=1)
                sandbox.fail("refused", method="POST", times=1)
            self.apply_and_kill()
            self.undo()

    def planned(self):
        change, selection, self.said = change_of(self.kind, self.sandbox)
        with connect(self.sandbox, **SETTINGS, on_unproven="warn") as jicoo:
            plan = plan_changes(jicoo, selection, change, self.folder / "plan.jsonl", is_send_updates=self.said)
        lines = {line["uid"] for line in read_plan(self.folder / "plan.jsonl")[1]}
        meant = {uid for uid, row in self.before.items() if selection.status in (None, row["status"])}
        if self.kind != "host" and lines != meant:
            assert plan.manifest["warnings"], f"{meant - lines} are missing without a word"
        return plan

    @property
    def lines(self):
        return {line["uid"]: line for line in read_plan(self.folder / "plan.jsonl")[1]}

    def job(self):
        return {
            "url": self.sandbox.url,
            "key": self.sandbox.api_key,
            "plan": str(self.folder / "plan.jsonl"),
            "digest": self.plan.manifest["digest"],
            "policy": {field.name: getattr(FAST, field.name) for field in dataclasses.fields(FAST) if field.compare},
            "waves": (),
            "timeout": SETTINGS["timeout"],
            "grace": SETTINGS["server_grace"],
            "options": {"lease": 0.2, "concurrency": 2, "tolerated_failures": "100%"},
        }

    def apply_and_kill(self):
        worker = self.nursery.start(self.job())
        until(lambda: worker.ended or len(self.sandbox.changes) >= KILLED_AFTER, WAIT, 0.01)
        worker.kill()
        self.check_messages(1)
        worker = self.nursery.start(self.job())
        said = worker.wait(WAIT)  # an error that is none of the package's own has another exit code
        self.told.append(said)
        self.sandbox.settle()
        self.check_messages(1)
        if (self.folder / "plan.jsonl.report").exists():
            self.check_report(self.folder / "plan.jsonl", self.before, is_green=worker.exit_code == 0)
        else:
            assert worker.exit_code == 3

    def undo(self):
        path = self.folder / "undo.jsonl"
        applied = self.sandbox.bookings()
        try:
            with connect(self.sandbox, **SETTINGS) as jicoo:
                plan = plan_undo(jicoo, self.plan, path, is_send_updates=self.said is not False)
                options = Options(
                    lease=0.2,
                    concurrency=4,
                    tolerated_failures="100%",
                    waves=(),
                    timing=Timing(policy=FAST, last_wait=0.2),
                )
                began = time.monotonic()
                try:
                    apply_plan(jicoo, plan, options=options)
                finally:
                    assert time.monotonic() - began < WAIT
        except JicooError as error:
            self.told.append(f"undo: {type(error).__name__}: {error}")
            is_green = False
        else:
            is_green = True
        self.sandbox.settle()
        self.check_messages(2)
        if not Path(f"{path}.report").exists():
            assert not is_green
            return
        self.check_report(path, {row["uid"]: row for row in applied}, is_green=is_green)
        self.check_undone(path)

    # --- what is said against what is so -----------------------------------------------------------------------------

    def check_messages(self, most):
        each = collections.Counter((message.uid, message.guest) for message in self.sandbox.messages)
        twice = {who: count for who, count in each.items() if count > most}
        assert not twice, f"messaged more than {most} times: {twice}"
        if self.said is False:
            assert not each, "a quiet change messages nobody"

    def check_report(self, path, before, *, is_green):
        planned = {line["uid"]: line for line in read_plan(path)[1]}
        found = {each["uid"]: each for each in outcomes(path)}
        assert found.keys() == planned.keys(), "not one outcome for each"
        now = {row["uid"]: row for row in self.sandbox.bookings()}
        for uid, outcome in found.items():
            word, line = outcome["outcome"], planned[uid]
            if word in ("applied", "unchanged"):
                lost = [
                    name
                    for name, value in line["after"].items()
                    if not reflects(now[uid], {name: value}) and not outcome.get("adjusted")
                ]
                assert not lost, f"{uid} is said to be {word}, but {lost} are not: {now[uid]}, {outcome}"
            elif word != "unknown":
                same = {**now[uid], "updatedAt": ""} == {**before[uid], "updatedAt": ""}
                assert same, f"{uid} is said to be {word}, but it is changed: {outcome}"
        # What is refused is tolerated here.
        bad = {each["outcome"] for each in found.values()} & {"failed", "unknown", "not_attempted"}
        assert not (is_green and bad), "green over a loss"

    def check_undone(self, path):
        left = {each["uid"] for each in read_plan(path)[0]["leftAlone"]}
        undone = {each["uid"]: each for each in outcomes(path)}
        done = {each["uid"]: each for each in outcomes(self.folder / "plan.jsonl")}
        for uid, line in self.lines.items():
            if done[uid]["outcome"] != "applied" or uid in left:
                continue
            back = undone.get(uid, {"outcome": "applied"})
            if back["outcome"] not in ("applied", "unchanged") or back.get("adjusted"):
                continue
            row = self.sandbox.booking(uid)
            other = [name for name in line["after"] if not reflects(row, {name: self.before[uid][name]})]
            assert not other, f"{uid} is said to be taken back, but {other} are not: {row}, {back}"


MEETS = {"ost": "host", "imeZone": "reschedule", "resched": "reschedule", "edAt": "move", "cut-to": "move"}
"""The kind of change that a quirk with these letters in its name or value is of; by default one of texts."""


def chosen():
    """Yield every quirk, with the kind of change that it is of and another in turn; under a load with all of them."""
    turns = itertools.cycle(KINDS)
    for quirk in given():
        own = next((kind for letters, kind in MEETS.items() if letters in quirk), "text")
        for kind in KINDS if LOAD else {own: None, next(turns): None}:
            yield quirk, kind


GROUPS = 8


@pytest.mark.proof
@pytest.mark.timeout(1800 if LOAD else 300)
@pytest.mark.parametrize("group", range(GROUPS))
def test_each_quirk_with_kill_resume_and_undo(nursery, tmp_path, group):
    """Several at once: most of the time each of them waits for a lease or a late server."""

    def cross(asked):
        quirk, kind = asked
        folder = tmp_path / f"{quirk.replace('/', '-')}-{kind}"
        folder.mkdir()
        crossing = Crossing(nursery, folder, quirk, kind)
        try:
            crossing.run()
        except Exception as error:
            return f"{quirk}, {kind}: {type(error).__name__}: {error}; told was: {crossing.told}"
        return None

    with ThreadPoolExecutor(8) as pool:
        asked = list(chosen())[group::GROUPS]
        results = list(pool.map(cross, asked))
    assert not [result for result in results if result is not None]
