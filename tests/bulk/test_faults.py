"""Whatever goes wrong on the way: nobody is messaged twice, nothing is lost, and the report says what is so."""

from __future__ import annotations

import contextlib
import dataclasses
import email.utils
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk import Selection, ShiftTime, UpdateFields, plan_changes
from airflow_provider_jicoo.bulk.apply import Options, Timing, apply_plan, change, delivery, pace
from airflow_provider_jicoo.bulk.apply.control import parse
from airflow_provider_jicoo.bulk.apply.journal import Journal, history
from airflow_provider_jicoo.bulk.apply.judge import judge_booking
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.stop import Stop
from airflow_provider_jicoo.bulk.errors import BulkFailedError, PlanError, PlanMismatchError, StoppedError
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan import PlannedChange
from airflow_provider_jicoo.bulk.report import merge_reports
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.conftest import ROOT, WORKER, until
from tests.bulk.tools import quick
from tests.processes import heed_ctrl_c

QUICK = RetryPolicy(attempts=10, base=0.02, longest_backoff=0.1, floor=0.02)
LOAD = bool(os.environ.get("JICOO_LOAD"))
WAVES_OFF = {"waves": ()}
NOW = datetime(2027, 3, 1, tzinfo=timezone.utc)


@pytest.fixture
def sandbox():
    with Sandbox(bookings=50, seed=7, now=NOW) as made:
        yield made


def apply(case, *, path=None, settings=None, **more):
    """Apply the plan of a case; options, waits and arguments by their names."""
    names = {field.name for kind in (Options, Timing) for field in dataclasses.fields(kind)}
    given = {name: more.pop(name) for name in list(more) if name in names}
    options = quick(**{"lease": 0.5, "on_doubt": "again", "policy": QUICK, "chunk": 20, **given})
    with case.client(**(settings or {})) as client:
        return apply_plan(client, path or case.path, digest=case.manifest["digest"], options=options, **more)


class Applying:
    """An apply in a thread, to do something to meanwhile."""

    def __init__(self, case, **more):
        self._result = self._error = None
        self._thread = threading.Thread(target=self._run, args=(case, more))
        self._thread.start()

    def _run(self, case, more):
        try:
            self._result = apply(case, **more)
        except BaseException as error:
            self._error = error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._thread.join(60)

    @property
    def ended(self):
        return not self._thread.is_alive()

    def result(self):
        self._thread.join(60)
        assert self.ended
        if self._error is not None:
            raise self._error
        return self._result


def uids(case):
    return [line["uid"] for line in case.lines]


def of_booking(case, number):
    """The path of the change request of the nth planned booking."""
    line = case.lines[number]
    return f"/v1/bookings/{line['uid']}" + {"update": ""}.get(line["action"], f"/{line['action']}")


def changes(sandbox):
    return [request for request in sandbox.requests if request.method != "GET"]


# --- faults that pass ------------------------------------------------------------------------------------------------

PASSING = {
    "429": [("rate_limit", {"share": 0.3})],
    "429 with Retry-After 0": [("rate_limit", {"times": 4, "retry_after": "0", "only": "changes"})],
    "429 with seconds": [("rate_limit", {"times": 4, "retry_after": "1", "only": "changes"})],
    "429 with a date": [("rate_limit", {"times": 4, "retry_after": "date", "only": "changes"})],
    "429 with rubbish": [("rate_limit", {"times": 4, "retry_after": "soon", "only": "changes"})],
    "5xx": [("server_error", {"share": 0.1}), ("server_error", {"share": 0.1, "status": 500})],
    "5xx of HTML": [("server_error", {"share": 0.2, "status": 502, "html": True})],
    "5xx after the change": [("server_error", {"share": 0.2, "status": 504, "changed": True})],
    "dropped after the change": [("dropped", {"share": 0.2})],
    "dropped before the change": [("dropped_before", {"share": 0.2})],
    "cut": [("cut_body", {"share": 0.2})],
    "hangs": [("hang", {"share": 0.1, "seconds": 5}), ("hang", {"share": 0.1, "seconds": 5, "changed": False})],
    "HTML": [("html", {"share": 0.2, "only": "changes"}), ("html", {"share": 0.2, "changed": True, "only": "changes"})],
    "all": [
        ("server_error", {"share": 0.05}),
        ("server_error", {"share": 0.05, "changed": True}),
        ("dropped", {"share": 0.1}),
        ("dropped_before", {"share": 0.05}),
        ("cut_body", {"share": 0.05}),
        ("html", {"share": 0.05, "changed": True, "only": "changes"}),
    ],
}


def break_(sandbox, kind, faults):
    for name, options in faults:
        options = dict(options)
        if options.get("retry_after") == "date":
            options["retry_after"] = email.utils.formatdate(time.time() + 1.5, usegmt=True)
        if options.pop("only", None):
            options["method"] = "PATCH" if kind.endswith("update") else "POST"
        sandbox.fail(name, **options)


def sample(kinds, faults):
    """Each fault with each kind of change; without JICOO_LOAD, with one after the other."""
    return [
        (kind, fault)
        for number, fault in enumerate(faults)
        for kind in (kinds if LOAD else [kinds[number % len(kinds)]])
    ]


@pytest.mark.parametrize(("kind", "fault"), sample(["update", "reschedule", "cancel"], PASSING))
def test_faults_that_pass_leave_no_trace(case, sandbox, kind, fault, monkeypatch):
    # How fast the pace is found again after a storm is not the matter here.
    monkeypatch.setattr(pace, "SLOWEST", 50.0)
    made = case(sandbox, kind)
    break_(sandbox, kind, PASSING[fault])
    apply(made, settings={"timeout": 0.3} if fault == "hangs" else None)
    made.check_all_applied()
    sandbox.heal()
    sent = made.sent()
    apply(made)
    assert made.sent() == sent
    made.check_all_applied()


