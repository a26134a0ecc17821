"""Operators for schedules: one for each call of Jicoo's Schedule section."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, ClassVar

from airflow_provider_jicoo.operators.base import CallOperator, Converters
from airflow_provider_jicoo.tasks.given import NOT_GIVEN, NotGiven, as_bool, as_int, as_json

DayOrMoment = datetime | date | str
Json = dict[str, Any] | str

PRIVATE = frozenset(
    {
        "name",
        "description",
        "attendees",
        "phone_number",
        "access",
        "address",
        "custom_location",
        "update_message",
    }
)
"""Words that people wrote, and who they are."""
CONVERT: Converters = {
    "attendees": as_json,
    "routine": as_json,
    "is_remind": as_bool,
    "is_all_day": as_bool,
    "is_send_updates": as_bool,
    "project_id": as_int,
}


class ListSchedulesOperator(CallOperator):
    """List schedules, the entries made by hand in the calendars, and return them as Jicoo gives them.

    Bookings are not among them. The result goes to an XCom and must fit there (4 MiB): beyond that the task fails.

    :param limit: return so many at the most; None for all. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the schedules; see https://developer.jicoo.com/api-5582019.
    """

    endpoint = "list_schedules"
    arguments = ("limit",)
    convert: ClassVar[Converters] = {"limit": as_int}
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, limit: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = limit


class CreateScheduleOperator(CallOperator):
    """Make a schedule, and return it as Jicoo gives it (the form of its answer is inferred).

    Jicoo knows no idempotency key: where nobody can tell whether it was made, the task fails at once and says how to
    look, and so does a retry of Airflow's after a worker died. Somebody who has looked clears the task.


    :param name: at most 64 characters. (templated)
    :param attendees: at least one ``{"user_id": ..., "role": "admin" | "editor" | "viewer", "user_type": "host" |
        "guest"}``, with ``email`` in place of ``user_id`` or beside it. (templated)
    :param time_zone: IANA name. (templated)
    :param started_at: an aware datetime, ISO 8601 with an offset, or a wall clock in ``time_zone``; with ``is_all_day``
        a day, as ``2031-03-05`` (inferred). (templated)
    :param ended_at: likewise, after ``started_at``. (templated)
    :param description: at most 10,000 characters, or None. (templated)
    :param project_id: above 0. (templated)
    :param routine: how it repeats: ``duration`` (its unit is not documented), ``ended_at``, and ``schedules``, which is
        passed through since its fields are not documented; or None. (templated)
    :param is_remind: whether to remind. (templated)
    :param phone_number: at most 32 characters. (templated)
    :param access: how to get there, at most 2,000 characters. (templated)
    :param address: at most 255 characters. (templated)
    :param custom_location: at most 2,000 characters. (templated)
    :param is_all_day: whether it takes whole days. (templated)
    :param priority: ``low``, ``middle`` or ``high``. (templated)
    :param display_type: ``private``, ``teamPublic`` or ``public``. (templated)
    :param location: ``inPerson``, ``phone``, ``zoom``, ``googleMeet``, ``askInvitee``, ``teams``,
        ``custom``. (templated)
    :param transparency: ``opaque`` or ``transparent``. (templated)
    :param behavior: ``event`` or ``work``. (templated)
    :param visibility_type: ``default`` or ``busy``. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the schedule; see https://developer.jicoo.com/apidoc/project-373292/api-5577216.
    """

    endpoint = "create_schedule"
    arguments = (
        "name",
        "attendees",
        "time_zone",
        "started_at",
        "ended_at",
        "description",
        "project_id",
        "routine",
        "is_remind",
        "phone_number",
        "access",
        "address",
        "custom_location",
        "is_all_day",
        "priority",
        "display_type",
        "location",
        "transparency",
        "behavior",
        "visibility_type",
    )
    convert = CONVERT
    private_fields = PRIVATE
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(
        self,
        *,
        name: str,
        attendees: list[dict[str, str]] | str,
        time_zone: str,
        started_at: DayOrMoment,
        ended_at: DayOrMoment,
        description: str | NotGiven | None = NOT_GIVEN,
        project_id: int | str | NotGiven = NOT_GIVEN,
        routine: Json | NotGiven | None = NOT_GIVEN,
        is_remind: bool | str | NotGiven = NOT_GIVEN,
        phone_number: str | NotGiven = NOT_GIVEN,
        access: str | NotGiven = NOT_GIVEN,
        address: str | NotGiven = NOT_GIVEN,
        custom_location: str | NotGiven = NOT_GIVEN,
        is_all_day: bool | str | NotGiven = NOT_GIVEN,
        priority: str | NotGiven = NOT_GIVEN,
        display_type: str | NotGiven = NOT_GIVEN,
        location: str | NotGiven = NOT_GIVEN,
        transparency: str | NotGiven = NOT_GIVEN,
        behavior: str | NotGiven = NOT_GIVEN,
        visibility_type: str | NotGiven = NOT_GIVEN,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.attendees = attendees
        self.time_zone = time_zone
        self.started_at = started_at
        self.ended_at = ended_at
        self.description = description
        self.project_id = project_id
        self.routine = routine
        self.is_remind = is_remind
        self.phone_number = phone_number
        self.access = access
        self.address = address
        self.custom_location = custom_location
        self.is_all_day = is_all_day
        self.priority = priority
        self.display_type = display_type
        self.location = location
        self.transparency = transparency
        self.behavior = behavior
        self.visibility_type = visibility_type


class UpdateScheduleOperator(CallOperator):
    """Change a schedule, and return it as Jicoo gives it (the form of its answer is inferred).

    Only what is given is sent. "Not given" and None are different: ``description=None`` takes the description
    away. Jicoo has no request that reads one schedule: where nobody can tell whether it was changed, the task fails at
    once and says how to look, and so does a retry of Airflow's after a worker died. Somebody who has looked clears the
    task.


    :param uid: schedule id. (templated)
    :param name: at most 64 characters. (templated)
    :param attendees: as for :class:`CreateScheduleOperator`; replaces the whole list (inferred). (templated)
    :param time_zone: IANA name. (templated)
    :param started_at: as for :class:`CreateScheduleOperator`. (templated)
    :param ended_at: likewise. (templated)
    :param description: at most 10,000 characters, or None. (templated)
    :param project_id: above 0, or None. (templated)
    :param routine: how it repeats: ``duration`` (its unit is not documented), ``ended_at``, and ``schedules``, which is
        passed through since its fields are not documented; or None. (templated)
    :param is_remind: whether to remind. (templated)
    :param phone_number: at most 32 characters. (templated)
    :param access: how to get there, at most 2,000 characters. (templated)
    :param address: at most 255 characters. (templated)
    :param custom_location: at most 2,000 characters. (templated)
    :param is_all_day: whether it takes whole days. (templated)
    :param priority: ``low``, ``middle`` or ``high``. (templated)
    :param display_type: ``private``, ``teamPublic`` or ``public``. (templated)
    :param location: ``inPerson``, ``phone``, ``zoom``, ``googleMeet``, ``askInvitee``, ``teams``,
        ``custom``. (templated)
    :param transparency: ``opaque`` or ``transparent``. (templated)
    :param behavior: ``event`` or ``work``. (templated)
    :param visibility_type: ``default`` or ``busy``. (templated)
    :param update_message: message to the attendees, at most 2,000 characters. (templated)
    :param is_send_updates: whether Jicoo messages the attendees; Jicoo's own default, where not given, is
        not documented. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the schedule; see https://developer.jicoo.com/apidoc/project-373292/api-5547058.
    """

    endpoint = "update_schedule"
    arguments = (
        "uid",
        "name",
        "attendees",
        "time_zone",
        "started_at",
        "ended_at",
        "description",
        "project_id",
        "routine",
        "is_remind",
        "phone_number",
        "access",
        "address",
        "custom_location",
        "is_all_day",
        "priority",
        "display_type",
        "location",
        "transparency",
        "behavior",
        "visibility_type",
        "update_message",
        "is_send_updates",
    )
    convert = CONVERT
    private_fields = PRIVATE
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(
        self,
        *,
        uid: str,
        name: str | NotGiven = NOT_GIVEN,
        attendees: list[dict[str, str]] | str | NotGiven = NOT_GIVEN,
        time_zone: str | NotGiven = NOT_GIVEN,
        started_at: DayOrMoment | NotGiven = NOT_GIVEN,
        ended_at: DayOrMoment | NotGiven = NOT_GIVEN,
        description: str | NotGiven | None = NOT_GIVEN,
        project_id: int | str | NotGiven | None = NOT_GIVEN,
        routine: Json | NotGiven | None = NOT_GIVEN,
        is_remind: bool | str | NotGiven = NOT_GIVEN,
        phone_number: str | NotGiven = NOT_GIVEN,
        access: str | NotGiven = NOT_GIVEN,
        address: str | NotGiven = NOT_GIVEN,
        custom_location: str | NotGiven = NOT_GIVEN,
        is_all_day: bool | str | NotGiven = NOT_GIVEN,
        priority: str | NotGiven = NOT_GIVEN,
        display_type: str | NotGiven = NOT_GIVEN,
        location: str | NotGiven = NOT_GIVEN,
        transparency: str | NotGiven = NOT_GIVEN,
        behavior: str | NotGiven = NOT_GIVEN,
        visibility_type: str | NotGiven = NOT_GIVEN,
        update_message: str | NotGiven = NOT_GIVEN,
        is_send_updates: bool | str | NotGiven = NOT_GIVEN,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.uid = uid
        self.name = name
        self.attendees = attendees
        self.time_zone = time_zone
        self.started_at = started_at
        self.ended_at = ended_at
        self.description = description
        self.project_id = project_id
        self.routine = routine
        self.is_remind = is_remind
        self.phone_number = phone_number
        self.access = access
        self.address = address
        self.custom_location = custom_location
        self.is_all_day = is_all_day
        self.priority = priority
        self.display_type = display_type
        self.location = location
        self.transparency = transparency
        self.behavior = behavior
        self.visibility_type = visibility_type
        self.update_message = update_message
        self.is_send_updates = is_send_updates


class DeleteScheduleOperator(CallOperator):
    """Remove a schedule. The path is inferred.

    Where nobody can tell whether it was removed, the task fails at once and says how to look, and so does a retry of
    Airflow's after a worker died. Somebody who has looked clears the task.


    :param uid: schedule id. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    """

    endpoint = "delete_schedule"
    arguments = ("uid",)
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(
        self,
        *,
        uid: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.uid = uid
