"""What became of bookings between two looks: pure, and without anything that the guest told.

Jicoo has no filter by the time of a change, so that changes are found by comparing. A watermark alone loses: times may
be cut to seconds, two changes may have the same one, a sweep takes seconds in which others happen, and clocks differ.
So each booking is kept as an *entry* of its status, its times, and a digest of what Jicoo documents of it. Of two looks
with different entries something happened in between, whatever ``updatedAt`` says.

What happened between two looks and was undone by the second is told only where ``updatedAt`` shows it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from airflow_provider_jicoo.api.errors import JicooError
from airflow_provider_jicoo.api.status import is_cancelled

ChangeName = Literal["booked", "updated", "rescheduled", "cancelled"]
CHANGES: tuple[ChangeName, ...] = ("booked", "updated", "rescheduled", "cancelled")

GONE = "gone"
"""What stands for the status of a booking that does not exist any more."""

LOOKBACK = timedelta(days=1)
"""How long a booking that has begun is still looked at. Before the last look, so that what began while nobody looked is
found; a day, so that neither clocks nor time zones matter."""

GONE_AT_MOST = 10
"""How many bookings may stop to exist between two looks. Jicoo documents no way to delete one: where many are gone at
once, it is the API key that sees others now, and nobody has cancelled anything."""

_FIELDS = (
    "eventTypeId",
    "name",
    "description",
    "locationId",
    "url",
    "phoneNumber",
    "address",
    "customLocation",
    "access",
    "timeZone",
    "priority",
    "cancelReason",
    "cancelledAt",
    "cancelledBy",
    "createdAt",
    "updatedAt",
)
"""What Jicoo documents of a booking, beside what an entry says itself. Another field may change with every answer."""
_STAMPS = frozenset({"cancelledAt", "createdAt", "updatedAt"})


class VanishedError(JicooError):
    """Many of the bookings that were there do not exist any more.

    :param count: how many.
    :param known: of how many.
    """

    permanent = True

    def __init__(self, count: int, known: int) -> None:
        self.count = count
        self.known = known
        super().__init__(count, known)

    def __str__(self) -> str:
        return (
            f"{self.count:,} of the {self.known:,} bookings known do not exist any more for this API key, so that it "
            "may be another team's: nothing is told as cancelled. Put the right key into the connection; where they "
            "are gone indeed, delete the stored cursor"
        )


class Seen(NamedTuple):
    """A booking as it was seen.

    :param entry: what it is compared by: status, start, end and digest, with a space between.
    :param event_type_id: its event type.
    :param created_at: when it was made, as Jicoo writes it.
    :param updated_at: when it was last changed, as Jicoo writes it.
    """

    entry: str
    event_type_id: str | None
    created_at: str | None
    updated_at: str


@dataclass(frozen=True)
class BookingChange:
    """What happened to a booking. Ids and times alone.

    :param event: what happened. ``booked``: it is seen for the first time, and is not cancelled. ``rescheduled``: it
        has another start or end. ``cancelled``: it is cancelled, or does not exist any more. ``updated``: anything
        else, also that a request was approved.
    :param uid: the booking.
    :param status: its status now; ``gone`` where it does not exist any more.
    :param started_at: its start now, UTC, as ``2024-03-01T20:00:00.000Z``; the last one known where it is gone.
    :param event_type_id: its event type; None where that is not known.
    :param updated_at: when it was last changed, as Jicoo writes it; None where it is gone.
    :param entry: its entry now; None where it is gone.
    """

    event: ChangeName
    uid: str
    status: str
    started_at: str
    event_type_id: str | None
    updated_at: str | None
    entry: str | None

    @property
    def id(self) -> str:
        """32 hex digits, the same ones whenever the same change is told of again."""
        parts = json.dumps([self.event, self.uid, self.entry])
        return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()


def seen(row: Mapping[str, Any]) -> Seen:
    """Return a booking of Jicoo's answer as it is compared.

    :raises ValueError: its start or end is no moment.
    """
    from airflow_provider_jicoo.api import times

    start, end = times.as_wire(row["startedAt"]), times.as_wire(row["endedAt"])
    hosts = sorted(str(host.get("userId")) for host in row.get("hosts") or ())
    fields = [_comparable(name, row.get(name)) for name in _FIELDS]
    parts = json.dumps([fields, hosts], default=str, sort_keys=True)
    # 40 bits: of a trillion changes one would show the digest that was there before.
    digest = hashlib.blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    return Seen(
        f"{row['status']} {start} {end} {digest}", row.get("eventTypeId"), row.get("createdAt"), row["updatedAt"]
    )


def _comparable(name: str, value: Any) -> Any:
    """Return a field as it is compared: a list and a single booking may write the same in two ways."""
    from airflow_provider_jicoo.api import times

    if value == "":
        return None
    if name in _STAMPS and isinstance(value, str):
        try:
            return times.as_wire(value)
        except ValueError:
            return value
    return value


def start_of(entry: str) -> str:
    """Return the start that an entry says."""
    return entry.rsplit(" ", 3)[1]


def change_of(uid: str, before: str | None, now: Seen | None) -> BookingChange | None:
    """Say what happened to a booking; None for nothing.

    :param before: the entry of the last look; None where it was not there.
    :param now: what is seen now; None where it does not exist any more.
    """
    if now is None:
        if before is None:
            return None
        status, start, _, _ = before.rsplit(" ", 3)
        return None if is_cancelled(status) else BookingChange("cancelled", uid, GONE, start, None, None, None)
    if before == now.entry:
        return None
    status, start, end, _ = now.entry.rsplit(" ", 3)
    was_status, was_start, was_end, _ = (None, None, None, None) if before is None else before.rsplit(" ", 3)
    event: ChangeName = "updated"
    if is_cancelled(status) and not is_cancelled(was_status):
        event = "cancelled"
    elif before is None or (is_cancelled(was_status) and not is_cancelled(status)):
        event = "booked"
    elif (start, end) != (was_start, was_end):
        event = "rescheduled"
    return BookingChange(event, uid, status, start, now.event_type_id, now.updated_at, now.entry)


class Period(NamedTuple):
    """Which starts a sweep asks for: from ``lower`` on, before ``upper`` (None: without end). UTC, as Jicoo writes."""

    lower: str
    upper: str | None

    def has(self, start: str) -> bool:
        """Tell whether a start is in it."""
        return self.lower <= start and (self.upper is None or start < self.upper)


def period(since: datetime, now: datetime, horizon_days: int | None) -> Period:
    """Return which starts to ask for.

    :param since: when the last look began that saw everything.
    :param now: when this one begins.
    :param horizon_days: how many days ahead; None for all.
    """
    from airflow_provider_jicoo.api import times

    upper = None if horizon_days is None else times.wire(now + timedelta(days=horizon_days))
    return Period(times.wire(min(since, now) - LOOKBACK), upper)


def absent(entries: Mapping[str, str], rows: Iterable[str], asked: Period) -> list[str]:
    """Return the bookings that a sweep should have shown and did not: moved elsewhere, deleted, or left out.

    :param entries: the entries of the last look, by uid.
    :param rows: the uids that the sweep has.
    """
    came = set(rows)
    return [uid for uid, entry in entries.items() if uid not in came and asked.has(start_of(entry))]


def check_gone(entries: Mapping[str, str], now: Mapping[str, Any]) -> None:
    """Refuse to take many bookings that do not exist any more for cancelled; those that were cancelled before may go.

    :param entries: the entries of the last look, by uid.
    :param now: what is seen of them now; None for one that does not exist any more.
    :raises VanishedError: they are more than :data:`GONE_AT_MOST`.
    """
    gone = [uid for uid, row in now.items() if row is None]
    if len(gone) > GONE_AT_MOST and any(change_of(uid, entries.get(uid), None) for uid in gone):
        raise VanishedError(len(gone), len(entries))


def changes(entries: Mapping[str, str], now: Mapping[str, Seen | None]) -> Iterator[BookingChange]:
    """Yield what happened to bookings.

    :param entries: the entries of the last look, by uid.
    :param now: what is seen of them now; None for one that does not exist any more.
    """
    for uid, row in now.items():
        found = change_of(uid, entries.get(uid), row)
        if found is not None:
            yield found


def past(entries: Mapping[str, str], lower: str) -> list[str]:
    """Return the bookings that began before ``lower``: they need not be remembered any more."""
    return [uid for uid, entry in entries.items() if start_of(entry) < lower]