FAILING = [
    ("server_error", {"share": 0.6, "status": 500}),
    ("server_error", {"share": 0.6, "status": 502, "changed": True}),
    ("dropped", {"share": 0.6}),
    ("dropped_before", {"share": 0.6}),
    ("cut_body", {"share": 0.5}),
    ("html", {"share": 0.5}),
    ("html", {"share": 0.3, "changed": True}),
    ("redirect", {"share": 0.3}),
    ("dropped", {"share": 0.8}),
]


@pytest.mark.parametrize(
    ("kind", "fault"), sample(["update", "reschedule", "cancel", "silent update"], FAILING), ids=str
)
def test_what_fails_is_said_and_finished_by_the_next_try(case, sandbox, kind, fault):
    """So often that also reading back fails: some fail, some are unknown, and each is said to be what it is."""
    made = case(sandbox, kind)
    name, options = fault
    path = "/v1/bookings/{uid}" + {"reschedule": "/reschedule", "cancel": "/cancel"}.get(kind, "")
    sandbox.fail(name, path=path, **options)
    sandbox.fail("server_error", method="GET", path="/v1/bookings/{uid}", share=0.5, status=500)
    with pytest.raises(BulkFailedError):
        apply(made, policy=dataclasses.replace(QUICK, attempts=2), chunk=100, tolerated_failures="100%", **WAVES_OFF)
    counts = made.check()
    assert counts["failed"] + counts["unknown"] > 0
    assert counts["not_attempted"] == 0
    sandbox.heal()
    apply(made)
    made.check_all_applied()


@pytest.mark.long
def test_an_outcome_that_nobody_knows_is_found_out_by_the_next_try(case, sandbox):
    made = case(sandbox, "silent update")
    sandbox.fail("dropped", method="PATCH", path=of_booking(made, 3))
    sandbox.fail("dropped_before", method="PATCH", path=of_booking(made, 4))
    for number in (3, 4):
        sandbox.fail("server_error", method="GET", path=of_booking(made, number), share=1.0)
    with pytest.raises(BulkFailedError, match="2 unknown"):
        apply(made, tolerated_failures=2)
    assert made.check() == {"applied": 48, "unknown": 2}
    sandbox.heal()
    apply(made)
    made.check_all_applied()


# --- the key, the list, the journal ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [None, 40.0])
def test_a_key_that_is_revoked_half_way_ends_it_at_once(case, sandbox, rate):
    made = case(sandbox)
    sandbox.latency = 0.02
    with Applying(made, concurrency=8, settings={"max_requests_per_second": rate}, **WAVES_OFF) as applying:
        until(lambda: made.sent() >= 15)
        sandbox.revoke_key()
        with pytest.raises(errors.AuthenticationError):
            applying.result()
    counts = made.check()
    assert counts["applied"] >= 14
    assert counts["not_attempted"] >= 10
    refused = [request for request in sandbox.requests if request.status == 401]
    # Those that were under way; where the pace is slow, few.
    assert 1 <= len(refused) <= (9 if rate is None else 5)
    assert "key was refused" in made.report["endedEarly"]
    sandbox.key_revoked = False
    apply(made)
    made.check_all_applied()


def test_what_the_key_was_refused_for_is_sent_by_the_next_try(case, sandbox):
    """A refusal is an answer: nothing was made, and nothing is in doubt, also where it would message a guest."""
    made = case(sandbox)
    sandbox.fail("html", method="PATCH", path=of_booking(made, 5), status=401)
    with pytest.raises(errors.AuthenticationError):
        apply(made, on_doubt=None, concurrency=1, **WAVES_OFF)
    assert made.check() == {"applied": 5, "failed": 1, "not_attempted": 44}
    sandbox.heal()
    apply(made, on_doubt=None)
    made.check_all_applied()


def test_a_key_without_the_permission_changes_nothing(case, sandbox):
    made = case(sandbox)
    with case(sandbox).client() as client:
        forbidden = dataclasses.replace(client.settings, api_key=sandbox.forbidden_key)
    with JicooClient(forbidden) as client, pytest.raises(errors.PermissionDeniedError):
        apply_plan(client, made.path, digest=made.manifest["digest"], options=quick())
    assert made.sent() == 0
    assert made.check() == {"not_attempted": 50}
    apply(made)
    made.check_all_applied()


def test_a_list_that_fails_at_first(case, sandbox):
    made = case(sandbox, "silent update")
    sandbox.fail("server_error", method="GET", share=1.0)
    with pytest.raises(errors.ServerError):
        apply(made, policy=dataclasses.replace(QUICK, attempts=2))
    assert made.sent() == 0
    assert made.check() == {"not_attempted": 50}
    assert "could not be read" in made.report["endedEarly"]
    sandbox.heal()
    apply(made)
    made.check_all_applied()


def test_a_plan_of_one_booking_that_cannot_be_read(case, sandbox):
    made = case(sandbox, "silent update", selection=Selection(uids=[sandbox.bookings()[3]["uid"]]))
    sandbox.fail("server_error", method="GET", share=1.0)
    with pytest.raises(errors.ServerError):
        apply(made, policy=dataclasses.replace(QUICK, attempts=2))
    assert made.check() == {"not_attempted": 1}
    assert "could not be read" in made.report["endedEarly"]


def test_a_list_that_fails_half_way(case, sandbox):
    made = case(sandbox, "silent update")
    sandbox.latency = 0.02
    with Applying(made, policy=dataclasses.replace(QUICK, attempts=2), concurrency=4, **WAVES_OFF) as applying:
        until(lambda: made.sent() >= 1)
        sandbox.fail("server_error", method="GET", share=1.0)
        with pytest.raises(errors.ServerError):
            applying.result()
    counts = made.check()
    assert counts["applied"] >= 1
    assert counts["not_attempted"] >= 10
    sandbox.heal()
    apply(made)
    made.check_all_applied()


