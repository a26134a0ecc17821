"""A worker is killed at every point, or sleeps through its own replacement: the ledger says what the guests saw.

``make test`` runs a seeded sample; with ``JICOO_LOAD=1`` all moments are run.
"""

from __future__ import annotations

import collections
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_jicoo.api.errors import JicooError
from airflow_provider_jicoo.bulk import apply as engine
from airflow_provider_jicoo.bulk.apply.journal import Journal, history
from airflow_provider_jicoo.bulk.errors import StoppedError
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.conftest import until
from tests.bulk.tools import quick

LOAD = bool(os.environ.get("JICOO_LOAD"))
BOOKINGS = 300
RUNS = 60 if LOAD else 0  # at the most; a hundred kills are enough
"""Of these, some moments come when the worker has ended already; a hundred kills are left at the least."""
KILLS = 5
"""So often each plan is killed, before it may end."""
MOMENTS = ("begun", "taken", "read", "sent", "answer", "journal", "outcome", "end")
pytestmark = pytest.mark.timeout(1800 if LOAD else 300)


class Moment:
    """When to kill: a word for the point, and how far from it.

    ========= ======================================================================================
    begun     so long after the start, at whatever is done then
    taken     so long after the plan was claimed; mostly while it waits for the lease before its own
    read      so long after it began to read the bookings again
    sent      when so many changes have arrived
    answer    when so many changes have arrived and are made, and none of them is answered
    journal   when so many files were written to the journal, and the next is perhaps being written
    outcome   the same, while answers are slow and the store is too
    end       so long after the last change was sent: while outcomes, release and report are written
    ========= ======================================================================================
    """

    def __init__(self, chance, where):
        self.where = where
        self.many = chance.randrange(1, 40)
        self.files = chance.randrange(1, 5)
        self.delay = chance.choice((0.0, chance.uniform(0.0, 0.02)))
        self.early = chance.uniform(0.0, 0.6)

    def __str__(self):
        return f"{self.where}-{self.many}"

    def await_(self, worker, case, files):
        """Wait until it has come, or the worker has ended."""
        sent, written, reads = case.sent(), files(), case.sandbox.count("GET")
        case.sandbox.latency = 0.15 if self.where == "answer" else 0.02 if self.where == "outcome" else 0.0
        come, then = {
            "begun": (lambda: True, self.early),
            "taken": (lambda: files() > written, self.early),
            "read": (lambda: case.sandbox.count("GET") > reads, self.delay),
            "sent": (lambda: case.sent() >= sent + self.many, self.delay),
            "answer": (lambda: case.sent() >= sent + self.many, 0.03),
            "journal": (lambda: files() >= written + self.files, self.delay / 4),
            "outcome": (lambda: files() >= written + self.files, self.delay),
            "end": (lambda: case.sent() >= BOOKINGS, self.early / 5),
        }[self.where]
        until(lambda: worker.ended or come())
        time.sleep(then)


def runs(seed, count):
    """Return the moments of so many runs, each KILLS of them; among all, each point comes about as often."""
    chance = random.Random(seed)
    drawn = []
    while len(drawn) < count * KILLS:
        drawn += chance.sample(MOMENTS[:-1], len(MOMENTS) - 1)
    made = [[Moment(chance, where) for where in drawn[run * KILLS : (run + 1) * KILLS]] for run in range(count)]
    for moments in made[::2]:  # the last point of all can only be the last one of a run
        moments[-1] = Moment(chance, "end")
    return made


def kill_and_retry(nursery, case, moments, files):
    """Kill a worker at each moment, start the next, and let the last one end. Return what was killed."""
    killed = collections.Counter()
    for moment in moments:
        worker = nursery.start(case.job())
        moment.await_(worker, case, files)
        if worker.kill():
            killed[moment.where] += 1
        case.check_messages()
    case.sandbox.latency = 0.0
    said = nursery.start(case.job()).wait()
    assert said.startswith(f"{len(case.lines)} planned changes"), said
    case.check_all_applied()
    return killed


