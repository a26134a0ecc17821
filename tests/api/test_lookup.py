"""Reading many bookings by their ids with few requests."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.api.lookup import AT_ONCE, lookup_bookings

SIZE = 5
COUNTS = ("totalCount", "numberOfPages")


def row(uid, source):
    moment = "2031-01-01T00:00:00.000Z"
    times = dict.fromkeys(("startedAt", "endedAt", "updatedAt"), moment)
    return {"uid": uid, "status": "open", "hosts": [], **times, "from": source}


def drive(uids, rows, *, size=SIZE, hidden=(), unknown=None, fields=COUNTS, disturb=lambda rows, n: None, **options):
    """Look up ``uids`` in the list ``rows``, newest first. Returns what was found, the pages and the single reads."""
    steps = lookup_bookings(uids, **options)
    unknown = unknown or {}
    pages, singles = [], []
    answers = None
    try:
        while True:
            calls = steps.send(answers)
            answers = []
            for call in calls:
                assert call.method == "GET"
                if call.path == "/v1/bookings":
                    number = call.page
                    pages.append(number)
                    listed = [uid for uid in rows if uid not in hidden]
                    beside = {"totalCount": len(listed), "numberOfPages": math.ceil(len(listed) / size)}
                    data = [row(uid, "list") for uid in listed[(number - 1) * size : number * size]]
                    answers.append({"data": data, **{name: beside[name] for name in fields}})
                else:
                    uid = call.path.removeprefix("/v1/bookings/")
                    singles.append(uid)
                    answers.append(unknown.get(uid, row(uid, "itself")))
                disturb(rows, len(pages) + len(singles))
    except StopIteration as end:
        return end.value, pages, singles


def names(count):
    return [f"b{n}" for n in range(count)]


def test_what_is_asked():
    (call,) = next(lookup_bookings(names(3)))

    assert (call.method, call.path, call.answer_shape) == ("GET", "/v1/bookings", "page")
    assert (call.query, call.page) == ({"order": "createdAt", "sort": "desc"}, 1)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_few_are_read_by_themselves(count):
    found, pages, singles = drive(names(count), names(1_000))

    assert list(found) == names(count)
    assert (pages, sorted(singles)) == ([], names(count))


def test_all_that_the_first_page_has_cost_one_request():
    assert drive(names(5), names(1_000))[1:] == ([1], [])


def test_bookings_far_down_a_long_list_are_read_by_themselves():
    found, pages, singles = drive(names(1_000)[-4:], names(1_000))

    assert pages == [1]
    assert sorted(singles) == sorted(found) == sorted(names(1_000)[-4:])


def test_2000_bookings_cost_no_more_than_the_pages_of_the_list():
    rows = names(3_000)

    found, pages, singles = drive(rows[::-1][:2_000], rows, size=50)

    assert list(found) == rows[::-1][:2_000], "in the order they were asked for"
    assert len(pages) <= 60
    assert singles == []


def test_only_a_part_of_the_list_is_read_where_it_is_known():
    within = ("2031-01-01T00:00:00.000Z", "2031-02-01T00:00:00.000Z")

    (call,) = next(lookup_bookings(names(3), within=within))

    assert (call.query["startedAt"], call.query["endedAt"]) == within


def test_what_is_read_by_itself_is_read_at_once_but_not_all_of_it():
    steps = lookup_bookings(names(AT_ONCE + 5))
    sizes = [len(next(steps))]
    sizes.append(len(steps.send([{"data": [row("other", "list")], "numberOfPages": 10_000}])))
    sizes.append(len(steps.send([row(uid, "itself") for uid in names(AT_ONCE)])))
    with pytest.raises(StopIteration):
        steps.send([row(uid, "itself") for uid in names(AT_ONCE + 5)[AT_ONCE:]])

    assert sizes == [1, AT_ONCE, 5]


def test_what_does_not_exist_is_an_error_or_left_out():
    gone = errors.NotFoundError("there is no such thing.", method="GET", path="/v1/bookings/b1", status=404)

    with pytest.raises(errors.NotFoundError) as caught:
        drive(names(2), [], unknown={"b1": gone})
    assert caught.value is gone
    assert list(drive(names(2), [], unknown={"b1": gone}, absent_ok=True)[0]) == ["b0"]
    assert list(drive(names(9), names(9), hidden=["b1"], unknown={"b1": gone}, absent_ok=True)[0]) == [
        uid for uid in names(9) if uid != "b1"
    ]


def test_doubles_count_once():
    found, pages, singles = drive(["b1", "b0", "b1", "b1", "b0"], names(100))

    assert list(found) == ["b1", "b0"]
    assert (pages, sorted(singles)) == ([], ["b0", "b1"])


def test_a_booking_that_the_list_does_not_show_is_read_by_itself():
    found, pages, singles = drive(names(8), names(10), hidden=["b3"])

    assert list(found) == names(8)
    assert (pages, singles) == ([1, 2], ["b3"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(count=st.integers(1, 60), wanted=st.sets(st.integers(0, 59)), size=st.integers(1, 8))
def test_never_more_requests_than_pages_or_ids(count, wanted, size):
    rows = names(count)
    uids = [uid for n, uid in enumerate(rows) if n in wanted]

    found, pages, singles = drive(uids, rows, size=size)

    assert list(found) == uids
    assert len(pages) + len(singles) <= min(max(math.ceil(count / size), 2), len(uids)) + 1


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    count=st.integers(1, 40),
    wanted=st.sets(st.integers(0, 39)),
    changes=st.dictionaries(st.integers(1, 20), st.tuples(st.sampled_from("idm"), st.integers(0, 39))),
    fields=st.sampled_from([(), ("totalCount",), ("numberOfPages",), ("totalCount", "numberOfPages")]),
)
def test_all_are_found_however_the_list_moves(count, wanted, changes, fields):
    rows = names(count)
    uids = [uid for n, uid in enumerate(rows) if n in wanted]

    def disturb(rows, request):
        kind, n = changes.get(request, ("", 0))
        if kind == "i":
            rows.insert(n, f"new{request}")
        elif kind == "d" and rows:
            rows.pop(n % len(rows))
        elif kind == "m" and rows:
            rows.insert(0, rows.pop(n % len(rows)))

    found, _, _ = drive(uids, rows, fields=fields, disturb=disturb)

    assert list(found) == uids
    assert all(found[uid]["uid"] == uid for uid in uids)


def test_without_any_count_one_page_and_then_each_by_itself():
    found, pages, singles = drive(names(8), names(100), fields=())

    assert pages == [1]
    assert sorted(singles) == names(8)[SIZE:]
    assert len(found) == 8


def test_without_a_number_of_pages_the_total_tells():
    assert drive(names(40), names(40), fields=("totalCount",))[1:] == (list(range(1, 9)), [])


def test_an_empty_list_ends_the_listing():
    found, pages, singles = drive(names(4), [], fields=("totalCount", "numberOfPages"))

    assert (pages, len(singles), len(found)) == ([1], 4, 4)


@pytest.mark.parametrize("bad", ["", "a/b", "..", None, 5, "a\n"])
def test_a_bad_id_is_refused_before_any_request(bad):
    with pytest.raises(errors.InvalidRequestError):
        next(lookup_bookings(["b1", "b2", "b3", bad]))


# --- through the clients --------------------------------------------------------------------------------------------


def test_through_a_client_from_the_sandbox(jicoo, connect):
    uids = [jicoo.add_booking(status="request" if n % 5 == 0 else "open")["uid"] for n in range(20)]
    driver = connect(jicoo.url, key=jicoo.api_key, page_size=6)

    found = driver.run(lookup_bookings(uids))

    assert found == {uid: jicoo.booking(uid) for uid in uids}
    assert list(found) == uids
    assert jicoo.count() == 4


def test_an_unknown_booking_is_an_error_that_names_it(jicoo, connect):
    uids = [jicoo.add_booking()["uid"] for _ in range(5)]

    with pytest.raises(errors.NotFoundError) as caught:
        connect(jicoo.url, key=jicoo.api_key).run(lookup_bookings([*uids, "nobody"]))

    assert caught.value.path == "/v1/bookings/nobody"
    assert jicoo.count() == 2


def test_another_failure_of_one_is_the_failure_of_all(jicoo, connect):
    uids = [jicoo.add_booking()["uid"] for _ in range(2)]
    jicoo.fail("server_error", status=403)

    with pytest.raises(errors.PermissionDeniedError):
        connect(jicoo.url, key=jicoo.api_key).run(lookup_bookings([*uids, "nobody"][1:], absent_ok=True))


def test_a_booking_that_crosses_the_seam_is_found(jicoo, connect):
    uids = [jicoo.add_booking()["uid"] for _ in range(12)]
    driver = connect(jicoo.url, key=jicoo.api_key, page_size=4)
    steps = lookup_bookings(uids)

    def deleting():
        answers = None
        while True:
            try:
                calls = steps.send(answers)
            except StopIteration as end:
                return end.value
            answers = yield calls
            if calls[0].page == 1:
                jicoo.delete(answers[0]["data"][0]["uid"])

    assert list(driver.run(deleting())) == uids


@pytest.mark.parametrize("kind", [errors.TransportError, errors.ServerError])
@pytest.mark.parametrize(("first", "then", "ends"), [(3, 0, 1), (2, AT_ONCE, 2), (2, AT_ONCE - 1, 0)])
def test_a_server_that_answers_nothing_is_not_asked_for_each_booking(kind, first, then, ends):
    """Each of them would be tried several times: the 200 of a chunk for an hour, where nothing answers."""
    uids = [f"u{number}" for number in range(3 * AT_ONCE)]
    steps = lookup_bookings(uids, unreadable={}, failing_ok=True)
    failed = kind("it fails", method="GET", path="/v1/bookings")
    next(steps)
    few = steps.send([failed])
    assert len(few) == 3
    if ends == 1:
        with pytest.raises(kind):
            steps.send([failed] * 3)
        return
    many = steps.send([failed] * first + [row("u2", "single")])
    assert len(many) == AT_ONCE
    answers = [failed] * then + [row(uids[2 + AT_ONCE], "single")] * (AT_ONCE - then)
    if ends == 2:
        with pytest.raises(kind):
            steps.send(answers)
    else:
        assert len(steps.send(answers)) == AT_ONCE
