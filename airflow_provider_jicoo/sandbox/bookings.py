"""The booking endpoints. What is chosen here, not known, stands in :mod:`~airflow_provider_jicoo.sandbox.choices`."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import model_validator
from starlette.responses import Response

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.models import Body, CreateBookingBody, RescheduleBookingBody, UpdateBookingBody
from airflow_provider_jicoo.sandbox import choices, data
from airflow_provider_jicoo.sandbox.answers import (
    Wanted,
    documented,
    found,
    page_of,
    parsed,
    queried,
    takes,
)
from airflow_provider_jicoo.sandbox.choices import NO_FIELD
from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.edge import REQUEST_NUMBER
from airflow_provider_jicoo.sandbox.faults import Refusal
from airflow_provider_jicoo.sandbox.quirks.listing import RequestFilter
from airflow_provider_jicoo.sandbox.quirks.quirk import Asked
from airflow_provider_jicoo.sandbox.quirks.writing import MessagesByDefault, MovesNeedSlot, RescheduleMakesNew
from airflow_provider_jicoo.sandbox.shapes import BookingAnswered, BookingsAnswered, ContactsAnswered
from airflow_provider_jicoo.sandbox.state import State

OF_GUEST = (
    "name",
    "email",
    "ccEmails",
    "company",
    "phoneNumber",
    "message",
    "textRemindNumber",
    "textRemindCountryCode",
)
"""The fields of Create Booking that are the guest's."""

Status = Literal["open", "cancel", "request"]
OFFERED: dict[str, Any] = {"anyOf": [{"type": "string", "enum": ["open", "cancel"]}, {"type": "null"}]}
"""The values of ``status`` that are documented for the list."""

Uid = Annotated[str, Path(description="Booking id.")]


class UpdateBooking(UpdateBookingBody):
    """Body of Update Booking as a server takes it: also one that changes nothing, which our client does not send."""

    @model_validator(mode="after")
    def _changes_something_possible(self) -> UpdateBooking:
        return self


class CancelBooking(Body):
    """Body of Cancel Booking: no field is documented."""


BODIES: tuple[type[Body], ...] = (CreateBookingBody, UpdateBooking, CancelBooking, RescheduleBookingBody)
ANSWERS = (BookingAnswered, BookingsAnswered, ContactsAnswered)
"""The forms of this section, for the OpenAPI document."""


def routes(state: State) -> APIRouter:
    """Return the section's endpoints."""
    router = APIRouter(prefix="/v1/bookings", tags=["Booking"])
    _reading(router, state)
    _writing(router, state)
    return router


def _reading(router: APIRouter, state: State) -> None:
    @router.get("", summary="List Bookings", responses=documented(BookingsAnswered, 400))
    async def list_bookings(
        wanted: Wanted,
        status: Annotated[Status | None, Query(json_schema_extra=OFFERED)] = None,
        started_at: Annotated[str | None, Query(alias="startedAt", json_schema_extra={"format": "date-time"})] = None,
        ended_at: Annotated[str | None, Query(alias="endedAt", json_schema_extra={"format": "date-time"})] = None,
        sort: Annotated[Literal["asc", "desc"], Query(description="The direction.")] = choices.SORT,
        order: Annotated[Literal["startedAt", "createdAt"], Query(description="The column.")] = choices.ORDER,
    ) -> Response:
        started = None if started_at is None else times.wire(queried("startedAt", started_at))
        ended = None if ended_at is None else times.wire(queried("endedAt", ended_at))
        if status == "request" and not state.quirks.has(RequestFilter):
            raise Refusal(400, {"status": ["must be open or cancel"]})
        with state.lock:
            asked = state.quirks.select(Asked(status, started, ended, order, sort), state.now())
            rows = state.seen("booking")
            return page_of(state, wanted, state.quirks.arrange(state.listed(asked), rows, asked), rows)

    @router.get("/{uid}", summary="Get Booking", responses=documented(BookingAnswered, 404))
    async def get_booking(uid: Uid) -> Response:
        with state.lock:
            booking = state.read(uid)
            if booking is None or not state.quirks.finds(booking):
                raise Refusal(404, {NO_FIELD: ["There is no such booking."]})
            return found(state, booking)

    @router.get("/{uid}/contacts", summary="Get Booking Contacts", responses=documented(ContactsAnswered, 404))
    async def get_booking_contacts(uid: Uid) -> Response:
        with state.lock:
            _known(state, uid)
            return found(state, state.rows.contacts[uid])


