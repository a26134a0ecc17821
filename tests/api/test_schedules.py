"""The requests of the Schedule section: what is refused before one is sent, and what becomes of a lost answer."""

# ruff: noqa: DTZ001 -- a wall clock without a zone is given on purpose
from __future__ import annotations

import datetime as dt
import itertools
import json
import re

import pytest

from airflow_provider_jicoo.api import schedules
from airflow_provider_jicoo.api.call import Repeat
from airflow_provider_jicoo.api.errors import AmbiguousOutcomeError, InvalidRequestError, RejectedError

UID = "_zDLK66WrbIT"
HOST = {"user_id": "cfmSbUHeizSoZob9cRA3N8fmfKg1", "role": "admin", "user_type": "host"}
FIELDS = {
    "name": "MTG",
    "time_zone": "Asia/Tokyo",
    "started_at": "2031-03-01T20:00:00+09:00",
    "ended_at": "2031-03-01T21:00:00+09:00",
    "attendees": [HOST],
}
DAYS = {"started_at": "2031-03-01", "ended_at": "2031-03-03", "is_all_day": True}


def create(**fields):
    return schedules.create_schedule(**{**FIELDS, **fields})


def update(**fields):
    return schedules.update_schedule(UID, **fields)


def complaint(ask, **fields):
    with pytest.raises(InvalidRequestError) as caught:
        ask(**fields)
    return str(caught.value).split(": ", 1)[1]


# --- what is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2031-03-01", "2031-03-03"),
        (dt.date(2031, 3, 1), dt.date(2031, 3, 3)),
        (" 2031-03-01", "2031-03-03 "),
    ],
)
def test_days(start, end):
    sent = create(started_at=start, ended_at=end, isAllDay=True).body
    assert (sent["startedAt"], sent["endedAt"], sent["isAllDay"]) == ("2031-03-01", "2031-03-03", True)


def test_one_whole_day():
    assert create(**{**DAYS, "ended_at": DAYS["started_at"]}).body["endedAt"] == "2031-03-01"
    assert update(**{**DAYS, "ended_at": DAYS["started_at"]}).body["endedAt"] == "2031-03-01"
    assert update(ended_at="2031-03-01").body == {"endedAt": "2031-03-01"}  # it may be one of whole days already


def test_moments():
    sent = create(started_at=dt.datetime(2031, 3, 1, 20), ended_at="2031-03-01T12:00Z").body
    assert (sent["startedAt"], sent["endedAt"]) == ("2031-03-01T11:00:00.000Z", "2031-03-01T12:00:00.000Z")


@pytest.mark.parametrize(
    ("ended_at", "sent"),
    [(None, None), ("2031-12-31", "2031-12-31"), ("2031-12-31T00:00:00+09:00", "2031-12-30T15:00:00.000Z")],
)
def test_a_routine_is_passed_through(ended_at, sent):
    items = [{"whatever": [1, None]}, {}]
    routine = {"duration": 3, "endedAt": ended_at, "schedules": items}
    wanted = {"duration": 3, "endedAt": sent, "schedules": items}
    assert create(routine=routine).body["routine"] == update(routine=routine).body["routine"] == wanted
    assert create(routine=None).body["routine"] is None


def test_null_and_not_given_differ():
    assert update(description=None, project_id=None, routine=None).body == {
        "description": None,
        "projectId": None,
        "routine": None,
    }
    assert update(name="x").body == {"name": "x"}


@pytest.mark.parametrize(
    ("call", "check"),
    [
        (create(), "list the schedules and look for one of this name that starts at 2031-03-01T11:00:00.000Z"),
        (create(**DAYS), "list the schedules and look for one of this name that starts at 2031-03-01"),
        (update(name="x"), f"list the schedules and compare schedule {UID} with what was sent"),
        (schedules.delete_schedule(UID), f"list the schedules and look whether {UID} is still there"),
    ],
)
def test_no_change_is_repeated(call, check):
    assert (call.repeat, call.read_back, call.how_to_check) == (Repeat.NEVER, None, check)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", FIELDS)
def test_what_is_required(missing):
    fields = {name: value for name, value in FIELDS.items() if name != missing}
    with pytest.raises(InvalidRequestError, match=f"^Create Schedule: {missing} is required$"):
        schedules.create_schedule(**fields)


