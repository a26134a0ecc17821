"""What mypy sees of the hooks' methods: read by mypy, and never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from typing_extensions import assert_type

from airflow_provider_jicoo.api.models import Booking, BookingContact, Team
from airflow_provider_jicoo.hooks.jicoo import JicooAsyncHook, JicooHook


def of_the_hook(hook: JicooHook) -> None:
    assert_type(hook.get_booking("uid"), Booking)
    assert_type(hook.create_booking(name="Guest"), Booking)
    assert_type(hook.list_bookings(status="open"), Iterator[Booking])
    assert_type(hook.get_booking_contacts("uid"), list[BookingContact])
    assert_type(hook.list_teams(), Iterator[Team])
    assert_type(hook.request("GET", "/v1/bookings"), Any)
    hook.get_booking(7)  # type: ignore[arg-type]


async def of_the_async_hook(hook: JicooAsyncHook) -> None:
    assert_type(await hook.get_booking("uid"), Booking)
    assert_type(hook.list_bookings(status="open"), AsyncIterator[Booking])
