"""What the tests share: a sandbox and its client; workers to kill, and the ledger that says what came of it."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.api.written import reflects_exactly
from airflow_provider_jicoo.bulk import Cancel, Reschedule, Selection, UpdateFields, plan_changes
from airflow_provider_jicoo.bulk.files import read_bytes
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import NOW, connect

WORKER = Path(__file__).with_name("worker.py")
ROOT = WORKER.parents[2]


def until(what, seconds=30.0, every=0.002):
    """Wait until ``what()`` is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"{what} was not true within {seconds} s"
        time.sleep(every)
    return found


# --- the sandbox -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    """A sandbox for all tests of a file, each of which resets it: its ``sandbox`` fixture does."""
    with Sandbox(bookings=0, now=NOW) as made:
        yield made


@pytest.fixture
def jicoo(sandbox):
    """A client of the file's ``sandbox``."""
    with connect(sandbox) as client:
        yield client


# --- workers ---------------------------------------------------------------------------------------------------------


class Worker:
    """A worker process.

    :param pid: its process id.
    :param said: the file where it writes how it ended.
    """

    def __init__(self, nursery, pid, said):
        self._nursery, self.pid, self._said = nursery, pid, said
        self.exit_code = None

    @property
    def ended(self):
        if self.exit_code is None:
            self.exit_code = self._nursery.ask({"poll": self.pid})
        return self.exit_code is not None

    def signal(self, number):
        if not self.ended:
            os.kill(self.pid, number)

    def kill(self):
        """Kill it, and tell whether it was still at work."""
        self.signal(signal.SIGKILL)
        until(lambda: self.ended)
        return self.exit_code == -signal.SIGKILL

    def wait(self, seconds=60.0):
        """Wait for its end and return what it said."""
        until(lambda: self.ended, seconds, 0.01)
        log = Path(f"{self._said}.log").read_text()
        assert self.exit_code in (0, 3), f"exit code {self.exit_code}: {log}"
        return self._said.read_text()


class Nursery:
    """The process that forks workers."""

    def __init__(self, folder):
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self._workers = []
        self._asking = threading.Lock()

    def ask(self, question):
        with self._asking:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def start(self, job):
        said = self._folder / f"said-{len(self._workers):04d}"
        worker = Worker(self, self.ask({"job": {**job, "said": str(said)}}), said)
        self._workers.append(worker)
        return worker

    def close(self):
        for worker in self._workers:
            worker.kill()
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    """Starts workers: ``nursery.start(job)``."""
    made = Nursery(tmp_path_factory.mktemp("workers"))
    yield made
    made.close()


@pytest.fixture
def store():
    """An object store."""
    from tests.bulk.worker import Store

    made = Store()
    yield made
    made.close()


# --- plans -----------------------------------------------------------------------------------------------------------


def moved(booking):
    """Return a change to a slot that is free, years from now: other bookings keep their distance."""
    return Reschedule(times.moment(booking["startedAt"]) + timedelta(days=3640))


CHANGES = {
    "update": (UpdateFields(description="Room 2, please ring the bell."), Selection(), True),
    "silent update": (UpdateFields(description="Room 2, please ring the bell."), Selection(), False),
    "reschedule": (moved, Selection(status="open"), None),
    "cancel": (Cancel(), Selection(status="open"), None),
}


