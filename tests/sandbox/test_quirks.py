"""Each quirk, as a client sees it over HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_jicoo.sandbox import Sandbox
from airflow_provider_jicoo.sandbox.quirks import QUIRKS, Quirks, described

NOW = datetime(2026, 1, 15, 3, 30, tzinfo=timezone.utc)
LISTS = {
    "bookings": {},
    "event_types": {},
    "event_type_hosts": {"eventTypeId": "?"},
    "schedules": {},
    "user_availability_calendars": {"userId": "?"},
    "organization_users": {},
    "organization_invitations": {},
    "teams": {},
}


class Jicoo:
    """A sandbox with some quirks, and a client that knows the key."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.sandbox = sandbox
        self._session = session

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"X-Jicoo-Api-Key": self.sandbox.api_key}
        return self._session.request(method, f"{self.sandbox.url}/v1/{path}", headers=headers, timeout=10, **options)

    def list(self, path: str = "bookings", **params: Any) -> dict[str, Any]:
        answer = self.ask("GET", path, params={**self.needed(path), **params})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def needed(self, path: str) -> dict[str, str]:
        """What a list cannot do without."""
        uids = {"eventTypeId": self.sandbox.event_types[0]["uid"], "userId": self.sandbox.users[0]["uid"]}
        return {name: uids[name] for name in LISTS[path]}

    def uids(self, path: str = "bookings", **params: Any) -> list[str]:
        return [row["uid"] for row in self.list(path, **params)["data"]]

    def get(self, uid: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"bookings/{uid}").json()["data"]
        return found

    def add(self, **fields: Any) -> str:
        return str(self.sandbox.add_booking(**fields)["uid"])

    def patch(self, uid: str, **fields: Any) -> requests.Response:
        return self.ask("PATCH", f"bookings/{uid}", json=fields)

    def patched(self, **fields: Any) -> dict[str, Any]:
        """What became of a booking that was patched, after the answer was seen to say the same."""
        uid = self.add()
        answer = self.patch(uid, **fields)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"] == self.get(uid)
        return self.get(uid)


Start = Callable[..., Jicoo]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(*quirks: str, bookings: int = 0, **options: Any) -> Jicoo:
            sandbox = Sandbox(bookings=bookings, now=NOW, quirks=quirks, **options)
            session = stack.enter_context(requests.Session())
            return Jicoo(stack.enter_context(sandbox), session)

        yield begin


def test_each_quirk_is_tested_here() -> None:
    here = Path(__file__).read_text()

    assert [name for name in QUIRKS if not re.search(rf'"{name}["=]', here)] == []


def test_each_is_described_in_a_sentence() -> None:
    said = described()

    for name, kind in QUIRKS.items():
        assert re.search(rf"^{name}(\[=\S+\])?$", said, re.M), name
        assert kind.__doc__
        assert kind.__doc__ != kind.__mro__[1].__doc__, f"{name} has its own words"
    assert "page-cap[=20]\n    A page has so many rows at the most" in said
    assert "``" not in said


@pytest.mark.parametrize("name", QUIRKS)
def test_each_leaves_the_rest_as_it_is(start: Start, name: str) -> None:
    """The sandbox answers, creates, changes and cancels with every quirk."""
    jicoo = start(name, bookings=30)
    booking = next(row for row in jicoo.sandbox.bookings() if row["status"] == "open")
    answers = [
        jicoo.ask("GET", "bookings", params={"perPage": 10}),
        jicoo.ask("GET", "teams", params={"perPage": 10}),
        jicoo.ask("GET", f"bookings/{booking['uid']}"),
        jicoo.patch(booking["uid"], name="John", timeZone="Asia/Tokyo"),
        jicoo.ask("POST", f"bookings/{booking['uid']}/cancel"),
        jicoo.ask("GET", "bookings/nobody"),
    ]
    jicoo.sandbox.settle()

    assert [answer.status_code for answer in answers[:3]] == [200, 200, 200]
    assert {answer.status_code for answer in answers[3:5]} <= {200, 204}
    assert answers[5].status_code == 404
    assert jicoo.sandbox.booking(booking["uid"])["status"] == "cancel"
    told = name == "messages-by-default"
    assert [(one.kind, one.is_messaged) for one in jicoo.sandbox.changes] == [("update", told), ("cancel", True)]


