"""The Availability section of Jicoo's API: what each request is. It can only be read.

Source: the pages under "Availability" on https://developer.jicoo.com.
"""

from __future__ import annotations

from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.models import AvailabilityCalendar
from airflow_provider_jicoo.api.paths import checked_id, checked_limit
from airflow_provider_jicoo.api.rows import row_problem

_PATH = "/v1/user_availability_calendars"


def list_user_availability_calendars(user_id: str, *, limit: int | None = None) -> Listing[AvailabilityCalendar]:
    """List User Availability Calendars (https://developer.jicoo.com/project-373292/api-5622521).

    :param user_id: whose calendars.
    :param limit: stop after so many; None for all.
    """
    return Listing(
        _PATH,
        {"userId": checked_id("user_id", user_id)},
        limit=checked_limit("List User Availability Calendars", limit),
        check=row_problem(("uid",)),
        keep=lambda calendar: calendar.get("userId", user_id) == user_id,
    )


def get_user_availability_calendar(uid: str) -> Call[AvailabilityCalendar]:
    """Get User Availability Calendar (https://developer.jicoo.com/project-373292/api-5631878).

    :param uid: id of the calendar.
    """
    return Call("GET", f"{_PATH}/{checked_id('uid', uid)}")
