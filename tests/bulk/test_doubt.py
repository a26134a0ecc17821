"""A server that works late, answers with the state before, or writes things its own way: what is said is what is so."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.errors import AuthenticationError, ServerError
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
from airflow_provider_jicoo.bulk.apply.control import parse
from airflow_provider_jicoo.bulk.apply.journal import Journal, history
from airflow_provider_jicoo.bulk.apply.judge import judge_answer, not_seen
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.stop import Stop
from airflow_provider_jicoo.bulk.entries import Entries
from airflow_provider_jicoo.bulk.errors import BulkFailedError, JournalDamagedError, PlanError, StoppedError
from airflow_provider_jicoo.bulk.plan import PlannedChange
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import FAST, connect, outcomes, read_plan

NOW = datetime(2027, 3, 1, tzinfo=timezone.utc)
QUICK = Timing(policy=FAST, last_wait=0.2)
LOUD = {"is_send_updates": True}
QUIET = {"is_send_updates": False}


@pytest.fixture
def run(tmp_path):
    """Plan and apply over a sandbox: ``run(sandbox, change, ...)`` returns the report, ``run.plan`` is the plan."""

    def run(sandbox, change, *, selection=None, between=None, settings=None, said=None, **options):
        path = tmp_path / "plan.jsonl"
        with connect(sandbox, **{"timeout": 1, "server_grace": 1.5, **(settings or {})}) as client:
            selection = selection or Selection(status="open")
            run.plan = plan_changes(client, selection, change, path, **(said or {}))
            if between is not None:
                between()
            given = {"lease": 0.2, "timing": QUICK, "tolerated_failures": "100%", "waves": (), **options}
            return apply_plan(client, run.plan, options=Options(**given))

    return run


def said_of(run):
    """What the report says of each booking, by uid."""
    return {each["uid"]: each for each in outcomes(run.plan.manifest["plan"])}


def messaged(sandbox):
    """How often each guest was messaged, at the most."""
    each = collections.Counter((message.uid, message.guest) for message in sandbox.messages)
    return max(each.values(), default=0)


def facts(run):
    with open(f"{run.plan.manifest['plan']}.report/report.json") as file:
        return json.load(file)


# --- late ------------------------------------------------------------------------------------------------------------

LATE = {
    "dropped": ("dropped", {"late": "0.5s"}),
    "504": ("server_error", {"late": "0.5s", "status": 504}),
}


@pytest.mark.parametrize("fault", LATE)
@pytest.mark.parametrize("change", [UpdateFields(description="Room 2"), Cancel()], ids=["update", "cancel"])
def test_what_is_made_late_is_seen_and_not_sent_again(run, fault, change):
    said = LOUD if isinstance(change, UpdateFields) else {}
    name, options = LATE[fault]
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        for method in ("PATCH", "POST"):
            sandbox.fail(name, method=method, times=5, **options)
        report = run(sandbox, change, said=said)
        sandbox.settle()
        assert report.counts["applied"] == run.plan.manifest["changes"]
        assert messaged(sandbox) == 1
        assert facts(run)["sentMoreThanOnce"] == 0


@pytest.mark.parametrize("on_doubt", [None, "leave"])
def test_what_is_made_after_the_grace_is_unknown_and_not_sent_again(run, on_doubt):
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        sandbox.fail("dropped", method="PATCH", times=3, late="3s")
        with pytest.raises(BulkFailedError, match="3 unknown"):
            run(sandbox, UpdateFields(description="Room 2"), said=LOUD, on_doubt=on_doubt)
        sandbox.settle()
        assert messaged(sandbox) == 1
        unknown = [each for each in said_of(run).values() if each["outcome"] == "unknown"]
        assert all("Before you repeat it" in each["detail"] for each in unknown)


def test_a_change_that_was_never_made_is_unknown_where_it_messages(run):
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        sandbox.fail("dropped_before", method="PATCH", times=2)
        with pytest.raises(BulkFailedError, match="2 unknown"):
            run(sandbox, UpdateFields(description="Room 2"), said=LOUD)
        assert messaged(sandbox) == 1
        with connect(sandbox, timeout=1, server_grace=1) as client:
            options = Options(lease=0.2, timing=QUICK, on_doubt="again", waves=())
            report = apply_plan(client, run.plan, options=options)
        assert report.counts["applied"] == run.plan.manifest["changes"]
        assert messaged(sandbox) == 1


def test_again_waits_for_the_grace(run):
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        sandbox.fail("dropped_before", method="PATCH", times=1)
        began = time.monotonic()
        report = run(sandbox, UpdateFields(description="Room 2"), said=LOUD, on_doubt="again")
        assert time.monotonic() - began > 1.5
        assert report.counts["applied"] == run.plan.manifest["changes"]
        assert messaged(sandbox) == 1


def test_again_waits_for_the_grace_after_a_stop_too(tmp_path):
    # The run that was stopped has released the plan, so that the next try has nobody to wait for.
    with Sandbox(bookings=5, seed=7, now=NOW) as sandbox, connect(sandbox, server_grace=4) as client:
        uid = next(booking["uid"] for booking in sandbox.bookings() if booking["status"] == "open")
        change, stop = UpdateFields(description="Room 2"), Stop()
        plan = plan_changes(client, Selection(uids=[uid]), change, tmp_path / "plan.jsonl", **LOUD)
        options = Options(lease=0.2, timing=QUICK, on_doubt="again")
        sandbox.fail("dropped", method="PATCH", times=1, late="3s")
        threading.Timer(1, stop).start()
        with pytest.raises(StoppedError, match="1 unknown"):
            apply_plan(client, plan, options=options, stop=stop)
        report = apply_plan(client, plan, options=options)
        sandbox.settle()
        assert report.counts["applied"] == messaged(sandbox) == 1


def test_a_quiet_change_is_sent_again_and_counted(run):
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        sandbox.fail("dropped", method="PATCH", times=4, late="0.8s")
        report = run(sandbox, UpdateFields(description="Room 2"), said=QUIET)
        sandbox.settle()
        assert report.counts["applied"] == run.plan.manifest["changes"]
        assert sandbox.messages == []
        assert facts(run)["sentMoreThanOnce"] == sum(each.get("sends", 1) > 1 for each in said_of(run).values()) > 0
        assert "may have been sent more than once" in str(report)


def test_a_quiet_change_that_is_to_be_left_is_left_by_a_further_try_too(run):
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        sandbox.fail("dropped_before", method="PATCH", times=2)
        with pytest.raises(BulkFailedError, match="2 unknown"):
            run(sandbox, UpdateFields(description="Room 2"), said=QUIET, on_doubt="leave")
        sent = sandbox.count("PATCH")
        with connect(sandbox) as client, pytest.raises(BulkFailedError, match="2 unknown"):
            apply_plan(client, run.plan, options=Options(lease=0.2, timing=QUICK, on_doubt="leave", waves=()))
        assert sandbox.count("PATCH") == sent
        with connect(sandbox) as client:
            report = apply_plan(client, run.plan, options=Options(lease=0.2, timing=QUICK, waves=()))
        assert report.counts["applied"] == run.plan.manifest["changes"]


def test_a_worker_that_is_killed_leaves_no_more_in_doubt_than_was_under_way(run):
    """What is announced and is to be left is never sent."""
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        run(sandbox, UpdateFields(description="Room 2"), said=QUIET, on_doubt="leave", concurrency=2)
        manifest = run.plan.manifest
        (folder,) = Path(manifest["plan"]).parent.glob("*.journal")
        lines = [json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_bytes().splitlines()]
        intents = [line["intent"] for line in lines if "intent" in line]
        assert sum(map(len, intents)) == manifest["changes"]
        assert max(map(len, intents)) <= 2


def test_others_go_on_while_one_is_read_back(run):
    with Sandbox(bookings=40, seed=7, now=NOW) as sandbox:
        sandbox.fail("dropped_before", method="PATCH", times=1)
        with pytest.raises(BulkFailedError, match="1 unknown"):
            run(sandbox, UpdateFields(description="Room 2"), said=LOUD, concurrency=2, settings={"server_grace": 5})
        sent = [request for request in sandbox.requests if request.method == "PATCH"]
        meanwhile = [each for each in sent if each.at - sent[0].at < timedelta(seconds=5)]
        assert len(meanwhile) > 20


# --- an answer of success --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quirk", ["answers-before", "late-effect=0.6s", "answers-part", "answers-receipt"])
@pytest.mark.parametrize("said", [LOUD, QUIET], ids=["loud", "quiet"])
def test_an_answer_that_does_not_show_the_change_is_read_back(run, quirk, said):
    with Sandbox(bookings=25, seed=7, now=NOW, quirks=[quirk]) as sandbox:
        report = run(sandbox, UpdateFields(description="Room 2"), said=said)
        sandbox.settle()
        assert report.counts["applied"] == run.plan.manifest["changes"]
        assert messaged(sandbox) == (1 if said is LOUD else 0)
        assert sandbox.count("PATCH") == run.plan.manifest["changes"]


@pytest.mark.parametrize("answers", [(), ("answers-receipt",)], ids=str)
def test_what_jicoo_ignores_is_unknown(run, answers):
    with Sandbox(bookings=8, seed=7, now=NOW, quirks=["ignored-field=description", *answers]) as sandbox:
        with pytest.raises(BulkFailedError, match="unknown"):
            run(sandbox, UpdateFields(description="Room 2", priority="high"), said=QUIET)
        assert {each["outcome"] for each in said_of(run).values()} == {"unknown"}
        assert all("as before in description" in each["detail"] for each in said_of(run).values())


def test_another_value_is_adjusted(run):
    with Sandbox(bookings=25, seed=7, now=NOW, quirks=["stored-otherwise=priority"]) as sandbox:
        stored = {"low", "middle"}
        selection = Selection(status="open", where=lambda booking: booking["priority"] not in stored)
        report = run(sandbox, UpdateFields(priority="high"), said=QUIET, selection=selection)
        adjusted = [each for each in said_of(run).values() if each.get("adjusted")]
        assert len(adjusted) == facts(run)["adjusted"] > 0
        assert all(each["detail"].startswith("Jicoo stored priority = ") for each in adjusted)
        assert report.ok


@pytest.mark.parametrize("which", ["new", "old"])
def test_a_booking_that_a_reschedule_cancelled_is_not_moved(run, which):
    def later(booking):
        return Reschedule(times.moment(booking["startedAt"]) + timedelta(days=3640))

    with Sandbox(bookings=12, seed=7, now=NOW, quirks=[f"reschedule-makes-new={which}"]) as sandbox:
        with pytest.raises(BulkFailedError):
            run(sandbox, later)
        assert {each["outcome"] for each in said_of(run).values()} == {"unknown"}
        assert messaged(sandbox) == 1


@pytest.mark.parametrize("which", ["new", "old"])
def test_nor_where_cancelled_is_another_word(run, which):
    def later(booking):
        return Reschedule(times.moment(booking["startedAt"]) + timedelta(days=3640))

    quirks = [f"reschedule-makes-new={which}", "cancelled-word"]
    with Sandbox(bookings=12, seed=7, now=NOW, quirks=quirks) as sandbox:
        with pytest.raises(BulkFailedError):
            run(sandbox, later)
        assert {each["outcome"] for each in said_of(run).values()} == {"unknown"}


def test_a_cancel_whose_answer_is_lost_is_seen_by_any_word_for_it(run):
    with Sandbox(bookings=12, seed=7, now=NOW, quirks=["cancelled-word"]) as sandbox:
        sandbox.fail("dropped", method="POST", times=3)
        report = run(sandbox, Cancel())
        assert report.counts["applied"] == run.plan.manifest["changes"]
        assert messaged(sandbox) == 1


@pytest.mark.parametrize(("late", "outcome"), [("0.5s", "applied"), ("1h", "unknown")])
def test_a_request_that_is_confirmed_right_before_its_cancel_is_not_taken_for_cancelled(
    run, monkeypatch, late, outcome
):
    """The answer shows it confirmed: neither as it was, nor cancelled."""
    with Sandbox(bookings=25, seed=7, now=NOW, quirks=["answers-before", f"late-effect={late}"]) as sandbox:
        uid = next(row["uid"] for row in sandbox.bookings() if row["status"] == "request")
        announce = Ledger.announce

        async def confirm(ledger, changes):
            if changes:
                sandbox.edit(uid, status="open")
            await announce(ledger, changes)

        monkeypatch.setattr(Ledger, "announce", confirm)
        is_seen = contextlib.nullcontext() if outcome == "applied" else pytest.raises(BulkFailedError)
        with is_seen:
            run(sandbox, Cancel(), selection=Selection(uids=[uid]))
        (said,) = said_of(run).values()
        assert said["outcome"] == outcome, said
        assert "adjusted" not in said
        if outcome == "unknown":
            assert "the booking does not show status" in said["detail"]


@pytest.mark.parametrize("stamp", [1_800_000_000, 1.5, True, ["2027"], {"at": "2027"}, None])
def test_a_stamp_that_is_no_text_is_none(stamp):
    """With it, the outcome of a change that was made could not be written down."""
    planned = PlannedChange("u", "update", {"name": "A"}, {"name": "B"}, "2027", "2027", "2027")
    entries = Entries()
    for answer in ({"name": "B"}, {"name": "B ", "uid": "u"}, {"name": "B", "status": "cancel"}):
        entry = judge_answer(planned, {**answer, "updatedAt": stamp})
        entries["u"] = entry
        assert entry.updated_at is None
    assert not_seen(planned, {"name": "A", "updatedAt": stamp}, 1.0).updated_at is None


def test_what_is_cancelled_by_another_word_is_not_cancelled_again(run):
    with Sandbox(bookings=40, seed=7, now=NOW, quirks=["cancelled-word"]) as sandbox:
        cancelled = {row["uid"] for row in sandbox.bookings() if row["status"] == "cancel"}
        run(sandbox, Cancel(), selection=Selection())
        assert cancelled
        assert run.plan.manifest["unchanged"] == len(cancelled)
        assert cancelled.isdisjoint(said_of(run))


@pytest.mark.parametrize("answers", [(), ("answers-part",), ("answers-receipt=uid",)], ids=str)
def test_a_field_that_is_null_need_not_be_there(run, answers):
    with Sandbox(bookings=12, seed=7, now=NOW, quirks=["no-nulls", *answers]) as sandbox:
        selection = Selection(where=lambda booking: booking.get("priority") is not None)
        began = time.monotonic()
        report = run(
            sandbox, UpdateFields(priority=None), said=QUIET, selection=selection, settings={"server_grace": 20}
        )
        assert report.counts["applied"] == run.plan.manifest["changes"] > 0
        assert time.monotonic() - began < 20, "what is there is not waited for"


# --- ways of writing -------------------------------------------------------------------------------------------------

WRITING = [
    "trimmed-names",
    "collapsed-blanks",
    "nfc",
    "crlf",
    "null-for-empty",
    "empty-for-null",
    "cut-to-minute",
    "cut-to-second",
    "first-host-admin",
    "sorted-hosts",
    "host-fields",
    "extra-fields",
    "escaped-html",
    "plain-times",
    "offset-times",
    "second-stamps",
    "hosts-keep-stamp",
    "frozen-stamps",
]


def changes_of(sandbox):
    users = [user["uid"] for user in sandbox.users]
    return {
        "name": UpdateFields(name=" Cafe\u0301  for two\u3000& more "),
        "text": UpdateFields(description="Room 2\n\nPlease  ring. "),
        "empty": UpdateFields(description=""),
        "hosts": ReplaceHost(users[0], users[1]),
        "time": ShiftTime(minutes=1440),
    }


@pytest.mark.parametrize("quirk", WRITING)
@pytest.mark.parametrize("kind", ["name", "text", "empty", "hosts", "time"])
def test_however_jicoo_writes_it(run, tmp_path, quirk, kind):
    """Applied, gone on with, and taken back."""
    with Sandbox(bookings=16, seed=7, now=NOW, quirks=[quirk]) as sandbox:
        before = {booking["uid"]: booking for booking in sandbox.bookings()}
        report = run(sandbox, changes_of(sandbox)[kind], said=QUIET)
        total = run.plan.manifest["changes"]
        assert report.counts["applied"] == total > 0
        sent = sandbox.count("PATCH")
        with connect(sandbox, timeout=1) as client:
            again = apply_plan(client, run.plan, options=Options(lease=0.2, timing=QUICK))
            assert again.counts["applied"] == total
            assert sandbox.count("PATCH") == sent
            # Where Jicoo writes both the same ("" as null), there is nothing to take back.
            other = sum(
                {**sandbox.booking(uid), "updatedAt": ""} != {**row, "updatedAt": ""} for uid, row in before.items()
            )
            undo = plan_undo(client, run.plan, tmp_path / "undo.jsonl", **QUIET)
            assert undo.manifest["changes"] == other
            apply_plan(client, undo, options=Options(lease=0.2, timing=QUICK))
        for uid, booking in before.items():
            now = sandbox.booking(uid)
            assert {host["userId"] for host in now["hosts"]} == {host["userId"] for host in booking["hosts"]}
            assert now["startedAt"][:16] == booking["startedAt"][:16]
            assert " ".join((now["description"] or "").split()) == " ".join((booking["description"] or "").split())


# --- edits -----------------------------------------------------------------------------------------------------------


def test_where_only_the_stamp_moved_the_change_is_sent(run):
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        report = run(sandbox, UpdateFields(description="Room 2"), said=QUIET, between=sandbox.touch_all)
        assert report.counts["applied"] == run.plan.manifest["changes"]


def test_a_run_in_which_everything_was_stale_is_not_green(run):
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        with pytest.raises(BulkFailedError, match="Every booking was edited") as caught:
            run(sandbox, UpdateFields(description="Room 2"), said=QUIET, between=sandbox.touch_all, on_stamp="skip")
        assert caught.value.permanent
        assert sandbox.count("PATCH") == 0


@pytest.mark.parametrize("quirk", ["second-stamps", "frozen-stamps"])
@pytest.mark.parametrize("said", [LOUD, QUIET], ids=["loud", "quiet"])
def test_an_edit_that_the_stamp_does_not_tell_is_not_overwritten(run, quirk, said):
    with Sandbox(bookings=25, seed=7, now=NOW, quirks=[quirk]) as sandbox:
        chosen = [booking["uid"] for booking in sandbox.bookings() if booking["status"] == "open"][:5]

        def edit():
            for uid in chosen:
                sandbox.edit(uid, description="mine", updatedAt=sandbox.booking(uid)["updatedAt"])

        report = run(sandbox, UpdateFields(description="Room 2"), said=said, between=edit)
        assert report.counts["stale"] == len(chosen)
        assert all(sandbox.booking(uid)["description"] == "mine" for uid in chosen)


def test_a_list_that_lags_does_not_let_an_edit_be_overwritten(run):
    with Sandbox(bookings=25, seed=7, now=NOW, quirks=["late-list=2.5s"]) as sandbox:
        time.sleep(2.6)
        chosen = [booking["uid"] for booking in sandbox.bookings() if booking["status"] == "open"][:5]

        def edit():
            for uid in chosen:
                sandbox.edit(uid, description="mine")

        report = run(sandbox, UpdateFields(description="Room 2"), said=LOUD, between=edit)
        assert report.counts["stale"] == len(chosen)
        assert all(sandbox.booking(uid)["description"] == "mine" for uid in chosen)
        assert sandbox.count("GET", "/v1/bookings/{uid}") >= run.plan.manifest["changes"], "each by itself"


def test_what_waited_for_the_limit_is_read_again_at_each_try(run):
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        uid = next(booking["uid"] for booking in sandbox.bookings() if booking["status"] == "open")
        sandbox.fail("rate_limit", method="POST", times=2, retry_after=1)

        def edit():
            sent = 0
            while sent < 2:  # it waits for the second time, having been read again after the first
                sent = sandbox.count("POST")
                time.sleep(0.01)
            sandbox.edit(uid, description="mine")

        editing = threading.Thread(target=edit)
        editing.start()
        timing = Timing(policy=dataclasses.replace(FAST, floor=1), last_wait=0.2, fresh=0.5)
        with pytest.raises(BulkFailedError, match="Every booking was edited"):
            run(sandbox, Cancel(), selection=Selection(uids=[uid]), timing=timing)
        editing.join()
        assert said_of(run)[uid]["outcome"] == "stale"
        assert sandbox.messages == []


def test_what_does_not_exist_for_a_moment_is_there(run):
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        uids = [booking["uid"] for booking in sandbox.bookings() if booking["status"] == "open"]

        def between():
            for uid in uids[:3]:
                sandbox.fail("refused", status=404, method="GET", path=f"/v1/bookings/{uid}", times=2)

        report = run(sandbox, Cancel(), between=between)
        assert report.counts["applied"] == len(uids)
        assert messaged(sandbox) == 1


def test_a_change_that_finds_nobody_though_its_booking_is_there_may_be_sent_by_a_further_try(run):
    with Sandbox(bookings=25, seed=7, now=NOW) as sandbox:
        sandbox.fail("refused", status=404, method="POST", times=2)
        with pytest.raises(BulkFailedError, match="2 failed"):
            run(sandbox, Cancel())
        with connect(sandbox, timeout=1, server_grace=1) as client:
            report = apply_plan(client, run.plan, options=Options(lease=0.2, timing=QUICK))
        assert report.counts["applied"] == run.plan.manifest["changes"]
        assert messaged(sandbox) == 1


@pytest.mark.parametrize("said", [LOUD, QUIET], ids=["loud", "quiet"])
def test_what_a_list_leaves_out_is_read_and_taken_back(run, tmp_path, said):
    with Sandbox(bookings=12, seed=7, now=NOW, quirks=["list-leaves-out=description"]) as sandbox:
        before = {booking["uid"]: booking for booking in sandbox.bookings()}
        report = run(sandbox, UpdateFields(description="Room 2"), said=said)
        assert report.counts["applied"] == run.plan.manifest["changes"] > 0
        with connect(sandbox) as client:
            undo = plan_undo(client, run.plan, tmp_path / "undo.jsonl", **QUIET)
            apply_plan(client, undo, options=Options(lease=0.2, timing=QUICK))
        assert any(row["description"] for row in before.values())
        assert all(sandbox.booking(uid)["description"] == row["description"] for uid, row in before.items())


def test_a_plan_of_lists_that_show_another_value_than_the_booking_is_refused(run):
    with Sandbox(bookings=12, seed=7, now=NOW, quirks=["list-cuts=hosts"]) as sandbox:
        users = [user["uid"] for user in sandbox.users]
        for booking in sandbox.bookings():
            hosts = [{"userId": uid, "role": "editor"} for uid in users[:3]]
            sandbox.edit(booking["uid"], hosts=hosts)
        with pytest.raises(PlanError, match="the list shows another hosts than the booking itself"):
            run(sandbox, ReplaceHost(users[0], users[3]), said=QUIET)
        assert sandbox.changes == []


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_plan_does_without_a_booking_that_cannot_be_read_to_be_compared(tmp_path, status):
    """It may have been deleted since it was listed, or the key may list bookings and no more."""
    with Sandbox(bookings=60, seed=7, now=NOW) as sandbox, connect(sandbox) as client:
        sandbox.fail("refused", status=status, method="GET", path="/v1/bookings/{uid}", share=1.0)
        plan = plan_changes(client, Selection(), UpdateFields(description="x"), tmp_path / "plan.jsonl", **QUIET)
        assert plan.manifest["changes"] == 60
        assert sandbox.count("GET", "/v1/bookings/{uid}") <= {403: 3, 404: 20, 500: 3 * FAST.attempts}[status]


def test_where_null_is_left_out_few_bookings_are_read_for_it(tmp_path):
    with Sandbox(bookings=60, seed=7, now=NOW, quirks=["no-nulls"]) as sandbox, connect(sandbox) as client:
        for uid in [booking["uid"] for booking in sandbox.bookings()]:
            sandbox.edit(uid, description=None)
        plan = plan_changes(client, Selection(), UpdateFields(description="x"), tmp_path / "plan.jsonl", **QUIET)
        assert plan.manifest["changes"] == 60
        assert sandbox.count("GET", "/v1/bookings/{uid}") == 20


@pytest.mark.parametrize("said", [LOUD, QUIET], ids=["loud", "quiet"])
def test_an_undo_right_away_over_answers_that_lag_takes_all_back(run, tmp_path, said):
    with Sandbox(bookings=12, seed=7, now=NOW, quirks=["late-list=2s", "late-read=2s"]) as sandbox:
        before = {booking["uid"]: booking for booking in sandbox.bookings()}
        run(sandbox, UpdateFields(description="Room 2"), said=said, settings={"server_grace": 5})
        with connect(sandbox) as client:
            undo = plan_undo(client, run.plan, tmp_path / "undo.jsonl", **QUIET)
            assert undo.manifest["changes"] == run.plan.manifest["changes"]
            apply_plan(client, undo, options=Options(lease=0.2, timing=QUICK))
        assert all(sandbox.booking(uid)["description"] == row["description"] for uid, row in before.items())


def test_an_undo_over_a_list_that_lags_has_them_all(run, tmp_path):
    with Sandbox(bookings=25, seed=7, now=NOW, quirks=["late-list=5s"]) as sandbox:
        run(sandbox, UpdateFields(description="Room 2"), said=QUIET, reread="each")
        with connect(sandbox) as client:
            undo = plan_undo(client, run.plan, tmp_path / "undo.jsonl", **QUIET)
        assert undo.manifest["changes"] == run.plan.manifest["changes"]


# --- limits, damage, stops -------------------------------------------------------------------------------------------


def test_a_limit_that_is_told_by_503_teaches_the_pace(run):
    with Sandbox(bookings=40, seed=7, now=NOW, quirks=["limit-503"]) as sandbox:
        sandbox.rate_limit = 20
        report = run(sandbox, UpdateFields(description="Room 2"), said=QUIET, timing=Timing())
        assert report.counts["applied"] == run.plan.manifest["changes"]
        assert facts(run)["refused"] > 0


def test_under_an_unknown_limit_the_first_burst_is_gentle(run):
    with Sandbox(bookings=120, seed=7, now=NOW) as sandbox:
        sandbox.latency = 0.05
        sandbox.rate_limit = 20
        run(sandbox, UpdateFields(description="Room 2"), said=QUIET, timing=Timing(), selection=Selection())
        first = [request.status for request in sandbox.requests if request.method == "PATCH"][:38]
        assert first.count(429) <= 19, f"{first.count(429)} of the first {len(first)} were refused"


def damaged(sandbox, tmp_path, said):
    """A plan of which ten changes were made, and of whose journal a segment is gone."""
    with connect(sandbox) as client:
        plan = plan_changes(
            client, Selection(status="open"), UpdateFields(description="Room 2"), tmp_path / "p", **said
        )
        digest = plan.manifest["digest"]
        lines = [json.loads(line) for line in (tmp_path / "p").read_bytes().splitlines()[1:]]
        journal = Journal(tmp_path / f"p.{digest[:12]}.journal", 0.2)
        journal.claim(history(tmp_path / f"p.{digest[:12]}.journal"))
        made = [line["uid"] for line in lines[:10]]
        journal.write([], made)
        journal.write([], [lines[10]["uid"]])
        journal.release()
        for uid in made:
            sandbox.edit(uid, description="Room 2")
        next((tmp_path / f"p.{digest[:12]}.journal").glob("*-000001.jsonl")).unlink()
    return plan, made


def test_a_damaged_journal_sends_nothing_that_could_message_twice(tmp_path):
    with Sandbox(bookings=30, seed=7, now=NOW) as sandbox:
        plan, _ = damaged(sandbox, tmp_path, LOUD)
        with connect(sandbox, timeout=1) as client, pytest.raises(JournalDamagedError, match="is missing"):
            apply_plan(client, plan, options=Options(lease=0.2, timing=QUICK))
        assert sandbox.count("PATCH") == 0


def test_over_a_damaged_journal_a_quiet_plan_goes_on_and_nothing_is_called_unchanged(tmp_path):
    with Sandbox(bookings=30, seed=7, now=NOW) as sandbox:
        plan, made = damaged(sandbox, tmp_path, QUIET)
        with connect(sandbox, timeout=1) as client:
            report = apply_plan(client, plan, options=Options(lease=0.2, timing=QUICK))
        assert report.counts["applied"] == plan.manifest["changes"]
        assert report.counts["unchanged"] == 0
        assert sandbox.count("PATCH") == plan.manifest["changes"] - len(made)


def test_a_stop_by_the_control_is_final_for_who_was_stopped(run, tmp_path):
    with Sandbox(bookings=30, seed=7, now=NOW) as sandbox, connect(sandbox) as client:
        plan = plan_changes(client, Selection(status="open"), UpdateFields(priority="high"), tmp_path / "p", **QUIET)
        options = Options(lease=0.2, timing=QUICK)
        with pytest.raises(StoppedError, match="told to stop") as caught:
            apply_plan(client, plan, options=options, control=lambda: '{"state": "stop"}', by="the task")
        assert caught.value.permanent
        with pytest.raises(StoppedError, match="somebody has stopped this plan"):
            apply_plan(client, plan, options=options, control=lambda: None, by="the task")
        assert sandbox.count("PATCH") == 0
        report = apply_plan(client, plan, options=options, control=lambda: None, by="the task, cleared")
        assert report.counts["applied"] == plan.manifest["changes"]


@pytest.mark.parametrize("told", ["NaN", "Infinity", "-Infinity", "-1", "0", "true", '"5"'])
def test_a_ceiling_that_is_no_number_is_a_clear_error(told):
    with pytest.raises(PlanError, match="max_requests_per_second"):
        parse(f'{{"max_requests_per_second": {told}}}')


def test_a_refused_key_lets_go_of_moves_that_wait_for_a_slot(run):
    """Each waits for the one before it to leave; the key is refused at the first, and the run ends."""
    with Sandbox(bookings=0, seed=7, now=NOW) as sandbox:
        host = [{"userId": sandbox.users[0]["uid"], "role": "admin"}]
        for number in range(6):
            start = NOW + timedelta(days=9, minutes=30 * number)
            sandbox.add_booking(status="open", startedAt=start, endedAt=start + timedelta(minutes=30), hosts=host)

        def refuse():
            sandbox.fail("refused", status=401, share=1.0)

        with pytest.raises(AuthenticationError):
            run(sandbox, ShiftTime(minutes=30), said=LOUD, between=refuse)
        assert sandbox.count("PATCH") <= 1


# --- a booking that cannot be read -----------------------------------------------------------------------------------

UNREADABLE = ("surrogate", "hosts=null", "null", "500", "410")


def break_booking(sandbox, uid, how):
    """Let one booking be unreadable; where the server fails at it, the list has no such row either."""
    if how.isdigit():
        sandbox.break_row(uid, "null")
        name = "server_error" if how == "500" else "refused"
        sandbox.fail(name, method="GET", path=f"/v1/bookings/{uid}", share=1.0, status=int(how))
    else:
        sandbox.break_row(uid, how)


@pytest.mark.parametrize("said", [LOUD, QUIET], ids=["loud", "quiet"])
@pytest.mark.parametrize(("how", "place"), [*((how, 3) for how in UNREADABLE), ("surrogate", 0), ("500", 0)])
def test_one_booking_that_cannot_be_read_ends_neither_apply_nor_undo(run, tmp_path, how, said, place):
    with Sandbox(bookings=14, seed=7, now=NOW) as sandbox:
        chosen = []

        def breaks():
            chosen.append(read_plan(tmp_path / "plan.jsonl")[1][place]["uid"])
            break_booking(sandbox, chosen[0], how)

        with pytest.raises(BulkFailedError, match="1 failed"):
            run(sandbox, UpdateFields(description="Room 2"), said=said, between=breaks, waves=("1",))
        total = run.plan.manifest["changes"]
        found = said_of(run)
        assert found[chosen[0]]["outcome"] == "failed"
        assert "could not be read" in found[chosen[0]]["detail"]
        assert collections.Counter(each["outcome"] for each in found.values()) == {"applied": total - 1, "failed": 1}

        other = next(uid for uid in found if uid != chosen[0])
        break_booking(sandbox, other, how)
        with connect(sandbox) as client:
            undo = plan_undo(client, run.plan, tmp_path / "undo.jsonl", **said)
        assert undo.manifest["changes"] == total - 2
        (left,) = read_plan(tmp_path / "undo.jsonl")[0]["leftAlone"]
        assert left["uid"] == other
        assert "could not be read" in left["why"]


def test_a_server_that_fails_at_every_booking_ends_the_run(run):
    with Sandbox(bookings=14, seed=7, now=NOW) as sandbox:

        def breaks():
            sandbox.fail("server_error", method="GET", share=1.0)

        with pytest.raises(ServerError):
            run(sandbox, UpdateFields(description="Room 2"), said=QUIET, between=breaks, waves=("1",))
        assert {each["outcome"] for each in said_of(run).values()} == {"not_attempted"}


# --- what an earlier try has left ------------------------------------------------------------------------------------


def test_what_is_seen_as_made_by_an_earlier_try_is_kept_as_jicoo_stored_it(run, tmp_path):
    """Killed after the sending: the next try sees what became of it, and says so like an answer."""
    with Sandbox(bookings=16, seed=7, now=NOW) as sandbox:
        users = [user["uid"] for user in sandbox.users]
        with connect(sandbox) as client:
            plan = plan_changes(client, Selection(), ReplaceHost(users[0], users[1]), tmp_path / "p", **QUIET)
            lines = read_plan(tmp_path / "p")[1]
            journal = Journal(tmp_path / f"p.{plan.manifest['digest'][:12]}.journal", 0.2)
            journal.claim(history(tmp_path / f"p.{plan.manifest['digest'][:12]}.journal"))
            journal.write([], [line["uid"] for line in lines])
            journal.release()
            for line in lines:
                sandbox.edit(line["uid"], hosts=[{**host, "role": "editor"} for host in line["after"]["hosts"]])

            report = apply_plan(client, plan, options=Options(lease=0.2, timing=QUICK))
            undo = plan_undo(client, plan, tmp_path / "undo", **QUIET)

        assert sandbox.count("PATCH") == 0
        assert report.counts["applied"] == len(lines)
        assert all(each["adjusted"] for each in outcomes(tmp_path / "p"))
        assert undo.manifest["changes"] == len(lines)


@pytest.mark.parametrize("said", [LOUD, QUIET], ids=["loud", "quiet"])
def test_what_a_lagging_list_shows_as_done_is_not_called_unchanged(run, tmp_path, said):
    """The list still shows what was before the apply, which is what the undo is to bring back."""
    with Sandbox(bookings=14, seed=7, now=NOW, quirks=["late-list=3s"]) as sandbox:
        before = {row["uid"]: row["description"] for row in sandbox.bookings()}
        run(sandbox, UpdateFields(description="Room 2"), said=said)
        with connect(sandbox) as client:
            undo = plan_undo(client, run.plan, tmp_path / "undo.jsonl", **said)
            report = apply_plan(client, undo, options=Options(lease=0.2, timing=QUICK))
        assert report.counts["applied"] == undo.manifest["changes"] == run.plan.manifest["changes"]
        assert {row["uid"]: row["description"] for row in sandbox.bookings()} == before


@pytest.mark.parametrize("grace", [0.5, 1.0])
def test_the_last_look_is_at_the_end_of_a_short_grace(run, grace):
    late = 0.8 * grace
    with Sandbox(bookings=8, seed=7, now=NOW, quirks=[f"late-effect={late}s"]) as sandbox:
        settings = {"timeout": grace, "server_grace": grace}
        report = run(sandbox, UpdateFields(description="Room 2"), said=LOUD, settings=settings)
        assert report.counts["applied"] == run.plan.manifest["changes"]


def test_a_reschedule_is_taken_back_where_jicoo_gives_no_time_zone(run, tmp_path):
    with Sandbox(bookings=10, seed=7, now=NOW, quirks=["drift=timeZone"]) as sandbox:
        before = {row["uid"]: row["startedAt"] for row in sandbox.bookings()}
        change = Reschedule("2037-03-02T09:00", time_zone="Europe/Paris")
        chosen = next(row["uid"] for row in sandbox.bookings() if row["status"] == "open")
        run(sandbox, change, selection=Selection(uids=[chosen]))
        with connect(sandbox) as client:
            undo = plan_undo(client, run.plan, tmp_path / "undo.jsonl")
            apply_plan(client, undo, options=Options(lease=0.2, timing=QUICK))
        assert {row["uid"]: row["startedAt"] for row in sandbox.bookings()} == before
        (left,) = read_plan(tmp_path / "undo.jsonl")[0]["leftAlone"]
        assert left == {"uid": chosen, "why": "its time zone before is not known, and stays"}


def test_a_try_that_sends_nothing_does_not_take_back_the_doubt_of_the_one_before(tmp_path):
    """What the first has sent may be made at any time, also while the second ends and before the third begins."""
    with Sandbox(bookings=14, seed=7, now=NOW) as sandbox, connect(sandbox) as client:
        plan = plan_changes(client, Selection(), UpdateFields(description="Room 2"), tmp_path / "p", **QUIET)
        uids = [line["uid"] for line in read_plan(tmp_path / "p")[1]]
        journal = Journal(tmp_path / f"p.{plan.manifest['digest'][:12]}.journal", 0.2)
        journal.claim(history(tmp_path / f"p.{plan.manifest['digest'][:12]}.journal"))
        journal.write([], uids)
        journal.release()
        sandbox.fail("refused", method="PATCH", status=401, times=1)
        with pytest.raises(AuthenticationError):
            apply_plan(client, plan, options=Options(lease=0.2, timing=QUICK, concurrency=1, waves=()))
        for uid in uids:
            sandbox.edit(uid, description="Room 2")
        report = apply_plan(client, plan, options=Options(lease=0.2, timing=QUICK))
        assert report.counts["applied"] == len(uids)
        assert sandbox.count("PATCH") == 1
