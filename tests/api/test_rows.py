"""Rows are checked at the door: what cannot be used is named, and the rest of its page is read."""

from __future__ import annotations

import json

import pytest

from airflow_provider_jicoo.api import bookings, organization
from airflow_provider_jicoo.api.errors import BrokenRowsError, UnexpectedAnswerError
from airflow_provider_jicoo.api.rows import (
    Unreadable,
    booking_problem,
    checked,
    replaced,
    row_problem,
    salvage,
    text_problem,
)
from tests.api.imagined import booking

GOOD = booking(1, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"startedAt": "2031-01-01T09:00:00+09:00"},
        {"startedAt": "2031-01-01T00:00:00Z", "endedAt": "2031-01-01 01:00:00.123456+00:00"},
        {"startedAt": "2031-01-01T00:00Z"},
        {"startedAt": "2031-01-01t00:00:00z"},
        {"endedAt": "9999-12-31T23:59:59Z"},
        {"hosts": []},
        {"hosts": [{"userId": "a", "role": None, "name": "of a further field"}]},
        {"name": None, "eventTypeId": None, "timeZone": None, "createdAt": None},
        {"status": "no_show"},
        {"uid": "_zDLK66WrbIT"},
        {"uid": "o-P4XTBDZeLW"},
    ],
)
def test_a_good_booking(fields):
    row = {**GOOD, **fields}
    assert booking_problem(row) is None
    assert checked([row], booking_problem, 1) == ([row], [])


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


BROKEN = {
    "no uid": (without("uid"), "uid is missing, not an id"),
    "uid null": ({**GOOD, "uid": None}, "uid is null"),
    "uid a number": ({**GOOD, "uid": 7}, "uid is a number (7)"),
    "uid a list": ({**GOOD, "uid": []}, "uid is a list"),
    "uid empty": ({**GOOD, "uid": ""}, "uid is an empty text"),
    "uid a path": ({**GOOD, "uid": "../../x"}, "uid is a text ('../../x')"),
    "uid dots": ({**GOOD, "uid": ".."}, "uid is a text ('..')"),
    "uid long": ({**GOOD, "uid": "a" * 60_000}, "uid is a text"),
    "no startedAt": (without("startedAt"), "startedAt is missing, not a moment"),
    "startedAt null": ({**GOOD, "startedAt": None}, "startedAt is null"),
    "startedAt a number": ({**GOOD, "startedAt": 1767225600}, "startedAt is a number"),
    "startedAt a day": ({**GOOD, "startedAt": "2031-01-01"}, "startedAt is a text, not a moment"),
    "startedAt no day": ({**GOOD, "startedAt": "2031-02-30T00:00:00.000Z"}, "startedAt is a text, not a moment"),
    "startedAt without offset": ({**GOOD, "startedAt": "2031-01-01T00:00:00"}, "startedAt is a text, not a moment"),
    "endedAt": ({**GOOD, "endedAt": "soon"}, "endedAt is a text, not a moment"),
    "endedAt beyond": ({**GOOD, "endedAt": "9999-12-31T23:59:59-09:00"}, "endedAt is a text, not a moment"),
    "startedAt beyond": ({**GOOD, "startedAt": "0001-01-01T00:00:00+09:00"}, "startedAt is a text, not a moment"),
    "hosts null": ({**GOOD, "hosts": None}, "hosts is null, not a list"),
    "hosts texts": ({**GOOD, "hosts": ["a"]}, "hosts has an element without a userId"),
    "hosts without id": ({**GOOD, "hosts": [{"role": "admin"}]}, "hosts has an element without a userId"),
    "hosts of numbers": ({**GOOD, "hosts": [{"userId": 3}]}, "hosts has an element without a userId"),
    "status": (without("status"), "status is missing, not a text"),
    "updatedAt": ({**GOOD, "updatedAt": None}, "updatedAt is null, not a text"),
    "name": ({**GOOD, "name": {}}, "name is an object, not a text"),
    "null": (None, "it is null, not an object"),
    "text": ("booking", "it is a text, not an object"),
    "list": ([], "it is a list, not an object"),
    "true": (True, "it is a boolean, not an object"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_booking_that_cannot_be_used(name):
    row, problem = BROKEN[name]
    good, broken = checked([GOOD, row], booking_problem, 3)
    assert good == [GOOD]
    (found,) = broken
    assert problem in str(found)
    assert "row 2 of page 3" in str(found)
    assert len(str(found)) < 200


def test_a_broken_row_is_named_by_its_uid_where_it_has_one():
    _, (broken,) = checked([{**GOOD, "hosts": None}], booking_problem, 1)
    assert str(broken) == "'b1' (row 1 of page 1): hosts is null, not a list"


def test_no_value_of_a_guest_shows():
    row = {**GOOD, "name": ["Stefanie Zweig"], "hosts": "Zweig", "startedAt": "Zweig"}
    assert "Zweig" not in booking_problem(row)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"uid": "a"}, None),
        ({"id": 7}, None),
        ({"name": "of a row whose id is another field"}, None),
        ({"uid": None}, "uid is null, not an id"),
        ({"uid": ["a"]}, "uid is a list, not an id"),
        ({"uid": True}, "uid is a boolean, not an id"),
        ({"id": ""}, "id is an empty text, not an id"),
        ("a", "it is a text, not an object"),
        (None, "it is null, not an object"),
    ],
)
def test_rows_of_other_lists(row, problem):
    assert row_problem(("uid", "id"))(row) == problem


