from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_provider_jicoo.api import models
from airflow_provider_jicoo.sandbox import Sandbox

Ask = Callable[..., requests.Response]

NOON = "2031-03-03T03:00:00.000Z"
ONE = "2031-03-03T04:00:00.000Z"
TWO = "2031-03-03T05:00:00.000Z"


@pytest.fixture
def booking(jicoo_sandbox: Sandbox) -> dict[str, Any]:
    return jicoo_sandbox.add_booking(startedAt=NOON, endedAt=ONE, description="as it was", priority="low")


def create_body(sandbox: Sandbox, **fields: Any) -> dict[str, Any]:
    return {
        "startedAt": NOON,
        "timeZone": "Asia/Tokyo",
        "eventTypeId": sandbox.event_types[0]["uid"],
        "email": "jane@example.com",
        "name": "Jane Roe",
        "locationId": None,
        **fields,
    }


class TestKey:
    def test_without_a_key_nothing_is_told(self, jicoo_sandbox: Sandbox) -> None:
        answer = requests.get(f"{jicoo_sandbox.url}/v1/bookings", timeout=5)

        assert (answer.status_code, answer.json()) == (
            401,
            {"data": None, "errors": {"base": ["No valid API key provided."]}},
        )

    def test_a_bearer_token_is_no_key(self, jicoo_sandbox: Sandbox) -> None:
        headers = {"Authorization": f"Bearer {jicoo_sandbox.api_key}"}

        assert requests.get(f"{jicoo_sandbox.url}/v1/bookings", headers=headers, timeout=5).status_code == 401

    @pytest.mark.parametrize("path", ["/v1/bookings", "/v1/bookings/x", "/v1/nothing"])
    def test_the_forbidden_key_gets_403(self, jicoo_sandbox: Sandbox, ask: Ask, path: str) -> None:
        assert ask("GET", path, headers={"X-Jicoo-Api-Key": jicoo_sandbox.forbidden_key}).status_code == 403

    def test_a_revoked_key_gets_401_until_the_reset(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        jicoo_sandbox.revoke_key()
        assert ask("GET", "/v1/bookings").status_code == 401
        jicoo_sandbox.reset()
        assert ask("GET", "/v1/bookings").status_code == 200


class TestRoutes:
    def test_an_unknown_path_is_404_in_jicoos_form(self, ask: Ask) -> None:
        answer = ask("GET", "/v1/nothing")

        assert (answer.status_code, answer.json()["errors"]) == (404, {"base": ["Not Found"]})

    def test_an_unknown_method_says_which_there_are(self, ask: Ask) -> None:
        answer = ask("DELETE", "/v1/bookings/x")

        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, PATCH")


class TestList:
    def test_the_envelope(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        answer = ask("GET", "/v1/bookings", params={"page": 3, "perPage": 20}).json()

        assert {name: answer[name] for name in answer if name != "data"} == {
            "errors": {},
            "totalCount": 50,
            "count": 10,
            "currentPage": 3,
            "numberOfPages": 3,
        }
        for row in answer["data"]:
            assert row == jicoo_sandbox.booking(row["uid"])
            assert row.keys() == models.Booking.__annotations__.keys()

    def test_the_pages_hold_each_booking_once(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        uids = [
            row["uid"]
            for page in range(1, 9)
            for row in ask("GET", "/v1/bookings", params={"page": page, "perPage": 7}).json()["data"]
        ]

        assert sorted(uids) == sorted(row["uid"] for row in jicoo_sandbox.bookings())

    def test_a_page_is_never_larger_than_the_maximum(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        jicoo_sandbox.reset(bookings=120)
        answer = ask("GET", "/v1/bookings", params={"perPage": 1000}).json()

        assert (answer["count"], len(answer["data"]), answer["numberOfPages"]) == (100, 100, 2)

    def test_behind_the_last_page_there_is_nothing(self, ask: Ask) -> None:
        answer = ask("GET", "/v1/bookings", params={"page": 99}).json()

        assert (answer["data"], answer["count"], answer["totalCount"]) == ([], 0, 50)

    @pytest.mark.parametrize("order", ["startedAt", "createdAt"])
    @pytest.mark.parametrize("sort", ["asc", "desc"])
    def test_sort_is_the_direction_and_order_the_column(self, ask: Ask, order: str, sort: str) -> None:
        rows = ask("GET", "/v1/bookings", params={"order": order, "sort": sort, "perPage": 100}).json()["data"]

        keys = [(row[order], row["uid"]) for row in rows]
        assert keys == sorted(keys, reverse=sort == "desc")

    @pytest.mark.parametrize("status", ["open", "cancel"])
    def test_status(self, jicoo_sandbox: Sandbox, ask: Ask, status: str) -> None:
        rows = ask("GET", "/v1/bookings", params={"status": status, "perPage": 100}).json()["data"]

        assert {row["uid"] for row in rows} == {
            row["uid"] for row in jicoo_sandbox.bookings() if row["status"] == status
        }

    def test_times_bound_the_whole_booking_and_may_have_any_offset(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        jicoo_sandbox.reset(bookings=0)
        inside = jicoo_sandbox.add_booking(startedAt=NOON, endedAt=ONE)
        jicoo_sandbox.add_booking(startedAt=NOON, endedAt=TWO)
        jicoo_sandbox.add_booking(startedAt="2031-03-03T02:59:59.999Z", endedAt=ONE)
        between = {"startedAt": "2031-03-03T12:00:00+09:00", "endedAt": ONE}

        assert ask("GET", "/v1/bookings", params=between).json()["data"] == [inside]

    def test_a_change_moves_the_booking_in_the_list(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        first = ask("GET", "/v1/bookings", params={"perPage": 1}).json()["data"][0]
        jicoo_sandbox.edit(first["uid"], startedAt=NOON, endedAt=ONE)
        assert ask("GET", "/v1/bookings", params={"perPage": 1}).json()["data"][0]["uid"] != first["uid"]
        jicoo_sandbox.delete(first["uid"])
        assert ask("GET", "/v1/bookings").json()["totalCount"] == 49

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"page": "0"}, "page"),
            ({"page": "x"}, "page"),
            ({"perPage": "-1"}, "perPage"),
            ({"status": "request"}, "status"),
            ({"sort": "startedAt"}, "sort"),
            ({"order": "asc"}, "order"),
            ({"startedAt": "2031-03-03"}, "startedAt"),
            ({"startedAt": "2031-03-03T00:00:00"}, "startedAt"),
            ({"endedAt": "2031-13-03T00:00:00Z"}, "endedAt"),
        ],
    )
    def test_a_bad_query_is_400(self, ask: Ask, query: dict[str, str], field: str) -> None:
        answer = ask("GET", "/v1/bookings", params=query)

        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


class TestGet:
    def test_gives_the_booking(self, booking: dict[str, Any], ask: Ask) -> None:
        assert ask("GET", f"/v1/bookings/{booking['uid']}").json() == {"data": booking, "errors": {}}

    @pytest.mark.parametrize("first", ["_", "-"])
    def test_a_uid_may_begin_with_anything(self, jicoo_sandbox: Sandbox, ask: Ask, first: str) -> None:
        uid = next(row["uid"] for row in jicoo_sandbox.bookings() if row["uid"].startswith(first))

        assert ask("GET", f"/v1/bookings/{uid}").json()["data"]["uid"] == uid

    def test_contacts(self, jicoo_sandbox: Sandbox, booking: dict[str, Any], ask: Ask) -> None:
        rows = ask("GET", f"/v1/bookings/{booking['uid']}/contacts").json()["data"]

        assert rows == jicoo_sandbox.contacts(booking["uid"])
        assert rows[0].keys() == models.BookingContact.__annotations__.keys()

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/bookings/nobody"),
            ("GET", "/v1/bookings/nobody/contacts"),
            ("PATCH", "/v1/bookings/nobody"),
            ("POST", "/v1/bookings/nobody/cancel"),
            ("POST", "/v1/bookings/nobody/reschedule"),
        ],
    )
    def test_what_is_not_there_is_404(self, ask: Ask, method: str, path: str) -> None:
        assert ask(method, path, json={}).status_code == 404


