"""Where a cursor is kept: in the state store of the asset that is watched (Airflow 3.3), else in Variables."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

from airflow_provider_jicoo.events.parts import Get, Steps, load, pack, save
from airflow_provider_jicoo.tasks.compat import read_variable

PREFIX = "jicoo_cursor_"
"""What the names of cursors begin with. No word in it makes Airflow take the value for a secret to be masked."""


class Store(Protocol):
    """Texts by name, for coroutines."""

    async def read(self, name: str) -> str | None:
        """Return a text; None where there is none."""

    async def write(self, name: str, text: str) -> None:
        """Write a text."""


class Cursors:
    """A cursor in a store.

    :param store: where it is.
    :param name: what its names begin with.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    async def load(self) -> dict[str, Any] | None:
        """Read it; None where there is none.

        :raises CursorLostError: it cannot be read.
        """
        found: dict[str, Any] | None = await self._run(load(self._name))
        return found

    async def save(self, cursor: dict[str, Any]) -> None:
        """Write it."""
        # A large one takes half a second, in which no other trigger would run.
        text = await asyncio.to_thread(pack, cursor)
        await self._run(save(self._name, text))

    async def _run(self, steps: Steps) -> Any:
        came: str | None = None
        while True:
            try:
                step = steps.send(came)
            except StopIteration as end:
                return end.value
            came = await self._store.read(step.name) if isinstance(step, Get) else None
            if not isinstance(step, Get):
                await self._store.write(step.name, step.text)


class AssetStore:
    """The state stores of the assets that a trigger watches.

    Airflow lets triggers with the same arguments be one, which then watches several assets: what is written goes to
    all, what is read comes from the first that has it, so that it stays when one of the assets goes.

    :param accessors: one for each asset (``AssetStateStoreAccessor``).
    """

    def __init__(self, accessors: Sequence[Any]) -> None:
        self._accessors = accessors

    async def read(self, name: str) -> str | None:
        """Return a text; None where there is none."""
        from asgiref.sync import sync_to_async

        for store in self._accessors:
            # aget came with Airflow 3.3.2.
            found = await (store.aget(name) if hasattr(store, "aget") else sync_to_async(store.get)(name))
            if found is not None:
                return str(found)
        return None

    async def write(self, name: str, text: str) -> None:
        """Write a text."""
        from asgiref.sync import sync_to_async

        for store in self._accessors:
            await (store.aset(name, text) if hasattr(store, "aset") else sync_to_async(store.set)(name, text))


class VariableStore:
    """Airflow's Variables, for a trigger.

    :param description: what Airflow's UI shows beside them.
    """

    def __init__(self, description: str) -> None:
        self._variables = Variables(description)

    async def read(self, name: str) -> str | None:
        """Return a text; None where there is none."""
        from asgiref.sync import sync_to_async

        # A thread of asgiref's: in another Airflow 3.1 would not find the way back to the triggerer's loop.
        return await sync_to_async(self._variables.read)(name)

    async def write(self, name: str, text: str) -> None:
        """Write a text."""
        from asgiref.sync import sync_to_async

        await sync_to_async(self._variables.write)(name, text)


class Variables:
    """Airflow's Variables, for a task.

    :param description: what Airflow's UI shows beside them.
    """

    def __init__(self, description: str) -> None:
        self._description = description

    def read(self, name: str) -> str | None:
        """Return a text; None where there is none.

        :raises ConnectionError: Airflow does not say whether there is one.
        """
        return read_variable(name)

    def write(self, name: str, text: str) -> None:
        """Write a text."""
        from airflow.sdk import Variable

        Variable.set(name, text, description=self._description)

    def load(self, name: str) -> dict[str, Any] | None:
        """Read a cursor; None where there is none.

        :raises CursorLostError: it cannot be understood.
        :raises ConnectionError: Airflow does not say whether there is one.
        """
        found: dict[str, Any] | None = self._run(load(name))
        return found

    def save(self, name: str, cursor: dict[str, Any]) -> None:
        """Write a cursor."""
        self._run(save(name, pack(cursor)))

    def _run(self, steps: Steps) -> Any:
        came: str | None = None
        while True:
            try:
                step = steps.send(came)
            except StopIteration as end:
                return end.value
            came = self.read(step.name) if isinstance(step, Get) else None
            if not isinstance(step, Get):
                self.write(step.name, step.text)


def cursor_name(*parts: Any) -> str:
    """Return the name of a cursor: for the same always the same, and of a length that Airflow takes."""
    return PREFIX + hashlib.blake2b(json.dumps(parts).encode(), digest_size=10).hexdigest()