# --- pages that are not quite JSON -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b'{"uid": "b", "name": "\\ud800"}', "name has a text that is no Unicode"),
        (b'{"uid": "b", "name": "\xed\xa0\x80"}', "name has a text that is no Unicode"),
        (b'{"uid": "b", "name": "\xe9"}', "name has a text that is no Unicode"),
        (b'{"uid": "b", "name": NaN}', "name is NaN, which is not JSON"),
        (b'{"uid": "b", "deep": {"er": [1, -Infinity]}}', "er is -Infinity, which is not JSON"),
        (b'{"uid": "b", "\\udfff": 1}', "a name in it is no Unicode"),
        (b'"\\ud800"', "it has a text that is no Unicode"),
    ],
)
def test_a_row_that_is_no_json(raw, problem):
    page = salvage(b'{"data": [{"uid": "a"}, %b, {"uid": "c"}], "totalCount": 3}' % raw)
    assert page["totalCount"] == 3
    assert (page["data"][0], page["data"][2]) == ({"uid": "a"}, {"uid": "c"})
    assert isinstance(page["data"][1], Unreadable)
    assert problem in page["data"][1].problem
    good, broken = checked(page["data"], None, 1)
    assert [row["uid"] for row in good] == ["a", "c"]
    assert problem in str(broken[0])


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": [',
        b'{"data": [{"uid": "a}]}',
        b'{"data": {}, "x": NaN}',
        b'{"data": [], "errors": {"base": ["\\ud800"]}}',
        b"[NaN]",
        b"\xff",
    ],
)
def test_what_is_no_page_at_all(body):
    with pytest.raises(ValueError, match=r".+"):
        salvage(body)


@pytest.mark.parametrize("raw", [b'"\\ud800"', b'"\xed\xa0\x80"', b"NaN"])
def test_a_single_thing_that_is_no_json_is_not_asked_for_again(wire, reply, connect, raw):
    server = wire(reply(b'{"data": {"uid": "a", "name": %b}, "errors": {}}' % raw))
    with pytest.raises(UnexpectedAnswerError):
        connect(server.url).send(bookings.get_booking("a"))
    assert len(server.requests) == 1


def test_one_that_is_cut_is_asked_for_again(wire, reply, connect):
    server = wire(lambda request, number: reply(b'{"data": {"uid": "a"' + (b"}}" if number > 1 else b"")))
    assert connect(server.url).send(bookings.get_booking("a")) == {"uid": "a"}


# --- through the clients ---------------------------------------------------------------------------------------------


def read(rows):
    """Read to the end; returns the uids that came, and the error."""
    found = []
    try:
        for row in rows:
            found.append(row["uid"])
    except UnexpectedAnswerError as error:
        return found, error
    pytest.fail("it said nothing")


@pytest.mark.parametrize(
    "how",
    [
        "surrogate",
        "surrogate-bytes",
        "null",
        "text",
        "list",
        "empty",
        "no-uid",
        "no-startedAt",
        "uid=7",
        "uid=[]",
        'uid="../../x"',
        "hosts=null",
        'hosts=["a"]',
        "startedAt=null",
        'endedAt="soon"',
        "status=null",
    ],
)
def test_one_broken_booking_costs_no_other_one(jicoo, connect, how):
    uids = [jicoo.add_booking(startedAt=f"2031-01-01T0{hour}:00:00Z")["uid"] for hour in range(7)]
    jicoo.break_row(uids[3], how)

    found, error = read(connect(jicoo.url, key=jicoo.api_key, page_size=3).iterate(bookings.list_bookings()))

    assert sorted(found) == sorted(set(uids) - {uids[3]})
    assert isinstance(error, BrokenRowsError)
    assert error.permanent
    assert "row 1 of page 2" in str(error)
    assert len(error.doubts) == 1


def test_where_it_may_warn_the_others_come_and_the_word_is_told(jicoo, connect):
    uids = [jicoo.add_booking(startedAt=f"2031-01-01T0{hour}:00:00Z")["uid"] for hour in range(3)]
    jicoo.break_row(uids[1], "hosts=null")
    warnings = []

    rows = connect(jicoo.url, key=jicoo.api_key).iterate(
        bookings.list_bookings(), on_unproven="warn", warnings=warnings
    )

    assert {row["uid"] for row in rows} == {uids[0], uids[2]}
    assert warnings == [f"Row that cannot be used: {uids[1]!r} (row 2 of page 1): hosts is null, not a list."]


def test_rows_of_another_list(wire, reply, connect):
    server = wire(reply(json.dumps({"data": [{"id": "a"}, None, {"id": "b"}], "totalCount": 3})))
    rows = ({"uid": row["id"]} for row in connect(server.url).iterate(organization.list_teams()))
    found, error = read(rows)
    assert found == ["a", "b"]
    assert isinstance(error, BrokenRowsError)
    assert "row 2 of page 1: it is null, not an object" in str(error)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'["a \\ud83d"]', ["a \ufffd"]),
        (b'["\\ud83d\\ude00", "\\ude00\\ud83d"]', ["\U0001f600", "\ufffd\ufffd"]),
        (b'[{"\\ud800": {"a": ["\xff\xe3\x81\x82"]}}]', [{"\ufffd": {"a": ["\ufffd\u3042"]}}]),
        (b'["\\ud83d\x80"]', ["\ufffd\ufffd"]),
    ],
)
def test_texts_that_are_no_unicode_are_replaced(body, data):
    assert replaced(body) == data
    assert "no Unicode" in text_problem(body)


@pytest.mark.parametrize("body", [b"[NaN]", b'["a', b"<html>", b"", b"[" * 100_000])
def test_nothing_else_is_replaced(body):
    with pytest.raises((ValueError, RecursionError)):
        replaced(body)