class TestChoosing:
    def test_none_by_default(self, jicoo_sandbox: Sandbox) -> None:
        assert jicoo_sandbox.quirks == ()

    def test_they_can_be_combined(self, start: Start) -> None:
        jicoo = start("crlf", "trimmed-names", "page-cap=3", bookings=10)
        row = jicoo.patched(name=" a ", description="b\nc")

        assert (row["name"], row["description"]) == ("a", "b\r\nc")
        assert len(jicoo.uids(perPage=5)) == 3

    def test_they_can_be_set_while_it_runs(self, start: Start) -> None:
        jicoo = start(bookings=50)
        assert len(jicoo.uids(status="cancel")) < 50
        jicoo.sandbox.quirks = ["status-ignored"]
        assert jicoo.list(status="cancel")["totalCount"] == 50
        assert jicoo.sandbox.quirks == ("status-ignored",)
        jicoo.sandbox.quirks = []
        assert jicoo.list(status="cancel")["totalCount"] < 50

    @pytest.mark.parametrize(
        ("quirk", "said"),
        [
            (
                "trimed-names",
                "no quirk 'trimed-names'; did you mean 'trimmed-names'? there are trimmed-names, collapsed",
            ),
            ("nonsense", "no quirk 'nonsense'; there are trimmed-names"),
            ("page-cap=many", "the quirk page-cap: 'many' is not a whole number from 1"),
            ("page-cap=0", "the quirk page-cap: '0' is not a whole number from 1"),
            ("late-list=soon", "the quirk late-list: 'soon' is not a time such as 50ms or 0.5s"),
            ("crlf=1", "the quirk crlf takes no value, so not '1'"),
            ("stored-otherwise=colour", "the quirk stored-otherwise: no field 'colour'; there are priority, name"),
            ("bad-rows=rust", "the quirk bad-rows: no damage 'rust'; there are surrogate"),
            ("bomb", "'bomb' is not a quirk but a fault"),
        ],
    )
    def test_a_wrong_one_is_refused(self, quirk: str, said: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
            Sandbox(bookings=0, quirks=[quirk])

    def test_none_twice(self) -> None:
        with pytest.raises(ValueError, match="the quirk page-cap is given twice"):
            Quirks(["page-cap=2", "page-cap=3"])

    @pytest.mark.jicoo_sandbox(quirks=["trimmed-names"], bookings=3)
    def test_in_a_test_by_its_mark(self, jicoo_sandbox: Sandbox) -> None:
        assert jicoo_sandbox.quirks == ("trimmed-names",)
        assert len(jicoo_sandbox.bookings()) == 3


class TestWriting:
    @pytest.mark.parametrize(
        ("quirk", "sent", "stored"),
        [
            ("trimmed-names", {"name": " a  b\u3000"}, {"name": "a  b"}),
            (
                "collapsed-blanks",
                {"name": "a  b", "description": "c \t d\n\ne"},
                {"name": "a b", "description": "c d\n\ne"},
            ),
            ("nfc", {"name": "Ame\u0301lie"}, {"name": "Amélie"}),
            ("nfkc", {"name": "Ａ１ ｶﾞ"}, {"name": "A1 ガ"}),
            ("crlf", {"description": "a\nb\r\nc"}, {"description": "a\r\nb\r\nc"}),
            ("lf", {"description": "a\r\nb\nc"}, {"description": "a\nb\nc"}),
            ("escaped-html", {"name": "A & B <c>"}, {"name": "A &amp; B &lt;c&gt;"}),
            ("cut-names=3", {"name": "abcdef"}, {"name": "abc"}),
            ("null-for-empty", {"description": ""}, {"description": None}),
            ("empty-for-null", {"description": None, "priority": None}, {"description": "", "priority": None}),
            (
                "cut-to-minute",
                {"startedAt": "2031-03-03T01:02:03.456Z", "endedAt": "2031-03-03T02:00:59.999Z"},
                {"startedAt": "2031-03-03T01:02:00.000Z", "endedAt": "2031-03-03T02:00:00.000Z"},
            ),
            (
                "cut-to-second",
                {"startedAt": "2031-03-03T01:02:03.456Z", "endedAt": "2031-03-03T02:00:00.000Z"},
                {"startedAt": "2031-03-03T01:02:03.000Z", "endedAt": "2031-03-03T02:00:00.000Z"},
            ),
            ("stored-otherwise", {"priority": "high"}, {"priority": "low"}),
            ("stored-otherwise=timeZone", {"timeZone": "Asia/Tokyo"}, {"timeZone": "Etc/UTC"}),
            ("stored-otherwise=name", {"name": "a"}, {"name": "a (Jicoo)"}),
            ("ignored-field", {"description": "new", "name": "a"}, {"description": None, "name": "a"}),
        ],
    )
    def test_what_is_stored(self, start: Start, quirk: str, sent: dict[str, Any], stored: dict[str, Any]) -> None:
        row = start(quirk).patched(**sent)

        assert {name: row[name] for name in stored} == stored

    @pytest.mark.parametrize("field", ["startedAt", "endedAt"])
    def test_a_time_is_stored_otherwise(self, start: Start, field: str) -> None:
        sent = {"startedAt": "2031-03-03T01:00:00.000Z", "endedAt": "2031-03-03T02:00:00.000Z"}
        row = start(f"stored-otherwise={field}").patched(**sent)

        assert row[field] == sent[field].replace(":00:00.000", ":15:00.000")

    def test_hosts(self, start: Start) -> None:
        jicoo = start("first-host-admin")
        first, second, *_ = (user["uid"] for user in jicoo.sandbox.users)
        sent = [{"userId": second, "role": "viewer"}, {"userId": first, "role": "editor"}]
        assert jicoo.patched(hosts=sent)["hosts"] == [{**sent[0], "role": "admin"}, sent[1]]
        jicoo.sandbox.quirks = ["sorted-hosts"]
        assert jicoo.patched(hosts=sent)["hosts"] == sorted(sent, key=lambda host: host["userId"])
        jicoo.sandbox.quirks = ["stored-otherwise=hosts"]
        assert jicoo.patched(hosts=sent)["hosts"] == sent[:1]

    def test_hosts_are_added(self, start: Start) -> None:
        jicoo = start("hosts-added")
        uid = jicoo.add()
        old = jicoo.get(uid)["hosts"]
        new = [{"userId": user["uid"], "role": "viewer"} for user in jicoo.sandbox.users[-2:]]

        assert jicoo.patch(uid, hosts=new).json()["data"]["hosts"] == [*old, *new]

    def test_host_fields_come_and_are_refused(self, start: Start) -> None:
        jicoo = start("host-fields")
        uid, user = jicoo.add(), jicoo.sandbox.users[0]
        jicoo.sandbox.edit(uid, hosts=[{"userId": user["uid"], "role": "admin"}])
        full = {"userId": user["uid"], "role": "admin", "name": user["name"], "email": user["email"]}

        assert jicoo.get(uid)["hosts"] == jicoo.list()["data"][0]["hosts"] == [{**full, "profileImage": None}]
        answer = jicoo.patch(uid, hosts=jicoo.get(uid)["hosts"])
        assert answer.status_code == 422
        assert "hosts.0.email" in answer.json()["errors"]
        assert jicoo.patch(uid, hosts=[{"userId": user["uid"], "role": "viewer"}]).status_code == 200

    def test_a_new_booking_too(self, start: Start) -> None:
        jicoo = start("trimmed-names", "nfc")
        event_type = jicoo.sandbox.event_types[0]
        body = {
            "startedAt": "2031-03-03T00:00:00.000Z",
            "timeZone": "Asia/Tokyo",
            "eventTypeId": event_type["uid"],
            "email": "amelie@example.com",
            "name": " Ame\u0301lie ",
            "locationId": None,
        }
        row = jicoo.ask("POST", "bookings", json=body).json()["data"]

        assert row["name"] == f"Amélie  / {event_type['name']}"
        assert jicoo.sandbox.contacts(row["uid"])[0]["name"] == "Amélie"

    def test_a_reschedule_too(self, start: Start) -> None:
        jicoo = start("cut-to-minute")
        body = {"startedAt": "2031-03-03T01:02:03.000Z", "timeZone": "Asia/Tokyo"}
        row = jicoo.ask("POST", f"bookings/{jicoo.add()}/reschedule", json=body).json()["data"]

        assert row["startedAt"] == "2031-03-03T01:02:00.000Z"

    def test_a_schedule_too(self, start: Start) -> None:
        jicoo = start("trimmed-names", "null-for-empty")
        uid = jicoo.sandbox.add_schedule()["uid"]
        row = jicoo.ask("PATCH", f"schedules/{uid}", json={"name": " a ", "description": ""}).json()["data"]

        assert (row["name"], row["description"]) == ("a", None)

    def test_what_a_test_puts_there_is_kept_as_it_is(self, start: Start) -> None:
        jicoo = start("trimmed-names")

        assert jicoo.get(jicoo.add(name=" a "))["name"] == " a "

    @pytest.mark.parametrize(
        ("quirk", "gone", "there"),
        [
            ("drift", "timeZone", "timezone"),
            ("drift=eventTypeId", "eventTypeId", "eventTypeUid"),
            ("drift=locationId", "locationId", "location"),
            ("drift=uid", "uid", "id"),
        ],
    )
    def test_drift(self, start: Start, quirk: str, gone: str, there: str) -> None:
        jicoo = start(quirk)
        uid = jicoo.add()

        for row in (jicoo.get(uid), *jicoo.list()["data"]):
            assert gone not in row
            assert row[there] == jicoo.sandbox.booking(uid)[gone]

    def test_drift_of_the_hosts(self, start: Start) -> None:
        jicoo = start("drift=userId")

        assert set(jicoo.get(jicoo.add())["hosts"][0]) == {"uid", "role"}

    @pytest.mark.parametrize("name", LISTS)
    def test_extra_fields(self, start: Start, name: str) -> None:
        jicoo = start("extra-fields", bookings=1)

        assert all({"version", "labels", "_links"} < row.keys() for row in jicoo.list(name)["data"])

    def test_no_nulls(self, start: Start) -> None:
        jicoo = start("no-nulls", bookings=20)

        for row in jicoo.list()["data"]:
            kept = {name: value for name, value in jicoo.sandbox.booking(row["uid"]).items() if value is not None}
            assert row == kept == jicoo.get(row["uid"])
            assert len(row) < 21

    def test_a_list_that_leaves_out_a_field(self, start: Start) -> None:
        jicoo = start("list-leaves-out", bookings=5)

        for row in jicoo.list()["data"]:
            whole = jicoo.get(row["uid"])
            assert whole == {**row, "description": jicoo.sandbox.booking(row["uid"])["description"]}
            assert "description" not in row

    def test_a_list_that_cuts_a_field(self, start: Start) -> None:
        jicoo = start("list-cuts=description", bookings=5)
        for booking in jicoo.sandbox.bookings():
            jicoo.sandbox.edit(booking["uid"], description="Please ring the bell.")

        assert {row["description"] for row in jicoo.list()["data"]} == {"Please rin"}
        assert {jicoo.get(row["uid"])["description"] for row in jicoo.list()["data"]} == {"Please ring the bell."}

    def test_the_word_for_a_cancelled_booking(self, start: Start) -> None:
        jicoo = start("cancelled-word", bookings=50)

        assert {row["status"] for row in jicoo.list(perPage=100)["data"]} == {"open", "request", "cancelled"}
        assert {row["status"] for row in jicoo.list(status="cancel")["data"]} == {"cancelled"}

    def test_forms_of_times(self, start: Start) -> None:
        jicoo = start("plain-times")
        uid = jicoo.add(startedAt="2031-03-03T01:00:00Z")
        assert jicoo.get(uid)["startedAt"] == "2031-03-03T01:00:00Z"
        assert jicoo.get(uid)["cancelledAt"] is None
        jicoo.sandbox.quirks = ["offset-times"]
        assert jicoo.list()["data"][0]["startedAt"] == "2031-03-03T01:00:00.000+00:00"


class TestRefusing:
    def test_a_change_of_what_is_cancelled(self, start: Start) -> None:
        jicoo = start("cancelled-fixed")

        assert jicoo.patch(jicoo.add(), name="new").status_code == 200
        answer = jicoo.patch(jicoo.add(status="cancel"), name="new")
        assert (answer.status_code, answer.json()["errors"]) == (422, {"status": ["the booking is cancelled"]})
        assert [change.kind for change in jicoo.sandbox.changes] == ["update"]

    def test_a_move_onto_a_taken_slot(self, start: Start) -> None:
        jicoo = start("moves-need-slot")
        taken = {"startedAt": "2031-03-03T01:00:00.000Z", "endedAt": "2031-03-03T02:00:00.000Z"}
        other = jicoo.sandbox.users[-1]["uid"]
        jicoo.add(**taken)
        uid = jicoo.add(startedAt="2031-03-04T01:00:00.000Z")
        assert jicoo.patch(uid, **taken).json()["errors"].keys() == {"startedAt"}
        assert jicoo.patch(uid, name="new").status_code == 200
        assert jicoo.patch(uid, **taken, hosts=[{"userId": other, "role": "admin"}]).status_code == 200
        hosts = [{"userId": jicoo.sandbox.event_types[0]["hosts"][0], "role": "admin"}]
        assert jicoo.patch(uid, hosts=hosts).status_code == 422

    def test_what_was_cancelled_is_gone(self, start: Start) -> None:
        jicoo = start("cancelled-gone")
        uid = jicoo.add()
        assert jicoo.ask("POST", f"bookings/{uid}/cancel").json()["data"]["status"] == "cancel"

        assert jicoo.ask("GET", f"bookings/{uid}").status_code == 404
        assert jicoo.patch(uid, name="new").status_code == 404
        assert jicoo.uids() == jicoo.uids(status="cancel") == []


class TestAnswers:
    def test_messages_by_default(self, start: Start) -> None:
        jicoo = start("messages-by-default")
        uid = jicoo.add()
        jicoo.patch(uid, name="new", isSendUpdates=False)
        assert jicoo.sandbox.messages == []
        jicoo.patch(uid, name="newer")
        assert len(jicoo.sandbox.messages) == 1

    def test_with_a_part(self, start: Start) -> None:
        jicoo = start("answers-part")
        uid = jicoo.add()
        answer = jicoo.patch(uid, name="new", timeZone="Asia/Tokyo").json()["data"]

        assert answer == {"uid": uid, "name": "new", "updatedAt": jicoo.get(uid)["updatedAt"]}

    def test_with_a_receipt(self, start: Start) -> None:
        jicoo = start("answers-receipt")
        uid = jicoo.add()

        assert jicoo.patch(uid, name="new").json()["data"] == {"queued": True}
        assert jicoo.get(uid)["name"] == "new"

    def change(self, jicoo: Jicoo, uid: str, kind: str) -> requests.Response:
        """Make a change of a kind, with a message."""
        if kind == "update":
            return jicoo.patch(uid, name="new", isSendUpdates=True)
        body = {"startedAt": "2031-03-03T01:00:00.000Z", "timeZone": "Asia/Tokyo"}
        return jicoo.ask("POST", f"bookings/{uid}/{kind}", json=body if kind == "reschedule" else {})

    @pytest.mark.parametrize("kind", ["update", "cancel", "reschedule"])
    def test_with_the_booking_as_it_was(self, start: Start, kind: str) -> None:
        jicoo = start("answers-before")
        uid = jicoo.add()
        before = jicoo.sandbox.booking(uid)

        assert self.change(jicoo, uid, kind).json()["data"] == before
        assert jicoo.get(uid) != before
        assert len(jicoo.sandbox.messages) == 1

    @pytest.mark.parametrize("kind", ["update", "cancel", "reschedule"])
    def test_with_nothing(self, start: Start, kind: str) -> None:
        jicoo = start("answers-null")
        uid, other = jicoo.add(), jicoo.add(hosts=[{"userId": jicoo.sandbox.users[-1]["uid"], "role": "admin"}])
        assert self.change(jicoo, uid, kind).json() == {"data": None, "errors": {}}
        jicoo.sandbox.quirks = ["answers-nothing"]
        answer = self.change(jicoo, other, kind)
        assert (answer.status_code, answer.content) == (204, b"")
        assert self.change(jicoo, "nobody", kind).status_code == 404
        assert len(jicoo.sandbox.changes) == 2

    @pytest.mark.parametrize("kind", ["update", "cancel", "reschedule"])
    def test_and_later_the_change(self, start: Start, kind: str) -> None:
        jicoo = start("late-effect=1s")
        uid = jicoo.add()
        before = jicoo.sandbox.booking(uid)
        answer = self.change(jicoo, uid, kind)

        assert answer.status_code == 200
        good = answer.json()["data"]
        assert good != before
        assert jicoo.get(uid) == before
        assert jicoo.sandbox.messages == jicoo.sandbox.changes == []
        jicoo.sandbox.settle()
        after = jicoo.get(uid)
        stamps = {"updatedAt", "cancelledAt"}
        assert {name: after[name] for name in after.keys() - stamps} == {
            name: good[name] for name in good.keys() - stamps
        }
        assert [(one.uid, one.kind, one.request) for one in jicoo.sandbox.messages] == [(uid, kind, 1)]

    def test_a_late_change_may_be_impossible_by_then(self, start: Start) -> None:
        jicoo = start("late-effect=1s")
        uid = jicoo.add()
        assert [jicoo.ask("POST", f"bookings/{uid}/cancel").status_code for _ in range(2)] == [200, 200]
        jicoo.sandbox.settle()

        assert len(jicoo.sandbox.messages) == len(jicoo.sandbox.changes) == 1

    def test_what_is_refused_is_not_done_later(self, start: Start) -> None:
        jicoo = start("late-effect=0.1s")
        uid = jicoo.add(status="cancel")
        assert jicoo.ask("POST", f"bookings/{uid}/cancel").status_code == 422
        jicoo.sandbox.settle()

        assert jicoo.sandbox.changes == []

    def test_what_else_can_be_changed_is_late_too(self, start: Start) -> None:
        jicoo = start("late-effect=1s")
        uid, user = jicoo.sandbox.add_schedule()["uid"], jicoo.sandbox.add_user()["uid"]
        event_type = jicoo.sandbox.event_types[0]
        asked = [
            jicoo.ask("DELETE", f"schedules/{uid}"),
            jicoo.ask("DELETE", f"organization_users/{user}"),
            jicoo.ask("PATCH", f"event_types/{event_type['uid']}/hosts/{event_type['hosts'][0]}", json={"priority": 3}),
        ]
        assert [answer.status_code for answer in asked] == [204, 204, 200]
        assert asked[2].json()["data"]["priority"] == 3
        assert uid in jicoo.uids("schedules")
        assert user in jicoo.uids("organization_users")
        assert jicoo.list("event_type_hosts")["data"][0]["priority"] == 2
        jicoo.sandbox.settle()
        assert uid not in jicoo.uids("schedules")
        assert user not in jicoo.uids("organization_users")
        assert jicoo.list("event_type_hosts")["data"][0]["priority"] == 3

    def test_what_is_new_is_there_at_once(self, start: Start) -> None:
        jicoo = start("late-effect=9h")
        answer = jicoo.ask("POST", "organization_invitations", json={"email": "a@example.com"})

        assert answer.json()["data"]["uid"] in jicoo.uids("organization_invitations")
        jicoo.sandbox.settle(timeout=0)

    def test_a_reschedule_makes_a_new_booking(self, start: Start) -> None:
        jicoo = start("reschedule-makes-new")
        uid = jicoo.add(contacts=[{"name": "Jane Roe"}])
        new = self.change(jicoo, uid, "reschedule").json()["data"]

        assert new["uid"] != uid
        assert (new["status"], new["startedAt"]) == ("open", "2031-03-03T01:00:00.000Z")
        assert jicoo.get(new["uid"]) == new
        assert (jicoo.get(uid)["status"], jicoo.get(uid)["cancelledBy"]) == ("cancel", "host")
        assert jicoo.sandbox.contacts(new["uid"])[0]["name"] == "Jane Roe"
        assert [(one.uid, one.kind) for one in jicoo.sandbox.messages] == [(uid, "reschedule")]
        assert [(one.uid, one.kind) for one in jicoo.sandbox.changes] == [(uid, "reschedule")]

    def test_or_answers_with_the_old_one(self, start: Start) -> None:
        jicoo = start("reschedule-makes-new=old")
        uid = jicoo.add()
        old = self.change(jicoo, uid, "reschedule").json()["data"]

        assert (old["uid"], old["status"]) == (uid, "cancel")
        assert sorted(row["status"] for row in jicoo.sandbox.bookings()) == ["cancel", "open"]

    def test_a_new_booking_that_is_late_has_the_uid_that_was_answered(self, start: Start) -> None:
        jicoo = start("reschedule-makes-new", "late-effect=1s")
        uids = [jicoo.add(startedAt=f"203{at}-01-06T00:00:00Z") for at in range(2)]
        new = []
        for at, uid in enumerate(uids):
            body = {"startedAt": f"2035-03-0{at + 1}T01:00:00.000Z", "timeZone": "Asia/Tokyo"}
            new.append(jicoo.ask("POST", f"bookings/{uid}/reschedule", json=body).json()["data"]["uid"])
        assert len(jicoo.sandbox.bookings()) == 2
        jicoo.sandbox.settle()

        assert {row["uid"] for row in jicoo.sandbox.bookings()} == {*uids, *new}


class TestStamps:
    def test_of_a_second(self, start: Start) -> None:
        jicoo = start("second-stamps", bookings=20)
        stamps = [row["updatedAt"] for row in jicoo.list()["data"]]
        assert all(stamp.endswith(".000Z") for stamp in stamps)
        uid = jicoo.add()
        # What is added, edited and patched within one second has one stamp; in the worst case it is at the turn of two.
        seen = [jicoo.get(uid)["updatedAt"]]
        for name in "abcd":
            jicoo.sandbox.edit(uid, name=name)
            seen.append(jicoo.patch(uid, name=name * 2).json()["data"]["updatedAt"])
        assert len(set(seen)) <= 2

    def test_that_hosts_leave_alone(self, start: Start) -> None:
        jicoo = start("hosts-keep-stamp")
        uid = jicoo.add()
        before = jicoo.get(uid)
        hosts = [{"userId": jicoo.sandbox.users[-1]["uid"], "role": "viewer"}]
        after = jicoo.patch(uid, hosts=hosts).json()["data"]
        assert (after["hosts"], after["updatedAt"]) == (hosts, before["updatedAt"])
        assert jicoo.sandbox.edit(uid, hosts=before["hosts"])["updatedAt"] == before["updatedAt"]
        assert jicoo.patch(uid, hosts=hosts, name="new").json()["data"]["updatedAt"] > before["updatedAt"]

    def test_that_nothing_moves(self, start: Start) -> None:
        jicoo = start("frozen-stamps")
        uid = jicoo.add()
        before = jicoo.get(uid)["updatedAt"]
        jicoo.patch(uid, name="new")
        jicoo.sandbox.edit(uid, name="newer")

        assert jicoo.get(uid)["updatedAt"] == before

    def test_that_a_nightly_job_moves(self, start: Start) -> None:
        jicoo = start(bookings=20)
        before = {row["uid"]: row for row in jicoo.sandbox.bookings()}
        jicoo.sandbox.touch_all()

        for row in jicoo.sandbox.bookings():
            assert row["updatedAt"] > before[row["uid"]]["updatedAt"]
            assert {**row, "updatedAt": None} == {**before[row["uid"]], "updatedAt": None}
        assert jicoo.sandbox.messages == []


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["uid"] for row in rows]


