"""The engine takes its effects as arguments: a whole apply without a thread, a socket, a file or a second of time."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time

import pytest

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.exchange import NoReply, Reply
from airflow_provider_jicoo.api.retry import Fault
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk import Options, Selection, Stop, UpdateFields, plan_changes
from airflow_provider_jicoo.bulk.apply.control import control_file
from airflow_provider_jicoo.bulk.apply.effects import Effects
from airflow_provider_jicoo.bulk.apply.run import Run
from airflow_provider_jicoo.bulk.plan import PlanFile
from tests.bulk.tools import connect
from tests.bulk.virtual import Memory, VirtualLoop, at_once


class Network:
    """Jicoo in memory: each request takes a second, and of five changes one is refused at first, and one lost."""

    def __init__(self, bookings):
        self.bookings = bookings
        self.changes = []

    async def ask(self, method, path, query, body):
        await asyncio.sleep(1.0)
        uid = path.rpartition("/")[2]
        if method == "GET":
            found = list(self.bookings.values()) if uid == "bookings" else self.bookings[uid]
            more = {"totalCount": len(found), "numberOfPages": 1} if uid == "bookings" else {}
            return self._answer({"data": found, "errors": {}, **more})
        self.changes.append(uid)
        is_first = self.changes.count(uid) == 1
        if is_first and len(set(self.changes)) % 5 == 0:
            return NoReply(Fault.NO_ANSWER, "lost")
        if is_first and len(set(self.changes)) % 5 == 1:
            return Reply(429, {"Retry-After": "7"}, b"{}", 0.0)
        fields = json.loads(body)
        fields.pop("isSendUpdates")
        self.bookings[uid] = {**self.bookings[uid], **fields}
        return self._answer({"data": self.bookings[uid], "errors": {}})

    def _answer(self, whole):
        return Reply(200, {"Content-Type": "application/json"}, json.dumps(whole).encode(), 0.0)

    async def close(self):
        pass


@pytest.fixture
def plan(jicoo_sandbox, tmp_path):
    """A plan in memory, and the bookings that it is for."""
    jicoo_sandbox.reset(bookings=60, seed=5)
    bookings = {row["uid"]: json.loads(json.dumps(row, default=times.wire)) for row in jicoo_sandbox.bookings()}
    with connect(jicoo_sandbox) as client:
        made = plan_changes(client, Selection(), UpdateFields(priority="high"), tmp_path / "p", is_send_updates=False)
    return made, (tmp_path / "p").read_bytes(), bookings


def applied(plan, seed, monkeypatch):
    """Apply it in virtual time; return the report, the files, the order of the changes, and when it ended."""
    made, content, bookings = plan
    files = {("plans", "p"): content}
    path = Memory(files, "plans", "p")
    network = Network(dict(bookings))
    loop = VirtualLoop()
    run = Run(
        Settings("sk_live_x", json.loads(content.splitlines()[0])["terms"]["baseUrl"]),
        path,
        lines := PlanFile(path, made.manifest["digest"]),
        Options(concurrency=8, tolerated_failures="100%"),
        control=control_file(path),
        stop=Stop(),
        by="",
        approval=None,
        tell=None,
        tell_every=10.0,
        effects=Effects(
            clock=loop.time,
            in_thread=at_once,
            transport=lambda settings, connections: network,
            random=random.Random(seed),
        ),
    )
    try:
        return loop.run_until_complete(run.run()), files, network, loop.time()
    finally:
        loop.close()
        lines.close()


def test_an_apply_in_virtual_time_without_threads(plan, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("the engine itself")

    monkeypatch.setattr(threading.Thread, "start", forbidden)
    monkeypatch.setattr(asyncio, "to_thread", forbidden)
    monkeypatch.setattr(time, "monotonic", forbidden)
    began = time.perf_counter()

    report, files, network, ended = applied(plan, 1, monkeypatch)

    assert report.counts["applied"] == plan[0].manifest["changes"]
    assert all(row["priority"] == "high" for row in network.bookings.values())
    assert len(network.changes) > plan[0].manifest["changes"]
    assert ended > 1000.0 + 60, "each request took a second of the loop's"
    assert time.perf_counter() - began < 20
    assert json.loads(files["plans", "p.report", "report.json"])["counts"] == report.counts


def test_the_same_seed_goes_the_same_way(plan, monkeypatch):
    first, second, other = (applied(plan, seed, monkeypatch) for seed in (1, 1, 2))

    assert first[2].changes == second[2].changes
    assert first[3] == second[3]
    journal = [{name for name in each[1] if ".journal" in name[1]} for each in (first, second, other)]
    assert journal[0] == journal[1]
    assert journal[0] != journal[2], "the token of the claim is at random"
