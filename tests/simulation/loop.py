"""A scheduler for several machines in one thread: virtual time, and each order of steps follows from a seed.

On a machine steps are taken in the order in which asyncio takes them; which machine takes the next one is drawn. Its
threads are greenlets that stop before each access to a file, so that another machine, or the event loop of their own,
may go on in between. A machine may stand still for a while, and be killed between any two steps.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from itertools import count

from greenlet import GreenletExit, getcurrent, greenlet

MACHINE = contextvars.ContextVar("machine")


class StuckError(Exception):
    """Nothing is left that could happen, or far too much has."""


class Step:
    __slots__ = ("args", "at", "callback", "context")

    def __init__(self, callback, args, context, at):
        self.callback, self.args, self.context, self.at = callback, args, context, at

    def cancel(self):
        self.callback = self.args = None

    def cancelled(self):
        return self.callback is None

    def when(self):
        return self.at


class Machine:
    """A process on a machine of its own."""

    def __init__(self, loop, name):
        self.loop, self.name = loop, name
        self.ready = deque()
        self.is_dead = False
        self.still_until = 0.0
        self.thawed = -1.0
        self.jumped = 0.0
        self.context = contextvars.copy_context()
        self.context.run(MACHINE.set, self)
        self.tasks = []
        self.threads = []

    def __repr__(self):
        return self.name

    def clock(self):
        return self.loop.now + self.jumped

    def start(self, coroutine):
        return self.context.run(self.loop.create_task, coroutine)

    def stand_still(self, seconds):
        self.still_until = self.thawed = self.loop.now + seconds
        self.loop.call_at(self.still_until, bool, context=self.loop.world.context)

    def kill(self):
        self.is_dead = True
        self.ready.clear()

    async def in_thread(self, work, *arguments, **more):
        loop = self.loop
        future = loop.create_future()

        def end(settle, value):
            if not future.done():
                settle(value)

        def target():
            try:
                result = work(*arguments, **more)
            except GreenletExit:
                raise
            except BaseException as error:
                loop.call_soon(end, future.set_exception, error, context=self.context)
            else:
                loop.call_soon(end, future.set_result, result, context=self.context)

        thread = greenlet(target, loop.hub)
        self.threads.append(thread)
        loop.call_soon(thread.switch)
        return await future

    def bury(self):
        """Let nothing of it be left that Python would end later, at a moment of its own."""
        self.kill()
        for thread in self.threads:
            if not thread.dead:
                thread.throw()
        for task in self.tasks:
            task._log_destroy_pending = False
            for _ in range(20):
                try:
                    task.get_coro().close()
                    break
                except BaseException:  # it waits in a finally; then once more
                    continue
        self.tasks.clear()
        self.threads.clear()


class Loop(asyncio.AbstractEventLoop):
    """Runs machines. ``world`` is one that never dies: the network, the server, and whoever kills the others."""

    def __init__(self, random, most_steps):
        self.now = 1000.0
        self.steps = 0
        self.errors = []
        self.hub = getcurrent()
        self.machines = []
        self.world = self.machine = self.boot("world")
        self._random, self._most_steps = random, most_steps
        self._timers, self._count = [], count()

    def boot(self, name):
        machine = Machine(self, name)
        self.machines.append(machine)
        return machine

    # --- what asyncio asks for ---------------------------------------------------------------------------------------

    def time(self):
        return self.now

    def get_debug(self):
        return False

    def is_running(self):
        return True

    def is_closed(self):
        return False

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coroutine, **more):
        task = asyncio.Task(coroutine, loop=self, **more)
        MACHINE.get().tasks.append(task)
        return task

    def call_soon(self, callback, *args, context=None):
        context = context or contextvars.copy_context()
        step, machine = Step(callback, args, context, self.now), context[MACHINE]
        if not machine.is_dead:
            machine.ready.append(step)
        return step

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        step = Step(callback, args, context or contextvars.copy_context(), when)
        heapq.heappush(self._timers, (when, self._random.random(), next(self._count), step))
        return step

    def call_exception_handler(self, context):
        self.errors.append(context)

    # --- the scheduler -----------------------------------------------------------------------------------------------

    def pause(self, seconds):
        """Let others go on, where it is a thread that asks."""
        thread = getcurrent()
        if thread is not self.hub:
            self.call_later(seconds, thread.switch, context=self.machine.context)
            self.hub.switch()

    def run(self, is_over, after_each):
        """Take step after step until it is over."""
        asyncio._set_running_loop(self)
        try:
            while not is_over():
                self._take_one()
                after_each()
        finally:
            asyncio._set_running_loop(None)
            # What is done between two runs is done from outside, whoever took the last step, and may be dead.
            self.machine = self.world

    def _take_one(self):
        self.steps += 1
        if self.steps > self._most_steps:
            raise StuckError(f"it does not end: {self.steps} steps, {self.now - 1000:.0f} s")
        now = self.now
        able = [machine for machine in self.machines if machine.ready and machine.still_until <= now]
        if not able:
            self._pass_time()
            return
        machine = able[0] if len(able) == 1 else able[int(self._random.random() * len(able))]
        step = machine.ready.popleft()
        if step.callback is not None:
            self.machine = machine
            step.context.run(step.callback, *step.args)

    def _pass_time(self):
        while self._timers:
            when, _, _, step = heapq.heappop(self._timers)
            if step.callback is None:
                continue
            machine = step.context[MACHINE]
            if not machine.is_dead:
                self.now = max(self.now, when)
                machine.ready.append(step)
                return
        raise StuckError("it hangs: everybody waits for somebody else")

    def close(self):
        for machine in self.machines:
            machine.bury()
        # Those who are bound to each other, before Python finds them.
        self.machines.clear()
        self._timers.clear()
