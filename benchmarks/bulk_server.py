"""A Jicoo as quick as Python allows: lists bookings page by page and changes them, and does nothing else.

    python bulk_server.py COUNT [LATENCY [RATE]]

It holds each booking as bytes that are made once, so that what is measured is the client. LATENCY in seconds; RATE in
requests per second: a bucket that holds those of one second, and answers 429 without Retry-After when it is empty.
``/seen`` says what reached it.
"""

from __future__ import annotations

import asyncio
import bisect
import json
import sys
import time
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from still_server import BOOKING

PER_PAGE = 50
BEGIN = datetime(2030, 1, 1)  # noqa: DTZ001 (written as UTC below)
HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
NAMES = {
    b"/v1/organization_users": {"uid": BOOKING["hosts"][0]["userId"], "name": "Olivia Brown"},
    b"/v1/event_types": {"uid": BOOKING["eventTypeId"], "name": "Consultation"},
}
PAGE = b'{"data":[%s],"errors":{},"totalCount":%d,"count":%d,"currentPage":%d,"numberOfPages":%d}'


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return HEAD % (status, len(body)) + body


class Jicoo:
    def __init__(self, count: int, rate: float) -> None:
        self.rate, self.tokens, self.at = rate, rate, time.monotonic()
        self.refused = answer(b'{"message":"too many requests"}', b"429 Too Many Requests")
        self.seen = {"requests": 0, "refused": 0}
        self.starts = [f"{BEGIN + timedelta(minutes=number):%Y-%m-%dT%H:%M}:00.000Z" for number in range(count)]
        self.rows = [self.row(number, start) for number, start in enumerate(self.starts)]

    def row(self, number: int, start: str) -> bytes:
        made = {**BOOKING, "uid": f"u{number:011d}", "startedAt": start, "endedAt": start[:17] + "30.000Z"}
        return json.dumps({**made, "priority": "low"}).encode()

    def take(self) -> bool:
        if not self.rate:
            return True
        now = time.monotonic()
        self.tokens = min(self.rate, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def page(self, query: dict[str, str]) -> bytes:
        first = bisect.bisect_left(self.starts, query.get("startedAt", ""))
        last = bisect.bisect_right(self.starts, query.get("endedAt", "~"))
        page = int(query.get("page", "1"))
        rows = self.rows[first + (page - 1) * PER_PAGE : min(last, first + page * PER_PAGE)]
        total = last - first
        return answer(PAGE % (b",".join(rows), total, len(rows), page, -(-total // PER_PAGE)))

    def reply(self, method: bytes, target: bytes) -> bytes:
        if target == b"/seen":
            return answer(json.dumps(self.seen).encode())
        self.seen["requests"] += 1
        if not self.take():
            self.seen["refused"] += 1
            return self.refused
        path, _, query = target.partition(b"?")
        if path == b"/v1/bookings":
            return self.page(dict(parse_qsl(query.decode())))
        if path in NAMES:
            return answer(PAGE % (json.dumps(NAMES[path]).encode(), 1, 1, 1, 1))
        if not path.startswith(b"/v1/bookings/"):
            return answer(b'{"message":"not found"}', b"404 Not Found")
        number = int(path.rsplit(b"/", 1)[1][1:])
        if method == b"PATCH":
            self.rows[number] = self.rows[number].replace(b'"low"', b'"high"')
        return answer(b'{"data":' + self.rows[number] + b',"errors":{}}')


class Talk(asyncio.Protocol):
    def __init__(self, jicoo: Jicoo, latency: float) -> None:
        self.jicoo, self.latency = jicoo, latency
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            head = self.waiting[:end]
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.waiting) < end + 4 + length:
                return
            self.waiting = self.waiting[end + 4 + length :]
            method, target, _ = head.split(b" ", 2)
            reply = self.jicoo.reply(method, target)
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.transport.write, reply)
            else:
                self.transport.write(reply)


async def main(count: float, latency: float = 0.0, rate: float = 0.0) -> None:
    jicoo = Jicoo(int(count), rate)
    server = await asyncio.get_running_loop().create_server(lambda: Talk(jicoo, latency), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with the process that started it: its end of the pipe closes.
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*(float(argument) for argument in sys.argv[1:])))