class TestSelecting:
    @pytest.mark.parametrize(
        ("quirk", "column", "backwards"),
        [
            ("order-ignored", "createdAt", False),
            ("order-ignored=-createdAt", "createdAt", True),
            ("order-ignored=uid", "uid", False),
            ("sort-ignored", "startedAt", False),
            ("sort-ignored=desc", "startedAt", True),
        ],
    )
    def test_orders(self, start: Start, quirk: str, column: str, backwards: bool) -> None:
        jicoo = start(quirk, bookings=60)
        expected = ids(sorted(jicoo.sandbox.bookings(), key=lambda row: (row[column], row["uid"]), reverse=backwards))

        for sort in ("asc", "desc"):
            assert jicoo.uids(perPage=100, order="startedAt", sort=sort) == expected

    def test_the_other_direction(self, start: Start) -> None:
        jicoo = start(bookings=60)
        ascending = jicoo.uids(perPage=100)
        jicoo.sandbox.quirks = ["sort-reversed"]
        assert jicoo.uids(perPage=100) == ascending[::-1]
        assert jicoo.uids(perPage=100, sort="desc") == ascending

    def test_ties(self, start: Start) -> None:
        jicoo = start("ties-shuffled")
        same = [jicoo.add(startedAt="2031-03-03T01:00:00Z") for _ in range(12)]
        last = jicoo.add(startedAt="2031-03-04T01:00:00Z")
        seen = [jicoo.uids() for _ in range(5)]

        assert len({tuple(uids) for uids in seen}) > 1
        assert all(sorted(uids[:-1]) == sorted(same) and uids[-1] == last for uids in seen)
        assert all(jicoo.uids(sort="desc")[0] == last for _ in range(3))

    @pytest.mark.parametrize(
        ("quirk", "found"),
        [
            (None, "abcd"),
            ("start-exclusive", "bcd"),
            ("end-exclusive", "abc"),
            ("end-means-start", "abcde"),
            ("filter-ignored", "zabcdef"),
            ("filter-shifted=1h", "bcde"),
        ],
    )
    def test_the_ends_of_a_window(self, start: Start, quirk: str | None, found: str) -> None:
        jicoo = start(*([quirk] if quirk else []))
        for name, hour in zip("zabcdef", range(7), strict=True):
            times = {"startedAt": f"2031-03-03T{hour:02d}:00:00Z", "endedAt": f"2031-03-03T{hour + 1:02d}:00:00Z"}
            jicoo.add(name=name, **times)
        window = {"startedAt": "2031-03-03T01:00:00.000Z", "endedAt": "2031-03-03T05:00:00.000Z"}

        assert "".join(row["name"] for row in jicoo.list(**window)["data"]) == found

    @pytest.mark.parametrize(
        ("quirk", "asked", "found"),
        [
            ("open-only", None, {"open"}),
            ("open-only", "cancel", {"cancel"}),
            ("no-cancelled", None, {"open", "request"}),
            ("no-cancelled", "cancel", {"cancel"}),
            ("no-requests", None, {"open", "cancel"}),
            ("status-ignored", "cancel", {"open", "cancel", "request"}),
            ("request-filter", "request", {"request"}),
            ("request-filter", "open", {"open"}),
        ],
    )
    def test_statuses(self, start: Start, quirk: str, asked: str | None, found: set[str]) -> None:
        jicoo = start(quirk, bookings=100)
        params = {} if asked is None else {"status": asked}

        assert {row["status"] for row in jicoo.list(perPage=100, **params)["data"]} == found

    def test_requests_cannot_be_asked_for_otherwise(self, start: Start) -> None:
        answer = start().ask("GET", "bookings", params={"status": "request"})

        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["status"])

    def test_nothing_of_the_past(self, start: Start) -> None:
        jicoo = start("future-only", bookings=60)
        rows = jicoo.list(perPage=100)["data"]
        assert rows
        assert all(row["startedAt"] > "2026-01-15T03:29" for row in rows)
        assert jicoo.list(startedAt="2000-01-01T00:00:00.000Z")["totalCount"] == 60

    @pytest.mark.parametrize(
        ("quirk", "plain", "ahead", "all_times"),
        [
            ("near-only=2d", "bcd", "cde", "abcde"),
            ("near-ends=2d", "bcd", "cd", "abcde"),
            ("span-limit=2d", "cd", "cd", ""),
        ],
    )
    def test_what_is_near(self, start: Start, quirk: str, plain: str, ahead: str, all_times: str) -> None:
        jicoo = start(quirk)
        for name, day in zip("abcde", (10, 14, 15, 16, 20), strict=True):
            jicoo.add(name=name, startedAt=f"2026-01-{day}T04:00:00Z", endedAt=f"2026-01-{day}T05:00:00Z")
        today, long_ago, far = "2026-01-15T03:30:00.000Z", "1970-01-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z"

        def names(**times: str) -> str:
            found = jicoo.list(**times)
            assert found["totalCount"] == len(found["data"])
            return "".join(row["name"] for row in found["data"])

        assert names() == plain
        assert names(startedAt=today) == ahead
        assert names(startedAt=long_ago, endedAt=far) == all_times


