"""Reading a list page by page while others change it."""

from __future__ import annotations

import math
import tracemalloc

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.api import bookings
from airflow_provider_jicoo.api import sweep as sweeps
from airflow_provider_jicoo.api.call import Listing
from airflow_provider_jicoo.api.course import SWEEPS
from airflow_provider_jicoo.api.errors import ListingMovedError, UnexpectedAnswerError
from airflow_provider_jicoo.api.keys import Keys
from airflow_provider_jicoo.api.paging import PER_PAGE, Paging
from airflow_provider_jicoo.api.sweep import Sweep

ENVELOPES = {
    "whole": ("totalCount", "count", "currentPage", "numberOfPages"),
    "no numberOfPages": ("totalCount", "count", "currentPage"),
    "no totalCount": ("count", "currentPage", "numberOfPages"),
    "nothing": (),
}


def page_of(rows, number, size, fields=ENVELOPES["whole"]):
    data = [{"uid": uid} for uid in rows[(number - 1) * size : number * size]]
    beside = {
        "totalCount": len(rows),
        "count": len(data),
        "currentPage": number,
        "numberOfPages": math.ceil(len(rows) / size),
    }
    return {"data": data, "errors": {}, **{field: beside[field] for field in fields}}


def read(
    rows, *, size=PER_PAGE, fields=ENVELOPES["whole"], limit=None, disturb=lambda rows, request: None, most=10_000
):
    """Read the list ``rows``, which ``disturb`` changes after each request. Returns the uids, and how many requests."""
    sweep = Sweep(Listing("/v1/things", limit=limit))
    given_, requests = [], 0
    while (call := sweep.next_call()) is not None:
        assert requests < most, "it never ends"
        requests += 1
        answer = page_of(rows, int(call.query["page"]), size, fields)
        given_ += [row["uid"] for row in sweep.take(answer)]
        disturb(rows, requests)
    return given_, requests


# --- a list that holds still ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", ENVELOPES.values(), ids=ENVELOPES)
@pytest.mark.parametrize("size", [PER_PAGE, 20, 1], ids=lambda s: f"{s} a page")
@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 49, 50, 51, 100, 101])
def test_a_calm_list_comes_whole_and_in_order(count, size, fields):
    rows = list(range(count))

    given_, requests = read(rows, size=size, fields=fields)

    assert given_ == rows
    pages = max(1, math.ceil(count / size))
    if "totalCount" in fields:
        # Behind a full page the next one tells whether the total is true.
        is_full = count and count % size == 0 and (pages > 1 or size == PER_PAGE)
        # Where fewer come than were asked for, page 0 tells once whether this was really the first page.
        is_capped = size < PER_PAGE and count > size
        assert requests == pages + bool(is_full) + is_capped
    else:
        # An empty page tells the end, and once in the life of a client page 0 where the beginning is.
        assert requests <= pages + 2


def test_what_is_asked():
    sweep = Sweep(Listing("/v1/things", {"order": "createdAt", "sort": "asc"}))
    call = sweep.next_call()

    assert (call.method, call.path, call.answer_shape, call.body) == ("GET", "/v1/things", "page", None)
    assert call.query == {"order": "createdAt", "sort": "asc", "page": "1", "perPage": str(PER_PAGE)}
    sweep.take(page_of(range(60), 1, PER_PAGE))
    assert sweep.next_call().query["page"] == "2"


@pytest.mark.parametrize("odd", ["3", None, 2.5, [], {}])
@pytest.mark.parametrize("field", ["numberOfPages", "totalCount"])
def test_a_count_that_is_none_is_as_good_as_missing(field, odd):
    sweep = Sweep(Listing("/v1/things"))
    rows, given_ = list(range(120)), []

    while (call := sweep.next_call()) is not None:
        answer = {**page_of(rows, int(call.query["page"]), PER_PAGE), field: odd}
        given_ += [row["uid"] for row in sweep.take(answer)]

    assert given_ == rows


def drive(server, **options):
    """Read from a function of page and size. Returns the sweep, the uids and what was asked for."""
    sweep = Sweep(Listing("/v1/things"), **options)
    given_, asked = [], []
    while (call := sweep.next_call()) is not None:
        page, size = int(call.query["page"]), int(call.query["perPage"])
        asked.append((page, size))
        assert len(asked) < 200, "it never ends"
        answer = server(page, size)
        if isinstance(answer, Exception):
            sweep.refuse(answer)
        else:
            given_ += [row["uid"] for row in sweep.take({**answer, "data": [{"uid": uid} for uid in answer["data"]]})]
    return sweep, given_, asked


