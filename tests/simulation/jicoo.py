"""A Jicoo in memory, and the network between it and the machines."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.exchange import NoReply, Reply
from airflow_provider_jicoo.api.retry import Fault

NOW = datetime(2026, 9, 1, 3, tzinfo=timezone.utc)
JSON = {"Content-Type": "application/json"}
ABOUT_MESSAGES = ("isSendUpdates", "updateMessage")


@dataclass
class Request:
    """One request: when it left, and who sent it for which phase (the apply, or its undo)."""

    number: int
    machine: object
    phase: str
    method: str
    path: str
    query: dict
    body: dict | None
    sent: float
    uid: str = ""
    kind: str = ""
    seen: object = None
    """What a reading has shown: rows by booking."""

    def __str__(self):
        return f"{self.machine} #{self.number} {self.method} {self.path}"


class Jicoo:
    """The bookings, and all that was ever done to them.

    :param lag: seconds that a list may lag behind.
    :param minds_slots: whether a booking cannot be moved to where its host has another one.
    :param cancels_again: whether to cancel a cancelled booking succeeds, and messages its guest once more.
    """

    def __init__(self, loop, random, rows, *, lag, minds_slots, cancels_again, on_effect):
        self.loop, self.random = loop, random
        self.rows = {uid: dict(row) for uid, row in rows.items()}
        self.lag, self.minds_slots, self.cancels_again = lag, minds_slots, cancels_again
        self.on_effect = on_effect
        self.past = {uid: [(0.0, self.rows[uid])] for uid in self.rows}
        self.effects = defaultdict(list)
        """The changes that were made, by phase and booking: when, and the request."""
        self.edits = defaultdict(list)
        """What somebody else did, by booking: when, and the fields."""
        self.messages = Counter()

    def stamp(self):
        return times.wire(NOW + timedelta(seconds=self.loop.now))

    def _store(self, uid, row):
        if row is None:
            self.rows.pop(uid, None)
        else:
            self.rows[uid] = row
        self.past[uid].append((self.loop.now, row))

    def edit(self, uid, fields):
        """Let somebody else edit a booking; None deletes it."""
        if uid in self.rows:
            self.edits[uid].append((self.loop.now, fields))
            self._store(uid, None if fields is None else {**self.rows[uid], **fields, "updatedAt": self.stamp()})

    # --- answers -----------------------------------------------------------------------------------------------------

    def answer(self, request):
        """Carry a request out; return status and content."""
        if request.method == "GET":
            return self._read(request)
        row = self.rows.get(request.uid)
        if row is None:
            return 404, {"errors": {"": ["There is no such booking."]}}
        problem, fields = self._changed(request, row)
        if problem:
            return 422, {"errors": {"": [problem]}}
        self.effects[request.phase, request.uid].append((self.loop.now, request))
        after = {**row, **fields, "updatedAt": self.stamp()}
        self._store(request.uid, after)
        if request.kind != "update" or request.body.get("isSendUpdates"):
            self.messages[request.phase, request.uid] += 1
        self.on_effect(request)
        return 200, {"data": after, "errors": {}}

    def _changed(self, request, row):
        is_cancelled = row["status"] == "cancel"
        if request.kind == "cancel":
            return "is cancelled already" if is_cancelled and not self.cancels_again else "", {"status": "cancel"}
        if is_cancelled:
            return "is cancelled", {}
        fields = {name: value for name, value in request.body.items() if name not in ABOUT_MESSAGES}
        if request.kind == "reschedule":
            length = times.moment(row["endedAt"]) - times.moment(row["startedAt"])
            fields["endedAt"] = times.wire(times.moment(fields["startedAt"]) + length)
        if self.minds_slots and "startedAt" in fields and self._is_taken({**row, **fields}):
            return "the host is busy then", {}
        return "", fields

    def _is_taken(self, row):
        hosts = {host["userId"] for host in row["hosts"]}
        return any(
            other["uid"] != row["uid"]
            and other["status"] == "open"
            and other["startedAt"] < row["endedAt"]
            and row["startedAt"] < other["endedAt"]
            and hosts & {host["userId"] for host in other["hosts"]}
            for other in self.rows.values()
        )

    def _read(self, request):
        if request.path != "/v1/bookings":
            row = self.rows.get(request.uid)
            request.seen = {request.uid: row}
            if row is None:
                return 404, {"errors": {"": ["There is no such booking."]}}
            if request.path.endswith("/contacts"):
                return 200, {"data": [], "errors": {}}
            return 200, {"data": row, "errors": {}}
        at = self.loop.now - self.lag * self.random.random()
        rows = [row for row in (self._as_of(uid, at) for uid in self.past) if row is not None]
        start, end = request.query.get("startedAt", ""), request.query.get("endedAt", "~")
        rows = [row for row in rows if row["startedAt"] >= start and row["endedAt"] <= end]
        rows.sort(key=lambda row: (row["createdAt"], row["uid"]), reverse=request.query.get("sort") == "desc")
        size, page = int(request.query.get("perPage", 50)), int(request.query.get("page", 1))
        shown = rows[(page - 1) * size : page * size]
        request.seen = {row["uid"]: row for row in shown}
        pages = max(1, -(-len(rows) // size))
        more = {"totalCount": len(rows), "count": len(shown), "currentPage": page, "numberOfPages": pages}
        return 200, {"data": shown, "errors": {}, **more}

    def _as_of(self, uid, at):
        return next((row for when, row in reversed(self.past[uid]) if when <= at), None)


class Network:
    """The network of one machine: an airflow_provider_jicoo.api.transport.Transport.

    What is to go wrong with a request was drawn before: ``world.fault_of(request)``.
    """

    def __init__(self, world, machine, timeout):
        self._world, self._machine, self._timeout = world, machine, timeout

    async def ask(self, method, path, query, body):
        world, loop = self._world, self._world.loop
        future = loop.create_future()
        if self._machine.is_dead:
            return await future
        parts = path.split("/")
        request = Request(
            world.next_number(),
            self._machine,
            world.phase,
            method,
            path,
            dict(query),
            None if body is None else json.loads(body),
            loop.now,
            uid=parts[3] if len(parts) > 3 else "",
            kind="" if method == "GET" else parts[4] if len(parts) > 4 else "update",
        )
        world.on_leaving(request)
        _Journey(world, request, future, self._timeout).begin()
        came = await future
        world.on_answered(request, came)
        return came

    async def close(self):
        await asyncio.sleep(0)


class _Journey:
    """The way of one request to the server and back."""

    def __init__(self, world, request, future, timeout):
        self.world, self.request, self.future, self.timeout = world, request, future, timeout
        self.fault, self.late = world.fault_of(request)

    def after(self, seconds, then, *arguments):
        self.world.loop.call_later(seconds, then, *arguments, context=self.world.loop.world.context)

    def begin(self):
        draw = self.world.draw
        there, back = 0.01 + 0.2 * draw(), 0.01 + 0.2 * draw()
        getattr(self, f"_{self.fault}")(there, back)

    def _settle(self, came):
        if not self.future.done():
            self.future.set_result(came)

    def _reply(self, status, content, headers=None):
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self._settle(Reply(status, {**JSON, **(headers or {})}, raw, self.world.loop.now))

    def _carry_out(self, back, then=None):
        """Let the server do it; ``then`` makes another end of the answer."""
        status, content = self.world.server.answer(self.request)
        if then is None:
            self.after(back, self._reply, status, content)
        elif status == 200:
            then(content)
        else:
            self.after(back, self._reply, status, content)

    def _do_late(self):
        self.after(self.late, self.world.server.answer, self.request)

    def _lose(self, seconds, fault=Fault.NO_ANSWER):
        self.after(seconds, self._settle, NoReply(fault, "simulated"))

    # --- the faults --------------------------------------------------------------------------------------------------

    def _none(self, there, back):
        self.after(there, self._carry_out, back)

    def _slow(self, there, back):
        self.after(there, self._carry_out, 3.5 * self.timeout * self.world.draw())

    def _not_sent(self, there, back):
        self._lose(there, Fault.NOT_SENT)

    def _request_lost(self, there, back):
        self._lose(self.timeout)

    def _answer_lost(self, there, back):
        self.after(there, self._carry_out, back, lambda _: self._lose(back))

    def _too_slow(self, there, back):
        self.after(there, self._carry_out, back, lambda _: self._lose(4 * self.timeout, Fault.TOO_SLOW))

    def _late_dropped(self, there, back):
        self._do_late()
        self._lose(there)

    def _late_502(self, there, back):
        self._do_late()
        self.after(there + back, self._reply, 502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"})

    def _late_504(self, there, back):
        self._do_late()
        self.after(there + back, self._reply, 504, {"errors": {"": ["timeout"]}})

    def _late_success(self, there, back):
        row = self.world.server.rows.get(self.request.uid)
        if row is None:
            self._none(there, back)
            return
        self._do_late()
        self.after(there + back, self._reply, 200, {"data": row, "errors": {}})

    def _error_500(self, there, back):
        self.after(there + back, self._reply, 500, {"errors": {"": ["oops"]}})

    def _error_503(self, there, back):
        self.after(there + back, self._reply, 503, b"busy")

    def _error_500_done(self, there, back):
        self.after(
            there, self._carry_out, back, lambda _: self.after(back, self._reply, 500, {"errors": {"": ["oops"]}})
        )

    def _timeout_408(self, there, back):
        self.after(there + back, self._reply, 408, {"errors": {"": ["timeout"]}})

    def _limit(self, there, back):
        self.after(there + back, self._reply, 429, {"errors": {}})

    def _limit_long(self, there, back):
        self.after(there + back, self._reply, 429, {"errors": {}}, {"Retry-After": "3"})

    def _cut(self, there, back):
        def cut(content):
            raw = json.dumps(content).encode()
            self.after(back, self._reply, 200, raw[: len(raw) // 2])

        self.after(there, self._carry_out, back, cut)

    def _page(self, there, back):
        def page(_):
            self.after(back, self._reply, 200, b"<html>Sorry</html>", {"Content-Type": "text/html"})

        self.after(there, self._carry_out, back, page)

    def _refused(self, there, back):
        self.after(there + back, self._reply, 422, {"errors": {"": ["cannot be done"]}})

    def _key_refused(self, there, back):
        self.after(there + back, self._reply, 401, {"errors": {}})

    def _repeated(self, there, back):
        """A reading is answered as it was a while ago, as by a cache or a replica that lags behind."""
        server, uid = self.world.server, self.request.uid

        def repeat():
            row = server._as_of(uid, self.world.loop.now - self.late)
            self.request.seen = {uid: row}
            if row is None:
                self._carry_out(back)
            else:
                self.after(back, self._reply, 200, {"data": row, "errors": {}})

        self.after(there, repeat)


OF_READINGS = (
    *("slow", "not_sent", "request_lost", "answer_lost", "too_slow", "error_500", "error_503"),
    *("limit", "limit_long", "cut", "page"),
)
LATE = ("late_dropped", "late_502", "late_504")
OF_CHANGES = (
    *("slow", "not_sent", "request_lost", "answer_lost", "answer_lost", "too_slow", "late_dropped", "late_dropped"),
    *("late_502", "late_504", "late_success", "error_500", "error_503", "error_500_done", "timeout_408"),
    *("limit", "limit_long", "cut", "page", "refused"),
)
