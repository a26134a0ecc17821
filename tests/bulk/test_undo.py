"""What was applied is taken back, and what somebody has changed since is not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.bulk import (
    Cancel,
    ReplaceHost,
    Reschedule,
    Selection,
    ShiftTime,
    UpdateFields,
    apply_plan,
    plan_changes,
    plan_undo,
)
from airflow_provider_jicoo.bulk.errors import BulkFailedError, PlanError, PlanLimitError, PlanMismatchError
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import NOW, connect, dump, quick, read_plan

OPTIONS = quick()
OPEN = Selection(status="open")


@pytest.fixture
def sandbox(server):
    server.reset(bookings=40, seed=3)
    return server


def applied(jicoo, path, change, selection=OPEN, said=False, **more):
    """Plan and apply; return the plan."""
    made = plan_changes(jicoo, selection, change, path, is_send_updates=said, **more)
    for shard in made.manifest["shards"]:
        report = apply_plan(jicoo, shard, options=OPTIONS)
        assert report.counts["applied"] == shard["changes"]
    return made


def undone(jicoo, plan, said=False, **more):
    """Plan the undo and apply it; return its plan."""
    path = Path(plan.manifest["plan"])
    made = plan_undo(jicoo, plan, path.with_name(f"undo-{path.name}"), is_send_updates=said, **more)
    report = apply_plan(jicoo, made, options=OPTIONS)
    assert report.counts["applied"] == made.manifest["changes"]
    return made


def left(plan):
    return sorted((each["uid"], each["why"]) for each in read_plan(plan.manifest["plan"])[0]["leftAlone"])


def elsewhere(booking):
    """A free slot years from now, as another zone writes it."""
    return Reschedule(times.moment(booking["startedAt"]) + timedelta(days=3640), "Europe/Berlin")


def of_all_kinds(booking):
    kinds = {None: elsewhere(booking), "low": UpdateFields(priority="high", name="Somebody else"), "high": None}
    return kinds.get(booking["priority"], ShiftTime(minutes=90))


def replace(sandbox):
    # The colleague is at some of them already: those lose a host, and get one back.
    return ReplaceHost(sandbox.users[0]["uid"], sandbox.users[1]["uid"])


KINDS = {
    "fields": (lambda sandbox: UpdateFields(name="x", description="y", priority=None, time_zone="Asia/Tokyo"), False),
    "fields, loud": (lambda sandbox: UpdateFields(priority="high"), True),
    "fields to null": (lambda sandbox: UpdateFields(description=None, priority=None), False),
    "host": (replace, False),
    "hosts": (lambda sandbox: UpdateFields(hosts=[{"userId": sandbox.users[2]["uid"], "role": "editor"}]), False),
    "minutes": (lambda sandbox: ShiftTime(minutes=-45), False),
    "date": (lambda sandbox: ShiftTime(to_date="2027-03-16"), False),
    "reschedule": (lambda sandbox: elsewhere, None),
    "function": (lambda sandbox: of_all_kinds, True),
}


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_apply_and_undo_leave_everything_as_it_was(sandbox, jicoo, tmp_path, kind, shards):
    make, said = KINDS[kind]
    before = dump(sandbox)
    plan = applied(jicoo, tmp_path / "plan.jsonl", make(sandbox), said=said, shards=shards)
    changed = plan.manifest["changes"]
    assert changed >= 3
    assert sum(dump(sandbox)[uid] != before[uid] for uid in before) == changed
    undo = undone(jicoo, plan, said)
    assert undo.manifest["changes"] == changed
    assert left(undo) == []
    assert dump(sandbox) == before


def test_the_undo_of_a_silent_change_messages_nobody(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(priority="high"))
    undone(jicoo, plan)
    assert sandbox.messages == []


def test_an_undo_is_planned_before_anything_is_sent(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(priority="high"))
    after, changes = dump(sandbox), sandbox.count("PATCH")
    undo = plan_undo(jicoo, plan, tmp_path / "undo.jsonl", is_send_updates=True, update_message="Sorry.")
    assert dump(sandbox) == after
    assert sandbox.count("PATCH") == changes
    assert undo.manifest["guests_notified"] == undo.manifest["changes"]
    assert "with these words: Sorry." in undo.summary


@pytest.mark.parametrize("minutes", [30, -30])
def test_moves_go_back_in_an_order_that_works(sandbox, jicoo, tmp_path, minutes):
    sandbox.reset(bookings=0, seed=1)
    host = [{"userId": sandbox.users[0]["uid"], "role": "admin"}]
    starts = [NOW + timedelta(days=9, minutes=30 * number) for number in range(10)]
    for start in starts[:-1]:
        sandbox.add_booking(startedAt=start, endedAt=start + timedelta(minutes=30), hosts=host)
    before = dump(sandbox)

    def to_the_neighbour(booking):
        return Reschedule(times.moment(booking["startedAt"]) + timedelta(minutes=minutes))

    plan = applied(jicoo, tmp_path / "plan.jsonl", to_the_neighbour, said=None)
    assert plan.manifest["changes"] == 9
    undo = undone(jicoo, plan, None)
    assert sum("waitsFor" in line for line in read_plan(undo.manifest["plan"])[1]) == 8
    assert dump(sandbox) == before


# --- what somebody has changed since ---------------------------------------------------------------------------------


def test_a_field_that_was_edited_since_stays(sandbox, jicoo, tmp_path):
    before = dump(sandbox)
    change = UpdateFields(description="Room 2", priority="high", name="x")
    plan = applied(jicoo, tmp_path / "plan.jsonl", change, Selection(status="cancel"))
    one, two, *_ = uids = [line["uid"] for line in read_plan(plan.manifest["plan"])[1]]
    sandbox.edit(one, description="Room 3")
    sandbox.edit(two, description="Room 4", name="Jane", address="elsewhere")
    undo = undone(jicoo, plan)
    assert left(undo) == sorted(
        [
            (one, "description was changed since"),
            (two, "description was changed since"),
            (two, "name was changed since"),
        ]
    )
    wanted = {
        **before,
        one: {**before[one], "description": "Room 3"},
        two: {**before[two], "description": "Room 4", "name": "Jane", "address": "elsewhere"},
    }
    assert dump(sandbox) == wanted
    assert "**3 are left alone**" in undo.summary
    assert f"`{one}`: description was changed since" in undo.summary
    assert len(uids) == undo.manifest["changes"]


def test_the_list_of_what_is_left_alone_is_the_same_each_time(sandbox, jicoo, tmp_path):
    fields = {"description": "x", "priority": "high", "name": "x", "time_zone": "Asia/Tokyo"}
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(**fields), Selection(status="cancel"))
    uid = read_plan(plan.manifest["plan"])[1][0]["uid"]
    sandbox.edit(uid, description="y", priority="low", name="y", timeZone="Europe/Paris")
    undo = plan_undo(jicoo, plan, tmp_path / "undo.jsonl", is_send_updates=False)
    whys = [each["why"] for each in read_plan(undo.manifest["plan"])[0]["leftAlone"]]
    assert whys == sorted(whys)
    assert len(whys) == 4


@pytest.mark.parametrize("minutes", [300, -300])
@pytest.mark.parametrize("name", ["startedAt", "endedAt"])
def test_start_and_end_go_back_together_or_not_at_all(sandbox, jicoo, tmp_path, name, minutes):
    plan = applied(jicoo, tmp_path / "plan.jsonl", ShiftTime(minutes=minutes))
    uid = read_plan(plan.manifest["plan"])[1][0]["uid"]
    row = sandbox.booking(uid)
    off = timedelta(minutes=-10 if name == "startedAt" else 10)
    edited = sandbox.edit(uid, **{name: times.moment(row[name]) + off})
    undo = undone(jicoo, plan)
    assert sandbox.booking(uid) == edited, "half a move is a booking of another length"
    assert (uid, f"{name} was changed since") in left(undo)
    assert {each for each, _ in left(undo)} == {uid}


def test_a_booking_that_was_moved_on_since_stays(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", elsewhere, said=None)
    one, two, *_ = [line["uid"] for line in read_plan(plan.manifest["plan"])[1]]
    moved = sandbox.edit(one, startedAt=NOW + timedelta(days=5000), endedAt=NOW + timedelta(days=5000, hours=1))
    sandbox.edit(two, timeZone="America/New_York")
    undo = undone(jicoo, plan, None)
    assert left(undo) == [(one, "startedAt was changed since")]
    assert sandbox.booking(one) == moved
    assert sandbox.booking(two)["timeZone"] == "America/New_York", "the zone was somebody's own edit"
    assert sandbox.booking(two)["startedAt"] == read_plan(plan.manifest["plan"])[1][1]["before"]["startedAt"]


def test_a_host_that_came_since_stays(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", replace(sandbox))
    uid = read_plan(plan.manifest["plan"])[1][0]["uid"]
    hosts = [*sandbox.booking(uid)["hosts"], {"userId": sandbox.users[7]["uid"], "role": "viewer"}]
    hosts = list({host["userId"]: host for host in hosts}.values())
    sandbox.edit(uid, hosts=hosts[::-1] if len(hosts) < 2 else hosts)
    undo = undone(jicoo, plan)
    assert left(undo) == [(uid, "hosts was changed since")]
    assert sandbox.booking(uid)["hosts"] == hosts


def test_what_somebody_has_taken_back_already_is_no_change(sandbox, jicoo, tmp_path):
    before = sandbox.bookings()
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(description="Room 2"))
    for row in before:
        sandbox.edit(row["uid"], description=row["description"])
    undo = undone(jicoo, plan)
    assert undo.manifest["changes"] == 0


def test_a_booking_that_is_gone(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(description="Room 2"))
    uid = read_plan(plan.manifest["plan"])[1][4]["uid"]
    sandbox.delete(uid)
    undo = undone(jicoo, plan)
    assert left(undo) == [(uid, "it does not exist any more")]
    assert undo.manifest["changes"] == plan.manifest["changes"] - 1


# --- what cannot be taken back ---------------------------------------------------------------------------------------


def test_a_cancel_is_not_brought_back(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", Cancel(), said=None)
    after, messages = dump(sandbox), len(sandbox.messages)
    undo = undone(jicoo, plan, None)
    assert undo.manifest["changes"] == 0
    uids = sorted(line["uid"] for line in read_plan(plan.manifest["plan"])[1])
    assert left(undo) == [(uid, "a cancelled booking cannot be brought back") for uid in uids]
    assert f"**{len(uids)} are left alone**" in undo.summary
    assert dump(sandbox) == after
    assert len(sandbox.messages) == messages


def test_a_booking_that_was_cancelled_since_is_left_alone(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(priority="high"))
    gone = read_plan(plan.manifest["plan"])[1][0]["uid"]
    sandbox.edit(gone, status="cancel")
    undo = undone(jicoo, plan)
    assert left(undo) == [(gone, "it was cancelled since")]
    assert gone not in [line["uid"] for line in read_plan(undo.manifest["plan"])[1]]
    assert sandbox.booking(gone)["priority"] == "high"


def test_of_which_nobody_knows_it_is_said(sandbox, jicoo, tmp_path):
    before = dump(sandbox)
    plan = plan_changes(jicoo, OPEN, UpdateFields(description="Room 2"), tmp_path / "plan.jsonl", is_send_updates=False)
    uid = read_plan(plan.manifest["plan"])[1][2]["uid"]
    sandbox.fail("dropped", method="PATCH", path=f"/v1/bookings/{uid}", times=99)
    sandbox.fail("server_error", method="GET", path=f"/v1/bookings/{uid}", times=99)
    with pytest.raises(BulkFailedError, match="1 unknown"):
        apply_plan(jicoo, plan, options=quick(tolerated_failures=1))
    sandbox.heal()
    undo = undone(jicoo, plan)
    assert left(undo) == [(uid, "nobody knows whether it was changed")]
    assert dump(sandbox) == {**before, uid: {**before[uid], "description": "Room 2"}}


def test_only_what_this_apply_has_changed(sandbox, jicoo, tmp_path):
    plan = plan_changes(jicoo, OPEN, UpdateFields(description="Room 2"), tmp_path / "plan.jsonl", is_send_updates=False)
    stale, same, *rest = [line["uid"] for line in read_plan(plan.manifest["plan"])[1]]
    sandbox.edit(stale, description="Room 9")
    sandbox.edit(same, description="Room 2")
    before = dump(sandbox)
    report = apply_plan(jicoo, plan, options=OPTIONS)
    assert (report.counts["stale"], report.counts["unchanged"]) == (1, 1)
    undo = undone(jicoo, plan)
    assert sorted(line["uid"] for line in read_plan(undo.manifest["plan"])[1]) == sorted(rest)
    assert left(undo) == []
    assert dump(sandbox)[same]["description"] == "Room 2"
    assert dump(sandbox)[stale] == before[stale]


# --- any plan --------------------------------------------------------------------------------------------------------


def test_an_undo_can_be_undone(sandbox, jicoo, tmp_path):
    before = dump(sandbox)
    plan = applied(jicoo, tmp_path / "plan.jsonl", of_all_kinds, said=True)
    after = dump(sandbox)
    undo = undone(jicoo, plan, True)
    assert dump(sandbox) == before
    again = undone(jicoo, undo, True)
    assert dump(sandbox) == after
    undone(jicoo, again, True)
    assert dump(sandbox) == before


def test_an_undo_twice_has_nothing_to_do(sandbox, jicoo, tmp_path):
    before = dump(sandbox)
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(priority="high", description="x"))
    undone(jicoo, plan)
    again = plan_undo(jicoo, plan, tmp_path / "again.jsonl", is_send_updates=False)
    assert again.manifest["changes"] == 0
    assert dump(sandbox) == before


def test_a_plan_that_was_never_applied(sandbox, jicoo, tmp_path):
    plan = plan_changes(jicoo, OPEN, UpdateFields(priority="high"), tmp_path / "plan.jsonl", is_send_updates=False)
    sent = sandbox.count()
    undo = plan_undo(jicoo, plan, tmp_path / "undo.jsonl", is_send_updates=False)
    assert undo.manifest["changes"] == 0
    assert "**0 bookings will be changed**" in undo.summary
    assert sandbox.count() == sent
    (warning,) = undo.manifest["warnings"]
    assert warning.startswith(f"nothing of {tmp_path / 'plan.jsonl'} was applied: it has no journal")
    assert warning in undo.summary


def test_a_plan_its_manifest_or_its_path(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(priority="high"), shards=2)
    path = tmp_path / "plan.jsonl"
    given = [plan, plan.manifest, path]
    made = [plan_undo(jicoo, each, tmp_path / "undo", is_send_updates=False).manifest["digest"] for each in given]
    assert len(set(made)) == 1
    halves = [
        plan_undo(jicoo, shard, tmp_path / "half", is_send_updates=False).manifest["changes"]
        for shard in plan.manifest["shards"]
    ]
    assert halves == [shard["changes"] for shard in plan.manifest["shards"]]


def test_limits_and_what_must_be_said(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(priority="high"))
    undo = tmp_path / "undo.jsonl"
    with pytest.raises(PlanError, match="is_send_updates must be said"):
        plan_undo(jicoo, plan, undo)
    with pytest.raises(PlanLimitError, match="max_changes is 2"):
        plan_undo(jicoo, plan, undo, is_send_updates=False, max_changes=2)
    with pytest.raises(PlanLimitError, match="max_notified_guests is 2"):
        plan_undo(jicoo, plan, undo, is_send_updates=True, max_notified_guests=2)
    with pytest.raises(PlanError, match="nobody would get it"):
        plan_undo(jicoo, plan, undo, is_send_updates=False, update_message="Sorry.")
    assert not undo.exists()


def test_a_reschedule_is_not_undone_in_silence(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", elsewhere, said=None)
    with pytest.raises(PlanError, match="Jicoo messages the guest at every reschedule"):
        plan_undo(jicoo, plan, tmp_path / "undo.jsonl", is_send_updates=False)


def test_a_plan_of_another_jicoo(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(priority="high"))
    with Sandbox(bookings=40, seed=3, now=NOW) as other, connect(other) as there:
        with pytest.raises(PlanMismatchError, match="not of"):
            plan_undo(there, plan, tmp_path / "undo.jsonl", is_send_updates=False)
        assert other.count() == 0
    assert not (tmp_path / "undo.jsonl").exists()


def test_no_plan_at_all(sandbox, jicoo, tmp_path):
    with pytest.raises(PlanMismatchError):
        plan_undo(jicoo, tmp_path / "plan.jsonl", tmp_path / "undo.jsonl", is_send_updates=False)


def test_a_damaged_plan(sandbox, jicoo, tmp_path):
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(priority="high"))
    path = tmp_path / "plan.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"low"', b'"middle"'))
    with pytest.raises(PlanMismatchError, match="damaged"):
        plan_undo(jicoo, plan, tmp_path / "undo.jsonl", is_send_updates=False)


@pytest.mark.parametrize("gone", ["*-000002.jsonl", "*.jsonl", "*"])
def test_what_a_damaged_journal_says_nothing_of_is_listed(sandbox, jicoo, tmp_path, gone):
    plan = applied(jicoo, tmp_path / "plan.jsonl", UpdateFields(priority="high"))
    (journal,) = tmp_path.glob("*.journal")
    for file in journal.glob(gone):
        file.unlink()
    undo = plan_undo(jicoo, plan, tmp_path / "undo.jsonl", is_send_updates=False)
    header, lines = read_plan(tmp_path / "undo.jsonl")
    assert len(lines) + len(header["leftAlone"]) == plan.manifest["changes"]
    assert "is damaged" in undo.summary
    (warning,) = undo.manifest["warnings"]
    assert "missing" in warning
    assert gone == "*-000002.jsonl" or not lines


def test_times_go_back_in_the_form_in_which_times_are_sent(sandbox, jicoo, tmp_path):
    """However Jicoo writes them: a strict one refuses others, and moves are put in order by them."""
    before = {booking["uid"]: dict(booking) for booking in sandbox.bookings()}
    sandbox.quirks = ["offset-times"]
    try:
        plan = applied(jicoo, tmp_path / "plan.jsonl", ShiftTime(minutes=15))
        undo = undone(jicoo, plan)
    finally:
        sandbox.quirks = []
    _, lines = read_plan(undo.manifest["plan"])
    sent = [line["after"][name] for line in lines for name in ("startedAt", "endedAt") if name in line["after"]]
    assert sent
    assert sent == [times.as_wire(each) for each in sent]
    assert {booking["uid"]: dict(booking) | {"updatedAt": ""} for booking in sandbox.bookings()} == {
        uid: booking | {"updatedAt": ""} for uid, booking in before.items()
    }