class Full:
    """A folder on a disk that is full after so many files of the journal."""

    def __init__(self, path, left):
        self._path, self._left = path, left

    def __getattr__(self, name):
        return getattr(self._path, name)

    def __str__(self):
        return str(self._path)

    __fspath__ = __str__

    @property
    def parent(self):
        return Full(self._path.parent, self._left)

    def __truediv__(self, part):
        return Full(self._path / part, self._left)

    def open(self, mode):
        if mode == "wb" and self._path.suffix == ".jsonl" and ".journal" in str(self._path):
            if not self._left:
                raise OSError(errno.ENOSPC, "No space left on device")
            self._left.pop()
        return self._path.open(mode)


@pytest.mark.parametrize("files", [0, 1, 3, 4])
def test_a_disk_that_is_full(case, sandbox, files):
    """Nothing is sent that is not announced, and what was sent is read back by the next try."""
    made = case(sandbox)
    with pytest.raises(OSError, match="No space left"):
        apply(made, path=Full(made.path, [None] * files))
    made.check_messages()
    assert made.sent() < 50
    assert (made.sent() == 0) == (files == 0)
    made.check()
    assert "No space left" in made.report["endedEarly"]
    apply(made)
    made.check_all_applied()


def test_an_answer_that_breaks_the_engine_is_unknown_and_ends_nothing_else(case, sandbox, monkeypatch):
    """What nobody thought of must not leave the others without an outcome, nor the user without a report."""
    made = case(sandbox)
    chosen, whole = uids(made)[5], delivery.judge_answer

    def judge_answer(line, booking, **more):
        if booking["uid"] == chosen:
            raise RuntimeError("not thought of")
        return whole(line, booking, **more)

    monkeypatch.setattr(delivery, "judge_answer", judge_answer)
    with pytest.raises(BulkFailedError, match="1 unknown"):
        apply(made, tolerated_failures=1, concurrency=1, **WAVES_OFF)
    monkeypatch.undo()
    assert made.check() == {"applied": 49, "unknown": 1}


def test_a_booking_that_breaks_the_engine_while_it_is_read_leaves_a_report(case, sandbox, monkeypatch):
    made = case(sandbox, "silent update")
    chosen, whole = uids(made)[30], change.judge_booking

    def judge_booking(line, booking, **more):
        if line.uid == chosen:
            raise RuntimeError("not thought of")
        return whole(line, booking, **more)

    monkeypatch.setattr(change, "judge_booking", judge_booking)
    with pytest.raises(RuntimeError, match="not thought of"):
        apply(made)
    counts = made.check()
    assert counts["applied"] >= 5
    assert counts["not_attempted"] >= 20
    monkeypatch.setattr(change, "judge_booking", whole)
    apply(made)
    made.check_all_applied()


def test_an_outcome_that_does_not_fit_is_unknown(case, sandbox, monkeypatch):
    """A change that was sent cannot turn out to be somebody else's edit."""
    made = case(sandbox)
    chosen, whole = uids(made)[5], delivery.judge_answer

    def judge_answer(planned, booking, **more):
        return Entry(Outcome.STALE) if booking["uid"] == chosen else whole(planned, booking, **more)

    monkeypatch.setattr(delivery, "judge_answer", judge_answer)
    with pytest.raises(BulkFailedError, match="1 unknown"):
        apply(made, tolerated_failures=1)
    assert made.check() == {"applied": 49, "unknown": 1}
    assert made.report["endedEarly"] is None


def test_an_outcome_that_cannot_be_recorded_ends_the_run(case, sandbox, monkeypatch):
    """Nobody waits for a worker that died over it, and the report says what is known."""
    made = case(sandbox, "silent update")
    chosen, whole = uids(made)[5], Ledger.record

    def record(self, change, entry):
        if change.uid == chosen:
            raise RuntimeError("not thought of")
        whole(self, change, entry)

    monkeypatch.setattr(Ledger, "record", record)
    with pytest.raises(RuntimeError, match="not thought of"):
        apply(made, concurrency=1, **WAVES_OFF)
    monkeypatch.undo()
    assert "RuntimeError" in made.report["endedEarly"]
    apply(made)
    assert made.check() == {"applied": 50}


def test_words_that_are_no_unicode_do_no_harm(case, sandbox, monkeypatch):
    made = case(sandbox)
    sandbox.fail("html", method="PATCH", path=of_booking(made, 2), status=400)
    monkeypatch.setattr(errors.RejectedError, "__str__", lambda self: "half a pair: \ud83d")
    apply(made, tolerated_failures=1)
    assert made.check() == {"applied": 49, "rejected": 1}


# --- somebody else ---------------------------------------------------------------------------------------------------


def another_priority(sandbox, uid):
    return "low" if sandbox.booking(uid)["priority"] == "high" else "high"


def test_what_others_did_since_the_plan_was_made(case, sandbox):
    made = case(sandbox)
    one, two, three, four = uids(made)[:40:10]
    made.edit(one, description="mine")
    made.edit(two, priority=another_priority(sandbox, two))
    made.delete(three)
    made.edit(four, description=made.lines[0]["after"]["description"])
    apply(made, tolerated_failures=1)
    assert made.check() == {"applied": 46, "unchanged": 1, "stale": 2, "rejected": 1}
    assert {uid: made.outcomes[uid] for uid in (one, two, three, four)} == {
        one: "stale",
        two: "stale",
        three: "rejected",
        four: "unchanged",
    }


@pytest.mark.parametrize("kind", ["update", "reschedule", "cancel"])
def test_what_others_do_while_it_runs(case, sandbox, kind):
    made = case(sandbox, kind)
    sandbox.latency = 0.02
    with Applying(made, concurrency=4, tolerated_failures=1) as applying:
        until(lambda: made.sent() >= 1)
        made.edit(uids(made)[-1], priority="low", description="edited meanwhile")
        made.delete(uids(made)[-2])
        applying.result()
    counts = made.check()
    assert (counts["stale"], counts["rejected"], counts["applied"]) == (1, 1, len(made.lines) - 2)


