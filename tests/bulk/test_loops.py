"""An apply runs in uvloop where that is installed, as Airflow brings it, and in asyncio's own event loop elsewhere."""

from __future__ import annotations

import asyncio
import dataclasses
import sys

import pytest

from airflow_provider_jicoo.api.transport import AiohttpTransport
from airflow_provider_jicoo.bulk import apply_plan
from airflow_provider_jicoo.bulk.errors import StoppedError
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import FAST, NOW, quick

FAULTS = {
    "none": [],
    "dropped": [("dropped", {"share": 0.2}), ("dropped_before", {"share": 0.2})],
    "cut": [("cut_body", {"share": 0.2})],
    "hangs": [("hang", {"share": 0.1, "seconds": 2}), ("hang", {"share": 0.1, "seconds": 2, "changed": False})],
}


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request, monkeypatch):
    if request.param == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)  # as where it is not installed
    return request.param


@pytest.fixture
def sandbox():
    with Sandbox(bookings=30, seed=7, now=NOW) as made:
        yield made


@pytest.fixture
def loops(monkeypatch):
    """The names of the modules whose loops were used."""
    used = set()
    ask = AiohttpTransport.ask

    async def asked(*given):
        used.add(type(asyncio.get_running_loop()).__module__.partition(".")[0])
        return await ask(*given)

    monkeypatch.setattr(AiohttpTransport, "ask", asked)
    return used


def apply(made, *, control=None, **settings):
    with made.client(**settings) as client:
        options = quick(lease=0.5, on_doubt="again", policy=dataclasses.replace(FAST, attempts=8))
        return apply_plan(client, made.path, digest=made.manifest["digest"], options=options, control=control)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_in_either_loop(case, sandbox, loop, loops, fault):
    made = case(sandbox, "update")
    for name, options in FAULTS[fault]:
        sandbox.fail(name, **options)
    apply(made, timeout=0.3 if fault == "hangs" else 1)
    made.check_all_applied()
    assert loops == {loop}


def test_a_ceiling_in_either_loop(case, sandbox, loop):
    """uvloop's timers count milliseconds."""
    made = case(sandbox, "silent update")
    apply(made, max_requests_per_second=40)
    sent = [request.at for request in sandbox.requests if request.method == "PATCH"]
    # All but the first few, which a connection's making may delay.
    assert (sent[-1] - sent[5]).total_seconds() > (len(sent) - 6) / 40 * 0.95
    made.check_all_applied()


def test_a_stop_in_either_loop(case, sandbox, loop):
    made = case(sandbox, "silent update")
    with pytest.raises(StoppedError):
        apply(made, control=lambda: '{"state": "stop"}')
    assert made.sent() == 0