@pytest.mark.parametrize("ask", [create, update])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"attendees": []}, "attendees: list should have at least 1 item"),
        ({"attendees": None}, "attendees: input should be a valid list"),
        ({"attendees": [{"role": "admin", "user_type": "host"}]}, "attendees.0: an attendee needs a user_id or an"),
        ({"attendees": [{**HOST, "role": "boss"}]}, "attendees.0.role: .* not 'boss'$"),
        ({"attendees": [{**HOST, "user_type": 1}]}, "attendees.0.user_type: input should be 'host' or 'guest', not 1"),
        ({"attendees": [{**HOST, "usertype": "host"}]}, "unknown field 'usertype'; did you mean 'user_type'"),
        (
            {"attendees": [{"email": "nobody", "role": "admin", "user_type": "host"}]},
            "attendees.0.email: not an e-mail",
        ),
        ({"started_at": "2031-03-01T22:00Z", "ended_at": "2031-03-01T21:00Z"}, "ended_at .* is not after started_at"),
        ({"started_at": "2031-03-01T21:00Z", "ended_at": "2031-03-01T21:00Z"}, "ended_at .* is not after started_at"),
        ({**DAYS, "ended_at": "2031-02-28"}, "ended_at 2031-02-28 is not after started_at 2031-03-01"),
        ({**DAYS, "ended_at": "2031-03-03T00:00Z"}, "must be both days or both moments"),
        ({**DAYS, "is_all_day": False}, "needs is_all_day=True"),
        ({**DAYS, "started_at": "2031-02-29"}, "started_at: '2031-02-29' is not a day of the calendar"),
        ({"ended_at": "tomorrow"}, "ended_at: 'tomorrow' is not a moment"),
        ({"time_zone": "Asia/Tokio"}, "did you mean 'Asia/Tokyo'"),
        ({"nmae": "x"}, "unknown field 'nmae'; did you mean 'name'"),
        ({"locationId": "zoom"}, "unknown field 'locationId'; did you mean 'location'"),
        ({"location": "none"}, "location: input should be 'inPerson'.*, not 'none'"),
        ({"priority": None}, "priority: input should be"),
        ({"display_type": "secret"}, "display_type: "),
        ({"transparency": "glass"}, "transparency: "),
        ({"behavior": "party"}, "behavior: "),
        ({"visibility_type": "free"}, "visibility_type: "),
        ({"is_remind": "true"}, "is_remind: "),
        ({"is_all_day": 1}, "is_all_day: "),
        ({"project_id": 0}, "project_id: input should be greater than 0, not 0"),
        ({"routine": {"duration": 0, "ended_at": None, "schedules": []}}, "routine.duration: .* greater than 0"),
        ({"routine": {"duration": 1}}, "routine.ended_at is required; routine.schedules is required"),
        ({"routine": {"duration": 1, "ended_at": None, "schedules": [5]}}, "routine.schedules.0: "),
        ({"status": "cancel"}, "unknown field 'status'"),
    ],
)
def test_what_cannot_be_right(ask, fields, said):
    assert re.search(said, complaint(ask, **fields))


@pytest.mark.parametrize("ask", [create, update])
@pytest.mark.parametrize(
    ("field", "most"),
    [
        ("name", 64),
        ("description", 10_000),
        ("phone_number", 32),
        ("access", 2000),
        ("address", 255),
        ("custom_location", 2000),
    ],
)
def test_limits(ask, field, most):
    assert ask(**{field: "x" * most})
    said = complaint(ask, **{field: "geheim" * most})
    assert said == f"{field}: string should have at most {most} characters"  # and not what they wrote


def test_a_time_without_an_offset():
    assert "'2031-03-01T20:00' has no offset" in complaint(update, started_at="2031-03-01T20:00")
    assert "does not exist in America/New_York" in complaint(
        create, started_at="2031-03-09T02:30", time_zone="America/New_York"
    )


def test_an_update_that_changes_nothing():
    assert complaint(update).startswith("the update changes nothing")
    assert complaint(update, update_message="x", is_send_updates=True).startswith("the update changes nothing")
    assert complaint(update, name="x", update_message="x" * 2001).startswith("update_message: ")


@pytest.mark.parametrize("bad", ["", "a/b", "..", None, 5])
def test_what_is_no_id(bad):
    for ask in (schedules.delete_schedule, lambda uid: schedules.update_schedule(uid, name="x")):
        with pytest.raises(InvalidRequestError, match="is not a schedule id such as"):
            ask(bad)


@pytest.mark.parametrize("bad", [-1, True, "5", 1.5])
def test_what_is_no_limit(bad):
    with pytest.raises(InvalidRequestError, match=r"^List Schedules: limit: 0 or more, not "):
        schedules.list_schedules(limit=bad)


def test_an_attendees_address_is_in_no_error():
    said = complaint(create, attendees=[{**HOST, "email": "a" * 250 + "@example.com"}])
    assert said == "attendees.0.email: string should have at most 255 characters"


# --- what comes back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        *itertools.product(["dropped", "server_error", "html"], ["create", "update", "delete"]),
        ("cut_body", "create"),  # a removal has no body to cut
        ("cut_body", "update"),
    ],
)
def test_nothing_is_sent_twice(jicoo, connect, fault, name):
    uid = jicoo.add_schedule()["uid"]
    options = {"changed": True} if fault in ("server_error", "html") else {}
    jicoo.fail(fault, method={"create": "POST", "update": "PATCH", "delete": "DELETE"}[name], times=9, **options)
    user = {**HOST, "user_id": jicoo.users[0]["uid"]}
    call = {
        "create": lambda: create(attendees=[user]),
        "update": lambda: schedules.update_schedule(uid, name="x"),
        "delete": lambda: schedules.delete_schedule(uid),
    }[name]()
    before = len(jicoo.schedules)

    with pytest.raises(AmbiguousOutcomeError, match="list the schedules and"):
        connect(jicoo.url, key=jicoo.api_key).send(call)

    assert len(jicoo.requests) == 1
    assert len(jicoo.schedules) == before + {"create": 1, "update": 0, "delete": -1}[name]


def test_what_people_wrote_is_in_no_error(wire, reply, connect):
    private = {
        "name": "Kündigung",
        "description": "vertraulich",
        "phone_number": "0312345678",
        "address": "Lindenstrasse",
        "custom_location": "hinterhof",
        "access": "klingel",
        "attendees": [{"email": "jane.roe@example.xn--e28h", "role": "viewer", "user_type": "guest"}],
    }
    call = create(**private)
    words = [*(value for value in private.values() if isinstance(value, str)), "jane.roe"]
    server = wire(reply(json.dumps({"message": str(call.body)}), "422 Nope"))
    with pytest.raises(RejectedError) as caught:
        connect(server.url).send(call)
    assert "***" in str(caught.value)
    for word in words:
        assert word not in str(caught.value)
        assert word not in str(caught.value.errors)