class TestLag:
    def test_of_the_list(self, start: Start) -> None:
        jicoo = start("late-list=1.5s")
        kept, gone = jicoo.add(name="old", startedAt="2031-03-03T01:00:00Z"), jicoo.add()
        time.sleep(1.6)
        jicoo.patch(kept, name="new", startedAt="2031-03-01T01:00:00Z", endedAt="2031-03-01T02:00:00Z")
        jicoo.sandbox.edit(kept, name="newer")
        jicoo.sandbox.delete(gone)
        added = jicoo.add(name="added")

        assert jicoo.get(kept)["name"] == "newer"
        seen = {row["uid"]: row for row in jicoo.list()["data"]}
        assert seen.keys() == {kept, gone}
        assert (seen[kept]["name"], seen[kept]["startedAt"]) == ("old", "2031-03-03T01:00:00.000Z")
        assert jicoo.uids(startedAt="2031-03-02T00:00:00.000Z") == [kept]
        time.sleep(1.6)
        seen = {row["uid"]: row["name"] for row in jicoo.list()["data"]}
        assert seen == {kept: "newer", added: "added"}
        assert jicoo.uids(startedAt="2031-03-02T00:00:00.000Z") == []

    def test_of_every_list(self, start: Start) -> None:
        jicoo = start("late-list=9h")
        assert jicoo.ask("POST", "organization_invitations", json={"email": "a@example.com"}).status_code == 201
        jicoo.sandbox.add_schedule(name="new")
        jicoo.sandbox.add_user(name="new")
        event_type = jicoo.sandbox.event_types[0]
        jicoo.ask("DELETE", f"event_types/{event_type['uid']}/hosts/{event_type['hosts'][0]}")

        assert [row["email"] for row in jicoo.list("organization_invitations")["data"]].count("a@example.com") == 0
        assert [row["name"] for row in jicoo.list("schedules")["data"]].count("new") == 0
        assert [row["name"] for row in jicoo.list("organization_users")["data"]].count("new") == 0
        assert len(jicoo.uids("event_type_hosts")) == 4

    def test_of_one_booking(self, start: Start) -> None:
        jicoo = start("late-read=1.5s")
        uid = jicoo.add(name="old")
        assert jicoo.ask("GET", f"bookings/{uid}").status_code == 404, "it was not there"
        time.sleep(1.6)
        jicoo.patch(uid, name="new")
        assert jicoo.get(uid)["name"] == "old"
        assert jicoo.list()["data"][0]["name"] == "new"
        time.sleep(1.6)
        assert jicoo.get(uid)["name"] == "new"


