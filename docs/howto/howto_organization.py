"""Calendar entries and the organization: the operators of Jicoo's sections "Schedule" and "Organization"."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_jicoo.operators.organization import (
    CreateOrganizationInvitationOperator,
    DeleteOrganizationInvitationOperator,
    DeleteOrganizationUserOperator,
    GetOrganizationInvitationOperator,
    GetOrganizationUserOperator,
    ListOrganizationInvitationsOperator,
    ListOrganizationUsersOperator,
    ListTeamsOperator,
    UpdateOrganizationUserOperator,
)
from airflow_provider_jicoo.operators.request import JicooRequestOperator
from airflow_provider_jicoo.operators.schedules import (
    CreateScheduleOperator,
    DeleteScheduleOperator,
    ListSchedulesOperator,
    UpdateScheduleOperator,
)

USER = "{{ params.user_id }}"

with DAG("howto_organization", schedule=None, params={"user_id": Param(type="string")}):
    # [START howto_schedules]
    meet = CreateScheduleOperator(
        task_id="meet",
        name="Team meeting",
        attendees=[{"user_id": USER, "role": "admin", "user_type": "host"}],
        time_zone="Asia/Tokyo",
        started_at="2031-03-05T11:00",
        ended_at="2031-03-05T12:00",
    )
    meeting = "{{ ti.xcom_pull('meet')['uid'] }}"
    rename = UpdateScheduleOperator(task_id="rename", uid=meeting, name="Lunch", is_send_updates=False)
    schedules = ListSchedulesOperator(task_id="schedules")
    drop = DeleteScheduleOperator(task_id="drop", uid=meeting)
    # [END howto_schedules]
    # [START howto_invitations]
    invite = CreateOrganizationInvitationOperator(
        task_id="invite", invitee_email="colleague@example.com", role="member"
    )
    invitation = "{{ ti.xcom_pull('invite')['uid'] }}"
    invitations = ListOrganizationInvitationsOperator(task_id="invitations")
    look = GetOrganizationInvitationOperator(task_id="look", uid=invitation)
    take_back = DeleteOrganizationInvitationOperator(task_id="take_back", uid=invitation)
    # [END howto_invitations]
    # [START howto_users]
    users = ListOrganizationUsersOperator(task_id="users")  # personal data, and it goes to an XCom
    user = GetOrganizationUserOperator(task_id="user", user_id=USER)
    demote = UpdateOrganizationUserOperator(task_id="demote", user_id=USER, role="member")
    teams = ListTeamsOperator(task_id="teams")
    remove_user = DeleteOrganizationUserOperator(task_id="remove_user", user_id=USER)  # takes all access away
    # [END howto_users]
    # [START howto_request]
    anything = JicooRequestOperator(task_id="anything", method="GET", path="/v1/bookings", query={"perPage": 1})
    # [END howto_request]

    meet >> rename >> schedules >> drop >> invite >> invitations >> look >> take_back
    take_back >> users >> user >> demote >> teams >> remove_user >> anything