def test_an_edit_between_two_sendings_is_not_overwritten(case, sandbox):
    """The first sending fails, somebody edits the booking, and reading back shows neither the one nor the other."""
    made = case(sandbox)
    chosen = uids(made)[10]
    sandbox.fail("server_error", method="PATCH", path=f"/v1/bookings/{chosen}")
    with Applying(made, policy=dataclasses.replace(QUICK, floor=0.4), tolerated_failures=1, **WAVES_OFF) as applying:
        until(lambda: sandbox.count("PATCH", f"/v1/bookings/{chosen}") == 1)
        made.edit(chosen, description="mine")
        with pytest.raises(BulkFailedError, match="1 unknown"):
            applying.result()
    assert made.check() == {"applied": 49, "unknown": 1}
    assert sandbox.booking(chosen)["description"] == "mine"
    with pytest.raises(BulkFailedError, match="1 unknown"):
        apply(made, policy=dataclasses.replace(QUICK, floor=0.4), tolerated_failures=1)
    assert sandbox.booking(chosen)["description"] == "mine"
    assert sandbox.count("PATCH", f"/v1/bookings/{chosen}") == 1


def test_an_edit_while_it_is_paused_is_not_overwritten(case, sandbox):
    """It has read the booking again, and waits: for a minute or for a night."""
    made = case(sandbox)
    control = made.path.parent / f"{made.path.name}.control"
    sandbox.latency = 0.05
    with Applying(made, concurrency=2, tolerated_failures=1, **WAVES_OFF) as applying:
        until(lambda: made.sent() >= 2)
        control.write_text('{"state": "pause"}')
        time.sleep(0.6)
        sent = {request.path.split("/")[3] for request in changes(sandbox)}
        waiting = [uid for uid in uids(made) if uid not in sent]
        assert len(waiting) > 20
        for uid in waiting[:5]:
            made.edit(uid, description="mine")
        made.delete(waiting[5])
        control.write_text('{"state": "run"}')
        applying.result()
    assert made.check() == {"applied": 44, "stale": 5, "rejected": 1}
    assert all(sandbox.booking(uid)["description"] == "mine" for uid in waiting[:5])


def test_an_edit_while_a_change_waits_for_long_is_not_overwritten(case, sandbox):
    """It was read again long before its turn: the pace fell, or nobody knew yet how slow Jicoo is."""
    made = case(sandbox)
    sandbox.latency = 0.1
    with Applying(made, chunk=100, fresh=0.5, concurrency=2, tolerated_failures=1, **WAVES_OFF) as applying:
        until(lambda: made.sent() >= 2)
        made.edit(uids(made)[-1], description="mine")
        made.delete(uids(made)[-2])
        applying.result()
    assert made.check() == {"applied": 48, "stale": 1, "rejected": 1}
    assert sandbox.booking(uids(made)[-1])["description"] == "mine"


def test_reading_once_more_does_not_count_the_tries_anew(case, sandbox):
    """The waits between the tries are longer than what is read stays fresh: still it is given up."""
    made = case(sandbox, "silent update")
    sandbox.fail("server_error", method="PATCH", path=of_booking(made, 3), share=1.0)
    with pytest.raises(BulkFailedError, match="1 failed"):
        apply(made, fresh=0.05, policy=dataclasses.replace(QUICK, attempts=4, floor=0.1), tolerated_failures=1)
    assert sandbox.count("PATCH", of_booking(made, 3)) <= 8


@pytest.mark.timeout(60)
def test_at_a_slow_pace_what_is_read_is_also_changed(case, sandbox):
    """Each waits for its turn longer than what is read stays fresh, and so does its reading."""
    made = case(sandbox, "silent update")
    apply(made, fresh=0.1, settings={"max_requests_per_second": 20})
    made.check_all_applied()
    assert sandbox.count("GET", "/v1/bookings/{uid}") <= 55, "each once, and what was read one by one before"


def test_an_edit_while_it_waits_after_a_refusal_is_no_doubt(case, sandbox):
    """Jicoo has answered 429 and nothing else: the change was not made, so that who edits it is somebody else."""
    made = case(sandbox)
    chosen = uids(made)[5]
    sandbox.fail("rate_limit", method="PATCH", path=f"/v1/bookings/{chosen}")
    with Applying(made, fresh=0.2, policy=dataclasses.replace(QUICK, floor=1.0), **WAVES_OFF) as applying:
        until(lambda: sandbox.count("PATCH", f"/v1/bookings/{chosen}") == 1)
        made.edit(chosen, description="mine")
        applying.result()
    assert made.check() == {"applied": 49, "stale": 1}
    assert sandbox.booking(chosen)["description"] == "mine"


@pytest.mark.timeout(60)
def test_a_run_that_has_ended_does_not_wait_long_for_what_is_in_doubt(case, sandbox):
    made = case(sandbox)
    sandbox.fail("dropped", method="PATCH", path=of_booking(made, 3))
    sandbox.fail("rate_limit", method="PATCH", path=of_booking(made, 4), retry_after="3600")
    stop = Stop()
    with Applying(made, last_wait=0.2, stop=stop, tolerated_failures="100%", **WAVES_OFF) as applying:
        until(lambda: sandbox.count("PATCH", of_booking(made, 4)) == 1)
        stop()
        began = time.monotonic()
        with pytest.raises((StoppedError, BulkFailedError)):
            applying.result()
        assert time.monotonic() - began < 20
    sandbox.heal()
    apply(made)
    made.check_all_applied()


