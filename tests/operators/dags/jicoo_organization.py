"""Operators with personal data in their arguments, as a DAG."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_jicoo.operators.organization import (
    CreateOrganizationInvitationOperator,
    GetOrganizationInvitationOperator,
    ListOrganizationUsersOperator,
)
from airflow_provider_jicoo.operators.schedules import CreateScheduleOperator

with DAG(
    "jicoo_organization",
    schedule=None,
    params={name: Param(type="string") for name in ("user_id", "address", "title")},
):
    invited = CreateOrganizationInvitationOperator(
        task_id="invite", invitee_email="{{ params.address }}", role="member"
    )
    got = GetOrganizationInvitationOperator(task_id="look", uid="{{ ti.xcom_pull('invite')['uid'] }}")
    met = CreateScheduleOperator(
        task_id="meet",
        name="{{ params.title }}",
        attendees=[
            {"user_id": "{{ params.user_id }}", "role": "admin", "user_type": "host"},
            {"email": "{{ params.address }}", "role": "viewer", "user_type": "guest"},
        ],
        time_zone="Asia/Tokyo",
        started_at="2031-03-05T10:00",
        ended_at="2031-03-05T11:00",
    )
    invited >> got >> met >> ListOrganizationUsersOperator(task_id="users")
