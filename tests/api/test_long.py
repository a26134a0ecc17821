"""What is far too long, of a user or of a server, is refused at once: no pattern is tried on all of it."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from airflow_provider_jicoo.api import bookings, models, organization, request, retry, rows, schedules, slots, times
from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.api.settings import Settings

UNITS = ["a", "a@", "a.", "1", " ", "/a%20", "2031-01-01T00:00"]
CHECKED = {"email", "cc_emails", "time_zone", "started_at", "name", "success_url", "user_id"}
BODIES = [kind for kind in vars(models).values() if isinstance(kind, type) and issubclass(kind, models.Body)]


def fields(text):
    for kind in BODIES:
        for name in CHECKED.intersection(kind.model_fields):
            yield lambda kind=kind, name=name: models.body(kind, {name: [text] if name == "cc_emails" else text}, "It")
    yield lambda: models.body(models.UpdateBookingBody, {text: 1}, "It")


def others(text):
    yield lambda: bookings.get_booking(text)
    yield lambda: organization.get_organization_invitation(text)
    yield lambda: schedules.delete_schedule(text)
    yield lambda: bookings.list_bookings(status=text)
    yield lambda: bookings.list_bookings(started_at=text)
    yield lambda: request.request(text, "/v1/x")
    yield lambda: request.request("GET", text)
    yield lambda: request.request("GET", "/v1/" + text)
    yield lambda: request.request("GET", "/v1/x", params={text: text})
    yield lambda: Settings(text)
    yield lambda: Settings("k", base_url=text)
    yield lambda: Settings("k", base_url="https://" + text)
    yield lambda: Settings("k", period_parameters=(text, text))
    yield lambda: Settings("k", debug_answers=text)
    yield lambda: times.moment(text)
    yield lambda: times.moment("2031-01-01T00:00" + text)
    yield lambda: times.zone(text)
    yield lambda: times.day(text)
    yield lambda: times.as_wire(text)
    yield lambda: slots._minute(text)
    yield lambda: retry.retry_after(text, text, 0.0)
    yield lambda: rows.booking_problem({"uid": text, "startedAt": text, "endedAt": text, "hosts": [], "status": text})


@pytest.mark.parametrize("unit", UNITS)
def test_a_million_characters(unit):
    text = unit * (1_000_000 // len(unit))
    slow = []
    for made in (fields, others):
        for number, act in enumerate(made(text)):
            start = time.process_time()
            with suppress(InvalidRequestError, ValueError):
                act()
            if time.process_time() - start > 0.5:
                slow.append((made.__name__, number, act.__code__.co_firstlineno, act.__defaults__))
    assert slow == []
