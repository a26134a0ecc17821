"""What a person reads before they agree: names instead of ids, equal changes together, local times, no guests."""

# ruff: noqa: E501 (tables as they are printed)

from __future__ import annotations

import io
import json
import re
import time
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.errors import AuthenticationError
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk import (
    Cancel,
    Options,
    ReplaceHost,
    Reschedule,
    Selection,
    ShiftTime,
    UpdateFields,
    apply_plan,
    plan_changes,
    plan_undo,
)
from airflow_provider_jicoo.bulk.errors import PlanLimitError
from airflow_provider_jicoo.bulk.plan import PlannedChange
from airflow_provider_jicoo.bulk.plan.markdown import code, table, text, width, words
from airflow_provider_jicoo.bulk.plan.names import MOST_EVENT_TYPES, MOST_ROWS, Names, read_names
from airflow_provider_jicoo.bulk.plan.phrases import day, span
from airflow_provider_jicoo.bulk.plan.summary import MOST_LEFT, MOST_LINES, summary
from airflow_provider_jicoo.bulk.plan.tally import MOST_KINDS, SAMPLE, Tally
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import FAST, read_plan

NOW = datetime(2027, 2, 1, 3, tzinfo=timezone.utc)
QUICK = Options(lease=0.2)
FIRST, DEMO, ONLINE = "初回相談", "Product demo", "オンライン面談"
OLIVIA, TANAKA, EMMA = "Olivia Brown", "田中 健", "Emma Wilson"


@pytest.fixture(scope="module")
def server():
    with Sandbox(bookings=0, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server):
    server.reset(bookings=0, seed=3)
    return server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plan.jsonl"


def ids(sandbox):
    """The ids of users and event types by name."""
    return {row["name"]: row["uid"] for row in (*sandbox.users, *sandbox.event_types)}


def book(sandbox, start, zone="Asia/Tokyo", *, hosts=(OLIVIA,), event_type=FIRST, minutes=30, **fields):
    """Add a booking that starts at a wall clock of its zone."""
    by_name = ids(sandbox)
    begin = times.moment(start, zone)
    return sandbox.add_booking(
        startedAt=begin,
        endedAt=begin + timedelta(minutes=minutes),
        timeZone=zone,
        eventTypeId=by_name[event_type],
        hosts=[{"userId": by_name[host], "role": "viewer" if at else "admin"} for at, host in enumerate(hosts)],
        **{"priority": None, **fields},
    )["uid"]


def shown(plan, sandbox, *uids):
    """The summary, with what differs from run to run in words: ids of bookings in the order given."""
    found = plan.summary
    replaced = {uid: f"booking-{number:04}" for number, uid in enumerate(uids, 1)}
    replaced |= {user["uid"]: f"<id of {user['name']}>" for user in sandbox.users}
    for value, name in {**replaced, sandbox.url: "<jicoo>", plan.manifest["digest"]: "<digest>"}.items():
        found = found.replace(value, name)
    return re.sub(r"- Made: .*\n", "", found)  # that was now


def lines_of(shown, title):
    """The lines under a heading."""
    return shown.split(f"#### {title}\n\n", 1)[1].split("\n\n####", 1)[0].rstrip().splitlines()


# --- whole plans, read line by line -----------------------------------------------------------------------------------


def test_a_host_leaves(sandbox, jicoo, path):
    uids = [
        book(sandbox, "2027-03-02T10:00"),
        book(sandbox, "2027-03-03T16:30", "Europe/Madrid", event_type=DEMO),
        book(sandbox, "2027-03-03T20:00", "America/New_York", hosts=[EMMA, OLIVIA]),
        book(sandbox, "2027-03-05T10:00", hosts=[OLIVIA, TANAKA]),
    ]
    book(sandbox, "2027-03-02T10:00", hosts=[EMMA])
    by_name = ids(sandbox)
    change = ReplaceHost(by_name[OLIVIA], by_name[TANAKA])
    selection = Selection(status="open", host_user_id=by_name[OLIVIA])
    made = plan_changes(jicoo, selection, change, path, is_send_updates=False, made_by="Jane")
    assert (
        shown(made, sandbox, *uids)
        == """\
**4 bookings will be changed**, 0 are so already.

- No guest will be messaged.
- No change is irreversible.

#### Changes

- 3 × host Olivia Brown → 田中 健
- 1 × host Olivia Brown leaves

#### Bookings

- Days (local): 1 × Tue 2027-03-02, 2 × Wed 2027-03-03, 1 × Fri 2027-03-05
- Event types: 3 × 初回相談, 1 × Product demo
- Hosts now: 4 × Olivia Brown, 1 × Emma Wilson, 1 × 田中 健

#### Examples

| Local time                            | Now                            | Then                      | Event type   | Booking        |
| ------------------------------------- | ------------------------------ | ------------------------- | ------------ | -------------- |
| Tue 2027-03-02 10:00 Asia/Tokyo       | **Olivia Brown**               | **田中 健**               | 初回相談     | `booking-0001` |
| Wed 2027-03-03 16:30 Europe/Madrid    | **Olivia Brown**               | **田中 健**               | Product demo | `booking-0002` |
| Wed 2027-03-03 20:00 America/New_York | Emma Wilson + **Olivia Brown** | Emma Wilson + **田中 健** | 初回相談     | `booking-0003` |
| Fri 2027-03-05 10:00 Asia/Tokyo       | **Olivia Brown** + 田中 健     | 田中 健                   | 初回相談     | `booking-0004` |

#### Plan

- Selection: status = open, host_user_id = `<id of Olivia Brown>` (Olivia Brown)
- Change: ReplaceHost, from_user_id = `<id of Olivia Brown>` (Olivia Brown), to_user_id = `<id of 田中 健>` (田中 健)
- Applying it takes about 5 requests
- Jicoo: `<jicoo>`
- Digest: `<digest>`
"""
    )