class TestPages:
    """On every list of the API."""

    def size(self, jicoo: Jicoo, name: str) -> int:
        total: int = jicoo.list(name)["totalCount"]
        assert total >= 2
        return total

    @pytest.mark.parametrize("name", LISTS)
    def test_sizes(self, start: Start, name: str) -> None:
        jicoo = start(bookings=10)
        total = self.size(jicoo, name)
        every = jicoo.uids(name)

        jicoo.sandbox.quirks = ["page-cap=1"]
        page = jicoo.list(name, perPage=2)
        assert ids(page["data"]) == every[:1]
        assert (page["totalCount"], page["count"], page["numberOfPages"]) == (total, 1, (total + 1) // 2)
        assert jicoo.uids(name, perPage=2, page=2) == every[1:2]

        jicoo.sandbox.quirks = ["page-limit=1"]
        assert jicoo.uids(name, perPage=1) == every[:1]
        answer = jicoo.ask("GET", name, params={**jicoo.needed(name), "perPage": 2})
        assert (answer.status_code, answer.json()["errors"]) == (422, {"perPage": ["must be at most 1"]})

        jicoo.sandbox.quirks = ["page-fixed=1"]
        page = jicoo.list(name, perPage=2)
        assert (ids(page["data"]), page["numberOfPages"]) == (every[:1], total)

    @pytest.mark.parametrize("name", LISTS)
    def test_ends(self, start: Start, name: str) -> None:
        jicoo = start(bookings=10)
        total = self.size(jicoo, name)
        every = jicoo.uids(name)

        jicoo.sandbox.quirks = ["list-cap=1"]
        page = jicoo.list(name)
        assert (ids(page["data"]), page["totalCount"], page["numberOfPages"]) == (every[:1], 1, 1)
        assert jicoo.uids(name, page=2) == []

        jicoo.sandbox.quirks = ["list-cap-told=1"]
        page = jicoo.list(name, perPage=1)
        assert (ids(page["data"]), page["totalCount"], page["numberOfPages"]) == (every[:1], total, total)
        assert jicoo.uids(name, perPage=1, page=2) == []

        jicoo.sandbox.quirks = ["last-page-again"]
        assert jicoo.uids(name, perPage=1, page=99) == every[-1:]

        jicoo.sandbox.quirks = ["endless-pages"]
        page = jicoo.list(name, perPage=1, page=7)
        assert ids(page["data"]) == every[:1]
        assert (page["currentPage"], page["numberOfPages"], page["totalCount"]) == (7, 8, 8)

    def test_the_end_of_a_capped_list_is_found_in_reverse(self, start: Start) -> None:
        jicoo = start("list-cap=5", bookings=10)
        every = ids(sorted(jicoo.sandbox.bookings(), key=lambda row: (row["startedAt"], row["uid"])))

        assert jicoo.uids() == every[:5]
        assert jicoo.uids(sort="desc") == every[:4:-1]

    @pytest.mark.parametrize("name", LISTS)
    def test_numbers(self, start: Start, name: str) -> None:
        jicoo = start(bookings=10)
        every = jicoo.uids(name)
        ask = {**jicoo.needed(name), "page": 0}
        assert jicoo.ask("GET", name, params=ask).status_code == 400

        jicoo.sandbox.quirks = ["pages-from-zero"]
        for params, at in (({}, 0), ({"page": 0}, 0), ({"page": 1}, 1)):
            page = jicoo.list(name, perPage=1, **params)
            assert (ids(page["data"]), page["currentPage"]) == (every[at : at + 1], at)
        assert jicoo.ask("GET", name, params={**ask, "page": -1}).status_code == 400

        jicoo.sandbox.quirks = ["current-from-zero"]
        page = jicoo.list(name, perPage=1, page=2)
        assert (ids(page["data"]), page["currentPage"]) == (every[1:2], 1)

    @pytest.mark.parametrize("name", LISTS)
    def test_totals(self, start: Start, name: str) -> None:
        jicoo = start(bookings=10)
        told = jicoo.list(name, perPage=1)
        paging = told.keys() - {"data", "errors"}
        assert paging == {"totalCount", "count", "currentPage", "numberOfPages"}

        jicoo.sandbox.quirks = ["no-totals"]
        assert jicoo.list(name, perPage=1) == {"data": told["data"], "errors": {}}
        jicoo.sandbox.quirks = ["no-totals=numberOfPages"]
        assert jicoo.list(name, perPage=1).keys() == told.keys() - {"numberOfPages"}
        jicoo.sandbox.quirks = ["text-totals"]
        assert jicoo.list(name, perPage=1) == {**told, **{field: str(told[field]) for field in paging}}
        jicoo.sandbox.quirks = ["lying-totals"]
        assert jicoo.list(name, perPage=1) == {**told, "numberOfPages": 1}
        jicoo.sandbox.quirks = ["lying-totals=totalCount"]
        assert jicoo.list(name, perPage=1) == {**told, "totalCount": told["totalCount"] + 1}
        jicoo.sandbox.quirks = ["lying-totals=count"]
        assert jicoo.list(name, perPage=99) == {**jicoo.list(name, perPage=99), "count": 99}
        jicoo.sandbox.quirks = ["total-of-page"]
        assert jicoo.list(name, perPage=1) == {**told, "totalCount": 1}

    @pytest.mark.parametrize("name", LISTS)
    def test_unpaged(self, start: Start, name: str) -> None:
        jicoo = start("unpaged", bookings=10)
        whole = jicoo.list(name, perPage=1, page=2)
        if name == "bookings":
            assert whole["count"] == 1
            jicoo.sandbox.quirks = ["unpaged=all"]
            whole = jicoo.list(name, perPage=1, page=2)
            assert len(whole["data"]) == 10
        assert whole.keys() == {"data", "errors"}
        assert len(whole["data"]) >= 2

    def test_some_lists_unpaged(self, start: Start) -> None:
        jicoo = start("unpaged=teams+schedules")

        assert [len(jicoo.uids(name, perPage=1)) for name in ("teams", "schedules", "event_types")] == [2, 5, 1]


class TestDamage:
    @pytest.mark.parametrize(
        ("how", "check"),
        [
            ("no-uid", lambda row: "uid" not in row),
            ("no-startedAt", lambda row: "startedAt" not in row),
            ("uid=7", lambda row: row["uid"] == 7),
            ("uid=[]", lambda row: row["uid"] == []),
            ('uid="../../x"', lambda row: row["uid"] == "../../x"),
            ("hosts=null", lambda row: row["hosts"] is None),
            ('hosts=["a", "b"]', lambda row: row["hosts"] == ["a", "b"]),
            ("surrogate", lambda row: row["name"].endswith("\ud800")),
            ("null", lambda row: row is None),
            ("text", lambda row: row == "booking"),
            ("list", lambda row: row == []),
            ("empty", lambda row: row == {}),
        ],
    )
    def test_a_row(self, start: Start, how: str, check: Callable[[Any], bool]) -> None:
        jicoo = start(bookings=3)
        uid = jicoo.uids()[1]
        before = jicoo.sandbox.booking(uid)
        jicoo.sandbox.break_row(uid, how)

        first, broken, last = jicoo.list()["data"]
        assert check(broken)
        assert check(jicoo.get(uid))
        assert jicoo.sandbox.booking(uid) == before
        assert (first, last) == tuple(jicoo.sandbox.booking(row["uid"]) for row in (first, last))
        jicoo.sandbox.mend_row(uid)
        assert jicoo.list()["data"][1] == before

    def test_bytes_that_are_no_utf_8(self, start: Start) -> None:
        jicoo = start(bookings=3)
        jicoo.sandbox.break_row(jicoo.uids()[1], "surrogate-bytes")
        answer = jicoo.ask("GET", "bookings")

        assert b"\xed\xa0\x80" in answer.content
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        with pytest.raises(UnicodeDecodeError):
            answer.content.decode("utf-8")

    def test_one_in_twenty(self, start: Start) -> None:
        jicoo = start("bad-rows=hosts=null", bookings=100)
        rows = jicoo.list(perPage=100)["data"]

        assert 0 < sum(row["hosts"] is None for row in rows) < 15

    @pytest.mark.parametrize("how", ["rust", "no-colour", "colour=7", "uid=seven", "surrogates"])
    def test_a_wrong_wish_is_refused(self, start: Start, how: str) -> None:
        jicoo = start(bookings=1)
        with pytest.raises(ValueError, match=r"no damage|not JSON"):
            jicoo.sandbox.break_row(jicoo.uids()[0], how)
        with pytest.raises(KeyError):
            jicoo.sandbox.break_row("nobody", "no-uid")


class TestLimits:
    def refused(self, jicoo: Jicoo) -> requests.Response:
        jicoo.sandbox.fail("rate_limit")
        return jicoo.ask("GET", "bookings")

    def test_by_503(self, start: Start) -> None:
        answer = self.refused(start("limit-503"))

        assert (answer.status_code, answer.json()["errors"]) == (503, {"base": ["Too many requests."]})
        assert "Retry-After" not in answer.headers

    def test_the_limit_itself_too(self, start: Start) -> None:
        jicoo = start("limit-503", "retry-after=2s", rate_limit=1)

        assert [jicoo.ask("GET", "bookings").status_code for _ in range(2)] == [200, 503]

    @pytest.mark.parametrize("quirks", [("limit-503", "retry-after=2s"), ("retry-after=2s", "limit-503")])
    def test_after_seconds(self, start: Start, quirks: tuple[str, ...]) -> None:
        jicoo = start(*quirks)
        answer = self.refused(jicoo)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        # Not of what the limit has nothing to do with.
        jicoo.sandbox.fail("server_error")
        assert "Retry-After" not in jicoo.ask("GET", "bookings").headers

    @pytest.mark.parametrize("ahead", [0, 300])
    def test_at_a_date_by_the_servers_own_clock(self, start: Start, ahead: int) -> None:
        jicoo = start("retry-after-date=7s", *([f"clock-ahead={ahead}s"] if ahead else []))
        answer = self.refused(jicoo)
        date, after = (parsedate_to_datetime(answer.headers[name]) for name in ("Date", "Retry-After"))

        assert after - date == timedelta(seconds=7)
        assert abs(date - datetime.now(timezone.utc) - timedelta(seconds=ahead)) < timedelta(seconds=5)

    def test_a_clock_that_is_ahead_stamps_so(self, start: Start) -> None:
        jicoo = start("clock-ahead=5m")

        assert jicoo.patched(name="new")["updatedAt"] >= "2026-01-15T03:35:00"

    def test_no_date(self, start: Start) -> None:
        jicoo = start()
        assert "Date" in jicoo.ask("GET", "bookings").headers
        jicoo.sandbox.quirks = ["no-date"]
        assert "Date" not in jicoo.ask("GET", "bookings").headers


class TestErrors:
    GUEST: dict[str, Any] = {  # noqa: RUF012
        "name": "Jane Roe",
        "email": "jane@example.com",
        "phoneNumber": "+81-90-5555-0001",
        "message": "Please ring twice",
    }

    def test_without_their_field(self, start: Start) -> None:
        jicoo = start("no-errors", bookings=1)
        assert "errors" not in jicoo.list()
        assert jicoo.ask("GET", "bookings/nobody").json()["errors"]
        jicoo.sandbox.quirks = ["null-errors"]
        assert jicoo.list()["errors"] is None

    def test_that_name_the_guest(self, start: Start) -> None:
        jicoo = start("names-guest")
        uid = jicoo.add(status="cancel", contacts=[self.GUEST])
        for answer in (
            jicoo.ask("POST", f"bookings/{uid}/cancel"),
            jicoo.patch(uid, startedAt="2041-01-01T00:00:00.000Z"),
        ):
            assert answer.status_code == 422
            assert all(part in answer.text for part in self.GUEST.values())
        jicoo.sandbox.fail("refused", status=409, message="is locked")
        answer = jicoo.patch(uid, name="new")
        assert answer.status_code == 409
        assert answer.json()["errors"]["base"][0].startswith("is locked (the booking of Jane Roe, jane@example.com,")
        jicoo.sandbox.fail("server_error", status=500, html=True)
        page = jicoo.patch(uid, name="new")
        assert page.headers["Content-Type"].startswith("text/html")
        assert all(part in page.text for part in self.GUEST.values())
        assert int(page.headers["Content-Length"]) == len(page.content)
        assert "Jane" not in jicoo.ask("GET", "bookings/nobody").text

    def test_of_a_conflict(self, start: Start) -> None:
        jicoo = start("conflict-409", "names-guest")
        uid = jicoo.add(status="cancel", contacts=[self.GUEST])
        answer = jicoo.ask("POST", f"bookings/{uid}/cancel")

        assert answer.status_code == 409
        assert "Jane Roe" in answer.text

    @pytest.mark.parametrize(
        ("form", "kind", "text"),
        [
            ("errors-as", "application/json", '{"message": "base: There is no such booking."}'),
            ("errors-as=error", "application/json", '{"error": "base: There is no such booking."}'),
            ("errors-as=list", "application/json", '{"errors": ["base: There is no such booking."]}'),
            ("errors-as=text", "text/plain", "base: There is no such booking."),
            ("errors-as=empty", None, ""),
        ],
    )
    def test_forms(self, start: Start, form: str, kind: str | None, text: str) -> None:
        jicoo = start(form)
        answer = jicoo.ask("GET", "bookings/nobody")
        assert (answer.status_code, answer.headers.get("Content-Type"), answer.text) == (404, kind, text)
        jicoo.sandbox.fail("server_error", html=True)
        assert jicoo.ask("GET", "bookings").text.startswith("<!doctype html>")