@pytest.mark.parametrize(
    "beside",
    [
        lambda page, size: {},
        lambda page, size: {"numberOfPages": 3},
        lambda page, size: {"numberOfPages": page + 1},
        lambda page, size: {"totalCount": 130},
        lambda page, size: {"totalCount": (page + 1) * size, "numberOfPages": page + 1},
    ],
    ids=["nothing", "pages", "growing pages", "total", "growing total"],
)
def test_the_same_full_page_for_ever_is_an_error(beside):
    with pytest.raises(UnexpectedAnswerError, match="has only rows of the pages before it") as caught:
        drive(lambda page, size: {"data": list(range(size)), **beside(page, size)})

    assert caught.value.permanent
    assert (caught.value.method, caught.value.path, caught.value.status) == ("GET", "/v1/things", 200)


def test_fresh_rows_for_ever_are_an_error(monkeypatch):
    monkeypatch.setattr(sweeps, "PAGES_AT_MOST", 30)
    with pytest.raises(UnexpectedAnswerError, match="after 30 pages there is still no end"):
        drive(lambda page, size: {"data": range((page - 1) * size, page * size), "totalCount": (page + 1) * size})


def test_rows_without_a_key_are_given_as_they_come():
    sweep = Sweep(Listing("/v1/things"), paging=Paging(size=3, first_is_known=True))
    first = sweep.take({"data": [{"name": "a"}, {"name": "a"}, "text"], "numberOfPages": 2})
    second = sweep.take({"data": [{"name": "a"}], "numberOfPages": 2})

    assert (len(first), len(second), sweep.next_call()) == (3, 1, None)


def test_rows_without_a_key_are_not_given_again_by_a_second_sweep():
    sweep = Sweep(Listing("/v1/things"), paging=Paging(size=2))
    given_ = sweep.take({"data": [{"name": "a"}, {"uid": 1}], "numberOfPages": 2, "totalCount": 3})
    given_ += sweep.take({"data": [{"uid": 2}], "numberOfPages": 2, "totalCount": 2})
    given_ += sweep.take({"data": [{"name": "a"}, {"uid": 2}], "numberOfPages": 1, "totalCount": 2})

    assert given_ == [{"name": "a"}, {"uid": 1}, {"uid": 2}]
    assert sweep.next_call() is None


def test_another_key():
    sweep = Sweep(Listing("/v1/things", key="id"))

    assert sweep.take({"data": [{"id": 1, "uid": 7}, {"id": 2, "uid": 7}], "numberOfPages": 1}) == [
        {"id": 1, "uid": 7},
        {"id": 2, "uid": 7},
    ]


# --- a limit --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", ENVELOPES.values(), ids=ENVELOPES)
@pytest.mark.parametrize(
    ("limit", "requests"), [(0, 0), (1, 1), (49, 1), (50, 1), (51, 2), (100, 2), (101, 3), (119, 3)]
)
def test_a_limit_asks_no_more_than_it_needs(limit, requests, fields):
    assert read(list(range(120)), limit=limit, fields=fields) == (list(range(limit)), requests)


@pytest.mark.parametrize("limit", [120, 121, 10_000])
def test_a_limit_beyond_the_end(limit):
    assert read(list(range(120)), limit=limit)[0] == list(range(120))


# --- an end before the end ------------------------------------------------------------------------------------------


def test_reading_ends_at_the_first_row_beyond():
    sweep = Sweep(Listing("/v1/things"), beyond=lambda row: row["uid"] >= 70)
    given_ = []
    while (call := sweep.next_call()) is not None:
        given_ += sweep.take(page_of(range(1_000), int(call.query["page"]), int(call.query["perPage"])))

    assert [row["uid"] for row in given_] == list(range(70))
    assert call is None


@pytest.mark.parametrize(
    ("end", "pages", "seams"), [(0, 1, 0), (49, 1, 0), (50, 2, 1), (51, 2, 1), (110, 3, 2), (120, 3, 0), (500, 3, 0)]
)
def test_where_the_first_row_beyond_stands(end, pages, seams):
    sweep = Sweep(Listing("/v1/things"), beyond=lambda row: row["uid"] >= end)
    given_, asked = [], []
    while (call := sweep.next_call()) is not None:
        asked.append(call.query["perPage"])
        given_ += sweep.take(page_of(range(120), int(call.query["page"]), int(call.query["perPage"])))

    assert [row["uid"] for row in given_] == list(range(min(end, 120)))
    assert asked == [str(PER_PAGE)] * pages + ["1"] * seams