def test_bookings_move(sandbox, jicoo, path):
    uids = [
        book(sandbox, "2027-03-27T10:00", "Europe/Berlin"),
        book(sandbox, "2027-03-27T12:00", "Asia/Tokyo", minutes=60),
    ]
    made = plan_changes(
        jicoo,
        Selection(status="open"),
        ShiftTime(minutes=24 * 60 + 45),
        path,
        is_send_updates=True,
        update_message="We open later.\n\n*Sorry*\n",
    )
    # On the 28th the clocks go forward in Berlin: 23 h 45 min pass, and the wall clock moves by 1 day 45 min.
    assert (
        shown(made, sandbox, *uids)
        == """\
**2 bookings will be changed**, 0 are so already.

- Guests of **2** bookings will be messaged, with these words: We open later. ↵ \\*Sorry\\*
- No change is irreversible.

#### Changes

- 2 × 1 day 45 min later

#### Bookings

- Days (local): 2 × Sat 2027-03-27
- New days (local): 2 × Sun 2027-03-28
- Event types: 2 × 初回相談
- Hosts now: 2 × Olivia Brown

#### Examples

| Local time                         | Now                                | Then                               | Event type | Booking        |
| ---------------------------------- | ---------------------------------- | ---------------------------------- | ---------- | -------------- |
| Sat 2027-03-27 12:00 Asia/Tokyo    | **Sat 2027-03-27** **12:00–13:00** | **Sun 2027-03-28** **12:45–13:45** | 初回相談   | `booking-0002` |
| Sat 2027-03-27 10:00 Europe/Berlin | **Sat 2027-03-27** **10:00–10:30** | **Sun 2027-03-28** **10:45–11:15** | 初回相談   | `booking-0001` |

#### Plan

- Selection: status = open
- Change: ShiftTime, minutes = 1485
- Applying it takes about 4 requests: each booking whose guest is messaged is read right before
- Jicoo: `<jicoo>`
- Digest: `<digest>`
"""
    )


def test_a_day_is_cancelled(sandbox, jicoo, path):
    uid = book(sandbox, "2027-03-02T10:00")
    made = plan_changes(jicoo, Selection(status="open"), Cancel(), path)
    assert (
        shown(made, sandbox, uid)
        == """\
**1 booking will be changed**, 0 are so already.

- Guests of **1** booking will be messaged.
- **1** change cannot be undone.

#### Changes

- 1 × cancel

#### Bookings

- Days (local): 1 × Tue 2027-03-02
- Event types: 1 × 初回相談
- Hosts now: 1 × Olivia Brown

#### Examples

| Local time (Asia/Tokyo) | Now  | Then       | Event type | Booking        |
| ----------------------- | ---- | ---------- | ---------- | -------------- |
| Tue 2027-03-02 10:00    | open | **cancel** | 初回相談   | `booking-0001` |

#### Plan

- Selection: status = open
- Change: Cancel
- Applying it takes about 2 requests: each booking whose guest is messaged is read right before
- Jicoo: `<jicoo>`
- Digest: `<digest>`
"""
    )


def test_fields_change(sandbox, jicoo, path):
    uids = [
        book(sandbox, "2027-03-02T10:00", priority="low", description="Room 1"),
        book(sandbox, "2027-03-03T10:00", priority="high", description="Room 1"),
        book(sandbox, "2027-03-04T10:00", priority="high", description="Room 2"),
    ]
    change = UpdateFields(priority="high", description="Room 2", time_zone="Asia/Tokyo")
    made = plan_changes(jicoo, Selection(name_matches="a guest"), change, path, is_send_updates=False)
    assert made.manifest["changes"] == 0
    made = plan_changes(jicoo, Selection(), change, path, is_send_updates=False)
    found = shown(made, sandbox, *uids)
    assert found.startswith("**2 bookings will be changed**, 1 is so already.\n")
    assert lines_of(found, "Changes") == [
        "- 1 × priority low → high, description changes",
        "- 1 × description changes",
    ]
    assert lines_of(found, "Examples")[2:] == [
        "| Tue 2027-03-02 10:00    | priority **low** | priority **high**, description **changes** | 初回相談   | `booking-0001` |",
        "| Wed 2027-03-03 10:00    | (not shown)      | description **changes**                    | 初回相談   | `booking-0002` |",
    ]
    assert "- Change: UpdateFields, fields = priority, description, time_zone" in found


def test_nothing_changes(sandbox, jicoo, path):
    book(sandbox, "2027-03-02T10:00", priority="high")
    made = plan_changes(jicoo, Selection(status="open"), UpdateFields(priority="high"), path, is_send_updates=True)
    assert (
        shown(made, sandbox)
        == """\
**0 bookings will be changed**, 1 is so already.

#### Plan

- Selection: status = open
- Change: UpdateFields, fields = priority
- Jicoo: `<jicoo>`
- Digest: `<digest>`
"""
    )
    assert sandbox.count() == sandbox.count("GET", "/v1/bookings"), "there is nothing to name"


def test_a_function_mixes(sandbox, jicoo, path):
    kinds = {
        "cancel it": Cancel(),
        "move it": Reschedule("2027-03-16T10:00", "Europe/Madrid"),
        "both": UpdateFields(started_at="2027-03-03T09:00+09:00", priority="high"),
        "longer": UpdateFields(ended_at="2027-03-05T12:00+09:00"),
        "not moved": UpdateFields(started_at="2027-03-06T10:00+09:00", priority="high"),
    }
    for number, name in enumerate([*kinds, "move it", "leave it"]):
        book(sandbox, f"2027-03-0{2 + number}T10:00", name=name)

    def by_title(booking):
        return kinds.get(booking["name"])

    made = plan_changes(jicoo, Selection(), by_title, path, is_send_updates=True)
    found = shown(made, sandbox)
    assert sorted(lines_of(found, "Changes"), reverse=True) == [
        "- 2 × reschedule to Tue 2027-03-16 18:00 Asia/Tokyo, time zone Asia/Tokyo → Europe/Madrid",
        "- 1 × start 1 day 1 h earlier, priority none → high",
        "- 1 × priority none → high",
        "- 1 × end 1 h 30 min later",
        "- 1 × cancel",
    ]
    assert "| priority **none** | priority **high** |" in re.sub(" +", " ", found)
    assert "function = test_a_function_mixes.\\<locals>.by_title" in found
    assert "leave it" not in found


