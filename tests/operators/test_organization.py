"""The operators for the organization: what they send and return, and that nobody is removed or invited twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_jicoo.api import errors
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
from airflow_provider_jicoo.tasks.compat import AirflowFailException

pytestmark = pytest.mark.usefixtures("jicoo_connection")

ADDRESS = "jane.roe@example.com"
DAGS = Path(__file__).parent / "dags"


@pytest.fixture
def user(jicoo_sandbox):
    return jicoo_sandbox.users[3]


def costly(sandbox):
    """The operators that cost access or money, each with what it needs."""
    return {
        DeleteOrganizationUserOperator: {"user_id": sandbox.users[3]["uid"]},
        CreateOrganizationInvitationOperator: {"invitee_email": ADDRESS, "role": "member"},
        DeleteOrganizationInvitationOperator: {"uid": sandbox.invitations[0]["uid"]},
    }


COSTLY = [DeleteOrganizationUserOperator, CreateOrganizationInvitationOperator, DeleteOrganizationInvitationOperator]


class TestCalls:
    def test_lists(self, run, jicoo_sandbox):
        assert run(ListOrganizationUsersOperator) == jicoo_sandbox.users
        assert run(ListOrganizationUsersOperator, limit="3") == jicoo_sandbox.users[:3]
        assert run(ListOrganizationInvitationsOperator) == jicoo_sandbox.invitations
        assert run(ListTeamsOperator) == jicoo_sandbox.teams

    def test_get(self, run, jicoo_sandbox, user):
        invitation = jicoo_sandbox.invitations[0]
        assert run(GetOrganizationUserOperator, user_id="{{ params.id }}", params={"id": user["uid"]}) == user
        assert run(GetOrganizationInvitationOperator, uid=invitation["uid"]) == invitation

    def test_update(self, run, jicoo_sandbox, user):
        assert run(UpdateOrganizationUserOperator, user_id=user["uid"], role="admin") == {**user, "role": "admin"}
        assert jicoo_sandbox.users[3]["role"] == "admin"

    def test_an_update_that_an_earlier_try_has_made(self, run, jicoo_sandbox, user):
        arguments = {"user_id": user["uid"], "role": "admin"}
        for try_number in (1, 2):
            found = run(UpdateOrganizationUserOperator, try_number=try_number, max_tries=1, retries=1, **arguments)
            assert found == {**user, "role": "admin"}
        assert jicoo_sandbox.count("PATCH") == 1

    def test_delete(self, run, jicoo_sandbox, user):
        assert run(DeleteOrganizationUserOperator, user_id=user["uid"]) is None
        assert user not in jicoo_sandbox.users
        uid = jicoo_sandbox.invitations[0]["uid"]
        assert run(DeleteOrganizationInvitationOperator, uid=uid) is None
        assert uid not in {row["uid"] for row in jicoo_sandbox.invitations}

    def test_invite(self, run, jicoo_sandbox):
        made = run(CreateOrganizationInvitationOperator, invitee_email="{{ params.to }}", params={"to": ADDRESS})
        assert made == jicoo_sandbox.invitations[-1]
        assert jicoo_sandbox.requests[-1].body == {"email": ADDRESS}


class TestNothingIsSentTwice:
    @pytest.mark.parametrize("operator", COSTLY)
    @pytest.mark.parametrize("fault", ["dropped", "dropped_before", "server_error"])
    def test_a_lost_answer_fails_the_task_at_once(self, run, jicoo_sandbox, operator, fault):
        jicoo_sandbox.fail(fault, times=9)
        with pytest.raises(
            AirflowFailException, match=r"was not repeated\. Before you repeat it, list the org"
        ) as caught:
            run(operator, **costly(jicoo_sandbox)[operator])
        assert isinstance(caught.value.__context__, errors.AmbiguousOutcomeError)
        assert len(jicoo_sandbox.requests) == 1
        assert ADDRESS not in str(caught.value)

    @pytest.mark.parametrize("operator", COSTLY)
    def test_at_a_retry_nothing_is_sent_until_somebody_has_looked(self, run, jicoo_sandbox, operator):
        arguments = costly(jicoo_sandbox)[operator]
        for try_number in (2, 3):
            with pytest.raises(AirflowFailException, match=r"this is a retry.*then clear the task") as caught:
                run(operator, try_number=try_number, max_tries=2, retries=2, **arguments)
            assert ADDRESS not in str(caught.value)
        assert jicoo_sandbox.requests == []

        run(operator, try_number=4, max_tries=5, retries=2, **arguments)
        assert len(jicoo_sandbox.requests) == 1


class TestBadInput:
    @pytest.mark.parametrize(
        ("operator", "arguments", "said"),
        [
            (UpdateOrganizationUserOperator, {"user_id": "x", "role": "boss"}, "role: .* not 'boss'"),
            (UpdateOrganizationUserOperator, {"user_id": "a/b", "role": "admin"}, "user_id 'a/b' is not a user id"),
            (CreateOrganizationInvitationOperator, {"invitee_email": "nobody"}, "email: not an e-mail address"),
            (CreateOrganizationInvitationOperator, {"invitee_email": ADDRESS, "role": "boss"}, "role: .* not 'boss'"),
            (DeleteOrganizationUserOperator, {"user_id": ""}, "user_id '' is not a user id"),
            (ListTeamsOperator, {"limit": "many"}, "limit: 'many' is not a whole number"),
        ],
    )
    def test_fails_at_once_and_sends_nothing(self, run, jicoo_sandbox, operator, arguments, said):
        with pytest.raises(AirflowFailException, match=said) as caught:
            run(operator, **arguments)
        assert isinstance(caught.value.__context__, errors.InvalidRequestError)
        assert jicoo_sandbox.requests == []

    def test_what_jicoo_refuses(self, run, jicoo_sandbox):
        with pytest.raises(AirflowFailException, match="needs an owner"):
            run(DeleteOrganizationUserOperator, user_id=jicoo_sandbox.users[0]["uid"])
        with pytest.raises(AirflowFailException, match="404"):
            run(GetOrganizationUserOperator, user_id="nobody")


def test_in_a_dag(jicoo_sandbox, run_dag):
    """Personal data shows as asterisks among the rendered fields."""
    user = jicoo_sandbox.users[0]["uid"]
    run = run_dag(DAGS / "jicoo_organization.py", user_id=user, address="jane.roe@example.com", title="Besprechung")

    assert set(run.states.values()) == {"success"}, run.states
    assert run.rendered("invite")["invitee_email"] == "***"
    fields = run.rendered("meet")
    assert {name for name, value in fields.items() if value == "***"} == {"name", "attendees"}
    assert fields["time_zone"] == "Asia/Tokyo"
    assert jicoo_sandbox.invitations[-1]["email"] == "jane.roe@example.com"
    assert (jicoo_sandbox.schedules[-1]["name"], jicoo_sandbox.schedules[-1]["timeZone"]) == (
        "Besprechung",
        "Asia/Tokyo",
    )
    assert run.xcom("users") == jicoo_sandbox.users
    assert run.xcom("look") == jicoo_sandbox.invitations[-1]
