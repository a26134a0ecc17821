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
    :param more: paths that it asks for besides, where a change is checked by reading.
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
