"""Each operator, executed against the sandbox with the least context that does."""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import socket
import time
from datetime import datetime, timedelta, timezone

import pytest
import requests

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.hooks.jicoo import JicooHook
from airflow_provider_jicoo.operators import base
from airflow_provider_jicoo.operators import bookings as module
from airflow_provider_jicoo.operators.base import CallOperator
from airflow_provider_jicoo.operators.bookings import (
    CancelBookingOperator,
    CreateBookingOperator,
    GetBookingContactsOperator,
    GetBookingOperator,
    ListBookingsOperator,
    RescheduleBookingOperator,
    UpdateBookingOperator,
)
from airflow_provider_jicoo.tasks import xcom
from airflow_provider_jicoo.tasks.compat import AirflowFailException
from airflow_provider_jicoo.tasks.given import NOT_GIVEN, Masked
from tests.operators.classes import Store, operators_of

pytestmark = pytest.mark.usefixtures("jicoo_connection")

OPERATORS = operators_of(module)
LOUD = [
    (UpdateBookingOperator, {"name": "New name", "is_send_updates": True}),
    (CancelBookingOperator, {}),
    (RescheduleBookingOperator, {"started_at": "2031-03-05T10:00", "time_zone": "Asia/Tokyo"}),
]
"""What messages the guests."""
LOUD_OR_MAYBE = [*LOUD, (UpdateBookingOperator, {"priority": "high"})]
QUIET = (UpdateBookingOperator, {"name": "New name", "is_send_updates": False})
ONE_BOOKING = [
    (GetBookingOperator, {}),
    (GetBookingContactsOperator, {}),
    (UpdateBookingOperator, {"name": "New name"}),
    *LOUD,
]
SLOT = "2031-03-05T10:00:00+09:00"


@pytest.fixture
def create(jicoo_sandbox):
    """The arguments that are needed to make a booking."""
    event_type = next(each for each in jicoo_sandbox.event_types if not each["needsApproval"])
    return {
        "started_at": SLOT,
        "time_zone": "Asia/Tokyo",
        "event_type_id": event_type["uid"],
        "guest_email": "a.guest@example.com",
        "name": "Guest",
        "location_id": None,
    }


def last_body(sandbox):
    return next(request.body for request in reversed(sandbox.requests) if request.method != "GET")


def changes(sandbox):
    """Return how many changes were sent, made or not."""
    return sandbox.count("PATCH") + sandbox.count("POST")


def send_and_die(sandbox, operator, uid, more, fault="dropped", **options):
    """Send what an operator sends, as a worker that never learns what came of it."""
    method, path, body = {
        UpdateBookingOperator: ("PATCH", "", {"name": more.get("name"), "isSendUpdates": more.get("is_send_updates")}),
        CancelBookingOperator: ("POST", "/cancel", {}),
        RescheduleBookingOperator: ("POST", "/reschedule", {"startedAt": SLOT, "timeZone": "Asia/Tokyo"}),
        CreateBookingOperator: ("POST", None, more),
    }[operator]
    sandbox.fail(fault, method=method, **options)
    address = f"{sandbox.url}/v1/bookings" + ("" if path is None else f"/{uid}{path}")
    with contextlib.suppress(requests.RequestException):
        requests.request(method, address, json=body, headers={"X-Jicoo-Api-Key": sandbox.api_key}, timeout=5)


def body_of(create):
    """Return what a create sends."""
    return {
        "startedAt": create["started_at"],
        "timeZone": create["time_zone"],
        "eventTypeId": create["event_type_id"],
        "email": create["guest_email"],
        "name": create["name"],
        "locationId": create["location_id"],
    }


def per_guest(sandbox):
    """Return how often each guest of each booking was messaged at the most."""
    told = [(message.uid, message.guest) for message in sandbox.messages]
    return max((told.count(each) for each in told), default=0)


