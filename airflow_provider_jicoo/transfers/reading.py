"""Read a resource many pages at once, in batches of rows, with each booking's contacts where they are wanted.

As :func:`~airflow_provider_jicoo.transfers.resources.read`, for a loop of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow_provider_jicoo.api.aio import AsyncJicooClient
from airflow_provider_jicoo.api.bookings import get_booking_contacts
from airflow_provider_jicoo.api.errors import NotFoundError
from airflow_provider_jicoo.api.event_types import get_event_type
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk.apply.pace import Pace
from airflow_provider_jicoo.bulk.selection import Selection, select_pages_async
from airflow_provider_jicoo.transfers.resources import (
    BOOKINGS,
    CONTACTS,
    CONTACTS_AT_ONCE,
    EVENT_TYPES,
    HOSTS,
    Resource,
    Row,
    contact_rows,
    event_type_ids,
    hosts_listing,
    listing,
    with_ours,
)

BATCH = 500
"""Rows of a batch at the least, ten pages."""


def open_client(settings: Settings) -> AsyncJicooClient:
    """Return a client that learns its pace: thousands of contacts are as many requests."""
    return AsyncJicooClient(settings, pace=Pace(settings.max_requests_per_second))


async def batches(
    client: AsyncJicooClient, wanted: Resource, selection: Selection | None, **told: Any
) -> AsyncIterator[list[Row]]:
    """Yield the rows of a resource as Jicoo gives them, a batch at a time.

    :param selection: which bookings, or whose contacts.
    :param told: ``on_unproven`` and ``warnings``, as for
        :func:`~airflow_provider_jicoo.bulk.selection.select_pages_async`.
    :raises UnprovenListError: there may be more rows; what was yielded before stays valid.
    :raises RequestError: as :meth:`~airflow_provider_jicoo.api.aio.AsyncJicooClient.send`.
    """
    if wanted is CONTACTS:
        async for bookings in batches(client, BOOKINGS, selection, **told):
            uids = [booking["uid"] for booking in bookings]
            found = await contacts(client, uids)
            yield [row for uid in uids for row in contact_rows(uid, found[uid] or [])]
        return
    batch: list[Row] = []
    async for rows in _pages(client, wanted, selection, told):
        batch += rows
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _pages(
    client: AsyncJicooClient, wanted: Resource, selection: Selection | None, told: dict[str, Any]
) -> AsyncIterator[list[Any]]:
    if wanted is BOOKINGS:
        async for bookings in select_pages_async(client, selection or Selection(), **told):
            yield bookings
    elif wanted is HOSTS:
        event_types = [each async for each in client.iterate(listing(EVENT_TYPES), **told)]
        for event_type_id in event_type_ids(event_types):
            try:
                async for hosts in client.iterate_pages(hosts_listing(event_type_id), **told):
                    yield [with_ours(host, {"eventTypeId": event_type_id}) for host in hosts]
            except NotFoundError:
                # Was it removed since it was listed?
                try:
                    await client.send(get_event_type(event_type_id))
                except NotFoundError:
                    continue
                raise
    else:
        async for rows in client.iterate_pages(listing(wanted), **told):
            yield rows


async def contacts(client: AsyncJicooClient, uids: Sequence[str]) -> dict[str, list[Any] | None]:
    """Read the contacts of bookings, many at once; None for those of a booking that does not exist any more."""
    found: dict[str, list[Any] | None] = {}
    left = iter(uids)

    async def work() -> None:
        for uid in left:
            try:
                given: list[Any] = await client.send(get_booking_contacts(uid))
                found[uid] = given
            except NotFoundError:
                found[uid] = None

    workers = [asyncio.create_task(work()) for _ in range(min(CONTACTS_AT_ONCE, len(uids)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
    return found
