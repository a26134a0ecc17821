"""Which bookings. Light to import: a DAG file makes selections, a task uses them."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jicoo.api.arguments import as_list

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.aio import AsyncJicooClient
    from airflow_provider_jicoo.api.booking_list import BookingListing
    from airflow_provider_jicoo.api.client import JicooClient
    from airflow_provider_jicoo.api.errors import RequestError
    from airflow_provider_jicoo.api.lookup import Lookup
    from airflow_provider_jicoo.api.models import Booking

STATUSES = ("request", "open", "cancel")
NAMED_AT_MOST = 20
log = logging.getLogger(__name__)


@dataclass
class Selection:
    """Which bookings. What Jicoo can filter by it filters; the rest is filtered here. Its fields are templated.

    :param status: ``request``, ``open`` or ``cancel``.
    :param started_after: only those that start at or after this moment.
    :param started_before: only those that start before this moment.
    :param event_type_id: only those of this event type.
    :param host_user_id: only those with this user among the hosts.
    :param name_matches: only those in whose title this regular expression is found.
    :param uids: only these; one that does not exist is an error, and one that the rest of the selection rules out is a
        warning.
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
    name_matches: str | None = field(default=None, repr=False)
    uids: Sequence[str] | str | None = None
    where: Callable[[Booking], bool] | None = None

    def describe(self) -> dict[str, str]:
        """Return what was given, for the header of a plan."""
        given = {name: getattr(self, name) for name in self.template_fields if getattr(self, name) is not None}
        uids = given.get("uids", "")
        if isinstance(uids, Sized) and not isinstance(uids, str):  # not the output of another task
            given["uids"] = f"{len(uids)} uids"
        if self.where is not None:
            given["where"] = getattr(self.where, "__qualname__", type(self.where).__name__)
        return {name: str(value) for name, value in given.items()}

    def __str__(self) -> str:
        """Return the selection as Airflow's UI shows it: what is in a title may be a guest's name."""
        shown = {name: "***" if name == "name_matches" else value for name, value in self.describe().items()}
        return f"Selection({', '.join(f'{name}={value}' for name, value in shown.items())})"


class Matcher:
    """A selection, checked: what to ask Jicoo for, and which of the answers are meant.

    :raises InvalidRequestError: a field of the selection cannot be right.
    """

    def __init__(self, selection: Selection) -> None:
        from airflow_provider_jicoo.api.errors import InvalidRequestError

        self._selection = selection
        try:
            self._parse()
        except (ValueError, re.error) as error:
            raise InvalidRequestError(f"selection: {error}") from None

    def _parse(self) -> None:
        from airflow_provider_jicoo.api import times

        given = self._selection
        if given.status is not None and given.status not in STATUSES:
            raise ValueError(f"status: {given.status!r} is none of {', '.join(STATUSES)}")
        self.after = None if given.started_after is None else times.moment(given.started_after)
        self.before = None if given.started_before is None else times.moment(given.started_before)
        # As Jicoo writes them: bookings are compared with these by their text.
        self._after = None if self.after is None else times.wire(self.after)
        self._before = None if self.before is None else times.wire(self.before)
        if self._after is not None and self._before is not None and self._before <= self._after:
            raise ValueError(f"started_before {self._before} is not after started_after {self._after}")
        self._as_wire = times.as_wire
        self._name = None if given.name_matches is None else re.compile(given.name_matches)
        self.uids = None if given.uids is None else [str(uid) for uid in as_list("uids", given.uids)]

    def meant(self, booking: Booking) -> bool:
        """Tell whether the selection means this booking."""
        given = self._selection
        start = "" if self._after is self._before is None else self._as_wire(booking["startedAt"])
        return (
            (given.status is None or booking["status"] == given.status)
            and (self._after is None or start >= self._after)
            and (self._before is None or start < self._before)
            and (given.event_type_id is None or booking.get("eventTypeId") == given.event_type_id)
            and (given.host_user_id is None or any(host["userId"] == given.host_user_id for host in booking["hosts"]))
            and (self._name is None or self._name.search(booking.get("name") or "") is not None)
            and (given.where is None or bool(given.where(booking)))
        )

    def may_mean(self, row: Any) -> bool:
        """Tell of a row that cannot be used whether it may be a booking that is meant: what it does say is compared."""
        given = self._selection
        if not isinstance(row, Mapping):
            return True
        event_type, name = row.get("eventTypeId"), row.get("name")
        return (
            given.event_type_id is None or not isinstance(event_type, str) or event_type == given.event_type_id
        ) and (self._name is None or not isinstance(name, str) or self._name.search(name) is not None)