class TestUpdate:
    def test_only_what_was_sent_changes(self, jicoo_sandbox: Sandbox, booking: dict[str, Any], ask: Ask) -> None:
        answer = ask("PATCH", f"/v1/bookings/{booking['uid']}", json={"name": "New", "description": None})

        after = answer.json()["data"]
        assert after == {**booking, "name": "New", "description": None, "updatedAt": after["updatedAt"]}
        assert after["updatedAt"] > booking["updatedAt"]
        assert after == jicoo_sandbox.booking(booking["uid"])

    def test_hosts_replace_the_list(self, jicoo_sandbox: Sandbox, booking: dict[str, Any], ask: Ask) -> None:
        hosts = [{"userId": user["uid"], "role": "editor"} for user in jicoo_sandbox.users[6:8]]

        assert ask("PATCH", f"/v1/bookings/{booking['uid']}", json={"hosts": hosts}).json()["data"]["hosts"] == hosts

    @pytest.mark.parametrize(
        "body", [{}, {"isSendUpdates": False}, {"updateMessage": "hello"}, {"description": "as it was"}]
    )
    def test_no_change_leaves_updated_at(self, booking: dict[str, Any], ask: Ask, body: dict[str, Any]) -> None:
        answer = ask("PATCH", f"/v1/bookings/{booking['uid']}", json=body)

        assert (answer.status_code, answer.json()["data"]) == (200, booking)

    def test_two_changes_within_a_millisecond_differ(self, jicoo_sandbox: Sandbox, booking: dict[str, Any]) -> None:
        stamps = [jicoo_sandbox.edit(booking["uid"], name=f"name {n}")["updatedAt"] for n in range(20)]

        assert stamps == sorted(set(stamps))

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"name": None}, "name"),
            ({"name": 1}, "name"),
            ({"status": "cancel"}, "status"),
            ({"time_zone": "Asia/Tokyo"}, "time_zone"),
            ({"timeZone": "Asia/Tokio"}, "timeZone"),
            ({"priority": "urgent"}, "priority"),
            ({"startedAt": NOON[:-1], "timeZone": "Asia/Tokyo"}, "startedAt"),
            ({"startedAt": 1}, "startedAt"),
            ({"endedAt": NOON}, "endedAt"),
            ({"startedAt": TWO}, "endedAt"),
            ({"hosts": []}, "hosts"),
            ({"hosts": [{"userId": "x"}]}, "hosts.0.role"),
            ({"hosts": [{"user_id": "x", "role": "admin"}]}, "hosts.0.user_id"),
            ({"hosts": [{"userId": "nobody", "role": "admin"}]}, "hosts"),
            ({"hosts": [{"userId": "nobody", "role": "admin"}] * 2}, "hosts"),
            ({"updateMessage": "x" * 2001}, "updateMessage"),
            ({"isSendUpdates": "true"}, "isSendUpdates"),
            ([], "base"),
        ],
    )
    def test_what_the_api_does_not_allow_is_422(
        self, jicoo_sandbox: Sandbox, booking: dict[str, Any], ask: Ask, body: Any, field: str
    ) -> None:
        answer = ask("PATCH", f"/v1/bookings/{booking['uid']}", json=body)

        assert answer.status_code == 422
        assert answer.json()["data"] is None
        assert field in answer.json()["errors"]
        assert jicoo_sandbox.booking(booking["uid"]) == booking

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"name": NaN}', b"[" * 100_000, b"1" * 5_000])
    def test_what_is_not_json_is_refused(self, booking: dict[str, Any], ask: Ask, body: bytes) -> None:
        answer = ask("PATCH", f"/v1/bookings/{booking['uid']}", data=body)

        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["base"])

    def test_guests_hear_of_it_only_if_asked(self, jicoo_sandbox: Sandbox, booking: dict[str, Any], ask: Ask) -> None:
        path = f"/v1/bookings/{booking['uid']}"
        ask("PATCH", path, json={"name": "a"})
        ask("PATCH", path, json={"name": "b", "isSendUpdates": False, "updateMessage": "hello"})
        assert jicoo_sandbox.messages == []

        ask("PATCH", path, json={"name": "c", "isSendUpdates": True})
        ask("PATCH", path, json={"name": "c", "isSendUpdates": True})
        ask("PATCH", path, json={"name": None, "isSendUpdates": True})
        assert [(message.kind, message.request) for message in jicoo_sandbox.messages] == [("update", 3), ("update", 4)]


