"""The sandbox's schedules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_jicoo.api import models
from airflow_provider_jicoo.sandbox import Sandbox

Ask = Callable[..., requests.Response]


@pytest.fixture
def body(jicoo_sandbox: Sandbox) -> dict[str, Any]:
    """The example of https://developer.jicoo.com/apidoc/project-373292/api-5577216, with a user who exists."""
    return {
        "name": "MTG",
        "timeZone": "Asia/Tokyo",
        "startedAt": "2024-04-01T14:00:00.000Z",
        "endedAt": "2024-04-01T14:30:00.000Z",
        "routine": None,
        "attendees": [{"userId": jicoo_sandbox.users[0]["uid"], "role": "admin", "userType": "host"}],
    }


def test_list(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    for number in range(30):
        jicoo_sandbox.add_schedule(name=f"MTG {number}")
    answer = ask("GET", "/v1/schedules", params={"page": 2}).json()

    assert answer["data"] == jicoo_sandbox.schedules[20:]
    assert (answer["totalCount"], answer["count"], answer["numberOfPages"]) == (35, 15, 2)
    assert all(row.keys() == models.Schedule.__annotations__.keys() for row in answer["data"])


def test_create(jicoo_sandbox: Sandbox, ask: Ask, body: dict[str, Any]) -> None:
    answer = ask("POST", "/v1/schedules", json=body)

    made = answer.json()["data"]
    assert (answer.status_code, made) == (201, jicoo_sandbox.schedules[-1])
    for name in body.keys() - {"attendees"}:
        assert made[name] == body[name]
    assert made["attendees"] == [{**body["attendees"][0], "email": jicoo_sandbox.users[0]["email"]}]
    assert jicoo_sandbox.messages == []


def test_a_day_is_midnight_in_its_zone(ask: Ask, body: dict[str, Any]) -> None:
    days = {"startedAt": "2024-04-01", "endedAt": "2024-04-02", "isAllDay": True}
    made = ask("POST", "/v1/schedules", json={**body, **days}).json()["data"]

    assert (made["startedAt"], made["endedAt"]) == ("2024-03-31T15:00:00.000Z", "2024-04-02T15:00:00.000Z")


def test_update(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    before = jicoo_sandbox.schedules[0]
    path = f"/v1/schedules/{before['uid']}"
    after = ask("PATCH", path, json={"name": "New", "isSendUpdates": True}).json()["data"]

    assert after == {**before, "name": "New", "updatedAt": after["updatedAt"]} == jicoo_sandbox.schedules[0]
    assert after["updatedAt"] > before["updatedAt"]
    assert ask("PATCH", path, json={}).json()["data"] == after


def test_delete(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    uid = jicoo_sandbox.schedules[0]["uid"]
    answer = ask("DELETE", f"/v1/schedules/{uid}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert uid not in {row["uid"] for row in jicoo_sandbox.schedules}
    assert ask("DELETE", f"/v1/schedules/{uid}").status_code == 404
    assert ask("PATCH", f"/v1/schedules/{uid}", json={}).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"attendees": []}, "attendees"),
        ({"attendees": [{"role": "admin", "userType": "host"}]}, "attendees.0"),
        ({"attendees": [{"userId": "nobody", "role": "admin", "userType": "host"}]}, "attendees.0.userId"),
        ({"name": "x" * 65}, "name"),
        ({"startedAt": "2024-04-01T14:00:00"}, "startedAt"),
        ({"startedAt": "2024-04-31"}, "startedAt"),
        ({"startedAt": "1969-12-31", "endedAt": "2024-04-01", "isAllDay": True}, "startedAt"),
        ({"startedAt": "2024-04-01"}, "base"),
        ({"endedAt": "2024-04-01T14:00:00.000Z"}, "base"),
        ({"startedAt": "9999-12-30", "endedAt": "9999-12-31", "isAllDay": True}, "endedAt"),
        ({"is_all_day": True}, "is_all_day"),
    ],
)
def test_what_the_api_does_not_allow_is_422(
    jicoo_sandbox: Sandbox, ask: Ask, body: dict[str, Any], wrong: dict[str, Any], field: str
) -> None:
    before = jicoo_sandbox.schedules
    answer = ask("POST", "/v1/schedules", json={**body, **wrong})

    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert jicoo_sandbox.schedules == before


def test_an_update_may_not_end_before_it_starts(jicoo_sandbox: Sandbox, ask: Ask) -> None:
    schedule = jicoo_sandbox.schedules[0]
    answer = ask("PATCH", f"/v1/schedules/{schedule['uid']}", json={"endedAt": schedule["startedAt"]})

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["endedAt"])


def test_add_schedule_knows_its_fields(jicoo_sandbox: Sandbox) -> None:
    with pytest.raises(TypeError, match="a schedule has no field locationId; it has "):
        jicoo_sandbox.add_schedule(locationId="zoom")


def test_schedules_users_and_invitations_outlive_a_restart(tmp_path: Path) -> None:
    def held(sandbox: Sandbox) -> tuple[Any, ...]:
        return (sandbox.schedules, sandbox.users, sandbox.invitations, sandbox.teams)

    with Sandbox(state=tmp_path / "state.sqlite") as sandbox:
        sandbox.add_schedule(name="kept")
        sandbox.add_user(name="Kept")
        headers = {"X-Jicoo-Api-Key": sandbox.api_key}
        for path in (f"schedules/{sandbox.schedules[0]['uid']}", f"organization_users/{sandbox.users[5]['uid']}"):
            requests.delete(f"{sandbox.url}/v1/{path}", headers=headers, timeout=5).raise_for_status()
        before = held(sandbox)
    with Sandbox(seed=99, state=tmp_path / "state.sqlite") as sandbox:
        assert held(sandbox) == before
        sandbox.reset()
        assert held(sandbox) != before
