"""The triggerer waits for an apply."""

from __future__ import annotations

import asyncio
import json

import pytest

from airflow_provider_jicoo.tasks.waiting import Window
from airflow_provider_jicoo.triggers import apply
from airflow_provider_jicoo.triggers.apply import ApplyMayGoOnTrigger

CLOSED = Window.parse(("21:00", "07:00"), "Asia/Tokyo")


def remade(trigger):
    path, arguments = trigger.serialize()
    assert path == "airflow_provider_jicoo.triggers.apply.ApplyMayGoOnTrigger"
    return ApplyMayGoOnTrigger(**json.loads(json.dumps(arguments)))


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.jsonl"
    path.write_text("")
    return path


def control(plan, state):
    plan.with_name(f"{plan.name}.control").write_text(json.dumps({"state": state}))


async def first(trigger):
    return (await anext(trigger.run())).payload


def wait(plan, **more):
    return remade(ApplyMayGoOnTrigger(str(plan), poll_interval=0.05, **more))


async def nothing_for_a_while(trigger):
    waiting = asyncio.ensure_future(first(trigger))
    done, _ = await asyncio.wait([waiting], timeout=1)
    assert not done
    return waiting


@pytest.mark.parametrize("state", ["run", "stop"])
def test_it_waits_until_it_is_let_go_on_or_stopped(plan, state):
    async def story():
        control(plan, "pause")
        waiting = await nothing_for_a_while(wait(plan))
        control(plan, state)
        return await asyncio.wait_for(waiting, 30)

    assert asyncio.run(story())["status"] == "success"


def test_another_triggerer_waits_on_after_a_kill(plan):
    async def story():
        control(plan, "pause")
        trigger = wait(plan)
        (await nothing_for_a_while(trigger)).cancel()
        waiting = await nothing_for_a_while(remade(trigger))
        plan.with_name(f"{plan.name}.control").unlink()
        return await asyncio.wait_for(waiting, 30)

    assert asyncio.run(story())["status"] == "success"


def test_it_waits_for_the_hour(plan, monkeypatch):
    moment = [False]
    monkeypatch.setattr(Window, "is_open", lambda self, at: self == CLOSED and moment[0])

    async def story():
        waiting = await nothing_for_a_while(wait(plan, only_between=["21:00", "07:00"], time_zone="Asia/Tokyo"))
        moment[0] = True
        return await asyncio.wait_for(waiting, 30)

    assert asyncio.run(story())["status"] == "success"


def test_a_control_that_cannot_be_understood_is_for_the_run(plan):
    plan.with_name(f"{plan.name}.control").write_text("pause, please")
    assert asyncio.run(first(wait(plan)))["status"] == "success"


def test_a_triggerer_that_cannot_see_the_plan_says_so(tmp_path):
    event = asyncio.run(first(wait(tmp_path / "elsewhere.jsonl")))
    assert event["status"] == "failed"
    assert "cannot see" in event["message"]


class EndpointConnectionError(Exception):
    """As botocore has one, for a network that is away: no OSError."""


def fail_with(monkeypatch, error):
    def told(self):
        raise error

    monkeypatch.setattr(apply.ApplyMayGoOnTrigger, "_told", told)


@pytest.mark.parametrize("error", [PermissionError("secret"), EndpointConnectionError("secret")], ids=repr)
def test_a_storage_that_fails_for_good_is_not_asked_for_ever(plan, monkeypatch, error):
    fail_with(monkeypatch, error)
    monkeypatch.setattr(apply, "PATIENCE", 0.5)
    event = asyncio.run(asyncio.wait_for(first(wait(plan)), 30))
    assert event["status"] == "failed"
    assert f"cannot read {plan}: {type(error).__name__}" in event["message"]


def test_a_triggerer_without_the_package_of_the_storage_names_it():
    trigger = ApplyMayGoOnTrigger("nowhere://bucket/plan.jsonl", poll_interval=0.05)
    event = asyncio.run(asyncio.wait_for(first(trigger), 30))
    assert event["status"] == "failed"
    assert "install a package" in event["message"]


def test_a_storage_that_fails_is_asked_again(plan, monkeypatch):
    faults = [OSError("no"), PermissionError("no"), EndpointConnectionError("no")]
    own = ApplyMayGoOnTrigger._told

    def told(self):
        if faults:
            raise faults.pop()
        return own(self)

    monkeypatch.setattr(apply.ApplyMayGoOnTrigger, "_told", told)
    assert asyncio.run(first(wait(plan)))["status"] == "success"
    assert not faults