def test_an_undo(sandbox, jicoo, path, tmp_path):
    uids = [book(sandbox, f"2027-03-0{number}T10:00") for number in range(2, 8)]
    by_name = ids(sandbox)
    change = ReplaceHost(by_name[OLIVIA], by_name[TANAKA])
    made = plan_changes(jicoo, Selection(), change, path, is_send_updates=False)
    apply_plan(jicoo, made, options=QUICK)
    for uid in uids[:2]:
        sandbox.edit(uid, hosts=[{"userId": by_name[EMMA], "role": "admin"}])
    sandbox.delete(uids[2])
    undo = plan_undo(jicoo, made, tmp_path / "undo.jsonl", is_send_updates=False)
    found = shown(undo, sandbox, *uids)
    assert lines_of(found, "Changes") == ["- 3 × host 田中 健 → Olivia Brown"]
    assert lines_of(found, "Examples")[2] == (
        "| Fri 2027-03-05 10:00    | **田中 健** | **Olivia Brown** | 初回相談   | `booking-0004` |"
    )
    assert lines_of(found, "Left alone") == [
        "- **3 are left alone**: 2 × hosts was changed since, 1 × it does not exist any more",
        "  - `booking-0001`: hosts was changed since",
        "  - `booking-0003`: it does not exist any more",
        "  - `booking-0002`: hosts was changed since",
    ]
    assert f"applied by = {path}"[:80] in found


# --- kinds of changes -------------------------------------------------------------------------------------------------


def changes_of(sandbox, jicoo, path, change, **more):
    return lines_of(plan_changes(jicoo, Selection(), change, path, **more).summary, "Changes")


def test_hosts_who_join_leave_and_change_their_role(sandbox, jicoo, path):
    by_name = ids(sandbox)

    def hosts(*pairs):
        return UpdateFields(hosts=[{"user_id": by_name[name], "role": role} for name, role in pairs])

    changes = {
        "1": hosts((OLIVIA, "admin"), (TANAKA, "viewer")),
        "2": hosts((TANAKA, "editor")),
        "3": hosts((OLIVIA, "editor")),
        "4": hosts((TANAKA, "admin"), (EMMA, "admin")),
    }
    for number in changes:
        book(sandbox, f"2027-03-0{number}T10:00", name=number)
    found = changes_of(sandbox, jicoo, path, lambda row: changes[row["name"]], is_send_updates=False)
    assert sorted(found) == [
        "- 1 × host Olivia Brown as admin → as editor",
        "- 1 × host Olivia Brown → Emma Wilson + 田中 健",
        "- 1 × host Olivia Brown → 田中 健 as editor",
        "- 1 × host 田中 健 as viewer joins",
    ]


def test_a_day_is_told_where_it_is_shorter_than_how_far(sandbox, jicoo, path):
    for number in range(2, 8):
        book(sandbox, f"2027-03-0{number}T1{number}:00")
    assert changes_of(sandbox, jicoo, path, ShiftTime(to_date="2027-03-16"), is_send_updates=False) == [
        "- 6 × to Tue 2027-03-16, same time"
    ]
    assert changes_of(sandbox, jicoo, path, ShiftTime(minutes=-30), is_send_updates=False) == ["- 6 × 30 min earlier"]


def test_very_many_kinds_are_told_by_what_they_lead_to(sandbox, jicoo, path):
    zones = ["Europe/Madrid", "Europe/Berlin", "Europe/Dublin", "Asia/Kolkata", "America/Toronto"]
    for number in range(30):
        book(sandbox, f"2027-03-{number + 1:02}T12:00", zones[number % 5], priority=["low", "middle", None][number % 3])
    change = UpdateFields(priority="high", time_zone="Asia/Tokyo")
    assert changes_of(sandbox, jicoo, path, change, is_send_updates=False) == [
        "- 30 × time zone → Asia/Tokyo, priority → high"
    ]
    by_name = ids(sandbox)
    for number, name in enumerate(name for name in (user["name"] for user in sandbox.users) if name != TANAKA):
        book(sandbox, f"2027-04-01T{number:02}:00", hosts=[name])
        book(sandbox, f"2027-04-02T{number:02}:00", hosts=[name, TANAKA])
    to_one = UpdateFields(hosts=[{"user_id": by_name[TANAKA], "role": "viewer"}])
    first, *others = changes_of(sandbox, jicoo, path, to_one, is_send_updates=False)
    assert first == "- 37 × host → 田中 健 as viewer"
    assert len(others) == 7
    assert "- 1 × host Olivia Brown leaves" in others, "he is there already"


def test_more_kinds_than_lines_are_summed_up(sandbox, jicoo, path):
    for number in range(20):
        book(sandbox, f"2027-03-{number + 1:02}T12:00", name=str(number))
    found = changes_of(
        sandbox, jicoo, path, lambda row: ShiftTime(minutes=7 * (int(row["name"]) + 1)), is_send_updates=False
    )
    assert len(found) == MOST_LINES + 1
    assert found[-1] == f"- {20 - MOST_LINES} × other changes"


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ({"minutes": 45}, "45 min later"),
        ({"minutes": -45}, "45 min earlier"),
        ({"hours": 1}, "1 h later"),
        ({"days": 1}, "1 day later"),
        ({"days": -14}, "14 days earlier"),
        ({"days": 2, "hours": 3, "minutes": 4}, "2 days 3 h 4 min later"),
        ({"days": 3640}, "3,640 days later"),
        ({"seconds": 5}, "5 s later"),
    ],
)
def test_how_far(by, words):
    assert span(timedelta(**by)) == words


