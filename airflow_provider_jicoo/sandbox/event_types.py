"""The event type endpoints. What is chosen here, not known, is in :mod:`~airflow_provider_jicoo.sandbox.choices`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.models import (
    Body,
    CreateEventTypeHostBody,
    Email,
    UpdateEventTypeHostBody,
    ValidateGuestBody,
)
from airflow_provider_jicoo.sandbox import choices, data
from airflow_provider_jicoo.sandbox.answers import (
    Wanted,
    documented,
    found,
    gone,
    page_of,
    parsed,
    queried,
    takes,
)
from airflow_provider_jicoo.sandbox.choices import NO_FIELD
from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.faults import Refusal
from airflow_provider_jicoo.sandbox.shapes import (
    AvailableSchedulesAnswered,
    BookingPageAnswered,
    EventTypeAnswered,
    EventTypeHostAnswered,
    EventTypeHostsAnswered,
    EventTypesAnswered,
)
from airflow_provider_jicoo.sandbox.state import State

EventTypeId = Annotated[str, Path(description="Event type id.", alias="eventTypeId")]
UserId = Annotated[str, Path(description="The user's id.")]
PeriodStart = Annotated[str, Query(alias="periodStart", json_schema_extra={"format": "date-time"})]
PeriodEnd = Annotated[str, Query(alias="periodEnd", json_schema_extra={"format": "date-time"})]


class UpdateHost(UpdateEventTypeHostBody):
    """Body of Update Event Type Host as a server takes it: the priority is optional there."""

    priority: int = Field(default=0, ge=0, le=3)


class ValidateGuest(ValidateGuestBody):
    """Body of Account Integration; its schema says what an e-mail address is."""

    email: Annotated[Email, Field(json_schema_extra={"format": "email"})]


BODIES: tuple[type[Body], ...] = (CreateEventTypeHostBody, UpdateHost, ValidateGuest)
ANSWERS = (
    EventTypeAnswered,
    EventTypesAnswered,
    EventTypeHostAnswered,
    EventTypeHostsAnswered,
    AvailableSchedulesAnswered,
    BookingPageAnswered,
)
"""The forms of this section, for the OpenAPI document."""


def routes(state: State) -> APIRouter:
    """Return the section's endpoints."""
    router = APIRouter(prefix="/v1", tags=["Event Types"])

    @router.get("/event_types", summary="List Event Types", responses=documented(EventTypesAnswered, 400))
    async def list_event_types(
        wanted: Wanted,
        team_id: Annotated[str | None, Query(alias="teamId")] = None,
    ) -> Response:
        with state.lock:
            seen = state.seen("event_type") if team_id in (None, choices.TEAM) else {}
            return page_of(state, wanted, list(seen), {uid: shown(row) for uid, row in seen.items()})

    @router.get("/event_types/{eventTypeId}", summary="Get Event Type", responses=documented(EventTypeAnswered, 404))
    async def get_event_type(event_type_id: EventTypeId) -> Response:
        with state.lock:
            return found(state, shown(_known(state, event_type_id)))

    @router.get("/event_type_hosts", summary="List Event Type Hosts", responses=documented(EventTypeHostsAnswered, 400))
    async def list_event_type_hosts(
        event_type_id: Annotated[str, Query(alias="eventTypeId")],
        wanted: Wanted,
    ) -> Response:
        with state.lock:
            event_type = state.seen("event_type").get(event_type_id)
            rows = {host["uid"]: host for host in (hosts(state, event_type) if event_type else [])}
            return page_of(state, wanted, list(rows), rows)

    @router.post(
        "/event_types/{eventTypeId}/hosts",
        summary="Create Event Type Host",
        status_code=201,
        responses=documented(EventTypeHostAnswered, 400, 404, 422, status=201),
        openapi_extra=takes(CreateEventTypeHostBody),
    )
    async def create_event_type_host(request: Request, event_type_id: EventTypeId) -> Response:
        raw = await request.body()
        with state.changing():
            before = _known(state, event_type_id)
            return found(state, _add(state, before, parsed(CreateEventTypeHostBody, raw).wire()), status=201)

    @router.patch(
        "/event_types/{eventTypeId}/hosts/{uid}",
        summary="Update Event Type Host",
        responses=documented(EventTypeHostAnswered, 400, 404, 422),
        openapi_extra=takes(UpdateHost),
    )
    async def update_event_type_host(request: Request, event_type_id: EventTypeId, uid: UserId) -> Response:
        raw = await request.body()
        with state.changing():
            before = _known(state, event_type_id)
            _host(state, before, uid)
            given = {**before["given"], uid: {**before["given"][uid], **parsed(UpdateHost, raw).wire()}}
            after = {**before, "given": given}
            state.keep("event_type", after)
            return found(state, _host(state, after, uid))

    @router.delete(
        "/event_types/{eventTypeId}/hosts/{uid}",
        summary="Delete Event Type Host",
        status_code=204,
        responses=documented(None, 404, 422),
    )
    async def delete_event_type_host(event_type_id: EventTypeId, uid: UserId) -> Response:
        with state.changing():
            _remove(state, _known(state, event_type_id), uid)
            return gone()

    @router.get(
        "/event_types/{eventTypeId}/available_schedules",
        summary="Get Available Schedules",
        responses=documented(AvailableSchedulesAnswered, 400, 404, 422),
    )
    async def available_schedules(
        event_type_id: EventTypeId,
        period_start: PeriodStart,
        period_end: PeriodEnd,
    ) -> Response:
        start, end = queried("periodStart", period_start), queried("periodEnd", period_end)
        with state.lock:
            event_type = _known(state, event_type_id)
            _check_period(start, end)
            return found(state, list(slots(state, event_type, start, end)))

    @router.post(
        "/teams/{teamId}/event_types/{eventTypeId}/validate",
        summary="Account Integration",
        status_code=201,
        responses=documented(BookingPageAnswered, 400, 404, status=201),
        openapi_extra=takes(ValidateGuest),
    )
    async def validate_guest(
        request: Request, team_id: Annotated[str, Path(alias="teamId")], event_type_id: EventTypeId
    ) -> Response:
        raw = await request.body()
        with state.lock:
            _known(state, event_type_id)
            _check_guest(team_id, raw)
            session = data.text(state.chance, data.USER_LETTERS, 20)
            page = f"https://www.jicoo.com/t/{team_id}/e/{event_type_id}?guestSessionId={session}"
            return found(state, {"url": page}, status=201)

    return router


