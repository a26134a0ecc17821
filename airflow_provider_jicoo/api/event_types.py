"""The Event Types section of Jicoo's API: what each request is.

Source: the pages under "Event Types" on https://developer.jicoo.com. What is inferred there says so here. The host
assign rules of that menu are not in here: their paths are not known; see
:func:`~airflow_provider_jicoo.api.request.request`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.call import Call, Listing, ReadBack, Repeat
from airflow_provider_jicoo.api.errors import (
    InvalidRequestError,
    RequestError,
    UnexpectedAnswerError,
    UnprovenListError,
)
from airflow_provider_jicoo.api.models import (
    AvailableSchedule,
    BookingPage,
    CreateEventTypeHostBody,
    EventType,
    EventTypeHost,
    UpdateEventTypeHostBody,
    ValidateGuestBody,
    body,
)
from airflow_provider_jicoo.api.paging import count
from airflow_provider_jicoo.api.paths import INFERRED, checked_id, checked_limit, inferred
from airflow_provider_jicoo.api.rows import row_problem
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.api.settings import Settings

WINDOW = timedelta(days=7)
"""The longest period of one request for free slots: not documented, known from other people's code."""
DAY = timedelta(days=1)
AT_ONCE = 16
"""How many periods are read at the same time, where the client can."""

Slots = Generator[list[Call[Any]], list[Any], list[AvailableSchedule]]


def list_event_types(*, team_id: str | int | None = None, limit: int | None = None) -> Listing[EventType]:
    """List Event Types (https://developer.jicoo.com/api-5734881). Some API keys may not: see the error.

    :param team_id: only those of this team; known from other people's code.
    :param limit: stop after so many; None for all.
    """
    return Listing(
        "/v1/event_types",
        {} if team_id is None else {"teamId": _team(team_id)},
        limit=checked_limit("List Event Types", limit),
        permission_hint="Some keys may use event types, but not list them: name the event types by hand instead. The "
        "id is the last part of the booking page's address, https://www.jicoo.com/t/<team>/e/<id>.",
        check=row_problem(("uid",)),
    )


def get_event_type(event_type_id: str) -> Call[EventType]:
    """Get Event Type (https://developer.jicoo.com/api-5723410).

    :param event_type_id: id of the event type, as ``o072r8CvwVF4``.
    """
    return Call("GET", f"/v1/event_types/{checked_id('event_type_id', event_type_id)}")


def list_event_type_hosts(event_type_id: str, *, limit: int | None = None) -> Listing[EventTypeHost]:
    """List Event Type Hosts (https://developer.jicoo.com/api-5734887).

    Its path names no event type; that the query does, as ``eventTypeId``, is inferred.

    :param event_type_id: id of the event type.
    :param limit: stop after so many; None for all.
    """
    query = {"eventTypeId": checked_id("event_type_id", event_type_id)}
    return Listing(
        "/v1/event_type_hosts",
        query,
        limit=checked_limit("List Event Type Hosts", limit),
        check=row_problem(("uid",)),
    )


@discreet
def create_event_type_host(event_type_id: str, **fields: Any) -> Call[EventTypeHost]:
    """Create Event Type Host. Path and body are inferred.

    Who is a host already would be one twice, or be refused: it is not repeated before the list of hosts was read.

    :param event_type_id: id of the event type.
    :param fields: as :class:`~airflow_provider_jicoo.api.models.CreateEventTypeHostBody`: ``user_id``, and perhaps
        ``role``, ``priority``, ``user_type``.
    """
    checked = body(CreateEventTypeHostBody, fields, "Create Event Type Host")
    return Call(
        "POST",
        inferred("create_event_type_host", event_type_id=event_type_id),
        body=checked.wire(),
        answer_shape="anything",
        repeat=Repeat.READ_BACK,
        read_back=_on_the_list(event_type_id, checked.user_id, partial(_as_sent, checked.wire())),
        how_to_check=_look_at(event_type_id),
    )


def update_event_type_host(event_type_id: str, uid: str, *, priority: int) -> Call[EventTypeHost]:
    """Update Event Type Host (https://developer.jicoo.com/api-10385285).

    :param event_type_id: id of the event type.
    :param uid: the user's id.
    :param priority: 0 to 3; who is of a higher one gets more of the bookings that Jicoo distributes (that 0 is the
        lowest is inferred).
    """
    sent = body(UpdateEventTypeHostBody, {"priority": priority}, "Update Event Type Host").wire()
    uid = checked_id("uid", uid)
    return Call(
        "PATCH",
        f"/v1/event_types/{checked_id('event_type_id', event_type_id)}/hosts/{uid}",
        body=sent,
        repeat=Repeat.READ_BACK,
        read_back=_on_the_list(event_type_id, uid, lambda host: host is not None and host.get("priority") == priority),
        how_to_check=_look_at(event_type_id),
    )


