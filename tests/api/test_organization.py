"""The requests of the Organization section: what is refused before one is sent, and what becomes of a lost answer."""

from __future__ import annotations

import json

import pytest

from airflow_provider_jicoo.api import organization
from airflow_provider_jicoo.api.call import Repeat
from airflow_provider_jicoo.api.errors import (
    AmbiguousOutcomeError,
    InvalidRequestError,
    NotFoundError,
    RejectedError,
    ServerError,
)

USER = "cfmSbUHeizSoZob9cRA3N8fmfKg1"
ADDRESS = "jane.roe@example.com"


def invite(**fields):
    return organization.create_organization_invitation(**{"email": ADDRESS, **fields})


def update(**fields):
    return organization.update_organization_user(USER, **fields)


@pytest.mark.parametrize(
    ("ask", "fields", "said"),
    [
        (update, {"role": "boss"}, "role: input should be 'owner', 'admin', 'member' or 'restricted', not 'boss'"),
        (update, {"role": None}, "role: input should be 'owner', 'admin', 'member' or 'restricted', not None"),
        (update, {}, "role is required"),
        (update, {"rolle": "admin"}, "role is required; unknown field 'rolle'; did you mean 'role'?"),
        (invite, {"role": "boss"}, "role: input should be 'owner', 'admin', 'member' or 'restricted', not 'boss'"),
        (invite, {"email": "nobody"}, "email: not an e-mail address such as guest@example.com"),
        (invite, {"email": "a b@example.com"}, "email: not an e-mail address such as guest@example.com"),
        (invite, {"email": "a" * 250 + "@example.com"}, "email: string should have at most 255 characters"),
        (invite, {"email": None}, "email: input should be a valid string"),
        (invite, {"mail": "x@example.com"}, "unknown field 'mail'; did you mean 'email'?"),
    ],
)
def test_what_cannot_be_right(ask, fields, said):
    with pytest.raises(InvalidRequestError) as caught:
        ask(**fields)
    assert str(caught.value).split(": ", 1)[1] == said


def test_an_address_is_required():
    with pytest.raises(InvalidRequestError, match=r"^Create Organization Invitation: email is required$"):
        organization.create_organization_invitation(role="admin")


@pytest.mark.parametrize("bad", ["", "a/b", "..", None, 5])
@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (organization.get_organization_user, "user_id .* is not a user id such as"),
        (organization.delete_organization_user, "user_id .* is not a user id such as"),
        (lambda uid: organization.update_organization_user(uid, role="admin"), "user_id .* is not a user id such as"),
        (organization.get_organization_invitation, "uid .* is not an id such as"),
        (organization.delete_organization_invitation, "uid .* is not an id such as"),
    ],
)
def test_what_is_no_id(ask, what, bad):
    with pytest.raises(InvalidRequestError, match=what):
        ask(bad)


@pytest.mark.parametrize(
    "ask",
    [organization.list_organization_users, organization.list_organization_invitations, organization.list_teams],
)
def test_limits(ask):
    assert ask(limit=7).limit == 7
    with pytest.raises(InvalidRequestError, match="limit: 0 or more, not -1"):
        ask(limit=-1)


@pytest.mark.parametrize("name", ["uid", "userId", "id"])
def test_whichever_field_identifies_a_row(wire, reply, connect, name):
    """Which one it is is not documented. The second page repeats a row of the first: the list has moved."""
    pages = iter(["ab", "bc", "ab", "c"])

    def answer(request, number):
        rows = [] if b"page=3" in request else [{name: letter} for letter in next(pages)]
        return reply(json.dumps({"data": rows, "totalCount": 3, "numberOfPages": 2}))

    server = wire(answer)
    rows = connect(server.url, page_size=2).iterate(organization.list_organization_users())
    assert [row[name] for row in rows] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "ask",
    [organization.list_organization_users, organization.list_organization_invitations, organization.list_teams],
)
@pytest.mark.parametrize("count", [0, 1, 70])
def test_a_list_that_comes_whole(wire, reply, connect, ask, count):
    """That these lists come in pages is inferred."""
    rows = [{"id": f"u{number}"} for number in range(count)]
    server = wire(reply(json.dumps({"data": rows, "errors": {}})))
    assert list(connect(server.url).iterate(ask())) == rows
    assert len(server.requests) <= 2


