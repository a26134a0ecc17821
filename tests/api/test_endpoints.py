"""Every endpoint beyond the bookings through both hooks: its request field by field with the API's description.

A row of the table is one endpoint. ``sandbox`` is at hand to name what is there: ids, and what the answer must be.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_jicoo.sandbox import Sandbox

PAGE = {"page": "1", "perPage": "50"}


@dataclass
class Row:
    """An endpoint as it is called, as it must arrive, and what must come back.

    :param arguments: what the hook's method is given.
    :param answer: what it returns; a function is asked for it when the request was made.
    """

    arguments: dict[str, Any]
    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    answer: Any = None


def event_type(sandbox: Sandbox) -> str:
    return str(sandbox.event_types[0]["uid"])


def host(sandbox: Sandbox) -> str:
    return str(sandbox.event_types[0]["hosts"][0])


def stranger(sandbox: Sandbox) -> str:
    """A user who is no host of the event type."""
    return next(user["uid"] for user in sandbox.users if user["uid"] not in sandbox.event_types[0]["hosts"])


def list_event_types(sandbox: Sandbox) -> Row:
    shown = ("uid", "name", "status", "duration")
    answer = [{name: each[name] for name in shown} for each in sandbox.event_types]
    return Row({}, "GET", "/v1/event_types", PAGE, answer=answer)


def get_event_type(sandbox: Sandbox) -> Row:
    uid = event_type(sandbox)
    answer = {name: sandbox.event_types[0][name] for name in ("uid", "name", "status", "duration")}
    return Row({"event_type_id": uid}, "GET", f"/v1/event_types/{uid}", answer=answer)


def list_event_type_hosts(sandbox: Sandbox) -> Row:
    uid = event_type(sandbox)
    return Row(
        {"event_type_id": uid},
        "GET",
        "/v1/event_type_hosts",
        {"eventTypeId": uid, **PAGE},
        answer=sandbox.hosts(uid),
    )


def create_event_type_host(sandbox: Sandbox) -> Row:
    uid, user = event_type(sandbox), stranger(sandbox)
    return Row(
        {"event_type_id": uid, "user_id": user, "role": "editor", "priority": 3, "user_type": "host"},
        "POST",
        f"/v1/event_types/{uid}/hosts",
        body={"userId": user, "role": "editor", "priority": 3, "userType": "host"},
        answer=lambda: sandbox.hosts(uid)[-1],
    )


def update_event_type_host(sandbox: Sandbox) -> Row:
    uid, user = event_type(sandbox), host(sandbox)
    return Row(
        {"event_type_id": uid, "uid": user, "priority": 0},
        "PATCH",
        f"/v1/event_types/{uid}/hosts/{user}",
        body={"priority": 0},
        answer=lambda: sandbox.hosts(uid)[0],
    )


def delete_event_type_host(sandbox: Sandbox) -> Row:
    uid, user = event_type(sandbox), host(sandbox)
    return Row({"event_type_id": uid, "uid": user}, "DELETE", f"/v1/event_types/{uid}/hosts/{user}")


def list_available_schedules(sandbox: Sandbox) -> Row:
    uid = event_type(sandbox)
    begin, end = "2031-03-03T00:00:00.000Z", "2031-03-03T01:00:00.000Z"
    return Row(
        {"event_type_id": uid, "period_start": "2031-03-03T09:00", "period_end": end, "time_zone": "Asia/Tokyo"},
        "GET",
        f"/v1/event_types/{uid}/available_schedules",
        {"periodStart": begin, "periodEnd": end},
        answer=lambda: sandbox.free_slots(uid, begin, end),
    )


def validate_guest(sandbox: Sandbox) -> Row:
    uid = event_type(sandbox)
    return Row(
        {"team_id": "exampleteam", "event_type_id": uid, "name": "John Doe", "email": "john.doe@example.com"},
        "POST",
        f"/v1/teams/exampleteam/event_types/{uid}/validate",
        body={"name": "John Doe", "email": "john.doe@example.com"},
        answer=Like({"url": f"https://www.jicoo.com/t/exampleteam/e/{uid}?guestSessionId="}),
    )


def list_user_availability_calendars(sandbox: Sandbox) -> Row:
    user = sandbox.users[1]["uid"]
    return Row(
        {"user_id": user},
        "GET",
        "/v1/user_availability_calendars",
        {"userId": user, **PAGE},
        answer=sandbox.availability_calendars(user),
    )


def get_user_availability_calendar(sandbox: Sandbox) -> Row:
    calendar = sandbox.availability_calendars(sandbox.users[1]["uid"])[0]
    return Row({"uid": calendar["uid"]}, "GET", f"/v1/user_availability_calendars/{calendar['uid']}", answer=calendar)


def list_schedules(sandbox: Sandbox) -> Row:
    return Row({}, "GET", "/v1/schedules", PAGE, answer=sandbox.schedules)


def create_schedule(sandbox: Sandbox) -> Row:
    # The example of https://developer.jicoo.com/apidoc/project-373292/api-5577216, and every other field.
    user = sandbox.users[0]["uid"]
    routine = {"duration": 4, "schedules": [{"wday": 1, "anything": {"goes": None}}]}
    shared = {
        "name": "MTG",
        "description": None,
        "access": "4F",
        "address": "Tokyo",
        "location": "inPerson",
        "priority": "high",
        "transparency": "transparent",
        "behavior": "work",
    }
    return Row(
        {
            **shared,
            "time_zone": "Asia/Tokyo",
            "started_at": "2031-04-01T23:00:00",
            "ended_at": "2031-04-01T14:30:00Z",
            "routine": {**routine, "ended_at": "2031-12-31"},
            "attendees": [
                {"user_id": user, "role": "admin", "user_type": "host"},
                {"email": "guest@example.com", "role": "viewer", "user_type": "guest"},
            ],
            "is_remind": True,
            "project_id": 5,
            "phone_number": "+81-3-5555-0000",
            "custom_location": "3F",
            "is_all_day": False,
            "display_type": "public",
            "visibility_type": "busy",
        },
        "POST",
        "/v1/schedules",
        body={
            **shared,
            "timeZone": "Asia/Tokyo",
            "startedAt": "2031-04-01T14:00:00.000Z",
            "endedAt": "2031-04-01T14:30:00.000Z",
            "routine": {**routine, "endedAt": "2031-12-31"},
            "attendees": [
                {"userId": user, "role": "admin", "userType": "host"},
                {"email": "guest@example.com", "role": "viewer", "userType": "guest"},
            ],
            "isRemind": True,
            "projectId": 5,
            "phoneNumber": "+81-3-5555-0000",
            "customLocation": "3F",
            "isAllDay": False,
            "displayType": "public",
            "visibilityType": "busy",
        },
        answer=lambda: sandbox.schedules[-1],
    )


def update_schedule(sandbox: Sandbox) -> Row:
    uid = sandbox.schedules[0]["uid"]
    user = sandbox.users[1]["uid"]
    return Row(
        {
            "uid": uid,
            "name": "Lunch",
            "started_at": "2031-04-01",
            "ended_at": "2031-04-02",
            "is_all_day": True,
            "attendees": [{"userId": user, "role": "editor", "userType": "guest"}],
            "project_id": None,
            "routine": None,
            "update_message": "see you",
            "is_send_updates": False,
        },
        "PATCH",
        f"/v1/schedules/{uid}",
        body={
            "name": "Lunch",
            "startedAt": "2031-04-01",
            "endedAt": "2031-04-02",
            "isAllDay": True,
            "attendees": [{"userId": user, "role": "editor", "userType": "guest"}],
            "projectId": None,
            "routine": None,
            "updateMessage": "see you",
            "isSendUpdates": False,
        },
        answer=lambda: sandbox.schedules[0],
    )


def delete_schedule(sandbox: Sandbox) -> Row:
    uid = sandbox.schedules[0]["uid"]
    return Row({"uid": uid}, "DELETE", f"/v1/schedules/{uid}")


def list_organization_users(sandbox: Sandbox) -> Row:
    return Row({}, "GET", "/v1/organization_users", PAGE, answer=sandbox.users)


def get_organization_user(sandbox: Sandbox) -> Row:
    user = sandbox.users[3]
    return Row({"user_id": user["uid"]}, "GET", f"/v1/organization_users/{user['uid']}", answer=user)


def update_organization_user(sandbox: Sandbox) -> Row:
    user = sandbox.users[3]
    return Row(
        {"user_id": user["uid"], "role": "restricted"},
        "PATCH",
        f"/v1/organization_users/{user['uid']}",
        body={"role": "restricted"},
        answer={**user, "role": "restricted"},
    )


def delete_organization_user(sandbox: Sandbox) -> Row:
    uid = sandbox.users[3]["uid"]
    return Row({"user_id": uid}, "DELETE", f"/v1/organization_users/{uid}")


def create_organization_invitation(sandbox: Sandbox) -> Row:
    return Row(
        {"email": "jane.roe@example.com", "role": "admin"},
        "POST",
        "/v1/organization_invitations",
        body={"email": "jane.roe@example.com", "role": "admin"},
        answer=lambda: sandbox.invitations[-1],
    )


def list_organization_invitations(sandbox: Sandbox) -> Row:
    return Row({}, "GET", "/v1/organization_invitations", PAGE, answer=sandbox.invitations)


def get_organization_invitation(sandbox: Sandbox) -> Row:
    invitation = sandbox.invitations[0]
    return Row(
        {"uid": invitation["uid"]}, "GET", f"/v1/organization_invitations/{invitation['uid']}", answer=invitation
    )


def delete_organization_invitation(sandbox: Sandbox) -> Row:
    uid = sandbox.invitations[0]["uid"]
    return Row({"uid": uid}, "DELETE", f"/v1/organization_invitations/{uid}")


def list_teams(sandbox: Sandbox) -> Row:
    return Row({}, "GET", "/v1/teams", PAGE, answer=sandbox.teams)


def request(sandbox: Sandbox) -> Row:
    return Row(
        {"method": "get", "path": "/v1/bookings", "params": {"perPage": 1, "status": "open"}},
        "GET",
        "/v1/bookings",
        {"perPage": "1", "status": "open"},
        answer=Like({"data": [], "errors": {}, "totalCount": 0, "count": 1, "currentPage": 1, "numberOfPages": 0}),
    )


ROWS: tuple[Callable[[Sandbox], Row], ...] = (
    list_event_types,
    get_event_type,
    list_event_type_hosts,
    create_event_type_host,
    update_event_type_host,
    delete_event_type_host,
    list_available_schedules,
    validate_guest,
    list_user_availability_calendars,
    get_user_availability_calendar,
    list_schedules,
    create_schedule,
    update_schedule,
    delete_schedule,
    list_organization_users,
    get_organization_user,
    update_organization_user,
    delete_organization_user,
    create_organization_invitation,
    list_organization_invitations,
    get_organization_invitation,
    delete_organization_invitation,
    list_teams,
    request,
)
"""The name of a row's function is that of the hook's method."""


class Like:
    """Equal to what has the same fields, with texts that begin so."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and other.keys() == self.fields.keys() and all(map(self._fits, other.items()))

    def _fits(self, item: tuple[str, Any]) -> bool:
        wanted, value = self.fields[item[0]], item[1]
        return value.startswith(wanted) if isinstance(wanted, str) else type(value) is type(wanted)

    __hash__ = None  # type: ignore[assignment]