def all_runs(make_case, nursery, seed, count, place, capsys):
    started, killed = time.monotonic(), collections.Counter()
    with Sandbox(bookings=BOOKINGS, seed=seed) as sandbox:
        for number, moments in enumerate(runs(seed, count)):
            if LOAD and sum(killed.values()) >= 100:
                break
            sandbox.reset(BOOKINGS, seed + number)
            path, files = place(number)
            case = make_case(sandbox, path=path)
            killed += kill_and_retry(nursery, case, moments, lambda case=case, files=files: files(case))
    total = sum(killed.values())
    with capsys.disabled():
        print(f"\n{total} kills, each run {BOOKINGS} bookings, {time.monotonic() - started:.0f} s: {dict(killed)}")
    assert total >= (100 if LOAD else count * KILLS / 2), "too few were still at work when they were killed"


@pytest.mark.proof
def test_killed_at_every_point_with_files(case, nursery, tmp_path, capsys):
    def place(number):
        folder = tmp_path / str(number)
        folder.mkdir()
        return folder / "plan.jsonl", lambda case: len(os.listdir(case.journal)) if case.journal.exists() else 0

    all_runs(case, nursery, 11, RUNS or 3, place, capsys)


@pytest.mark.proof
def test_killed_at_every_point_with_an_object_store(case, nursery, store, capsys):
    def place(number):
        # Other uploads are slow enough to be killed in the middle of them: they arrive after the death of their worker.
        store.delay = 0.01 if number % 2 else 0.0
        start = f"/{number}/plan.jsonl."
        return store.path(f"{number}/plan.jsonl"), lambda case: sum(
            key.startswith(start) for key in list(store.objects)
        )

    all_runs(case, nursery, 12, RUNS or 2, place, capsys)


# --- a zombie and its successor --------------------------------------------------------------------------------------


def asleep_with_answers(case):
    """All its requests are made, and not yet answered; the answers come while it sleeps."""
    case.sandbox.fail("hang", method="PATCH", share=1.0, seconds=0.5)
    sent = case.sent()
    until(lambda: case.sent() >= sent + 16)
    time.sleep(0.1)


def asleep_before_its_next_turn(case):
    """Its next requests wait for the pace."""
    sent = case.sent()
    until(lambda: case.sent() > sent)
    time.sleep(0.05)


def asleep_before_a_retry(case):
    """Its requests are refused for now and wait to be sent again."""
    case.sandbox.fail("rate_limit", method="PATCH", share=1.0, retry_after="1")
    sent = case.sent()
    until(lambda: case.sent() >= sent + 16)
    time.sleep(0.2)


def asleep_before_reading_back(case):
    """Its requests are lost, and it is about to read back whether they were made."""
    case.sandbox.fail("dropped_before", method="PATCH", share=1.0)
    sent = case.sent()
    until(lambda: case.sent() >= sent + 16)
    time.sleep(0.2)


ZOMBIES = [
    (asleep_with_answers, {}),
    (asleep_before_its_next_turn, {"rate": 5.0}),
    (asleep_before_a_retry, {}),
    (asleep_before_reading_back, {"policy": {"base": 0.05, "floor": 0.6}}),
]