def a_chain(sandbox, tmp_path):
    """Plan four bookings one after the other, each to be moved into the slot of the next; return its manifest."""
    sandbox.reset(bookings=0, seed=1)
    host = [{"userId": sandbox.users[0]["uid"], "role": "admin"}]
    for number in range(4):
        start = NOW + timedelta(days=9, minutes=30 * number)
        sandbox.add_booking(startedAt=start, endedAt=start + timedelta(minutes=30), hosts=host)
    with JicooClient(Settings(sandbox.api_key, sandbox.url)) as client:
        path = tmp_path / "chain.jsonl"
        return plan_changes(client, Selection(), ShiftTime(minutes=30), path, is_send_updates=False).manifest


def outcomes_of(sandbox, manifest, **options):
    """Apply; return the outcomes in the order of the slots."""
    with JicooClient(Settings(sandbox.api_key, sandbox.url)) as client, contextlib.suppress(BulkFailedError):
        apply_plan(client, manifest, options=quick(**{"lease": 0.5, "policy": QUICK, **options}))
    lines = Path(f"{manifest['plan']}.report", "outcomes.jsonl").read_text().splitlines()
    found = {line["uid"]: line["outcome"] for line in map(json.loads, lines)}
    return [found[row["uid"]] for row in sorted(sandbox.bookings(), key=lambda row: row["startedAt"])]


def test_where_an_edited_booking_keeps_its_slot_none_is_moved_into_it(sandbox, tmp_path):
    manifest = a_chain(sandbox, tmp_path)
    last = max(sandbox.bookings(), key=lambda row: row["startedAt"])
    sandbox.edit(last["uid"], description="edited by a person")
    assert outcomes_of(sandbox, manifest) == ["stale"] * 4
    assert sandbox.count("PATCH") == 0
    assert len({row["startedAt"] for row in sandbox.bookings()}) == 4


def test_a_move_whose_slot_is_held_by_what_failed_is_made_by_the_next_try(sandbox, tmp_path):
    manifest = a_chain(sandbox, tmp_path)
    before = {row["uid"]: row["startedAt"] for row in sandbox.bookings()}
    last = max(before, key=before.__getitem__)
    sandbox.fail("server_error", method="PATCH", path=f"/v1/bookings/{last}", share=1.0)
    few = dataclasses.replace(QUICK, attempts=2)
    assert outcomes_of(sandbox, manifest, policy=few, tolerated_failures="100%") == ["failed"] * 4
    assert sandbox.count("PATCH") == sandbox.count("PATCH", f"/v1/bookings/{last}")
    sandbox.heal()
    assert outcomes_of(sandbox, manifest) == ["applied"] * 4
    assert all(row["startedAt"] > before[row["uid"]] for row in sandbox.bookings())


def test_a_move_whose_slot_became_free_by_itself_is_made(sandbox, tmp_path):
    manifest = a_chain(sandbox, tmp_path)
    last = max(sandbox.bookings(), key=lambda row: row["startedAt"])
    sandbox.delete(last["uid"])
    assert outcomes_of(sandbox, manifest, tolerated_failures=1) == ["applied"] * 3


def test_what_is_in_doubt_and_gone_is_unknown():
    line = PlannedChange("a", "update", {}, {"priority": "high"}, "u", "s", "e")
    assert judge_booking(line, None, in_doubt=True).outcome is Outcome.UNKNOWN
    assert judge_booking(line, None, in_doubt=False).outcome is Outcome.REJECTED


def test_an_edit_while_the_worker_stood_still_is_not_overwritten(case, sandbox, monkeypatch):
    """Its machine was suspended: its lease ran out, and it goes on as if nothing had been."""
    made = case(sandbox)
    sandbox.latency = 0.05
    with Applying(made, concurrency=2, tolerated_failures=1, lease=0.5, **WAVES_OFF) as applying:
        until(lambda: made.sent() >= 2)
        whole, standing = Journal.mine, time.monotonic() + 1.5
        monkeypatch.setattr(
            Journal, "mine", lambda self: time.sleep(max(0.0, standing - time.monotonic())) or whole(self)
        )
        until(lambda: time.monotonic() > standing - 0.3)
        made.edit(uids(made)[-1], description="mine")
        applying.result()
    assert made.check() == {"applied": 49, "stale": 1}
    assert sandbox.booking(uids(made)[-1])["description"] == "mine"


def test_stale_may_end_the_run(case, sandbox):
    made = case(sandbox)
    chosen = uids(made)[30]
    made.edit(chosen, priority=another_priority(sandbox, chosen))
    with pytest.raises(BulkFailedError, match="edited since the plan was made"):
        apply(made, on_stale="fail")
    counts = made.check()
    assert counts["stale"] == 1
    assert counts["not_attempted"] >= 15
    assert not counts["failed"]
    apply(made, on_stale="skip")
    assert made.check() == {"applied": 49, "stale": 1}


# --- documented ends -------------------------------------------------------------------------------------------------


def reject(made, *numbers):
    for number in numbers:
        made.sandbox.fail("html", method="PATCH", path=of_booking(made, number), status=400, share=1.0)


@pytest.mark.parametrize(
    ("tolerated", "wrong", "ended"),
    [("1%", 1, True), (0, 1, True), ("0%", 1, True), ("2%", 1, False), ("2%", 2, True), (1, 1, False), (1, 2, True)],
)
def test_how_many_failures_of_fifty_are_tolerated(case, sandbox, tolerated, wrong, ended):
    made = case(sandbox)
    reject(made, *range(30, 30 + wrong))
    if ended:
        with pytest.raises(BulkFailedError, match="went wrong"):
            apply(made, tolerated_failures=tolerated, concurrency=1)
        counts = made.check()
        assert counts["rejected"] == wrong
        assert counts["not_attempted"] >= 20 - wrong - 2
        assert made.report["endedEarly"]
    else:
        report = apply(made, tolerated_failures=tolerated, concurrency=1)
        assert report.ok
        assert made.check() == {"applied": 50 - wrong, "rejected": wrong}
        assert made.report["endedEarly"] is None