def test_a_row_that_goes_behind_the_end_of_the_reading_is_noticed_by_the_seams():
    """It leaves the front after the first page was read: neither the total nor a double tells."""
    rows = [{"uid": number} for number in range(200)]
    sweep = Sweep(Listing("/v1/things"), beyond=lambda row: row["uid"] >= 70)
    given_, asked = [], 0
    while (call := sweep.next_call()) is not None:
        asked += 1
        page, size = int(call.query["page"]), int(call.query["perPage"])
        answer = {"data": rows[(page - 1) * size : page * size], "totalCount": 200, "numberOfPages": -(-200 // size)}
        given_ += sweep.take(answer)
        if asked == 1:
            rows.append({"uid": 1_000 + rows.pop(3)["uid"]})

    assert {row["uid"] for row in given_} == set(range(70))
    assert asked == 2 + 2 + 2 + 1  # the seam that does not fit is looked at once more, as a page


@pytest.mark.parametrize("cap", [PER_PAGE, 20], ids=lambda cap: f"{cap} a page")
@pytest.mark.parametrize("is_counted", [True, False], ids=["count tells of it", "count is of the rows"])
@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize("times", [1, 99], ids=["once", "always"])
def test_a_page_that_lacks_a_row_is_noticed_where_the_reading_ends_before_the_list(cap, page, is_counted, times):
    if page == 1 and not is_counted:
        pytest.skip("nothing tells: it may be all that the server gives at once")
    sweep = Sweep(Listing("/v1/things"), beyond=lambda row: row["uid"] >= 2.5 * cap)
    given_, lacking = [], times
    while (call := sweep.next_call()) is not None:
        number, size = int(call.query["page"]), min(cap, int(call.query["perPage"]))
        answer = page_of(range(400), number, size)
        if number == page and size > 1 and lacking:
            lacking -= 1
            answer["data"].pop(3)
            answer["count"] -= not is_counted
        given_ += [row["uid"] for row in sweep.take(answer)]

    if times == 1:
        assert sorted(given_) == list(range(int(2.5 * cap)))
        assert sweep.shortfall is None
    else:
        assert f"page {page}" in sweep.shortfall


# --- a list that moves ----------------------------------------------------------------------------------------------


def once(at, change):
    return lambda rows, request: change(rows) if request == at else None


def test_a_row_that_leaves_the_front_is_noticed_by_the_total():
    # 50 moves up over the seam of the first two pages.
    given_, requests = read(list(range(120)), disturb=once(1, lambda rows: rows.pop(0)))

    assert sorted(given_) == list(range(120))
    assert requests == 6


def test_a_row_that_joins_the_front_is_noticed_by_a_double():
    given_, requests = read(list(range(120)), disturb=once(1, lambda rows: rows.insert(0, "new")))

    assert [uid for uid in given_ if uid != "new"] == list(range(120))
    assert given_.count("new") == 1, "the second sweep has it"
    assert requests == 6


def test_a_row_that_joins_the_end_costs_nothing():
    given_, requests = read(list(range(120)), disturb=once(1, lambda rows: rows.append("new")))

    assert given_ == [*range(120), "new"]
    assert requests == 3


def test_new_rows_at_the_front_for_ever_are_no_error():
    def disturb(rows, request):
        rows.insert(0, f"new {request}")

    given_, requests = read(list(range(120)), disturb=disturb)

    assert sorted(uid for uid in given_ if isinstance(uid, int)) == list(range(120))
    assert requests == 3 * SWEEPS


def test_rows_that_leave_for_ever_are_an_error_and_not_a_loss():
    with pytest.raises(ListingMovedError, match="during each of 5 sweeps") as caught:
        read(list(range(1_000)), disturb=lambda rows, request: rows.pop(0))

    assert not caught.value.permanent
    assert (caught.value.method, caught.value.path, caught.value.status) == ("GET", "/v1/things", 200)


def test_rows_that_change_places_for_ever_are_all_there_when_the_sweeps_together_have_as_many_as_there_are():
    given_, requests = read(list(range(1_000)), disturb=lambda rows, request: rows.insert(0, rows.pop()))

    assert sorted(given_) == list(range(1_000))
    assert requests > 20


def test_rows_that_change_places_for_ever_while_others_go_are_an_error_and_not_a_loss():
    def disturb(rows, request):
        rows.insert(0, rows.pop())
        rows.pop(500)

    with pytest.raises(ListingMovedError):
        read(list(range(1_000)), disturb=disturb)


SIZE = 3


@st.composite
def disturbances(draw, kinds):
    """A list, what is done to it after each of some requests, and which rows are there all the time."""
    count = draw(st.integers(0, 20))
    kind = draw(st.sampled_from(kinds))
    position = st.integers(0, 25)
    steps = draw(st.dictionaries(st.integers(1, 40), st.lists(st.tuples(position, position), min_size=1, max_size=4)))
    return count, kind, steps


def disturbing(kind, steps, removed):
    fresh = iter(range(1_000, 10_000))

    def disturb(rows, request):
        for here, there in steps.get(request, ()):
            if kind == "insert":
                rows.insert(min(here, len(rows)), next(fresh))
            elif kind == "append":
                rows.append(next(fresh))
            elif kind == "delete" and rows:
                removed.add(rows.pop(here % len(rows)))
            elif kind == "move" and rows:
                rows.insert(there % len(rows), rows.pop(here % len(rows)))

    return disturb


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=disturbances(["insert", "append", "delete", "move"]))
def test_under_one_kind_of_disturbance_no_row_is_lost_and_none_comes_twice(case):
    count, kind, steps = case
    removed, rows = set(), list(range(count))
    try:
        given_, requests = read(rows, size=SIZE, disturb=disturbing(kind, steps, removed))
    except ListingMovedError:
        event(f"{kind}: error")
        assert kind not in ("append", "insert"), "only new rows: nothing can have been missed"
        return
    event(f"{kind}: {'one sweep' if requests <= math.ceil((count + 1) / SIZE) else 'more sweeps'}")

    assert len(given_) == len(set(given_)), "a row came twice"
    assert set(range(count)) - removed <= set(given_), "a row was lost"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=disturbances(["insert", "append", "move"]))
