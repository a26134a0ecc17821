"""May a change leave now? Running or paused, within the lease or not, and closed for good by the first reason."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress


class Gate:
    """Open while the run goes on, is not paused, and has looked lately that the plan is still its own.

    To be made within the event loop that uses it. ``reason`` and ``error`` say why it was closed for good, ``lost``
    that another worker has taken the plan.

    :param clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock
        self.reason = ""
        self.error: Exception | None = None
        self.lost = False
        self.paused = False
        self.fresh_since = 0.0
        self._leased_until = 0.0
        self._messages_from = math.inf
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether it is closed for good: the run takes no new work."""
        return bool(self.reason)

    def is_open(self, *, messages: bool) -> bool:
        """Tell whether a change may leave at this moment.

        :param messages: whether it messages a guest: that also waits until every other worker must have seen this one.
        """
        now = self.now()
        return (
            not self.reason
            and not self.paused
            and now < self._leased_until
            and (not messages or now >= self._messages_from)
        )

    async def opens(self, *, messages: bool) -> bool:
        """Return True once a change may leave, and False once none may any more."""
        while not self.is_open(messages=messages):
            if self.reason:
                return False
            self._changed.clear()
            wait = self._messages_from - self.now() if messages else math.inf
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait if 0 < wait < math.inf else None)
        return True

    async def wait(self, seconds: float) -> None:
        """Wait so long, or until it is closed for good."""
        if seconds > 0 and not self.reason:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closed.wait(), seconds)

    async def wait_for(self, happened: asyncio.Event) -> None:
        """Wait until something has happened, or until it is closed for good."""
        if not happened.is_set() and not self.reason:
            both = [asyncio.ensure_future(each.wait()) for each in (happened, self._closed)]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in both:
                    each.cancel()

    def renew(self, looked: float, lease: float) -> None:
        """Lengthen the lease: the plan was still ours.

        :param looked: when it was looked, by a monotonic clock.
        :param lease: seconds.
        """
        if self._leased_until and self.now() > self._leased_until + lease:
            # Missed renewals for a whole lease: the process was suspended (SIGSTOP, VM pause). Whatever was read before
            # may have been edited since.
            self.fresh_since = self.now()
        self._leased_until = looked + lease
        self._changed.set()

    def let_messages_leave(self, at: float) -> None:
        """Let changes that message a guest leave from this moment on, by a monotonic clock."""
        self._messages_from = at
        self._changed.set()

    def pause(self) -> bool:
        """Let nothing leave for now; tell whether that is new."""
        new = not self.paused and not self.reason
        self.paused = self.paused or new
        return new

    def go_on(self) -> bool:
        """End a pause; tell whether there was one."""
        if not self.paused:
            return False
        self.paused = False
        self.fresh_since = self.now()
        self._changed.set()
        return True

    def close(self, reason: str, error: Exception | None = None) -> None:
        """Close it for good. The first reason counts."""
        if not self.reason:
            # By its reason it is known to be closed: with an empty one the run would go on, and wait for nothing.
            self.reason, self.error = reason or "no reason was given", error
        self._closed.set()
        self._changed.set()

    def lose(self) -> None:
        """Close it for good: another worker has taken the plan."""
        self.lost = True
        self.close("another worker has taken this plan over")