def test_a_failure_within_the_tolerance_is_not_green(case, sandbox):
    made = case(sandbox)
    sandbox.fail("server_error", method="PATCH", path=of_booking(made, 30), share=1.0)
    with pytest.raises(BulkFailedError, match="1 failed"):
        apply(made, policy=dataclasses.replace(QUICK, attempts=2), tolerated_failures="2%")
    assert made.check() == {"applied": 49, "failed": 1}


@pytest.mark.parametrize("fault", ["html", "redirect"])
def test_with_no_tolerance_a_fault_on_the_very_first_booking_costs_one_request(case, sandbox, fault):
    made = case(sandbox)
    sandbox.fail(fault, method="PATCH", share=1.0, **({"status": 400} if fault == "html" else {}))
    with pytest.raises(BulkFailedError):
        apply(made)
    assert made.sent() == 1
    assert made.check() == {"not_attempted": 49, "rejected" if fault == "html" else "failed": 1}


def test_waves_end_at_the_first_that_goes_wrong(case):
    with Sandbox(bookings=300, seed=3) as sandbox:
        made = case(sandbox)
        reject(made, 2)
        with pytest.raises(BulkFailedError):
            apply(made, waves=(1, "1%", "10%"))
        assert made.sent() == 4
        assert made.check() == {"applied": 3, "rejected": 1, "not_attempted": 296}


@pytest.mark.parametrize("waves", [(500,), ("100%", "50%"), (50,), (49, 49), ("0.1%",), ()])
def test_waves_of_any_size(case, sandbox, waves):
    made = case(sandbox)
    apply(made, waves=waves)
    made.check_all_applied()


@pytest.mark.parametrize(
    "bad",
    [
        {"waves": ("0%",)},
        {"waves": (0,)},
        {"waves": ("150%",)},
        {"waves": ("ten",)},
        {"waves": (-1,)},
        {"tolerated_failures": "150%"},
        {"tolerated_failures": -1},
        {"tolerated_failures": "1.5"},
        {"tolerated_failures": True},
        {"on_stale": "ask"},
        {"concurrency": 0},
    ],
    ids=str,
)
def test_options_that_cannot_be(bad):
    with pytest.raises(PlanError):
        Options(**bad)


def test_an_empty_plan(case, sandbox):
    made = case(sandbox, selection=Selection(name_matches="nobody is called so"))
    report = apply(made)
    assert report.ok
    assert made.sent() == 0
    assert made.check() == {}
    assert made.report["changes"] == 0


def cut_a_line(raw):
    return b"".join(raw.splitlines(keepends=True)[:-1])


def cut_within_a_line(raw):
    return raw[:-20]


