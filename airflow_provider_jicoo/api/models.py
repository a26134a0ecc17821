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
from datetime import datetime
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


# --- bodies: what is sent, checked first ----------------------------------------------------------------------------


@functools.cache
def _camel(names: frozenset[str]) -> frozenset[str]:
    return frozenset(map(to_camel, names))


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
    )

    moments: ClassVar[tuple[str, ...]] = ()
    """The fields that are moments."""
    private: ClassVar[frozenset[str]] = frozenset()
    """The fields that may hold personal data, or words meant for the guest."""

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
                    made[name] = times.moment(made[name], zone_beside if isinstance(zone_beside, str) else None)
                except ValueError as error:
                    raise ValueError(f"{_snake(name)}: {error}") from None
        return made

    def wire(self) -> dict[str, Any]:
        """Return the JSON object to send: only what was given, in Jicoo's spelling."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    @classmethod
    def private_on_the_wire(cls) -> frozenset[str]:
        """Return :attr:`private` in Jicoo's spelling."""
        return _camel(cls.private)


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


B = TypeVar("B", bound=Body)


def body(kind: type[B], fields: Mapping[str, Any], what: str) -> B:
    """Check ``fields`` and make the body ``kind`` of them.

    :param kind: the body's class.
    :param fields: the fields, each in Python's or in Jicoo's spelling.
    :param what: what is being asked for, to begin the error with, as ``"Update Booking"``.
    :raises InvalidRequestError: says every fault; names the nearest known field for an unknown one.
    """
    _same_field_twice(fields, what)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise InvalidRequestError(f"{what}: {_explain(kind, fields, error)}") from None


def _same_field_twice(fields: Mapping[str, Any], what: str) -> None:
    for name in fields:
        if _snake(name) != name and _snake(name) in fields:
            raise InvalidRequestError(f"{what}: {_snake(name)} is given twice, also as {name}")


def _explain(kind: type[Body], fields: Mapping[str, Any], error: ValidationError) -> str:
    return "; ".join(_explain_one(kind, fields, dict(fault)) for fault in error.errors(include_url=False))


def _explain_one(kind: type[Body], fields: Mapping[str, Any], fault: Mapping[str, Any]) -> str:
    where = fault["loc"]
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not where:
        return message
    top = _snake(str(where[0]))
    place = ".".join(str(part) if isinstance(part, int) else _snake(part) for part in where)
    if fault["type"] == "extra_forbidden":
        return f"unknown field {str(where[-1])!r}{_nearest(kind, where)}"
    if fault["type"] == "missing":
        return f"{place} is required"
    # A guest's own words are not repeated in an error; a check of ours has shown the value already.
    value = "" if top in kind.private or fault["type"] == "value_error" else f", not {fault.get('input')!r:.100}"
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
