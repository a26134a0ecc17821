"""What the answers look like, for the OpenAPI document only.

The resources of ``api.models`` are TypedDicts that forgive a missing field; a server's document promises each one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from airflow_provider_jicoo.api.models import BookingStatus, LocationId, Priority, Role


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Host(_Shape):
    """A host of a booking."""

    userId: str
    role: Role


class Booking(_Shape):
    """A booking."""

    uid: str
    eventTypeId: str | None
    name: str
    description: str | None
    status: BookingStatus
    startedAt: datetime
    endedAt: datetime
    locationId: LocationId | None
    url: str | None
    phoneNumber: str | None
    address: str | None
    customLocation: str | None
    access: str | None
    timeZone: str
    priority: Priority | None
    cancelReason: str | None
    cancelledAt: datetime | None
    cancelledBy: str | None
    hosts: list[Host]
    createdAt: datetime
    updatedAt: datetime


class BookingAnswer(_Shape):
    """A guest's answer to one question of the booking page."""

    question: str
    content: list[str]


class BookingContact(_Shape):
    """A guest of a booking."""

    name: str
    email: str | None
    ccEmails: list[str]
    company: str | None
    phoneNumber: str | None
    message: str | None
    textRemindNumber: str | None
    textRemindCountryCode: str | None
    answers: list[BookingAnswer]
    createdAt: datetime
    updatedAt: datetime


class BookingAnswered(_Shape):
    """One booking."""

    data: Booking
    errors: dict[str, Any]


class BookingsAnswered(_Shape):
    """A page of bookings."""

    data: list[Booking]
    errors: dict[str, Any]
    totalCount: int
    count: int
    currentPage: int
    numberOfPages: int


class ContactsAnswered(_Shape):
    """The guests of a booking."""

    data: list[BookingContact]
    errors: dict[str, Any]


class Refused(_Shape):
    """An error: for each field what is wrong with it."""

    data: None
    errors: dict[str, list[str]]