def select(
    client: JicooClient, selection: Selection, *, on_unproven: str | None = None, warnings: list[str] | None = None
) -> Iterator[Booking]:
    """Yield the bookings that a selection means, each once, page by page.

    :param on_unproven: what to do where it cannot be proved that these are all: ``fail``, after the last, or ``warn``;
        by default as the settings of the client say.
    :param warnings: list to append warnings to: what cannot be proved, and uids that exist but are ruled out by the
        rest of the selection; by default they are logged.
    :raises InvalidRequestError: the selection cannot be right.
    :raises ListingMovedError: the bookings never held still.
    :raises NotFoundError: one of its uids does not exist.
    :raises UnprovenListError: there may be more bookings that the selection means.
    """
    matcher = Matcher(selection)
    on_unproven = on_unproven or client.settings.on_unproven
    if matcher.uids is not None:
        unreadable: dict[str, RequestError] = {}
        bookings = client.run(_lookup(matcher.uids, unreadable))
        yield from _meant(matcher, bookings, unreadable, on_unproven, warnings)
        return
    for booking in client.iterate(_listing(matcher, selection), on_unproven=on_unproven, warnings=warnings):
        if matcher.meant(booking):
            yield booking


async def select_async(
    client: AsyncJicooClient, selection: Selection, *, on_unproven: str | None = None, warnings: list[str] | None = None
) -> AsyncIterator[Booking]:
    """Yield the bookings that a selection means, as :func:`select`."""
    async for some in select_pages_async(client, selection, on_unproven=on_unproven, warnings=warnings):
        for booking in some:
            yield booking


async def select_pages_async(
    client: AsyncJicooClient, selection: Selection, *, on_unproven: str | None = None, warnings: list[str] | None = None
) -> AsyncIterator[list[Booking]]:
    """Yield the bookings that a selection means, as :func:`select`, those of a page together."""
    matcher = Matcher(selection)
    on_unproven = on_unproven or client.settings.on_unproven
    if matcher.uids is not None:
        unreadable: dict[str, RequestError] = {}
        bookings = await client.run(_lookup(matcher.uids, unreadable))
        yield list(_meant(matcher, bookings, unreadable, on_unproven, warnings))
        return
    is_all = selection == Selection()
    async for page in client.iterate_pages(_listing(matcher, selection), on_unproven=on_unproven, warnings=warnings):
        yield page if is_all else [booking for booking in page if matcher.meant(booking)]


def _meant(
    matcher: Matcher,
    bookings: Mapping[str, Booking],
    unreadable: Mapping[str, RequestError],
    on_unproven: str,
    warnings: list[str] | None,
) -> Iterator[Booking]:
    """Yield those of the bookings that were named that are meant, and tell of the others."""
    from airflow_provider_jicoo.api.errors import BrokenRowsError
    from airflow_provider_jicoo.api.listing import Warnings

    others = []
    for uid, booking in bookings.items():
        if matcher.meant(booking):
            yield booking
        else:
            others.append(uid)
    broken = [str(error) for error in unreadable.values()]
    if broken and on_unproven == "fail":
        raise BrokenRowsError.of(broken[:NAMED_AT_MOST], "/v1/bookings")
    if broken and isinstance(warnings, Warnings):
        warnings.is_whole = False
    told = broken
    if others:
        named = ", ".join(others[:NAMED_AT_MOST]) + (", ..." if len(others) > NAMED_AT_MOST else "")
        told.append(
            f"{len(others)} of {len(bookings)} uids are there, but the rest of the selection rules them out: {named}"
        )
    if warnings is not None:
        warnings += told
    else:
        for text in told:
            log.warning("%s", text)


def _lookup(uids: list[str], unreadable: dict[str, RequestError]) -> Lookup:
    from airflow_provider_jicoo.api.lookup import lookup_bookings

    return lookup_bookings(uids, unreadable=unreadable)


def _listing(matcher: Matcher, selection: Selection) -> BookingListing:
    from airflow_provider_jicoo.api.bookings import list_bookings

    listing = list_bookings(
        started_at=matcher.after,
        # By creation rows move least while they are read; by start the reading can end where the selection ends.
        order_by="createdAt" if matcher.before is None else "startedAt",
    )
    return replace(
        listing,
        status=selection.status,
        before=matcher.before,
        any_order=True,
        concerns=matcher.may_mean,
    )
