"""The schedule endpoints. What is chosen here, not known, stands in :mod:`~airflow_provider_jicoo.sandbox.choices`."""

from __future__ import annotations

import copy
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import model_validator
from starlette.responses import Response

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.models import Body, CreateScheduleBody, UpdateScheduleBody
from airflow_provider_jicoo.sandbox import data
from airflow_provider_jicoo.sandbox.answers import (
    Wanted,
    documented,
    found,
    gone,
    page_of,
    parsed,
    takes,
)
from airflow_provider_jicoo.sandbox.choices import NO_FIELD
from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.faults import Refusal
from airflow_provider_jicoo.sandbox.shapes import ScheduleAnswered, SchedulesAnswered
from airflow_provider_jicoo.sandbox.state import State

Uid = Annotated[str, Path(description="Schedule id.")]


class UpdateSchedule(UpdateScheduleBody):
    """Body of Update Schedule as a server takes it: also one that changes nothing, which our client does not send."""

    @model_validator(mode="after")
    def _changes_something_possible(self) -> UpdateSchedule:
        self._check_times(self.started_at, self.ended_at)
        return self


BODIES: tuple[type[Body], ...] = (CreateScheduleBody, UpdateSchedule)
ANSWERS = (ScheduleAnswered, SchedulesAnswered)
"""The forms of this section, for the OpenAPI document."""


def routes(state: State) -> APIRouter:
    """Return the section's endpoints."""
    router = APIRouter(prefix="/v1/schedules", tags=["Schedule"])

    @router.get("", summary="List Schedules", responses=documented(SchedulesAnswered, 400))
    async def list_schedules(wanted: Wanted) -> Response:
        with state.lock:
            schedules = state.seen("schedule")
            return page_of(state, wanted, list(schedules), schedules)

    @router.post(
        "",
        summary="Create Schedule",
        status_code=201,
        responses=documented(ScheduleAnswered, 400, 422, status=201),
        openapi_extra=takes(CreateScheduleBody),
    )
    async def create_schedule(request: Request) -> Response:
        body = parsed(CreateScheduleBody, await request.body())
        with state.changing():
            schedule = fresh(state, state.quirks.store(_stored(state, body, body.time_zone), None))
            state.keep("schedule", schedule)
        return found(state, schedule, status=201)

    @router.patch(
        "/{uid}",
        summary="Update Schedule",
        responses=documented(ScheduleAnswered, 400, 404, 422),
        openapi_extra=takes(UpdateSchedule),
    )
    async def update_schedule(request: Request, uid: Uid) -> Response:
        raw = await request.body()
        with state.changing():
            before = _known(state, uid)
            body = parsed(UpdateSchedule, raw)
            fields = state.quirks.store(_stored(state, body, before["timeZone"]), before)
            after = {**before, **fields}
            if after["endedAt"] <= after["startedAt"]:
                raise Refusal(422, {"endedAt": ["must be after startedAt"]})
            if after != before:
                after["updatedAt"] = state.stamp(before, after)
                state.keep("schedule", after)
        return found(state, after)

    @router.delete("/{uid}", summary="Delete Schedule", status_code=204, responses=documented(None, 404))
    async def delete_schedule(uid: Uid) -> Response:
        with state.changing():
            _known(state, uid)
            state.drop("schedule", uid)
        return gone()

    return router


def fresh(state: State, fields: Row) -> Row:
    """Return a new schedule: ``fields``, and something sensible for the rest.

    :raises TypeError: a schedule has no such field.
    """
    now = state.now()
    user = next(iter(state.rows.users.values()))
    start = times.moment(fields.get("startedAt") or times.moment(now) + timedelta(days=7))
    schedule = {
        **data.SCHEDULE,
        "uid": state.new_uid(),
        "name": "MTG",
        "attendees": [{"userId": user["uid"], "email": user["email"], "role": "admin", "userType": "host"}],
        "startedAt": start,
        "endedAt": start + timedelta(minutes=30),
        "createdAt": now,
        "updatedAt": now,
    }
    unknown = sorted(fields.keys() - schedule.keys())
    if unknown:
        raise TypeError(f"a schedule has no field {', '.join(unknown)}; it has {', '.join(schedule)}")
    made = {**copy.deepcopy(schedule), **copy.deepcopy(fields)}
    return made | {name: times.wire(times.moment(made[name])) for name in ("startedAt", "endedAt")}


def _known(state: State, uid: str) -> Row:
    if uid not in state.rows.schedules:
        raise Refusal(404, {NO_FIELD: ["There is no such schedule."]})
    return state.rows.schedules[uid]


def _stored(state: State, body: CreateScheduleBody | UpdateSchedule, time_zone: str) -> Row:
    """Return the fields of a body as a schedule has them."""
    fields = body.wire()
    for name in ("isSendUpdates", "updateMessage"):
        fields.pop(name, None)
    if "attendees" in fields:
        fields["attendees"] = [_attendee(state, at, given) for at, given in enumerate(fields["attendees"])]
    zone = fields.get("timeZone", time_zone)
    for name, value, days in (("startedAt", body.started_at, 0), ("endedAt", body.ended_at, 1)):
        if name in fields and not isinstance(value, datetime):
            fields[name] = _midnight(name, value, days, zone)
    return fields


def _attendee(state: State, at: int, given: Row) -> Row:
    user = state.rows.users.get(given.get("userId", ""))
    if "userId" in given and user is None:
        raise Refusal(422, {f"attendees.{at}.userId": ["there is no such user"]})
    return {"userId": None, "email": user and user["email"], **given}


def _midnight(name: str, day: date, later: int, zone: str) -> str:
    try:
        midnight = datetime.combine(day + timedelta(days=later), datetime.min.time(), times.zone(zone))
        return times.wire(times.moment(midnight))
    except (OverflowError, ValueError):
        raise Refusal(422, {name: ["is out of range"]}) from None
