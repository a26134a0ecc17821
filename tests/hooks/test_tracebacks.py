"""Tracebacks with locals of what the hooks raise have neither the key nor the guest in them."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook, JicooHook
from tests.tracebacks import frames, shown

GUEST = {
    "started_at": "2031-01-01T00:00Z",
    "time_zone": "Asia/Tokyo",
    "event_type_id": "nobody",
    "location_id": None,
    "name": "Ottilie Guestname",
    "email": "ottilie@geheim.example",
    "message": "My divorce is next week",
}
CALLS = {
    "create": lambda hook: hook.create_booking(**GUEST),
    "wrong": lambda hook: hook.create_booking(**GUEST | {"name": "Ottilie" * 99}),
    "update": lambda hook: hook.update_booking("nobody", name="Ottilie", description="divorce"),
    "request": lambda hook: hook.request("POST", "/v1/none", params={"q": "Ottilie"}, json={"message": "divorce"}),
}


@pytest.fixture
def check(jicoo_sandbox, quick_retries):
    def check(error):
        assert list(frames(error))
        found = shown(error)
        assert not [word for word in ("Ottilie", "ottilie", "divorce", jicoo_sandbox.api_key) if word in found], found

    return check


def through_both(call):
    """Call both hooks, and return what each raises."""

    async def awaits():
        async with JicooAsyncHook() as hook:
            await call(hook)

    with pytest.raises(errors.JicooError) as blocking, JicooHook() as hook:
        call(hook)
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(errors.JicooError) as awaited:
            loop.run_until_complete(awaits())
    finally:
        loop.close()
    return blocking.value, awaited.value


@pytest.mark.parametrize("fault", [None, "server_error", "html", "dropped"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_of_a_call(jicoo_sandbox, jicoo_connection, check, call, fault):
    jicoo_connection(extra={"timeout": 0.5, "server_grace": 0.5})
    if fault is not None:
        jicoo_sandbox.fail(fault, share=1)

    for error in through_both(call):
        check(error)


def test_of_a_list(jicoo_sandbox, jicoo_connection, check):
    booking = jicoo_sandbox.add_booking(
        name="Ottilie's divorce", startedAt="2031-01-01T00:00:00Z", endedAt="2031-01-01T01:00:00Z"
    )
    jicoo_sandbox.break_row(booking["uid"], "hosts=null")

    with pytest.raises(errors.UnprovenListError) as caught, JicooHook() as hook:
        list(hook.list_bookings())
    check(caught.value)

    async def awaits():
        async with JicooAsyncHook() as hook:
            return [row async for row in hook.list_bookings()]

    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(errors.UnprovenListError) as caught:
            loop.run_until_complete(awaits())
    finally:
        loop.close()
    check(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"host": "http://api.jicoo.com"}, {"extra": {"timeuot": 1}}, {"password": "sk live x"}]
)
def test_of_a_connection_that_cannot_be_right(jicoo_sandbox, jicoo_connection, check, wrong):
    jicoo_connection(**wrong)

    for error in through_both(lambda hook: hook.get_booking("abc")):
        check(error)
        assert "sk live x" not in shown(error)