def shown(event_type: Row) -> Row:
    """Return an event type as the API gives it: the fields that are known."""
    return {name: event_type[name] for name in ("uid", "name", "status", "duration")}


def hosts(state: State, event_type: Row) -> list[Row]:
    """Return the hosts of an event type as the API gives them."""
    users = [state.rows.users[uid] for uid in event_type["hosts"] if uid in state.rows.users]
    return [
        {
            "uid": user["uid"],
            "name": user["name"],
            "email": user["email"],
            "profileImage": None,
            **event_type["given"][user["uid"]],
            "sort": sort,
        }
        for sort, user in enumerate(users)
    ]


def slots(state: State, event_type: Row, start: datetime, end: datetime) -> Iterator[Row]:
    """Yield the slots of an event type that start from ``start`` to ``end``, both included, and after now."""
    takers = [host["uid"] for host in hosts(state, event_type) if host["userType"] == "host"]
    blocks = event_type["duration"] // 30
    for number in range(start.toordinal(), end.toordinal() + 1):
        day = datetime.fromordinal(number).replace(tzinfo=timezone.utc)
        if day.weekday() >= 5:
            continue
        for slot in range(data.SLOTS_PER_DAY - blocks + 1):
            at = day + slot * data.SLOT
            if start <= at <= end and at > state.clock():
                until = times.wire(at + timedelta(minutes=event_type["duration"]))
                free = sum(state.is_free([host], times.wire(at), until) for host in takers)
                yield {"startedAt": times.wire(at), "remainingCapacity": free}


def _add(state: State, event_type: Row, sent: Row) -> Row:
    user = sent.pop("userId")
    if user not in state.rows.users:
        raise Refusal(422, {"userId": ["is not a user"]})
    if user in event_type["hosts"]:
        raise Refusal(422, {"userId": ["is a host of the event type already"]})
    given = {**event_type["given"], user: {**choices.NEW_HOST, **sent}}
    after = {**event_type, "hosts": [*event_type["hosts"], user], "given": given}
    state.keep("event_type", after)
    return _host(state, after, user)


def _remove(state: State, event_type: Row, user: str) -> None:
    _host(state, event_type, user)
    if len(event_type["hosts"]) == 1:
        raise Refusal(422, {NO_FIELD: ["The event type needs one host at least."]})
    state.keep("event_type", {**event_type, "hosts": [host for host in event_type["hosts"] if host != user]})


def _check_period(start: datetime, end: datetime) -> None:
    if end <= start:
        raise Refusal(422, {"periodEnd": ["must be after periodStart"]})
    if end - start > timedelta(days=choices.PERIOD_DAYS):
        raise Refusal(422, {"periodEnd": [f"must be within {choices.PERIOD_DAYS} days of periodStart"]})


def _check_guest(team_id: str, raw: bytes) -> None:
    if team_id != choices.TEAM:
        raise Refusal(404, {NO_FIELD: ["There is no such team."]})
    try:
        parsed(ValidateGuest, raw)
    except Refusal as refusal:
        raise Refusal(400, refusal.errors) from None


def _known(state: State, uid: str) -> Row:
    if uid not in state.rows.event_types:
        raise Refusal(404, {NO_FIELD: ["There is no such event type."]})
    return state.rows.event_types[uid]


def _host(state: State, event_type: Row, uid: str) -> Row:
    for host in hosts(state, event_type):
        if host["uid"] == uid:
            return host
    raise Refusal(404, {NO_FIELD: ["There is no such host of the event type."]})