# --- times ------------------------------------------------------------------------------------------------------------


def tallied(*bookings, change=None):
    """A tally of changes of priority, or of what ``change`` makes of a booking."""
    tally = Tally()
    for number, fields in enumerate(bookings):
        row = {
            "uid": f"u{number}",
            "eventTypeId": "type",
            "startedAt": "2027-03-02T01:00:00.000Z",
            "endedAt": "2027-03-02T01:30:00.000Z",
            "timeZone": "Asia/Tokyo",
            "priority": "low",
            "hosts": [{"userId": "host", "role": "admin"}],
            **fields,
        }
        slot = None if change is None else change(row)
        after = {"priority": "high"} if slot is None else {"startedAt": slot[0], "endedAt": slot[1]}
        before = {name: row.get(name) for name in after}
        line = PlannedChange(row["uid"], "update", before, after, "", row["startedAt"], row["endedAt"])
        tally.add(line, row, slot)
    return tally


def rendered(tally, names=None, **more):
    manifest = {
        "changes": sum(group.count for group in tally.groups()),
        "unchanged": 0,
        "guests_notified": 0,
        "irreversible": 0,
        "digest": "00",
        "shards": [],
        **more.pop("manifest", {}),
    }
    header = {"selection": {}, "change": {"change": "UpdateFields"}, "cycles": [], **more}
    terms = {"updateMessage": None, "baseUrl": "https://api.jicoo.com"}
    return summary(manifest, header, terms, tally, names or Names())


@pytest.mark.parametrize(
    ("zone", "start", "shown"),
    [
        ("Asia/Tokyo", "2027-03-01T23:30:00.000Z", "Tue 2027-03-02 08:30"),
        ("America/New_York", "2027-03-02T03:00:00.000Z", "Mon 2027-03-01 22:00"),
        ("Asia/Kathmandu", "2027-03-02T18:10:00.000Z", "Tue 2027-03-02 23:55"),
        ("Asia/Kathmandu", "2027-03-02T18:15:00.000Z", "Wed 2027-03-03 00:00"),
        ("Pacific/Kiritimati", "2027-12-31T10:00:00.000Z", "Sat 2028-01-01 00:00"),
        # The clocks go forward and back.
        ("Europe/Berlin", "2027-03-28T00:59:00.000Z", "Sun 2027-03-28 01:59"),
        ("Europe/Berlin", "2027-03-28T01:00:00.000Z", "Sun 2027-03-28 03:00"),
        ("Europe/Berlin", "2027-10-31T00:30:00.000Z", "Sun 2027-10-31 02:30+0200"),
        ("Europe/Berlin", "2027-10-31T01:30:00.000Z", "Sun 2027-10-31 02:30+0100"),
        # Written in another way.
        ("Asia/Tokyo", "2027-03-02T10:00:00+09:00", "Tue 2027-03-02 10:00"),
        ("Asia/Tokyo", "2027-03-02T01:00Z", "Tue 2027-03-02 10:00"),
    ],
)
def test_days_and_times_are_the_bookings_own(zone, start, shown):
    tally = tallied({"timeZone": zone, "startedAt": start, "endedAt": start})
    found = rendered(tally)
    assert f"| {shown} " in found
    assert f"Local time ({zone})" in found
    assert f"- Days (local): 1 × {shown[:14]}\n" in found


@pytest.mark.parametrize(
    "zone", [None, "", "JST+9", "Mars/Base", "../../etc/passwd", "/etc/passwd", 7, ["UTC"], "Asia"]
)
def test_a_time_zone_that_does_not_exist_is_no_reason_to_fail(zone):
    found = rendered(tallied({"timeZone": zone}))
    assert "| Tue 2027-03-02 01:00 " in found
    assert "Local time (UTC)" in found


@pytest.mark.parametrize(
    "start", ["", "soon", "2027-13-01T00:00:00.000Z", "2027-03-02T01:00:00", "0001-01-01T00:00:00.000Z"]
)
def test_a_time_that_cannot_be_read_is_no_reason_to_fail(start):
    tally = tallied({"startedAt": start, "endedAt": start, "timeZone": "America/New_York"})
    assert "at an unreadable time" in rendered(tally)
    moved = tallied(
        {"startedAt": start, "endedAt": start, "timeZone": "America/New_York"}, change=lambda row: (start, start)
    )
    assert "- 1 × changes" in rendered(moved)


def test_between_two_equal_hours():
    """From the first 02:30 to the second, as daylight saving ends: on the wall clock nothing moves."""
    tally = tallied(
        {"timeZone": "Europe/Berlin", "startedAt": "2027-10-31T00:30:00.000Z", "endedAt": "2027-10-31T00:45:00.000Z"},
        change=lambda row: ("2027-10-31T01:30:00.000Z", "2027-10-31T01:45:00.000Z"),
    )
    found = rendered(tally)
    assert "- 1 × 1 h later" in found
    assert "| **02:30+0200–02:45+0200** | **02:30+0100–02:45+0100** |" in found


def test_over_midnight_and_over_a_change_of_the_clocks():
    tally = tallied(
        {"timeZone": "Europe/Berlin", "startedAt": "2027-03-27T22:00:00.000Z", "endedAt": "2027-03-28T02:00:00.000Z"},
        change=lambda row: ("2027-03-28T21:00:00.000Z", "2027-03-29T01:00:00.000Z"),
    )
    found = rendered(tally)
    # Four hours each; the wall clock shows five over the night in which one hour is skipped.
    assert "- 1 × start 1 day later, end 23 h later" in found
    assert "**23:00–Sun 2027-03-28 04:00**" in found
    assert "**23:00–Mon 2027-03-29 03:00**" in found


