"""Both hooks against the sandbox: every method through each, and what they do not do."""

from __future__ import annotations

import asyncio
import gc
import inspect
import pydoc
import re
import socket
import typing
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from airflow_provider_jicoo.api import bookings
from airflow_provider_jicoo.api.errors import InvalidRequestError, NotFoundError, ServerError
from airflow_provider_jicoo.api.models import AvailableSchedule, Booking, BookingContact, Schedule
from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook, JicooHook

pytestmark = pytest.mark.usefixtures("jicoo_connection")

ENDPOINTS = (
    "list_bookings",
    "get_booking",
    "create_booking",
    "update_booking",
    "cancel_booking",
    "reschedule_booking",
    "get_booking_contacts",
)


class Blocking:
    """Calls the methods of :class:`JicooHook`."""

    async def __call__(self, method, *args, **kwargs):
        with JicooHook() as hook:
            result = getattr(hook, method)(*args, **kwargs)
            return list(result) if method == "list_bookings" else result


class Async:
    """Calls the methods of :class:`JicooAsyncHook`."""

    async def __call__(self, method, *args, **kwargs):
        async with JicooAsyncHook() as hook:
            result = getattr(hook, method)(*args, **kwargs)
            return [row async for row in result] if method == "list_bookings" else await result


@pytest.fixture(params=[Blocking, Async], ids=["JicooHook", "JicooAsyncHook"])
def call(request):
    return request.param()


class TestBothAlike:
    def test_the_same_methods_with_the_same_arguments(self):
        def methods(hook):
            return {
                name: [
                    (parameter.name, parameter.kind, parameter.default)
                    for parameter in inspect.signature(getattr(hook, name)).parameters.values()
                ]
                for name in vars(hook)
                if not name.startswith("_") and callable(getattr(hook, name))
            }

        blocking, awaited = methods(JicooHook), methods(JicooAsyncHook)

        assert {*ENDPOINTS, "lookup_bookings", "close"} <= awaited.keys()
        for name in awaited.keys() - {"get_client"}:
            # What an endpoint is given positionally only is the hook itself.
            assert [parameter for parameter in blocking[name] if parameter[0] != "self"] == [
                parameter for parameter in awaited[name] if parameter[0] != "self"
            ], name
        only_blocking = {"get_conn", "event_type_url", "test_connection"}
        only_blocking |= {"get_connection_form_widgets", "get_ui_field_behaviour"}
        assert blocking.keys() - awaited.keys() == only_blocking

    @pytest.mark.parametrize("hook", [JicooHook, JicooAsyncHook])
    @pytest.mark.parametrize("name", ENDPOINTS)
    def test_each_endpoint_documents_itself(self, hook, name):
        endpoint, method = getattr(bookings, name), getattr(hook, name)
        assert method.__doc__ == endpoint.__doc__
        assert method.__name__ == name
        assert [*inspect.signature(method).parameters][1:] == [*inspect.signature(endpoint).parameters]

    def test_the_same_constructor(self):
        assert inspect.signature(JicooHook) == inspect.signature(JicooAsyncHook)
        assert JicooHook().jicoo_conn_id == JicooAsyncHook().jicoo_conn_id == "jicoo_default"


class TestWhatAMethodReturns:
    """``help()``, editors and Sphinx show what comes of a call, not the request that is made of it."""

    CASES = (
        ("get_booking", Booking),
        ("create_booking", Booking),
        ("get_booking_contacts", list[BookingContact]),
        ("list_available_schedules", list[AvailableSchedule]),
        ("request", Any),
    )

    @pytest.mark.parametrize("hook", [JicooHook, JicooAsyncHook])
    @pytest.mark.parametrize(("name", "returned"), CASES)
    def test_of_one_thing(self, hook, name, returned):
        assert inspect.signature(getattr(hook, name), eval_str=True).return_annotation == returned
        assert typing.get_type_hints(getattr(hook, name))["return"] == returned

    @pytest.mark.parametrize("name", ["list_bookings", "list_schedules"])
    def test_of_a_list(self, name):
        row = {"list_bookings": Booking, "list_schedules": Schedule}[name]
        assert inspect.signature(getattr(JicooHook, name)).return_annotation == Iterator[row]
        assert inspect.signature(getattr(JicooAsyncHook, name)).return_annotation == AsyncIterator[row]

    @pytest.mark.parametrize("hook", [JicooHook, JicooAsyncHook])
    def test_of_each(self, hook):
        methods = {name: method for name, method in vars(hook).items() if hasattr(method, "endpoint")}
        assert len(methods) == 30
        for name, method in methods.items():
            hints = typing.get_type_hints(method)
            assert not re.search(r"\b(Call|\w*Listing)\b", str(inspect.signature(method))), name
            assert [hints.get(each.name, each.empty) for each in inspect.signature(method).parameters.values()] == [
                each.annotation for each in inspect.signature(method).parameters.values()
            ], name

    def test_in_help(self):
        shown = pydoc.plain(pydoc.render_doc(JicooHook))
        assert "get_booking(self, /, uid: str) -> airflow_provider_jicoo.api.models.Booking" in shown
        shown = pydoc.plain(pydoc.render_doc(JicooAsyncHook))
        assert "async get_booking(self, /, uid: str) -> airflow_provider_jicoo.api.models.Booking" in shown


