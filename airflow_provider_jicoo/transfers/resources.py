"""What can be loaded: the resources, their columns, and how each is read.

The columns of a resource are the same in every file and table: named as Jicoo names its fields, typed, in one order.
What a row has beyond them, a field that Jicoo adds later or a value of another type than is known, is in ``_extra``.

Nothing here knows Airflow, pyarrow or dlt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.client import JicooClient
    from airflow_provider_jicoo.api.models import BookingContact
    from airflow_provider_jicoo.bulk.selection import Selection

Kind = Literal["text", "moment", "integer", "boolean", "json"]
"""What is in a column. A moment is UTC with milliseconds, written ``2024-03-01T20:00:00.000Z``; JSON is a list or an
object as Jicoo gives it."""
Row = dict[str, Any]

EXTRA = "_extra"
CONTACTS_AT_ONCE = 16
"""How many bookings' contacts are asked for at once: as many as pages of a list."""


@dataclass(frozen=True)
class Column:
    """A column of a resource.

    :param name: as Jicoo calls the field.
    :param kind: what is in it.
    :param source: the fields that it is taken from, the first that a row has; by default the one of its name.
    """

    name: str
    kind: Kind = "text"
    source: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it is taken from."""
        return self.source or (self.name,)


@dataclass(frozen=True)
class Resource:
    """Something that can be loaded.

    :param name: what it is called in arguments and tables.
    :param columns: its columns in order, the last of them ``_extra``.
    :param primary_key: the columns that tell its rows apart.
    :param is_private: whether it has guests' personal data beyond a booking's title.
    :param changed: the column that moves with every edit; None where there is none.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    is_private: bool = False
    changed: str | None = None

    def shape(self, row: Mapping[str, Any]) -> Row:
        """Return a row with exactly the columns.

        Nothing is lost: a field that is no column, and a value of another type than its column's, is in ``_extra``
        under its own name; there the column is None. ``_extra`` is None where there is nothing in it.
        """
        rest = dict(row)
        kept = rest.pop(EXTRA, None)
        shaped: Row = {}
        for column in self.columns:
            field = next((field for field in column.fields if field in rest), None)
            value = None if field is None else rest[field]
            good, value = _CHECKS[column.kind](value)
            if field is not None and good:
                del rest[field]
            shaped[column.name] = value if good else None
        shaped[EXTRA] = _beside(rest, kept) or None
        return shaped

    def key(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what tells a shaped row apart from the others."""
        return tuple(row[name] for name in self.primary_key)

    def key_of(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the same of a row as Jicoo gives it."""
        return tuple(
            next((row[field] for field in column.fields if field in row), None)
            for column in self.columns
            if column.name in self.primary_key
        )


class RowError(ValueError):
    """A row that cannot be loaded; says which, and never a value of it."""


def with_ours(row: Mapping[str, Any], ours: Row) -> Row:
    """Return a row with fields that are ours. What Jicoo calls by the name of one of them is kept in ``_extra``."""
    made = {**row, **ours}
    theirs = {name: row[name] for name in ours if name in row and row[name] != ours[name]}
    if theirs:
        made[EXTRA] = _beside(theirs, row.get(EXTRA))
    return made


def _beside(rest: Row, kept: Any) -> Row:
    """Return what goes into ``_extra``: the rest of a row beside what is in a field of that name already."""
    if kept is None:
        return rest
    return {**rest, **(kept if isinstance(kept, dict) and not kept.keys() & rest.keys() else {EXTRA: kept})}


def _text(value: Any) -> tuple[bool, Any]:
    return value is None or isinstance(value, str), value


def _moment(value: Any) -> tuple[bool, Any]:
    from airflow_provider_jicoo.api import times

    if value is None:
        return True, None
    try:
        written = times.as_wire(value)
        datetime.fromisoformat(written[:-1])  # the form alone may be that of the 31st of February
    except (ValueError, TypeError):
        return False, None
    return True, written


def _integer(value: Any) -> tuple[bool, Any]:
    # What does not fit into a BIGINT would fail a whole load.
    fits = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return value is None or fits, value


def _boolean(value: Any) -> tuple[bool, Any]:
    return value is None or isinstance(value, bool), value


def _json(value: Any) -> tuple[bool, Any]:
    return True, value


_CHECKS: dict[Kind, Callable[[Any], tuple[bool, Any]]] = {
    "text": _text,
    "moment": _moment,
    "integer": _integer,
    "boolean": _boolean,
    "json": _json,
}


def _columns(text: str) -> tuple[Column, ...]:
    """Return columns from ``name:kind`` words; without a kind it is a text."""
    kinds: dict[str, Kind] = {"moment": "moment", "integer": "integer", "boolean": "boolean", "json": "json"}
    parts = (word.partition(":") for word in text.split())
    return (*(Column(name, kinds.get(kind, "text")) for name, _, kind in parts), Column(EXTRA, "json"))


BOOKINGS = Resource(
    "bookings",
    _columns(
        "uid eventTypeId name description status startedAt:moment endedAt:moment locationId url phoneNumber address "
        "customLocation access timeZone priority cancelReason cancelledAt:moment cancelledBy hosts:json "
        "createdAt:moment updatedAt:moment"
    ),
    ("uid",),
    changed="updatedAt",
)
CONTACTS = Resource(
    "contacts",
    _columns(
        "bookingUid position:integer name email ccEmails:json company phoneNumber message textRemindNumber "
        "textRemindCountryCode answers:json createdAt:moment updatedAt:moment"
    ),
    ("bookingUid", "position"),
    is_private=True,
    changed="updatedAt",
)
"""The guests of each booking. They have no id: ``position`` is the place in the booking's list, from 0."""
HOSTS = Resource(
    "hosts",
    _columns("eventTypeId uid name email profileImage role priority:integer userType sort:integer"),
    ("eventTypeId", "uid"),
)
"""The hosts of each event type; ``uid`` is the user's."""
EVENT_TYPES = Resource("event_types", _columns("uid name status duration:integer"), ("uid",))
USERS = Resource("users", (Column("uid", source=("uid", "userId", "id")), *_columns("name email role")), ("uid",))
"""The organization's users. Which field has the id is not documented; here it is ``uid``."""
SCHEDULES = Resource(
    "schedules",
    _columns(
        "uid name description routine:json isRemind:boolean projectId:integer phoneNumber access address "
        "customLocation attendees:json isAllDay:boolean timeZone startedAt:moment endedAt:moment priority displayType "
        "location transparency behavior visibilityType status url createdAt:moment updatedAt:moment"
    ),
    ("uid",),
    changed="updatedAt",
)
RESOURCES: dict[str, Resource] = {
    each.name: each for each in (BOOKINGS, CONTACTS, HOSTS, EVENT_TYPES, USERS, SCHEDULES)
}


def resource(name: str) -> Resource:
    """Return the resource of a name.

    :raises ValueError: there is none; names those there are.
    """
    if not isinstance(name, str) or name not in RESOURCES:
        raise ValueError(f"resource: {name!r:.100} is none of {', '.join(RESOURCES)}")
    return RESOURCES[name]


def read(
    client: JicooClient,
    wanted: Resource,
    *,
    selection: Selection | None = None,
    on_unproven: str | None = None,
    warnings: list[str] | None = None,
) -> Iterator[Row]:
    """Yield the rows of a resource as Jicoo gives them, each once, and prove that they are all.

    Rows that belong to another thing have its id too: ``bookingUid`` and ``position``, or ``eventTypeId``. An event
    type that was removed meanwhile has no hosts.
    :meth:`Resource.shape` makes columns of a row.

    :param selection: which bookings, or whose contacts; by default all. No other resource takes one.
    :param on_unproven: ``fail``, after all rows that there are, or ``warn``; by default as the client's settings say.
    :param warnings: where to put what is to be told; by default the log.
    :raises ValueError: a selection for a resource that takes none.
    :raises UnprovenListError: there may be more rows; what was yielded before stays valid.
    :raises RequestError: as :meth:`~airflow_provider_jicoo.api.client.JicooClient.send`.
    """
    from airflow_provider_jicoo.api.errors import NotFoundError
    from airflow_provider_jicoo.api.event_types import get_event_type
    from airflow_provider_jicoo.bulk.selection import Selection, select

    told: dict[str, Any] = {"on_unproven": on_unproven, "warnings": warnings}
    if wanted in (BOOKINGS, CONTACTS):
        bookings = select(client, selection or Selection(), **told)
        if wanted is BOOKINGS:
            yield from map(dict, bookings)
        else:
            yield from read_contacts(client, (booking["uid"] for booking in bookings))
        return
    check_selection(wanted, selection)
    if wanted is HOSTS:
        # A list is read to its end first: meanwhile its rows would move.
        for event_type_id in event_type_ids(list(client.iterate(listing(EVENT_TYPES), **told))):
            try:
                for host in client.iterate(hosts_listing(event_type_id), **told):
                    yield with_ours(host, {"eventTypeId": event_type_id})
            except NotFoundError:
                # Was it removed since it was listed?
                try:
                    client.send(get_event_type(event_type_id))
                except NotFoundError:
                    continue
                raise
        return
    yield from map(dict, client.iterate(listing(wanted), **told))


def check_selection(wanted: Resource, selection: Selection | None) -> None:
    """Refuse a selection for what is no booking.

    :raises ValueError: names the resource.
    """
    if selection is not None and wanted not in (BOOKINGS, CONTACTS):
        raise ValueError(f"selection: it says which bookings, and {wanted.name} are none: leave it out")


def listing(wanted: Resource) -> Any:
    """Return the list that a resource is read from, where that is one list that takes no selection."""
    from airflow_provider_jicoo.api.event_types import list_event_types
    from airflow_provider_jicoo.api.organization import list_organization_users
    from airflow_provider_jicoo.api.schedules import list_schedules

    lists: dict[str, Callable[[], Any]] = {
        "event_types": list_event_types,
        "users": list_organization_users,
        "schedules": list_schedules,
    }
    return lists[wanted.name]()


def event_type_ids(event_types: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the ids of event types, whose hosts are asked for by them.

    :raises RowError: one has none.
    """
    from airflow_provider_jicoo.api.paths import is_id

    ids = [each.get("uid") for each in event_types]
    for number, uid in enumerate(ids, 1):
        if not is_id(uid):
            raise RowError(
                f"hosts: event type number {number} has no uid that its hosts could be asked for by, so that they "
                "would be missing"
            )
    return [str(uid) for uid in ids]


def hosts_listing(event_type_id: str) -> Any:
    """Return the list of the hosts of an event type."""
    from airflow_provider_jicoo.api.event_types import list_event_type_hosts

    return list_event_type_hosts(event_type_id)


def contact_rows(uid: str, contacts: list[BookingContact]) -> list[Row]:
    """Return the rows of the contacts of a booking.

    :param uid: the booking's.
    :raises RowError: one is no object.
    """
    from airflow_provider_jicoo.api.rows import kind

    for number, contact in enumerate(contacts, 1):
        if not isinstance(contact, dict):
            raise RowError(f"contacts of booking {uid!r}: number {number} is {kind(contact)}, not an object")
    return [with_ours(contact, {"bookingUid": uid, "position": position}) for position, contact in enumerate(contacts)]


def read_contacts(client: JicooClient, uids: Iterable[str], *, at_once: int = CONTACTS_AT_ONCE) -> Iterator[Row]:
    """Yield the contacts of bookings, many asked for at once, in the order of ``uids``.

    A booking that does not exist any more has none.

    :param at_once: how many requests may be under way. The pace is the client's.
    :raises RequestError: as :meth:`~airflow_provider_jicoo.api.client.JicooClient.send`.
    """
    from airflow_provider_jicoo.api.bookings import get_booking_contacts
    from airflow_provider_jicoo.api.errors import NotFoundError

    def rows(uid: str) -> list[Row]:
        try:
            return contact_rows(uid, client.send(get_booking_contacts(uid)))
        except NotFoundError:
            return []

    pool = ThreadPoolExecutor(at_once, thread_name_prefix="jicoo")
    under_way: deque[Future[list[Row]]] = deque()
    try:
        for uid in uids:
            under_way.append(pool.submit(rows, uid))
            if len(under_way) >= 2 * at_once:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
