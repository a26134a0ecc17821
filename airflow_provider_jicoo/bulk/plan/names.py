"""The names of hosts and event types, so that a person can read a plan. Nothing of the guests.

They are read once for each plan, after its bookings, from the lists of the organization's users and of its event types.
A name is a help and never a reason for a plan to fail: where a list is refused, is not there, or cannot be trusted, the
ids stand in the summary, with a sentence why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_jicoo.api.call import Listing
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.errors import (
    AuthenticationError,
    InvalidRequestError,
    JicooError,
    RateLimitError,
    RequestError,
    ServerError,
    TransportError,
)
from airflow_provider_jicoo.api.event_types import list_event_type_hosts, list_event_types
from airflow_provider_jicoo.api.organization import list_organization_users
from airflow_provider_jicoo.bulk.plan.markdown import code, text

MOST_ROWS = 1_000
"""How many rows of one list are read for names: 20 requests of 50 rows."""
MOST_EVENT_TYPES = 5
"""Of how many event types the hosts are read, where the list of users does not name them all."""
_IDS = ("uid", "userId", "id")
"""Which of them holds a user's id is not documented."""


@dataclass(frozen=True)
class Names:
    """Names by id.

    :param hosts: those of users.
    :param event_types: those of event types.
    :param notes: why some are not known, in whole sentences of Markdown.
    """

    hosts: Mapping[str, str] = field(default_factory=dict)
    event_types: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def host(self, uid: str) -> str:
        """Return a host in Markdown: by name, with the id where another host has the same one."""
        return _named(uid, self.hosts)

    def event_type(self, uid: str | None) -> str:
        """Return an event type in Markdown."""
        return "no event type" if uid is None else _named(uid, self.event_types)

    def of(self, uid: str) -> str | None:
        """Return the name of a host or an event type in Markdown, None where there is none."""
        name = self.hosts.get(uid) or self.event_types.get(uid)
        return None if name is None else text(name)


def _named(uid: str, names: Mapping[str, str]) -> str:
    if uid not in names:
        return code(uid)
    name = text(names[uid])
    # Two hosts with the same name in the summary could be mistaken for each other.
    alike = sum(text(other) == name for other in names.values())
    return name if alike == 1 else f"{name} ({code(uid)})"


def read_names(client: JicooClient, hosts: Collection[str], event_types: Mapping[str | None, int]) -> Names:
    """Read names, and stop as soon as all that are wanted are known.

    :param hosts: ids of users.
    :param event_types: ids of event types, with how many bookings of the plan each has.
    :raises AuthenticationError: the API key is not valid any more.
    """
    by_count = [uid for _, uid in sorted((-count, uid) for uid, count in event_types.items() if uid is not None)]
    users, types = _Reading(client, hosts), _Reading(client, by_count)
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(types.read, list_event_types(limit=MOST_ROWS))
        users.read(list_organization_users(limit=MOST_ROWS))
        for uid in by_count[:MOST_EVENT_TYPES]:
            users.read_hosts_of(uid)
        reading.result()
    notes = (*users.notes("host", "hosts"), *types.notes("event type", "event types"))
    return Names(users.names, types.names, notes)


class _Reading:
    """Names of one kind while they are read.

    ``why`` says why some are missing; ``stopped`` the same where Jicoo has failed, not refused.
    """

    def __init__(self, client: JicooClient, wanted: Iterable[str]) -> None:
        self._client = client
        self._missing = set(wanted)
        self.names: dict[str, str] = {}
        self.why = ""
        self.stopped = ""

    def read(self, listing: Listing[Any]) -> None:
        """Take the names out of a list."""
        if not self._missing or self.stopped:
            return
        rows = 0
        try:
            for row in self._client.iterate(listing):
                rows += 1
                self._take(row)
                if not self._missing:
                    return
        except AuthenticationError:
            raise
        except JicooError as error:
            self.why = self.why or _why(error)
            if isinstance(error, (ServerError, TransportError, RateLimitError)):
                self.stopped = _why(error)
        if rows >= MOST_ROWS:
            self.why = self.why or f"not among the first {MOST_ROWS:,} of Jicoo's list"

    def read_hosts_of(self, event_type: str) -> None:
        """Take the names out of the list of an event type's hosts."""
        try:
            listing = list_event_type_hosts(event_type, limit=MOST_ROWS)
        except InvalidRequestError:
            return  # an id that no path can hold
        self.read(listing)

    def _take(self, row: Any) -> None:
        name = row.get("name") if isinstance(row, Mapping) else None
        if not isinstance(name, str) or not name.strip():
            return
        for uid in (row.get(key) for key in _IDS):
            if isinstance(uid, str) and uid in self._missing:
                self._missing.discard(uid)
                self.names[uid] = name

    def notes(self, one: str, many: str) -> list[str]:
        """Say how many names are missing, and why."""
        if not self._missing:
            return []
        subject = f"1 {one} is" if len(self._missing) == 1 else f"{len(self._missing):,} {many} are"
        return [f"{subject} shown by id: {self.why or 'in none of the lists that Jicoo gave'}."]


def _why(error: JicooError) -> str:
    if not isinstance(error, RequestError):
        return text(error)
    status = "" if error.status is None else f" answered {error.status}"
    # Only our own words: an error text of the API may contain anything.
    return f"{code(f'{error.method} {error.path}')}{status}: {text(error.summary.split('. ')[0].rstrip('.'), 200)}"