@pytest.mark.asyncio
class TestEachEndpoint:
    async def test_list_bookings(self, call, jicoo_sandbox):
        jicoo_sandbox.reset(bookings=120)
        every = sorted(jicoo_sandbox.bookings(), key=lambda row: (row["createdAt"], row["uid"]))

        found = await call("list_bookings", order_by="createdAt")

        assert found == every
        # Three pages, and five to prove that they are all.
        assert jicoo_sandbox.count("GET", "/v1/bookings") == 3 + 5

    async def test_list_bookings_narrowed(self, call, jicoo_sandbox):
        found = await call("list_bookings", status="cancel", descending=True, limit=3)

        cancelled = [row for row in jicoo_sandbox.bookings() if row["status"] == "cancel"]
        starts = sorted((row["startedAt"] for row in cancelled), reverse=True)
        assert [row["startedAt"] for row in found] == starts[:3]

    async def test_get_booking(self, call, jicoo_sandbox):
        booking = jicoo_sandbox.bookings()[7]
        assert await call("get_booking", booking["uid"]) == booking

    async def test_create_booking(self, call, jicoo_sandbox):
        event_type = next(each for each in jicoo_sandbox.event_types if not each["needsApproval"])

        made = await call(
            "create_booking",
            started_at="2031-03-05T10:00",
            time_zone="Asia/Tokyo",
            event_type_id=event_type["uid"],
            email="guest@example.com",
            name="Guest",
            location_id=None,
        )

        assert made == jicoo_sandbox.booking(made["uid"])
        assert made["startedAt"] == "2031-03-05T01:00:00.000Z"
        assert [guest["email"] for guest in jicoo_sandbox.contacts(made["uid"])] == ["guest@example.com"]
        assert [(message.uid, message.kind) for message in jicoo_sandbox.messages] == [(made["uid"], "create")]

    async def test_update_booking(self, call, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking(priority="low")["uid"]

        changed = await call("update_booking", uid, priority=None, name="New name")

        assert changed == jicoo_sandbox.booking(uid)
        assert (changed["priority"], changed["name"]) == (None, "New name")
        assert jicoo_sandbox.requests[-1].body == {"priority": None, "name": "New name"}

    async def test_cancel_booking(self, call, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking()["uid"]
        assert (await call("cancel_booking", uid))["status"] == "cancel"
        assert jicoo_sandbox.booking(uid)["status"] == "cancel"

    async def test_reschedule_booking(self, call, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking()["uid"]

        await call("reschedule_booking", uid, started_at="2031-03-05T10:00:00+09:00", time_zone="Asia/Tokyo")

        assert jicoo_sandbox.booking(uid)["startedAt"] == "2031-03-05T01:00:00.000Z"
        assert jicoo_sandbox.count("POST", "/v1/bookings/{uid}/reschedule") == 1

    async def test_get_booking_contacts(self, call, jicoo_sandbox):
        uid = jicoo_sandbox.add_booking(contacts=[{"name": "One"}, {"name": "Two"}])["uid"]
        assert [guest["name"] for guest in await call("get_booking_contacts", uid)] == ["One", "Two"]

    async def test_lookup_bookings(self, call, jicoo_sandbox):
        uids = [row["uid"] for row in jicoo_sandbox.bookings()[::-3]]

        found = await call("lookup_bookings", uids)

        assert [*found] == uids
        assert all(found[uid] == jicoo_sandbox.booking(uid) for uid in uids)
        assert jicoo_sandbox.count() == 1

    async def test_a_failure_is_an_error_with_fields(self, call, jicoo_sandbox, quick_retries):
        jicoo_sandbox.fail("server_error", times=1000)
        with pytest.raises(ServerError) as caught:
            await call("get_booking", "mzgdPJVBb7RE")
        assert (caught.value.status, caught.value.path) == (503, "/v1/bookings/mzgdPJVBb7RE")
        assert jicoo_sandbox.count() == quick_retries
        jicoo_sandbox.heal()
        with pytest.raises(NotFoundError):
            await call("get_booking", "mzgdPJVBb7RE")

    @pytest.mark.parametrize("uid", ["", "a/b", "a\nb", "../x", None])
    async def test_what_is_no_booking_id_is_not_asked_for(self, call, jicoo_sandbox, uid):
        with pytest.raises(InvalidRequestError, match="booking id"):
            await call("get_booking", uid)
        assert jicoo_sandbox.count() == 0


class TestNothingBeforeItIsNeeded:
    @pytest.mark.parametrize("hook", [JicooHook, JicooAsyncHook])
    def test_a_constructor_looks_up_nothing(self, hook, monkeypatch, jicoo_sandbox):
        monkeypatch.delenv("AIRFLOW_CONN_JICOO_DEFAULT")
        monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it connects"))
        assert hook("no_such_connection").jicoo_conn_id == "no_such_connection"
        assert jicoo_sandbox.count() == 0

    def test_the_async_constructor_needs_no_loop(self):
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        JicooAsyncHook()

    def test_arguments_are_checked_where_a_list_is_asked_for_not_where_it_is_read(self, jicoo_sandbox):
        with JicooHook() as hook, pytest.raises(InvalidRequestError, match="status"):
            hook.list_bookings(status="request")
        with pytest.raises(InvalidRequestError, match="status"):
            JicooAsyncHook().list_bookings(status="request")
        assert jicoo_sandbox.count() == 0

    @pytest.mark.asyncio
    async def test_closing_what_was_never_used(self):
        JicooHook().close()
        await JicooAsyncHook().close()

    def test_one_client_for_a_hook(self):
        with JicooHook() as hook:
            assert hook.get_conn() is hook.client
            assert hook.client is hook.client

    def test_a_closed_hook_can_be_used_again(self, jicoo_sandbox):
        hook = JicooHook()
        for _ in range(2):
            with hook:
                assert hook.get_booking(jicoo_sandbox.bookings()[0]["uid"])


@pytest.mark.asyncio
class TestInARunningLoop:
    async def test_it_does_not_stall_the_others(self, jicoo_sandbox):
        jicoo_sandbox.latency = 0.4
        uid = jicoo_sandbox.bookings()[0]["uid"]
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async with JicooAsyncHook() as hook:
            await hook.get_booking(uid)
        ticking.cancel()

        assert ticks > 10

    async def test_one_client_for_many_at_once(self, jicoo_sandbox):
        uids = [row["uid"] for row in jicoo_sandbox.bookings()]
        async with JicooAsyncHook() as hook:
            found = await asyncio.gather(*map(hook.get_booking, uids))
            client = await hook.get_client()
            assert await hook.get_client() is client
        assert [booking["uid"] for booking in found] == uids

    async def test_it_closes_its_session(self, jicoo_sandbox):
        async with JicooAsyncHook() as hook:
            await hook.get_booking(jicoo_sandbox.bookings()[0]["uid"])
            session = (await hook.get_client())._transport._server.pool
            assert not session.closed
        assert session.closed
        gc.collect()  # an unclosed session warns here, and a warning of that kind is an error

    async def test_it_closes_its_session_when_a_list_is_left_early(self, jicoo_sandbox):
        async with JicooAsyncHook() as hook:
            rows = hook.list_bookings()
            assert await anext(rows)
            await rows.aclose()
            session = (await hook.get_client())._transport._server.pool
        assert session.closed


class TestEventTypeUrl:
    def test_with_a_team(self, jicoo_connection):
        jicoo_connection(extra={"team_slug": "our-team"})
        assert JicooHook().event_type_url("abc") == "https://www.jicoo.com/t/our-team/e/abc"

    @pytest.mark.parametrize("extra", [{}, {"team_slug": ""}, {"team_slug": None}])
    def test_without_a_team(self, jicoo_connection, extra):
        jicoo_connection(extra=extra)
        assert JicooHook().event_type_url("abc") is None

    def test_without_an_event_type(self, jicoo_connection):
        jicoo_connection(extra={"team_slug": "our-team"})
        assert JicooHook().event_type_url(None) is None
