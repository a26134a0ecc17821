"""The Schedule section of Jicoo's API: entries made by hand in a calendar, which are no bookings.

Source: the pages under "Schedule" on https://developer.jicoo.com. What is inferred there says so here. No request
reads a single schedule, so that a change cannot be read back: where nobody can tell whether it was made, it is not
made again and :class:`~airflow_provider_jicoo.api.errors.AmbiguousOutcomeError` is raised.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.call import Call, Listing, Repeat
from airflow_provider_jicoo.api.models import CreateScheduleBody, Schedule, UpdateScheduleBody, body
from airflow_provider_jicoo.api.paths import checked_id, checked_limit, inferred
from airflow_provider_jicoo.api.rows import row_problem
from airflow_provider_jicoo.api.secret import discreet

_UID = "a schedule id such as 'mzgdPJVBb7RE'"


def list_schedules(*, limit: int | None = None) -> Listing[Schedule]:
    """List Schedules (https://developer.jicoo.com/api-5582019). Jicoo filters by nothing, not even by time.

    :param limit: stop after so many schedules; None for all.
    :raises InvalidRequestError: the limit is no number from 0.
    """
    return Listing("/v1/schedules", limit=checked_limit("List Schedules", limit), check=row_problem(("uid",)))


@discreet
def create_schedule(**fields: Any) -> Call[Schedule]:
    """Create Schedule (https://developer.jicoo.com/apidoc/project-373292/api-5577216). The answer's form is inferred.

    Jicoo knows no idempotency key: where nobody can tell whether the schedule was made, it is not made again.

    :param fields: as :class:`~airflow_provider_jicoo.api.models.CreateScheduleBody`.
    """
    checked = body(CreateScheduleBody, fields, "Create Schedule")
    return Call(
        "POST",
        "/v1/schedules",
        body=checked.wire(),
        answer_shape="anything",
        repeat=Repeat.NEVER,
        how_to_check=f"list the schedules and look for one of this name that starts at "
        f"{times.wire_day(checked.started_at)}",
    )


@discreet
def update_schedule(uid: str, **fields: Any) -> Call[Schedule]:
    """Update Schedule (https://developer.jicoo.com/apidoc/project-373292/api-5547058). Only what is given is sent.

    The answer's form is inferred, and so is that ``attendees`` replaces the whole list.

    :param uid: schedule id.
    :param fields: as :class:`~airflow_provider_jicoo.api.models.UpdateScheduleBody`.
    """
    checked_id("uid", uid, _UID)
    return Call(
        "PATCH",
        f"/v1/schedules/{uid}",
        body=body(UpdateScheduleBody, fields, "Update Schedule").wire(),
        answer_shape="anything",
        repeat=Repeat.NEVER,
        how_to_check=f"list the schedules and compare schedule {uid} with what was sent",
    )


def delete_schedule(uid: str) -> Call[Any]:
    """Delete Schedule: the menu names it; its path is inferred, and its answer not documented.

    :param uid: schedule id.
    """
    checked_id("uid", uid, _UID)
    return Call(
        "DELETE",
        inferred("delete_schedule", uid=uid),
        answer_shape="anything",
        repeat=Repeat.NEVER,
        how_to_check=f"list the schedules and look whether {uid} is still there",
    )
