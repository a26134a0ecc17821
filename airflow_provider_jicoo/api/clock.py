"""The clock of what runs in an event loop."""

from __future__ import annotations

import asyncio


def loop_time() -> float:
    """Return the running loop's time: seconds, monotonic. In a simulation the loop makes it."""
    return asyncio.get_running_loop().time()