class TestEach:
    @pytest.mark.parametrize("operator", OPERATORS)
    def test_each_has_the_base_of_the_others(self, operator):
        assert issubclass(operator, CallOperator)

    def test_there_is_one_for_each_call(self):
        assert len(OPERATORS) == 7

    def test_list(self, run, jicoo_sandbox):
        found = run(ListBookingsOperator)
        assert found == sorted(jicoo_sandbox.bookings(), key=lambda row: (row["startedAt"], row["uid"]))

    def test_get(self, run, jicoo_sandbox):
        booking = jicoo_sandbox.bookings()[3]
        assert run(GetBookingOperator, uid=booking["uid"]) == booking

    def test_get_contacts(self, run, jicoo_sandbox):
        uid = jicoo_sandbox.bookings()[3]["uid"]
        assert run(GetBookingContactsOperator, uid=uid) == jicoo_sandbox.contacts(uid)

    def test_get_contacts_whose_text_was_cut_in_an_emoji(self, run, jicoo_sandbox, caplog):
        """Half of a surrogate pair is JSON, and no Unicode: it is read as U+FFFD, and told."""
        uid = jicoo_sandbox.bookings()[3]["uid"]
        with jicoo_sandbox._state.lock:
            jicoo_sandbox._state.rows.contacts[uid][0]["message"] = "cut \ud83d"
        assert run(GetBookingContactsOperator, uid=uid)[0]["message"] == "cut \N{REPLACEMENT CHARACTER}"
        assert f"GET /v1/bookings/{uid}/contacts: a text in the answer is no Unicode" in caplog.text
        assert jicoo_sandbox.count() == 1

    def test_get_of_a_title_that_is_no_unicode_says_so(self, run, jicoo_sandbox):
        uid = jicoo_sandbox.bookings()[3]["uid"]
        jicoo_sandbox.break_row(uid, "surrogate")
        with pytest.raises(AirflowFailException, match=r"in which name has a text that is no Unicode"):
            run(GetBookingOperator, uid=uid)

    def test_create(self, run, jicoo_sandbox, create):
        made = run(CreateBookingOperator, **create)
        assert made == jicoo_sandbox.booking(made["uid"])
        assert last_body(jicoo_sandbox) == {
            "startedAt": "2031-03-05T01:00:00.000Z",
            "timeZone": "Asia/Tokyo",
            "eventTypeId": create["event_type_id"],
            "email": "a.guest@example.com",
            "name": "Guest",
            "locationId": None,
        }
        assert len(jicoo_sandbox.messages) == 1

    def test_create_with_everything(self, run, jicoo_sandbox, create):
        question = next(iter(jicoo_sandbox.event_types[0]["questions"]))
        more = {
            "company": "Contoso KK",
            "text_remind_country_code": "+81",
            "text_remind_number": "09055550000",
            "cc_emails": ["second@example.com"],
            "message": "See you",
            "locale": "ja",
            "phone_number": "+81355550000",
            "tracking": {"campaign": "autumn"},
            "answers": [{"question_uid": question, "content": "Yes"}],
            "payment": {"payment_method": "none", "items": []},
        }
        made = run(CreateBookingOperator, **{**create, "location_id": "zoom"}, **more)
        body = last_body(jicoo_sandbox)
        assert body["ccEmails"] == ["second@example.com"]
        assert body["answers"] == [{"questionUid": question, "content": "Yes"}]
        assert body["payment"] == {"paymentMethod": "none", "items": []}
        assert body["tracking"] == {"campaign": "autumn"}
        assert body["locationId"] == "zoom"
        assert len(body) == len(create) + len(more)
        guest = jicoo_sandbox.contacts(made["uid"])[0]
        assert (guest["company"], guest["message"]) == ("Contoso KK", "See you")

    def test_update(self, run, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking()["uid"]
        user = jicoo_sandbox.users[3]["uid"]
        changed = run(
            UpdateBookingOperator,
            uid=uid,
            name="New name",
            description=None,
            time_zone="Europe/Madrid",
            started_at="2031-03-05T10:00",
            ended_at=datetime(2031, 3, 5, 12, tzinfo=timezone.utc),
            hosts=[{"user_id": user, "role": "admin"}],
            priority="high",
            update_message="Sorry",
            is_send_updates=True,
        )
        assert changed == jicoo_sandbox.booking(uid)
        assert last_body(jicoo_sandbox) == {
            "name": "New name",
            "description": None,
            "timeZone": "Europe/Madrid",
            "startedAt": "2031-03-05T09:00:00.000Z",
            "endedAt": "2031-03-05T12:00:00.000Z",
            "hosts": [{"userId": user, "role": "admin"}],
            "priority": "high",
            "updateMessage": "Sorry",
            "isSendUpdates": True,
        }
        assert [message.kind for message in jicoo_sandbox.messages] == ["update"]

    def test_cancel(self, run, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking()["uid"]
        assert run(CancelBookingOperator, uid=uid) == jicoo_sandbox.booking(uid)
        assert jicoo_sandbox.booking(uid)["status"] == "cancel"
        assert per_guest(jicoo_sandbox) == 1

    def test_reschedule(self, run, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking()["uid"]
        moved = run(RescheduleBookingOperator, uid=uid, started_at="2031-03-05T10:00", time_zone="Asia/Tokyo")
        assert moved == jicoo_sandbox.booking(uid)
        assert last_body(jicoo_sandbox) == {"startedAt": "2031-03-05T01:00:00.000Z", "timeZone": "Asia/Tokyo"}

    @pytest.mark.parametrize("operator", [each for each, _ in ONE_BOOKING])
    def test_each_takes_a_connection(self, run, jicoo_sandbox, monkeypatch, operator):
        more = dict(ONE_BOOKING)[operator]
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(jicoo_sandbox.connection()))
        monkeypatch.delenv("AIRFLOW_CONN_JICOO_DEFAULT")
        uid = jicoo_sandbox.add_booking()["uid"]
        assert run(
            operator,
            uid="{{ params.uid }}",
            jicoo_conn_id="{{ params.conn }}",
            **more,
            params={"uid": uid, "conn": "other"},
        )


class TestTemplates:
    @pytest.mark.parametrize("operator", OPERATORS)
    def test_every_argument_that_carries_a_value_is_templated(self, operator):
        arguments = {
            name
            for name, parameter in inspect.signature(operator).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }
        own = {name for name in inspect.signature(operator.__init__).parameters if name not in ("self", "kwargs")}
        assert own <= set(operator.template_fields), own - set(operator.template_fields)
        assert set(operator.template_fields) <= own | {"jicoo_conn_id"}
        assert "jicoo_conn_id" in operator.template_fields
        assert arguments

    @pytest.mark.parametrize("operator", OPERATORS)
    def test_every_template_field_is_an_attribute(self, operator):
        needed = {
            name: "x"
            for name, parameter in inspect.signature(operator.__init__).parameters.items()
            if parameter.default is parameter.empty and name not in ("self", "kwargs")
        }
        task = operator(task_id="task", **needed)
        for name in operator.template_fields:
            assert hasattr(task, name), name
        for name, value in needed.items():
            assert getattr(task, name) == value, "a constructor that changes what it is given breaks mapping"

    @pytest.mark.parametrize("operator", OPERATORS)
    def test_every_private_field_is_templated(self, operator):
        assert operator.private_fields <= set(operator.template_fields)

    def test_the_private_fields_are_those_of_the_bodies(self):
        """The API's side says which fields hold personal data: there and here are the same."""
        from airflow_provider_jicoo.api.models import CreateBookingBody, UpdateBookingBody

        create = {{"email": "guest_email"}.get(name, name) for name in CreateBookingBody.private}
        assert CreateBookingOperator.private_fields == create
        assert UpdateBookingOperator.private_fields == UpdateBookingBody.private

    @pytest.mark.parametrize(("text", "sent"), [("True", True), ("False", False), ("true", True), (" FALSE ", False)])
    def test_booleans(self, run, jicoo_sandbox, text, sent):
        uid = jicoo_sandbox.add_booking()["uid"]
        run(UpdateBookingOperator, uid=uid, name="x", is_send_updates="{{ params.tell }}", params={"tell": text})
        assert last_body(jicoo_sandbox)["isSendUpdates"] is sent

    @pytest.mark.parametrize("value", [True, False])
    def test_a_boolean_of_params(self, run, jicoo_sandbox, value):
        uid = jicoo_sandbox.add_booking()["uid"]
        run(UpdateBookingOperator, uid=uid, name="x", is_send_updates="{{ params.tell }}", params={"tell": value})
        assert last_body(jicoo_sandbox)["isSendUpdates"] is value

    def test_hosts_as_json(self, run, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking()["uid"]
        hosts = [{"userId": jicoo_sandbox.users[4]["uid"], "role": "editor"}]
        run(UpdateBookingOperator, uid=uid, hosts="{{ params.hosts | tojson }}", params={"hosts": hosts})
        assert last_body(jicoo_sandbox) == {"hosts": hosts}

    def test_hosts_as_a_list_of_templates(self, run, jicoo_sandbox):
        uid, user = jicoo_sandbox.add_booking()["uid"], jicoo_sandbox.users[4]["uid"]
        run(
            UpdateBookingOperator,
            uid=uid,
            hosts=[{"user_id": "{{ params.user }}", "role": "admin"}],
            params={"user": user},
        )
        assert last_body(jicoo_sandbox) == {"hosts": [{"userId": user, "role": "admin"}]}

    def test_hosts_printed_as_python(self, run, jicoo_sandbox):
        with pytest.raises(AirflowFailException, match=r"hosts: not JSON.*tojson"):
            run(UpdateBookingOperator, uid="mzgdPJVBb7RE", hosts="{{ params.hosts }}", params={"hosts": [{"a": 1}]})
        assert jicoo_sandbox.count() == 0

    def test_guests_words_are_rendered_and_sent(self, run, jicoo_sandbox, create):
        run(
            CreateBookingOperator,
            **{**create, "guest_email": "{{ params.mail }}", "name": "{{ params.name }}"},
            cc_emails="{{ params.cc | tojson }}",
            message="Dear {{ params.name }}",
            params={"mail": "other@example.com", "name": "山田 太郎", "cc": ["a@example.com", "b@example.com"]},
        )
        body = last_body(jicoo_sandbox)
        assert (body["email"], body["name"], body["message"]) == ("other@example.com", "山田 太郎", "Dear 山田 太郎")
        assert body["ccEmails"] == ["a@example.com", "b@example.com"]

    def test_a_limit_and_a_direction(self, run, jicoo_sandbox):
        found = run(
            ListBookingsOperator,
            limit="{{ params.limit }}",
            descending="{{ params.descending }}",
            started_at="{{ params.after }}",
            order_by="{{ params.order }}",
            params={"limit": 3, "descending": True, "after": "2020-01-01T00:00:00+09:00", "order": "createdAt"},
        )
        created = sorted((row["createdAt"] for row in jicoo_sandbox.bookings()), reverse=True)
        assert [row["createdAt"] for row in found] == created[:3]
        assert jicoo_sandbox.requests[0].query["startedAt"] == "2019-12-30T15:00:00.000Z"  # a day more than is meant

    def test_native_objects(self, run, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking(priority="low")["uid"]
        hosts = [{"user_id": jicoo_sandbox.users[4]["uid"], "role": "editor"}]
        run(
            UpdateBookingOperator,
            uid=uid,
            hosts="{{ params.hosts }}",
            priority="{{ params.priority }}",
            is_send_updates="{{ params.tell }}",
            started_at="{{ params.at }}",
            ended_at="{{ params.end }}",
            params={
                "hosts": hosts,
                "priority": None,
                "tell": False,
                "at": datetime(2031, 1, 1, tzinfo=timezone.utc),
                "end": datetime(2031, 1, 1, tzinfo=timezone.utc) + timedelta(hours=1),
            },
            native=True,
        )
        body = last_body(jicoo_sandbox)
        assert body["priority"] is None
        assert body["isSendUpdates"] is False
        assert body["startedAt"] == "2031-01-01T00:00:00.000Z"
        assert body["hosts"][0]["role"] == "editor"

    @pytest.mark.parametrize(
        "field",
        ["name", "description", "priority", "started_at", "hosts", "time_zone", "update_message", "is_send_updates"],
    )
    def test_a_none_that_became_text_is_refused(self, run, jicoo_sandbox, field):
        with pytest.raises(AirflowFailException, match=f"{field}: a template rendered None to the text 'None'"):
            run(UpdateBookingOperator, uid="mzgdPJVBb7RE", **{field: "{{ params.nothing }}"}, params={"nothing": None})
        assert jicoo_sandbox.count() == 0

    def test_the_same_for_a_list(self, run, jicoo_sandbox):
        with pytest.raises(AirflowFailException, match="status: a template rendered None"):
            run(ListBookingsOperator, status="{{ params.nothing }}", params={"nothing": None})
        assert jicoo_sandbox.count() == 0


class TestNotGiven:
    @pytest.mark.parametrize("priority", ["low", None])
    def test_only_what_is_given_is_sent(self, run, jicoo_sandbox, priority):
        uid = jicoo_sandbox.add_booking(description="stays", priority="high")["uid"]
        run(UpdateBookingOperator, uid=uid, priority=priority)
        assert last_body(jicoo_sandbox) == {"priority": priority}
        assert jicoo_sandbox.booking(uid)["description"] == "stays"

    def test_none_takes_a_description_away(self, run, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking(description="goes")["uid"]
        run(UpdateBookingOperator, uid=uid, description=None)
        assert jicoo_sandbox.booking(uid)["description"] is None

    @pytest.mark.parametrize("field", ["name", "time_zone", "started_at", "hosts", "is_send_updates"])
    def test_none_where_jicoo_knows_none(self, run, jicoo_sandbox, field):
        with pytest.raises(AirflowFailException, match=f"Update Booking: {field}"):
            run(UpdateBookingOperator, uid="mzgdPJVBb7RE", priority="low", **{field: None})
        assert jicoo_sandbox.count() == 0

    def test_it_says_what_it_is(self):
        assert (str(NOT_GIVEN), repr(NOT_GIVEN), f"{NOT_GIVEN}") == ("not given",) * 3


class TestWhatARetryCannotMend:
    """It fails the task at once, and the cause is an error with fields."""

    @pytest.mark.parametrize(("operator", "more"), ONE_BOOKING)
    @pytest.mark.parametrize("uid", ["", "a/b", "a\nb", "../bookings", "a b", "{{ params.nothing }}", "a?b=c"])
    def test_what_is_no_booking_id(self, run, jicoo_sandbox, operator, more, uid):
        with pytest.raises(AirflowFailException, match="is not a booking id") as caught:
            run(operator, uid=uid, **more, params={"nothing": ""})
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize(
        ("operator", "arguments", "words"),
        [
            (UpdateBookingOperator, {"started_at": "2031-03-05T10:00"}, "started_at: .*has no offset"),
            (
                UpdateBookingOperator,
                {"started_at": datetime.fromisoformat("2031-03-05")},
                "started_at: .*has no offset",
            ),
            (UpdateBookingOperator, {"started_at": "tomorrow"}, "is not a moment"),
            (UpdateBookingOperator, {}, "changes nothing"),
            (UpdateBookingOperator, {"is_send_updates": True, "update_message": "Hello"}, "changes nothing"),
            (UpdateBookingOperator, {"priority": "urgent"}, "priority"),
            (UpdateBookingOperator, {"is_send_updates": "perhaps", "name": "x"}, "is_send_updates"),
            (UpdateBookingOperator, {"hosts": [{"user": "x", "role": "admin"}]}, "unknown field 'user'.*user_id"),
            (UpdateBookingOperator, {"hosts": "nobody"}, "hosts"),
            (UpdateBookingOperator, {"time_zone": "Asia/Tokio"}, "did you mean 'Asia/Tokyo'"),
            (RescheduleBookingOperator, {"started_at": "2031-03-05T10:00", "time_zone": ""}, "IANA"),
            (RescheduleBookingOperator, {"started_at": "", "time_zone": "Asia/Tokyo"}, "is not a moment"),
        ],
    )
    def test_bad_input(self, run, jicoo_sandbox, operator, arguments, words):
        with pytest.raises(AirflowFailException, match=words) as caught:
            run(operator, uid="mzgdPJVBb7RE", **arguments)
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"status": "request"}, "list without a status"),
            ({"status": "opened"}, "'open' or 'cancel', not 'opened'"),
            ({"started_at": "2031-03-05T10:00"}, "started_at: .*has no offset"),
            ({"started_at": "2031-03-05T10:00Z", "ended_at": "2030-03-05T10:00Z"}, "is before started_at"),
            ({"order_by": "name"}, "order_by"),
            ({"limit": "many"}, "limit: 'many' is not a whole number"),
            ({"limit": "-1"}, "limit: 0 or more"),
            ({"limit": True}, "limit: True is not a whole number"),
        ],
    )
    def test_bad_input_of_a_list(self, run, jicoo_sandbox, arguments, words):
        with pytest.raises(AirflowFailException, match=words) as caught:
            run(ListBookingsOperator, **arguments)
        assert isinstance(caught.value.__context__, ValueError)
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"guest_email": "nobody"}, "email: not an e-mail address"),
            ({"name": "x" * 65}, "name: "),
            ({"started_at": "2031-03-05T10:00", "time_zone": "Asia/Tokio"}, "Asia/Tokyo"),
            ({"answers": [{"question": "x", "content": "y"}]}, "unknown field 'question'.*question_uid"),
            ({"cc_emails": "a@example.com"}, "cc_emails"),
            ({"company": None}, "company"),
        ],
    )
    def test_bad_input_of_a_create(self, run, jicoo_sandbox, create, arguments, words):
        with pytest.raises(AirflowFailException, match=words) as caught:
            run(CreateBookingOperator, **{**create, **arguments})
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert create["guest_email"] not in str(caught.value)
        assert jicoo_sandbox.count() == 0

    @pytest.mark.parametrize(("operator", "more"), ONE_BOOKING)
    def test_a_refused_key(self, run, jicoo_sandbox, operator, more):
        jicoo_sandbox.revoke_key()
        with pytest.raises(AirflowFailException, match="does not accept the API key") as caught:
            run(operator, uid="mzgdPJVBb7RE", **more)
        assert isinstance(caught.value.__context__, errors.AuthenticationError)
        assert jicoo_sandbox.api_key not in str(caught.value) + repr(caught.value.__context__)
        assert jicoo_sandbox.count() == 1

    def test_no_permission(self, run, jicoo_sandbox, jicoo_connection):
        jicoo_connection(password=jicoo_sandbox.forbidden_key)
        with pytest.raises(AirflowFailException) as caught:
            run(ListBookingsOperator)
        assert isinstance(caught.value.__context__, errors.PermissionDeniedError)
        assert jicoo_sandbox.count() == 1

    @pytest.mark.parametrize(("operator", "more"), ONE_BOOKING)
    def test_no_such_booking(self, run, jicoo_sandbox, operator, more):
        with pytest.raises(AirflowFailException) as caught:
            run(operator, uid="mzgdPJVBb7RE", **more)
        assert isinstance(caught.value.__context__, errors.NotFoundError)
        assert caught.value.__context__.status == 404
        assert jicoo_sandbox.count() == 1

    def test_a_taken_slot(self, run, jicoo_sandbox):
        first = jicoo_sandbox.add_booking(startedAt=SLOT)
        second = jicoo_sandbox.add_booking(hosts=first["hosts"])
        with pytest.raises(AirflowFailException, match="not a free slot") as caught:
            run(RescheduleBookingOperator, uid=second["uid"], started_at=SLOT, time_zone="Asia/Tokyo")
        assert isinstance(caught.value.__context__, errors.RejectedError)
        assert caught.value.__context__.status == 422
        assert "startedAt" in caught.value.__context__.errors
        assert jicoo_sandbox.messages == []

    @pytest.mark.parametrize("fault", ["redirect", "html"])
    def test_what_is_not_jicoo(self, run, jicoo_sandbox, fault):
        jicoo_sandbox.fail(fault)
        with pytest.raises(AirflowFailException) as caught:
            run(GetBookingOperator, uid="mzgdPJVBb7RE")
        assert isinstance(caught.value.__context__, errors.UnexpectedAnswerError)
        assert jicoo_sandbox.count() == 1

    @pytest.mark.parametrize("fields", [{"password": ""}, {"host": "http://api.jicoo.com"}, {"extra": {"timout": 1}}])
    def test_a_connection_that_cannot_be_right(self, run, jicoo_sandbox, jicoo_connection, fields):
        jicoo_connection(**fields)
        with pytest.raises(AirflowFailException, match="connection 'jicoo_default'") as caught:
            run(GetBookingOperator, uid="mzgdPJVBb7RE")
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.count() == 0


