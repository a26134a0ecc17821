"""Which bookings. Light to import: a DAG file makes selections, a task uses them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_jicoo.given import as_list

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.aio import AsyncJicooClient
    from airflow_provider_jicoo.api.call import Listing
    from airflow_provider_jicoo.api.client import JicooClient
    from airflow_provider_jicoo.api.lookup import Lookup
    from airflow_provider_jicoo.api.models import Booking

STATUSES = ("request", "open", "cancel")


@dataclass
class Selection:
    """Which bookings. What Jicoo can filter by it filters; the rest is filtered here. Its fields are templated.

    :param status: ``request``, ``open`` or ``cancel``.
    :param started_after: only those that start at or after this moment.
    :param started_before: only those that start before this moment.
    :param event_type_id: only those of this event type.
    :param host_user_id: only those with this user among the hosts.
    :param name_matches: only those in whose title this regular expression is found.
    :param uids: only these; one that does not exist is an error.
    :param where: a Python function of one booking that tells whether it is meant.
    """

    template_fields: ClassVar[tuple[str, ...]] = (
        "status",
        "started_after",
        "started_before",
        "event_type_id",
        "host_user_id",
        "name_matches",
        "uids",
    )

    status: str | None = None
    started_after: datetime | str | None = None
    started_before: datetime | str | None = None
    event_type_id: str | None = None
    host_user_id: str | None = None
    name_matches: str | None = None
    uids: Sequence[str] | str | None = None
    where: Callable[[Booking], bool] | None = None

    def describe(self) -> dict[str, str]:
        """Return what was given, for the header of a plan."""
        found = {name: getattr(self, name) for name in self.template_fields if getattr(self, name) is not None}
        uids = found.get("uids", "")
        if isinstance(uids, Sized) and not isinstance(uids, str):  # not the output of another task
            found["uids"] = f"{len(uids)} uids"
        if self.where is not None:
            found["where"] = getattr(self.where, "__qualname__", type(self.where).__name__)
        return {name: str(value) for name, value in found.items()}

    def __str__(self) -> str:
        """Return the selection as Airflow's UI shows it."""
        return f"Selection({', '.join(f'{name}={value}' for name, value in self.describe().items())})"


class Matcher:
    """A selection, checked: what to ask Jicoo for, and which of the answers are meant.

    :raises InvalidRequestError: a field of the selection cannot be right.
    """

    def __init__(self, selection: Selection) -> None:
        from airflow_provider_jicoo.api.errors import InvalidRequestError

        self._selection = selection
        try:
            self._check()
        except (ValueError, re.error) as error:
            raise InvalidRequestError(f"selection: {error}") from None

    def _check(self) -> None:
        from airflow_provider_jicoo.api import times

        given = self._selection
        if given.status is not None and given.status not in STATUSES:
            raise ValueError(f"status: {given.status!r} is none of {', '.join(STATUSES)}")
        after = None if given.started_after is None else times.wire(times.moment(given.started_after))
        before = None if given.started_before is None else times.wire(times.moment(given.started_before))
        if after is not None and before is not None and before <= after:
            raise ValueError(f"started_before {before} is not after started_after {after}")
        # Kept as texts: Jicoo writes every moment in UTC with milliseconds, so that texts compare as moments do.
        self.after, self.before = after, before
        self._name = None if given.name_matches is None else re.compile(given.name_matches)
        self.uids = None if given.uids is None else [str(uid) for uid in as_list("uids", given.uids)]

    def meant(self, booking: Booking) -> bool:
        """Tell whether the selection means this booking."""
        given = self._selection
        start = booking["startedAt"]
        return (
            (given.status is None or booking["status"] == given.status)
            and (self.after is None or start >= self.after)
            and (self.before is None or start < self.before)
            and (given.event_type_id is None or booking["eventTypeId"] == given.event_type_id)
            and (given.host_user_id is None or any(host["userId"] == given.host_user_id for host in booking["hosts"]))
            and (self._name is None or self._name.search(booking["name"]) is not None)
            and (given.where is None or bool(given.where(booking)))
        )

    def beyond(self, booking: Booking) -> bool:
        """Tell whether this booking, and so every later one, starts too late."""
        return self.before is not None and booking["startedAt"] >= self.before


def select(client: JicooClient, selection: Selection) -> Iterator[Booking]:
    """Yield the bookings that a selection means, each once, page by page.

    :raises InvalidRequestError: the selection cannot be right.
    :raises ListingMovedError: the bookings never held still.
    :raises NotFoundError: one of its uids does not exist.
    """
    matcher = Matcher(selection)
    found: Iterable[Booking]
    if matcher.uids is not None:
        found = client.run(_lookup(matcher.uids)).values()
    else:
        found = client.iterate(_listing(matcher, selection), matcher.beyond)
    for booking in found:
        if matcher.meant(booking):
            yield booking


async def select_async(client: AsyncJicooClient, selection: Selection) -> AsyncIterator[Booking]:
    """Yield the bookings that a selection means, as :func:`select`."""
    matcher = Matcher(selection)
    if matcher.uids is not None:
        for booking in (await client.run(_lookup(matcher.uids))).values():
            if matcher.meant(booking):
                yield booking
        return
    async for booking in client.iterate(_listing(matcher, selection), matcher.beyond):
        if matcher.meant(booking):
            yield booking


def _lookup(uids: list[str]) -> Lookup:
    from airflow_provider_jicoo.api.lookup import lookup_bookings

    return lookup_bookings(uids)


def _listing(matcher: Matcher, selection: Selection) -> Listing[Booking]:
    from airflow_provider_jicoo.api.bookings import list_bookings

    return list_bookings(
        status=selection.status if selection.status in ("open", "cancel") else None,
        started_at=matcher.after,
        # By creation rows move least while they are read; by start the reading can end where the selection ends.
        order_by="createdAt" if matcher.before is None else "startedAt",
    )
