"""The sandbox's organization: users, invitations, teams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_provider_jicoo.sandbox import Sandbox

Ask = Callable[..., requests.Response]
USERS = "/v1/organization_users"
INVITATIONS = "/v1/organization_invitations"


def test_lists(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    for path, rows in (
        (USERS, jicoo_sandbox.users),
        (INVITATIONS, jicoo_sandbox.invitations),
        ("/v1/teams", jicoo_sandbox.teams),
    ):
        answer = ask("GET", path, params={"perPage": 1, "page": 2}).json()
        assert (answer["data"], answer["totalCount"]) == (rows[1:2], len(rows))
        assert ask("GET", path, params={"page": 0}).status_code == 400


def test_a_role(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    user = jicoo_sandbox.users[3]
    path = f"{USERS}/{user['uid']}"

    assert ask("GET", path).json()["data"] == user
    assert ask("PATCH", path, json={}).json()["data"] == user
    assert ask("PATCH", path, json={"role": "owner"}).json()["data"] == {**user, "role": "owner"}
    assert jicoo_sandbox.users[3]["role"] == "owner"


def test_a_user_is_removed_once(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    path = f"{USERS}/{jicoo_sandbox.users[3]['uid']}"
    bookings = jicoo_sandbox.bookings()
    answer = ask("DELETE", path)

    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("DELETE", "GET", "PATCH"):
        assert ask(method, path, json={"role": "member"}).status_code == 404
    assert jicoo_sandbox.bookings() == bookings


def test_the_last_owner_stays(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    first, second, *_ = (f"{USERS}/{user['uid']}" for user in jicoo_sandbox.users)

    assert ask("DELETE", first).status_code == ask("PATCH", first, json={"role": "admin"}).status_code == 422
    assert ask("PATCH", second, json={"role": "owner"}).status_code == 200
    assert ask("DELETE", first).status_code == 204


def test_an_invitation(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    answer = ask("POST", INVITATIONS, json={"email": "jane.roe@example.com"})

    made = answer.json()["data"]
    assert (answer.status_code, made) == (201, jicoo_sandbox.invitations[-1])
    assert (made["email"], made["role"]) == ("jane.roe@example.com", "member")
    path = f"{INVITATIONS}/{made['uid']}"
    assert ask("GET", path).json()["data"] == made
    assert ask("DELETE", path).status_code == 204
    assert ask("GET", path).status_code == ask("DELETE", path).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "nobody"}, "email"),
        ({"email": "SATO@example.co.jp"}, "email"),
        ({"email": "new.colleague@example.co.jp"}, "email"),
        ({"email": "jane.roe@example.com", "role": "boss"}, "role"),
        ({"email": "jane.roe@example.com", "role": None}, "role"),
        ({"email": "jane.roe@example.com", "name": "Jane"}, "name"),
    ],
)
def test_what_the_api_does_not_allow_is_422(jicoo_sandbox: Sandbox, ask: Ask, body: dict[str, Any], field: str) -> None:
    before = jicoo_sandbox.invitations
    answer = ask("POST", INVITATIONS, json=body)

    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert jicoo_sandbox.invitations == before
