"""A Jicoo as quick as Python allows that lists so many rows a second, and whose bookings can change.

    python warehouse_server.py COUNT [ROWS_A_SECOND]

A page leaves when its rows have their turn: nobody is refused. ``/change?every=100`` edits one booking of so many;
``/seen`` says how many pages, contacts and rows were asked for.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import time
from urllib.parse import parse_qsl

from bulk_server import PAGE, PER_PAGE, answer
from still_server import BOOKING

CONTACT = {"name": "Jane Roe", "email": "jane.roe@example.com", "ccEmails": [], "answers": []}


class Jicoo:
    def __init__(self, count: int, rate: float) -> None:
        self.rate, self.next = rate, time.monotonic()
        self.seen = {"pages": 0, "contacts": 0}
        self.rows = [self.row(number, "2030-02-01T20:00:00.000Z") for number in range(count)]
        self.contacts = answer(json.dumps({"data": [CONTACT], "errors": {}}).encode())

    def row(self, number: int, updated: str) -> bytes:
        day, minute = divmod(number, 24 * 60)
        start = f"20{30 + day // 336}-{day % 336 // 28 + 1:02}-{day % 28 + 1:02}T{minute // 60:02}:{minute % 60:02}"
        # As random as Jicoo's: how much a cursor takes depends on that.
        uid = base64.urlsafe_b64encode(hashlib.blake2b(number.to_bytes(4, "big"), digest_size=9).digest()).decode()
        made = {**BOOKING, "uid": uid, "startedAt": f"{start}:00.000Z", "endedAt": f"{start}:30.000Z"}
        return json.dumps({**made, "updatedAt": updated}).encode()

    def reply(self, target: bytes) -> tuple[bytes, float]:
        """Return an answer, and in how many seconds it leaves."""
        path, _, query = target.partition(b"?")
        asked = dict(parse_qsl(query.decode()))
        if path == b"/seen":
            return answer(json.dumps(self.seen).encode()), 0.0
        if path == b"/change":
            for number in range(0, len(self.rows), int(asked["every"])):
                self.rows[number] = self.row(number, "2030-02-02T20:00:00.000Z")
            return answer(b"{}"), 0.0
        if path.endswith(b"/contacts"):
            self.seen["contacts"] += 1
            return self.contacts, 0.0
        self.seen["pages"] += 1
        page = int(asked.get("page", "1"))
        size = min(int(asked.get("perPage", PER_PAGE)), 100)
        all_rows = self.rows if asked.get("sort") != "desc" else self.rows[::-1]
        rows = all_rows[(page - 1) * size : page * size]
        total = len(all_rows)
        now = time.monotonic()
        self.next = max(self.next, now) + (len(rows) / self.rate if self.rate else 0.0)
        made = answer(PAGE % (b",".join(rows), total, len(rows), page, -(-total // size)))
        return made, self.next - now


class Talk(asyncio.Protocol):
    def __init__(self, jicoo: Jicoo) -> None:
        self.jicoo, self.waiting = jicoo, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            head, self.waiting = self.waiting[:end], self.waiting[end + 4 :]
            made, seconds = self.jicoo.reply(head.split(b" ", 2)[1])
            if seconds > 0.0:
                asyncio.get_running_loop().call_later(seconds, self.transport.write, made)
            else:
                self.transport.write(made)


async def main(count: float, rate: float = 0.0) -> None:
    jicoo = Jicoo(int(count), rate)
    server = await asyncio.get_running_loop().create_server(lambda: Talk(jicoo), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with the process that started it: its end of the pipe closes.
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*(float(argument) for argument in sys.argv[1:])))
