"""Operators for event types: one for each call of Jicoo's Event Types section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jicoo.operators.base import CallOperator, Converters, JicooOperator
from airflow_provider_jicoo.tasks.given import NOT_GIVEN, NotGiven, as_int
from airflow_provider_jicoo.tasks.xcom import fit_for_xcom

if TYPE_CHECKING:
    from airflow.sdk import Context


class ListEventTypesOperator(CallOperator):
    """List event types, and return them as Jicoo gives them (their fields are not documented).

    Some API keys may use event types, but not list them: the task then fails and says to name them by hand.

    :param team_id: only those of this team; known from other people's code. (templated)
    :param limit: return so many at the most; None for all. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the event types; see https://developer.jicoo.com/api-5734881.
    """

    endpoint = "list_event_types"
    arguments = ("team_id", "limit")
    convert: ClassVar[Converters] = {"limit": as_int}
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, team_id: str | int | None = None, limit: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.team_id = team_id
        self.limit = limit


class GetEventTypeOperator(CallOperator):
    """Read one event type, and return it as Jicoo gives it (its fields are not documented).

    :param event_type_id: id of the event type, as ``o072r8CvwVF4``. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the event type; see https://developer.jicoo.com/api-5723410.
    """

    endpoint = "get_event_type"
    arguments = ("event_type_id",)
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, event_type_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_type_id = event_type_id


class ListEventTypeHostsOperator(CallOperator):
    """List the hosts of an event type, and return them as Jicoo gives them.

    That the query names the event type, as ``eventTypeId``, is inferred.

    :param event_type_id: id of the event type. (templated)
    :param limit: return so many at the most; None for all. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the hosts; see https://developer.jicoo.com/api-5734887.
    """

    endpoint = "list_event_type_hosts"
    arguments = ("event_type_id", "limit")
    convert: ClassVar[Converters] = {"limit": as_int}
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, event_type_id: str, limit: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_type_id = event_type_id
        self.limit = limit


class CreateEventTypeHostOperator(CallOperator):
    """Let a user be a host of an event type, and return the host as Jicoo gives it. Path and body are inferred.

    At a retry, the task first reads whether an earlier try has done it.

    :param event_type_id: id of the event type. (templated)
    :param user_id: the user's id. (templated)
    :param role: ``admin``, ``editor`` or ``viewer``. (templated)
    :param priority: 0 to 3; who is of a higher one gets more of the bookings that Jicoo distributes (that 0 is the
        lowest is inferred). (templated)
    :param user_type: ``host``, or ``notifyHost`` for somebody who is told of bookings but takes none. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the host; see https://developer.jicoo.com/api-10385285 for its fields.
    """

    endpoint = "create_event_type_host"
    arguments = ("event_type_id", "user_id", "role", "priority", "user_type")
    convert: ClassVar[Converters] = {"priority": as_int}
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(
        self,
        *,
        event_type_id: str,
        user_id: str,
        role: str | NotGiven = NOT_GIVEN,
        priority: int | str | NotGiven = NOT_GIVEN,
        user_type: str | NotGiven = NOT_GIVEN,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.event_type_id = event_type_id
        self.user_id = user_id
        self.role = role
        self.priority = priority
        self.user_type = user_type


class UpdateEventTypeHostOperator(CallOperator):
    """Change how many bookings a host of an event type gets, and return the host as it is then.

    :param event_type_id: id of the event type. (templated)
    :param uid: the user's id. (templated)
    :param priority: 0 to 3 (that 0 is the lowest is inferred). (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the host; see https://developer.jicoo.com/api-10385285.
    """

    endpoint = "update_event_type_host"
    arguments = ("event_type_id", "uid", "priority")
    convert: ClassVar[Converters] = {"priority": as_int}
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, event_type_id: str, uid: str, priority: int | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_type_id = event_type_id
        self.uid = uid
        self.priority = priority


class DeleteEventTypeHostOperator(CallOperator):
    """Let a user be a host of an event type no longer. The path is inferred.

    The bookings that the user has stay theirs (inferred). At a retry, the task first reads whether an earlier try has
    done it.

    :param event_type_id: id of the event type. (templated)
    :param uid: the user's id. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    """

    endpoint = "delete_event_type_host"
    arguments = ("event_type_id", "uid")
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, event_type_id: str, uid: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_type_id = event_type_id
        self.uid = uid


class ValidateGuestOperator(CallOperator):
    """Make the address of a booking page for a known guest (Jicoo calls it account integration; Enterprise plan).

    The page shows the guest's name and e-mail address, which the guest cannot change. The address goes to an XCom: who
    opens it books as this guest. Name and address of the guest show as ``***`` among the rendered fields.

    :param team_id: the part after ``/t/`` in the booking pages' address. (templated)
    :param event_type_id: id of the event type. (templated)
    :param name: the guest's name. (templated)
    :param guest_email: the guest's e-mail address; not called ``email``, since Airflow writes to the ``email`` of an
        operator when its task fails. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: ``{"url": ...}``; see https://developer.jicoo.com/apidoc/project-373292/api-4059407.
    """

    endpoint = "validate_guest"
    arguments = ("team_id", "event_type_id", "name", "guest_email")
    renamed: ClassVar[Mapping[str, str]] = {"guest_email": "email"}
    private_fields = frozenset({"name", "guest_email"})
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, team_id: str | int, event_type_id: str, name: str, guest_email: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.team_id = team_id
        self.event_type_id = event_type_id
        self.name = name
        self.guest_email = guest_email


class ListAvailableSchedulesOperator(JicooOperator):
    """List the free slots of an event type in a period, each once, and return them as Jicoo gives them.

    Jicoo gives seven days at the most with one request: a longer period is read in pieces, and a slot on a seam comes
    once. Path, query and answer are known from other people's code only; the connection can name the two query
    parameters otherwise (``period_start_parameter``, ``period_end_parameter``).

    :param event_type_id: id of the event type. (templated)
    :param period_start: begin of the period: an aware datetime, ISO 8601 with an offset, or a wall clock in
        ``time_zone``. (templated)
    :param period_end: its end. (templated)
    :param time_zone: IANA name, for moments without an offset. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the slots: ``{"startedAt": ..., "remainingCapacity": ...}`` each.
    """

    arguments = ("event_type_id", "period_start", "period_end", "time_zone")
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(
        self,
        *,
        event_type_id: str,
        period_start: datetime | str,
        period_end: datetime | str,
        time_zone: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.event_type_id = event_type_id
        self.period_start = period_start
        self.period_end = period_end
        self.time_zone = time_zone

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List them."""
        with self._hook() as hook:
            slots = [dict(slot) for slot in hook.list_available_schedules(**self._given(self.arguments))]
            self.log.info("%d free slots", len(slots))
            return fit_for_xcom(slots, "narrow period_start and period_end")