def test_few_days_are_counted_out_and_many_are_folded():
    days = [{"startedAt": f"2027-03-{number:02}T01:00:00.000Z"} for number in range(1, 29)]
    some = rendered(tallied(*days[:MOST_LINES], days[2]))
    assert "- Days (local): 1 × Mon 2027-03-01, 1 × Tue 2027-03-02, 2 × Wed 2027-03-03, 1 × Thu 2027-03-04" in some
    many = rendered(tallied(*days, days[4], days[4], days[2], days[27]))
    assert (
        "- Days (local): Mon 2027-03-01 to Sun 2027-03-28, 28 days; the largest 3 × Fri 2027-03-05, "
        "2 × Wed 2027-03-03, 2 × Sun 2027-03-28\n"
    ) in many


def test_weekdays_are_english_whatever_the_machine_speaks():
    assert [day(date(2027, 3, number))[:3] for number in range(1, 8)] == [
        "Mon",
        "Tue",
        "Wed",
        "Thu",
        "Fri",
        "Sat",
        "Sun",
    ]


# --- which examples ---------------------------------------------------------------------------------------------------


def uids_shown(found):
    return re.findall(r"`(\w+)` +\|$", found, re.MULTILINE)


def test_examples_are_of_every_kind_and_not_the_first():
    rows = [{"priority": "high" if number == 700 else None, "uid": f"u{number:04}"} for number in range(1000)]
    tally = tallied(
        *rows, change=lambda row: row["priority"] and ("2027-03-02T02:00:00.000Z", "2027-03-02T03:00:00.000Z")
    )
    found = uids_shown(rendered(tally))
    assert len(found) == SAMPLE
    assert "u0700" in found, "the one that differs from all others"
    others = sorted(int(uid[1:]) for uid in found if uid != "u0700")
    assert others[0] < 300
    assert others[-1] > 700
    assert rendered(tally).count(f"{SAMPLE} of 1,000, spread over the kinds of changes.") == 1


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_summary_is_the_same_in_whichever_order_the_bookings_come(chance):
    rows = [
        {
            "uid": f"u{number}",
            "priority": ["low", "middle", None][number % 3],
            "timeZone": ["Asia/Tokyo", "UTC"][number % 2],
        }
        for number in range(90)
    ]
    shuffled = chance.sample(rows, len(rows))
    assert rendered(tallied(*shuffled)) == rendered(tallied(*rows))


def test_no_more_kinds_are_kept_than_can_be_told_apart():
    def wild(row):
        number = int(row["uid"][1:])
        begin = datetime(2027, 3, 2, tzinfo=timezone.utc) + timedelta(minutes=7 * number)
        return times.wire(begin), times.wire(begin + timedelta(minutes=30))

    tally = tallied(*({"uid": f"u{number}"} for number in range(5_000)), change=wild)
    assert len(tally.groups()) <= MOST_KINDS + 1
    found = rendered(tally)
    assert len(found) < 5_000
    assert (
        sum(
            int(count.replace(",", ""))
            for count in re.findall(r"^- ([\d,]+) × .*(?:later|earlier|changes)$", found, re.M)
        )
        == 5_000
    )
    assert len(uids_shown(found)) == SAMPLE


# --- names ------------------------------------------------------------------------------------------------------------


def named(sandbox, jicoo):
    return read_names(
        jicoo, [user["uid"] for user in sandbox.users], dict.fromkeys((each["uid"] for each in sandbox.event_types), 1)
    )


def test_names_are_read_once_for_a_plan(sandbox, jicoo, path):
    for number in range(2, 8):
        book(sandbox, f"2027-03-0{number}T10:00")
    plan_changes(jicoo, Selection(), UpdateFields(priority="high"), path, is_send_updates=False, shards=3)
    assert sandbox.count("GET", "/v1/organization_users") == 1
    assert sandbox.count("GET", "/v1/event_types") == 1
    # And one booking by itself, to see that lists show the same of it.
    assert sandbox.count() == 3 + sandbox.count("GET", "/v1/bookings")


REFUSED = [
    ("server_error", {"status": 403}, "answered 403: the API key lacks the permission."),
    ("server_error", {"status": 404}, "answered 404: there is no such thing, or the API key cannot see it."),
    ("server_error", {"status": 500}, "answered 500: Jicoo's server failed."),
    ("server_error", {"status": 422}, "answered 422: Jicoo refused the request."),
    ("html", {}, "answered 200: not an answer of Jicoo's API"),
    ("redirect", {}, "answered 302: a redirect"),
    ("cut_body", {}, "no answer"),
    ("dropped_before", {}, "no answer"),
    ("rate_limit", {}, "answered 429: too many requests"),
]


@pytest.mark.parametrize(("fault", "options", "why"), REFUSED)
def test_where_names_are_refused_ids_stand_with_a_reason(sandbox, jicoo, path, fault, options, why):
    uid = book(sandbox, "2027-03-02T10:00")
    for list_of in ("organization_users", "event_type_hosts", "event_types"):
        sandbox.fail(fault, path=f"/v1/{list_of}", share=1.0, **options)
    made = plan_changes(jicoo, Selection(), UpdateFields(priority="high"), path, is_send_updates=False)
    assert made.manifest["changes"] == 1
    by_name = ids(sandbox)
    assert f"- Hosts now: 1 × `{by_name[OLIVIA]}`\n" in made.summary
    assert f"- Event types: 1 × `{by_name[FIRST]}`\n" in made.summary
    notes = [line for line in lines_of(made.summary, "Plan") if "shown by id" in line]
    assert notes[0].startswith("- 1 host is shown by id: `GET /v1/organization_users`")
    assert notes[1].startswith("- 1 event type is shown by id: `GET /v1/")
    assert all(why in note for note in notes)
    assert uid in made.summary


