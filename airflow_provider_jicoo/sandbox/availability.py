"""The availability endpoints. They can only be read: each user's calendars are made of the user's id."""

from __future__ import annotations

import random
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from airflow_provider_jicoo.api.models import Body
from airflow_provider_jicoo.sandbox import choices, data
from airflow_provider_jicoo.sandbox.answers import Wanted, documented, found, page_of
from airflow_provider_jicoo.sandbox.choices import NO_FIELD
from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.faults import Refusal
from airflow_provider_jicoo.sandbox.shapes import AvailabilityCalendarAnswered, AvailabilityCalendarsAnswered
from airflow_provider_jicoo.sandbox.state import State

MADE = "2026-01-05T00:00:00.000Z"

BODIES: tuple[type[Body], ...] = ()
ANSWERS = (AvailabilityCalendarAnswered, AvailabilityCalendarsAnswered)
"""The forms of this section, for the OpenAPI document."""


def routes(state: State) -> APIRouter:
    """Return the section's endpoints."""
    router = APIRouter(prefix="/v1/user_availability_calendars", tags=["Availability"])

    @router.get(
        "", summary="List User Availability Calendars", responses=documented(AvailabilityCalendarsAnswered, 400)
    )
    async def list_user_availability_calendars(
        user_id: Annotated[str, Query(alias="userId")],
        wanted: Wanted,
    ) -> Response:
        with state.lock:
            rows = {row["uid"]: row for row in (calendars(user_id) if user_id in state.rows.users else [])}
            return page_of(state, wanted, list(rows), rows)

    @router.get(
        "/{uid}",
        summary="Get User Availability Calendar",
        responses=documented(AvailabilityCalendarAnswered, 404),
    )
    async def get_user_availability_calendar(
        uid: Annotated[str, Path(description="Id of the calendar.")],
    ) -> Response:
        with state.lock:
            for row in (row for user in state.rows.users for row in calendars(user)):
                if row["uid"] == uid:
                    return found(state, row)
        raise Refusal(404, {NO_FIELD: ["There is no such calendar."]})

    return router


def calendars(user: str) -> list[Row]:
    """Return the calendars of a user: the usual one, from nine to six in Tokyo, and one of the afternoons."""
    chance = random.Random(f"calendars of {user}")
    return [
        {
            "uid": data.text(chance, data.UID_LETTERS, 12),
            "teamId": choices.TEAM_NUMBER,
            "userId": user,
            "name": name,
            "isDefault": int(start == 9),
            "timezone": "Asia/Tokyo",
            "createdAt": MADE,
            "updatedAt": MADE,
            "calendars": [
                {
                    "startHour": start,
                    "startMinute": 0,
                    "endHour": 18,
                    "endMinute": 0,
                    "startedAt": MADE,
                    "endedAt": None,
                    "wday": weekday,
                    "frequencyType": 2,
                    "frequencyInterval": 1,
                    "exceptions": None,
                }
                for weekday in range(1, 6)
            ],
        }
        for name, start in (("基本設定", 9), ("午後のみ", 13))
    ]
