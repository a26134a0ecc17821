"""Request bodies (strict) and resources (as they come).

A body accepts its fields in either spelling, ``time_zone`` or ``timeZone``, checks every limit that Jicoo
documents, and is sent in Jicoo's spelling. A field that was not given is not sent; a field that was given as
None is sent as ``null``, where Jicoo allows it.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, TypedDict, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel, to_snake

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.errors import InvalidRequestError

BookingStatus = Literal["request", "open", "cancel"]
Role = Literal["admin", "editor", "viewer"]
Priority = Literal["low", "middle", "high"]
LocationId = Literal["inPerson", "phone", "zoom", "googleMeet", "askInvitee", "teams", "custom"]
HostType = Literal["host", "notifyHost"]
UserType = Literal["host", "guest"]
DisplayType = Literal["private", "teamPublic", "public"]
Transparency = Literal["opaque", "transparent"]
Behavior = Literal["event", "work"]
VisibilityType = Literal["default", "busy"]
ScheduleStatus = Literal["open", "cancel"]
OrganizationRole = Literal["owner", "admin", "member", "restricted"]


# --- resources: what the API returns, passed on as it came ---------------------------------------------------------


class Host(TypedDict, total=False):
    """A host of a booking."""

    userId: str
    role: Role


class Booking(TypedDict, total=False):
    """A booking (https://developer.jicoo.com/api-5453063). Times are ISO 8601 in UTC."""

    uid: str
    eventTypeId: str | None
    name: str
    description: str | None
    status: BookingStatus
    startedAt: str
    endedAt: str
    locationId: LocationId | None
    url: str | None
    phoneNumber: str | None
    address: str | None
    customLocation: str | None
    access: str | None
    timeZone: str
    priority: Priority | None
    cancelReason: str | None
    cancelledAt: str | None
    cancelledBy: str | None
    hosts: list[Host]
    createdAt: str
    updatedAt: str


class BookingAnswer(TypedDict, total=False):
    """A guest's answer to one question of the booking page."""

    question: str
    content: list[str]


class BookingContact(TypedDict, total=False):
    """A guest of a booking (https://developer.jicoo.com/project-373292/api-9082713). Personal data."""

    name: str
    email: str | None
    ccEmails: list[str]
    company: str | None
    phoneNumber: str | None
    message: str | None
    textRemindNumber: str | None
    textRemindCountryCode: str | None
    answers: list[BookingAnswer]
    createdAt: str
    updatedAt: str


class EventType(TypedDict, total=False):
    """An event type. Its fields are not documented: these are what other people's code reads."""

    uid: str
    name: str
    status: str
    duration: int


class EventTypeHost(TypedDict, total=False):
    """A host of an event type (https://developer.jicoo.com/api-10385285). ``uid`` is the user's."""

    uid: str
    name: str
    email: str
    profileImage: str | None
    role: Role
    priority: int
    userType: HostType
    sort: int


class AvailableSchedule(TypedDict, total=False):
    """A free slot. Its fields are not documented: these are what other people's code reads. It has no end."""

    startedAt: str
    remainingCapacity: int


class BookingPage(TypedDict, total=False):
    """The address of a booking page that knows its guest."""

    url: str


class AvailabilityHours(TypedDict, total=False):
    """Hours of one weekday in an availability calendar. What the numbers mean is not documented."""

    startHour: int
    startMinute: int
    endHour: int
    endMinute: int
    startedAt: str
    endedAt: str | None
    wday: int
    frequencyType: int
    frequencyInterval: int
    exceptions: Any


class AvailabilityCalendar(TypedDict, total=False):
    """When a user can be booked (https://developer.jicoo.com/project-373292/api-5622521)."""

    uid: str
    teamId: int
    userId: str
    name: str
    isDefault: int
    timezone: str
    createdAt: str
    updatedAt: str
    calendars: list[AvailabilityHours]


class Attendee(TypedDict, total=False):
    """Somebody who takes part in a schedule."""

    userId: str | None
    email: str | None
    role: Role
    userType: UserType


class Schedule(TypedDict, total=False):
    """A schedule: an entry in the calendar that is no booking (https://developer.jicoo.com/api-5582019)."""

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
    startedAt: str
    endedAt: str
    priority: Priority | None
    displayType: DisplayType
    location: LocationId | None
    transparency: Transparency
    behavior: Behavior
    visibilityType: VisibilityType
    status: ScheduleStatus
    url: str | None
    createdAt: str
    updatedAt: str


class OrganizationUser(TypedDict, total=False):
    """A user of the organization. Its fields are not documented, but for ``role``: these are inferred."""

    uid: str
    name: str
    email: str
    role: OrganizationRole


class OrganizationInvitation(TypedDict, total=False):
    """An invitation into the organization. Its fields are not documented: these are inferred."""

    uid: str
    email: str
    role: OrganizationRole


class Team(TypedDict, total=False):
    """A team of the organization. Its fields are not documented: these are inferred."""

    uid: str
    name: str


# --- bodies: what is sent, checked first ----------------------------------------------------------------------------


_snake = functools.lru_cache(maxsize=1024)(to_snake)


def _known_zone(value: Any) -> Any:
    if isinstance(value, str):
        times.zone(value)
    return value


def _email(value: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        raise ValueError("not an e-mail address such as guest@example.com")
    return value


# Converted in Body._moments, which knows the time zone beside it; a datetime in here is UTC already.
Moment = Annotated[datetime, PlainSerializer(times.wire)]
DayOrMoment = Annotated[datetime | date, PlainSerializer(times.wire_day)]
TimeZone = Annotated[str, BeforeValidator(_known_zone)]
Email = Annotated[str, Field(max_length=255), AfterValidator(_email)]


def _optional(**limits: Any) -> Any:
    """Declare a field that need not be given, yet cannot be null. The None is never sent: see :meth:`Body.wire`."""
    return Field(default=None, **limits)


class Body(BaseModel):
    """A JSON object to send.

    Optional fields have no meaningful default: what was not given is not sent (:meth:`wire`).
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
        # Also lets pydantic look into every text: half of a surrogate pair cannot be sent, and the error of the one who
        # tries has the whole text in it.
        str_max_length=1_000_000,
    )

    moments: ClassVar[tuple[str, ...]] = ()
    """The fields that are moments."""
    takes_days: ClassVar[bool] = False
    """Whether those may be days too, as ``2031-03-05``."""
    private: ClassVar[frozenset[str]] = frozenset()
    """The fields, of nested objects too, that may hold personal data, or words meant for the guest."""

    @model_validator(mode="before")
    @classmethod
    def _moments(cls, given: Any) -> Any:
        if not cls.moments or not isinstance(given, Mapping):
            return given
        zone_beside = given.get("time_zone", given.get("timeZone"))
        made = dict(given)
        for name in made:
            if _snake(name) in cls.moments and made[name] is not None:
                try:
                    day = times.day(made[name]) if cls.takes_days else None
                    zone = zone_beside if isinstance(zone_beside, str) else None
                    made[name] = times.moment(made[name], zone) if day is None else day
                except ValueError as error:
                    raise ValueError(f"{_snake(name)}: {error}") from None
        return made

    def wire(self) -> dict[str, Any]:
        """Return the JSON object to send: only what was given, in Jicoo's spelling."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class HostBody(Body):
    """A host to be set on a booking."""

    user_id: str = Field(min_length=1)
    role: Role


class UpdateBookingBody(Body):
    """Update Booking (https://developer.jicoo.com/project-373292/api-5545485)."""

    moments = ("started_at", "ended_at")
    private = frozenset({"name", "description", "update_message"})

    name: str = _optional()
    description: str | None = None
    time_zone: TimeZone = _optional()
    started_at: Moment = _optional()
    ended_at: Moment = _optional()
    hosts: list[HostBody] = _optional()
    priority: Priority | None = None
    update_message: str = _optional(max_length=2000)
    is_send_updates: bool = _optional()

    @model_validator(mode="after")
    def _changes_something_possible(self) -> UpdateBookingBody:
        if not self.model_fields_set - {"update_message", "is_send_updates"}:
            raise ValueError(
                "the update changes nothing: give at least one of name, description, time_zone, started_at, "
                "ended_at, hosts, priority"
            )
        if {"started_at", "ended_at"} <= self.model_fields_set and self.ended_at <= self.started_at:
            raise ValueError(
                f"ended_at {times.wire(self.ended_at)} is not after started_at {times.wire(self.started_at)}"
            )
        return self


class RescheduleBookingBody(Body):
    """Reschedule Booking (https://developer.jicoo.com/apidoc/project-373292/api-5478461)."""

    moments = ("started_at",)

    time_zone: TimeZone
    started_at: Moment


class TrackingBody(Body):
    """Where a guest came from."""

    campaign: str = _optional(max_length=255)
    source: str = _optional(max_length=255)
    medium: str = _optional(max_length=255)
    content: str = _optional(max_length=255)
    term: str = _optional(max_length=255)


class AnswerBody(Body):
    """An answer to a question of the booking page. That ``content`` may be a list is inferred."""

    question_uid: str = Field(min_length=1)
    content: str | list[str]


class PaymentBody(Body):
    """Payment of a booking. The one field of an item is not documented: items are passed through."""

    payment_method: Literal["none", "card", "onsite"]
    items: list[dict[str, Any]]
    success_url: str = _optional(pattern=r"^https?://\S+$")
    cancel_url: str = _optional(pattern=r"^https?://\S+$")


class CreateBookingBody(Body):
    """Create Booking (https://developer.jicoo.com/api-5531352).

    ``locationId`` is required there, yet its example sends ``location``; that it may be null is inferred.
    """

    moments = ("started_at",)
    private = frozenset(
        {"email", "name", "company", "text_remind_number", "cc_emails", "message", "phone_number", "answers"}
    )

    started_at: Moment
    time_zone: TimeZone
    event_type_id: str = Field(min_length=1)
    email: Email
    name: str = Field(min_length=1, max_length=64)
    location_id: LocationId | None
    company: str = _optional(max_length=32)
    text_remind_country_code: str = _optional(max_length=255)
    text_remind_number: str = _optional(max_length=32)
    cc_emails: list[Email] = _optional(max_length=30)
    message: str = _optional(max_length=2000)
    locale: Literal["ja", "en"] = _optional()
    phone_number: str = _optional(max_length=32)
    tracking: TrackingBody = _optional()
    answers: list[AnswerBody] = _optional()
    payment: PaymentBody = _optional()


class CreateEventTypeHostBody(Body):
    """Create Event Type Host. The body is not documented: it is inferred from the host's own fields."""

    user_id: str = Field(min_length=1)
    role: Role = _optional()
    priority: int = _optional(ge=0, le=3)
    user_type: HostType = _optional()


class UpdateEventTypeHostBody(Body):
    """Update Event Type Host (https://developer.jicoo.com/api-10385285).

    ``priority`` is optional there; without it nothing would change.
    """

    priority: int = Field(ge=0, le=3)


class ValidateGuestBody(Body):
    """Account Integration (https://developer.jicoo.com/apidoc/project-373292/doc-356017)."""

    private = frozenset({"name", "email"})

    name: str = Field(min_length=1)
    email: Email


class AttendeeBody(Body):
    """Somebody who takes part in a schedule. That one of ``user_id`` and ``email`` is needed is inferred."""

    user_id: str = _optional(min_length=1)
    email: Email = _optional()
    role: Role
    user_type: UserType

    @model_validator(mode="after")
    def _is_somebody(self) -> AttendeeBody:
        if not self.model_fields_set & {"user_id", "email"}:
            raise ValueError("an attendee needs a user_id or an email")
        return self


class RoutineBody(Body):
    """How a schedule repeats.

    The fields of the items of ``schedules`` and the form of ``ended_at`` are not documented: the items are passed
    through, and that ``ended_at`` is a moment, a day or None is inferred.
    """

    moments = ("ended_at",)
    takes_days = True

    duration: int = Field(gt=0)
    ended_at: DayOrMoment | None
    schedules: list[dict[str, Any]]


class _ScheduleBody(Body):
    """The fields that are optional in Create Schedule and Update Schedule."""

    moments = ("started_at", "ended_at")
    takes_days = True
    private = frozenset(
        {
            "name",
            "description",
            "email",
            "phone_number",
            "access",
            "address",
            "custom_location",
            "update_message",
        }
    )

    description: Annotated[str, Field(max_length=10_000)] | None = None
    routine: RoutineBody | None = None
    is_remind: bool = _optional()
    phone_number: str = _optional(max_length=32)
    access: str = _optional(max_length=2000)
    address: str = _optional(max_length=255)
    custom_location: str = _optional(max_length=2000)
    is_all_day: bool = _optional()
    priority: Priority = _optional()
    display_type: DisplayType = _optional()
    location: LocationId = _optional()
    transparency: Transparency = _optional()
    behavior: Behavior = _optional()
    visibility_type: VisibilityType = _optional()

    def _check_times(self, start: datetime | date | None, end: datetime | date | None) -> None:
        given = [each for each in (start, end) if each is not None]
        days = [each for each in given if not isinstance(each, datetime)]
        if days and len(days) < len(given):
            raise ValueError("started_at and ended_at must be both days or both moments")
        if days and "is_all_day" in self.model_fields_set and not self.is_all_day:
            raise ValueError("a schedule from a day to a day needs is_all_day=True")
        # A day that begins and ends the schedule is one whole day.
        if start is not None and end is not None and (end < start if days else end <= start):
            raise ValueError(f"ended_at {times.wire_day(end)} is not after started_at {times.wire_day(start)}")


class CreateScheduleBody(_ScheduleBody):
    """Create Schedule (https://developer.jicoo.com/apidoc/project-373292/api-5577216).

    That ``started_at`` and ``ended_at`` may be days, for a schedule of whole days, is inferred.
    """

    name: str = Field(max_length=64)
    attendees: list[AttendeeBody] = Field(min_length=1)
    time_zone: TimeZone
    started_at: DayOrMoment
    ended_at: DayOrMoment
    project_id: int = _optional(gt=0)

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> CreateScheduleBody:
        self._check_times(self.started_at, self.ended_at)
        if not isinstance(self.started_at, datetime) and "is_all_day" not in self.model_fields_set:
            raise ValueError("a schedule from a day to a day needs is_all_day=True")
        return self


class UpdateScheduleBody(_ScheduleBody):
    """Update Schedule (https://developer.jicoo.com/apidoc/project-373292/api-5547058).

    Its example there sends a ``userType`` of 1 and a ``location`` of ``none``, which its own table does not know:
    the table is followed.
    """

    name: str = _optional(max_length=64)
    attendees: list[AttendeeBody] = _optional(min_length=1)
    time_zone: TimeZone = _optional()
    started_at: DayOrMoment = _optional()
    ended_at: DayOrMoment = _optional()
    project_id: Annotated[int, Field(gt=0)] | None = None
    update_message: str = _optional(max_length=2000)
    is_send_updates: bool = _optional()

    @model_validator(mode="after")
    def _changes_something_possible(self) -> UpdateScheduleBody:
        if not self.model_fields_set - {"update_message", "is_send_updates"}:
            raise ValueError("the update changes nothing: give at least one field of the schedule")
        self._check_times(self.started_at, self.ended_at)
        return self


class UpdateOrganizationUserBody(Body):
    """Update Organization User (https://developer.jicoo.com/project-373292/api-5611265).

    ``role`` is optional there; without it nothing would change.
    """

    role: OrganizationRole


class CreateOrganizationInvitationBody(Body):
    """Create Organization Invitation (https://developer.jicoo.com/api-5622157)."""

    private = frozenset({"email"})

    email: Email
    role: OrganizationRole = _optional()


B = TypeVar("B", bound=Body)


def body(kind: type[B], fields: Mapping[str, Any], operation: str) -> B:
    """Check ``fields`` and make the body ``kind`` of them.

    :param kind: the body's class.
    :param fields: the fields, each in Python's or in Jicoo's spelling.
    :param operation: what is being asked for, to begin the error with, as ``"Update Booking"``.
    :raises InvalidRequestError: says every fault; names the nearest known field for an unknown one.
    """
    _same_field_twice(fields, operation)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise InvalidRequestError(f"{operation}: {_explain(kind, fields, error)}") from None


def _same_field_twice(fields: Mapping[str, Any], operation: str) -> None:
    for name in fields:
        if _snake(name) != name and _snake(name) in fields:
            raise InvalidRequestError(f"{operation}: {_snake(name)} is given twice, also as {name}")


def _explain(kind: type[Body], fields: Mapping[str, Any], error: ValidationError) -> str:
    return "; ".join(_explain_one(kind, fields, dict(fault)) for fault in error.errors(include_url=False))


def _explain_one(kind: type[Body], fields: Mapping[str, Any], fault: Mapping[str, Any]) -> str:
    where = fault["loc"]
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not where:
        return message
    place = ".".join(str(part) if isinstance(part, int) else _snake(part) for part in where)
    if fault["type"] == "extra_forbidden":
        return f"unknown field {str(where[-1])!r}{_nearest(kind, where)}"
    if fault["type"] == "missing":
        return f"{place} is required"
    # A guest's own words are not repeated in an error; a check of ours has shown the value already.
    private = any(_snake(str(part)) in kind.private for part in where)
    value = "" if private or fault["type"] == "value_error" else f", not {fault.get('input')!r:.100}"
    return f"{place}: {message[0].lower()}{message[1:]}{value}"


def _nearest(kind: type[Body], where: tuple[str | int, ...]) -> str:
    known = kind
    for part in where[:-1]:
        field = known.model_fields.get(_snake(part)) if isinstance(part, str) else None
        nested = None if field is None else _body_in(field.annotation)
        known = nested or known
    names = list(known.model_fields)
    near = difflib.get_close_matches(_snake(str(where[-1])), names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(names)}"


def _body_in(annotation: Any) -> type[Body] | None:
    if isinstance(annotation, type) and issubclass(annotation, Body):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _body_in(part)
        if found is not None:
            return found
    return None
