"""Those who see changes through: each takes the next one, and there are few of them at first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from airflow_provider_jicoo.bulk.apply.change import Change
from airflow_provider_jicoo.bulk.apply.delivery import StepAside

_FIRST = 2
"""Workers at the beginning; each answer lets one more begin, so that a limit that nobody knows is met by few requests
and not by all that may be under way at once."""
SeeThrough = Callable[[Change, StepAside], Awaitable[bool]]


class Crew:
    """Workers that see changes through, in the order in which they are handed out.

    A change that has to be read back for long *steps aside*: its worker stays with it, and another one takes that
    worker's place. No more of them than may be under way at once: a server that answers nothing must not be sent the
    whole plan.

    :param see_through: brings a change to its end, and tells whether one more worker may begin.
    :param most: how many workers there are at the most, but for those that stepped aside.
    """

    def __init__(self, see_through: SeeThrough, most: int) -> None:
        self._see_through = see_through
        self._most = most
        self._queue: asyncio.Queue[Change | asyncio.Event | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._workers = self._aside = 0

    def begin(self) -> None:
        """Let the first workers begin."""
        for _ in range(min(_FIRST, self._most)):
            self._hire()

    async def hand_out(self, changes: Sequence[Change]) -> None:
        """Hand out changes; return when all that were handed out before them are taken."""
        turn = asyncio.Event()
        self._queue.put_nowait(turn)
        for change in changes:
            self._queue.put_nowait(change)
        await turn.wait()

    async def all_done(self) -> None:
        """Return when all that was handed out has been seen through."""
        await self._queue.join()

    async def finish(self) -> None:
        """Return when all that was handed out has been seen through, and the workers have gone."""
        self._queue.put_nowait(None)
        while tasks := set(self._tasks):
            await asyncio.gather(*tasks)
            # Their done callbacks, which discard them, run in the loop's next turn. From Python 3.12 on, gather() of
            # tasks that are all done gives the loop none: this would spin for ever.
            self._tasks -= tasks

    def _hire(self) -> None:
        self._workers += 1
        task = asyncio.ensure_future(self._work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        is_aside = False

        def step_aside() -> None:
            nonlocal is_aside
            if not is_aside and self._aside < self._most:
                is_aside = True
                self._aside += 1
                self._workers -= 1
                self._hire()

        while (item := await self._queue.get()) is not None:
            try:
                if isinstance(item, asyncio.Event):
                    item.set()
                elif await self._see_through(item, step_aside) and self._workers < self._most:
                    self._hire()
            finally:
                self._queue.task_done()
            if is_aside:
                self._aside -= 1
                return
        self._queue.put_nowait(None)  # for the next worker