def delete_event_type_host(event_type_id: str, uid: str) -> Call[None]:
    """Delete Event Type Host: the user gets no further bookings of it. The path is inferred.

    :param event_type_id: id of the event type.
    :param uid: the user's id.
    """
    return Call(
        "DELETE",
        inferred("delete_event_type_host", event_type_id=event_type_id, uid=uid),
        answer_shape="anything",
        repeat=Repeat.READ_BACK,
        read_back=_on_the_list(event_type_id, uid, lambda host: host is None),
        how_to_check=_look_at(event_type_id),
    )


@discreet
def validate_guest(team_id: str | int, event_type_id: str, *, name: str, email: str) -> Call[BookingPage]:
    """Account Integration (https://developer.jicoo.com/apidoc/project-373292/api-4059407): a page for a known guest.

    It makes the address of a booking page that shows the guest's name and e-mail address, which the guest cannot
    change. Only in Jicoo's Enterprise plan. That a second one does no harm is inferred: nobody is messaged.

    :param team_id: the part after ``/t/`` in the booking pages' address.
    :param event_type_id: id of the event type.
    :param name: the guest's name.
    :param email: the guest's e-mail address.
    """
    checked = body(ValidateGuestBody, {"name": name, "email": email}, "Account Integration")
    return Call(
        "POST",
        f"/v1/teams/{_team(team_id)}/event_types/{checked_id('event_type_id', event_type_id)}/validate",
        body=checked.wire(),
    )


def list_available_schedules(
    event_type_id: str,
    *,
    period_start: datetime | str,
    period_end: datetime | str,
    time_zone: str | None = None,
    parameters: tuple[str, str] = Settings.period_parameters,
) -> Slots:
    """List the free slots of an event type in a period, each once. Path, parameters and answer are inferred.

    Jicoo gives seven days at the most with one request: a longer period is read in pieces. A slot on the seam of two is
    in both, or in one of them; it comes once.

    A generator that yields calls and is sent their results, for ``run`` of either client.

    :param event_type_id: id of the event type.
    :param period_start: begin of the period; without an offset it is read as a wall clock in ``time_zone``.
    :param period_end: its end.
    :param time_zone: IANA name, as ``Asia/Tokyo``.
    :param parameters: what the two query parameters are called: not documented, and the sources disagree.
    :return: the slots, as Jicoo gives them.
    :raises InvalidRequestError: the period ends before it starts, say.
    :raises UnprovenListError: the slots that came are not all, or of another period.
    """
    path = inferred("available_schedules", event_type_id=event_type_id)
    start, end = period(period_start, period_end, time_zone)
    parts = pieces(start, end)
    found: list[AvailableSchedule] = []
    known: set[datetime | None] = set()
    for first in range(0, len(parts), AT_ONCE):
        some = parts[first : first + AT_ONCE]
        queries = [dict(zip(parameters, map(times.wire, piece), strict=True)) for piece in some]
        answers = yield [Call[Any]("GET", path, query=query, answer_shape="page") for query in queries]
        for piece, query, answer in zip(some, queries, answers, strict=True):
            slots = yield from _all_slots(path, query, answer)
            starts = [_start(slot) for slot in slots]
            for slot, at in zip(slots, starts, strict=True):
                _check_is_asked(at, piece, parameters)
                if at is None or (at not in known and start <= at <= end):
                    found.append(slot)
            known.update(starts)
    return found


def _all_slots(path: str, query: Mapping[str, str], answer: Any) -> Slots:
    """Return the slots of a period: that they come in pages is documented nowhere, but an answer may tell of more.

    :raises UnprovenListError: it tells of more than it gives.
    """
    rows = _slots(answer)
    page = 1
    while (total := count(answer.get("totalCount")) or 0) > len(rows) or page < (
        count(answer.get("numberOfPages")) or 0
    ):
        page += 1
        (answer,) = yield [Call[Any]("GET", path, query={**query, "page": str(page)}, answer_shape="page")]
        more = [slot for slot in _slots(answer) if slot not in rows]
        if not more:
            seen = f"tells of {total:,} slots or of more pages, and gives {len(rows):,}"
            doubt = f"the free slots of a period were expected to come whole, but the answer {seen}."
            raise UnprovenListError.of([f"{doubt} Ask for shorter periods."], INFERRED["available_schedules"])
        rows += more
    return rows