class Case:
    """A plan over the bookings of a sandbox, and the ledger of what became of them.

    :param kind: one of CHANGES.
    :param path: where the plan is.
    """

    def __init__(self, sandbox, path, kind="update", client=None, **more):
        change, selection, said = CHANGES[kind]
        self.sandbox, self.path = sandbox, path
        more = {"selection": selection, "change": change, "is_send_updates": said, **more}
        with client or self.client() as jicoo:
            self.plan = plan_changes(jicoo, more.pop("selection"), more.pop("change"), path, **more)
        self.before = {booking["uid"]: booking for booking in sandbox.bookings()}
        self.messaging = kind != "silent update"
        self.edited = {}
        self.deleted = set()

    @property
    def manifest(self):
        return self.plan.manifest

    @property
    def lines(self):
        return [json.loads(line) for line in read_bytes(self.path).splitlines()[1:]]

    def client(self, **settings):
        settings = {"timeout": 1, "server_grace": 1, **settings}
        return JicooClient(Settings(self.sandbox.api_key, base_url=self.sandbox.url, **settings))

    def job(self, **more):
        """Return what a worker is told; quick, and with many segments."""
        return {
            "url": self.sandbox.url,
            "key": self.sandbox.api_key,
            "plan": str(self.path),
            "digest": self.manifest["digest"],
            "chunk": 20,
            "policy": {"base": 0.05, "longest_backoff": 0.2, "floor": 0.1},
            **more,
            "options": {"lease": 0.2, "concurrency": 16, "on_doubt": "again", **more.get("options", {})},
        }

    @property
    def journal(self):
        return self.path.parent / f"{self.path.name}.{self.manifest['digest'][:12]}.journal"

    @property
    def report(self):
        return json.loads(read_bytes(self.path.parent / f"{self.path.name}.report" / "report.json"))

    @property
    def outcomes(self):
        found = [
            json.loads(line)
            for line in read_bytes(self.path.parent / f"{self.path.name}.report" / "outcomes.jsonl").splitlines()
        ]
        assert [each["uid"] for each in found] == [line["uid"] for line in self.lines], "not one outcome for each"
        return {each["uid"]: each["outcome"] for each in found}

    def sent(self):
        """Count the requests that would change something."""
        return self.sandbox.count("PATCH") + self.sandbox.count("POST")

    # --- somebody else ---

    def edit(self, uid, **fields):
        self.edited[uid] = {**self.edited.get(uid, {}), **fields}
        self.sandbox.edit(uid, **fields)

    def delete(self, uid):
        self.deleted.add(uid)
        self.sandbox.delete(uid)

    # --- the ledger ---

    def check(self):
        """Compare the report with what the sandbox has seen; return how many have which outcome."""
        outcomes = self.outcomes
        counts = collections.Counter(outcomes.values())
        told = self.report
        assert {name: count for name, count in told["counts"].items() if count} == dict(counts)
        assert told["changes"] == len(outcomes)
        self.check_messages()
        now = {booking["uid"]: booking for booking in self.sandbox.bookings()}
        messaged = collections.Counter(message.uid for message in self.sandbox.messages)
        planned = {line["uid"]: line for line in self.lines}
        for uid, was in self.before.items():
            outcome = outcomes.get(uid)
            is_now = now.get(uid)
            if outcome in ("applied", "unchanged"):
                if uid not in self.deleted and not self.edited.get(uid, {}).keys() & planned[uid]["after"].keys():
                    assert reflects_exactly(is_now, planned[uid]["after"]), (uid, outcome)
                if outcome == "unchanged":
                    assert not messaged[uid], f"{uid} is said to be so already, but its guests were messaged"
                elif self.messaging and uid not in self.deleted:
                    assert messaged[uid] == len(self.sandbox.contacts(uid)), f"{uid} is said to be applied, in silence"
            elif outcome != "unknown":
                assert not messaged[uid], f"{uid} is said to be {outcome}, but its guests were messaged"
                assert _still(is_now, None if uid in self.deleted else {**was, **self.edited.get(uid, {})}), (
                    f"{uid} is said to be {outcome}, but it is changed"
                )
        return counts

    def check_messages(self):
        """Nobody was messaged twice, nor a booking changed twice."""
        each = collections.Counter((message.uid, message.guest) for message in self.sandbox.messages)
        twice = {who: count for who, count in each.items() if count > 1}
        assert not twice, f"{len(twice)} guests were messaged more than once: {twice}"
        if not self.messaging:
            assert not each

    def check_all_applied(self):
        """Every planned booking is changed, exactly once, and every guest of it knows, once."""
        assert self.check() == {"applied": len(self.lines)}
        for uid in self.outcomes:
            assert sum(message.uid == uid for message in self.sandbox.messages) == (
                len(self.sandbox.contacts(uid)) if self.messaging else 0
            )


def _still(now, then):
    if now is None or then is None:
        return now is then
    return {**now, "updatedAt": ""} == {**then, "updatedAt": ""}


@pytest.fixture
def case(tmp_path):
    """Makes a :class:`Case` over a sandbox: ``case(sandbox, "cancel")``."""
    return lambda sandbox, kind="update", path=None, **more: Case(
        sandbox, path or tmp_path / "plan.jsonl", kind, **more
    )


@pytest.fixture
def suspended():
    """Stop a worker in the middle of whatever it does, and let it go on at the end in any case."""

    @contextlib.contextmanager
    def stopped(worker):
        worker.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            worker.signal(signal.SIGCONT)

    return stopped