def blocking(method: str, arguments: dict[str, Any]) -> Any:
    from airflow_provider_jicoo.hooks.jicoo import JicooHook

    with JicooHook() as hook:
        found = getattr(hook, method)(**arguments)
        return list(found) if isinstance(found, Iterator) else found


async def awaited(method: str, arguments: dict[str, Any]) -> Any:
    from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook

    async with JicooAsyncHook() as hook:
        found = getattr(hook, method)(**arguments)
        return [row async for row in found] if isinstance(found, AsyncIterator) else await found


def check(sandbox: Sandbox, row: Row, found: Any) -> None:
    (sent,) = sandbox.requests
    assert (sent.method, sent.path, sent.query, sent.body) == (row.method, row.path, row.query, row.body)
    assert sent.headers["x-jicoo-api-key"] == sandbox.api_key
    assert sent.headers["accept"] == "application/json"
    if row.body is not None:
        assert sent.headers["content-type"] == "application/json"
    assert found == (row.answer() if callable(row.answer) else row.answer)


@pytest.mark.usefixtures("jicoo_connection")
@pytest.mark.parametrize("make", ROWS, ids=lambda make: make.__name__)
class TestEachEndpoint:
    def test_through_the_hook(self, jicoo_sandbox, make):
        row = make(jicoo_sandbox)
        found = blocking(make.__name__, row.arguments)
        check(jicoo_sandbox, row, found)

    @pytest.mark.asyncio
    async def test_through_the_async_hook(self, jicoo_sandbox, make):
        row = make(jicoo_sandbox)
        found = await awaited(make.__name__, row.arguments)
        check(jicoo_sandbox, row, found)


def test_no_endpoint_of_the_hooks_is_without_a_row():
    """The bookings have a test each, in tests/hooks/test_jicoo.py."""
    from airflow_provider_jicoo.hooks.jicoo import JicooHook

    ours = {
        name
        for name, method in vars(JicooHook).items()
        if getattr(method, "__module__", "").startswith("airflow_provider_jicoo.api.")
    }
    bookings = {name for name in ours if "booking" in name}
    assert ours - bookings | {"list_available_schedules"} == {make.__name__ for make in ROWS}
