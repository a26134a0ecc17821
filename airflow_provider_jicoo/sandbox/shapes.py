"""What the answers look like, for the OpenAPI document only.

The resources of ``api.models`` are TypedDicts that forgive a missing field; a server's document promises each one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from airflow_provider_jicoo.api.models import (
    Behavior,
    BookingStatus,
    DisplayType,
    HostType,
    LocationId,
    OrganizationRole,
    Priority,
    Role,
    ScheduleStatus,
    Transparency,
    UserType,
    VisibilityType,
)


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


class Attendee(_Shape):
    """Somebody who takes part in a schedule."""

    userId: str | None
    email: str | None
    role: Role
    userType: UserType


class Schedule(_Shape):
    """A schedule."""

    uid: str
    name: str
    description: str | None
    routine: dict[str, Any] | None
    isRemind: bool
    projectId: int | None
    phoneNumber: str | None
    access: str | None
    address: str | None
    customLocation: str | None
    attendees: list[Attendee]
    isAllDay: bool
    timeZone: str
    startedAt: datetime
    endedAt: datetime
    priority: Priority | None
    displayType: DisplayType
    location: LocationId | None
    transparency: Transparency
    behavior: Behavior
    visibilityType: VisibilityType
    status: ScheduleStatus
    url: str | None
    createdAt: datetime
    updatedAt: datetime


class ScheduleAnswered(_Shape):
    """One schedule."""

    data: Schedule
    errors: dict[str, Any]


class SchedulesAnswered(_Shape):
    """A page of schedules."""

    data: list[Schedule]
    errors: dict[str, Any]
    totalCount: int
    count: int
    currentPage: int
    numberOfPages: int


class OrganizationUser(_Shape):
    """A user of the organization."""

    uid: str
    name: str
    email: str
    role: OrganizationRole


class OrganizationUserAnswered(_Shape):
    """One user."""

    data: OrganizationUser
    errors: dict[str, Any]


class OrganizationUsersAnswered(_Shape):
    """A page of users."""

    data: list[OrganizationUser]
    errors: dict[str, Any]
    totalCount: int
    count: int
    currentPage: int
    numberOfPages: int


class OrganizationInvitation(_Shape):
    """An invitation into the organization."""

    uid: str
    email: str
    role: OrganizationRole
    createdAt: datetime


class OrganizationInvitationAnswered(_Shape):
    """One invitation."""

    data: OrganizationInvitation
    errors: dict[str, Any]


class OrganizationInvitationsAnswered(_Shape):
    """A page of invitations."""

    data: list[OrganizationInvitation]
    errors: dict[str, Any]
    totalCount: int
    count: int
    currentPage: int
    numberOfPages: int


class Team(_Shape):
    """A team."""

    uid: str
    name: str


class TeamsAnswered(_Shape):
    """A page of teams."""

    data: list[Team]
    errors: dict[str, Any]
    totalCount: int
    count: int
    currentPage: int
    numberOfPages: int


class _Paged(_Shape):
    errors: dict[str, Any]
    totalCount: int
    count: int
    currentPage: int
    numberOfPages: int


class EventType(_Shape):
    """An event type."""

    uid: str
    name: str
    status: str
    duration: int


class EventTypeAnswered(_Shape):
    """One event type."""

    data: EventType
    errors: dict[str, Any]


class EventTypesAnswered(_Paged):
    """A page of event types."""

    data: list[EventType]


class EventTypeHost(_Shape):
    """A host of an event type."""

    uid: str
    name: str
    email: str
    profileImage: str | None
    role: Role
    priority: int
    userType: HostType
    sort: int


class EventTypeHostAnswered(_Shape):
    """One host of an event type."""

    data: EventTypeHost
    errors: dict[str, Any]


class EventTypeHostsAnswered(_Paged):
    """A page of hosts of an event type."""

    data: list[EventTypeHost]


class AvailableSchedule(_Shape):
    """A slot."""

    startedAt: datetime
    remainingCapacity: int


class AvailableSchedulesAnswered(_Shape):
    """The slots of a period."""

    data: list[AvailableSchedule]
    errors: dict[str, Any]


class BookingPage(_Shape):
    """The address of a booking page that knows its guest."""

    url: str


class BookingPageAnswered(_Shape):
    """One such address."""

    data: BookingPage
    errors: dict[str, Any]


class AvailabilityHours(_Shape):
    """Hours of one weekday in an availability calendar."""

    startHour: int
    startMinute: int
    endHour: int
    endMinute: int
    startedAt: datetime
    endedAt: datetime | None
    wday: int
    frequencyType: int
    frequencyInterval: int
    exceptions: None


class AvailabilityCalendar(_Shape):
    """When a user can be booked."""

    uid: str
    teamId: int
    userId: str
    name: str
    isDefault: int
    timezone: str
    createdAt: datetime
    updatedAt: datetime
    calendars: list[AvailabilityHours]


class AvailabilityCalendarAnswered(_Shape):
    """One availability calendar."""

    data: AvailabilityCalendar
    errors: dict[str, Any]


class AvailabilityCalendarsAnswered(_Paged):
    """A page of availability calendars."""

    data: list[AvailabilityCalendar]


class Refused(_Shape):
    """An error: for each field what is wrong with it."""

    data: None
    errors: dict[str, list[str]]