def _writing(router: APIRouter, state: State) -> None:
    @router.post(
        "",
        summary="Create Booking",
        status_code=201,
        responses=documented(BookingAnswered, 400, 422, status=201),
        openapi_extra=takes(CreateBookingBody),
    )
    async def create_booking(request: Request) -> Response:
        raw = await request.body()
        body = parsed(CreateBookingBody, raw)
        with state.changing():
            booking, contact = _created(state, body)
            state.put(booking, [contact])
            state.note(booking["uid"], "create", request.scope[REQUEST_NUMBER], tell=True)
        return found(state, booking, status=201)

    @router.patch(
        "/{uid}",
        summary="Update Booking",
        responses=documented(BookingAnswered, 400, 404, 422),
        openapi_extra=takes(UpdateBooking),
    )
    async def update_booking(request: Request, uid: Uid) -> Response:
        raw = await request.body()
        with state.changing():
            before = _known(state, uid)
            body = parsed(UpdateBooking, raw)
            fields = body.wire()
            tell = fields.pop("isSendUpdates", state.quirks.has(MessagesByDefault))
            fields.pop("updateMessage", None)
            _check_update(state, before, fields)
            if state.quirks.has(MovesNeedSlot) and fields.keys() & {"startedAt", "endedAt", "hosts"}:
                _check_slot(state, {**before, **fields})
            booking = state.change(uid, state.quirks.store(fields, before))
            state.note(uid, "update", request.scope[REQUEST_NUMBER], tell=tell)
        return found(state, state.quirks.answer(before, booking))

    @router.post(
        "/{uid}/cancel",
        summary="Cancel Booking",
        responses=documented(BookingAnswered, 400, 404, 422),
        openapi_extra=takes(CancelBooking, required=False),
    )
    async def cancel_booking(request: Request, uid: Uid) -> Response:
        raw = await request.body()
        with state.changing():
            before = _known(state, uid)
            parsed(CancelBooking, raw or b"{}")
            _not_cancelled(before)
            booking = _cancelled(state, uid)
            state.note(uid, "cancel", request.scope[REQUEST_NUMBER], tell=True)
        return found(state, state.quirks.answer(before, booking))

    @router.post(
        "/{uid}/reschedule",
        summary="Reschedule Booking",
        responses=documented(BookingAnswered, 400, 404, 422),
        openapi_extra=takes(RescheduleBookingBody),
    )
    async def reschedule_booking(request: Request, uid: Uid) -> Response:
        raw = await request.body()
        with state.changing():
            before = _known(state, uid)
            body = parsed(RescheduleBookingBody, raw)
            _not_cancelled(before)
            length = times.moment(before["endedAt"]) - times.moment(before["startedAt"])
            start, end = times.wire(body.started_at), _end_after(body.started_at, length)
            fields = {"startedAt": start, "endedAt": end, "timeZone": body.time_zone}
            _check_slot(state, {**before, **fields})
            moved = state.quirks.store(fields, before)
            booking = _rescheduled(state, before, moved, request.scope[REQUEST_NUMBER])
            state.note(uid, "reschedule", request.scope[REQUEST_NUMBER], tell=True)
        return found(state, state.quirks.answer(before, booking))


def fresh(state: State, fields: Row) -> Row:
    """Return a new booking: ``fields``, and something sensible for the rest."""
    start = times.moment(fields.get("startedAt") or times.moment(state.now()) + timedelta(days=7))
    event_type = state.rows.event_types.get(
        fields.get("eventTypeId") or "", next(iter(state.rows.event_types.values()))
    )
    location = fields.get("locationId", event_type["locationId"])
    now = state.now()
    booking: Row = {
        "uid": state.new_uid(),
        "eventTypeId": event_type["uid"],
        "name": f"John Doe / {event_type['name']}",
        "description": None,
        "status": "open",
        "startedAt": times.wire(start),
        "endedAt": _end_after(start, timedelta(minutes=event_type["duration"])),
        "locationId": location,
        **data.place(location, state.chance),
        "timeZone": "Asia/Tokyo",
        "priority": None,
        "cancelReason": None,
        "cancelledAt": None,
        "cancelledBy": None,
        "hosts": [{"userId": event_type["hosts"][0], "role": "admin"}],
        "createdAt": now,
        "updatedAt": now,
    }
    return complete(booking, fields)


def complete(booking: Row, fields: Row) -> Row:
    """Return the booking with other fields, its times in the API's form.

    :raises TypeError: a booking has no such field.
    """
    unknown = sorted(fields.keys() - booking.keys())
    if unknown:
        raise TypeError(f"a booking has no field {', '.join(unknown)}; it has {', '.join(booking)}")
    changed = copy.deepcopy(fields)
    for name in ("startedAt", "endedAt", "cancelledAt", "createdAt", "updatedAt"):
        # The lists compare times as text: one form only.
        if changed.get(name) is not None:
            changed[name] = times.wire(times.moment(changed[name]))
    return {**booking, **changed}


