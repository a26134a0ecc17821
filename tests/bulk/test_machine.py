"""Plans are made, applied, stopped, gone on with and undone, while somebody else edits, adds and deletes bookings.

A model in a few lines says what has to become of each planned booking. With ``JICOO_LOAD=1`` for much longer, and a
failure is made as short as it gets.
"""

from __future__ import annotations

import collections
import dataclasses
import os
import shutil
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.written import reflects_exactly
from airflow_provider_jicoo.bulk import (
    Cancel,
    Options,
    ReplaceHost,
    Selection,
    ShiftTime,
    Stop,
    Timing,
    UpdateFields,
    apply_plan,
    plan_changes,
    plan_undo,
)
from airflow_provider_jicoo.bulk.errors import BulkFailedError, StoppedError
from airflow_provider_jicoo.bulk.plan import Plan
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import FAST, connect, outcomes, read_plan

LOAD = bool(os.environ.get("JICOO_LOAD"))
NOW = datetime(2026, 9, 1, 3, tzinfo=timezone.utc)
FINAL = ("applied", "unchanged", "stale", "rejected")
QUIET = Options(
    lease=0.2,
    tolerated_failures="100%",
    concurrency=4,
    on_doubt="again",
    timing=Timing(policy=dataclasses.replace(FAST, attempts=8)),
)
ONE_BY_ONE = dataclasses.replace(QUIET, concurrency=1)
CHOICE = st.integers(0, 10**6)


@dataclasses.dataclass
class Planned:
    """A plan, and what is known to have become of it."""

    plan: Plan
    lines: list[dict]
    rows: dict[str, dict]
    """The bookings as they were when it was made."""
    known: dict[str, str] = dataclasses.field(default_factory=dict)
    """The final outcomes by uid."""
    requests: set[int] = dataclasses.field(default_factory=set)
    """The numbers of the requests that its applies have sent."""


