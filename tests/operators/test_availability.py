"""The operators for availability."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.operators.availability import (
    GetUserAvailabilityCalendarOperator,
    ListUserAvailabilityCalendarsOperator,
)
from airflow_provider_jicoo.tasks.compat import AirflowFailException

pytestmark = pytest.mark.usefixtures("jicoo_connection")


def test_list_and_get(jicoo_sandbox, context):
    user = jicoo_sandbox.users[0]["uid"]
    calendars = jicoo_sandbox.availability_calendars(user)

    listed = ListUserAvailabilityCalendarsOperator(task_id="list", user_id=user).execute(context())
    one = GetUserAvailabilityCalendarOperator(task_id="get", uid=calendars[1]["uid"]).execute(context())

    assert listed == calendars
    assert one == calendars[1]


def test_limit(jicoo_sandbox, context):
    user = jicoo_sandbox.users[0]["uid"]
    assert len(ListUserAvailabilityCalendarsOperator(task_id="list", user_id=user, limit="1").execute(context())) == 1


def test_nobody(jicoo_sandbox, context):
    assert ListUserAvailabilityCalendarsOperator(task_id="list", user_id="nobody").execute(context()) == []
    with pytest.raises(AirflowFailException, match="user_id '' is not an id"):
        ListUserAvailabilityCalendarsOperator(task_id="list", user_id="").execute(context())
    with pytest.raises(AirflowFailException, match="404"):
        GetUserAvailabilityCalendarOperator(task_id="get", uid="nothing").execute(context())
