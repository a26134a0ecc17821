"""Which endpoints answer, the inferred ones above all. Only what reads is asked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.availability import get_user_availability_calendar, list_user_availability_calendars
from airflow_provider_jicoo.api.bookings import get_booking, get_booking_contacts
from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.event_types import get_event_type, list_event_type_hosts, list_event_types
from airflow_provider_jicoo.api.organization import (
    get_organization_invitation,
    get_organization_user,
    list_organization_invitations,
    list_organization_users,
    list_teams,
)
from airflow_provider_jicoo.api.paging import page_call
from airflow_provider_jicoo.api.paths import inferred
from airflow_provider_jicoo.api.schedules import list_schedules
from airflow_provider_jicoo.doctor.findings import Finding, differs, fails, holds, untold
from airflow_provider_jicoo.doctor.look import UNANSWERED, Enough, Look, status_of

ROWS_AT_MOST = 300
"""How much is read of each other list."""
REQUESTS_AT_MOST = 30
"""How many requests each other list may take."""
PERIODS = (("periodStart", "periodEnd"), ("startedAt", "endedAt"))
"""What the parameters of Available Schedules may be called: the sources disagree."""
_INFERRED = "(inferred)"
_FROM_OTHERS = "(from other people's code)"


class Endpoints:
    """Asks one endpoint after the other; what one gives is what the next is asked about.

    :param look: sends the requests.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self.findings: list[Finding] = []
        self.period: tuple[str, str] | None = None

    def ask_all(self, booking: str | None) -> None:
        """Ask them all.

        :param booking: the id of some booking.
        """
        self._look.tell("endpoints: which ones answer, and which the key may use")
        self._get("GET /v1/bookings/{uid}", get_booking(booking) if booking else None, "booking")
        self._get("GET /v1/bookings/{uid}/contacts", get_booking_contacts(booking) if booking else None, "booking")
        event_types = self._list("GET /v1/event_types", list_event_types())
        one = _id(event_types)
        self._get("GET /v1/event_types/{uid}", get_event_type(one) if one else None, "event type")
        self._list(
            "GET /v1/event_type_hosts (query inferred)", list_event_type_hosts(one) if one else None, "event type"
        )
        self._slots([each for each in map(_id_of, event_types) if each][:3])
        self._list("GET /v1/schedules", list_schedules())
        users = self._list(f"GET {inferred('list_organization_users')} {_INFERRED}", list_organization_users())
        user = _id(users) or self._a_host
        self._get("GET /v1/organization_users/{userId}", get_organization_user(user) if user else None, "user")
        calendars = self._list(
            "GET /v1/user_availability_calendars",
            list_user_availability_calendars(user) if user else None,
            "user",
        )
        calendar = _id(calendars)
        self._get(
            "GET /v1/user_availability_calendars/{uid}",
            get_user_availability_calendar(calendar) if calendar else None,
            "availability calendar",
        )
        invitations = self._list("GET /v1/organization_invitations", list_organization_invitations())
        invitation = _id(invitations)
        self._get(
            f"GET /v1/organization_invitations/{{uid}} {_INFERRED}",
            get_organization_invitation(invitation) if invitation else None,
            "invitation",
        )
        self._list(f"GET {inferred('list_teams')} {_FROM_OTHERS}", list_teams())

    _a_host: str | None = None

    def know_host(self, rows: Iterable[Any]) -> None:
        """Note a user from the hosts of bookings, for a key that may not list users."""
        self._a_host = next((host["userId"] for row in rows for host in row["hosts"]), None)

    def _get(self, name: str, call: Call[Any] | None, of: str) -> None:
        if call is None:
            self.findings.append(untold(name, f"no {of} is known to ask with"))
            return
        try:
            self._look.client.send(call)
        except UNANSWERED as error:
            self.findings.append(_refused(name, error))
        else:
            self.findings.append(holds(name, "It answers (200)."))

    def _list(self, name: str, listing: Listing[Any] | None, of: str = "") -> list[Any]:
        """Read a list with the package's own proofs, as far as it costs little."""
        if listing is None:
            self.findings.append(untold(name, f"no {of} is known to ask with"))
            return []
        warnings: list[str] = []
        rows: list[Any] = []
        watch = self._look.client.watch
        watch.left = REQUESTS_AT_MOST
        try:
            reading = self._look.client.iterate(listing, on_unproven="warn", warnings=warnings)
            rows.extend(islice(reading, ROWS_AT_MOST))
            whole = len(rows) < ROWS_AT_MOST
        except UNANSWERED as error:
            found = _refused(name, error)
            cannot_be_read = error.status == 200  # it answers, but with what is no list, or has no end
            self.findings.append(fails(name, found.seen, found.advice) if cannot_be_read else found)
            return rows
        except Enough:
            seen = f"it answers; after {REQUESTS_AT_MOST} requests {len(rows):,} rows had come, and no end"
            self.findings.append(untold(name, seen))
            return rows
        finally:
            watch.left = None
        if warnings:
            self.findings.append(fails(name, warnings[0], "To read this list all the same, say on_unproven='warn'."))
        elif whole:
            self.findings.append(self._of_pages(name, listing, len(rows)))
        else:
            self.findings.append(holds(name, f"It answers; the first {len(rows):,} rows of it were read."))
        return rows

    def _of_pages(self, name: str, listing: Listing[Any], rows: int) -> Finding:
        """Ask for one row: a list that comes unpaged gives them all."""
        seen = f"It answers, and has {rows:,} rows."
        if rows < 2:
            return holds(name, seen)
        try:
            answer = self._look.client.send(page_call(listing, self._look.client.paging, 1, 1))
        except UNANSWERED as error:
            return differs(name, f"{seen} One row at once is refused ({status_of(error)}).", "Nobody needs that.")
        if len(answer["data"]) > 1:
            seen = f"{seen} They come unpaged: one row was asked for, and {len(answer['data']):,} came."
            return differs(name, seen, "The package takes what comes, and asks for what may follow.")
        return holds(name, seen)

    def _slots(self, event_types: list[str]) -> None:
        """See which names of the two parameters give slots of the period that is asked for."""
        name = f"GET /v1/event_types/{{uid}}/available_schedules {_INFERRED}"
        if not event_types:
            self.findings.append(untold(name, "no event type is known to ask with"))
            return
        said: list[str] = []
        for names in (self._look.client.settings.period_parameters, *PERIODS):
            if any(text.startswith(names[0]) for text in said):
                continue
            answered = self._slots_by(names, event_types)
            if answered is True:
                self.period = names
                self.findings.append(holds(name, f"By {names[0]} and {names[1]} it gives slots of that period."))
                return
            said.append(f"{names[0]} and {names[1]}: {answered}")
        text = f"{'; '.join(said)}."
        if all("no slot" in each for each in said) or "no slot" in said[0]:
            self.findings.append(untold(name, text.rstrip(".")))
        else:
            self.findings.append(
                differs(name, text, "Free slots cannot be read until the connection's extras say what they are called.")
            )

    def _slots_by(self, names: tuple[str, str], event_types: list[str]) -> bool | str:
        """Tell whether slots of the period came, or what came instead."""
        start = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) + timedelta(days=30)
        end = start + timedelta(days=6)
        query = {names[0]: times.wire(start), names[1]: times.wire(end)}
        found: bool | str = "no slot came"
        for event_type in event_types:
            call: Call[Any] = Call(
                "GET", inferred("available_schedules", event_type_id=event_type), query=query, answer_shape="list"
            )
            try:
                slots = self._look.client.send(call)
            except UNANSWERED as error:
                return f"refused ({status_of(error)})"
            starts = [_start(slot) for slot in slots]
            if any(at is None or not start - timedelta(days=1) <= at <= end + timedelta(days=1) for at in starts):
                return "slots of another period came"
            if starts:
                return True
        return found


def _start(slot: Any) -> datetime | None:
    try:
        return times.moment(slot["startedAt"])
    except (KeyError, TypeError, ValueError):
        return None


def _id_of(row: Any) -> str | None:
    if not isinstance(row, dict):
        return None
    found = next((row[name] for name in ("uid", "userId", "id") if name in row), None)
    return str(found) if isinstance(found, (str, int)) and str(found) else None


def _id(rows: list[Any]) -> str | None:
    return next(filter(None, map(_id_of, rows)), None)


def _refused(name: str, error: RequestError) -> Finding:
    advice = {
        403: "The key lacks the permission: see its settings in Jicoo's dashboard.",
        404: "Either the path is another one, which api/paths.py then lets you correct, or the key cannot see it.",
    }.get(error.status or 0, "")
    return differs(name, f"{error.summary} ({status_of(error)})", advice)