def test_without_a_number_of_pages_no_row_is_lost_either(case):
    count, kind, steps = case
    try:
        given_, _ = read(list(range(count)), size=SIZE, fields=("totalCount",), disturb=disturbing(kind, steps, set()))
    except UnexpectedAnswerError:
        return  # also a page of nothing but doubles, which cannot be told from the same page for ever

    assert len(given_) == len(set(given_))
    assert set(range(count)) <= set(given_)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=disturbances(["insert", "delete", "move"]), limit=st.integers(0, 25))
def test_with_a_limit_no_row_comes_twice_and_never_too_many(case, limit):
    count, kind, steps = case
    try:
        given_, _ = read(list(range(count)), size=SIZE, limit=limit, disturb=disturbing(kind, steps, set()))
    except ListingMovedError:
        return

    assert len(given_) == len(set(given_)) <= limit
    if kind == "insert":
        assert len(given_) >= min(limit, count)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    case=disturbances(["insert", "delete", "move"]),
    fields=st.sampled_from(list(ENVELOPES.values())),
    size=st.integers(1, 5),
)
def test_whatever_happens_it_ends(case, fields, size):
    count, kind, steps = case
    try:
        given_, _ = read(
            list(range(count)), size=size, fields=fields, disturb=disturbing(kind, steps, set()), most=2_000
        )
    except UnexpectedAnswerError:
        return

    assert len(given_) == len(set(given_))


# --- through the clients --------------------------------------------------------------------------------------------


def test_through_a_client_from_the_sandbox(jicoo, connect, monkeypatch):
    for hour in (5, 2, 6, 1, 3, 0, 4):
        jicoo.add_booking(startedAt=f"2031-01-01T0{hour}:00:00Z", endedAt=f"2031-01-01T0{hour}:30:00Z")
    driver = connect(jicoo.url, key=jicoo.api_key, page_size=3)

    rows = list(driver.iterate(bookings.list_bookings()))

    assert rows == sorted(jicoo.bookings(), key=lambda booking: booking["startedAt"])
    assert sorted(request.query["page"] for request in jicoo.requests[:3]) == ["1", "2", "3"]


