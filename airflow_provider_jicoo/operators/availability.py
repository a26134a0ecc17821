"""Operators for availability: one for each call of Jicoo's Availability section, which can only be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow_provider_jicoo.operators.base import CallOperator, Converters
from airflow_provider_jicoo.tasks.given import as_int


class ListUserAvailabilityCalendarsOperator(CallOperator):
    """List when a user can be booked, and return the calendars as Jicoo gives them.

    :param user_id: whose calendars. (templated)
    :param limit: return so many at the most; None for all. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the calendars; see https://developer.jicoo.com/project-373292/api-5622521.
    """

    endpoint = "list_user_availability_calendars"
    arguments = ("user_id", "limit")
    convert: ClassVar[Converters] = {"limit": as_int}
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, user_id: str, limit: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id
        self.limit = limit


class GetUserAvailabilityCalendarOperator(CallOperator):
    """Read one availability calendar, and return it as Jicoo gives it.

    :param uid: id of the calendar. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the calendar; see https://developer.jicoo.com/project-373292/api-5631878.
    """

    endpoint = "get_user_availability_calendar"
    arguments = ("uid",)
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, uid: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uid = uid
