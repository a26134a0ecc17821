"""A list comes whole, or it says that it may not: whatever ways of listing the server has."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import fields, replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.api import errors, event_types, organization, schedules, times
from airflow_provider_jicoo.api.bookings import list_bookings
from airflow_provider_jicoo.api.call import Listing
from airflow_provider_jicoo.api.errors import ListingMovedError, RejectedError, UnprovenListError
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.paging import Paging
from tests.api.imagined import BEGIN, Imagined, Ways, booking, read_all

DAY = 24 * 60
HARMLESS = {
    "cap": [3, 4, 20],
    "offset_by_asked": [True],
    "pages_by_asked": [True],
    "fixed": [2, 7],
    "largest": [3, 1],
    "totals": ["none", "total only", "pages only", "text", "one page", "unpaged"],
    "behind": ["last again"],
    "start": ["exclusive", "ignored", "shifted"],
    "end": ["exclusive", "ignored"],
    "requests": ["honoured"],
}
"""Ways that a reading finds out by itself."""
DANGEROUS = {
    "first": [0],
    "order": ["by uid", "by createdAt", "reversed", "always asc"],
    "start": ["that day"],
    "without_status": ["open", "no cancel"],
    "list_cap": [11],
    "future_only": [True],
    "window": ["near", "ends", "from start"],
    "totals": ["of page", "capped", "all"],
}
"""Ways that would cost rows where they were not noticed."""
STATUSES = ("open", "open", "open", "cancel", "request")


def rows_of(chance, number):
    return [booking(n, chance.randrange(-30 * DAY, 60 * DAY, 30), chance.choice(STATUSES)) for n in range(number)]


def selection(chance, rows):
    """What a selection asks for: a listing, and a function that tells which rows it means."""
    after = chance.choice(
        [None, None, BEGIN, BEGIN + timedelta(days=5), *(times.moment(r["startedAt"]) for r in rows[:1])]
    )
    before = chance.choice([None, None, BEGIN + timedelta(days=20)])
    if after is not None and before is not None and after >= before:
        before = None
    status = chance.choice([None, None, "open", "cancel", "request"])
    listing = replace(
        list_bookings(started_at=after, order_by="createdAt" if before is None else "startedAt"),
        status=status,
        before=before,
        any_order=True,
    )

    def means(row):
        start = times.moment(row["startedAt"])
        in_time = (after is None or start >= after) and (before is None or start < before)
        return in_time and status in (None, row["status"])

    return listing, means


@st.composite
def cases(draw, harmless, dangerous):
    """Bookings, a selection and ways of listing: some harmless ones, and one dangerous one at the most."""
    chance = random.Random(draw(st.integers(0, 10**9)))
    rows = rows_of(chance, draw(st.sampled_from([0, 1, 4, 5, 6, 10, 23, 40])))
    names = draw(st.sets(st.sampled_from(sorted(harmless)), max_size=3)) if harmless else ()
    ways = {name: draw(st.sampled_from(harmless[name])) for name in names}
    if dangerous:
        name = draw(st.sampled_from(sorted(dangerous)))
        ways[name] = draw(st.sampled_from(dangerous[name]))
    # More than one thing at once that makes pages other than they are asked for is more than one can see through.
    if "fixed" in ways:
        for name in ("cap", "largest", "offset_by_asked", "pages_by_asked", "first"):
            ways.pop(name, None)
    if ways.get("first") == 0:
        ways.pop("totals", None)
    return rows, *selection(chance, rows), Ways(**ways)


def named(ways):
    return ", ".join(f"{f.name}={getattr(ways, f.name)}" for f in fields(ways) if getattr(ways, f.name) != f.default)


RANDOM = settings(derandomize=True, max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])


CHANCES = st.none() | st.randoms(use_true_random=False)
"""How much is under way at once: one request, or many."""


@RANDOM
@given(cases(HARMLESS, {}), CHANCES)
def test_ways_that_cost_nothing_are_never_refused(case, together):
    rows, listing, means, ways = case
    server, warnings = Imagined(rows, ways), []
    # That there is no request is certain only where the server lists by that status.
    paging = Paging(5, lists_requests=True)

    found = [row["uid"] for row in read_all(server, listing, paging=paging, chance=together, warnings=warnings)]

    assert Counter(found) == Counter(row["uid"] for row in rows if means(row)), named(ways)
    assert warnings == []


@RANDOM
@given(cases(HARMLESS, DANGEROUS), CHANCES)
def test_nothing_is_missed_without_a_word(case, together):
    rows, listing, means, ways = case
    server, warnings = Imagined(rows, ways), []
    try:
        found = [row["uid"] for row in read_all(server, listing, chance=together, warnings=warnings)]
    except errors.UnexpectedAnswerError as error:
        event(type(error).__name__)
        return
    event("whole" if not warnings else "told")

    assert len(found) == len(set(found)), "a row came twice"
    missed = {row["uid"] for row in rows if means(row)} - set(found)
    assert not missed or warnings, named(ways)
    assert set(found) <= {row["uid"] for row in rows if means(row)}


@RANDOM
@given(cases({}, {}), st.randoms(use_true_random=False), st.sampled_from(["make", "cancel", "delete", "all"]), CHANCES)
def test_while_others_change_it_no_row_that_stays_is_missed(case, chance, kind, together):
    rows, listing, means, _ = case
    if kind == "all":
        # One that leaves and one that joins between the same two answers make up for each other. Of requests that are
        # under way together, more answers than two may be the same two.
        together = None
    stay = {row["uid"] for row in rows if means(row)}

    def disturb(server):
        what = chance.choice(["make", "cancel", "delete"]) if kind == "all" else kind
        if chance.random() > 0.1:
            return
        if what == "make":
            server.rows.append(booking(1_000 + len(server.asked), chance.randrange(-30 * DAY, 60 * DAY, 30)))
        elif server.rows:
            at = chance.randrange(len(server.rows))
            row = server.rows[at]
            if what == "delete":
                server.rows.pop(at)
                stay.discard(row["uid"])
            else:
                server.rows[at] = {**row, "status": "cancel"}
                if not means(server.rows[at]):
                    stay.discard(row["uid"])

    server = Imagined(rows, Ways(), disturb)
    try:
        paging = Paging(5, lists_requests=True)
        found = [row["uid"] for row in read_all(server, listing, paging=paging, chance=together)]
    except (ListingMovedError, UnprovenListError) as error:
        event(type(error).__name__)
        return

    assert len(found) == len(set(found))
    assert stay <= set(found)


def test_one_booking_that_leaves_and_one_that_joins_are_no_limit_of_the_list():
    """The total stays, and a booking that comes to stand on a page that was read before is missed by the pages.

    Where the last page of the other direction shows it, it is found on the page before the last one.
    """
    for seed in range(400):
        chance = random.Random(seed)
        rows = [row for row in rows_of(chance, chance.randrange(30, 90)) if row["status"] == "open"]
        when, gone = chance.randrange(2, 12), chance.choice(rows)["uid"]

        def disturb(server, when=when, gone=gone):
            if len(server.asked) == when:
                stay = [row for row in server.rows if row["uid"] != gone]
                server.rows = [*stay, booking(1_000, 70 * DAY)]

        read_all(Imagined(rows, Ways(), disturb), everything(status="open"), paging=Paging(5), chance=chance)


# --- one way each ----------------------------------------------------------------------------------------------------

ROWS = rows_of(random.Random(7), 60)
IN_ORDER = sorted(ROWS, key=lambda row: row["startedAt"])


def uids(rows):
    return sorted(row["uid"] for row in rows)


def unproven(ways, listing=None, **options):
    with pytest.raises(UnprovenListError) as caught:
        read_all(Imagined(ROWS, ways), listing or list_bookings(), **options)
    assert caught.value.permanent
    assert (caught.value.method, caught.value.path) == ("GET", "/v1/bookings")
    return str(caught.value)


def everything(**fields):
    return replace(list_bookings(order_by="createdAt"), any_order=True, **fields)


def test_what_it_costs():
    """As many requests as there are pages, and a few."""
    server = Imagined(ROWS, Ways())
    assert len(read_all(server, everything())) == 60
    assert len(server.asked) <= 60 // 5 + 1 + 5


@pytest.mark.parametrize("cap", [1, 2, 3])
@pytest.mark.parametrize("offset_by_asked", [False, True])
def test_a_server_that_gives_fewer_rows_and_counts_pages_by_what_was_asked_for(cap, offset_by_asked):
    ways = Ways(cap=cap, offset_by_asked=offset_by_asked, pages_by_asked=True)
    assert uids(read_all(Imagined(ROWS, ways), everything())) == uids(ROWS)


def test_the_size_of_a_page_is_learnt_once():
    paging = Paging(5)
    server = Imagined(ROWS, Ways(cap=3))
    read_all(server, everything(), paging=paging)
    asked = len(server.asked)
    read_all(server, everything(), paging=paging)
    assert {query["perPage"] for query in server.asked[asked:]} == {"3"}


def test_a_size_that_is_refused_is_halved_and_remembered():
    paging = Paging(50)
    server = Imagined(ROWS, Ways(largest=20))
    assert uids(read_all(server, everything(), paging=paging)) == uids(ROWS)
    assert [query["perPage"] for query in server.asked[:4]] == ["50", "25", "12", "12"]
    asked = len(server.asked)
    read_all(server, everything(), paging=paging)
    assert {query["perPage"] for query in server.asked[asked:]} <= {"12", "1"}


def test_a_refusal_of_something_else_is_no_reason_to_ask_for_less():
    class Refusing(Imagined):
        def _page(self, query):
            return RejectedError("", method="GET", path="", status=422, errors={"startedAt": ["is wrong"]})

    server = Refusing([], Ways())
    with pytest.raises(RejectedError):
        read_all(server, list_bookings(started_at=BEGIN))
    assert len(server.asked) == 1


def test_a_refusal_at_every_size_is_the_refusal():
    with pytest.raises(RejectedError):
        read_all(Imagined(ROWS, Ways(largest=0)), everything())


@pytest.mark.parametrize("totals", ["true", "none", "total only", "pages only"])
@pytest.mark.parametrize("count", [1, 2, 5, 6, 7, 11, 60])
def test_a_first_page_numbered_0(totals, count):
    paging = Paging(5)
    server = Imagined(ROWS[:count], Ways(first=0, totals=totals))
    listing = Listing("/v1/bookings", {"order": "createdAt", "sort": "asc"})
    assert uids(read_all(server, listing, paging=paging)) == uids(ROWS[:count])
    assert paging.first == 0
    asked = len(server.asked)
    assert uids(read_all(server, listing, paging=paging)) == uids(ROWS[:count])
    assert server.asked[asked]["page"] == "0"


@pytest.mark.parametrize("order", ["by uid", "by createdAt", "reversed", "always asc", "ties shuffled"])
def test_an_order_that_is_ignored_does_not_end_the_reading(order):
    server = Imagined(ROWS, Ways(order=order))
    before = times.moment(IN_ORDER[30]["startedAt"])
    listing = replace(list_bookings(), before=before, any_order=True)
    assert uids(read_all(server, listing)) == uids(row for row in ROWS if times.moment(row["startedAt"]) < before)


def test_pages_that_are_ordered_only_within_themselves_do_not_end_the_reading():
    class Within(Imagined):
        def _page(self, query):
            page = super()._page({**query, "order": "uid"})
            if isinstance(page, Exception):
                return page
            rows = sorted(page["data"], key=lambda row: row[query["order"]], reverse=query["sort"] == "desc")
            return {**page, "data": rows}

    before = times.moment(IN_ORDER[20]["startedAt"])
    listing = replace(list_bookings(), before=before, any_order=True)
    assert uids(read_all(Within(ROWS, Ways()), listing)) == uids(IN_ORDER[:20])


def test_the_order_ends_the_reading_where_it_holds():
    server = Imagined(ROWS, Ways())
    before = times.moment(IN_ORDER[7]["startedAt"])
    assert uids(read_all(server, replace(list_bookings(), before=before, any_order=True))) == uids(IN_ORDER[:7])
    assert len(server.asked) <= 2 + 1 + 7


@pytest.mark.parametrize("start", ["exclusive", "ignored", "shifted", "that day"])
@pytest.mark.parametrize("before", [None, 50])
def test_a_filter_by_start_that_means_something_else(start, before):
    after = times.moment(IN_ORDER[20]["startedAt"])
    wanted = IN_ORDER[20:before]
    end = None if before is None else times.moment(IN_ORDER[before]["startedAt"])
    listing = everything(starts=after, before=end)
    listing = listing if before is None else listing.variant(order="startedAt")
    assert uids(read_all(Imagined(ROWS, Ways(start=start)), listing)) == uids(wanted)


@pytest.mark.parametrize("end", ["exclusive", "ignored"])
def test_a_filter_by_end_that_means_something_else(end):
    last = times.moment(IN_ORDER[40]["endedAt"])
    found = read_all(Imagined(ROWS, Ways(end=end)), list_bookings(ended_at=last))
    assert uids(found) == uids(row for row in ROWS if times.moment(row["endedAt"]) <= last)


def test_a_list_without_a_status_that_leaves_one_out():
    rows = [row for row in ROWS if row["status"] != "cancel"]
    assert len(rows) < len(ROWS)
    for requests in ("honoured", "refused"):
        server = Imagined(ROWS, Ways(without_status="no cancel", requests=requests))
        assert uids(read_all(server, everything())) == uids(ROWS)


def test_a_list_without_a_status_that_has_open_ones_only():
    server = Imagined(ROWS, Ways(without_status="open", requests="honoured"))
    assert uids(read_all(server, everything())) == uids(ROWS)
    for status in ("open", "cancel", "request"):
        found = read_all(server, everything(status=status))
        assert uids(found) == uids(row for row in ROWS if row["status"] == status)


def test_where_requests_can_be_listed_by_nothing_it_says_so():
    words = "Jicoo does not list them by status=request"
    assert words in unproven(Ways(without_status="open"), everything())
    assert words in unproven(Ways(without_status="open"), everything(status="request"))
    assert words in unproven(Ways(without_status="no request"), everything(status="request"))
    assert "lists_requests" in unproven(Ways(without_status="no request"), everything(status="request"))
    assert read_all(Imagined(ROWS, Ways(without_status="open")), everything(status="open"))
    warnings = []
    read_all(Imagined(ROWS, Ways(without_status="no request")), everything(), warnings=warnings)
    assert len(warnings) == 1
    assert words in warnings[0]


def test_where_they_are_known_to_be_listed_there_is_no_word():
    warnings = []
    rows = [row for row in ROWS if row["status"] != "request"]
    for status in (None, "request"):
        read_all(
            Imagined(rows, Ways()), everything(status=status), paging=Paging(5, lists_requests=True), warnings=warnings
        )
    assert warnings == []


@pytest.mark.parametrize("status", ["OPEN", "Open ", "confirmed"])
def test_a_status_that_may_be_the_one_that_is_meant_is_not_left_out_without_a_word(status):
    rows = [{**row, "status": status if row["status"] == "open" else row["status"]} for row in ROWS]
    for ways in (Ways(status="ignored"), Ways()):
        server = Imagined(rows, ways)
        if ways.status == "honoured":  # it knows them by the word that is asked for
            server.answer = lambda call, answer=server.answer: answer(
                replace(call, query={**call.query, "status": status})
            )
        with pytest.raises(UnprovenListError, match=f"came with '{status}' and were left out"):
            read_all(server, list_bookings(status="open"))


def test_a_further_status_disturbs_no_list_of_another():
    rows = [*ROWS, booking(9_999, 5, status="declined")]
    for ways in (Ways(status="ignored"), Ways(requests="honoured")):
        for status in ("open", "request"):
            found = read_all(Imagined(rows, ways), everything(status=status))
            assert uids(found) == uids(row for row in ROWS if row["status"] == status)


def test_a_status_that_is_ignored_is_filtered_here():
    server = Imagined(ROWS, Ways(status="ignored"))
    for listing in (list_bookings(status="cancel"), everything(status="cancel")):
        assert uids(read_all(server, listing)) == uids(row for row in ROWS if row["status"] == "cancel")


@pytest.mark.parametrize("totals", ["true", "capped", "none"])
def test_a_list_that_ends_at_a_cap_of_its_own(totals):
    words = unproven(Ways(list_cap=23, totals=totals), everything())
    assert "ends at a limit of its own" in words
    assert "Narrow the time range" in words


def test_a_list_without_times_that_has_what_is_to_come_only():
    assert uids(read_all(Imagined(ROWS, Ways(future_only=True)), everything())) == uids(ROWS)


WINDOWS = [
    {},
    {"status": "open"},
    {"starts": BEGIN - timedelta(days=20)},
    {"starts": BEGIN + timedelta(days=5), "status": "request"},
    {"starts": BEGIN + timedelta(days=20)},
    {"before": BEGIN + timedelta(days=40)},
    {"before": BEGIN - timedelta(days=12)},
    {"starts": BEGIN - timedelta(days=3), "before": BEGIN + timedelta(days=33)},
]


@pytest.mark.parametrize("fields", WINDOWS, ids=str)
@pytest.mark.parametrize("totals", ["true", "none", "text", "of page"])
@pytest.mark.parametrize("window", ["near", "ends", "from start"])
def test_a_list_that_has_only_what_is_near_where_no_times_are_asked_for(window, totals, fields):
    server = Imagined(ROWS, Ways(window=window, totals=totals))
    before = fields.get("before")
    listing = replace(
        list_bookings(order_by="createdAt" if before is None else "startedAt"),
        any_order=True,
        **fields,
    )

    found = read_all(server, listing, paging=Paging(5, lists_requests=True))

    def means(row):
        start = times.moment(row["startedAt"])
        in_time = start >= fields.get("starts", start) and (before is None or start < before)
        return in_time and fields.get("status") in (None, row["status"])

    assert uids(found) == uids(filter(means, ROWS))


@pytest.mark.parametrize("fields", WINDOWS, ids=str)
@pytest.mark.parametrize("window", ["all", "ends"])
def test_a_server_that_refuses_times_of_long_ago_and_far_ahead(window, fields):
    """It is no reason to refuse a list that is whole; one that is not says so."""
    before = fields.get("before")
    column = "createdAt" if before is None else "startedAt"
    listing = replace(list_bookings(order_by=column), any_order=True, **fields)
    paging = Paging(5, lists_requests=True)
    whole = uids(read_all(Imagined(ROWS, Ways()), listing, paging=Paging(5, lists_requests=True)))
    server, warnings = Imagined(ROWS, Ways(window=window, years=(2025, 2036))), []

    found = uids(read_all(server, listing, paging=paging, warnings=warnings, on_unproven="warn"))

    assert found == whole or (window == "ends" and "refuses one of all times" in warnings[0])
    assert window == "ends" or warnings == []


def test_where_the_order_matters_it_says_so():
    words = unproven(Ways(window="ends"), list_bookings(started_at=BEGIN))
    assert "leaves out bookings" in words


@pytest.mark.parametrize("fields", WINDOWS, ids=str)
def test_a_list_of_a_limited_time_is_whole_or_says_so(fields):
    """The rows are so dense that there are some in each such time."""
    before = fields.get("before")
    column = "createdAt" if before is None else "startedAt"
    listing = replace(list_bookings(order_by=column), any_order=True, **fields)
    warnings = []
    found = read_all(
        Imagined(ROWS, Ways(window="span")),
        listing,
        paging=Paging(5, lists_requests=True),
        warnings=warnings,
        on_unproven="warn",
    )

    whole = read_all(Imagined(ROWS, Ways()), listing, paging=Paging(5, lists_requests=True))
    assert set(uids(found)) <= set(uids(whole))
    assert uids(found) == uids(whole) or warnings


@pytest.mark.parametrize("totals", ["of page", "one page", "text", "total only", "pages only", "none"])
def test_totals_that_are_wrong_or_missing_cost_nothing(totals):
    assert uids(read_all(Imagined(ROWS, Ways(totals=totals)), everything())) == uids(ROWS)


def test_totals_that_count_without_the_filters_are_seen_through():
    server = Imagined(ROWS, Ways(totals="all"))
    for status in ("open", "cancel"):
        found = read_all(server, everything(status=status))
        assert uids(found) == uids(row for row in ROWS if row["status"] == status)


class More(Imagined):
    """Tells of more rows than it has."""

    def _told(self, whole, part, page, size):
        return {"totalCount": 1_000, "numberOfPages": 1}


def test_a_total_that_nothing_bears_out_is_an_error_or_a_warning():
    with pytest.raises(
        UnprovenListError, match=r"totalCount says 1,000, and the pages have 60 rows.*on_unproven"
    ) as caught:
        read_all(More(ROWS, Ways()), everything())
    warnings = []
    found = read_all(More(ROWS, Ways()), everything(), on_unproven="warn", warnings=warnings)
    assert uids(found) == uids(ROWS)
    assert warnings == list(caught.value.doubts)


def test_without_a_place_for_warnings_the_log_has_them(caplog):
    read_all(More(ROWS, Ways()), everything(), on_unproven="warn")
    assert "totalCount says 1,000" in caplog.text


def test_lists_that_are_asked_for_in_an_order_are_not_put_together():
    """Their rows would not come in the order."""
    assert "leaves out those of the status cancel" in unproven(Ways(without_status="no cancel"))
    assert uids(read_all(Imagined(ROWS, Ways(without_status="no cancel")), list_bookings(status="open")))


# --- the first rows only ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ["honoured", "by uid", "reversed", "always asc"])
@pytest.mark.parametrize("limit", [0, 1, 4, 5, 6, 60, 100])
def test_the_first_rows_of_an_order(order, limit, descending):
    server = Imagined(ROWS, Ways(order=order))
    found = read_all(server, list_bookings(limit=limit, descending=descending), size=20)
    starts = sorted((row["startedAt"] for row in ROWS), reverse=descending)
    assert [row["startedAt"] for row in found] == starts[:limit] or (limit == 100 and order != "honoured")
    if order == "honoured" and limit < 20:
        assert len(server.asked) <= 2


@pytest.mark.parametrize("limit", [1, 7])
def test_the_first_rows_are_those_of_the_first_page_wherever_it_is_numbered(limit):
    found = read_all(Imagined(ROWS, Ways(first=0)), list_bookings(limit=limit))
    assert [row["startedAt"] for row in found] == [row["startedAt"] for row in IN_ORDER[:limit]]


# --- through the clients ---------------------------------------------------------------------------------------------

LISTS = {
    "event types": event_types.list_event_types,
    "users": organization.list_organization_users,
    "teams": organization.list_teams,
    "schedules": schedules.list_schedules,
}
FINE = (
    "page-cap=20",
    "page-limit=20",
    "page-fixed=20",
    "page-fixed=100",
    "pages-from-zero",
    "no-totals",
    "no-totals=totalCount",
    "text-totals",
    "lying-totals",
    "total-of-page",
    "last-page-again",
    "unpaged",
)


@pytest.fixture
def crowded(jicoo):
    for number in range(70):
        jicoo.add_event_type(name=f"Type {number}")
        jicoo.add_user(name=f"User {number}")
        jicoo.add_team(uid=f"team-{number}")
        jicoo.add_schedule()
    yield jicoo
    jicoo.quirks = ()


def test_every_list_comes_whole_with_each_way_of_paging(crowded, connect):
    truth = {name: uids(getattr(crowded, name.replace(" ", "_"))) for name in LISTS}
    assert all(len(found) > 60 for found in truth.values())
    for quirk in FINE:
        crowded.quirks = (quirk,)
        driver = connect(crowded.url, key=crowded.api_key)
        for name, listing in LISTS.items():
            assert uids(driver.iterate(listing())) == truth[name], (quirk, name)


def test_hosts_that_come_unpaged(jicoo, connect):
    event_type = jicoo.event_types[0]["uid"]
    jicoo.quirks = ("unpaged",)
    try:
        found = connect(jicoo.url, key=jicoo.api_key).iterate(event_types.list_event_type_hosts(event_type))
        assert uids(found) == uids(jicoo.hosts(event_type))
    finally:
        jicoo.quirks = ()


def test_two_teams_of_a_server_that_counts_from_0(jicoo, connect):
    jicoo.quirks = ("pages-from-zero",)
    jicoo.add_team(uid="one-more")
    try:
        assert len(list(connect(jicoo.url, key=jicoo.api_key).iterate(organization.list_teams()))) >= 2
    finally:
        jicoo.quirks = ()


def test_the_same_page_for_ever_ends(crowded, connect):
    crowded.quirks = ("endless-pages",)
    driver = connect(crowded.url, key=crowded.api_key)
    for listing in LISTS.values():
        before = crowded.count()
        with pytest.raises(errors.UnexpectedAnswerError):
            list(driver.iterate(listing()))
        assert crowded.count() - before < 40


def test_a_server_that_fails_at_page_0_is_no_failure(wire, reply, connect):
    def answer(request, number):
        return reply('{"data": []}') if b"page=1" in request else reply("", 500)

    server = wire(answer)
    assert list(connect(server.url).iterate(organization.list_teams())) == []


@pytest.mark.parametrize(
    "quirk", ["page-limit=20", "page-cap=20", "pages-from-zero", "endless-pages", "lying-totals", "no-totals"]
)
def test_a_lookup_does_not_rest_on_how_the_list_is_paged(jicoo, connect, quirk):
    wanted = [jicoo.add_booking()["uid"] for _ in range(70)]
    jicoo.quirks = (quirk,)
    try:
        before = jicoo.count()
        assert list(connect(jicoo.url, key=jicoo.api_key).run(lookup_bookings(wanted))) == wanted
        assert jicoo.count() - before <= 2 * len(wanted)
    finally:
        jicoo.quirks = ()


def test_a_lookup_names_what_cannot_be_read_and_has_the_others(jicoo, connect):
    wanted = [jicoo.add_booking()["uid"] for _ in range(9)]
    jicoo.break_row(wanted[2], "surrogate")
    jicoo.break_row(wanted[5], "hosts=null")
    unreadable = {}

    found = connect(jicoo.url, key=jicoo.api_key).run(lookup_bookings(wanted, unreadable=unreadable))

    assert set(unreadable) == {wanted[2], wanted[5]}
    assert list(found) == [uid for uid in wanted if uid not in unreadable]
    assert "hosts is null, not a list" in str(unreadable[wanted[5]])
    with pytest.raises(errors.UnexpectedAnswerError):
        connect(jicoo.url, key=jicoo.api_key).run(lookup_bookings(wanted))


def test_what_settings_say(jicoo, connect):
    for _ in range(9):
        jicoo.add_booking()
    list(connect(jicoo.url, key=jicoo.api_key, page_size=4).iterate(list_bookings()))
    assert {request.query["perPage"] for request in jicoo.requests} == {"4"}
