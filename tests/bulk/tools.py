"""What the tests of the engine's parts share. Plain functions: each file says itself what its sandbox holds."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk.apply import options

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


def set_timing(monkeypatch, **fields):
    """Let every apply of the test wait otherwise: fields of Timing, and the lease."""
    monkeypatch.setattr(options, "LEASE", fields.pop("lease", 0.2))
    monkeypatch.setattr(options, "Timing", partial(options.Timing, **fields))
