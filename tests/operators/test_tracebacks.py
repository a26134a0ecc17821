"""Tracebacks with locals of a task that failed have neither the key nor the guest in them."""

from __future__ import annotations

import asyncio
import time

import pytest

from airflow_provider_jicoo.operators.bookings import CreateBookingOperator, ListBookingsOperator, UpdateBookingOperator
from airflow_provider_jicoo.operators.event_types import ValidateGuestOperator
from airflow_provider_jicoo.sensors.bookings import BookingStatusSensor
from airflow_provider_jicoo.triggers.bookings import BookingStatusTrigger
from tests.tracebacks import frames, shown

GUEST = {
    "started_at": "2031-01-01T00:00Z",
    "time_zone": "Asia/Tokyo",
    "event_type_id": "nobody",
    "location_id": "inPerson",
    "name": "Ottilie Guestname",
    "guest_email": "ottilie@geheim.example",
    "message": "My divorce is next week",
}
WORDS = ("Ottilie", "ottilie@", "divorce")


@pytest.fixture
def check(jicoo_sandbox, jicoo_connection, quick_retries):
    def check(error):
        assert list(frames(error))
        found = shown(error)
        assert not [word for word in (*WORDS, jicoo_sandbox.api_key) if word in found], found

    return check


@pytest.mark.parametrize("fault", [None, "server_error", "dropped", "revoked", "wrong"])
@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        (CreateBookingOperator, GUEST),
        (UpdateBookingOperator, {"uid": "nobody", "name": "Ottilie Guestname", "description": "divorce"}),
        (ValidateGuestOperator, {"team_id": 1, "event_type_id": "e", "name": "Ottilie", "guest_email": "ottilie@x.jp"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_of_an_operator(run, jicoo_sandbox, check, grace, operator, arguments, fault):
    if fault == "revoked":
        jicoo_sandbox.revoke_key()
    elif fault == "wrong":
        arguments = {**arguments, "name": "Ottilie" * 99}
    elif fault is not None:
        jicoo_sandbox.fail(fault, share=1)

    with pytest.raises(Exception) as caught:  # noqa: PT011
        run(operator, **arguments)

    check(caught.value)


def test_of_what_lists(run, jicoo_sandbox, check, monkeypatch):
    from airflow_provider_jicoo.tasks import xcom

    jicoo_sandbox.add_booking(name="Ottilie's divorce", startedAt="2031-01-01T00:00Z", endedAt="2031-01-01T01:00Z")
    monkeypatch.setattr(xcom, "XCOM_BYTES", 9)

    with pytest.raises(Exception, match="too large") as caught:
        run(ListBookingsOperator)

    check(caught.value)


def test_of_a_sensor_and_its_trigger(run, jicoo_sandbox, check):
    jicoo_sandbox.revoke_key()

    with pytest.raises(Exception, match="does not accept the API key") as caught:
        run(BookingStatusSensor, uid="abc", status="open")
    check(caught.value)

    async def waits():
        trigger = BookingStatusTrigger(["abc"], ["open"], [], 1.0, time.time(), "nobody_knows_it")
        return [event async for event in trigger.run()]

    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(Exception, match="nobody_knows_it") as caught:
            loop.run_until_complete(waits())
    finally:
        loop.close()
    check(caught.value)
