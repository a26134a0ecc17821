"""Closing a connection in the middle of an answer.

ASGI has no word for that, on purpose: an application can only answer. The transport is reached through the object whose
bound method uvicorn passes as ``receive``; that holds for both of its HTTP protocols (httptools and h11). Nothing else
in the sandbox knows of this.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive, Send

from airflow_provider_jicoo.sandbox import faults
from airflow_provider_jicoo.sandbox.faults import Answer


async def drop(receive: Receive) -> None:
    """Close the connection without an answer."""
    await _close(receive)


async def cut(answer: Answer, receive: Receive, send: Send) -> None:
    """Announce the whole answer, send half of its body, and close the connection."""
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    half = answer.body[: len(answer.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await _close(receive)


async def drip(answer: Answer, receive: Receive, send: Send, seconds: float, stopping: asyncio.Event) -> None:
    """Send the body byte by byte, so many seconds before each; the connection ends with the client or the server."""
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    for at in range(len(answer.body)):
        if not await hold(receive, seconds, stopping):
            await _close(receive)
            return
        await send({"type": "http.response.body", "body": answer.body[at : at + 1], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def flood(answer: Answer, megabytes: int, send: Send) -> None:
    """Send a huge body, piece by piece."""
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    for piece in faults.flood(megabytes):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def hold(receive: Receive, seconds: float, stopping: asyncio.Event) -> bool:
    """Keep the client waiting.

    :returns: whether it waited to the end, and did not go away; nor has the server stopped.
    """
    ends = {asyncio.create_task(_gone(receive)), asyncio.create_task(stopping.wait())}
    ended, pending = await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return not ended


async def _close(receive: Receive) -> None:
    cycle: Any = receive.__self__  # type: ignore[attr-defined]
    cycle.transport.close()
    # Until uvicorn has noticed, it takes an application that returns without an answer for a broken one.
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
