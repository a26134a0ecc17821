"""Plans of some bookings, made once by the shipped planning, and clients that need no network."""

from __future__ import annotations

import json
import random
from contextlib import closing
from datetime import timedelta
from functools import cache

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.exchange import Reply
from airflow_provider_jicoo.api.paging import Paging, fit
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk import Cancel, Reschedule, ShiftTime, UpdateFields
from airflow_provider_jicoo.bulk.changes import as_change
from airflow_provider_jicoo.bulk.plan import Draft, Terms
from tests.simulation import disk
from tests.simulation.jicoo import NOW, Request
from tests.simulation.loop import Loop

SETTINGS = Settings("sk_live_simulated", timeout=2.0, server_grace=6.0)
PATH = ("plans", "p")


def rows(count):
    """Bookings one after the other, of two hosts, each twice in a row."""
    made = {}
    for number in range(count):
        start = NOW + timedelta(days=10, minutes=30 * number)
        uid = f"b{number}"
        made[uid] = {
            "uid": uid,
            "eventTypeId": "e1",
            "name": f"Guest {number}",
            "description": "as it was",
            "status": "open",
            "startedAt": times.wire(start),
            "endedAt": times.wire(start + timedelta(minutes=30)),
            "locationId": "custom",
            "phoneNumber": None,
            "address": None,
            "customLocation": None,
            "access": None,
            "timeZone": "Asia/Tokyo",
            "priority": None,
            "cancelReason": None,
            "cancelledAt": None,
            "cancelledBy": None,
            "hosts": [{"userId": f"u{number // 3}", "role": "admin"}],
            "createdAt": times.wire(NOW + timedelta(minutes=number)),
            "updatedAt": times.wire(NOW + timedelta(minutes=number)),
        }
    return made


def _change_of(what):
    if what in ("quiet", "loud"):
        return UpdateFields(description="Room 2", priority="high")
    if what.startswith("shift"):
        return ShiftTime(minutes=30)
    kinds = {
        "cancel": lambda booking: Cancel(),
        "reschedule": lambda booking: Reschedule(times.moment(booking["startedAt"]) + timedelta(days=3)),
        "mixed": lambda booking: (
            Cancel(),
            UpdateFields(priority="low"),
            Reschedule(times.moment(booking["startedAt"]) + timedelta(days=1)),
        )[int(booking["uid"][1:]) % 3],
    }
    return kinds[what]


@cache
def plan(what, count):
    """Return the content of a plan, its digest, and the bookings that it is for."""
    bookings = rows(count)
    storage = disk.Storage(Loop(random.Random(what), 1), random.Random(what), "objects", 0.0, 0.0, lambda *_: None)
    path = storage.path(*PATH)
    said = {"quiet": False, "shift": False, "loud": True, "mixed": True, "shift loud": True}.get(what)
    change = as_change(_change_of(what))
    with closing(Draft(Terms(said, None, SETTINGS.base_url))) as draft:
        for booking in bookings.values():
            draft.consider(booking, change)
        made = draft.write(
            path, 1, {"selection": {}, "change": change.describe(), "madeBy": "", "owner": None, "warnings": []}
        )
    return storage.files[PATH].content, made.manifest["digest"], bookings


class Direct(JicooClient):
    """A client whose requests are answered at once: for planning an undo, which is not simulated step by step."""

    def __init__(self, server):
        self._settings, self._policy = SETTINGS, RetryPolicy()
        self._secrets, self._keep = (SETTINGS.secret,), None
        self._paging = Paging(50)
        self._server = server

    def _send_once(self, call):
        parts = call.path.split("/")
        uid = parts[3] if len(parts) > 3 else ""
        request = Request(0, None, "", call.method, call.path, fit(call, self._paging), None, 0.0, uid)
        assert call.method == "GET", "planning changes nothing"
        status, content = self._server.answer(request)
        return Reply(status, {"Content-Type": "application/json"}, json.dumps(content).encode(), 0.0)

    def close(self):
        pass
