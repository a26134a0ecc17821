"""The sandbox's availability calendars."""

from __future__ import annotations


def test_each_user_has_two(ask, jicoo_sandbox):
    uids = set()
    for user in jicoo_sandbox.users:
        answer = ask("GET", "/v1/user_availability_calendars", params={"userId": user["uid"]}).json()
        assert (answer["totalCount"], answer["count"], answer["currentPage"], answer["numberOfPages"]) == (2, 2, 1, 1)
        assert [row["isDefault"] for row in answer["data"]] == [1, 0]
        assert {row["userId"] for row in answer["data"]} == {user["uid"]}
        uids |= {row["uid"] for row in answer["data"]}
        assert (
            ask("GET", f"/v1/user_availability_calendars/{answer['data'][1]['uid']}").json()["data"]
            == answer["data"][1]
        )
    assert len(uids) == 2 * len(jicoo_sandbox.users)


def test_nobody(ask):
    assert ask("GET", "/v1/user_availability_calendars").status_code == 400
    assert ask("GET", "/v1/user_availability_calendars", params={"userId": "nobody"}).json()["data"] == []
    assert ask("GET", "/v1/user_availability_calendars/nothing").status_code == 404
