"""What is remembered of connections, and how much."""

from __future__ import annotations

import asyncio
import threading
import types

import pytest

from airflow_provider_jicoo.plugins import endpoints
from airflow_provider_jicoo.plugins.endpoints import FRESH, REMEMBERED, Endpoints, LookupFailedError

pytestmark = pytest.mark.asyncio


class Connections:
    """Connections whose look-ups are counted, and a clock beside them."""

    def __init__(self):
        self.extras = {"known": {"webhook_secret": "one", "webhook_dag_ids": "a"}}
        self.looked_up = []
        self.now = 0.0
        self.endpoints = Endpoints(self.find, lambda: self.now)

    def find(self, conn_id):
        self.looked_up.append(conn_id)
        if self.extras.get(conn_id) == "fails":
            raise OSError
        if conn_id not in self.extras:
            return None
        return types.SimpleNamespace(
            conn_id=conn_id, conn_type="jicoo", password="x", extra_dejson=self.extras[conn_id]
        )

    async def secret(self, conn_id="known"):
        endpoint = await self.endpoints.get(conn_id)
        return endpoint and [secret.reveal() for secret in endpoint.signing.secrets]


@pytest.fixture
def connections():
    return Connections()


@pytest.mark.parametrize(("conn_id", "secret"), [("known", ["one"]), ("unknown", None)])
async def test_one_look_up_for_some_seconds(connections, conn_id, secret):
    assert [await connections.secret(conn_id) for _ in range(3)] == [secret] * 3
    connections.now = FRESH - 0.1
    assert await connections.secret(conn_id) == secret
    assert connections.looked_up == [conn_id]
    connections.now = FRESH
    assert await connections.secret(conn_id) == secret
    assert connections.looked_up == [conn_id] * 2


async def test_one_look_up_for_all_who_ask_at_once(connections):
    assert await asyncio.gather(*(connections.secret() for _ in range(20))) == [["one"]] * 20
    assert connections.looked_up == ["known"]


async def test_a_change_counts_after_some_seconds(connections):
    assert await connections.secret() == ["one"]
    connections.extras["known"] = {"webhook_secret": "two one"}
    connections.now = FRESH
    assert await connections.secret() == ["two", "one"]
    del connections.extras["known"]
    connections.now = 2 * FRESH
    assert await connections.secret() is None
    connections.extras["known"] = {"webhook_secret": "three"}
    connections.now = 3 * FRESH
    assert await connections.secret() == ["three"]


async def test_a_failure_is_not_remembered(connections):
    connections.extras["known"] = "fails"
    for _ in range(2):
        with pytest.raises(LookupFailedError):
            await connections.secret()
    connections.extras["known"] = {"webhook_secret": "one"}
    assert await connections.secret() == ["one"]


async def test_whoever_asks_for_ever_new_ids_takes_no_memory(connections):
    await connections.secret()
    connections.endpoints.prove("known")
    connections.endpoints.prove("unknown")
    for number in range(REMEMBERED + 500):
        assert await connections.secret(f"unknown{number}") is None
    assert len(connections.endpoints._others) == REMEMBERED
    assert [*connections.endpoints._proved] == ["known"]
    assert not connections.endpoints._waiting
    # And does not drive out what there is.
    assert await connections.secret() == ["one"]
    assert connections.looked_up.count("known") == 1


async def test_nor_does_whoever_writes_one_id_in_many_ways(connections):
    """As those of connections in environment variables can be."""
    connections.extras = {f"known{number}": {"webhook_secret": "one"} for number in range(REMEMBERED + 500)}
    for conn_id in connections.extras:
        assert await connections.secret(conn_id) == ["one"]
    assert len(connections.endpoints._others) == REMEMBERED
    assert not connections.endpoints._proved


async def test_what_is_proved_counts_no_longer_than_it_is_there(connections):
    await connections.secret()
    connections.endpoints.prove("known")
    del connections.extras["known"]
    connections.now = FRESH
    assert await connections.secret() is None
    assert not connections.endpoints._proved


async def test_nor_the_way_of_what_is_known(connections, monkeypatch, caplog):
    monkeypatch.setattr(endpoints, "WAITING", 4)
    await connections.secret()
    connections.endpoints.prove("known")
    connections.now = FRESH
    go_on = threading.Event()
    find = connections.find
    monkeypatch.setattr(connections.endpoints, "_find", lambda conn_id: go_on.wait(60) and find(conn_id))
    waiting = [asyncio.ensure_future(connections.secret(f"unknown{number}")) for number in range(4)]
    await asyncio.sleep(0)
    assert await connections.secret("unknown5") is None, "refused without a look-up"
    known = asyncio.ensure_future(connections.secret())
    await asyncio.sleep(0)
    go_on.set()
    assert await known == ["one"]
    assert await asyncio.gather(*waiting) == [None] * 4
    assert "unknown5" not in connections.looked_up
    assert "too many webhooks for unknown connections" in caplog.text


async def test_whoever_gives_up_leaves_the_answer_to_the_others(connections, monkeypatch):
    go_on = threading.Event()
    find = connections.find
    monkeypatch.setattr(connections.endpoints, "_find", lambda conn_id: go_on.wait(60) and find(conn_id))
    gives_up, stays = (asyncio.ensure_future(connections.secret()) for _ in range(2))
    await asyncio.sleep(0)
    gives_up.cancel()
    await asyncio.sleep(0)
    go_on.set()
    assert await stays == ["one"]
