"""The same event many times at once, from several API servers, on PostgreSQL: it is stored once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_jicoo.plugins import airflow_internals
from tests.plugins.twins import EVENTS, PROCESSES, THREADS

HERE = Path(__file__).parent


@pytest.mark.system
@pytest.mark.long
@pytest.mark.proof
@pytest.mark.timeout(300)
def test_each_is_there_once():
    from tests.system.stack import AirflowStack, Undertaker

    stack = AirflowStack()
    try:
        # PostgreSQL alone, which nothing must outlive.
        stack.undertaker = Undertaker(stack.root, keep=False)
        stack.start_database()
        stack.airflow("db", "migrate")
        done = subprocess.run(
            [sys.executable, HERE / "twins.py", HERE / "dags"],
            env={**stack.env, "PYTHONPATH": str(HERE.parents[1])},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    finally:
        stack.stop_all()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    calls = EVENTS * PROCESSES * THREADS
    assert found["runs"] == sorted(f"jicoo__{number}" for number in range(EVENTS))
    assert found["said"]["run True"] == EVENTS
    assert found["said"]["run False"] == calls - EVENTS
    assert found["said"]["woken"] == found["plain"] == calls
    if airflow_internals.has_partitions():
        assert found["keys"] == sorted(f"event{number}" for number in range(EVENTS))
        assert found["said"]["partition True"] == EVENTS
        assert found["said"]["partition False"] == calls - EVENTS
