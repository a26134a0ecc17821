"""Airflow's API server is away for a moment: nothing is taken for a first use, or for handled."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.events import new_bookings_since
from airflow_provider_jicoo.events.stores import Cursors, VariableStore
from tests.events.airflow_like import task_context

pytestmark = pytest.mark.usefixtures("jicoo_connection")


@pytest.fixture
def jicoo_sandbox_options():
    return {"bookings": 3}


def drain():
    return [booking["uid"] for booking in new_bookings_since(task_context())]


def test_what_was_handled_is_not_handled_again(jicoo_sandbox, api_server):
    assert drain() == []
    made = jicoo_sandbox.add_booking()["uid"]
    assert drain() == [made]
    before = dict(api_server.texts)
    api_server.away = True
    with pytest.raises(ConnectionError, match="look whether its API server runs"):
        drain()
    api_server.away = False
    assert api_server.texts == before
    assert drain() == []
    another = jicoo_sandbox.add_booking()["uid"]
    assert drain() == [another]


def test_what_was_handled_one_by_one_neither(jicoo_sandbox, api_server):
    """Of a run that ended early there are two Variables: the second one is away."""
    drain()
    first, second = (jicoo_sandbox.add_booking()["uid"] for _ in range(2))
    handled = []
    for booking in new_bookings_since(task_context()):
        if handled:
            break  # the second one is under way
        handled.append(booking["uid"])
    real = api_server.send

    def send(msg):
        api_server.away = type(msg).__name__ == "GetVariable" and msg.key.endswith(".since")
        return real(msg)

    api_server.send = send
    with pytest.raises(ConnectionError):
        drain()
    api_server.send = real
    api_server.away = False
    assert drain() == [uid for uid in (first, second) if uid not in handled]


@pytest.mark.asyncio
async def test_the_pollers_cursor(api_server):
    """Before Airflow 3.3 it is in Variables: without it, what happened since would never be told."""
    cursors = Cursors(VariableStore("a cursor"), "a")
    await cursors.save({"since": "now", "entries": {}})
    api_server.away = True
    with pytest.raises(ConnectionError):
        await cursors.load()
    api_server.away = False
    assert await cursors.load() == {"since": "now", "entries": {}}