class TestCancel:
    @pytest.mark.parametrize("body", [b"", b"{}"])
    def test_cancels(self, jicoo_sandbox: Sandbox, booking: dict[str, Any], ask: Ask, body: bytes) -> None:
        after = ask("POST", f"/v1/bookings/{booking['uid']}/cancel", data=body).json()["data"]

        assert (after["status"], after["cancelledBy"], after["cancelReason"]) == ("cancel", "host", None)
        assert booking["updatedAt"] < after["cancelledAt"] <= after["updatedAt"]
        assert jicoo_sandbox.booking(booking["uid"]) == after

    def test_not_twice(self, jicoo_sandbox: Sandbox, booking: dict[str, Any], ask: Ask) -> None:
        ask("POST", f"/v1/bookings/{booking['uid']}/cancel")

        assert ask("POST", f"/v1/bookings/{booking['uid']}/cancel").status_code == 422
        assert len(jicoo_sandbox.messages) == 1

    def test_takes_no_reason(self, jicoo_sandbox: Sandbox, booking: dict[str, Any], ask: Ask) -> None:
        assert ask("POST", f"/v1/bookings/{booking['uid']}/cancel", json={"reason": "closed"}).status_code == 422
        assert jicoo_sandbox.booking(booking["uid"]) == booking

    def test_each_guest_gets_a_message(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        booking = jicoo_sandbox.add_booking(contacts=[{}, {"name": "Jane Roe"}])
        ask("GET", "/v1/bookings")
        ask("POST", f"/v1/bookings/{booking['uid']}/cancel")

        assert [(told.uid, told.kind, told.guest, told.request) for told in jicoo_sandbox.messages] == [
            (booking["uid"], "cancel", 0, 2),
            (booking["uid"], "cancel", 1, 2),
        ]


class TestReschedule:
    def test_moves_start_and_end(self, jicoo_sandbox: Sandbox, booking: dict[str, Any], ask: Ask) -> None:
        body = {"startedAt": "2031-03-04T12:00:00+09:00", "timeZone": "Europe/Berlin"}
        after = ask("POST", f"/v1/bookings/{booking['uid']}/reschedule", json=body).json()["data"]

        assert (after["startedAt"], after["endedAt"]) == ("2031-03-04T03:00:00.000Z", "2031-03-04T04:00:00.000Z")
        assert (after["timeZone"], after["status"]) == ("Europe/Berlin", "open")
        assert [message.kind for message in jicoo_sandbox.messages] == ["reschedule"]

    @pytest.mark.parametrize(
        ("other", "status"),
        [
            ({"startedAt": ONE, "endedAt": TWO}, 422),
            ({"startedAt": "2031-03-03T04:59:00Z", "endedAt": "2031-03-03T06:00:00Z"}, 422),
            ({"startedAt": TWO, "endedAt": "2031-03-03T06:00:00Z"}, 200),
            ({"startedAt": ONE, "endedAt": TWO, "status": "cancel"}, 200),
            ({"startedAt": ONE, "endedAt": TWO, "status": "request"}, 200),
            ({"startedAt": ONE, "endedAt": TWO, "hosts": []}, 200),
        ],
    )
    def test_only_onto_a_free_slot(
        self, jicoo_sandbox: Sandbox, booking: dict[str, Any], ask: Ask, other: dict[str, Any], status: int
    ) -> None:
        jicoo_sandbox.add_booking(**{"hosts": booking["hosts"], **other})
        body = {"startedAt": ONE, "timeZone": "Asia/Tokyo"}
        answer = ask("POST", f"/v1/bookings/{booking['uid']}/reschedule", json=body)

        assert answer.status_code == status
        assert (jicoo_sandbox.booking(booking["uid"])["startedAt"] == ONE) is (status == 200)
        assert len(jicoo_sandbox.messages) == (status == 200)

    def test_may_overlap_itself(self, booking: dict[str, Any], ask: Ask) -> None:
        body = {"startedAt": "2031-03-03T03:30:00Z", "timeZone": "Asia/Tokyo"}

        assert ask("POST", f"/v1/bookings/{booking['uid']}/reschedule", json=body).status_code == 200

    def test_not_after_the_cancel(self, jicoo_sandbox: Sandbox, booking: dict[str, Any], ask: Ask) -> None:
        jicoo_sandbox.edit(booking["uid"], status="cancel")
        body = {"startedAt": TWO, "timeZone": "Asia/Tokyo"}

        assert ask("POST", f"/v1/bookings/{booking['uid']}/reschedule", json=body).status_code == 422

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"startedAt": TWO}, "timeZone"),
            ({"timeZone": "Asia/Tokyo"}, "startedAt"),
            ({"timeZone": "Asia/Tokyo", "startedAt": "1969-12-31T00:00:00Z"}, "startedAt"),
            ({"timeZone": "Asia/Tokyo", "startedAt": "9999-12-31T23:59:00Z"}, "startedAt"),
        ],
    )
    def test_needs_both(self, booking: dict[str, Any], ask: Ask, body: dict[str, Any], field: str) -> None:
        answer = ask("POST", f"/v1/bookings/{booking['uid']}/reschedule", json=body)

        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