def test_a_booking_that_is_cancelled_meanwhile_costs_no_other_one(jicoo, connect, monkeypatch):
    uids = [jicoo.add_booking()["uid"] for _ in range(9)]
    driver = connect(jicoo.url, key=jicoo.api_key, page_size=3)

    found = []
    for booking in driver.iterate(bookings.list_bookings(status="open", order_by="createdAt")):
        found.append(booking["uid"])
        if len(found) == 3:
            jicoo.edit(found[0], status="cancel")

    assert sorted(found) == sorted(uids)


def test_a_failure_between_two_pages_is_repeated_there(jicoo, connect, monkeypatch):
    for _ in range(9):
        jicoo.add_booking()
    driver = connect(jicoo.url, key=jicoo.api_key, page_size=3)
    rows = driver.iterate(bookings.list_bookings())
    next(rows)
    jicoo.fail("cut_body")
    jicoo.fail("rate_limit")

    assert len(list(rows)) == 8
    pages = [request.query["page"] for request in jicoo.requests[:5]]
    assert pages[0] == "1"
    assert sorted(pages[1:]) == ["2", "2", "3", "3"], "two failed, whichever came first"


def test_pages_are_fetched_only_when_they_are_needed(jicoo, connect, monkeypatch):
    for _ in range(9):
        jicoo.add_booking()
    driver = connect(jicoo.url, key=jicoo.api_key, page_size=3)
    rows = driver.iterate(bookings.list_bookings())
    before = jicoo.count()
    counts = []
    for _ in range(5):
        next(rows)
        counts.append(jicoo.count() - before)
    rows.close()

    assert counts[:3] == [1, 1, 1]
    assert jicoo.count() - before <= 3, "one beyond that which was needed"


def test_a_limit_stops_the_requests(jicoo, connect, monkeypatch):
    for _ in range(9):
        jicoo.add_booking()
    driver = connect(jicoo.url, key=jicoo.api_key, page_size=3)

    assert len(list(driver.iterate(bookings.list_bookings(limit=4)))) == 4
    assert len(list(driver.iterate(bookings.list_bookings(limit=0)))) == 0
    # One of the three is to see, once in the life of a client, that page 1 is the first.
    assert jicoo.count() == 3
    assert len(list(driver.iterate(bookings.list_bookings(limit=4)))) == 4
    assert jicoo.count() == 5


def test_rows_are_not_held():
    # 1 kB a row: all of them would be 40 MB.
    count, size = 40_000, 500
    sweep = Sweep(Listing("/v1/things"))
    tracemalloc.start()
    try:
        given_ = 0
        for number in range(1, count // size + 1):
            assert sweep.next_call() is not None
            rows = [{"uid": f"{number}-{n}", "name": "x" * 1_000 + str(n)} for n in range(size)]
            given_ += len(sweep.take({"data": rows, "totalCount": count, "numberOfPages": count // size}))
            del rows
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert given_ == count
    assert sweep.next_call() is None
    assert most < 20_000_000


# --- which rows were there already ----------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=3) | st.integers(-1000, 1000)))
def test_keys_are_a_set(keys):
    known, reference = Keys(), set()
    for key in keys:
        assert known.add(key) is (str(key) not in reference)
        reference.add(str(key))


def test_many_keys_at_16_bytes_each():
    known = Keys()
    uids = [f"{number:x}PJVBb7RE" for number in range(20_000)]
    tracemalloc.start()
    try:
        assert all(known.add(uid) for uid in uids)
        assert tracemalloc.get_traced_memory()[0] < 16 * len(uids)
    finally:
        tracemalloc.stop()
    assert not any(known.add(uid) for uid in uids)


def test_rows_without_a_key_on_the_last_page_of_a_sweep_that_moved_are_given():
    sweep = Sweep(Listing("/v1/things"), paging=Paging(size=1))
    first = {"data": [{"uid": 1}], "totalCount": 3, "numberOfPages": 2}
    moved = {"data": [{"name": "without"}], "totalCount": 2, "numberOfPages": 2}  # one fewer: it is read again
    assert sweep.take(first) == [{"uid": 1}]
    assert sweep.take(moved) == [{"name": "without"}]
    assert sweep.next_call().query["page"] == "3"
    assert sweep.take({"data": [], "totalCount": 2, "numberOfPages": 2}) == []
    assert sweep.next_call().query["page"] == "1"
