"""Where cursors are kept: Airflow's own stores, as far as they can be had without Airflow."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from airflow_provider_jicoo.events.cursor import Cursor, cursor_of
from airflow_provider_jicoo.events.parts import CursorLostError
from airflow_provider_jicoo.events.stores import AssetStore, Cursors, cursor_name
from airflow_provider_jicoo.tasks.compat import asset_stores, shared_stream_producer
from airflow_provider_jicoo.triggers.events import BookingEventTrigger, SweepProducer


class Blocking:
    """The state store of an asset in Airflow 3.3.0 and 3.3.1, which has no coroutines."""

    def __init__(self):
        self.texts = {}

    def get(self, key, default=None):
        return self.texts.get(key, default)

    def set(self, key, value):
        self.texts[key] = value


@pytest.mark.asyncio
async def test_a_store_without_coroutines():
    store = Blocking()
    cursors = Cursors(AssetStore([store]), "a")
    assert await cursors.load() is None
    await cursors.save({"since": "now", "entries": {}})
    assert await cursors.load() == {"since": "now", "entries": {}}
    assert list(store.texts) == ["a"]


@pytest.mark.asyncio
async def test_what_is_read_comes_from_the_first_asset_that_has_it():
    """An asset that a trigger watches too since yesterday has nothing yet."""
    new, old = Blocking(), Blocking()
    await Cursors(AssetStore([old]), "a").save({"since": "now", "entries": {}})
    assert await Cursors(AssetStore([new, old]), "a").load() == {"since": "now", "entries": {}}


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"since": "2026-03-01T12:00:00+00:00"},
        {"since": "2026-03-01T12:00:00", "entries": {}},
        {"since": "2026-03-01T12:00:00+00:00", "entries": {"a": "open"}},
        {"since": "2026-03-01T12:00:00+00:00", "entries": {"a": "open then now digest"}},
        {"since": "2026-03-01T12:00:00+00:00", "entries": {"a": None}},
        {"since": "2026-03-01T12:00:00+00:00", "entries": ["a"]},
    ],
)
def test_a_cursor_of_another_form_is_lost_and_breaks_nothing_later(stored):
    with pytest.raises(CursorLostError):
        cursor_of(stored)


@pytest.mark.parametrize("status", ["open", "a status of two words"])
def test_a_cursor_as_it_was_written(status):
    start, end = "2026-03-01T12:00:00.000Z", "2026-03-01T13:00:00.000Z"
    made = Cursor(datetime(2026, 3, 1, tzinfo=timezone.utc), {"a": f"{status} {start} {end} 0123456789"})
    assert cursor_of(made.stored()) == made


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "header",
    ["[]", "7", '{"version": 1, "generation": "a", "parts": "many", "digest": "x"}', '{"version": 1, "data": "ü"}'],
)
async def test_what_somebody_else_has_written_is_a_lost_cursor(header):
    store = Blocking()
    store.texts["a"] = header
    with pytest.raises(CursorLostError):
        await Cursors(AssetStore([store]), "a").load()


def test_airflows_own_stores_are_found():
    context = pytest.importorskip("airflow.sdk.execution_time.context")
    if not hasattr(context, "AssetStateStoreAccessors"):
        pytest.skip("Airflow has no state stores before 3.3")
    from airflow.sdk import Asset

    trigger = BookingEventTrigger()
    assert asset_stores(trigger) == []
    trigger.asset_state_store = context.AssetStateStoreAccessors(inlets=[Asset("b"), Asset("a")])
    assert [store._name for store in asset_stores(trigger)] == ["a", "b"]
    for store in asset_stores(trigger):
        assert callable(store.get)
        assert callable(store.set)


def test_a_trigger_of_before():
    assert asset_stores(SimpleNamespace()) == []
    assert asset_stores(SimpleNamespace(asset_state_store=None)) == []


def test_the_producer_is_one_of_airflows():
    assert isinstance(SweepProducer({}), shared_stream_producer())
    if shared_stream_producer() is not object:
        assert SweepProducer({}).get_advance_lane(None) is None


def test_names_of_cursors():
    names = {cursor_name("trigger", "a"), cursor_name("trigger", "b"), cursor_name("handled", "a")}
    assert len(names) == 3
    # Airflow masks the value of a Variable whose name has such a word in it, wherever it is logged.
    for word in ("secret", "token", "password", "passwd", "key", "auth", "private", "access"):
        assert not any(word in name for name in names)
    assert all(len(name) < 250 for name in names)
