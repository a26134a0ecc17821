"""A long list streams: all that grows with it is the memory of which rows were seen, a few bytes for each."""

from __future__ import annotations

import asyncio
import json
import math
import time
import tracemalloc

import pytest

from airflow_provider_jicoo.api import bookings, organization, schedules
from airflow_provider_jicoo.api.ahead import AT_ONCE
from airflow_provider_jicoo.api.aio import AsyncJicooClient
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.exchange import Reply
from airflow_provider_jicoo.api.paging import PER_PAGE
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.sandbox import data

LISTS = {
    "users": organization.list_organization_users,
    "invitations": organization.list_organization_invitations,
    "schedules": schedules.list_schedules,
    "bookings": bookings.list_bookings,
}


def user(number):
    return {"uid": f"{number:028d}", "name": f"User {number}", "email": f"{number}@example.com", "role": "member"}


def schedule(number):
    moment = "2031-03-01T20:00:00.000Z"
    people = [{"userId": f"{number:028d}", "email": None, "role": "admin", "userType": "host"}]
    times = dict.fromkeys(("startedAt", "endedAt", "createdAt", "updatedAt"), moment)
    return {**data.SCHEDULE, "uid": f"{number:012d}", "name": f"MTG {number}", "attendees": people, **times}


def booking(number):
    return {**schedule(number), "hosts": [{"userId": f"{number:028d}", "role": "admin"}], "eventTypeId": "o072r8CvwVF4"}


ROWS = {"users": user, "invitations": user, "schedules": schedule, "bookings": booking}


def answer(make, total, query):
    page = int(query["page"])
    rows = [make(number) for number in range((page - 1) * PER_PAGE, min(page * PER_PAGE, total))]
    paging = {
        "totalCount": total,
        "count": len(rows),
        "currentPage": page,
        "numberOfPages": math.ceil(total / PER_PAGE),
    }
    body = json.dumps({"data": rows, "errors": {}, **paging}).encode()
    return Reply(200, {"Content-Type": "application/json"}, body, time.time())


def read(listing, make, total):
    with JicooClient(Settings("sk_live_x")) as client:
        client._send_once = lambda call: answer(make, total, call.query)
        return sum(1 for _ in client.iterate(listing))


class Pages:
    """A network that answers with pages of a list."""

    def __init__(self, make, total):
        self._make, self._total = make, total

    async def ask(self, method, path, query, body):
        return answer(self._make, self._total, query)

    async def close(self):
        pass


def read_async(listing, make, total):
    async def count():
        async with AsyncJicooClient(Settings("sk_live_x"), transport=Pages(make, total)) as client:
            return len([None async for _ in client.iterate(listing)])

    return asyncio.run(count())


def peak(reader, name, total):
    """Return the most bytes that reading a list took at once."""
    tracemalloc.start()
    try:
        assert reader(LISTS[name](), ROWS[name], total) == total
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("reader", [read, read_async], ids=["requests", "aiohttp"])
def test_more_rows_take_some_bytes_for_each_more(reader, name):
    reader(LISTS[name](), ROWS[name], PER_PAGE)  # what is made at the first use is not the list's
    # Both long enough for as many pages to be read ahead as there may be.
    some, many = (peak(reader, name, total) for total in (2_000, 10_000))
    page = peak(reader, name, PER_PAGE)

    # How many pages are there at the peak is by chance: they come one after the other, and one more may just be taken.
    assert many - some < 32 * 8_000 + page, (some, many, page)
    assert many < 32 * 10_000 + (AT_ONCE + 1) * page, (many, page)