def test_the_digest_is_the_same_with_names_and_without(sandbox, jicoo, path):
    book(sandbox, "2027-03-02T10:00")
    made = [plan_changes(jicoo, Selection(), UpdateFields(priority="high"), path, is_send_updates=False)]
    sandbox.fail("server_error", path="/v1/organization_users", status=403, share=1.0)
    made.append(plan_changes(jicoo, Selection(), UpdateFields(priority="high"), path, is_send_updates=False))
    assert made[0].manifest == made[1].manifest
    assert OLIVIA in made[0].summary
    assert OLIVIA not in made[1].summary, "she is not among the hosts of that event type either"


@pytest.mark.parametrize("status", [403, 404])
def test_hosts_of_the_event_types_have_names_too(sandbox, jicoo, status):
    sandbox.fail("server_error", path="/v1/organization_users", status=status, share=1.0)
    event_type = sandbox.event_types[0]["uid"]
    hosts = {host["uid"]: host["name"] for host in sandbox.hosts(event_type)}
    found = read_names(jicoo, hosts, {event_type: 3})
    assert dict(found.hosts) == hosts
    assert found.notes == ()
    assert sandbox.count("GET", "/v1/event_type_hosts") == 1


def test_of_many_event_types_the_hosts_of_the_most_frequent_are_read(sandbox, jicoo):
    sandbox.fail("server_error", path="/v1/organization_users", status=403, share=1.0)
    counts = {event_type["uid"]: number for number, event_type in enumerate(sandbox.event_types, 1)}
    read_names(jicoo, ["nobody"], counts)
    asked = [dict(request.query)["eventTypeId"] for request in sandbox.requests if "hosts" in request.path]
    assert asked == sorted(counts, key=counts.__getitem__, reverse=True)[:MOST_EVENT_TYPES]


def test_a_key_that_is_not_valid_any_more_fails(sandbox, jicoo):
    sandbox.key_revoked = True
    with pytest.raises(AuthenticationError):
        named(sandbox, jicoo)


def test_401_for_names_alone_fails_the_plan(sandbox, jicoo, path):
    book(sandbox, "2027-03-02T10:00")
    sandbox.fail("server_error", path="/v1/event_types", status=401)
    with pytest.raises(AuthenticationError):
        plan_changes(jicoo, Selection(), UpdateFields(priority="high"), path, is_send_updates=False)
    assert not path.exists()


def test_where_jicoo_is_ill_not_every_list_is_tried(sandbox, jicoo):
    for list_of in ("organization_users", "event_type_hosts", "event_types"):
        sandbox.fail("server_error", path=f"/v1/{list_of}", share=1.0)
    found = named(sandbox, jicoo)
    # Users and event types, both at once; what tells of users of one event type, not any more.
    assert sandbox.count() == sandbox.count(path="/v1/organization_users") + sandbox.count(path="/v1/event_types")
    assert sandbox.count() == 2 * FAST.attempts
    assert len(found.notes) == 2


