"""A server as quick as Python allows, that gives one booking for every PATCH: what is measured is the client."""

from __future__ import annotations

import asyncio
import json
import sys

BOOKING = {
    "uid": "mzgdPJVBb7RE",
    "eventTypeId": "o072r8CvwVF4",
    "name": "Consultation",
    "description": None,
    "status": "open",
    "startedAt": "2030-03-01T20:00:00.000Z",
    "endedAt": "2030-03-01T20:30:00.000Z",
    "locationId": "zoom",
    "url": "https://example.com/meeting",
    "phoneNumber": None,
    "address": None,
    "customLocation": None,
    "access": None,
    "timeZone": "Asia/Tokyo",
    "priority": "high",
    "cancelReason": None,
    "cancelledAt": None,
    "cancelledBy": None,
    "hosts": [{"userId": "cfmSbUHeizSoZob9cRA3N8fmfKg1", "role": "admin"}],
    "createdAt": "2030-02-01T20:00:00.000Z",
    "updatedAt": "2030-02-01T20:00:00.000Z",
}
BODY = json.dumps({"data": BOOKING, "errors": {}}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


class Still(asyncio.Protocol):
    """Answers each whole request; knows just enough of HTTP to find where one ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.waiting = b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            head = self.waiting[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.waiting) < end + 4 + length:
                return
            self.waiting = self.waiting[end + 4 + length :]
            self.transport.write(ANSWER)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Still, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with the process that started it: its end of the pipe closes.
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
