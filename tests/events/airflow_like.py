"""The parts of Airflow around a trigger and a task, small enough to be killed at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from types import SimpleNamespace


class FakeVariables:
    """Airflow's Variables. They may be told to fail at a write: ``fail_at = 3`` lets the third from now on fail."""

    def __init__(self):
        self.texts = {}
        self.descriptions = {}
        self.writes = 0
        self.fail_at = None

    def get(self, name, default=None):
        return self.texts.get(name, default)

    def set(self, name, value, description=None):
        self.writes += 1
        if self.fail_at is not None:
            self.fail_at -= 1
            if self.fail_at <= 0:
                raise ConnectionError("no database")
        assert isinstance(value, str)
        self.texts[name], self.descriptions[name] = value, description


class AssetState:
    """The state store of one asset, as Airflow 3.3.2 gives it to a trigger."""

    def __init__(self, texts):
        self.texts = texts

    async def aget(self, key, default=None):
        await asyncio.sleep(0)
        return self.texts.get(key, default)

    async def aset(self, key, value):
        await asyncio.sleep(0)
        assert isinstance(value, str)
        assert len(value) < 65_535
        json.dumps(value)
        self.texts[key] = value


class Database:
    """What Airflow's database has: events, by asset, and the state stores. A dead triggerer leaves it as it is."""

    def __init__(self):
        self.events = []
        self.stores = {}

    def store(self, asset):
        return SimpleNamespace(_by_name={asset: AssetState(self.stores.setdefault(asset, {}))})


class Triggerer:
    """The loop of Airflow's triggerer around event triggers: ``airflow.jobs.triggerer_job_runner``.

    What a trigger yields is in the database with the next
    round, and confirmed with the one after it.

    :param is_shared: with Airflow's own shared streams and state stores, as since 3.3; else with Variables, as before.

    ``persists = False`` keeps events from the database; those of the assets in ``lost`` do not reach it.
    """

    def __init__(self, database, *, is_shared, round_=0.01, ack_timeout=300.0):
        self.database = database
        self.persists = True
        self.lost = set()
        self._round = round_
        self._queue = []
        self._tasks = {}
        self._ids = itertools.count(1)
        self.shared = None
        if is_shared:
            from airflow.triggers.shared_stream import SharedStreamManager

            self.shared = SharedStreamManager(ack_timeout=ack_timeout)

    def start(self, trigger, asset):
        """Start a trigger that watches an asset; returns its task."""
        path, kwargs = trigger.serialize()
        fresh = type(trigger)(**json.loads(json.dumps(kwargs)))
        assert path == f"{type(trigger).__module__}.{type(trigger).__qualname__}"
        if self.shared is not None:
            fresh.asset_state_store = self.database.store(asset)
        number = next(self._ids)
        self._tasks[number] = asyncio.create_task(self._run(number, fresh, asset))
        return self._tasks[number]

    async def _run(self, number, trigger, asset):
        key = trigger.shared_stream_key() if self.shared is not None else None
        try:
            if key is None:
                stream = trigger.run()
            else:
                shared = self.shared.subscribe(trigger_id=number, trigger=trigger, key=key)
                stream = trigger.filter_shared_stream(shared)
            async for event in stream:
                await asyncio.sleep(0)
                seq = None if key is None else self.shared.bind_pending_event(trigger_id=number, key=key)
                self._queue.append((asset, event.payload, seq))
        finally:
            if key is not None:
                await self.shared.unsubscribe(number, key)

    async def rounds(self):
        """Write to the database, and confirm it."""
        while True:
            await asyncio.sleep(self._round)
            if not self.persists:
                continue
            batch, self._queue = [each for each in self._queue if each[0] not in self.lost], []
            self.database.events += [(asset, payload) for asset, payload, _ in batch]
            if self.shared is not None:
                self.shared.confirm_persisted([seq for _, _, seq in batch if seq is not None])

    async def kill(self):
        """Die: what is not in the database is gone."""
        self._queue.clear()
        self.persists = False
        for task in self._tasks.values():
            task.cancel()
        for task in self._tasks.values():
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        if self.shared is not None:
            await self.shared.stop_all()


@contextlib.asynccontextmanager
async def triggerer(database, **options):
    """A triggerer that is killed in the end."""
    made = Triggerer(database, **options)
    rounds = asyncio.create_task(made.rounds())
    try:
        yield made
    finally:
        rounds.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rounds
        await made.kill()


async def until(condition, seconds=30.0):
    """Wait until something holds."""

    async def wait():
        while not condition():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), seconds)


def task_context(dag_id="drain", task_id="handle", max_active_runs=1, max_active_tis_per_dag=None, **more):
    """The context of a task."""
    return {
        "dag": SimpleNamespace(dag_id=dag_id, max_active_runs=max_active_runs),
        "task": SimpleNamespace(task_id=task_id, max_active_tis_per_dag=max_active_tis_per_dag),
        "ti": SimpleNamespace(map_index=-1),
        **more,
    }