def change_a_byte(raw):
    at = raw.index(b"ring the bell", len(raw) // 2)
    return raw[:at] + b"R" + raw[at + 1 :]


def change_the_terms(raw):
    assert b'"isSendUpdates":true' in raw
    return raw.replace(b'"isSendUpdates":true', b'"isSendUpdates":false', 1)


def swap_lines(raw):
    lines = raw.splitlines(keepends=True)
    return b"".join([*lines[:-2], lines[-1], lines[-2]])


def repeat_a_line(raw):
    return raw + raw.splitlines(keepends=True)[-1]


def nothing(_):
    return b""


def another_file(_):
    return b'{"some": "thing"}\n'


@pytest.mark.parametrize(
    "damage",
    [
        cut_a_line,
        cut_within_a_line,
        change_a_byte,
        change_the_terms,
        swap_lines,
        repeat_a_line,
        nothing,
        another_file,
    ],
)
def test_a_damaged_plan_is_refused(case, sandbox, damage):
    made = case(sandbox)
    damaged = damage(made.path.read_bytes())
    assert damaged != made.path.read_bytes()
    made.path.write_bytes(damaged)
    asked = sandbox.count()
    with pytest.raises(PlanMismatchError):
        apply(made)
    assert sandbox.count() == asked
    assert not made.journal.exists()


def test_another_digest_is_refused(case, sandbox, tmp_path):
    made = case(sandbox)
    other = case(sandbox, path=tmp_path / "other.jsonl", change=UpdateFields(description="another"))
    asked = sandbox.count()
    with made.client() as client:
        with pytest.raises(PlanMismatchError, match="was agreed to"):
            apply_plan(client, made.path, digest=other.manifest["digest"])
        with pytest.raises(PlanError, match="digest"):
            apply_plan(client, made.path)
    assert sandbox.count() == asked


@pytest.mark.parametrize("waves", [("1", "1%", "10%"), ()])
def test_a_plan_of_another_account_is_refused(case, sandbox, waves):
    made = case(sandbox)
    sandbox.reset(50, 99)
    with pytest.raises(PlanMismatchError, match="another Jicoo account"):
        apply(made, waves=waves, tolerated_failures="100%")
    assert made.sent() == 0
    sandbox.reset(50, 7)
    assert made.check() == {"not_attempted": 50}
    apply(made)
    made.check_all_applied()


def test_a_plan_whose_first_bookings_are_gone_is_not_of_another_account(case, sandbox):
    made = case(sandbox)
    for uid in uids(made)[:3]:
        made.delete(uid)
    apply(made, tolerated_failures=3)
    assert made.check() == {"applied": 47, "rejected": 3}


def test_a_plan_for_another_address_is_refused(case, sandbox):
    made = case(sandbox)
    with Sandbox(bookings=50, seed=7, now=NOW) as other:
        elsewhere = case(other, path=made.path.with_name("other.jsonl"))
        with elsewhere.client() as client, pytest.raises(PlanMismatchError, match="is a plan for"):
            apply_plan(client, made.path, digest=made.manifest["digest"])
        assert not changes(other)
    assert not changes(sandbox)


def test_shards(case, sandbox):
    made = case(sandbox, shards=3)
    assert len(made.manifest["shards"]) == 3
    with made.client() as client:
        with pytest.raises(PlanError, match="in shards"):
            apply_plan(client, made.manifest)
        with pytest.raises(PlanError, match="in shards"):
            apply_plan(client, made.path, digest=made.manifest["digest"])
        assert not changes(sandbox)
        reports = [apply_plan(client, shard, options=quick()) for shard in made.manifest["shards"]]
        assert len(changes(sandbox)) == 50
        again = apply_plan(client, made.manifest["shards"][1], options=quick())
    assert len(changes(sandbox)) == 50, "a shard that is applied twice sends nothing the second time"
    assert again.counts == reports[1].counts
    made.check_messages()
    whole = merge_reports([report.path for report in reports], made.path.parent / "whole")
    assert whole.counts["applied"] == 50
    assert len((whole.path / "outcomes.jsonl").read_text().splitlines()) == 50


# --- pause, slow, stop -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def controlled(made, **more):
    """An apply that is under way, and a function that writes its control file."""
    made.sandbox.latency = 0.05
    path = made.path.parent / f"{made.path.name}.control"
    with Applying(made, **{"concurrency": 2, **WAVES_OFF, **more}) as applying:
        try:
            until(lambda: made.sent() >= 4)
            yield applying, lambda **told: path.write_text(json.dumps(told))
        finally:
            path.unlink(missing_ok=True)


@pytest.mark.parametrize("rate", [None, 30.0])
def test_pause(case, sandbox, rate):
    made = case(sandbox)
    # With a slow pace many wait for their turn already when it is told to pause.
    with controlled(made, settings={"max_requests_per_second": rate}, concurrency=8 if rate else 2) as (applying, tell):
        tell(state="pause")
        time.sleep(0.4)
        sent = made.sent()
        time.sleep(0.6)
        assert made.sent() == sent, "something was sent while it was told to pause"
        assert sent < 50
        assert not applying.ended
        tell(state="run")
        applying.result()
    made.check_all_applied()


def test_pause_from_the_beginning(case, sandbox):
    made = case(sandbox)
    control = made.path.parent / f"{made.path.name}.control"
    control.write_text('{"state": "pause"}')
    with Applying(made) as applying:
        time.sleep(0.8)
        assert made.sent() == 0
        assert not applying.ended
        control.unlink()
        applying.result()
    made.check_all_applied()


def test_a_paused_run_can_be_stopped(case, sandbox):
    made = case(sandbox)
    with controlled(made) as (applying, tell):
        tell(state="pause")
        time.sleep(0.5)
        sent = made.sent()
        tell(state="stop")
        with pytest.raises(StoppedError, match="told to stop"):
            applying.result()
    assert made.sent() == sent
    assert made.check() == {"applied": sent, "not_attempted": 50 - sent}
    apply(made)
    made.check_all_applied()


def test_slow(case, sandbox):
    made = case(sandbox)
    with controlled(made) as (applying, tell):
        tell(state="run", max_requests_per_second=5)
        time.sleep(0.5)
        sent, begun = made.sent(), time.monotonic()
        until(lambda: made.sent() >= sent + 5)
        assert time.monotonic() - begun >= 0.7, "four times a fifth of a second lie between five requests"
        tell(state="run")
        applying.result()
    made.check_all_applied()


def test_a_stop_that_stands_before_the_run_is_written_down_once(case, sandbox, monkeypatch):
    """Two who wrote it at once left a file that no later try could read."""
    made = case(sandbox)
    noted = []
    note_stop = Journal.note_stop

    def note(journal, by):
        noted.append(by)
        time.sleep(0.1)
        note_stop(journal, by)

    monkeypatch.setattr(Journal, "note_stop", note)
    with pytest.raises(StoppedError, match="told to stop"):
        apply(made, control=lambda: '{"state": "stop"}', by="the task")
    assert noted == ["the task"]
    assert made.sent() == 0


@pytest.mark.parametrize("rate", [None, 2.0])
def test_stop_and_go_on(case, sandbox, rate):
    made = case(sandbox)
    with controlled(made, settings={"max_requests_per_second": 100.0}, concurrency=16) as (applying, tell):
        if rate:
            tell(state="run", max_requests_per_second=rate)
            time.sleep(0.5)
        tell(state="stop")
        told = time.monotonic()
        with pytest.raises(StoppedError, match="told to stop"):
            applying.result()
        # At that rate the requests that wait already would take eight seconds.
        assert time.monotonic() - told < 4.0
    counts = made.check()
    assert counts["not_attempted"] >= 10
    assert counts.keys() == {"applied", "not_attempted"}
    assert "told to stop" in made.report["endedEarly"]
    apply(made)
    made.check_all_applied()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"sate": "pause"}', "'sate' is neither state nor max_requests_per_second"),
        ('{"state": "run", "max_requests_per_seconds": 5}', "'max_requests_per_seconds' is neither"),
        ('{"max_requests_per_second": 1e-320}', "1e-320 is less than one request an hour"),
        ('{"max_requests_per_second": true}', "True is not a positive number"),
        ('{"state": "halt"}', "'halt' is none of run, pause, stop"),
    ],
)
def test_a_control_says_what_it_does_not_understand(text, said):
    with pytest.raises(PlanError, match=said):
        parse(text)


def test_a_control_of_one_request_an_hour():
    assert parse('{"max_requests_per_second": 0.00028}').max_requests_per_second == 0.00028
    assert parse('{"max_requests_per_second": null}') == parse("") == parse("{}") == parse(None)


@pytest.mark.parametrize(
    "text",
    [
        *('{"state": "halt"}', "[]", '{"max_requests_per_second": 0}', '{"max_requests_per_second": NaN}', "{"),
        *('{"max_requests_per_second": 1' + "0" * 400 + "}", "[" * 100_000),
        *('{"max_requests_per_second": 1e-320}', '{"max_requests_per_second": 2e-4}', '{"sate": "pause"}'),
    ],
)
def test_a_control_that_nobody_understands_ends_the_run(case, sandbox, text):
    made = case(sandbox)
    with pytest.raises(StoppedError, match="control"):
        apply(made, control=lambda: text)
    made.check()
    assert made.sent() < 50
    apply(made)
    made.check_all_applied()