def test_a_long_list_is_not_read_to_its_end(httpserver):
    """20 requests at the most, and but one page, which was read ahead, after the last name that is wanted."""
    asked = []

    def page(request):
        from werkzeug import Response

        number = int(request.args["page"])
        asked.append(number)
        rows = [{"uid": f"user{50 * (number - 1) + at}", "name": f"User {at}"} for at in range(50)]
        body = {
            "data": rows,
            "errors": {},
            "totalCount": 100_000,
            "count": 50,
            "currentPage": number,
            "numberOfPages": 2000,
        }
        return Response(json.dumps(body), content_type="application/json")

    httpserver.expect_request("/v1/organization_users").respond_with_handler(page)
    with JicooClient(Settings("sk_live_x", base_url=httpserver.url_for("").rstrip("/")), policy=FAST) as client:
        found = read_names(client, ["user7", "user60"], {})
        assert dict(found.hosts) == {"user7": "User 7", "user60": "User 10"}
        assert sorted(asked)[:2] == [1, 2]
        assert len(asked) <= 3
        asked.clear()
        found = read_names(client, ["user7", "nobody"], {})
    assert sorted(set(asked)) == list(range(1, MOST_ROWS // 50 + 1))
    assert found.notes == (f"1 host is shown by id: not among the first {MOST_ROWS:,} of Jicoo's list.",)


@pytest.mark.parametrize(
    ("rows", "known"),
    [
        ([{"uid": "a", "name": "Ann"}], {"a": "Ann"}),
        ([{"userId": "a", "name": "Ann"}], {"a": "Ann"}),
        ([{"id": "a", "uid": 7, "name": "Ann"}], {"a": "Ann"}),
        ([{"uid": "a"}, {"uid": "b", "name": None}], {}),
        ([{"uid": "a", "name": " \u3000"}, {"uid": "b", "name": 7}], {}),
        ([None, 7, "x", [], {}, {"uid": None}, {"uid": ["a"], "name": "Ann"}], {}),
    ],
)
def test_rows_of_any_shape(httpserver, rows, known):
    body = {
        "data": rows,
        "errors": {},
        "totalCount": len(rows),
        "count": len(rows),
        "currentPage": 1,
        "numberOfPages": 1,
    }
    httpserver.expect_request("/v1/organization_users").respond_with_json(body)
    with JicooClient(Settings("sk_live_x", base_url=httpserver.url_for("").rstrip("/")), policy=FAST) as client:
        found = read_names(client, ["a", "b"], {})
    assert dict(found.hosts) == known
    assert len(found.notes) == 1


def test_a_list_that_contradicts_itself_is_no_reason_to_fail(httpserver):
    rows = [{"uid": "a", "name": "Ann"}]
    body = {"data": rows, "errors": {}, "totalCount": 5, "count": 1, "currentPage": 1, "numberOfPages": 1}
    httpserver.expect_request("/v1/organization_users").respond_with_json(body)
    with JicooClient(Settings("sk_live_x", base_url=httpserver.url_for("").rstrip("/")), policy=FAST) as client:
        found = read_names(client, ["a", "b"], {})
    assert dict(found.hosts) == {"a": "Ann"}
    assert len(found.notes) == 1


def test_two_hosts_of_one_name_are_told_apart_by_their_ids():
    names = Names({"id1": "Jane Roe", "id2": "Jane  Roe", "id3": "John"}, {"type": "Jane Roe"})
    assert names.host("id1") == "Jane Roe (`id1`)"
    assert names.host("id2") == "Jane Roe (`id2`)"
    assert names.host("id3") == "John"
    assert names.event_type("type") == "Jane Roe"
    assert names.host("id4") == "`id4`"


# --- what is personal -------------------------------------------------------------------------------------------------

WORDS = st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc")), min_size=12, max_size=60).map(
    lambda drawn: f"§{drawn}§"
)


@settings(max_examples=40, deadline=None)
@given(WORDS, WORDS, WORDS, WORDS)
def test_no_words_of_a_guest_or_for_one(old_name, old_description, new_name, new_description):
    assume(old_name != new_name and old_description != new_description)
    tally = Tally()
    row = {
        "uid": "u1",
        "eventTypeId": "type",
        "name": old_name,
        "description": old_description,
        "timeZone": "Asia/Tokyo",
        "hosts": [],
        "url": old_name,
        "phoneNumber": old_name,
        "cancelReason": old_description,
        "address": old_name,
    }
    after = {"name": new_name, "description": new_description, "address": new_name, "priority": "high"}
    before = {name: row.get(name) for name in after}
    line = PlannedChange("u1", "update", before, after, "", "2027-03-02T01:00:00.000Z", "2027-03-02T02:00:00.000Z")
    tally.add(line, row, None)
    found = rendered(tally)
    for given_words in (old_name, old_description, new_name, new_description):
        for part in (given_words, given_words[1:-1].strip()):
            assert not part or part not in found
    for name in ("name", "description", "address"):
        assert f"{name} changes" in found
    assert "priority none → high" in found
    assert "§" not in found


def test_a_pattern_for_titles_is_not_shown(sandbox, jicoo, path):
    uid = book(sandbox, "2027-03-02T10:00", name="山田 太郎 / 初回相談")
    selection = Selection(name_matches="山田 太郎", status="open")
    made = plan_changes(jicoo, selection, UpdateFields(priority="high"), path, is_send_updates=False)
    assert uid in made.summary
    assert "山田" not in made.summary
    assert "name_matches = (not shown)" in made.summary
    assert read_plan(path)[0]["selection"]["name_matches"] == "山田 太郎", "the plan itself has it"


def test_a_plan_that_is_too_large_says_what_it_would_do(sandbox, jicoo, path):
    uids = [book(sandbox, f"2027-03-0{number}T10:00", name="a guest") for number in range(2, 9)]
    by_name = ids(sandbox)
    with pytest.raises(PlanLimitError) as refused:
        plan_changes(
            jicoo,
            Selection(),
            ReplaceHost(by_name[OLIVIA], by_name[TANAKA]),
            path,
            is_send_updates=False,
            max_changes=3,
        )
    said = str(refused.value).splitlines()
    assert said[:3] == [
        "max_changes is 3, and the plan has 7: 4 too many; nothing was sent. Planned were:",
        "- 7 × host Olivia Brown → 田中 健",
        "Some of them:",
    ]
    assert len(said) == 3 + 5
    for line in said[3:]:
        assert re.fullmatch(r"- `[\w-]+` \w{3} 2027-03-0\d 10:00 Asia/Tokyo: host Olivia Brown → 田中 健", line)
        assert line.split("`")[1] in uids
    assert "guest" not in "\n".join(said[1:])


# --- what others have written is text, and no markup ------------------------------------------------------------------

EVIL = [
    "`x` | <b>bold</b> | y",
    "[click](https://evil.example)",
    "![i](https://evil.example/x.png)",
    "www.evil.example",
    "me@evil.example",
    "\u202egnp.exe\u202c",
    "a\n\n# Heading\n| a | b |\n|---|---|",
    "<script>alert(1)</script>",
    "&lt;b&gt; **bold** _it_ ~~no~~ $x$",
    "__init__ a_b *x*",
    "\\",
    "\\|",
    "|",
    "``",
    "- x",
    "1. x",
    "> q",
    "[^1]",
    "[x]: http://evil.example",
    "{{ conn.get('jicoo_default').password }}",
    "{% for x in y %}",
    "\ud800 half",
    "\x00\x1b[31mred",
    "\u2028line",
    "zero\u200bwidth",
    "Olivia Brown → 田中 健",
    "שלום",
    "x" * 60_000,
    "",
    "   ",
]
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ANY = st.one_of(st.sampled_from(EVIL), st.text(max_size=30))


def hostile(evil, other):
    names = Names({"host": evil, "other": other}, {"type": evil})
    tally = Tally()
    hosts = [{"userId": "host", "role": evil}, {"userId": evil, "role": "admin"}]
    row = {"uid": evil, "eventTypeId": "type", "timeZone": "Asia/Tokyo", "hosts": hosts}
    after = {"priority": other, "hosts": [{"userId": "other", "role": other}], evil: "x"}
    line = PlannedChange(
        evil,
        "update",
        {"priority": evil, "hosts": hosts},
        after,
        "",
        "2027-03-02T01:00:00.000Z",
        "2027-03-02T02:00:00.000Z",
    )
    tally.add(line, row, None)
    return rendered(
        tally,
        names,
        manifest={"warnings": [evil]},
        cycles=[[evil, other]],
        leftAlone=[{"uid": evil, "why": other}],
        selection={"status": evil},
        change={"change": "function", "function": other},
        madeBy=evil,
    )


@settings(max_examples=150, deadline=None)
@given(ANY, ANY)
@example("[click](https://evil.example)", "|")
@example("x" * 60_000, "\ud800")
def test_nothing_of_others_is_markup(evil, other):
    begun = time.perf_counter()
    found = hostile(evil, other)
    assert time.perf_counter() - begun < 2
    assert len(found) < 12_000
    found.encode()  # no half a surrogate pair
    tokens = [token for block in MARKDOWN.parse(found) for token in (block, *(block.children or ()))]
    kinds = {token.type for token in tokens}
    assert not kinds & {
        "link_open",
        "image",
        "html_inline",
        "html_block",
        "em_open",
        "s_open",
        "fence",
        "code_block",
        "hr",
    }
    headings = [token.map for token in tokens if token.type == "heading_open"]
    assert len(headings) == 5
    assert sum(token.type == "table_open" for token in tokens) == 1
    rows = found[found.index("| Local") :].split("\n\n")[0].splitlines()
    assert len(rows) == 3
    assert sum(token.type in ("th_open", "td_open") for token in tokens) == 10
    assert len({width(row) for row in rows}) == 1, "the columns are aligned"
    for char in "\u202e\u202a\u200b\u2028\x00\x1b":
        assert char not in found


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Olivia Brown", "Olivia Brown"),
        ("田中　健", "田中 健"),
        ("Brown, Olivia (2nd)", "Brown, Olivia (2nd)"),
        ("O'Connor & Sons", "O'Connor & Sons"),
        ("snake_case_name", "snake_case_name"),
        ("a < b > c", "a < b > c"),
        ("*x*", r"\*x\*"),
        ("_x_", r"\_x\_"),
        ("a|b", r"a\|b"),
        ("&amp;", r"\&amp;"),
        ("www.example.com", "`www.example.com`"),
        ("a@b.example", "`a@b.example`"),
        ("שלום", "\u2068שלום\u2069"),
        ("", "(empty)"),
        (7, "7"),
        (None, "None"),
    ],
)
def test_a_text_shows_as_it_is(given, shown):
    assert text(given) == shown


