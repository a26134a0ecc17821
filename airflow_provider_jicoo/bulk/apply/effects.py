"""What an apply needs of the world outside its event loop, in one argument.

The engine itself only computes and waits for its event loop. Whoever runs it may bring another world: the simulation in
the tests runs it on a loop with virtual time, without threads, with a network and a disk of its own (a disk is a
:class:`~airflow_provider_jicoo.bulk.files.StorePath`, and comes with the path of the plan).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ParamSpec, Protocol, TypeVar

from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.api.transport import AiohttpTransport, Transport

P = ParamSpec("P")
T = TypeVar("T")


class InThread(Protocol):
    """Runs a function that blocks, as :func:`asyncio.to_thread` does, so that the event loop goes on meanwhile."""

    def __call__(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Return what the function returns."""


@dataclass(frozen=True)
class Effects:
    """What an apply takes of the world.

    :param clock: monotonic, in seconds; not an event loop's, which may stand still within one round of it. A worker
        whose machine stands still for a while has one that jumps.
    :param in_thread: runs each access to a file, and whoever is told of the progress.
    :param transport: makes the network, of the settings and the number of connections that are wanted at once.
    :param random: where waits are spread at random, and names must be unlike those of any other worker.
    """

    clock: Callable[[], float] = field(default=time.monotonic)
    in_thread: InThread = field(default=asyncio.to_thread)
    transport: Callable[[Settings, int], Transport] = field(default=AiohttpTransport)
    random: random.Random = field(default_factory=random.SystemRandom)

    def token(self) -> str:
        """Return 32 hexadecimal digits."""
        return f"{self.random.getrandbits(128):032x}"
