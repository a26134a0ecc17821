"""A plan has every booking that the selection means, or none is written, or it says what could not be proved."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.errors import BrokenRowsError, InvalidRequestError, NotFoundError, UnexpectedAnswerError
from airflow_provider_jicoo.bulk import Selection, ShiftTime, UpdateFields, plan_changes
from airflow_provider_jicoo.bulk.plan import read_header
from airflow_provider_jicoo.bulk.selection import select
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk import tools
from tests.bulk.tools import read_plan

NOW = datetime(2026, 9, 1, 3, tzinfo=timezone.utc)
COUNT = 230
CHANGE = UpdateFields(description="Room 2")

WHOLE = (
    "order-ignored",
    "order-ignored=uid",
    "order-ignored=-startedAt",
    "sort-ignored=asc",
    "sort-ignored=desc",
    "sort-reversed",
    "ties-shuffled",
    "start-exclusive",
    "end-exclusive",
    "end-means-start",
    "filter-ignored",
    "filter-shifted",
    "no-cancelled",
    "future-only",
    "near-only",
    "near-only no-totals",
    "near-only open-only request-filter",
    "near-ends",
    "near-ends=3d total-of-page",
    "near-ends page-cap",
    "status-ignored",
    "request-filter",
    "open-only request-filter",
    "page-cap",
    "page-cap=7",
    "page-limit",
    "page-limit errors-as=message",
    "page-limit conflict-409",
    "page-fixed=7",
    "page-fixed=100",
    "pages-from-zero",
    "pages-from-zero no-totals",
    "pages-from-zero page-cap",
    "current-from-zero",
    "no-totals",
    "no-totals page-cap",
    "no-totals last-page-again",
    "no-totals=totalCount",
    "no-totals=numberOfPages",
    "text-totals",
    "lying-totals",
    "total-of-page",
    "last-page-again",
    "unpaged=all",
    "null-errors",
)
"""With these, every plan is whole."""
PERHAPS = (
    "open-only",
    "no-requests",
    "span-limit",
    "near-only open-only",
    "span-limit near-only",
    "list-cap=120",
    "list-cap-told=120",
    "endless-pages",
    "no-totals open-only",
)
"""With these, a plan is whole, or says that it may not be."""


@pytest.fixture(scope="module")
def started():
    with Sandbox(bookings=COUNT, seed=11, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def server(started):
    """With the data that the tests before have left; none of them changes the bookings."""
    yield started
    started.quirks = ()


@pytest.fixture
def sandbox(server):
    server.reset(bookings=COUNT, seed=11)
    return server


def selections(rows):
    starts = sorted(row["startedAt"] for row in rows)
    middle = times.moment(starts[COUNT // 2])
    window = {"started_after": starts[COUNT // 3], "started_before": starts[COUNT // 3 + 25]}
    return {
        "everything": {},
        "from a start on": {"started_after": starts[COUNT // 2]},
        "up to a start": {"started_before": starts[COUNT // 2]},
        "window": window,
        "moment": {"started_after": middle, "started_before": middle + timedelta(milliseconds=1)},
        "open": {"status": "open"},
        "cancel": {"status": "cancel"},
        "request": {"status": "request"},
        "open in a window": {**window, "status": "open"},
        "cancel from a start on": {"started_after": starts[COUNT // 2], "status": "cancel"},
        "uids": {"uids": [row["uid"] for row in rows[::3]]},
    }


def meant(fields, rows):
    def one(row):
        start = times.moment(row["startedAt"])
        return (
            fields.get("status") in (None, row["status"])
            and ("started_after" not in fields or start >= times.moment(fields["started_after"]))
            and ("started_before" not in fields or start < times.moment(fields["started_before"]))
            and ("uids" not in fields or row["uid"] in fields["uids"])
        )

    return sorted(row["uid"] for row in rows if one(row))


def connect(sandbox, **settings):
    """A client that waits: nothing is lost here, and on a busy machine a page may take longer than a second."""
    return tools.connect(sandbox, timeout=10, **settings)


def planned(sandbox, path, fields, **options):
    with connect(sandbox) as jicoo:
        plan = plan_changes(jicoo, Selection(**fields), CHANGE, path, is_send_updates=False, **options)
    return sorted(line["uid"] for line in read_plan(path)[1]), plan


@pytest.mark.parametrize("quirks", WHOLE)
def test_a_plan_is_whole_however_jicoo_lists(server, tmp_path, quirks):
    rows = server.bookings()
    server.quirks = quirks.split()
    for name, fields in selections(rows).items():
        found, plan = planned(server, tmp_path / "plan.jsonl", fields)
        assert found == meant(fields, rows), name
        assert plan.manifest["warnings"] == [], name


@pytest.mark.parametrize("quirks", PERHAPS)
def test_a_plan_is_whole_or_says_that_it_may_not_be(server, tmp_path, quirks):
    rows = server.bookings()
    server.quirks = quirks.split()
    whole = 0
    for number, (name, fields) in enumerate(selections(rows).items()):
        path = tmp_path / f"plan-{number}.jsonl"
        try:
            found, plan = planned(server, path, fields)
        except UnexpectedAnswerError:
            assert not path.exists()
            continue
        assert found == meant(fields, rows) or plan.manifest["warnings"], name
        whole += found == meant(fields, rows)
    assert whole >= 1, "to refuse everything proves nothing"


def test_what_cannot_be_proved_stands_in_manifest_header_and_summary_where_the_user_said_so(sandbox, tmp_path):
    sandbox.quirks = ["list-cap-told=120"]
    path = tmp_path / "plan.jsonl"
    found, plan = planned(sandbox, path, {}, on_unproven="warn")
    assert 0 < len(found) < COUNT
    (cap, total) = plan.manifest["warnings"][:2]
    assert "it ends at a limit of its own" in cap
    assert f"totalCount says {COUNT}" in total
    assert read_header(path)["warnings"] == plan.manifest["warnings"]
    assert "**Warning:** the list was expected to go on to its end" in plan.summary


def test_the_connection_may_say_so_and_a_plan_otherwise(sandbox, tmp_path):
    sandbox.quirks = ["list-cap-told=120"]
    with connect(sandbox, on_unproven="warn") as jicoo:
        plan = plan_changes(jicoo, Selection(), CHANGE, tmp_path / "a.jsonl", is_send_updates=False)
        assert plan.manifest["warnings"]
        with pytest.raises(UnexpectedAnswerError):
            plan_changes(jicoo, Selection(), CHANGE, tmp_path / "b.jsonl", is_send_updates=False, on_unproven="fail")
    assert not (tmp_path / "b.jsonl").exists()


def test_neither_fail_nor_warn(sandbox, tmp_path):
    with pytest.raises(InvalidRequestError, match="on_unproven: 'ignore' is neither 'fail' nor 'warn'"):
        planned(sandbox, tmp_path / "plan.jsonl", {}, on_unproven="ignore")


# --- rows that cannot be used ----------------------------------------------------------------------------------------

HOW = (
    "surrogate",
    "surrogate-bytes",
    "null",
    "text",
    "list",
    "empty",
    "no-uid",
    "no-startedAt",
    "no-hosts",
    "uid=7",
    "uid=[]",
    'uid="../../x"',
    "uid=null",
    "hosts=null",
    'hosts=["a"]',
    "startedAt=null",
    'startedAt="tomorrow"',
    "endedAt=7",
    "updatedAt=null",
    "status=[]",
)


@pytest.mark.parametrize("how", HOW)
def test_a_row_that_cannot_be_used_is_named_and_nothing_is_planned(sandbox, tmp_path, how):
    uid = sandbox.bookings()[60]["uid"]
    sandbox.break_row(uid, how)
    path = tmp_path / "plan.jsonl"

    with pytest.raises(BrokenRowsError, match=r"row \d+ of page \d") as caught:
        planned(sandbox, path, {})
    assert not path.exists()
    assert len(caught.value.doubts) == 1
    found, plan = planned(sandbox, path, {}, on_unproven="warn")

    assert found == sorted({row["uid"] for row in sandbox.bookings()} - {uid})
    assert plan.manifest["warnings"] == list(caught.value.doubts)


@pytest.mark.parametrize("how", ["surrogate", "hosts=null", "no-uid"])
def test_the_only_booking_that_awaits_approval_cannot_be_used(sandbox, tmp_path, how):
    first, *others = [row["uid"] for row in sandbox.bookings() if row["status"] == "request"]
    for uid in others:
        sandbox.edit(uid, status="open")
    sandbox.break_row(first, how)

    with pytest.raises(BrokenRowsError) as caught:  # and not: none that awaits approval came
        planned(sandbox, tmp_path / "plan.jsonl", {"status": "request"})
    assert len(caught.value.doubts) == 1


def test_what_only_the_list_by_status_shows_is_looked_for_by_every_plan_of_a_client(sandbox, tmp_path):
    sandbox.quirks = ["open-only", "request-filter"]
    everything = sorted(row["uid"] for row in sandbox.bookings())
    with connect(sandbox) as jicoo:
        for name in ("a", "b"):
            plan_changes(jicoo, Selection(), CHANGE, tmp_path / name, is_send_updates=False)
            assert sorted(line["uid"] for line in read_plan(tmp_path / name)[1]) == everything


def test_a_row_that_the_selection_does_not_mean_is_none_of_its_business(sandbox, tmp_path):
    rows = sandbox.bookings()
    past = next(row for row in rows if row["startedAt"] < "2026-08-30" and row["status"] == "open")
    sandbox.break_row(past["uid"], "hosts=null")
    types = {row["eventTypeId"] for row in rows} - {past["eventTypeId"]}
    for fields in (
        {"started_after": NOW},
        {"status": "cancel"},
        {"event_type_id": types.pop()},
        {"name_matches": "no such title"},
    ):
        planned(sandbox, tmp_path / "plan.jsonl", fields)
    with pytest.raises(BrokenRowsError):
        planned(sandbox, tmp_path / "plan.jsonl", {"status": "open"})


@pytest.mark.parametrize("how", ["surrogate", "hosts=null", "null", "no-startedAt", 'uid="../../x"'])
def test_a_named_booking_that_cannot_be_read(sandbox, tmp_path, how):
    uids = [row["uid"] for row in sandbox.bookings()[:8]]
    sandbox.break_row(uids[3], how)
    with pytest.raises(BrokenRowsError, match=uids[3]):
        planned(sandbox, tmp_path / "plan.jsonl", {"uids": uids})
    found, plan = planned(sandbox, tmp_path / "plan.jsonl", {"uids": uids}, on_unproven="warn")
    assert found == sorted(set(uids) - {uids[3]})
    assert uids[3] in plan.manifest["warnings"][0]


@pytest.mark.parametrize("name", ["name", "timeZone", "eventTypeId"])
def test_a_field_that_is_null_where_none_was_foreseen(sandbox, tmp_path, name):
    row = sandbox.bookings()[60]
    sandbox.break_row(row["uid"], f"{name}=null")
    found, _ = planned(sandbox, tmp_path / "plan.jsonl", {})
    assert len(found) == COUNT
    selection = Selection(name_matches="x", event_type_id=row["eventTypeId"])
    with connect(sandbox) as jicoo:
        assert all(booking["uid"] != row["uid"] for booking in select(jicoo, selection))


# --- what is told ----------------------------------------------------------------------------------------------------


def test_uids_that_the_rest_of_the_selection_rules_out_are_told(sandbox, tmp_path):
    rows = sandbox.bookings()
    uids = [row["uid"] for row in rows[:40]]
    others = [row["uid"] for row in rows[:40] if row["status"] != "open"]
    assert others

    found, plan = planned(sandbox, tmp_path / "plan.jsonl", {"uids": uids, "status": "open"})

    assert found == sorted(set(uids) - set(others))
    (told,) = plan.manifest["warnings"]
    assert told.startswith(f"{len(others)} of 40 uids are there, but the rest of the selection rules them out: ")
    assert others[0] in told
    assert f"{len(others)} of 40 uids are there, but the rest of the selection rules them out" in plan.summary


def test_a_uid_that_does_not_exist_is_an_error_that_names_it(sandbox, tmp_path):
    with pytest.raises(NotFoundError, match="mzgdPJVBb7RE"):
        planned(sandbox, tmp_path / "plan.jsonl", {"uids": [sandbox.bookings()[0]["uid"], "mzgdPJVBb7RE"]})


# --- times, however they are written ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["+00:00", "+09:00", "Z without milliseconds", "a blank"])
def test_moments_are_compared_as_moments(sandbox, tmp_path, form, monkeypatch):
    rows = sandbox.bookings()
    starts = sorted(row["startedAt"] for row in rows)
    for row in rows:
        for name in ("startedAt", "endedAt"):
            moment = times.moment(row[name])
            text = {
                "+00:00": moment.isoformat(),
                "+09:00": moment.astimezone(timezone(timedelta(hours=9))).isoformat(),
                "Z without milliseconds": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "a blank": moment.isoformat(sep=" ", timespec="milliseconds"),
            }[form]
            sandbox.break_row(row["uid"], f"{name}={json.dumps(text)}")
            break  # one field of a row can be broken at a time
    fields = {"started_after": starts[100], "started_before": starts[160]}

    found, _ = planned(sandbox, tmp_path / "plan.jsonl", fields)

    assert found == meant(fields, rows)
    lines = read_plan(tmp_path / "plan.jsonl")[1]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", line["startedAt"]) for line in lines)
    assert [line["startedAt"] for line in lines] == sorted(line["startedAt"] for line in lines)
    with connect(sandbox) as jicoo:
        shifted = plan_changes(
            jicoo, Selection(**fields), ShiftTime(minutes=30), Path(tmp_path / "b.jsonl"), is_send_updates=False
        )
    assert shifted.manifest["changes"] == len(found)