def test_pages_without_a_word_of_pages(wire, reply, connect):
    pages = [[{"id": f"u{page}{number}"} for number in range(50)] for page in range(3)] + [[]]
    server = wire(lambda request, number: reply(json.dumps({"data": pages[number - 1] if number < 5 else pages[0]})))
    rows = connect(server.url).iterate(organization.list_organization_users())
    assert list(rows) == [row for page in pages for row in page]


CHANGES = {
    "delete user": lambda jicoo: organization.delete_organization_user(jicoo.users[3]["uid"]),
    "invite": lambda jicoo: invite(),
    "delete invitation": lambda jicoo: organization.delete_organization_invitation(jicoo.invitations[0]["uid"]),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("dropped", {}),
        ("dropped_before", {}),
        ("server_error", {"changed": True}),
        ("server_error", {"changed": False}),
        ("html", {"changed": True}),
    ],
)
def test_what_costs_access_or_money_is_never_sent_twice(jicoo, connect, name, fault, options):
    call = CHANGES[name](jicoo)
    assert (call.repeat, call.read_back) == (Repeat.NEVER, None)
    jicoo.fail(fault, times=9, **options)

    with pytest.raises(
        AmbiguousOutcomeError, match=f"was not repeated. Before you repeat it, {call.how_to_check}"
    ) as caught:
        connect(jicoo.url, key=jicoo.api_key).send(call)

    assert len(jicoo.requests) == 1
    assert ADDRESS not in str(caught.value)


@pytest.mark.parametrize("name", CHANGES)
def test_a_rate_limit_is_waited_for(jicoo, connect, name):
    call = CHANGES[name](jicoo)
    jicoo.fail("rate_limit", times=2)
    connect(jicoo.url, key=jicoo.api_key).send(call)
    assert [request.status for request in jicoo.requests] == [429, 429, 201 if name == "invite" else 204]


@pytest.mark.parametrize("fault", ["dropped", "dropped_before", "server_error"])
def test_a_role_is_read_back(jicoo, connect, fault):
    user = jicoo.users[3]
    jicoo.fail(fault, method="PATCH")
    call = organization.update_organization_user(user["uid"], role="admin")
    assert connect(jicoo.url, key=jicoo.api_key).send(call) == {**user, "role": "admin"}
    assert jicoo.users[3]["role"] == "admin"
    assert jicoo.count("PATCH") == (1 if fault == "dropped" else 2)


def test_a_user_who_does_not_tell_the_role(wire, reply, connect):
    """The fields of a user are not documented."""
    call = update(role="admin")
    assert [call.read_back.done(user) for user in ({"role": "admin"}, {"role": "owner"}, {})] == [True, False, None]
    server = wire(lambda request, number: reply(status="503 No" if request.startswith(b"PATCH") else "200 OK"))
    with pytest.raises(AmbiguousOutcomeError, match=f"read organization user {USER} and look at the role"):
        connect(server.url).send(call)
    assert len(server.requests) == 2


def test_a_server_that_always_fails(jicoo, connect):
    jicoo.fail("server_error", method="PATCH", times=99)
    call = organization.update_organization_user(jicoo.users[3]["uid"], role="admin")
    with pytest.raises(ServerError, match="it was not done"):
        connect(jicoo.url, key=jicoo.api_key).send(call)
    assert jicoo.users[3]["role"] == "member"


def test_who_is_not_there(jicoo, connect):
    client = connect(jicoo.url, key=jicoo.api_key)
    for call in (organization.delete_organization_user(USER), organization.delete_organization_invitation("nothing")):
        with pytest.raises(NotFoundError):
            client.send(call)


def test_an_address_is_in_no_error(jicoo, connect, wire, reply):
    client = connect(jicoo.url, key=jicoo.api_key)
    with pytest.raises(RejectedError, match="invited already"):
        client.send(invite(email=jicoo.users[0]["email"]))
    # One that no pattern would take for an address.
    call = invite(email="jane.roe@example.xn--e28h")
    server = wire(reply('{"message": "jane.roe@example.xn--e28h is odd"}', "422 Nope"))
    with pytest.raises(RejectedError, match=r"said: \*\*\* is odd") as caught:
        connect(server.url).send(call)
    assert "jane" not in str(caught.value)
