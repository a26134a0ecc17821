"""Operators for the organization: one for each call of Jicoo's Organization section.

To remove a user takes their access away, and each invited one costs money every month. These requests are never sent a
second time where nobody can tell whether the first one took effect: the task then fails at once and says how to look,
and so does a retry of Airflow's after a worker died. Somebody who has looked clears the task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow_provider_jicoo.operators.base import CallOperator, Converters
from airflow_provider_jicoo.tasks.given import NOT_GIVEN, NotGiven, as_int


class _ListOperator(CallOperator):
    """What the lists share."""

    arguments = ("limit",)
    convert: ClassVar[Converters] = {"limit": as_int}
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, limit: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = limit


class ListOrganizationUsersOperator(_ListOperator):
    """List the users of the organization, and return them as Jicoo gives them. The path is inferred.

    Their fields are not documented. The result is personal data and goes to an XCom, where everybody who may see the
    DAG can read it.

    :param limit: return so many at the most; None for all. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the users.
    """

    endpoint = "list_organization_users"


class GetOrganizationUserOperator(CallOperator):
    """Read one user of the organization, and return them as Jicoo gives them.

    Their fields are not documented. The result is personal data and goes to an XCom.

    :param user_id: user id, as ``cfmSbUHeizSoZob9cRA3N8fmfKg1``. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the user; see https://developer.jicoo.com/api-5611051.
    """

    endpoint = "get_organization_user"
    arguments = ("user_id",)
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, user_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id


class UpdateOrganizationUserOperator(CallOperator):
    """Change the role of a user, and return them as Jicoo gives them.

    At a retry, the task first reads whether an earlier try has changed it.

    :param user_id: user id. (templated)
    :param role: ``owner``, ``admin``, ``member`` or ``restricted``. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the user; see https://developer.jicoo.com/project-373292/api-5611265.
    """

    endpoint = "update_organization_user"
    arguments = ("user_id", "role")
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, user_id: str, role: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id
        self.role = role


class DeleteOrganizationUserOperator(CallOperator):
    """Remove a user from the organization. They lose all access, and it cannot be undone.

    What becomes of their bookings is not documented: hand them over before. The request is never sent a second time
    where the first one may have taken effect: the task then fails at once, also at a retry of Airflow's, and says how
    to look. Somebody who has looked clears the task.

    :param user_id: user id. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    """

    endpoint = "delete_organization_user"
    arguments = ("user_id",)
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, user_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id


class CreateOrganizationInvitationOperator(CallOperator):
    """Invite somebody into the organization, and return the invitation as Jicoo gives it (its fields are inferred).

    It sends a mail, and each user adds to the monthly fee. The request is never sent a second time where the first one
    may have taken effect: the task then fails at once, also at a retry of Airflow's, and says how to look. Somebody who
    has looked clears the task. The result is personal data and goes to an XCom.

    :param invitee_email: e-mail address, which Jicoo calls ``email``. (templated)
    :param role: ``owner``, ``admin``, ``member`` or ``restricted``; Jicoo's own default, where not given, is not
        documented. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the invitation; see https://developer.jicoo.com/api-5622157.
    """

    endpoint = "create_organization_invitation"
    arguments = ("invitee_email", "role")
    # A task's own "email" is that of its owner.
    renamed: ClassVar[dict[str, str]] = {"invitee_email": "email"}
    private_fields = frozenset({"invitee_email"})
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, invitee_email: str, role: str | NotGiven = NOT_GIVEN, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.invitee_email = invitee_email
        self.role = role


class ListOrganizationInvitationsOperator(_ListOperator):
    """List the invitations into the organization, and return them as Jicoo gives them.

    Their fields are not documented. The result is personal data and goes to an XCom.

    :param limit: return so many at the most; None for all. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the invitations; see https://developer.jicoo.com/api-5632590.
    """

    endpoint = "list_organization_invitations"


class GetOrganizationInvitationOperator(CallOperator):
    """Read one invitation, and return it as Jicoo gives it. The path is inferred.

    Its fields are not documented. The result is personal data and goes to an XCom.

    :param uid: invitation id. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the invitation.
    """

    endpoint = "get_organization_invitation"
    arguments = ("uid",)
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, uid: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uid = uid


class DeleteOrganizationInvitationOperator(CallOperator):
    """Take an invitation back. The path is inferred.

    The request is never sent a second time where the first one may have taken effect: the task then fails at once, also
    at a retry of Airflow's, and says how to look. Somebody who has looked clears the task.

    :param uid: invitation id. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    """

    endpoint = "delete_organization_invitation"
    arguments = ("uid",)
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(self, *, uid: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uid = uid


class ListTeamsOperator(_ListOperator):
    """List the teams of the organization, and return them as Jicoo gives them.

    Jicoo's documentation does not show the path; this one is used by other people's code and was not verified.

    :param limit: return so many at the most; None for all. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the teams.
    """

    endpoint = "list_teams"
