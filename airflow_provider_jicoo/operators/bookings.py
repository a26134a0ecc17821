"""Operators for bookings: one for each call of Jicoo's Booking section."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jicoo.links.bookings import EventTypeLink
from airflow_provider_jicoo.operators.base import CallOperator, Converters, in_doubt
from airflow_provider_jicoo.tasks.given import NOT_GIVEN, NotGiven, as_bool, as_int, as_json

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_jicoo.api.call import Call
    from airflow_provider_jicoo.hooks.jicoo import JicooHook

Moment = datetime | str


def _or_none(name: str, value: Any) -> Any:
    """Take an empty text, which a template may render, for nothing."""
    return value or None


class ListBookingsOperator(CallOperator):
    """List bookings, and return them as Jicoo gives them.

    The result goes to an XCom and must fit there (4 MiB, some 5,000 bookings): beyond that the task fails rather than
    fill the metadata database.

    :param status: only bookings of this status: ``open`` or ``cancel``. (templated)
    :param started_at: only bookings that start at or after this moment: an aware datetime, or ISO 8601 with an
        offset. (templated)
    :param ended_at: only bookings that end at or before this moment. (templated)
    :param order_by: ``startedAt`` or ``createdAt``. (templated)
    :param descending: the last first. (templated)
    :param limit: return so many bookings at the most; None for all. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the bookings; see https://developer.jicoo.com/api-5452986.
    """

    endpoint = "list_bookings"
    arguments = ("status", "started_at", "ended_at", "order_by", "descending", "limit")
    convert: ClassVar[Converters] = {"descending": as_bool, "limit": as_int}
    if_too_large = "give limit, or narrow started_at and ended_at"
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(
        self,
        *,
        status: str | None = None,
        started_at: Moment | None = None,
        ended_at: Moment | None = None,
        order_by: str = "startedAt",
        descending: bool | str = False,
        limit: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.status = status
        self.started_at = started_at
        self.ended_at = ended_at
        self.order_by = order_by
        self.descending = descending
        self.limit = limit


class _OneBookingOperator(CallOperator):
    """Base of the operators whose request is answered with a booking: they link to its event type."""

    operator_extra_links = (EventTypeLink(),)

    def _carry_out(self, hook: JicooHook, call: Call[Any], context: Context) -> Any:
        booking = super()._carry_out(hook, call, context)
        if isinstance(booking, dict):
            self._link(hook, booking, context)
        return booking


class GetBookingOperator(_OneBookingOperator):
    """Read one booking, and return it as Jicoo gives it.

    :param uid: booking id. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the booking; see https://developer.jicoo.com/api-5453063.
    """

    endpoint = "get_booking"
    arguments = ("uid",)
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, uid: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uid = uid


class GetBookingContactsOperator(CallOperator):
    """Read the guests of a booking, and return them as Jicoo gives them.

    The result is personal data and goes to an XCom, where everybody who may see the DAG can read it.

    :param uid: booking id. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the guests; see https://developer.jicoo.com/project-373292/api-9082713.
    """

    endpoint = "get_booking_contacts"
    arguments = ("uid",)
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, uid: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uid = uid


class CreateBookingOperator(_OneBookingOperator):
    """Make a booking, and return it as Jicoo gives it (the form of this answer is not documented).

    Jicoo messages the guest. Jicoo knows no idempotency key: where nobody can tell whether the booking was made, the
    task fails at once and says how to look. At a retry, the task first looks for an open booking of this guest for
    this event type at this moment, for as long as Jicoo may be at work on it, and returns that. Where there is none, a
    retry of Airflow's does not make it, unless an earlier try is known to have sent nothing (from Airflow 3.3 on); it
    fails and says how to look, and a task that somebody clears then makes it.

    What a guest gives (name, e-mail, ...) shows as ``***`` among the rendered fields in Airflow's UI.

    :param started_at: when it starts: an aware datetime, ISO 8601 with an offset, or a wall clock in ``time_zone``.
        (templated)
    :param time_zone: the guest's time zone, an IANA name. (templated)
    :param event_type_id: the event type. (templated)
    :param guest_email: the guest's e-mail address; not called ``email``, since Airflow writes to the ``email`` of an
        operator when its task fails. (templated)
    :param name: the guest's name, at most 64 characters. (templated)
    :param location_id: ``inPerson``, ``phone``, ``zoom``, ``googleMeet``, ``askInvitee``, ``teams``, ``custom``; that
        it may be None is inferred. (templated)
    :param company: at most 32 characters. (templated)
    :param text_remind_country_code: for reminders by SMS. (templated)
    :param text_remind_number: for reminders by SMS, at most 32 characters. (templated)
    :param cc_emails: at most 30 addresses. (templated)
    :param message: at most 2,000 characters. (templated)
    :param locale: ``ja`` or ``en``. (templated)
    :param phone_number: at most 32 characters. (templated)
    :param tracking: ``campaign``, ``source``, ``medium``, ``content``, ``term``. (templated)
    :param answers: list of ``{"question_uid": ..., "content": ...}``. (templated)
    :param payment: ``payment_method`` (``none``, ``card``, ``onsite``), ``items``, ``success_url``, ``cancel_url``.
        (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the booking; see https://developer.jicoo.com/api-5531352.
    """

    endpoint = "create_booking"
    arguments = (
        "started_at",
        "time_zone",
        "event_type_id",
        "guest_email",
        "name",
        "location_id",
        "company",
        "text_remind_country_code",
        "text_remind_number",
        "cc_emails",
        "message",
        "locale",
        "phone_number",
        "tracking",
        "answers",
        "payment",
    )
    convert: ClassVar[Converters] = {"cc_emails": as_json, "tracking": as_json, "answers": as_json, "payment": as_json}
    renamed: ClassVar[Mapping[str, str]] = {"guest_email": "email"}
    private_fields = frozenset(
        {"guest_email", "name", "company", "text_remind_number", "cc_emails", "message", "phone_number", "answers"}
    )
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(
        self,
        *,
        started_at: Moment,
        time_zone: str,
        event_type_id: str,
        guest_email: str,
        name: str,
        location_id: str | None,
        company: str | NotGiven = NOT_GIVEN,
        text_remind_country_code: str | NotGiven = NOT_GIVEN,
        text_remind_number: str | NotGiven = NOT_GIVEN,
        cc_emails: Sequence[str] | str | NotGiven = NOT_GIVEN,
        message: str | NotGiven = NOT_GIVEN,
        locale: str | NotGiven = NOT_GIVEN,
        phone_number: str | NotGiven = NOT_GIVEN,
        tracking: dict[str, str] | str | NotGiven = NOT_GIVEN,
        answers: list[dict[str, Any]] | str | NotGiven = NOT_GIVEN,
        payment: dict[str, Any] | str | NotGiven = NOT_GIVEN,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.started_at = started_at
        self.time_zone = time_zone
        self.event_type_id = event_type_id
        self.guest_email = guest_email
        self.name = name
        self.location_id = location_id
        self.company = company
        self.text_remind_country_code = text_remind_country_code
        self.text_remind_number = text_remind_number
        self.cc_emails = cc_emails
        self.message = message
        self.locale = locale
        self.phone_number = phone_number
        self.tracking = tracking
        self.answers = answers
        self.payment = payment

    def _change(self, hook: JicooHook, call: Call[Any], context: Context) -> Any:
        if context["ti"].try_number > 1:
            is_made, booking = self._look_for_grace(hook, lambda: self._made_before(hook, call.body or {}))
            if is_made:
                return booking
            if is_made is None and self._may_be_sent(call, context) and self._is_repeated(context):
                raise in_doubt(call, f"whether an earlier try has made the booking cannot be told ({booking})")
        return super()._change(hook, call, context)

    def _made_before(self, hook: JicooHook, wanted: Mapping[str, Any]) -> tuple[bool | None, Any]:
        """Tell whether an earlier try has made the open booking, and return it.

        :return: None where that cannot be told, and why.
        """
        from airflow_provider_jicoo.api import times
        from airflow_provider_jicoo.api.errors import ListingMovedError, UnprovenListError
        from airflow_provider_jicoo.api.status import is_cancelled
        from airflow_provider_jicoo.api.written import reflects
        from airflow_provider_jicoo.bulk.selection import Selection, select

        start = times.moment(wanted["startedAt"])
        selection = Selection(
            started_after=start.replace(second=0, microsecond=0),  # it may be stored without its seconds
            started_before=start + timedelta(milliseconds=1),
            event_type_id=wanted["eventTypeId"],
        )
        untold = None
        try:
            for booking in select(hook.client, selection, on_unproven="fail"):
                if is_cancelled(booking["status"]) or not reflects(booking, {"startedAt": wanted["startedAt"]}):
                    continue
                is_theirs, why = self._is_of(hook, booking["uid"], wanted["email"])
                if is_theirs:
                    self.log.info("an earlier try has made booking %s; not made again", booking["uid"])
                    return True, dict(booking)
                untold = why or untold
        except (ListingMovedError, UnprovenListError) as error:
            untold = str(error)
        return (False, None) if untold is None else (None, untold)

    def _is_of(self, hook: JicooHook, uid: str, email: str) -> tuple[bool, str | None]:
        """Tell whether a booking is of a guest; where that cannot be told, say why."""
        from airflow_provider_jicoo.api.errors import RequestError

        try:
            guests = hook.get_booking_contacts(uid)
        except RequestError as error:
            if not error.permanent:
                raise  # by the next try it may have passed
            return False, str(error)
        emails = {str(guest.get("email")).strip().lower() for guest in guests if isinstance(guest, Mapping)}
        return email.strip().lower() in emails, None


class UpdateBookingOperator(_OneBookingOperator):
    """Change a booking, and return it as it is then. Only what is given is sent.

    "Not given" and None are different: ``priority=None`` takes the priority away. At a retry, the task first reads
    whether an earlier try has made the change, so that no guest is messaged twice.

    :param uid: booking id. (templated)
    :param name: title of the booking. (templated)
    :param description: its description, or None. (templated)
    :param time_zone: IANA name. (templated)
    :param started_at: new start: an aware datetime, ISO 8601 with an offset, or a wall clock in ``time_zone``.
        (templated)
    :param ended_at: new end. (templated)
    :param hosts: list of ``{"user_id": ..., "role": "admin" | "editor" | "viewer"}``; replaces the whole list
        (inferred). (templated)
    :param priority: ``low``, ``middle``, ``high``, or None (inferred). (templated)
    :param update_message: message to the participants, at most 2,000 characters. (templated)
    :param is_send_updates: whether Jicoo messages the participants; Jicoo's own default, where not given, is not
        documented. (templated)
    :param on_doubt: where the answer was lost, and the change is not seen in the booking for as long as Jicoo may be at
        work on it: ``leave`` it and fail, saying how to look, or send it ``again``. By default it is left where it may
        message the guest. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the booking; see https://developer.jicoo.com/project-373292/api-5545485.
    """

    endpoint = "update_booking"
    arguments = (
        "uid",
        "name",
        "description",
        "time_zone",
        "started_at",
        "ended_at",
        "hosts",
        "priority",
        "update_message",
        "is_send_updates",
        "on_doubt",
    )
    convert: ClassVar[Converters] = {"hosts": as_json, "is_send_updates": as_bool, "on_doubt": _or_none}
    private_fields = frozenset({"name", "description", "update_message"})
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(
        self,
        *,
        uid: str,
        name: str | NotGiven = NOT_GIVEN,
        description: str | NotGiven | None = NOT_GIVEN,
        time_zone: str | NotGiven = NOT_GIVEN,
        started_at: Moment | NotGiven = NOT_GIVEN,
        ended_at: Moment | NotGiven = NOT_GIVEN,
        hosts: Iterable[dict[str, str]] | str | NotGiven = NOT_GIVEN,
        priority: str | NotGiven | None = NOT_GIVEN,
        update_message: str | NotGiven = NOT_GIVEN,
        is_send_updates: bool | str | NotGiven = NOT_GIVEN,
        on_doubt: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.uid = uid
        self.on_doubt = on_doubt
        self.name = name
        self.description = description
        self.time_zone = time_zone
        self.started_at = started_at
        self.ended_at = ended_at
        self.hosts = hosts
        self.priority = priority
        self.update_message = update_message
        self.is_send_updates = is_send_updates


class CancelBookingOperator(_OneBookingOperator):
    """Cancel a booking, and return it as it is then. It cannot be undone, and Jicoo may message the guest.

    A booking that is cancelled already is left alone: at a retry since it is read first, and otherwise where
    Jicoo refuses.

    :param uid: booking id. (templated)
    :param on_doubt: where the answer was lost, and the change is not seen in the booking for as long as Jicoo may be at
        work on it: ``leave`` it and fail, saying how to look, or send it ``again``. By default it is left where it may
        message the guest. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the booking; see https://developer.jicoo.com/project-373292/api-5467821.
    """

    endpoint = "cancel_booking"
    arguments = ("uid", "on_doubt")
    convert: ClassVar[Converters] = {"on_doubt": _or_none}
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, uid: str, on_doubt: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uid = uid
        self.on_doubt = on_doubt

    def _change(self, hook: JicooHook, call: Call[Any], context: Context) -> Any:
        from airflow_provider_jicoo.api.errors import RejectedError
        from airflow_provider_jicoo.api.status import is_cancelled

        try:
            return super()._change(hook, call, context)
        except RejectedError:
            booking = hook.get_booking(self.uid)
            if not is_cancelled(booking.get("status")):
                raise
            self.log.info("booking %s was cancelled already", self.uid)
            return booking


class RescheduleBookingOperator(_OneBookingOperator):
    """Move a booking to a free slot, and return it as it is then. Jicoo may message the guest.

    At a retry, the task first reads whether an earlier try has moved it.

    :param uid: booking id. (templated)
    :param started_at: new start: an aware datetime, ISO 8601 with an offset, or a wall clock in ``time_zone``.
        (templated)
    :param time_zone: IANA name. (templated)
    :param on_doubt: where the answer was lost, and the change is not seen in the booking for as long as Jicoo may be at
        work on it: ``leave`` it and fail, saying how to look, or send it ``again``. By default it is left where it may
        message the guest. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the booking; see https://developer.jicoo.com/apidoc/project-373292/api-5478461.
    """

    endpoint = "reschedule_booking"
    arguments = ("uid", "started_at", "time_zone", "on_doubt")
    convert: ClassVar[Converters] = {"on_doubt": _or_none}
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(
        self, *, uid: str, started_at: Moment, time_zone: str, on_doubt: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.on_doubt = on_doubt
        self.uid = uid
        self.started_at = started_at
        self.time_zone = time_zone
