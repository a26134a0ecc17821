"""Run what takes long so that it can be ended from outside, in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stop:
    """Ends a run from outside, also from another thread or a signal handler: no new work is taken."""

    def __init__(self) -> None:
        self.asked = False
        self.reason = ""

    def __call__(self, reason: str = "it was asked to stop") -> None:
        """Ask for the end."""
        self.reason = self.reason or reason
        self.asked = True


def in_quickest_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the quickest event loop that there is: Airflow brings uvloop, a notebook may not."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    result: T = uvloop.run(work)
    return result


def in_a_thread(
    work: Coroutine[Any, Any, T], stop: Stop, run: Callable[[Coroutine[Any, Any, T]], T] = in_quickest_loop
) -> T:
    """Run a coroutine in a loop and a thread of its own: a notebook's thread has a loop that runs already.

    What interrupts the waiting thread, as Ctrl-C does, asks for the end, and is raised again when the work has ended in
    order.

    :param run: makes the loop and runs the coroutine in it.
    """
    results: list[T] = []
    failures: list[BaseException] = []
    ended = threading.Event()

    def target() -> None:
        try:
            results.append(run(work))
        except BaseException as error:
            failures.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=target, name="jicoo-run")
    thread.start()
    interrupted: BaseException | None = None
    # Not join(): an interrupted join marks the thread as ended though it still runs.
    while not ended.is_set():
        try:
            ended.wait(0.2)
        except BaseException as error:  # also the exception that Airflow raises at a timeout
            stop("it was interrupted")
            interrupted = error
    if interrupted is not None:
        raise interrupted
    if failures:
        raise failures[0]
    return results[0]