def test_a_control_file_in_another_encoding_ends_the_run(case, sandbox):
    made = case(sandbox)
    Path(f"{made.path}.control").write_bytes('{"state": "pause"}'.encode("utf-16"))
    with pytest.raises(StoppedError, match="is not JSON such as"):
        apply(made)


def test_a_control_file_that_vanishes_while_it_is_read_means_run(case, sandbox, monkeypatch):
    """Removing the file is the natural way to go on."""
    made = case(sandbox)
    control = Path(f"{made.path}.control")
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: True if self == control else exists(self))
    apply(made)
    made.check_all_applied()


def test_stop_from_another_thread(case, sandbox):
    made = case(sandbox)
    stop = Stop()
    with controlled(made, stop=stop) as (applying, _):
        stop("the office is closing")
        with pytest.raises(StoppedError, match="the office is closing"):
            applying.result()
    counts = made.check()
    assert counts.keys() == {"applied", "not_attempted"}
    apply(made)
    made.check_all_applied()


def test_stop_before_it_began(case, sandbox):
    made = case(sandbox)
    stop = Stop()
    stop()
    with pytest.raises(StoppedError):
        apply(made, stop=stop)
    assert made.sent() == 0
    assert made.check() == {"not_attempted": 50}


def test_what_waits_to_be_sent_again_is_not_sent_after_a_stop(case, sandbox):
    made = case(sandbox, "silent update")
    stop = Stop()
    slow = dataclasses.replace(QUICK, floor=0.7)
    with Applying(made, policy=slow, stop=stop, concurrency=8, **WAVES_OFF) as applying:
        sandbox.fail("server_error", method="PATCH", share=1.0, status=500)
        until(lambda: sum(request.status == 500 for request in changes(sandbox)) >= 8)
        sent = made.sent()
        stop()
        with pytest.raises(StoppedError):
            applying.result()
    assert made.sent() == sent
    counts = made.check()
    assert counts["failed"] >= 2
    assert counts["unknown"] == 0
    sandbox.heal()
    apply(made)
    made.check_all_applied()


def test_what_had_failed_and_whose_turn_does_not_come_is_not_attempted(case, sandbox):
    made = case(sandbox, "silent update")
    sandbox.fail("server_error", method="PATCH", path=of_booking(made, 3), share=1.0)
    with pytest.raises(BulkFailedError, match="1 failed"):
        apply(made, policy=dataclasses.replace(QUICK, attempts=2), tolerated_failures=1)
    sandbox.heal()
    control = made.path.parent / f"{made.path.name}.control"
    control.write_text('{"state": "pause"}')
    with Applying(made, reread="each", **WAVES_OFF) as applying:
        time.sleep(1.5)
        control.write_text('{"state": "stop"}')
        with pytest.raises(StoppedError):
            applying.result()
    control.unlink()
    assert made.check() == {"applied": 49, "not_attempted": 1}
    apply(made)
    made.check_all_applied()


def test_a_doubt_that_was_resolved_is_none_after_a_stop(case, sandbox):
    """An earlier try was killed over it, this one has found that it was not made, and is stopped before its turn."""
    made = case(sandbox, "silent update")
    journal = Journal(made.journal, 0.1)
    journal.claim(history(made.journal))
    journal.write([], uids(made)[:20])
    control = made.path.parent / f"{made.path.name}.control"
    control.write_text('{"state": "pause"}')
    with Applying(made, **WAVES_OFF) as applying:
        time.sleep(1.5)
        control.write_text('{"state": "stop"}')
        with pytest.raises(StoppedError):
            applying.result()
    control.unlink()
    assert made.sent() == 0
    assert made.check() == {"not_attempted": 50}
    apply(made)
    made.check_all_applied()


def test_ctrl_c(case, sandbox, tmp_path):
    made = case(sandbox)
    sandbox.latency = 0.1
    said = tmp_path / "said"
    job = {**made.job(waves=[], options={"concurrency": 2}), "said": str(said)}
    with subprocess.Popen([sys.executable, str(WORKER), json.dumps(job)], cwd=ROOT, preexec_fn=heed_ctrl_c) as process:
        until(lambda: made.sent() >= 4)
        process.send_signal(signal.SIGINT)
        process.wait(20)
    assert said.read_text().startswith("KeyboardInterrupt")
    counts = made.check()
    assert counts.keys() == {"applied", "not_attempted"}
    assert counts["not_attempted"] >= 10
    assert "interrupted" in made.report["endedEarly"]
    apply(made)
    made.check_all_applied()


@pytest.mark.parametrize("failing", ["control", "lease"])
def test_what_fails_without_a_word_ends_the_run(case, sandbox, monkeypatch, failing):
    """A time-out of an object store has no text: the run went on without its control, its pace, or its lease."""
    made = case(sandbox, "silent update")
    sandbox.latency = 0.1
    is_mine = Journal.mine

    def control():
        if failing == "control" and made.sent() >= 4:
            raise TimeoutError

    def mine(journal):
        if failing == "lease" and made.sent() >= 4:
            raise TimeoutError
        return is_mine(journal)

    monkeypatch.setattr(Journal, "mine", mine)
    with Applying(made, concurrency=2, control=control, **WAVES_OFF) as applying, pytest.raises(TimeoutError):
        applying.result()
    monkeypatch.undo()
    assert made.report["endedEarly"] == "TimeoutError"
    counts = made.check()
    assert counts["not_attempted"] >= 10
    apply(made)
    made.check_all_applied()


def test_a_stop_without_a_reason_stops(case, sandbox):
    made = case(sandbox, "silent update")
    stop = Stop()
    stop("")
    with pytest.raises(StoppedError):
        apply(made, stop=stop)
    assert made.sent() == 0
