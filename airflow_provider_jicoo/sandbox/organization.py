"""The organization endpoints: users, invitations, teams.

What is chosen here, not known, stands in :mod:`~airflow_provider_jicoo.sandbox.choices`.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from airflow_provider_jicoo.api.models import Body, CreateOrganizationInvitationBody, OrganizationRole
from airflow_provider_jicoo.sandbox import choices
from airflow_provider_jicoo.sandbox.answers import (
    Wanted,
    documented,
    found,
    gone,
    page_of,
    parsed,
    takes,
)
from airflow_provider_jicoo.sandbox.choices import NO_FIELD
from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.faults import Refusal
from airflow_provider_jicoo.sandbox.shapes import (
    OrganizationInvitationAnswered,
    OrganizationInvitationsAnswered,
    OrganizationUserAnswered,
    OrganizationUsersAnswered,
    TeamsAnswered,
)
from airflow_provider_jicoo.sandbox.state import State

UserId = Annotated[str, Path(alias="userId", description="User id.")]
Uid = Annotated[str, Path(description="Invitation id.")]


class UpdateOrganizationUser(Body):
    """Body of Update Organization User as a server takes it: the role is optional there."""

    role: OrganizationRole = Field(default=None)  # type: ignore[arg-type]


BODIES: tuple[type[Body], ...] = (UpdateOrganizationUser, CreateOrganizationInvitationBody)
ANSWERS = (
    OrganizationUserAnswered,
    OrganizationUsersAnswered,
    OrganizationInvitationAnswered,
    OrganizationInvitationsAnswered,
    TeamsAnswered,
)
"""The forms of this section, for the OpenAPI document."""


def routes(state: State) -> APIRouter:
    """Return the section's endpoints."""
    router = APIRouter(prefix="/v1", tags=["Organization"])
    _users(router, state)
    _invitations(router, state)

    @router.get("/teams", summary="Teams", responses=documented(TeamsAnswered, 400))
    async def list_teams(wanted: Wanted) -> Response:
        with state.lock:
            teams = state.seen("team")
            return page_of(state, wanted, list(teams), teams)

    return router


def _users(router: APIRouter, state: State) -> None:
    @router.get(
        "/organization_users", summary="List Organization Users", responses=documented(OrganizationUsersAnswered, 400)
    )
    async def list_users(wanted: Wanted) -> Response:
        with state.lock:
            users = state.seen("user")
            return page_of(state, wanted, list(users), users)

    @router.get(
        "/organization_users/{userId}",
        summary="Get Organization User",
        responses=documented(OrganizationUserAnswered, 404),
    )
    async def get_user(user_id: UserId) -> Response:
        with state.lock:
            return found(state, _known_user(state, user_id))

    @router.patch(
        "/organization_users/{userId}",
        summary="Update Organization User",
        responses=documented(OrganizationUserAnswered, 400, 404, 422),
        openapi_extra=takes(UpdateOrganizationUser),
    )
    async def update_user(request: Request, user_id: UserId) -> Response:
        raw = await request.body()
        with state.changing():
            before = _known_user(state, user_id)
            after = {**before, **parsed(UpdateOrganizationUser, raw).wire()}
            if after["role"] != "owner":
                _not_the_last_owner(state, before)
            state.keep("user", after)
        return found(state, after)

    @router.delete(
        "/organization_users/{userId}",
        summary="Delete Organization User",
        status_code=204,
        responses=documented(None, 404, 422),
    )
    async def delete_user(user_id: UserId) -> Response:
        with state.changing():
            _not_the_last_owner(state, _known_user(state, user_id))
            state.drop("user", user_id)
        return gone()


def _invitations(router: APIRouter, state: State) -> None:
    @router.get(
        "/organization_invitations",
        summary="List Organization Invitations",
        responses=documented(OrganizationInvitationsAnswered, 400),
    )
    async def list_invitations(wanted: Wanted) -> Response:
        with state.lock:
            invitations = state.seen("invitation")
            return page_of(state, wanted, list(invitations), invitations)

    @router.post(
        "/organization_invitations",
        summary="Create Organization Invitation",
        status_code=201,
        responses=documented(OrganizationInvitationAnswered, 400, 422, status=201),
        openapi_extra=takes(CreateOrganizationInvitationBody),
    )
    async def create_invitation(request: Request) -> Response:
        body = parsed(CreateOrganizationInvitationBody, await request.body())
        with state.changing():
            address = body.email.casefold()
            if any(
                row["email"].casefold() == address
                for row in (*state.rows.users.values(), *state.rows.invitations.values())
            ):
                raise Refusal(422, {"email": ["is that of a user, or invited already"]})
            invitation = {"role": choices.ROLE, **body.wire(), "uid": state.new_uid(), "createdAt": state.now()}
            state.keep("invitation", invitation)
        return found(state, invitation, status=201)

    @router.get(
        "/organization_invitations/{uid}",
        summary="Get Organization Invitation",
        responses=documented(OrganizationInvitationAnswered, 404),
    )
    async def get_invitation(uid: Uid) -> Response:
        with state.lock:
            return found(state, _known_invitation(state, uid))

    @router.delete(
        "/organization_invitations/{uid}",
        summary="Delete Organization Invitation",
        status_code=204,
        responses=documented(None, 404),
    )
    async def delete_invitation(uid: Uid) -> Response:
        with state.changing():
            _known_invitation(state, uid)
            state.drop("invitation", uid)
        return gone()


def _known_user(state: State, user_id: str) -> Row:
    if user_id not in state.rows.users:
        raise Refusal(404, {NO_FIELD: ["There is no such user."]})
    return state.rows.users[user_id]


def _not_the_last_owner(state: State, user: Row) -> None:
    owners = [row["uid"] for row in state.rows.users.values() if row["role"] == "owner"]
    if owners == [user["uid"]]:
        raise Refusal(422, {"role": ["the organization needs an owner"]})


def _known_invitation(state: State, uid: str) -> Row:
    if uid not in state.rows.invitations:
        raise Refusal(404, {NO_FIELD: ["There is no such invitation."]})
    return state.rows.invitations[uid]