def _slots(answer: Any) -> list[Any]:
    if isinstance(answer, RequestError):
        raise answer
    return list(answer["data"])


def _check_is_asked(start: datetime | None, piece: tuple[datetime, datetime], parameters: tuple[str, str]) -> None:
    """Refuse slots of another period than was asked for: the one that was is then not read at all.

    :raises UnprovenListError: it is more than a day off, which is more than a rounded one would be.
    """
    if start is not None and not piece[0] - DAY <= start <= piece[1] + DAY:
        doubt = (
            f"free slots from {times.wire(piece[0])} to {times.wire(piece[1])} were asked for, but one came that "
            f"starts at {times.wire(start)}: Jicoo does not know the parameters {' and '.join(parameters)}. The "
            "connection's extras period_start_parameter and period_end_parameter say what they are called."
        )
        raise UnprovenListError.of([doubt], INFERRED["available_schedules"])


def period(start: datetime | str, end: datetime | str, time_zone: str | None) -> tuple[datetime, datetime]:
    """Return a period of Available Schedules in UTC.

    :raises InvalidRequestError: a moment cannot be read, or the end is not after the start.
    """
    operation = "Available Schedules"
    moments = []
    for name, value in (("period_start", start), ("period_end", end)):
        try:
            moments.append(times.moment(value, time_zone))
        except ValueError as error:
            raise InvalidRequestError(f"{operation}: {name}: {error}") from None
    first, last = moments
    if last <= first:
        raise InvalidRequestError(
            f"{operation}: period_end {times.wire(last)} is not after period_start {times.wire(first)}"
        )
    return first, last


def pieces(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return a period in pieces of seven days, each of which begins where the one before it ends.

    :param start: in UTC, where each day has 24 hours.
    """
    count = -(-(end - start) // WINDOW)
    return [(start + number * WINDOW, min(start + (number + 1) * WINDOW, end)) for number in range(count)]


def _start(slot: Any) -> datetime | None:
    """Return when a slot starts, however written; None where that cannot be read.

    :raises UnexpectedAnswerError: it is no object.
    """
    if not isinstance(slot, Mapping):
        raise UnexpectedAnswerError(
            f"a free slot is a {type(slot).__name__}, not an object.",
            method="GET",
            path=INFERRED["available_schedules"],
        )
    try:
        return times.moment(slot.get("startedAt"))
    except ValueError:
        return None


def _on_the_list(
    event_type_id: str, uid: str, done: Callable[[Mapping[str, Any] | None], bool | None]
) -> ReadBack[Any]:
    """Return how to find out from the list of hosts whether a change was made.

    :param done: tells by the host of that user, None for no host; answers None where that does not tell.
    """

    def host(page: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return next((row for row in page["data"] if isinstance(row, Mapping) and row.get("uid") == uid), None)

    def seen(page: Mapping[str, Any]) -> bool | None:
        found = host(page)
        # Who is not on this page may be on another one.
        return None if found is None and not _is_whole(page) else done(found)

    return ReadBack(partial(_hosts, event_type_id), seen, host)


def _is_whole(page: Mapping[str, Any]) -> bool:
    """Tell whether a first page is the whole list: whether it says so. A server may give fewer rows than it has."""
    total, pages = count(page.get("totalCount")), count(page.get("numberOfPages"))
    return pages == 1 if total is None else total <= len(page["data"])


def _as_sent(sent: Mapping[str, Any], host: Mapping[str, Any] | None) -> bool | None:
    """Tell whether a host was created as sent; None for one who is a host otherwise, perhaps since long."""
    if host is None:
        return False
    return all(host.get(name) == value for name, value in sent.items() if name != "userId") or None


def _hosts(event_type_id: str) -> Call[Any]:
    listing = list_event_type_hosts(event_type_id)
    return Call("GET", listing.path, query=listing.query, answer_shape="page", page=1)


def _team(team_id: Any) -> str:
    number = isinstance(team_id, int) and not isinstance(team_id, bool)
    return checked_id("team_id", str(team_id) if number else team_id, "a team such as 'your-team'")


def _look_at(event_type_id: str) -> str:
    return f"list the hosts of event type {event_type_id}"
