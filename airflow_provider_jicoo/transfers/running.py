"""Run a load so that it can be ended from outside, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

from airflow_provider_jicoo.bulk.apply.stop import Stop

T = TypeVar("T")


def run_in_a_thread(work: Coroutine[Any, Any, T], stop: Stop) -> T:
    """Run a coroutine in a loop and a thread of its own: a notebook's thread has a loop that runs already.

    In asyncio's own loop: in uvloop a connection that is given up while it is made leaves its socket open until it is
    collected, and a load ends with pages that were asked for ahead.

    What interrupts the waiting thread asks for the end, and is raised again when the work has ended in order.
    """
    interrupted: BaseException | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="jicoo-load") as pool:
        future = pool.submit(asyncio.run, work)
        while not future.done():
            try:
                wait([future], timeout=0.2)
            except BaseException as error:  # also the exception that Airflow raises at a timeout
                stop("it was interrupted")
                interrupted = error
    if interrupted is not None:
        raise interrupted
    return future.result()