def test_words_of_ones_own_are_whole_and_may_hold_addresses():
    own = "See https://www.example.com or write to office@example.com. " * 30
    assert words(own) == own.strip()


def test_an_id_is_code():
    assert code("_zDLK66WrbIT") == "`_zDLK66WrbIT`"
    assert code("a|b`c") == r"`a\u007cb\u0060c`"
    assert len(code("x" * 60_000)) < 100


def test_japanese_takes_two_columns():
    assert [width(value) for value in ("abc", "田中 健", "ｶﾅ", "é", "e\u0301", "\u2068x\u2069")] == [3, 7, 2, 1, 1, 1]
    assert table(("a", "b"), [("田中 健", "x"), ("y", "オンライン面談")]) == [
        "| a       | b              |",
        "| ------- | -------------- |",
        "| 田中 健 | x              |",
        "| y       | オンライン面談 |",
    ]


# --- the rest of it ---------------------------------------------------------------------------------------------------


def test_warnings_come_first_and_are_bounded():
    found = rendered(tallied({}), manifest={"warnings": [f"rows {number} may be missing" for number in range(20)]})
    lines = found.splitlines()
    assert lines[2] == "- **Warning:** rows 0 may be missing"
    assert lines[2 + MOST_LINES] == f"- {20 - MOST_LINES} more warnings are in the manifest"


def test_cycles_and_what_is_left_alone_are_bounded():
    found = rendered(
        tallied({}),
        cycles=[[f"u{number}" for number in range(50)]] * 40,
        leftAlone=[{"uid": f"u{number}", "why": "x" if number else "y"} for number in range(5_000)],
    )
    assert found.count("**No order works**") == MOST_LEFT
    assert "`u7`, 42 more" in found
    assert f"- {40 - MOST_LEFT} more such circles" in found
    assert lines_of(found, "Left alone")[:3] == [
        "- **5,000 are left alone**: 4,999 × x, 1 × y",
        "  - `u1`: x",
        "  - `u0`: y",
    ]
    assert len(lines_of(found, "Left alone")) == 1 + MOST_LEFT


def test_who_made_it_and_when():
    by, at = "dag d, run r, task t", "2027-03-02T03:00:00.000+00:00"
    assert "- Made: Tue 2027-03-02 03:00 UTC, dag d, run r, task t\n" in rendered(tallied({}), madeBy=by, madeAt=at)
    assert "- Made: dag d, run r, task t\n" in rendered(tallied({}), madeBy=by)
    assert "Made" not in rendered(tallied({}), madeBy="")


def test_a_selection_of_everything_and_in_shards():
    found = rendered(tallied({}), manifest={"shards": [{}, {}, {}]})
    assert "- Selection: everything\n" in found
    assert "- In 3 shards\n" in found


def test_many_hosts_and_event_types_are_counted_together():
    hosts = [{"hosts": [{"userId": f"h{number}"}, {"userId": "h0"}], "eventTypeId": None} for number in range(20)]
    found = rendered(tallied(*hosts, {"hosts": None}, {"hosts": ["x", {"userId": 7}]}))
    assert "- Hosts now: 20 × `h0`, 1 × `h1`, " in found
    assert f", {20 - MOST_LINES} more\n" in found
    assert "20 × no event type, 2 × `type`" in found


def test_in_a_terminal_the_table_is_a_table():
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(width=110, file=io.StringIO())
    console.print(Markdown(rendered(tallied({}, {"hosts": []}), Names({"host": TANAKA}, {"type": ONLINE}))))
    printed = console.file.getvalue()
    assert re.search(r"Tue 2027-03-02 10:00 +priority low +priority high +オンライン面談 +u0", printed)
    assert "1 × 田中 健" in printed
    assert "|" not in printed