class Bulk(RuleBasedStateMachine):
    sandbox: Sandbox

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed):
        self.sandbox.reset(bookings=12, seed=seed)
        self.folder = Path(tempfile.mkdtemp(prefix="jicoo-machine-"))
        self.jicoo = connect(self.sandbox)
        self.plans: list[Planned] = []
        self.make_a_plan(seed, "fields", seed % 3 == 0)

    def teardown(self):
        if hasattr(self, "folder"):
            self.jicoo.close()
            shutil.rmtree(self.folder)

    def now(self):
        return {row["uid"]: row for row in self.sandbox.bookings()}

    def any_uid(self, number):
        uids = sorted(self.now())
        return uids[number % len(uids)] if uids else None

    # --- somebody else -----------------------------------------------------------------------------------------------

    @rule(which=CHOICE, what=st.sampled_from(["description", "priority", "hosts", "time", "status", "the same"]))
    def edit(self, which, what):
        uid = self.any_uid(which)
        if uid is None:
            return
        row = self.sandbox.booking(uid)
        later = {name: times.moment(row[name]) + timedelta(minutes=30) for name in ("startedAt", "endedAt")}
        fields = {
            "description": {"description": f"somebody's {which}"},
            "priority": {"priority": ("low", "middle", "high", None)[which % 4]},
            "hosts": {"hosts": [{"userId": self.sandbox.users[which % 8]["uid"], "role": "admin"}]},
            "time": later,
            "status": {"status": "cancel"},
            "the same": {"description": row["description"]},
        }
        self.sandbox.edit(uid, **fields[what])

    @precondition(lambda self: self.plans)
    @rule(which=CHOICE)
    def does_the_same_as_a_plan(self, which):
        planned = self.plans[which % len(self.plans)]
        there = [line for line in planned.lines if line["uid"] in self.now()]
        if there:
            line = there[which % len(there)]
            self.sandbox.edit(line["uid"], **line["after"])

    @rule(days=st.integers(1, 60))
    def add(self, days):
        self.sandbox.add_booking(startedAt=NOW + timedelta(days=days))

    @rule(which=CHOICE)
    def delete(self, which):
        if len(self.now()) > 3:
            self.sandbox.delete(self.any_uid(which))

    # --- plans -------------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.plans) < 6)
    @rule(
        which=CHOICE, kind=st.sampled_from(["fields", "fields", "host", "time", "back", "cancel"]), said=st.booleans()
    )
    def make_a_plan(self, which, kind, said):
        users = [user["uid"] for user in self.sandbox.users]
        change = {
            "fields": UpdateFields(description=f"Room {which % 3}", priority=("low", "high")[which % 2]),
            "host": ReplaceHost(users[which % 8], users[(which + 1) % 8]),
            "time": ShiftTime(minutes=30),
            "back": ShiftTime(minutes=-1440),
            "cancel": Cancel(),
        }[kind]
        before = self.now()
        made = plan_changes(
            self.jicoo,
            Selection(status=(None, "open")[which % 2]),
            change,
            self.folder / f"{len(self.plans)}.jsonl",
            is_send_updates=None if kind == "cancel" else said,
        )
        assert self.now() == before, "planning changed something"
        self.plans.append(Planned(made, read_plan(made.manifest["plan"])[1], before))

    @precondition(lambda self: 0 < len(self.plans) < 9)
    @rule(which=CHOICE, said=st.booleans())
    def make_an_undo(self, which, said):
        planned = self.plans[which % len(self.plans)]
        said = None if "cancel" in [line["action"] for line in planned.lines] else said
        before = self.now()
        made = plan_undo(self.jicoo, planned.plan, self.folder / f"{len(self.plans)}.jsonl", is_send_updates=said)
        assert self.now() == before, "planning changed something"
        lines = read_plan(made.manifest["plan"])[1]
        was = {line["uid"]: line for line in planned.lines}
        for line in lines:
            assert planned.known.get(line["uid"]) == "applied", "it takes back what this plan has not done"
            for name, value in line["after"].items():
                assert value == was[line["uid"]]["before"][name]
                assert reflects_exactly(before[line["uid"]], {name: was[line["uid"]]["after"][name]}), (
                    "an edit since is lost"
                )
        self.plans.append(Planned(made, lines, before))

    # --- applies -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.plans)
    @rule(which=CHOICE)
    def apply(self, which):
        self.check_apply(self.plans[which % len(self.plans)])

    @precondition(lambda self: self.plans)
    @rule(which=CHOICE, fault=st.sampled_from(["dropped", "dropped_before", "server_error", "cut_body", "rate_limit"]))
    def apply_over_a_bad_line(self, which, fault):
        # A 503 is taken for a refusal like a 429, and a run goes slowly for a while after each.
        status = {"status": 500} if fault == "server_error" else {}
        self.sandbox.fail(fault, method="PATCH", times=2, **status)
        self.sandbox.fail(fault, method="GET", times=1, **status)
        self.check_apply(self.plans[which % len(self.plans)])
        self.sandbox.heal()

    # Where a run was stopped depends on the clock; which rules there are must not.
    @precondition(lambda self: self.plans)
    @rule(which=CHOICE, after=st.integers(0, 8))
    def apply_and_stop(self, which, after):
        unfinished = [planned for planned in self.plans if len(planned.known) < len(planned.lines)] or self.plans
        self.sandbox.latency = 0.04
        self.check_apply(unfinished[which % len(unfinished)], stop_after=after)
        self.sandbox.latency = 0.0

    def expected(self, planned):
        """What has to become of each planned booking, by what it is now."""
        now = self.now()
        for line in planned.lines:
            uid = line["uid"]
            if uid in planned.known:
                yield uid, planned.known[uid]
            elif uid not in now:
                yield uid, "rejected"
            elif line["action"] != "cancel" and planned.rows[uid]["status"] != now[uid]["status"] == "cancel":
                yield uid, "stale"  # also where it shows what was planned: somebody has cancelled it
            elif reflects_exactly(now[uid], line["after"]):
                yield uid, "unchanged"
            elif {**now[uid], "updatedAt": ""} == {**planned.rows[uid], "updatedAt": ""}:
                yield uid, "applied"  # also where it was touched, and nothing of it edited
            else:
                yield uid, "stale"

    def check_apply(self, planned, stop_after=None):
        before, expected, sent = self.now(), dict(self.expected(planned)), self.sandbox.count()
        changes = sent - self.sandbox.count("GET")
        stop = Stop()

        def control():
            if stop_after is not None and self.sandbox.count() - self.sandbox.count("GET") - changes >= stop_after:
                stop("half-way")

        stopped = False
        try:
            report = apply_plan(
                self.jicoo,
                planned.plan,
                options=QUIET if stop_after is None else ONE_BY_ONE,
                control=control,
                stop=stop,
            )
            assert report.ok
        except StoppedError:
            assert stop_after is not None
            stopped = True
        except BulkFailedError:
            assert set(expected.values()) <= {"stale", "rejected"}, "it is red, and not for want of anything as planned"
            assert "stale" in expected.values()
        requests = self.sandbox.requests[sent:]
        planned.requests |= {request.number for request in requests}

        # Every planned booking has exactly one outcome, and the one that it has to have.
        found = outcomes(planned.plan.manifest["plan"])
        assert [each["uid"] for each in found] == [line["uid"] for line in planned.lines]
        got = {each["uid"]: each["outcome"] for each in found}
        for uid, outcome in got.items():
            assert outcome == expected[uid] or (stopped and outcome == "not_attempted" and uid not in planned.known)

        # What is applied shows, what is not is untouched, and nobody else's booking is.
        now, lines = self.now(), {line["uid"]: line for line in planned.lines}
        assert now.keys() == before.keys()
        for uid, row in now.items():
            if got.get(uid) == "applied" and uid not in planned.known:
                after = lines[uid]["after"]
                assert reflects_exactly(row, after)
                rest = {"updatedAt", "cancelledAt", "cancelledBy", *after}
                assert {**row, **dict.fromkeys(rest)} == {**before[uid], **dict.fromkeys(rest)}
            else:
                assert row == before[uid], f"{got.get(uid)}, but it was touched"
        tried = "again" if planned.requests - {request.number for request in requests} else "first"
        left = sum(outcome == "not_attempted" for outcome in got.values())
        event(f"{tried} try, stopped {'half-way' if 0 < left < len(got) else 'before' if left else 'not'}")
        for outcome in set(got.values()):
            event(f"some are {outcome}")
        planned.known |= {uid: outcome for uid, outcome in got.items() if outcome in FINAL}
        self.check_ledger(planned)

    def check_ledger(self, planned):
        """Nothing was done twice by one plan, over all its tries, and nobody was told twice."""
        made = collections.Counter(
            request.path
            for request in self.sandbox.requests
            if request.number in planned.requests and request.method != "GET" and request.status == 200
        )
        assert not made or max(made.values()) == 1, made
        told = collections.Counter(
            (message.uid, message.guest) for message in self.sandbox.messages if message.request in planned.requests
        )
        assert not told or max(told.values()) == 1, told
        loud = planned.plan.manifest["guests_notified"] > 0
        applied = [uid for uid, outcome in planned.known.items() if outcome == "applied"]
        assert {uid for uid, _ in told} == (set(applied) if loud else set())


Bulk.TestCase.settings = settings(
    max_examples=300 if LOAD else 15,
    stateful_step_count=40 if LOAD else 20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # To find the shortest way to a failure takes minutes.
    phases=[phase for phase in Phase if LOAD or phase not in (Phase.shrink, Phase.explain)],
)


@pytest.fixture(scope="module", autouse=True)
def _sandbox():
    with Sandbox(bookings=0, now=NOW) as sandbox:
        Bulk.sandbox = sandbox
        yield


@pytest.mark.timeout(1800 if LOAD else 300)
@pytest.mark.long
class TestBulk(Bulk.TestCase):
    pass
