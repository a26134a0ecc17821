"""What the tests of the engine's parts share. Plain functions: each file says itself what its sandbox holds."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timezone
from pathlib import Path

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk import apply
from airflow_provider_jicoo.bulk.apply import Options, Timing

NOW = datetime(2026, 9, 1, 3, tzinfo=timezone.utc)
"""The time of the sandbox that most of these tests use."""
FAST = RetryPolicy(attempts=4, base=0.01, longest_backoff=0.05, floor=0.01)


def connect(sandbox, **settings):
    """A client of the sandbox."""
    settings = {"timeout": 1, "server_grace": 1, **settings}
    return JicooClient(Settings(sandbox.api_key, base_url=sandbox.url, **settings), policy=FAST)


def dump(sandbox):
    """Every booking by uid, without the moment of its last edit."""
    return {booking["uid"]: {**booking, "updatedAt": None} for booking in sandbox.bookings()}


def read_plan(path):
    """The header and the lines of a plan."""
    header, *lines = [json.loads(raw) for raw in Path(path).read_bytes().splitlines()]
    return header, lines


def outcomes(plan_path):
    """The outcomes in the report of a plan, in its order."""
    file = Path(f"{plan_path}.report") / "outcomes.jsonl"
    return [json.loads(raw) for raw in file.read_bytes().splitlines()]


def quick(**given):
    """Options of an apply that waits for little: fields of Options, and of Timing, by their names."""
    timing = {field.name for field in dataclasses.fields(Timing)}
    waits = {"policy": FAST, **{name: given.pop(name) for name in list(given) if name in timing}}
    return Options(**{"lease": 0.2, "timing": Timing(**waits), **given})


def hurry_operators(monkeypatch, **given):
    """Let whatever operators apply wait for little: fields as of :func:`quick`; what the operator says goes before."""
    monkeypatch.setattr(apply, "Options", lambda **own: quick(**{**given, **own}))
