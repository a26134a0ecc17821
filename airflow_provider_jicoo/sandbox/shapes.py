"""What the answers look like, for the OpenAPI document only.

The resources of ``api.models`` are TypedDicts that forgive a missing field; a server's document promises each one, and
no other. So the shapes are made of the resources; what the sandbox answers beyond them stands here.
"""

from __future__ import annotations

import functools
import typing
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from airflow_provider_jicoo.api import models


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Answered(_Shape):
    data: Any
    errors: dict[str, Any]


class _Paged(_Answered):
    totalCount: int
    count: int
    currentPage: int
    numberOfPages: int


class Refused(_Shape):
    """An error: for each field what is wrong with it."""

    data: None
    errors: dict[str, list[str]]


_MORE: dict[type, dict[str, Any]] = {
    models.AvailabilityHours: {"exceptions": None},
    models.OrganizationInvitation: {"createdAt": datetime},
}
"""The kinds of fields that a resource does not have, or leaves open."""


@functools.cache
def _shape(resource: type) -> type[BaseModel]:
    """Return the shape of a resource: all of its fields."""
    kinds = {name: _kind(name, kind) for name, kind in typing.get_type_hints(resource).items()}
    fields: dict[str, Any] = {name: (kind, ...) for name, kind in (kinds | _MORE.get(resource, {})).items()}
    return create_model(resource.__name__, __base__=_Shape, __doc__=resource.__doc__, **fields)


def _kind(name: str, kind: Any) -> Any:
    """Return what a field is: a moment rather than its text, and shapes rather than resources."""
    if name.endswith("At"):
        return datetime if kind is str else datetime | None
    (item, *_) = typing.get_args(kind) or (None,)
    if typing.get_origin(kind) is list and typing.is_typeddict(item):
        return list[_shape(item)]  # type: ignore[misc]
    return kind


def _one(resource: type) -> type[BaseModel]:
    return _answer(f"{resource.__name__}Answered", _Answered, _shape(resource))


def _all(name: str, resource: type) -> type[BaseModel]:
    return _answer(name, _Answered, list[_shape(resource)])  # type: ignore[misc]


def _page(resource: type) -> type[BaseModel]:
    return _answer(f"{resource.__name__}sAnswered", _Paged, list[_shape(resource)])  # type: ignore[misc]


def _answer(name: str, base: type[_Answered], data: Any) -> type[BaseModel]:
    return create_model(name, __base__=base, data=(data, ...))


BookingAnswered = _one(models.Booking)
BookingsAnswered = _page(models.Booking)
ContactsAnswered = _all("ContactsAnswered", models.BookingContact)
ScheduleAnswered = _one(models.Schedule)
SchedulesAnswered = _page(models.Schedule)
OrganizationUserAnswered = _one(models.OrganizationUser)
OrganizationUsersAnswered = _page(models.OrganizationUser)
OrganizationInvitationAnswered = _one(models.OrganizationInvitation)
OrganizationInvitationsAnswered = _page(models.OrganizationInvitation)
TeamsAnswered = _page(models.Team)
EventTypeAnswered = _one(models.EventType)
EventTypesAnswered = _page(models.EventType)
EventTypeHostAnswered = _one(models.EventTypeHost)
EventTypeHostsAnswered = _page(models.EventTypeHost)
AvailableSchedulesAnswered = _all("AvailableSchedulesAnswered", models.AvailableSchedule)
BookingPageAnswered = _one(models.BookingPage)
AvailabilityCalendarAnswered = _one(models.AvailabilityCalendar)
AvailabilityCalendarsAnswered = _page(models.AvailabilityCalendar)