@pytest.mark.parametrize("chunk", [7, 20, 200] if LOAD else [20])
@pytest.mark.parametrize(("fall_asleep", "more"), ZOMBIES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_zombie_sends_nothing_more(case, nursery, suspended, fall_asleep, more, chunk):
    with Sandbox(bookings=BOOKINGS, seed=5) as sandbox:
        made = case(sandbox)
        zombie = nursery.start(made.job(waves=[], chunk=chunk, **more))
        until(lambda: made.sent() >= 5)
        fall_asleep(made)
        with suspended(zombie):
            sandbox.heal()
            said = nursery.start(made.job(chunk=chunk)).wait()
            assert said.startswith("300 planned changes: 300 applied"), said
            made.check_all_applied()
            sent, told = made.sent(), made.report
        assert zombie.wait().startswith("StoppedError: another worker has taken this plan over")
        assert made.sent() == sent, "the zombie has sent something"
        assert made.report == told, "the zombie has written a report over that of its successor"
        made.check_all_applied()


def test_a_zombie_that_had_only_its_report_to_write_leaves_it_to_its_successor(case, nursery, suspended):
    with Sandbox(bookings=20, seed=5) as sandbox:
        made = case(sandbox)
        zombie = nursery.start(made.job(waves=[], options={"concurrency": 32}))
        sandbox.fail("hang", method="PATCH", share=1.0, seconds=0.5)
        until(lambda: made.sent() >= 20)
        with suspended(zombie):
            nursery.start(made.job()).wait()
            told = made.report
        assert zombie.wait().startswith("StoppedError: another worker has taken this plan over")
        assert made.report == told
        made.check_all_applied()


def test_a_plan_that_is_taken_at_the_last_moment_leaves_the_report_to_the_other(case):
    """The last look was long ago, and the next one would come after the report."""
    with Sandbox(bookings=20, seed=5) as sandbox, ThreadPoolExecutor(1) as pool:
        made = case(sandbox, "silent update")
        sandbox.fail("hang", method="PATCH", share=1.0, seconds=1.0)
        options = engine.Options(waves=(), concurrency=32, lease=60.0)
        with made.client() as client:
            applied = pool.submit(engine.apply_plan, client, made.path, digest=made.manifest["digest"], options=options)
            until(lambda: made.sent() >= 20)
            Journal(made.journal, 5.0).claim(history(made.journal))
            with pytest.raises(StoppedError, match="another worker has taken this plan over"):
                applied.result(30)
        assert not (made.path.parent / f"{made.path.name}.report").exists()
        assert not list(made.journal.glob("released-*"))
        made.check_messages()


def test_a_successor_is_fenced_while_it_waits(case, nursery, suspended):
    """Three at once: the first is alive, the second sleeps through its waiting, the third goes on."""
    with Sandbox(bookings=BOOKINGS, seed=6) as sandbox:
        made = case(sandbox)
        sandbox.latency = 0.05
        first = nursery.start(made.job(waves=[], rate=100.0))
        until(lambda: made.sent() >= 20)
        second = nursery.start(made.job(options={"lease": 1.0}))
        until(lambda: (made.journal / "claim-000002.json").exists() or len(list(made.journal.glob("claim-*"))) > 1)
        time.sleep(0.1)
        with suspended(second):
            assert first.wait().startswith("StoppedError: another worker has taken this plan over")
            assert nursery.start(made.job()).wait().startswith("300 planned changes: 300 applied")
            sent = made.sent()
        assert second.wait().startswith("StoppedError")
        assert made.sent() == sent
        made.check_all_applied()


@pytest.mark.parametrize("seed", range(20 if LOAD else 4))
def test_two_that_begin_at_once(case, nursery, seed):
    """One of them may go on, or none; a third one finishes."""
    with Sandbox(bookings=60, seed=seed) as sandbox:
        made = case(sandbox)
        sandbox.latency = 0.03
        chance = random.Random(seed)
        workers = []
        for _ in range(3):
            workers.append(nursery.start(made.job(waves=[])))
            time.sleep(chance.choice((0.0, chance.uniform(0.0, 0.02))))
        for worker in workers:
            worker.wait()
            made.check_messages()
        nursery.start(made.job()).wait()
        made.check_all_applied()


class Slow:
    """A folder whose files are about to be written when the other worker comes."""

    def __init__(self, path, barrier):
        self._path, self._barrier = path, barrier

    def __getattr__(self, name):
        return getattr(self._path, name)

    def __truediv__(self, part):
        return Slow(self._path / part, self._barrier)

    def open(self, mode):
        if mode == "wb":
            self._barrier()
        return self._path.open(mode)

    def iterdir(self):
        return (Slow(path, self._barrier) for path in self._path.iterdir())


@pytest.mark.parametrize("kind", ["files", "store"])
def test_of_two_that_claim_in_the_same_moment_one_at_the_most_gets_the_plan(tmp_path, store, kind):
    """Each has looked, and seen nobody, before the other has written."""
    folder = tmp_path if kind == "files" else store.path("journal")
    steps = {"first": threading.Event(), "second": threading.Event()}

    def second_first():
        # The first one has looked, and is overtaken before it has written.
        steps["first"].set()
        steps["second"].wait(5)

    got = []

    def claim(name, path):
        journal = Journal(path, 5.0)
        try:
            journal.claim(history(path))
            got.append((name, journal))
        except StoppedError:
            pass
        finally:
            steps[name].set()

    first = threading.Thread(target=claim, args=("first", Slow(folder, second_first)))
    first.start()
    steps["first"].wait(5)
    claim("second", folder)
    first.join()
    assert len(got) <= 1, "both believe that the plan is theirs"
    for _, journal in got:
        assert not journal.mine(), "it has not seen the other one when it claimed, and gives up at its next look"
    later = Journal(folder, 5.0)
    later.claim(history(folder))
    assert later.mine()
    assert not any(journal.mine() for _, journal in got)


def test_a_successor_waits_for_the_lease_of_the_one_before_not_for_its_own(case, nursery, suspended, tmp_path):
    """An operator's lease may be changed between two tries."""
    with Sandbox(bookings=60, seed=5) as sandbox:
        made = case(sandbox)
        first = nursery.start(made.job(waves=[], rate=5.0, options={"lease": 2.0}))
        until(lambda: made.sent() >= 2)
        first.kill()
        sent = made.sent()
        second = nursery.start(made.job())
        started = time.monotonic()
        until(lambda: made.sent() > sent or second.ended)
        assert time.monotonic() - started > 2.0, "the one before might still have been sending"
        second.wait()
        made.check_all_applied()


@pytest.fixture
def storage(tmp_path):
    """Makes paths as the operators do, in a store that remembers listings as those of S3 do: ``storage(conn_id)``."""
    sdk = pytest.importorskip("airflow.sdk")
    memory = pytest.importorskip("fsspec.implementations.memory")
    objects = {}

    class Remembering(memory.MemoryFileSystem):
        cachable = False

        def __init__(self):
            super().__init__(global_store=False)
            self.store, self.listings = objects, {}

        def ls(self, path, detail=True, **more):
            if (path, detail) not in self.listings:
                self.listings[path, detail] = super().ls(path, detail, **more)
            return self.listings[path, detail]

        def invalidate_cache(self, path=None):
            self.listings.clear()

    def make(conn_id):
        alias = f"memory-{tmp_path.name}-{conn_id}"
        sdk.io.attach(protocol="memory", conn_id=f"{tmp_path.name}-{conn_id}", fs=Remembering())
        assert sdk.io.attach(alias=alias).fs.store is objects
        return sdk.ObjectStoragePath("memory://bookings/plan.jsonl", conn_id=f"{tmp_path.name}-{conn_id}")

    return make


@pytest.mark.parametrize("kind", ["files", "store"])
def test_a_journal_in_airflows_object_storage(case, storage, tmp_path, kind):
    """What the operators use for every path."""
    path = storage("one") if kind == "store" else storage("one").__class__(f"file://{tmp_path}/plan.jsonl")
    with Sandbox(bookings=30, seed=4) as sandbox:
        made = case(sandbox, path=path)
        sandbox.fail("html", method="PATCH", path=f"/v1/bookings/{made.lines[17]['uid']}", status=400)
        with made.client() as client, pytest.raises(JicooError):
            engine.apply_plan(client, path, digest=made.manifest["digest"], options=quick(chunk=7))
        counts = made.check()
        assert counts["applied"] >= 4
        assert counts["rejected"] == 1
        with made.client() as client:
            options = quick(chunk=7, tolerated_failures=1)
            engine.apply_plan(client, path, digest=made.manifest["digest"], options=options)
        assert made.check() == {"applied": 29, "rejected": 1}


def test_a_store_that_remembers_its_listings_shows_a_successor(storage):
    first, second = Journal(storage("one") / "journal", 5.0), Journal(storage("two") / "journal", 5.0)
    first.claim(history(storage("one") / "journal"))
    assert first.mine()
    second.claim(history(storage("two") / "journal"))
    assert second.mine()
    assert not first.mine()