class TestCreate:
    def test_makes_a_booking_and_its_guest(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        kind = jicoo_sandbox.event_types[0]
        question = next(iter(kind["questions"]))
        fields = {"company": "Roe Ltd", "answers": [{"questionUid": question, "content": "yes"}], "locale": "en"}
        answer = ask("POST", "/v1/bookings", json=create_body(jicoo_sandbox, **fields))

        made = answer.json()["data"]
        assert (answer.status_code, made) == (201, jicoo_sandbox.booking(made["uid"]))
        assert (made["startedAt"], made["endedAt"]) == (NOON, "2031-03-03T03:30:00.000Z")
        assert (made["eventTypeId"], made["status"], made["locationId"]) == (kind["uid"], "open", kind["locationId"])
        assert made.keys() == models.Booking.__annotations__.keys()
        (guest,) = jicoo_sandbox.contacts(made["uid"])
        assert (guest["name"], guest["email"], guest["company"]) == ("Jane Roe", "jane@example.com", "Roe Ltd")
        assert guest["answers"] == [{"question": kind["questions"][question], "content": ["yes"]}]
        assert [(message.uid, message.kind) for message in jicoo_sandbox.messages] == [(made["uid"], "create")]

    def test_an_event_type_with_approval_makes_a_request(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        kind = next(kind["uid"] for kind in jicoo_sandbox.event_types if kind["needsApproval"])
        body = create_body(jicoo_sandbox, eventTypeId=kind, locationId="phone")
        made = ask("POST", "/v1/bookings", json=body).json()["data"]

        assert (made["status"], made["locationId"]) == ("request", "phone")

    def test_takes_a_free_host_until_none_is(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        body = create_body(jicoo_sandbox)
        answers = [ask("POST", "/v1/bookings", json=body) for _ in range(5)]

        assert [answer.status_code for answer in answers] == [201] * 4 + [422]
        hosts = {answer.json()["data"]["hosts"][0]["userId"] for answer in answers[:4]}
        assert hosts == set(jicoo_sandbox.event_types[0]["hosts"])

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"eventTypeId": "nothing"}, "eventTypeId"),
            ({"email": "nobody"}, "email"),
            ({"name": "x" * 65}, "name"),
            ({"location": None}, "location"),
            ({"startedAt": "9999-12-31T23:59:00Z"}, "startedAt"),
        ],
    )
    def test_bad_fields(self, jicoo_sandbox: Sandbox, ask: Ask, change: dict[str, Any], field: str) -> None:
        answer = ask("POST", "/v1/bookings", json=create_body(jicoo_sandbox, **change))

        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
        assert len(jicoo_sandbox.bookings()) == 50

    def test_a_location_is_required(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        body = create_body(jicoo_sandbox)
        del body["locationId"]

        assert ask("POST", "/v1/bookings", json=body).json()["errors"] == {"locationId": ["Field required"]}

    def test_half_a_character_does_no_harm(self, jicoo_sandbox: Sandbox, ask: Ask) -> None:
        booking = jicoo_sandbox.bookings()[0]
        answer = ask("PATCH", f"/v1/bookings/{booking['uid']}", data=b'{"\\ud800": 1, "name": "\\ud800"}')

        assert answer.status_code == 422
