"""The Organization section of Jicoo's API: its users, the invitations to become one, and its teams.

Source: the pages under "Organization" on https://developer.jicoo.com. What is inferred there says so here; of what the
answers hold little is documented. To remove a user takes their access away, and each invited one costs money every
month: where nobody can tell whether such a request took effect, it is never sent again and
:class:`~airflow_provider_jicoo.api.errors.AmbiguousOutcomeError` is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow_provider_jicoo.api.call import Call, Listing, ReadBack, Repeat
from airflow_provider_jicoo.api.models import (
    CreateOrganizationInvitationBody,
    OrganizationInvitation,
    OrganizationUser,
    Team,
    UpdateOrganizationUserBody,
    body,
)
from airflow_provider_jicoo.api.paths import checked_id, checked_limit, inferred
from airflow_provider_jicoo.api.rows import row_problem
from airflow_provider_jicoo.api.secret import discreet

_ID_FIELDS = ("uid", "userId", "id")
"""Which of them identifies a row is not documented."""
_CHECK = row_problem(_ID_FIELDS)


def list_organization_users(*, limit: int | None = None) -> Listing[OrganizationUser]:
    """List Organization Users: the menu names it; its path is inferred, and so is that it comes in pages.

    Personal data.

    :param limit: stop after so many users; None for all.
    :raises InvalidRequestError: the limit is no number from 0.
    """
    limit = checked_limit("List Organization Users", limit)
    return Listing(inferred("list_organization_users"), key=_ID_FIELDS, limit=limit, check=_CHECK)


def get_organization_user(user_id: str) -> Call[OrganizationUser]:
    """Get Organization User (https://developer.jicoo.com/api-5611051). Personal data.

    :param user_id: user id, as ``cfmSbUHeizSoZob9cRA3N8fmfKg1``.
    """
    return Call("GET", _user(user_id))


@discreet
def update_organization_user(user_id: str, **fields: Any) -> Call[OrganizationUser]:
    """Update Organization User (https://developer.jicoo.com/project-373292/api-5611265): change the role.

    :param user_id: user id.
    :param fields: ``role``: ``owner``, ``admin``, ``member`` or ``restricted``.
    """
    sent = body(UpdateOrganizationUserBody, fields, "Update Organization User").wire()
    return Call(
        "PATCH",
        _user(user_id),
        body=sent,
        repeat=Repeat.READ_BACK,
        read_back=ReadBack(partial(get_organization_user, user_id), partial(_has_role, sent["role"])),
        how_to_check=f"read organization user {user_id} and look at the role",
    )


def delete_organization_user(user_id: str) -> Call[Any]:
    """Delete Organization User (https://developer.jicoo.com/api-5611049): remove the user, who loses all access.

    It cannot be undone, and is never sent again where nobody can tell whether it was done. Its answer is not
    documented.

    :param user_id: user id.
    """
    return Call(
        "DELETE",
        _user(user_id),
        answer_shape="anything",
        repeat=Repeat.NEVER,
        how_to_check=f"list the organization's users and look whether {user_id} is still there",
    )


@discreet
def create_organization_invitation(**fields: Any) -> Call[OrganizationInvitation]:
    """Create Organization Invitation (https://developer.jicoo.com/api-5622157). The answer's form is inferred.

    It sends a mail, and each user adds to the monthly fee: it is never sent again where nobody can tell whether it
    was done.

    :param fields: ``email``; ``role``: ``owner``, ``admin``, ``member`` or ``restricted``, Jicoo's own default, where
        not given, is not documented.
    """
    checked = body(CreateOrganizationInvitationBody, fields, "Create Organization Invitation")
    return Call(
        "POST",
        "/v1/organization_invitations",
        body=checked.wire(),
        answer_shape="anything",
        repeat=Repeat.NEVER,
        how_to_check="list the organization's invitations and users and look for this address",
    )


def list_organization_invitations(*, limit: int | None = None) -> Listing[OrganizationInvitation]:
    """List Organization Invitations (https://developer.jicoo.com/api-5632590). That it comes in pages is inferred.

    Personal data.

    :param limit: stop after so many invitations; None for all.
    :raises InvalidRequestError: the limit is no number from 0.
    """
    limit = checked_limit("List Organization Invitations", limit)
    return Listing("/v1/organization_invitations", key=_ID_FIELDS, limit=limit, check=_CHECK)


def get_organization_invitation(uid: str) -> Call[OrganizationInvitation]:
    """Get Organization Invitation: the menu names it; its path is inferred. Personal data.

    :param uid: invitation id.
    """
    return Call("GET", inferred("get_organization_invitation", uid=uid))


def delete_organization_invitation(uid: str) -> Call[Any]:
    """Delete Organization Invitation: the menu names it; its path is inferred, and its answer not documented.

    It is never sent again where nobody can tell whether it was done.

    :param uid: invitation id.
    """
    return Call(
        "DELETE",
        inferred("delete_organization_invitation", uid=uid),
        answer_shape="anything",
        repeat=Repeat.NEVER,
        how_to_check=f"list the organization's invitations and look whether {uid} is still there",
    )


def list_teams(*, limit: int | None = None) -> Listing[Team]:
    """List the teams. Jicoo's menu has a "Get Organization Team" whose path is not known.

    This one is used by other people's code and was not verified; that it comes in pages is inferred.

    :param limit: stop after so many teams; None for all.
    :raises InvalidRequestError: the limit is no number from 0.
    """
    limit = checked_limit("List Teams", limit)
    return Listing(inferred("list_teams"), key=_ID_FIELDS, limit=limit, check=_CHECK)


def _user(user_id: str) -> str:
    checked_id("user_id", user_id, "a user id such as 'cfmSbUHeizSoZob9cRA3N8fmfKg1'")
    return f"/v1/organization_users/{user_id}"


def _has_role(role: str, user: Mapping[str, Any]) -> bool | None:
    # The fields of a user are not documented: without a role among them, nothing can be told.
    return user["role"] == role if "role" in user else None