def contact(booking: Row, **fields: Any) -> Row:
    """Return a guest of the booking: ``fields``, and something for the rest."""
    return {
        "name": "John Doe",
        "email": "john.doe@example.com",
        "ccEmails": [],
        "company": None,
        "phoneNumber": None,
        "message": None,
        "textRemindNumber": None,
        "textRemindCountryCode": None,
        "answers": [],
        "createdAt": booking["createdAt"],
        "updatedAt": booking["createdAt"],
        **fields,
    }


def approve(state: State, uid: str) -> Row:
    """Let a booking that waits for approval be approved; nobody is messaged.

    :raises KeyError: there is no such booking.
    :raises ValueError: it does not wait.
    """
    with state.changing():
        status = state.rows.bookings[uid]["status"]
        if status != "request":
            raise ValueError(f"the booking does not wait for approval: its status is {status}")
        return state.change(uid, {"status": "open"})


def _known(state: State, uid: str) -> Row:
    if uid not in state.rows.bookings or not state.quirks.finds(state.rows.bookings[uid]):
        raise Refusal(404, {NO_FIELD: ["There is no such booking."]})
    return state.rows.bookings[uid]


def _cancelled(state: State, uid: str) -> Row:
    fields = {"status": "cancel", "cancelledAt": state.now(), "cancelledBy": choices.CANCELLED_BY}
    return state.change(uid, fields)


def _rescheduled(state: State, before: Row, moved: Row, request: int) -> Row:
    """Move a booking, and return the one to answer with."""
    answered = state.quirks.value(RescheduleMakesNew, None)
    if answered is None:
        return state.change(before["uid"], moved)
    now = state.now()
    new = {**before, **moved, "uid": state.new_uid(request), "createdAt": now, "updatedAt": now}
    state.put(new, state.rows.contacts[before["uid"]])
    old = _cancelled(state, before["uid"])
    return new if answered == "new" else old


def _not_cancelled(booking: Row) -> None:
    if booking["status"] == "cancel":
        raise Refusal(422, {"status": ["the booking is cancelled"]})


def _end_after(start: datetime, length: timedelta) -> str:
    try:
        return times.wire(start + length)
    except OverflowError:
        raise Refusal(422, {"startedAt": ["is out of range"]}) from None


def _check_slot(state: State, after: Row) -> None:
    hosts = [host["userId"] for host in after["hosts"]]
    if not state.is_free(hosts, after["startedAt"], after["endedAt"], besides=after["uid"]):
        raise Refusal(422, {"startedAt": ["is not a free slot: a host has another booking then"]})


def _check_update(state: State, before: Row, fields: Row) -> None:
    after = {**before, **fields}
    if after["endedAt"] <= after["startedAt"]:
        raise Refusal(422, {"endedAt": ["must be after startedAt"]})
    if "hosts" not in fields:
        return
    hosts = [host["userId"] for host in fields["hosts"]]
    if not hosts:
        raise Refusal(422, {"hosts": ["must have one host at least"]})
    if len(set(hosts)) < len(hosts):
        raise Refusal(422, {"hosts": ["has one host twice"]})
    if not state.rows.users.keys() >= set(hosts):
        raise Refusal(422, {"hosts": ["has one who is not a user"]})


def _created(state: State, body: CreateBookingBody) -> tuple[Row, Row]:
    event_type = state.rows.event_types.get(body.event_type_id)
    if event_type is None:
        raise Refusal(422, {"eventTypeId": ["there is no such event type"]})
    start = times.wire(body.started_at)
    end = _end_after(body.started_at, timedelta(minutes=event_type["duration"]))
    takers = [host for host in event_type["hosts"] if event_type["given"][host]["userType"] == "host"]
    host = next((host for host in takers if state.is_free([host], start, end)), None)
    if host is None:
        raise Refusal(422, {"startedAt": ["is not a free slot: no host of the event type is free then"]})
    given = body.wire()
    booking = fresh(
        state,
        state.quirks.store(
            {
                "eventTypeId": event_type["uid"],
                "name": f"{body.name} / {event_type['name']}",
                "status": "request" if event_type["needsApproval"] else "open",
                "startedAt": start,
                "endedAt": end,
                "locationId": body.location_id or event_type["locationId"],
                "timeZone": body.time_zone,
                "hosts": [{"userId": host, "role": "admin"}],
            },
            None,
        ),
    )
    answers = [
        {
            "question": event_type["questions"].get(answer["questionUid"], answer["questionUid"]),
            "content": answer["content"] if isinstance(answer["content"], list) else [answer["content"]],
        }
        for answer in given.get("answers", [])
    ]
    guest = state.quirks.store({field: given[field] for field in OF_GUEST if field in given}, None)
    return booking, contact(booking, **guest, answers=answers)