class TestWhatARetryMayMend:
    """It stays an error of ours, so that Airflow spends the task's retries on it."""

    @pytest.mark.parametrize(
        ("operator", "more", "fault", "error"),
        [
            *[(*row, "rate_limit", errors.RateLimitError) for row in [*ONE_BOOKING, QUIET]],
            *[(*row, "server_error", errors.ServerError) for row in [*ONE_BOOKING[:2], QUIET]],
            *[(each, {**more, "on_doubt": "again"}, "server_error", errors.ServerError) for each, more in LOUD],
            (ListBookingsOperator, None, "rate_limit", errors.RateLimitError),
            (ListBookingsOperator, None, "server_error", errors.ServerError),
        ],
    )
    def test_for_ever(self, request, run, jicoo_sandbox, quick_retries, operator, more, fault, error):
        if more and "on_doubt" in more:
            request.getfixturevalue("grace")
        uid = jicoo_sandbox.add_booking()["uid"]
        jicoo_sandbox.fail(fault, times=1000, path="/v1/bookings")
        jicoo_sandbox.fail(fault, times=1000, method="POST")
        jicoo_sandbox.fail(fault, times=1000, method="PATCH")
        if operator in (GetBookingOperator, GetBookingContactsOperator):
            jicoo_sandbox.fail(fault, times=1000, method="GET")
        with pytest.raises(error) as caught:
            run(operator, **({} if more is None else {"uid": uid, **more}))
        assert not isinstance(caught.value, AirflowFailException)
        sent = [request for request in jicoo_sandbox.requests if request.status != 200]
        assert len(sent) == quick_retries
        assert jicoo_sandbox.messages == []

    def test_nobody_listens(self, run, jicoo_connection, quick_retries):
        with socket.create_server(("127.0.0.1", 0)) as server:
            jicoo_connection(host=f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(errors.TransportError):
            run(GetBookingOperator, uid="mzgdPJVBb7RE")


class TestALostAnswer:
    """A guest is messaged at most once, or the task fails saying that nobody knows."""

    @pytest.mark.parametrize("fault", ["dropped", "cut_body"])
    @pytest.mark.parametrize(("operator", "more"), [*LOUD, QUIET])
    def test_it_is_read_back(self, run, jicoo_sandbox, quick_retries, grace, operator, more, fault):
        uid = jicoo_sandbox.add_booking()["uid"]
        jicoo_sandbox.fail(fault, method="PATCH")
        jicoo_sandbox.fail(fault, method="POST")
        assert run(operator, uid=uid, **more) == jicoo_sandbox.booking(uid)
        assert changes(jicoo_sandbox) == jicoo_sandbox.count("GET") == 1
        assert len(jicoo_sandbox.messages) == ((operator, more) != QUIET)

    @pytest.mark.parametrize(
        ("fault", "options"), [("dropped", {}), ("server_error", {"status": 504}), ("server_error", {"html": True})]
    )
    @pytest.mark.parametrize(("operator", "more"), [*LOUD, (UpdateBookingOperator, {"priority": "high"})])
    @pytest.mark.parametrize("late", ["0.5s", "1.6s"])
    def test_a_change_that_comes_late(self, run, jicoo_sandbox, grace, operator, more, fault, options, late):
        uid = jicoo_sandbox.add_booking(contacts=[{}, {}])["uid"]
        for method in ("PATCH", "POST"):
            jicoo_sandbox.fail(fault, method=method, late=late, **options)
        if late == "0.5s":
            assert run(operator, uid=uid, **more) == jicoo_sandbox.booking(uid)
        else:
            with pytest.raises(AirflowFailException, match="may or may not have been done, and was not sent again"):
                run(operator, uid=uid, **more)
        jicoo_sandbox.settle()
        assert changes(jicoo_sandbox) == 1
        assert per_guest(jicoo_sandbox) <= 1

    @pytest.mark.parametrize(("operator", "more"), [*LOUD, (UpdateBookingOperator, {"priority": "high"})])
    def test_what_does_not_show_fails_the_task_at_once(self, run, jicoo_sandbox, grace, operator, more):
        uid = jicoo_sandbox.add_booking()["uid"]
        for method in ("PATCH", "POST"):
            jicoo_sandbox.fail("dropped_before", method=method)
        with pytest.raises(AirflowFailException, match=f"Before you repeat it, read booking {uid}") as caught:
            run(operator, uid=uid, **more)
        assert isinstance(caught.value.__context__, errors.AmbiguousOutcomeError)
        assert (changes(jicoo_sandbox), jicoo_sandbox.messages) == (1, [])

    def test_a_quiet_change_is_sent_again(self, run, jicoo_sandbox, quick_retries, grace):
        operator, more = QUIET
        uid = jicoo_sandbox.add_booking()["uid"]
        jicoo_sandbox.fail("dropped_before", method="PATCH", times=2)
        assert run(operator, uid=uid, **more) == jicoo_sandbox.booking(uid)
        assert (changes(jicoo_sandbox), jicoo_sandbox.messages) == (3, [])


class TestOnDoubt:
    @pytest.mark.parametrize(("operator", "more"), LOUD)
    @pytest.mark.parametrize("doubt", ["again", "{{ params.doubt }}"])
    def test_again(self, run, jicoo_sandbox, grace, operator, more, doubt):
        uid = jicoo_sandbox.add_booking()["uid"]
        for method in ("PATCH", "POST"):
            jicoo_sandbox.fail("dropped_before", method=method)
        began = time.monotonic()
        found = run(operator, uid=uid, on_doubt=doubt, params={"doubt": "again"}, **more)
        assert time.monotonic() - began >= grace
        assert found == jicoo_sandbox.booking(uid)
        assert changes(jicoo_sandbox) == 2
        assert len(jicoo_sandbox.messages) == 1

    @pytest.mark.parametrize(("operator", "more"), [*LOUD, QUIET])
    @pytest.mark.parametrize("doubt", ["leave", "{{ params.doubt }}"])
    def test_leave(self, run, jicoo_sandbox, grace, operator, more, doubt):
        uid = jicoo_sandbox.add_booking()["uid"]
        for method in ("PATCH", "POST"):
            jicoo_sandbox.fail("dropped_before", method=method)
        with pytest.raises(AirflowFailException, match="was not sent again"):
            run(operator, uid=uid, on_doubt=doubt, params={"doubt": "leave"}, **more)
        assert changes(jicoo_sandbox) == 1

    @pytest.mark.parametrize(("operator", "more"), LOUD)
    @pytest.mark.parametrize(("doubt", "native"), [("", False), (None, False), ("{{ params.doubt }}", True)])
    def test_nothing_is_the_default(self, run, jicoo_sandbox, grace, operator, more, doubt, native):
        uid = jicoo_sandbox.add_booking()["uid"]
        for method in ("PATCH", "POST"):
            jicoo_sandbox.fail("dropped_before", method=method)
        with pytest.raises(AirflowFailException, match="was not sent again"):
            run(operator, uid=uid, on_doubt=doubt, native=native, params={"doubt": None}, **more)
        assert changes(jicoo_sandbox) == 1

    @pytest.mark.parametrize(("operator", "more"), [*LOUD, QUIET])
    @pytest.mark.parametrize(
        ("doubt", "said"),
        [
            ("sometimes", "on_doubt: 'sometimes' is neither 'leave' nor 'again'"),
            ("{{ params.doubt }}", "on_doubt: a template rendered None to the text 'None'"),
        ],
    )
    def test_what_is_neither(self, run, jicoo_sandbox, operator, more, doubt, said):
        uid = jicoo_sandbox.add_booking()["uid"]
        with pytest.raises(AirflowFailException, match=said):
            run(operator, uid=uid, on_doubt=doubt, params={"doubt": None}, **more)
        assert jicoo_sandbox.count() == 0


class TestARetryOfTheTask:
    """A worker died with its request under way, or after it was answered; the next try finds out."""

    pytestmark = pytest.mark.usefixtures("grace")

    @pytest.mark.parametrize(("operator", "more"), [*LOUD, QUIET])
    def test_what_was_done_is_not_done_again(self, run, jicoo_sandbox, operator, more):
        uid = jicoo_sandbox.add_booking(contacts=[{}, {}])["uid"]
        first = run(operator, uid=uid, **more)

        second = run(operator, uid=uid, **more, try_number=2)

        assert second == first
        assert changes(jicoo_sandbox) == jicoo_sandbox.count("GET") == 1, "seen at once, it is not waited for"
        assert len(jicoo_sandbox.messages) == (0 if (operator, more) == QUIET else 2)
        assert per_guest(jicoo_sandbox) <= 1

    @pytest.mark.parametrize(("operator", "more"), LOUD_OR_MAYBE)
    def test_what_may_message_and_is_not_there_is_left_and_told(self, run, jicoo_sandbox, grace, operator, more):
        """Who knows whether the earlier try has sent it, and whether the server is still at work on that?"""
        uid = jicoo_sandbox.add_booking(priority="low")["uid"]
        began = time.monotonic()
        with pytest.raises(AirflowFailException, match=f"earlier try may have sent it; .* read booking {uid}"):
            run(operator, uid=uid, **more, try_number=2, max_tries=1, retries=1)
        assert time.monotonic() - began >= grace
        assert changes(jicoo_sandbox) == len(jicoo_sandbox.messages) == 0

    @pytest.mark.parametrize(("operator", "more"), LOUD)
    def test_what_is_made_after_the_grace_messages_nobody_twice(self, run, jicoo_sandbox, operator, more):
        uid = jicoo_sandbox.add_booking()["uid"]
        send_and_die(jicoo_sandbox, operator, uid, more, "dropped", late="2s")
        with pytest.raises(AirflowFailException, match="an earlier try may have sent it"):
            run(operator, uid=uid, **more, try_number=2)
        jicoo_sandbox.settle()
        assert changes(jicoo_sandbox) == len(jicoo_sandbox.messages) == 1

    @pytest.mark.parametrize("way", ["cleared", "again", "known"])
    @pytest.mark.parametrize(("operator", "more"), LOUD_OR_MAYBE)
    def test_what_may_message_is_done_after_the_grace_where(
        self, run, jicoo_sandbox, grace, operator, more, way, capfd, caplog
    ):
        """A person has looked and cleared it; or said so; or Airflow knows that the earlier try has sent nothing."""
        caplog.set_level(logging.INFO)
        uid = jicoo_sandbox.add_booking(priority="low")["uid"]
        how = {
            "cleared": {"max_tries": 2, "retries": 1},
            "again": {"max_tries": 1, "retries": 1, "on_doubt": "again"},
            "known": {"max_tries": 1, "retries": 1, "store": Store()},
        }[way]
        began = time.monotonic()
        assert run(operator, uid=uid, **more, try_number=2, **how) == jicoo_sandbox.booking(uid)
        assert time.monotonic() - began >= grace
        assert [request.method for request in jicoo_sandbox.requests[:2]] == ["GET", "GET"]
        assert changes(jicoo_sandbox) == 1
        assert len(jicoo_sandbox.messages) == ("priority" not in more)
        said = "".join(capfd.readouterr()) + caplog.text
        assert "an earlier try may have sent it: looking for it for up to 1 s" in said

    @pytest.mark.parametrize(("operator", "more"), LOUD)
    def test_with_airflows_store_what_is_known_not_to_be_made_is_sent_by_a_retry(
        self, run, jicoo_sandbox, grace, quick_retries, operator, more
    ):
        uid, store = jicoo_sandbox.add_booking()["uid"], Store()
        jicoo_sandbox.fail("rate_limit", share=1)
        with pytest.raises(errors.RateLimitError):
            run(operator, uid=uid, **more, store=store)
        jicoo_sandbox.heal()
        run(operator, uid=uid, **more, store=store, try_number=2)
        assert len(jicoo_sandbox.messages) == 1

    @pytest.mark.parametrize(("operator", "more"), LOUD)
    def test_with_airflows_store_what_a_killed_worker_may_have_sent_is_left(
        self, run, jicoo_sandbox, grace, monkeypatch, operator, more
    ):
        uid, store = jicoo_sandbox.add_booking()["uid"], Store()
        with monkeypatch.context() as killed:
            killed.setattr(JicooClient, "send", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                run(operator, uid=uid, **more, store=store)
        with pytest.raises(AirflowFailException, match="an earlier try may have sent it"):
            run(operator, uid=uid, **more, store=store, try_number=2)
        assert changes(jicoo_sandbox) == 0

    def test_what_is_quiet_and_was_not_done_is_done_at_once(self, run, jicoo_sandbox, grace):
        operator, more = QUIET
        uid = jicoo_sandbox.add_booking()["uid"]
        began = time.monotonic()
        assert run(operator, uid=uid, **more, try_number=2) == jicoo_sandbox.booking(uid)
        assert time.monotonic() - began < grace
        assert [request.method for request in jicoo_sandbox.requests] == ["GET", "PATCH"]

    @pytest.mark.parametrize("cleared", [False, True])
    @pytest.mark.parametrize(("operator", "more"), LOUD)
    @pytest.mark.parametrize("fault", ["dropped", "server_error"])
    def test_what_an_earlier_try_sent_lands_meanwhile_and_is_not_sent_again(
        self, run, jicoo_sandbox, operator, more, fault, cleared
    ):
        uid = jicoo_sandbox.add_booking(contacts=[{}, {}])["uid"]
        send_and_die(jicoo_sandbox, operator, uid, more, fault, late="0.6s")
        assert jicoo_sandbox.messages == []

        tries = {"max_tries": 2, "retries": 1} if cleared else {"max_tries": 1, "retries": 1}
        found = run(operator, uid=uid, **more, try_number=2, **tries)

        assert found == jicoo_sandbox.booking(uid)
        assert changes(jicoo_sandbox) == len(jicoo_sandbox.changes) == per_guest(jicoo_sandbox) == 1

    @pytest.mark.parametrize(("operator", "more"), LOUD)
    def test_a_read_that_lags_behind_an_earlier_try(self, run, jicoo_sandbox, operator, more):
        uid = jicoo_sandbox.add_booking()["uid"]
        jicoo_sandbox.quirks = ["late-read=0.7s"]
        send_and_die(jicoo_sandbox, operator, uid, more)

        assert run(operator, uid=uid, **more, try_number=2)["uid"] == uid

        assert changes(jicoo_sandbox) == len(jicoo_sandbox.messages) == 1

    @pytest.mark.parametrize(("operator", "more"), LOUD)
    def test_an_edit_by_somebody_else_does_not_hide_that_it_is_not_there(self, run, jicoo_sandbox, operator, more):
        uid = jicoo_sandbox.add_booking()["uid"]
        jicoo_sandbox.edit(uid, description="edited meanwhile")
        run(operator, uid=uid, **more, try_number=2, on_doubt="again")
        assert changes(jicoo_sandbox) == len(jicoo_sandbox.messages) == 1
        assert jicoo_sandbox.booking(uid)["description"] == "edited meanwhile"

    @pytest.mark.parametrize(("operator", "more"), [*LOUD, QUIET])
    def test_where_it_cannot_be_read_nothing_is_sent(self, run, jicoo_sandbox, quick_retries, operator, more):
        uid = jicoo_sandbox.add_booking()["uid"]
        jicoo_sandbox.fail("server_error", method="GET", share=1)
        with pytest.raises(errors.ServerError):
            run(operator, uid=uid, **more, try_number=2)
        assert changes(jicoo_sandbox) == 0

    @pytest.mark.parametrize("case", ["rescheduled", "roles"])
    def test_where_it_does_not_tell_a_person_has_to_look(self, run, jicoo_sandbox, case):
        """The booking was cancelled, perhaps since a new one was made of it; or its hosts have other roles."""
        host = jicoo_sandbox.users[3]["uid"]
        uid = jicoo_sandbox.add_booking(
            status="cancel" if case == "rescheduled" else "open", hosts=[{"userId": host, "role": "viewer"}]
        )["uid"]
        operator, more = {
            "rescheduled": LOUD[2],
            "roles": (UpdateBookingOperator, {"hosts": [{"user_id": host, "role": "admin"}], "is_send_updates": True}),
        }[case]
        with pytest.raises(
            AirflowFailException, match=rf"does not tell whether an earlier try .* read booking {uid} .*; then clear"
        ) as caught:
            run(operator, uid=uid, **more, try_number=2, max_tries=1, retries=1)
        assert isinstance(caught.value.__context__, errors.AmbiguousOutcomeError)
        assert changes(jicoo_sandbox) == 0

        # Cleared, it is sent, and Jicoo says what it thinks of it.
        refused = (
            pytest.raises(AirflowFailException, match="422") if case == "rescheduled" else contextlib.nullcontext()
        )
        with refused:
            run(operator, uid=uid, **more, try_number=3, max_tries=3, retries=1)
        assert changes(jicoo_sandbox) == 1

    @pytest.mark.parametrize(("operator", "more"), [*LOUD, QUIET])
    def test_the_first_try_does_not_read_first(self, run, jicoo_sandbox, operator, more):
        run(operator, uid=jicoo_sandbox.add_booking()["uid"], **more)
        assert jicoo_sandbox.count() == 1

    def test_a_create_that_was_made_is_returned(self, run, jicoo_sandbox, create):
        first = run(CreateBookingOperator, **create)
        again = run(CreateBookingOperator, **{**create, "guest_email": "A.Guest@Example.com"}, try_number=2)
        assert again == first
        assert jicoo_sandbox.count("POST") == 1
        assert len(jicoo_sandbox.messages) == 1

    @pytest.mark.parametrize("cleared", [False, True])
    @pytest.mark.parametrize("fault", ["dropped", "server_error"])
    def test_a_create_that_is_made_late_is_found(self, run, jicoo_sandbox, create, fault, cleared):
        before = {row["uid"] for row in jicoo_sandbox.bookings()}
        send_and_die(jicoo_sandbox, CreateBookingOperator, None, body_of(create), fault, late="0.6s")

        tries = {"max_tries": 2, "retries": 1} if cleared else {"max_tries": 1, "retries": 1}
        made = run(CreateBookingOperator, **create, try_number=2, **tries)

        assert made == jicoo_sandbox.booking(made["uid"])
        assert {row["uid"] for row in jicoo_sandbox.bookings()} == {*before, made["uid"]}
        assert jicoo_sandbox.count("POST") == len(jicoo_sandbox.messages) == 1

    @pytest.mark.parametrize("with_store", [False, True])
    def test_a_create_that_is_made_after_the_grace_is_not_made_twice(self, run, jicoo_sandbox, create, with_store):
        before = {row["uid"] for row in jicoo_sandbox.bookings()}
        send_and_die(jicoo_sandbox, CreateBookingOperator, None, body_of(create), "dropped", late="2s")
        store = Store() if with_store else None
        if store is not None:
            store.set(base._SENT, True)
        with pytest.raises(AirflowFailException, match=r"may have sent it: .* list the bookings that"):
            run(CreateBookingOperator, **create, try_number=2, max_tries=1, retries=1, store=store)
        jicoo_sandbox.settle()
        assert jicoo_sandbox.count("POST") == len(jicoo_sandbox.messages) == 1
        assert len({row["uid"] for row in jicoo_sandbox.bookings()} - before) == 1

    def test_a_create_that_somebody_cancelled_meanwhile_is_not_made_again(self, run, jicoo_sandbox, create):
        first = run(CreateBookingOperator, **create)
        jicoo_sandbox.edit(first["uid"], status="cancel")
        with pytest.raises(AirflowFailException, match="an earlier try may have sent it"):
            run(CreateBookingOperator, **create, try_number=2, max_tries=1, retries=1)
        assert jicoo_sandbox.count("POST") == len(jicoo_sandbox.messages) == 1

    @pytest.mark.parametrize("way", ["cleared", "known"])
    def test_a_create_that_was_not_made_is_made_after_the_grace_where(self, run, jicoo_sandbox, create, grace, way):
        """A person has looked and cleared it, or Airflow knows that the earlier try has sent nothing."""
        how = {
            "cleared": {"max_tries": 2, "retries": 1},
            "known": {"max_tries": 1, "retries": 1, "store": Store()},
        }[way]
        began = time.monotonic()
        made = run(CreateBookingOperator, **create, try_number=2, **how)
        assert time.monotonic() - began >= grace
        assert made == jicoo_sandbox.booking(made["uid"])
        assert jicoo_sandbox.count("POST") == len(jicoo_sandbox.messages) == 1

    def test_with_airflows_store_a_create_that_is_known_not_to_be_made_is_made_by_a_retry(
        self, run, jicoo_sandbox, grace, quick_retries, create
    ):
        store = Store()
        jicoo_sandbox.fail("rate_limit", share=1)
        with pytest.raises(errors.RateLimitError):
            run(CreateBookingOperator, **create, store=store)
        jicoo_sandbox.heal()
        run(CreateBookingOperator, **create, store=store, try_number=2)
        assert len(jicoo_sandbox.messages) == 1

    @pytest.mark.parametrize(
        "quirk",
        [
            "start-exclusive",
            "end-exclusive",
            "offset-times",
            "plain-times",
            "cut-to-minute",
            "cut-to-second",
            "page-cap=1",
            "sort-reversed",
        ],
    )
    def test_a_create_is_found_however_jicoo_lists_and_writes(self, run, jicoo_sandbox, create, quirk):
        jicoo_sandbox.quirks = [quirk]
        create = {**create, "started_at": "2031-03-05T10:00:42.125+09:00"} if quirk.startswith("cut") else create
        first = run(CreateBookingOperator, **create)
        assert run(CreateBookingOperator, **create, try_number=2)["uid"] == first["uid"]
        assert jicoo_sandbox.count("POST") == len(jicoo_sandbox.messages) == 1

    @pytest.mark.parametrize("other", ["email", "event type", "time", "cancelled"])
    def test_a_create_is_made_where_what_is_there_is_another(self, run, jicoo_sandbox, create, other):
        types = [each for each in jicoo_sandbox.event_types if not each["needsApproval"]]
        booking = {
            "eventTypeId": create["event_type_id"] if other != "event type" else types[1]["uid"],
            "startedAt": "2031-03-05T01:00:00Z" if other != "time" else "2031-03-05T03:00:00Z",
            "status": "open" if other != "cancelled" else "cancel",
            # Somebody who is no host of the event type: the slot stays free.
            "hosts": [{"userId": "somebody", "role": "admin"}],
        }
        guest = {"email": create["guest_email"] if other != "email" else "other@example.com"}
        there = jicoo_sandbox.add_booking(contacts=[guest], **booking)["uid"]
        made = run(CreateBookingOperator, **create, try_number=2, max_tries=2, retries=1)
        assert made["uid"] != there
        assert jicoo_sandbox.count("POST") == 1

    @pytest.mark.parametrize(
        "quirk", ["order-ignored", "sort-reversed", "start-exclusive", "page-limit=20", "no-totals"]
    )
    def test_a_create_that_was_made_is_found_however_jicoo_lists(self, run, jicoo_sandbox, create, quirk):
        first = run(CreateBookingOperator, **create)
        jicoo_sandbox.quirks = [quirk]
        assert run(CreateBookingOperator, **create, try_number=2) == first
        assert jicoo_sandbox.count("POST") == 1

    @pytest.mark.parametrize("fault", ["dropped", "cut_body", "server_error", "html"])
    def test_an_ambiguous_create_is_not_repeated(self, run, jicoo_sandbox, create, quick_retries, fault):
        jicoo_sandbox.fail(fault, method="POST")
        with pytest.raises(AirflowFailException, match="may or may not have been done") as caught:
            run(CreateBookingOperator, **create)
        assert isinstance(caught.value.__context__, errors.AmbiguousOutcomeError)
        assert "list the bookings that start at 2031-03-05T01:00:00.000Z" in str(caught.value)
        assert create["guest_email"] not in str(caught.value)
        assert jicoo_sandbox.count("POST") == jicoo_sandbox.count() == 1
        assert len(jicoo_sandbox.messages) <= 1

    @pytest.mark.parametrize("fault", ["dropped", "cut_body"])
    def test_a_cleared_ambiguous_create_finds_its_booking(self, run, jicoo_sandbox, create, fault):
        jicoo_sandbox.fail(fault, method="POST")
        with pytest.raises(AirflowFailException):
            run(CreateBookingOperator, **create)
        made = run(CreateBookingOperator, **create, try_number=2)
        assert made == jicoo_sandbox.booking(made["uid"])
        assert jicoo_sandbox.count("POST") == 1
        assert len(jicoo_sandbox.messages) == 1

    def test_a_create_after_429_is_sent_again(self, run, jicoo_sandbox, create, quick_retries):
        jicoo_sandbox.fail("rate_limit", method="POST", times=2)
        run(CreateBookingOperator, **create)
        assert jicoo_sandbox.count("POST") == 3
        assert len(jicoo_sandbox.messages) == 1


class TestCancelOfACancelledBooking:
    @pytest.mark.parametrize("try_number", [1, 2])
    def test_it_is_left_alone(self, run, jicoo_sandbox, try_number):
        before = jicoo_sandbox.add_booking(status="cancel", cancelReason="Schedule conflict")
        assert run(CancelBookingOperator, uid=before["uid"], try_number=try_number) == before
        assert jicoo_sandbox.messages == []

    def test_another_refusal_stays_one(self, run, jicoo_sandbox, httpserver, jicoo_connection):
        httpserver.expect_request("/v1/bookings/abc/cancel").respond_with_json({"errors": {"base": ["no"]}}, 422)
        httpserver.expect_request("/v1/bookings/abc").respond_with_json({"data": {"uid": "abc", "status": "open"}})
        jicoo_connection(host=httpserver.url_for("").rstrip("/"))
        with pytest.raises(AirflowFailException, match="Jicoo refused the request") as caught:
            run(CancelBookingOperator, uid="abc")
        assert isinstance(caught.value.__context__, errors.RejectedError)


class TestLists:
    @pytest.mark.parametrize(("limit", "count"), [(None, 50), (0, 0), (1, 1), ("7", 7), (1000, 50), (50, 50)])
    def test_limit(self, run, jicoo_sandbox, limit, count):
        assert len(run(ListBookingsOperator, limit=limit)) == count

    def test_filters(self, run, jicoo_sandbox):
        now = jicoo_sandbox.now
        found = run(ListBookingsOperator, status="open", started_at=now, ended_at=now + timedelta(days=20))
        begin, end = (at.strftime("%Y-%m-%dT%H:%M:%S") for at in (now, now + timedelta(days=20)))
        expected = [
            row["uid"]
            for row in jicoo_sandbox.bookings()
            if row["status"] == "open" and row["startedAt"] >= begin and row["endedAt"] < end
        ]
        assert sorted(row["uid"] for row in found) == sorted(expected)
        assert found

    def test_what_does_not_fit_into_an_xcom(self, run, jicoo_sandbox, monkeypatch):
        whole = len(json.dumps(run(ListBookingsOperator)))
        monkeypatch.setattr(xcom, "XCOM_BYTES", whole - 1)
        with pytest.raises(
            AirflowFailException, match=rf"the result of {whole:,} bytes or more is too large .* give limit"
        ):
            run(ListBookingsOperator)
        monkeypatch.setattr(xcom, "XCOM_BYTES", whole)
        assert len(run(ListBookingsOperator)) == 50

    def test_no_more_is_read_than_fits(self, run, jicoo_sandbox, monkeypatch):
        jicoo_sandbox.reset(bookings=1000)
        monkeypatch.setattr(xcom, "XCOM_BYTES", 60 * 600)
        with pytest.raises(AirflowFailException, match=r"too large for an XCom .* give limit"):
            run(ListBookingsOperator)
        assert jicoo_sandbox.count() <= 3

    @pytest.mark.parametrize("how", ["surrogate", "hosts=null", "no-uid"])
    def test_a_booking_that_cannot_be_read_is_named(self, run, jicoo_sandbox, how):
        jicoo_sandbox.break_row(jicoo_sandbox.bookings()[3]["uid"], how)
        with pytest.raises(AirflowFailException, match=r"Row that cannot be used: .*row \d+ of page 1"):
            run(ListBookingsOperator)

    def test_it_goes_through_a_list_that_moves(self, run, jicoo_sandbox, quick_retries):
        jicoo_sandbox.reset(bookings=130)
        jicoo_sandbox.fail("rate_limit", times=3)
        assert len(run(ListBookingsOperator)) == 130


class TestWhetherAnEarlierTryHasMadeABooking:
    """It cannot always be told: then a retry sends nothing and says how to look, and who has looked clears it."""

    pytestmark = pytest.mark.usefixtures("grace")

    def test_the_list_cannot_be_proved(self, run, jicoo_sandbox, create):
        other = jicoo_sandbox.add_booking(startedAt=SLOT, eventTypeId=create["event_type_id"])["uid"]
        jicoo_sandbox.break_row(other, "hosts=null")
        with pytest.raises(
            AirflowFailException, match=r"cannot be told .*hosts is null.* list the bookings that"
        ) as caught:
            run(CreateBookingOperator, **create, try_number=2, max_tries=1, retries=1)
        assert isinstance(caught.value.__context__, errors.AmbiguousOutcomeError)
        assert changes(jicoo_sandbox) == 0
        assert run(CreateBookingOperator, **create, try_number=2, max_tries=2, retries=1)["startedAt"]

    @pytest.mark.parametrize("status", [403, 404, 422])
    def test_its_guests_cannot_be_read(self, run, jicoo_sandbox, create, status):
        made = run(CreateBookingOperator, **create)
        path = f"/v1/bookings/{made['uid']}/contacts"
        jicoo_sandbox.fail("refused", path=path, share=1, status=status)
        with pytest.raises(AirflowFailException, match=rf"cannot be told .*{status}.* list the bookings that start"):
            run(CreateBookingOperator, **create, try_number=2, max_tries=1, retries=1)
        jicoo_sandbox.heal()
        jicoo_sandbox.fail("refused", path=path, status=status)  # for a moment
        assert run(CreateBookingOperator, **create, try_number=2, max_tries=1, retries=1) == made
        assert changes(jicoo_sandbox) == 1


class TestAnAnswerOfAnotherForm:
    """The form of Create Booking's answer is not documented."""

    @pytest.mark.parametrize("answer", [{"data": "made"}, {"data": None}, ["made"]])
    def test_it_is_passed_on(self, run, create, httpserver, jicoo_connection, answer):
        httpserver.expect_request("/v1/bookings").respond_with_json(answer)
        jicoo_connection(host=httpserver.url_for("").rstrip("/"), extra={"team_slug": "ours"})
        result = run(CreateBookingOperator, **create)
        assert result == (answer["data"] if isinstance(answer, dict) else answer)


class TestWhatIsWrongWithTheConnectionIsSaidBeforeAChange:
    """What is needed of it only behind the change, too: a guest would have been messaged by a task that fails."""

    def test_a_team_that_is_none(self, run, jicoo_sandbox, jicoo_connection):
        uid = next(row["uid"] for row in jicoo_sandbox.bookings() if row["status"] == "open")
        jicoo_connection(extra={"team_slug": ["ours"]})
        with pytest.raises(AirflowFailException, match="team_slug"):
            run(CancelBookingOperator, uid=uid)
        assert jicoo_sandbox.messages == []

    def test_it_is_looked_up_once(self, run, jicoo_sandbox, jicoo_connection, monkeypatch):
        uid = next(row["uid"] for row in jicoo_sandbox.bookings() if row["status"] == "open")
        jicoo_connection(extra={"team_slug": "ours"})
        asked = []
        find = JicooHook.get_connection
        monkeypatch.setattr(JicooHook, "get_connection", lambda *given: asked.append(1) or find(given[-1]))
        run(CancelBookingOperator, uid=uid)
        assert len(asked) == 1


class TestPrivateValues:
    def test_they_show_as_stars_and_stay_what_they_are(self, context, create):
        task = CreateBookingOperator(
            task_id="task", **{**create, "name": "{{ params.name }}"}, cc_emails=["{{ params.mail }}"]
        )
        task.render_template_fields(context(params={"name": "Guest", "mail": "cc@example.com"}))
        for name in ("guest_email", "name", "cc_emails"):
            assert str(getattr(task, name)) == repr(getattr(task, name)) == "***"
        assert task.name.value == "Guest"
        assert task.cc_emails.value == ["cc@example.com"]
        assert task.company is NOT_GIVEN
        assert task.time_zone == "Asia/Tokyo"

    @pytest.mark.parametrize("value", ["text", ["a"], {"a": 1}])
    def test_nothing_of_one_shows(self, value):
        assert f"{Masked(value)}" == str(Masked(value)) == repr([Masked(value)])[1:-1] == "***"

    def test_none_is_not_hidden(self, context):
        task = UpdateBookingOperator(task_id="task", uid="x", description=None)
        task.render_template_fields(context(params={}))
        assert task.description is None
