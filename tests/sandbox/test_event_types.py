"""The sandbox's event types, hosts and free slots."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_jicoo.sandbox import Sandbox

MONDAY = "2031-03-03T00:00:00.000Z"


@pytest.fixture
def uid(jicoo_sandbox):
    return jicoo_sandbox.event_types[0]["uid"]


@pytest.fixture
def slots(ask, uid):
    def slots(start, end):
        answer = ask(
            "GET", f"/v1/event_types/{uid}/available_schedules", params={"periodStart": start, "periodEnd": end}
        )
        assert answer.status_code == 200
        return answer.json()["data"]

    return slots


class TestEventTypes:
    def test_only_known_fields_are_shown(self, ask):
        rows = ask("GET", "/v1/event_types", params={"perPage": 3}).json()
        assert {frozenset(row) for row in rows["data"]} == {frozenset({"uid", "name", "status", "duration"})}
        assert (rows["totalCount"], rows["count"], rows["numberOfPages"]) == (7, 3, 3)

    def test_of_a_team(self, ask):
        assert ask("GET", "/v1/event_types", params={"teamId": "exampleteam"}).json()["totalCount"] == 7
        assert ask("GET", "/v1/event_types", params={"teamId": "other"}).json()["totalCount"] == 0

    def test_none(self, ask):
        for method, path in (
            ("GET", "/v1/event_types/nothing"),
            ("POST", "/v1/event_types/nothing/hosts"),
            ("PATCH", "/v1/event_types/nothing/hosts/u1"),
            ("DELETE", "/v1/event_types/nothing/hosts/u1"),
            ("POST", "/v1/teams/exampleteam/event_types/nothing/validate"),
        ):
            assert ask(method, path, json={}).status_code == 404, path


class TestHosts:
    def test_they_are_users(self, ask, jicoo_sandbox, uid):
        rows = ask("GET", "/v1/event_type_hosts", params={"eventTypeId": uid}).json()["data"]
        users = {user["uid"]: user for user in jicoo_sandbox.users}
        assert [row["sort"] for row in rows] == [0, 1, 2, 3]
        for row in rows:
            assert (row["name"], row["email"]) == (users[row["uid"]]["name"], users[row["uid"]]["email"])
            assert set(row) == {"uid", "name", "email", "profileImage", "role", "priority", "userType", "sort"}

    def test_the_event_type_must_be_said(self, ask):
        assert ask("GET", "/v1/event_type_hosts").status_code == 400
        assert ask("GET", "/v1/event_type_hosts", params={"eventTypeId": "nothing"}).json()["data"] == []

    def test_added_changed_removed(self, ask, jicoo_sandbox, uid):
        path = f"/v1/event_types/{uid}/hosts"
        user = next(
            each["uid"] for each in jicoo_sandbox.users if each["uid"] not in jicoo_sandbox.event_types[0]["hosts"]
        )
        made = ask("POST", path, json={"userId": user})
        assert made.status_code == 201
        assert made.json()["data"] == jicoo_sandbox.hosts(uid)[-1]
        assert ask("POST", path, json={"userId": user}).status_code == 422
        assert ask("POST", path, json={"userId": "nobody"}).status_code == 422
        assert ask("PATCH", f"{path}/{user}", json={"priority": 3}).json()["data"]["priority"] == 3
        assert ask("PATCH", f"{path}/{user}", json={}).json()["data"]["priority"] == 3
        assert ask("PATCH", f"{path}/{user}", json={"priority": 4}).status_code == 422
        assert ask("DELETE", f"{path}/{user}").status_code == 204
        assert ask("DELETE", f"{path}/{user}").status_code == 404

    def test_the_last_one_stays(self, ask, jicoo_sandbox, uid):
        statuses = [
            ask("DELETE", f"/v1/event_types/{uid}/hosts/{host['uid']}").status_code for host in jicoo_sandbox.hosts(uid)
        ]
        assert statuses == [204, 204, 204, 422]

    def test_they_outlive_a_restart(self, tmp_path):
        with Sandbox(bookings=1, state=tmp_path / "state") as sandbox:
            uid = sandbox.event_types[0]["uid"]
            sandbox._state.keep(
                "event_type", {**sandbox._state.rows.event_types[uid], "hosts": sandbox.event_types[0]["hosts"][:1]}
            )
            before = sandbox.hosts(uid)
        with Sandbox(bookings=1, state=tmp_path / "state") as sandbox:
            assert sandbox.hosts(uid) == before
            assert len(before) == 1

    def test_who_is_only_told_takes_no_booking(self, ask, jicoo_sandbox, uid):
        jicoo_sandbox.reset(bookings=0)
        stranger = next(
            each["uid"] for each in jicoo_sandbox.users if each["uid"] not in jicoo_sandbox.event_types[0]["hosts"]
        )
        ask("POST", f"/v1/event_types/{uid}/hosts", json={"userId": stranger, "userType": "notifyHost"})
        body = {
            "startedAt": MONDAY,
            "timeZone": "Asia/Tokyo",
            "eventTypeId": uid,
            "email": "a@example.com",
            "name": "A",
            "locationId": None,
        }
        statuses = [ask("POST", "/v1/bookings", json=body).status_code for _ in range(5)]
        assert statuses == [201, 201, 201, 201, 422]


class TestFreeSlots:
    def test_a_week(self, slots, jicoo_sandbox):
        jicoo_sandbox.reset(bookings=0)
        found = slots(MONDAY, "2031-03-10T00:00:00.000Z")
        # Monday to Friday, and the one on the following Monday at which the period ends.
        assert len(found) == 5 * 18 + 1
        assert found[0] == {"startedAt": MONDAY, "remainingCapacity": 4}
        assert found[-1]["startedAt"] == "2031-03-10T00:00:00.000Z"

    def test_a_booking_takes_a_host(self, slots, jicoo_sandbox):
        jicoo_sandbox.reset(bookings=0)
        hosts = [{"userId": jicoo_sandbox.event_types[0]["hosts"][0], "role": "admin"}]
        jicoo_sandbox.add_booking(hosts=hosts, startedAt=MONDAY, endedAt="2031-03-03T00:45:00.000Z")
        found = slots(MONDAY, "2031-03-03T01:00:00.000Z")
        assert [slot["remainingCapacity"] for slot in found] == [3, 3, 4]

    def test_nothing_that_is_over(self, slots, jicoo_sandbox):
        now = jicoo_sandbox.now
        assert slots((now - timedelta(days=6)).isoformat(), (now - timedelta(minutes=1)).isoformat()) == []

    @pytest.mark.parametrize(
        ("start", "end", "status"),
        [
            (MONDAY, "2031-03-10T00:00:00.001Z", 422),
            (MONDAY, MONDAY, 422),
            (MONDAY, "2031-03-02T00:00:00.000Z", 422),
            (MONDAY, "2031-03-04", 400),
            ("2031-03-03T00:00:00", "2031-03-04T00:00:00Z", 400),
            (None, MONDAY, 400),
            (MONDAY, None, 400),
            ("9999-12-30T00:00:00Z", "9999-12-31T23:59:59Z", 200),
        ],
    )
    def test_periods(self, ask, uid, start, end, status):
        given = {"periodStart": start, "periodEnd": end}
        params = {name: value for name, value in given.items() if value is not None}
        assert ask("GET", f"/v1/event_types/{uid}/available_schedules", params=params).status_code == status


class TestValidate:
    def test_it_makes_an_address(self, ask, uid):
        body = {"name": "John Doe", "email": "john@example.com"}
        answers = [ask("POST", f"/v1/teams/exampleteam/event_types/{uid}/validate", json=body) for _ in range(2)]
        assert {answer.status_code for answer in answers} == {201}
        assert answers[0].json()["data"]["url"] != answers[1].json()["data"]["url"]

    @pytest.mark.parametrize(
        ("team", "body", "status"),
        [
            ("other", {"name": "A", "email": "a@example.com"}, 404),
            ("exampleteam", {"name": "A"}, 400),
            ("exampleteam", {"name": "A", "email": "a"}, 400),
            ("exampleteam", {"name": "", "email": "a@example.com"}, 400),
        ],
    )
    def test_what_is_wrong(self, ask, uid, team, body, status):
        assert ask("POST", f"/v1/teams/{team}/event_types/{uid}/validate", json=body).status_code == status
