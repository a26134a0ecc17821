"""A selection means what a filter in plain Python means, asks Jicoo for no more than it needs, and loses no row."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.aio import AsyncJicooClient
from airflow_provider_jicoo.api.errors import InvalidRequestError, NotFoundError
from airflow_provider_jicoo.bulk import Selection
from airflow_provider_jicoo.bulk.selection import STATUSES, select, select_async
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import FAST, connect

NOW = datetime(2026, 9, 1, 3, tzinfo=timezone.utc)
COUNT = 330
PAGE = 50


@pytest.fixture(scope="module")
def sandbox():
    """Read only: tests that change something have one of their own."""
    with Sandbox(bookings=COUNT, seed=11, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def jicoo(sandbox):
    with connect(sandbox) as client:
        yield client


@pytest.fixture(scope="module")
def rows(sandbox):
    return sandbox.bookings()


def high(booking):
    return booking["priority"] == "high"


def meant(selection, rows):
    """The selection in plain Python; moments are compared as moments."""

    def one(row):
        start = times.moment(row["startedAt"])
        return all(
            (
                selection.status is None or row["status"] == selection.status,
                selection.started_after is None or start >= times.moment(selection.started_after),
                selection.started_before is None or start < times.moment(selection.started_before),
                selection.event_type_id is None or row["eventTypeId"] == selection.event_type_id,
                selection.host_user_id is None or selection.host_user_id in [h["userId"] for h in row["hosts"]],
                selection.name_matches is None or re.search(selection.name_matches, row["name"]),
                selection.uids is None or row["uid"] in selection.uids,
                selection.where is None or selection.where(row),
            )
        )

    return sorted(row["uid"] for row in rows if one(row))


def found(jicoo, selection):
    return [row["uid"] for row in select(jicoo, selection)]


def arrived(sandbox, before):
    return sandbox.requests[before:]


# --- what it means ---------------------------------------------------------------------------------------------------


ONE_EACH = {
    "nothing": lambda rows: {},
    "request": lambda rows: {"status": "request"},
    "open": lambda rows: {"status": "open"},
    "cancel": lambda rows: {"status": "cancel"},
    "started_after": lambda rows: {"started_after": rows[100]["startedAt"]},
    "started_before": lambda rows: {"started_before": rows[100]["startedAt"]},
    "event_type_id": lambda rows: {"event_type_id": rows[0]["eventTypeId"]},
    "host_user_id": lambda rows: {"host_user_id": rows[0]["hosts"][0]["userId"]},
    "second host": lambda rows: {"host_user_id": next(r for r in rows if len(r["hosts"]) > 1)["hosts"][1]["userId"]},
    "name_matches": lambda rows: {"name_matches": "田|Doe /"},
    "name_matches anchored": lambda rows: {"name_matches": "^John"},
    "uids": lambda rows: {"uids": [row["uid"] for row in rows[3:200:7]]},
    "where": lambda rows: {"where": high},
}


@pytest.mark.parametrize("name", ONE_EACH)
def test_each_field_alone(jicoo, rows, name):
    selection = Selection(**ONE_EACH[name](rows))
    wanted = meant(selection, rows)
    got = found(jicoo, selection)
    assert sorted(got) == wanted
    assert len(wanted) > 0
    assert len(wanted) < len(rows) or name == "nothing"


@st.composite
def selections(draw, rows):
    """Any fields together; the moments are near the starts of bookings, where half-open ranges go wrong."""
    near = st.builds(
        lambda row, off: times.moment(row["startedAt"]) + timedelta(milliseconds=off),
        st.sampled_from(rows),
        st.sampled_from([-1, 0, 0, 0, 1]),
    )
    after, before = draw(st.none() | near), draw(st.none() | near)
    if after is not None and before is not None and before <= after:
        after, before = before, after + timedelta(milliseconds=1)
    offset = timezone(timedelta(hours=draw(st.sampled_from([-5, 0, 9]))))
    written = draw(st.sampled_from([lambda moment: moment, lambda moment: moment.isoformat()]))
    hosts = sorted({host["userId"] for row in rows for host in row["hosts"]})
    maybe = lambda values: draw(st.none() | st.none() | st.sampled_from(values))  # noqa: E731
    uids = draw(
        st.none() | st.none() | st.lists(st.sampled_from([row["uid"] for row in rows]), min_size=1, max_size=60)
    )
    return Selection(
        status=maybe(STATUSES),
        started_after=None if after is None else written(after.astimezone(offset)),
        started_before=None if before is None else written(before.astimezone(offset)),
        event_type_id=maybe(sorted({row["eventTypeId"] for row in rows})),
        host_user_id=maybe(hosts),
        name_matches=maybe(["山", "^John", "(?i)DEMO", "no such title"]),
        uids=uids,
        where=maybe([high]),
    )


def test_any_fields_together(jicoo, rows):
    nonempty = 0

    @settings(max_examples=60, deadline=None)
    @given(selections(rows))
    def run(selection):
        nonlocal nonempty
        got, wanted = found(jicoo, selection), meant(selection, rows)
        assert len(set(got)) == len(got), "a booking came twice"
        assert sorted(got) == wanted
        nonempty += bool(wanted)

    run()
    assert nonempty >= 10, "nearly every selection was empty, which proves nothing"


def test_times_are_half_open(jicoo, rows):
    start = sorted(row["startedAt"] for row in rows)[120]
    at = [row["uid"] for row in rows if row["startedAt"] == start]
    assert set(at) <= set(found(jicoo, Selection(started_after=start)))
    assert not set(at) & set(found(jicoo, Selection(started_before=start)))
    a_moment_later = times.moment(start) + timedelta(milliseconds=1)
    assert sorted(at) == sorted(found(jicoo, Selection(started_after=start, started_before=a_moment_later)))
    assert found(jicoo, Selection(uids=at, started_before=start)) == []
    assert found(jicoo, Selection(uids=at, started_after=start)) == at


def test_both_halves_are_the_whole(jicoo, rows):
    middle = rows[COUNT // 2]["startedAt"]
    halves = found(jicoo, Selection(started_before=middle)) + found(jicoo, Selection(started_after=middle))
    assert sorted(halves) == sorted(row["uid"] for row in rows)


# --- what it asks for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["open", "cancel"])
def test_jicoo_filters_what_it_can(sandbox, jicoo, status):
    before = sandbox.count()
    start = NOW + timedelta(days=3)
    found(jicoo, Selection(status=status, started_after=start, name_matches="John", event_type_id="x"))
    *reading, _end, _no_start, _behind, _no_status, _no_status_end = arrived(sandbox, before)
    assert len(reading) >= 1
    for request in reading:
        assert (request.method, request.path) == ("GET", "/v1/bookings")
        asked = {name: value for name, value in request.query.items() if name != "page"}
        assert asked == {
            "status": status,
            # A day more than is meant: what the filter does at the very moment is not known.
            "startedAt": "2026-09-03T03:00:00.000Z",
            "order": "createdAt",
            "sort": "asc",
            "perPage": "50",
        }


def test_requests_awaiting_approval_are_filtered_here(sandbox, jicoo, rows):
    before = sandbox.count()
    assert found(jicoo, Selection(status="request"))
    assert all(request.query.get("status") != "request" for request in arrived(sandbox, before))
    assert all(request.status == 200 for request in arrived(sandbox, before))


def test_the_end_of_a_range_is_never_sent_as_an_end_of_bookings(sandbox, jicoo):
    # Jicoo's endedAt filters by the end: a booking that starts in the range and ends behind it would be lost.
    before = sandbox.count()
    found(jicoo, Selection(started_before=NOW))
    asked = [request.query["endedAt"] for request in arrived(sandbox, before) if "endedAt" in request.query]
    assert asked == ["2037-12-31T00:00:00.000Z"], "once, to see whether the list has an end of its own"


PROOFS = 7
"""How many requests the proofs of a reading take at the most, whatever its length."""


@pytest.mark.parametrize("number", [0, 1, 49, 51, 120, 300])
def test_reading_stops_at_the_end_of_the_range(sandbox, jicoo, rows, number):
    starts = sorted(row["startedAt"] for row in rows)
    while number and starts[number - 1] == starts[number]:
        number += 1
    before = sandbox.count()
    assert len(found(jicoo, Selection(started_before=starts[number]))) == number
    # One request a page, and one for the seam of each two.
    requests = number // PAGE + 1 + number // PAGE
    assert requests < len(arrived(sandbox, before)) <= requests + PROOFS
    assert all(request.query["order"] == "startedAt" for request in arrived(sandbox, before))


@pytest.mark.parametrize("fields", [{}, {"status": "open"}, {"status": "request"}, {"started_after": NOW}])
def test_the_proofs_cost_a_few_requests_whatever_the_length(sandbox, jicoo, fields):
    before = sandbox.count()
    count = len(found(jicoo, Selection(**fields)))
    read = len(meant(Selection(**{**fields, "status": None}), sandbox.bookings())) if fields.get("status") else count
    assert len(arrived(sandbox, before)) <= read // PAGE + 1 + PROOFS


def test_nothing_is_read_before_it_is_wanted(sandbox, jicoo):
    before = sandbox.count()
    reading = select(jicoo, Selection())
    assert sandbox.count() == before
    next(reading)
    assert sandbox.count() == before + 1
    reading.close()


# --- uids ------------------------------------------------------------------------------------------------------------


def test_uids_in_any_form(jicoo, rows):
    one, other = rows[5]["uid"], rows[6]["uid"]
    assert found(jicoo, Selection(uids=one)) == [one]
    assert found(jicoo, Selection(uids=(other, one, other))) == [other, one]
    assert found(jicoo, Selection(uids=f'["{one}", "{other}"]')) == [one, other]
    assert found(jicoo, Selection(uids=(uid for uid in (one, other)))) == [one, other]


def test_many_uids_are_read_by_listing(sandbox, jicoo, rows):
    before = sandbox.count()
    assert len(found(jicoo, Selection(uids=[row["uid"] for row in rows[:200]]))) == 200
    assert len(arrived(sandbox, before)) <= COUNT // PAGE + 1


def test_uids_and_the_rest(jicoo, rows):
    uids = [row["uid"] for row in rows[:40]]
    wanted = [row["uid"] for row in rows[:40] if row["status"] == "cancel"]
    assert found(jicoo, Selection(uids=uids, status="cancel")) == wanted


def test_unknown_uid(jicoo, rows):
    with pytest.raises(NotFoundError):
        found(jicoo, Selection(uids=[rows[0]["uid"], "mzgdPJVBb7RE"]))


# --- what cannot be right --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "opened"}, "status: 'opened' is none of request, open, cancel"),
        ({"status": "OPEN"}, "'OPEN'"),
        ({"started_after": "2026-09-01T10:00"}, "has no offset"),
        ({"started_before": datetime(2026, 9, 1)}, "has no offset"),  # noqa: DTZ001
        ({"started_before": "tomorrow"}, "is not a moment"),
        ({"started_after": "2026-09-01"}, "is not a moment"),
        ({"started_after": "2026-09-02T00:00Z", "started_before": "2026-09-01T00:00Z"}, "is not after started_after"),
        ({"started_after": "2026-09-01T09:00+09:00", "started_before": "2026-09-01T00:00Z"}, "is not after"),
        ({"name_matches": "(山田"}, "unterminated subpattern"),
        ({"uids": []}, "uids: give at least one"),
        ({"uids": ""}, "is not a booking id"),
        ({"uids": ["abc", "a/b"]}, "'a/b' is not a booking id"),
        ({"uids": '["abc"'}, "not JSON"),
    ],
)
def test_what_cannot_be_right_is_refused_before_any_request(sandbox, jicoo, fields, words):
    before = sandbox.count()
    with pytest.raises(InvalidRequestError, match=re.escape(words)):
        found(jicoo, Selection(**fields))
    assert sandbox.count() == before


def test_a_function_that_fails_is_not_swallowed(jicoo):
    def where(booking):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        found(jicoo, Selection(where=where))


# --- the async twin --------------------------------------------------------------------------------------------------


def collect(jicoo, selection):
    async def run():
        async with AsyncJicooClient(jicoo.settings, policy=FAST) as client:
            return [row async for row in select_async(client, selection)]

    return asyncio.run(run())


@pytest.mark.parametrize(
    "fields", [{}, {"status": "request"}, {"started_before": NOW, "name_matches": "田"}, {"uids": 5}]
)
def test_the_async_twin_finds_the_same(jicoo, rows, fields):
    if "uids" in fields:
        fields = {"uids": [row["uid"] for row in rows[:90:2]], "status": "open"}
    selection = Selection(**fields)
    assert collect(jicoo, selection) == list(select(jicoo, selection)) != []


@pytest.mark.parametrize("fields", [{"status": "opened"}, {"uids": []}, {"name_matches": "["}])
def test_the_async_twin_refuses_the_same(sandbox, jicoo, fields):
    before = sandbox.count()
    with pytest.raises(InvalidRequestError):
        collect(jicoo, Selection(**fields))
    assert sandbox.count() == before


# --- while others change it ------------------------------------------------------------------------------------------


def read_while(moving, selection, disturb):
    """Read a selection; after each page ``disturb`` may change something."""
    with connect(moving) as jicoo:
        seen, asked = [], moving.count()
        for row in select(jicoo, selection):
            if moving.count() > asked:
                asked = moving.count()
                disturb(asked)
            seen.append(row["uid"])
    return seen


@pytest.mark.parametrize("fields", [{}, {"status": "open"}, {"started_before": NOW + timedelta(days=400)}])
def test_no_row_is_lost_and_none_comes_twice_while_rows_leave_and_come(fields):
    with Sandbox(bookings=240, seed=5, now=NOW) as moving:
        stay = set(meant(Selection(**fields), moving.bookings()))
        by_start = sorted(moving.bookings(), key=lambda row: row["startedAt"])

        def disturb(requests):
            if requests == 2:
                gone = by_start[3]["uid"]
                stay.discard(gone)
                moving.delete(gone)
            elif requests == 3:
                gone = next(row["uid"] for row in moving.bookings() if row["uid"] in stay)
                stay.discard(gone)
                moving.edit(gone, status="cancel", startedAt=NOW + timedelta(days=900))
            elif requests == 4:
                moving.add_booking(startedAt=NOW - timedelta(days=200))

        seen = read_while(moving, Selection(**fields), disturb)
        assert moving.count() > 4
    assert len(seen) == len(set(seen))
    assert stay <= set(seen), f"{len(stay - set(seen))} bookings were never seen"


def test_no_row_is_lost_when_one_leaves_the_range_for_a_later_day():
    with Sandbox(bookings=240, seed=5, now=NOW) as moving:
        selection = Selection(started_before=NOW)
        by_start = sorted(moving.bookings(), key=lambda row: row["startedAt"])
        stay = set(meant(selection, moving.bookings())) - {by_start[3]["uid"]}

        def disturb(requests):
            if requests == 1:
                moving.edit(by_start[3]["uid"], startedAt=NOW + timedelta(days=40), endedAt=NOW + timedelta(days=41))

        seen = read_while(moving, selection, disturb)
    assert len(seen) == len(set(seen))
    assert stay <= set(seen), f"{len(stay - set(seen))} bookings were never seen"
