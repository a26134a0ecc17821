"""What each request of the Booking section is, field by field, after Jicoo's documentation."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from airflow_provider_jicoo.api import bookings
from airflow_provider_jicoo.api.call import Repeat
from airflow_provider_jicoo.api.errors import InvalidRequestError

UID = "_zDLK66WrbIT"
START = "2031-03-01T20:00:00+09:00"
SENT = "2031-03-01T11:00:00.000Z"
GUEST = {
    "started_at": START,
    "time_zone": "Asia/Tokyo",
    "event_type_id": "o072r8CvwVF4",
    "email": "guest@example.com",
    "name": "Guest",
    "location_id": None,
    "message": "hello",
}
LOOK = f"read booking {UID} and compare it with what was sent"

# what was asked for, and: method, path, query, body, answers, repeat, check
CALLS = {
    "get": (bookings.get_booking(UID), "GET", f"/v1/bookings/{UID}", {}, None, "object", Repeat.HARMLESS, ""),
    "contacts": (
        bookings.get_booking_contacts(UID),
        "GET",
        f"/v1/bookings/{UID}/contacts",
        {},
        None,
        "list",
        Repeat.HARMLESS,
        "",
    ),
    "update": (
        bookings.update_booking(UID, name="n", startedAt=START, hosts=[{"user_id": "u", "role": "admin"}]),
        "PATCH",
        f"/v1/bookings/{UID}",
        {},
        {"name": "n", "startedAt": SENT, "hosts": [{"userId": "u", "role": "admin"}]},
        "object",
        Repeat.LEAVE,
        LOOK,
    ),
    "quiet update": (
        bookings.update_booking(UID, priority=None, is_send_updates=False),
        "PATCH",
        f"/v1/bookings/{UID}",
        {},
        {"priority": None, "isSendUpdates": False},
        "object",
        Repeat.READ_BACK,
        LOOK,
    ),
    "cancel": (
        bookings.cancel_booking(UID),
        "POST",
        f"/v1/bookings/{UID}/cancel",
        {},
        {},
        "object",
        Repeat.LEAVE,
        LOOK,
    ),
    "reschedule": (
        bookings.reschedule_booking(UID, started_at=dt.datetime.fromisoformat(START), time_zone="Asia/Tokyo"),
        "POST",
        f"/v1/bookings/{UID}/reschedule",
        {},
        {"startedAt": SENT, "timeZone": "Asia/Tokyo"},
        "object",
        Repeat.LEAVE,
        LOOK,
    ),
    "create": (
        bookings.create_booking(**GUEST),
        "POST",
        "/v1/bookings",
        {},
        {
            "startedAt": SENT,
            "timeZone": "Asia/Tokyo",
            "eventTypeId": "o072r8CvwVF4",
            "email": "guest@example.com",
            "name": "Guest",
            "locationId": None,
            "message": "hello",
        },
        "anything",
        Repeat.NEVER,
        f"list the bookings that start at {SENT} and look for this guest",
    ),
}


@pytest.mark.parametrize(
    ("call", "method", "path", "query", "body", "answers", "repeat", "check"), CALLS.values(), ids=CALLS
)
def test_calls(call, method, path, query, body, answers, repeat, check):
    assert (call.method, call.path, call.query, call.body) == (method, path, query, body)
    assert (call.answer_shape, call.repeat, call.how_to_check) == (answers, repeat, check)


@pytest.mark.parametrize("name", CALLS)
def test_what_is_read_back_says_how(name):
    call = CALLS[name][0]

    assert (call.read_back is not None) == (call.repeat in (Repeat.LEAVE, Repeat.READ_BACK))
    if call.read_back:
        read = call.read_back.read()
        assert (read.method, read.path, read.repeat) == ("GET", f"/v1/bookings/{UID}", Repeat.HARMLESS)


# --- what is done where the outcome is in doubt -----------------------------------------------------------------------

UPDATES = {
    "update that messages": lambda **options: bookings.update_booking(UID, name="n", is_send_updates=True, **options),
    # Whether Jicoo messages where it is not told is not documented.
    "update that does not say": lambda **options: bookings.update_booking(UID, name="n", **options),
    "cancel": lambda **options: bookings.cancel_booking(UID, **options),
    "reschedule": lambda **options: bookings.reschedule_booking(
        UID, started_at=START, time_zone="Asia/Tokyo", **options
    ),
}


def quiet(**options):
    return bookings.update_booking(UID, name="n", is_send_updates=False, **options)


@pytest.mark.parametrize("change", UPDATES.values(), ids=UPDATES)
def test_what_may_message_a_guest_is_left_by_itself(change):
    assert change().repeat is change(on_doubt=None).repeat is change(on_doubt="leave").repeat is Repeat.LEAVE
    assert change(on_doubt="again").repeat is Repeat.AFTER_GRACE


def test_what_messages_nobody_is_sent_again_by_itself():
    assert quiet().repeat is quiet(on_doubt=None).repeat is quiet(on_doubt="again").repeat is Repeat.READ_BACK
    assert quiet(on_doubt="leave").repeat is Repeat.LEAVE


@pytest.mark.parametrize("change", [*UPDATES.values(), quiet], ids=[*UPDATES, "quiet"])
def test_what_the_user_says_of_doubts_is_not_sent(change):
    assert change(on_doubt="again").body == change().body


@pytest.mark.parametrize("wish", ["Again", "", "send", True, False, 1])
@pytest.mark.parametrize("change", [*UPDATES.values(), quiet], ids=[*UPDATES, "quiet"])
def test_no_other_wish_is_taken(change, wish):
    with pytest.raises(InvalidRequestError, match=f"^on_doubt: {wish!r} is neither 'leave' nor 'again'$"):
        change(on_doubt=wish)


# --- when a change counts as made -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "after", "done"),
    [
        ("cancel", {"status": "cancel"}, True),
        ("cancel", {"status": "open"}, False),
        ("cancel", {"status": "request"}, False),
        ("cancel", {}, False),
        ("reschedule", {"startedAt": SENT, "timeZone": "America/New_York"}, True),
        ("reschedule", {"startedAt": START}, True),
        ("reschedule", {"startedAt": SENT, "status": "open"}, True),
        ("reschedule", {"startedAt": SENT, "status": "request"}, True),
        # Jicoo may make a new booking of it and cancel this one; or somebody cancelled it.
        ("reschedule", {"startedAt": SENT, "status": "cancel"}, None),
        ("reschedule", {"startedAt": "2031-03-01T12:00:00.000Z", "status": "cancel"}, None),
        ("reschedule", {"startedAt": "2031-03-01T12:00:00.000Z", "timeZone": "Asia/Tokyo"}, False),
        ("update", {"name": "n", "startedAt": SENT, "hosts": [{"userId": "u", "role": "admin"}]}, True),
        ("update", {"name": "n", "startedAt": SENT, "hosts": []}, False),
        ("update", {"name": "n ", "startedAt": START, "hosts": [{"userId": "u", "role": "admin", "name": "U"}]}, True),
        # Other roles: a message must not follow on a guess, and what is quiet may be sent once more.
        ("update", {"name": "n", "startedAt": SENT, "hosts": [{"userId": "u", "role": "editor"}]}, None),
    ],
)
def test_done(name, after, done):
    assert CALLS[name][0].read_back.done({"uid": UID, **after}) is done


def test_a_quiet_change_of_roles_that_does_not_show_is_not_done():
    update = bookings.update_booking(UID, hosts=[{"user_id": "u", "role": "admin"}], is_send_updates=False)

    assert update.read_back.done({"hosts": [{"userId": "u", "role": "editor"}]}) is False
    assert update.read_back.done({"hosts": [{"userId": "u", "role": "admin"}]}) is True


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda done: bookings.update_call(UID, dict(CALLS["update"][0].body), done), "update"),
        (lambda done: bookings.cancel_call(UID, done), "cancel"),
        (lambda done: bookings.reschedule_call(UID, dict(CALLS["reschedule"][0].body), done), "reschedule"),
    ],
    ids=["update", "cancel", "reschedule"],
)
def test_the_caller_may_say_what_counts_as_done(call, name):
    own = call(lambda booking: None)

    assert own.read_back.done({"uid": UID}) is None
    assert call(None).read_back.done({"uid": UID}) is False
    for field in ("method", "path", "query", "body", "answer_shape", "repeat", "how_to_check"):
        assert getattr(own, field) == getattr(CALLS[name][0], field)


# --- ids ------------------------------------------------------------------------------------------------------------

BY_ID = {
    "get": bookings.get_booking,
    "contacts": bookings.get_booking_contacts,
    "update": lambda uid: bookings.update_booking(uid, name="x"),
    "cancel": bookings.cancel_booking,
    "reschedule": lambda uid: bookings.reschedule_booking(uid, started_at=START, time_zone="Asia/Tokyo"),
}


@pytest.mark.parametrize("ask", BY_ID.values(), ids=BY_ID)
@pytest.mark.parametrize(
    "bad",
    [
        "", " ", ".", "..", "...", "a/b", "/", "../bookings", "a\n", "\na", "a b", "a\0", "%2e", "%2e%2e", "a?b", "a#b",
        "a&b", "a;b", "a:b", "a\\b", "é", "１", None, 5, b"abc", ["abc"], True, {"uid": "abc"},
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_id_is_refused_before_anything_is_sent(ask, bad):
    with pytest.raises(InvalidRequestError, match="is not a booking id such as 'mzgdPJVBb7RE'"):
        ask(bad)


@pytest.mark.parametrize("bad", ["a" * 60_000, "-." * 30_000 + "/", "." * 60_000], ids=["a", "-.", "."])
def test_an_id_of_60_000_characters_costs_no_time_and_is_not_shown_whole(bad):
    start = time.process_time()
    with pytest.raises(InvalidRequestError, match=r"of 60,00. characters is not a booking id") as caught:
        bookings.get_booking(bad)
    assert time.process_time() - start < 0.1
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("uid", ["mzgdPJVBb7RE", "_zDLK66WrbIT", "o-P4XTBDZeLW", "-", "_", "a", "a.b", ".a", "~"])
def test_ids(uid):
    assert bookings.get_booking(uid).path == f"/v1/bookings/{uid}"


# --- the list -------------------------------------------------------------------------------------------------------


def test_the_list_as_it_comes():
    listing = bookings.list_bookings()

    assert (listing.path, listing.key, listing.limit) == ("/v1/bookings", "uid", None)
    assert listing.query == {"order": "startedAt", "sort": "asc"}


def test_the_list_with_everything():
    listing = bookings.list_bookings(
        status="cancel",
        started_at=dt.datetime.fromisoformat(START),
        ended_at="2031-03-02T00:00Z",
        order_by="createdAt",
        descending=True,
        limit=7,
    )

    assert listing.limit == 7
    assert listing.query == {
        "order": "createdAt",
        "sort": "desc",
        "status": "cancel",
        "startedAt": SENT,
        "endedAt": "2031-03-02T00:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"status": "request"}, r"status: .*not 'request' \(list without a status and keep those you want\)"),
        ({"status": "confirmed"}, "status: Jicoo lists by 'open' or 'cancel', not 'confirmed'$"),
        ({"status": ""}, "status: "),
        ({"status": "Open"}, "status: "),
        ({"order_by": "updatedAt"}, "order_by: 'startedAt' or 'createdAt', not 'updatedAt'"),
        ({"order_by": "asc"}, "order_by: "),
        ({"order_by": None}, "order_by: "),
        ({"limit": -1}, "limit: 0 or more, not -1"),
        ({"started_at": "2031-03-01T20:00"}, "started_at: '2031-03-01T20:00' has no offset"),
        ({"ended_at": "2031-03-01"}, "ended_at: '2031-03-01' is not a moment"),
        ({"started_at": 5}, "started_at: 5 is not a moment"),
        ({"ended_at": "9999-12-31T23:59:00-09:00"}, "ended_at: .* is not between the years"),
        (
            {"started_at": "2031-03-02T00:00Z", "ended_at": START},
            f"ended_at {SENT} is before started_at 2031-03-02T00:00:00.000Z",
        ),
    ],
)
def test_what_the_list_does_not_take(options, said):
    with pytest.raises(InvalidRequestError, match=f"^List Bookings: {said}"):
        bookings.list_bookings(**options)


def test_a_moment_is_a_time_range_too():
    assert bookings.list_bookings(started_at=START, ended_at=START).query["endedAt"] == SENT


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: bookings.create_booking(name="x"), "^Create Booking: started_at is required"),
        (lambda: bookings.update_booking(UID), "^Update Booking: the update changes nothing"),
        (
            lambda: bookings.reschedule_booking(UID, started_at="now", time_zone="Asia/Tokyo"),
            "^Reschedule Booking: started_at: 'now' is not",
        ),
    ],
)
def test_an_error_names_what_was_asked_for(ask, said):
    with pytest.raises(InvalidRequestError, match=said):
        ask()


@pytest.mark.parametrize(
    ("status", "is_so"), [("cancel", True), ("cancelled", True), ("canceled", True), ("open", False), (None, False)]
)
def test_a_cancelled_booking_however_it_is_written(status, is_so):
    """The enum has cancel, the prose of Cancel Booking's page Cancelled."""
    assert bookings.cancel_booking(UID).read_back.done({"uid": UID, "status": status}) is is_so
    moved = bookings.reschedule_booking(UID, started_at=START, time_zone="Asia/Tokyo").read_back
    assert (moved.done({"uid": UID, "status": status, "startedAt": SENT}) is None) is is_so
