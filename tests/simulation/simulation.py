"""One schedule of the shipped engine: workers, a server, a network and storage, and what must hold after every step."""

from __future__ import annotations

import contextlib
import json
import random
import re
import zlib
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field

from airflow_provider_jicoo.api.exchange import Reply
from airflow_provider_jicoo.bulk import plan_undo
from airflow_provider_jicoo.bulk.apply.control import control_file
from airflow_provider_jicoo.bulk.apply.effects import Effects
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.run import Run
from airflow_provider_jicoo.bulk.apply.stop import Stop
from airflow_provider_jicoo.bulk.apply.waves import Tolerance, wave_sizes
from airflow_provider_jicoo.bulk.errors import JournalDamagedError, StoppedError
from airflow_provider_jicoo.bulk.outcomes import Outcome
from airflow_provider_jicoo.bulk.plan import PlanFile
from airflow_provider_jicoo.bulk.plan.seen import FIELDS
from tests.simulation import scenario as scenarios
from tests.simulation.disk import Storage
from tests.simulation.jicoo import ABOUT_MESSAGES, Jicoo, Network
from tests.simulation.loop import Loop, StuckError
from tests.simulation.plans import PATH, SETTINGS, Direct, plan

MOST_STEPS, MOST_TRIES = 60_000, 12
_SEGMENT = re.compile(r"\d{6}-[0-9a-f]{8}-\d{6}\.jsonl")
_BROKEN = re.compile(r"^\w+; the log has its text at DEBUG")


class ViolationError(Exception):
    """Something that must hold does not."""


@dataclass(eq=False)
class Process:
    """One try of a worker, and what is seen of it from outside.

    ``claim`` is the number of its claim. ``intents`` are those that are durable, of this try. ``left`` has the
    outcomes that it found, ``recorded`` those that it has come to. ``singles`` and ``lists`` are what it has read.
    ``looked`` is when it last saw the plan to be its own, ``is_lost`` whether it has seen another worker's claim.
    """

    machine: object
    phase: str
    stop: Stop
    claim: int = 0
    intents: set = field(default_factory=set)
    left: dict = field(default_factory=dict)
    recorded: dict = field(default_factory=dict)
    bad: int = 0
    singles: dict = field(default_factory=dict)
    lists: dict = field(default_factory=dict)
    under_way: Counter = field(default_factory=Counter)
    sent: Counter = field(default_factory=Counter)
    is_lost: bool = False
    looked: float = 0.0
    plan: object = None
    result: object = None
    is_over: bool = False

    def open_plan(self, phase):
        self.plan = PlanFile(phase.path, phase.digest)
        return self.plan

    def close(self):
        if self.plan is not None:
            self.plan.close()

    def knew(self, uid):
        """Tell whether an earlier try had settled a change for good."""
        outcome = self.left.get(uid)
        return outcome is not None and outcome.is_final


@dataclass
class Phase:
    """The apply of one plan: the first, or the one that takes it back.

    :param before: the bookings as they were when it was planned.
    """

    name: str
    path: object
    digest: str
    changes: dict
    waves: dict
    messages: dict
    before: dict
    top: int = 0
    intended: set = field(default_factory=set)
    promised: set = field(default_factory=set)
    senders: dict = field(default_factory=dict)
    processes: list = field(default_factory=list)
    report: object = None
    is_mixed: bool = False
    """Whether two may have written the report at once."""


class World:
    """Everything of one schedule.

    :param drawn: the scenario.
    """

    def __init__(self, drawn, log=None):
        self.drawn, self.log = drawn, log
        self.loop = Loop(random.Random(f"{drawn.seed} order"), MOST_STEPS)
        self.draw = random.Random(f"{drawn.seed} time").random
        self.lease = drawn.options["lease"]
        self.phase = "apply"
        self.phases = {}
        self.problems = []
        self.seen = Counter()
        self.trace = 0
        self.calm = self.is_left_to_a_person = False
        self._numbers = self._coming = 0
        self._waiting = defaultdict(list)
        content, digest, rows = plan(drawn.what, drawn.count)
        self.storage = Storage(
            self.loop,
            random.Random(f"{drawn.seed} disk"),
            drawn.storage,
            drawn.lag,
            drawn.slow_disk,
            self._on_storage,
        )
        self.server = Jicoo(
            self.loop,
            random.Random(f"{drawn.seed} server"),
            rows,
            lag=drawn.list_lag,
            minds_slots=drawn.minds_slots,
            cancels_again=drawn.cancels_again,
            on_effect=self._on_effect,
        )
        path = self.storage.path(*PATH)
        self.storage.put(PATH, content)
        self.begin_phase("apply", path, digest, rows)
        for disturbance in drawn.disturbances:
            if disturbance.kind == "time":
                self.later(disturbance.nth, self._disturb, disturbance, None)
            else:
                self._waiting[disturbance.kind, disturbance.nth].append(disturbance)

    def begin_phase(self, name, path, digest, before):
        with closing(PlanFile(path, digest)) as lines:
            changes = {line.uid: line for line in lines}
            said = lines.header["terms"]["isSendUpdates"]
        messages = {uid: line.action != "update" or bool(said) for uid, line in changes.items()}
        waves, number = {}, iter(changes)
        for wave, size in enumerate(wave_sizes(self.drawn.options["waves"], len(changes)), 1):
            waves.update((next(number), wave) for _ in range(size))
        before = {uid: dict(before[uid]) for uid in changes}
        self.phase = name
        self.phases[name] = Phase(name, path, digest, changes, waves, messages, before)

    @property
    def now(self):
        return self.phases[self.phase]

    def later(self, seconds, then, *arguments):
        self.loop.call_later(seconds, then, *arguments, context=self.loop.world.context)

    def next_number(self):
        self._numbers += 1
        return self._numbers - 1

    def close(self):
        """Leave nothing behind."""
        self.storage.sealed = True
        self.loop.close()
        for phase in self.phases.values():
            for process in phase.processes:
                process.close()

    def tell(self, words):
        """Write a line of the log, where one is wanted."""
        if self.log is not None:
            self.log.append(f"{self.loop.now - 1000.0:8.3f} {self.loop.machine!s:>6} {words}")

    def violated(self, words):
        self.tell(f"VIOLATED: {words}")
        self.problems.append(words)

    def check(self):
        """What must hold after every step."""
        if self.problems:
            raise ViolationError(self.problems[0])
        if self.loop.errors:
            raise ViolationError(f"the loop was told of {self.loop.errors[0]}")

    # --- what happens, and what goes wrong ---------------------------------------------------------------------------

    def event(self, kind, about=""):
        """Note that something happened to the machine whose step it is."""
        self.seen[kind] += 1
        self.trace = zlib.crc32(f"{self.loop.machine}{kind}{about}".encode(), self.trace)
        if self.log is not None and kind not in ("access", "whole", "durable"):
            self.tell(f"{kind} {about}")
        if not self.calm and (waiting := self._waiting.get((kind, self.seen[kind]))):
            for disturbance in waiting:
                self._disturb(disturbance, self.loop.machine)

    def _disturb(self, disturbance, machine):
        if self.calm:
            return
        alive = [each for each in self.now.processes if not each.is_over and not each.machine.is_dead]
        process = next((each for each in alive if each.machine is machine), None)
        if process is None and alive:
            process = alive[int(self.draw() * len(alive))]
        self.seen[f"disturbance {disturbance.act}"] += 1
        self.tell(f"DISTURBED: {disturbance.act} {disturbance.value or ''} of {process and process.machine}")
        getattr(self, f"_{disturbance.act}")(process, disturbance.value)

    def _kill(self, process, _):
        if process is not None:
            process.machine.kill()
            self._ended(process, "killed")

    def _power(self, process, _):
        for each in self.now.processes:
            if not each.is_over:
                self._kill(each, None)
        self.storage.lose_power()

    def _freeze(self, process, seconds):
        if process is not None:
            process.machine.stand_still(seconds)

    def _jump(self, process, seconds):
        if process is not None:
            process.machine.jumped += seconds

    def _full(self, process, _):
        if process is not None:
            self.storage.full.add(process.machine)
            self.later(8.0 * self.draw(), self.storage.full.discard, process.machine)

    def _stop(self, process, _):
        if process is not None:
            process.stop()

    def _start(self, process, _):
        self.start()

    def _control(self, process, what):
        said = {
            "pause": b'{"state": "pause"}',
            "stop": b'{"state": "stop"}',
            "slow": b'{"max_requests_per_second": 1}',
            "nonsense": b"pause!",
        }[what]
        path = self.now.path
        parts = (*path.parts[:-1], f"{path.name}.control")
        self.storage.put(parts, said)
        self.later(12.0 * self.draw(), self.storage.files.pop, parts, None)

    def _edit(self, process, value):
        uid, how = f"b{value[0]}", value[1]
        row = self.server.rows.get(uid)
        if row is None:
            return
        fields = {
            "description": {"description": f"somebody's {self.loop.now}"},
            "priority": {"priority": "middle"},
            "same": dict(self.now.changes[uid].after) if uid in self.now.changes else {},
            "cancel": {"status": "cancel"},
            "delete": None,
            "touch": {},
            "hosts": {"hosts": [{"userId": "somebody", "role": "admin"}]},
            "move": {"startedAt": "2026-12-01T00:00:00.000Z", "endedAt": "2026-12-01T00:30:00.000Z"},
        }[how]
        self.server.edit(uid, fields)

    def fault_of(self, request):
        fault = None if self.calm else self.drawn.faults.get(request.number)
        if fault is None:
            return "none", 0.0
        name = fault[0] if request.method == "GET" else fault[1]
        if request.path == "/v1/bookings" and name == "repeated":
            name = "slow"
        self.seen[f"fault {name}"] += 1
        self.tell(f"FAULT: {name} {fault[2]:.1f} of #{request.number}")
        return name, fault[2]

    # --- workers -----------------------------------------------------------------------------------------------------

    def start(self, by="task", *, again=0):
        """Start a try of a worker.

        :param again: how often it is started again where its task is to be retried.
        """
        phase = self.now
        machine = self.loop.boot(f"{phase.name[0]}{len(phase.processes) + 1}")
        process = Process(machine, phase.name, Stop())
        phase.processes.append(process)
        machine.again = again
        machine.process = process
        machine.start(self._try(process, by))

    async def _try(self, process, by):
        phase = self.phases[process.phase]
        machine, drawn = process.machine, self.drawn
        own = random.Random(f"{drawn.seed} {machine.name}")
        run = Run(
            SETTINGS,
            phase.path,
            process.open_plan(phase),
            drawn.make_options(),
            control=control_file(phase.path),
            stop=process.stop,
            by=by,
            approval=None,
            tell=None,
            tell_every=10.0,
            effects=Effects(
                clock=machine.clock,
                in_thread=machine.in_thread,
                transport=lambda settings, connections: Network(self, machine, settings.timeout),
                random=own,
            ),
        )
        try:
            result = await run.run()
        except Exception as error:
            result = error
        if not self.storage.sealed:
            self.event("over", f"{type(result).__name__} {result}")
        self._ended(process, result)

    def _ended(self, process, result):
        if process.is_over or self.storage.sealed:
            return
        process.is_over, process.result = True, result
        process.close()
        self._check_result(process)
        again = process.machine.again
        is_done = not isinstance(result, (str, Exception)) and result.ok
        if again and not is_done:
            self._start_later((4.0 if self.draw() < 0.5 else 0.5) * self.draw(), process.phase, again - 1)

    def _start_later(self, seconds, phase, again):
        self._coming += 1
        self.later(seconds, self._start_again, phase, again)

    def _start_again(self, phase, again):
        self._coming -= 1
        if self.phase == phase and not self.calm:
            self.start(again=again)

    # --- what must hold: when a request leaves -----------------------------------------------------------------------

    def on_leaving(self, request):
        process = request.machine.process
        phase = self.phases[process.phase]
        self.event("left", f"#{request.number} {request.method} {request.path}")
        if request.method != "GET":
            process.under_way[request.uid] += 1
            process.sent[request.uid] += 1
            self._check_leaving(phase, process, request)
        phase.top = max(phase.top, process.claim)

    def _check_leaving(self, phase, process, request):
        uid, change = request.uid, phase.changes.get(request.uid)
        if change is None:
            self.violated(f"{request}: it is not planned")
            return
        body = {name: value for name, value in request.body.items() if name not in ABOUT_MESSAGES}
        if request.kind != change.action or body != (change.after if change.send is None else change.send):
            self.violated(f"{request}: it is not what was planned")
        if uid not in process.intents:
            self.violated(f"{request}: its intent is not durable")
        if process.claim < phase.top:
            self.violated(f"{request}: it is fenced off, claim {process.claim} of {phase.top}")
        if phase.senders.setdefault(process.claim, process) is not process:
            self.violated(f"{request}: two workers send by claim {process.claim}")
        if uid in process.recorded or process.knew(uid):
            self.violated(f"{request}: it has its outcome")
        if process.under_way[uid] > 1:
            self.violated(f"{request}: it is under way already")
        self._check_reading(phase, process, request)
        self._check_waves(phase, process, request)

    def _check_reading(self, phase, process, request):
        """What was read last must be as planned, and not too long ago."""
        uid = request.uid
        readings = process.singles.get(uid, [])
        single = readings[-1] if readings else (-1.0, None)
        # A list that was asked for others may have its row, which nobody looks at.
        listed = process.lists.get(uid, [])
        # What is sent once more goes by the fields that it changes.
        names = FIELDS if process.sent[uid] == 1 else tuple(phase.changes[uid].before)
        before = phase.before[uid]
        good = [
            at
            for at, row in (single, *listed)
            if row is not None and all(row.get(name) == before.get(name) for name in names)
        ]
        if not good or (single[0] not in good and single[0] > max(good)):
            self.violated(f"{request}: what was read of it last is not as planned")
            return
        # It is read once more where that was too long ago, but only once.
        age = self.loop.now - max(good)
        if len(readings) + (uid in process.lists) < 2 and age > self.drawn.timing["fresh"] + 0.01:
            self.violated(f"{request}: it was read {age:.1f} s ago")

    def _check_waves(self, phase, process, request):
        wave = phase.waves[request.uid]
        for uid, other in phase.waves.items():
            if other < wave and uid not in process.recorded and not process.knew(uid):
                self.violated(f"{request}: it is of wave {wave}, and {uid} of wave {other} has no outcome")
        for uid in phase.changes[request.uid].waits_for:
            if uid not in process.recorded and not process.knew(uid):
                self.violated(f"{request}: it is to take the slot of {uid}, which has no outcome")
        if Tolerance(self.drawn.options["tolerated_failures"]).exceeded(process.bad, len(phase.changes)):
            self.violated(f"{request}: {process.bad} went wrong before")

    def on_answered(self, request, came):
        process = request.machine.process
        self.event("answered", f"#{request.number} {came}")
        if request.method != "GET":
            process.under_way[request.uid] -= 1
            if isinstance(came, Reply) and came.status == 200:
                self.phases[request.phase].promised.add(request.uid)
        elif isinstance(came, Reply) and request.seen is not None:
            for uid, row in request.seen.items():
                if request.path == "/v1/bookings":
                    process.lists.setdefault(uid, []).append((request.sent, row))
                else:
                    process.singles.setdefault(uid, []).append((request.sent, row))

    # --- what must hold: on the server and on the disk ---------------------------------------------------------------

    def _on_effect(self, request):
        self.event("effect", f"#{request.number} {request.kind} {request.uid}")
        told = self.server.messages[request.phase, request.uid]
        if told > 1:
            others = ", ".join(str(each) for _, each in self.server.effects[request.phase, request.uid])
            self.violated(f"the guest of {request.uid} is messaged {told} times: {others}")

    def _on_storage(self, kind, parts=(), content=b""):
        if kind in ("access", "torn"):
            self.event(kind)
            return
        process = getattr(self.loop.machine, "process", None)
        if process is None:
            return
        phase, name = self.phases[process.phase], parts[-1]
        if _SEGMENT.fullmatch(name):
            lines = [json.loads(raw) for raw in content.splitlines()]
            intents = {uid for line in lines for uid in line.get("intent", ())}
            if kind == "whole":
                phase.intended |= intents
            else:
                process.intents |= intents
                process.intents -= {line["uid"] for line in lines if line.get("outcome", "") is None}
                self.event("intent", content.decode())
        elif kind == "durable":
            self._on_durable(process, name, content)
        self.event(kind)

    def _on_durable(self, process, name, content):
        if name.startswith("claim-"):
            process.claim = int(name.split("-")[1])
            self.event("claim")
        elif name.startswith("released-"):
            self.event("released")
        elif name == "report.json":
            self._on_report(process.machine, process, content)

    def _on_report(self, machine, process, content):
        phase = self.phases[process.phase]
        if process.is_lost or (process.claim < phase.top and self.loop.now < process.looked + self.lease):
            self.violated(f"{machine} writes a report, though it is fenced off: claim {process.claim} of {phase.top}")
        elif process.claim < phase.top or self.loop.now >= process.looked + self.lease:
            # One that stands still while it writes its report cannot know; the next try writes it anew.
            phase.is_mixed = True
        elif not phase.is_mixed:
            self._check_report(phase, json.loads(content), self._outcomes(phase))
        self.event("report")

    def _outcomes(self, phase):
        path = phase.path
        file = self.storage.files[(*path.parts[:-1], f"{path.name}.report", "outcomes.jsonl")]
        return {line["uid"]: line["outcome"] for line in map(json.loads, file.content.splitlines())}, file.content

    def _check_report(self, phase, facts, found):
        outcomes, content = found
        if list(outcomes) != list(phase.changes) or len(content.splitlines()) != len(phase.changes):
            self.violated(f"the outcomes are not one for each planned change: {outcomes}")
        counts = Counter(outcomes.values())
        if {name: count for name, count in facts["counts"].items() if count} != counts:
            self.violated(f"the report counts {facts['counts']}, and lists {counts}")

    # --- what must hold: outcomes ------------------------------------------------------------------------------------

    def on_ledger(self, machine, entries):
        machine.process.left.update((uid, entry.outcome) for uid, entry in entries.items())

    def on_record(self, machine, change, entry):
        process, uid = machine.process, change.uid
        phase = self.phases[process.phase]
        self.event("recorded", f"{uid} {entry.outcome.value}: {entry.detail}")
        self.seen[f"outcome {entry.outcome.value}"] += 1
        if uid in process.recorded or process.knew(uid):
            self.violated(f"{machine}: {uid} gets a second outcome, {entry.outcome}")
        if _BROKEN.match(entry.detail):
            self.violated(f"{machine}: {uid}: {entry.detail}")
        process.recorded[uid] = entry.outcome
        if entry.outcome.is_bad and not (entry.outcome is Outcome.UNKNOWN and change.is_inherited):
            process.bad += 1
        if process.under_way[uid]:
            self.violated(f"{machine}: {uid} is {entry.outcome.value}, though it is under way")
        if process.claim == phase.top:  # what one that is fenced off believes goes nowhere
            self._check_truth(phase, uid, entry.outcome, f"{machine}: {uid} is {entry.outcome.value}")

    def _check_truth(self, phase, uid, outcome, words):
        """Compare an outcome with what the server did.

        A quiet change that was read back as not made has failed, though the server may make it after that. Where the
        server answered with success and the state before, and makes it later, an edit between the two looks as if it
        had stored that value.
        """
        made = self.server.effects[phase.name, uid]
        edited = self.server.edits[uid]
        if self._is_shared(phase) and not phase.messages[uid]:
            return
        if outcome is Outcome.APPLIED and not made and uid not in phase.promised:
            change = phase.changes[uid]
            if not any(fields and self._sets(fields, change.after) for _, fields in edited):
                self.violated(f"{words}, but nobody made it")
        elif outcome in (Outcome.UNCHANGED, Outcome.STALE) and made:
            self.violated(f"{words}, but it was made")
        elif outcome is Outcome.UNKNOWN and uid not in phase.intended and not self._has_lost_a_claim():
            self.violated(f"{words}, but no intent of it was ever durable")
        elif outcome in (Outcome.REJECTED, Outcome.FAILED) and made and phase.messages[uid]:
            self.violated(f"{words}, but it was made, and its guest messaged")

    def _is_shared(self, phase):
        """Tell whether two hold claims of one number.

        Where a listing lags, and the one was slow to write its claim, both may carry out quiet changes until the one
        that lost it looks again: docs/simulation.md, "What it does not show".
        """
        claims = [process.claim for process in phase.processes if process.claim]
        return self.drawn.lag > 0 and len(claims) > len(set(claims))

    def _has_lost_a_claim(self):
        """Tell whether a claim is lost: whoever made it may have sent anything, as far as the next one can tell."""
        return any(name.startswith("claim-") for name in self.storage.lost)

    @staticmethod
    def _sets(fields, after):
        return any(fields.get(name) == value for name, value in after.items())

    def _check_result(self, process):
        result, machine = process.result, process.machine
        if isinstance(result, str):
            return
        if isinstance(result, Exception):
            if isinstance(result, StoppedError) or (isinstance(result, OSError) and result.errno == 28):
                return
            phase = self.phases[process.phase]
            has_stood_still = any(each.machine.thawed > 0 for each in phase.processes)
            if isinstance(result, (FileNotFoundError, json.JSONDecodeError)) and has_stood_still:
                phase.is_mixed = True
            elif isinstance(result, JournalDamagedError) and any(
                name.startswith("claim-") for name in self.storage.lost
            ):
                # It cannot tell a claim that never was from one that is lost: a person has to look.
                self.is_left_to_a_person = True
            else:
                self.violated(f"{machine} ends with {type(result).__name__}: {result}")
            return
        if result.ok and (result.counts["failed"] or result.counts["unknown"] or result.reason):
            self.violated(f"{machine} is green, with {result.counts}")
        self.phases[process.phase].report = result

    # --- the whole schedule ------------------------------------------------------------------------------------------

    def run(self):
        drawn = self.drawn
        for at in drawn.starts:
            self._start_later(at, "apply", drawn.retries)
        self._let_run(self._is_quiet)
        self._bring_to_an_end()
        self._check_end()
        if drawn.undo and self.now.report is not None and not self.is_left_to_a_person:
            self._undo()

    def _is_quiet(self):
        return all(process.is_over for process in self.now.processes) and not self._coming

    def _let_run(self, is_over):
        self.loop.run(is_over, self.check)

    def _bring_to_an_end(self):
        """With nothing going wrong any more, further tries come to the end of the plan."""
        self.calm = True
        self.storage.full.clear()
        phase, tries = self.now, 0
        self.storage.files.pop((*phase.path.parts[:-1], f"{phase.path.name}.control"), None)
        while not self.is_left_to_a_person and not self._is_all_settled(phase):
            tries += 1
            if tries > MOST_TRIES and self._may_be_held_up(phase):
                break
            if tries > MOST_TRIES:
                raise ViolationError(f"{tries} calm tries do not bring it to its end: {self._last_outcomes(phase)}")
            self.start("a person")
            self._let_run(self._is_quiet)
        # What the server is still at work on.
        until = self.loop.now + 200.0
        self.later(200.0, bool)
        self._let_run(lambda: self.loop.now >= until)

    def _may_be_held_up(self, phase):
        """Tell whether something may end each try too early: a slot that is not left, an edit that is to end it, or
        bookings that are all gone.
        """
        is_chain = any(change.waits_for for change in phase.changes.values())
        # Of a plan whose first bookings are all deleted it is said that it may be of another account.
        first = list(phase.changes)[: self.drawn.timing["chunk"]]
        is_gone = len(first) > 1 and not any(uid in self.server.rows for uid in first)
        return is_chain or is_gone or self.drawn.options["on_stale"] == "fail"

    def _last_outcomes(self, phase):
        return self._outcomes(phase)[0] if phase.report is not None else {}

    def _is_all_settled(self, phase):
        """Tell whether the last try has come to the end of the plan."""
        last = phase.processes[-1]
        if phase.is_mixed:
            phase.is_mixed = False
            return False
        if isinstance(last.result, (str, Exception)) or last.claim < phase.top:
            return False
        found = self._last_outcomes(phase)
        left = {uid for uid, outcome in found.items() if outcome in ("failed", "not_attempted")}
        return all(phase.changes[uid].waits_for for uid in left) and not (
            last.result.reason and "not_attempted" in found.values()
        )

    def _check_end(self):
        """The report must be true of what the server has in the end."""
        phase = self.now
        if self.is_left_to_a_person:
            return
        for uid, outcome in self._last_outcomes(phase).items():
            words = f"in the end {uid} is {outcome}"
            self._check_truth(phase, uid, Outcome(outcome), words)
            if outcome == "applied":
                self._check_shows(phase, uid, words)
        self._check_sends(phase)
        self.check()

    def _check_sends(self, phase):
        """What was made more than once must be counted so, whoever of its senders was killed."""
        if phase.report is None:
            return
        for line in map(json.loads, self._outcomes(phase)[1].splitlines()):
            made = len(self.server.effects[phase.name, line["uid"]])
            if made > max(1, line.get("sends", 1)):
                self.violated(f"{line['uid']} was made {made} times, and the report says {line}")

    def _check_shows(self, phase, uid, words):
        row, after = self.server.rows.get(uid), phase.changes[uid].after
        last_edit = max((at for at, _ in self.server.edits[uid]), default=0.0)
        made = self.server.effects[phase.name, uid]
        if row is None or (made and last_edit >= made[0][0]) or not made:
            return
        if any(row[name] != value for name, value in after.items()):
            self.violated(f"{words}, and the booking does not show it: {row}")

    def _undo(self):
        first = self.now
        path = self.storage.path("plans", "undo")
        outcomes = self._last_outcomes(first)
        if not any(outcome == "applied" for outcome in outcomes.values()):
            return
        updates = any(change.action == "update" for change in first.changes.values())
        mixed = any(change.action != "update" for change in first.changes.values())
        loud = (True if mixed else self.drawn.undo_loud) if updates else None
        made = plan_undo(Direct(self.server), first.path, path, is_send_updates=loud)
        at = self.loop.now
        before = {uid: dict(row) for uid, row in self.server.rows.items()}
        self.begin_phase("undo", path, made.manifest["digest"], before)
        self._check_undo_plan(first, outcomes, before)
        self.calm = False
        self.seen["undo"] += 1
        self.start(again=2)
        self._let_run(self._is_quiet)
        self._bring_to_an_end()
        self._check_end()
        self._check_undone(first, at)

    def _check_undo_plan(self, first, outcomes, before):
        undo = self.now
        for uid, change in undo.changes.items():
            # What a report calls unknown may since stand in the journal of a worker that had stood still.
            known = outcomes[uid] == "applied" or (outcomes[uid] == "unknown" and self.server.effects[first.name, uid])
            if not known:
                self.violated(f"{uid} is {outcomes[uid]}, and is to be taken back")
            for name, value in change.after.items():
                if value != first.changes[uid].before[name]:
                    self.violated(f"{uid}: {name} is to go back to {value!r}, which it never was")
                if before[uid][name] != first.changes[uid].after.get(name):
                    self.violated(f"{uid}: {name} is to go back, though somebody has edited it")
        self.check()

    def _check_undone(self, first, planned_at):
        """What was applied and not edited since is as it was before; what somebody edited is as they left it.

        An edit between the last reading and the sending is written over, in the fields that the change makes.
        """
        undo = self.now
        outcomes = self._last_outcomes(undo)
        for uid, row in self.server.rows.items():
            change = undo.changes.get(uid)
            edited = {}
            for _, fields in self.server.edits[uid]:
                edited.update(fields or {})
            if change is not None and outcomes[uid] in ("applied", "unchanged"):
                for name, value in change.after.items():
                    late = any(name in (fields or {}) for at, fields in self.server.edits[uid] if at >= planned_at)
                    if row[name] != value and not late:
                        self.violated(f"{uid}: {name} was to go back to {value!r}, and is {row[name]!r}")
            if change is None or outcomes[uid] in ("stale", "rejected"):
                for name, value in edited.items():
                    made = self._made_by(first, uid)
                    if row[name] != value and name not in made:
                        self.violated(f"{uid}: somebody's {name} is lost")
        self.check()

    @staticmethod
    def _made_by(phase, uid):
        """Name the fields that a planned change makes; a booking that begins otherwise ends otherwise."""
        change = phase.changes.get(uid)
        if change is None:
            return set()
        return {*change.after, *(("endedAt",) if change.action == "reschedule" else ())}


@contextlib.contextmanager
def observed():
    """Let the world of the running loop know what becomes of each change."""
    begin, record, renew, lose = Ledger.__init__, Ledger.record, Gate.renew, Gate.lose

    def watched_renew(gate, looked, lease):
        gate.now.__self__.process.looked = gate.now.__self__.loop.now
        renew(gate, looked, lease)

    def watched_lose(gate):
        gate.now.__self__.process.is_lost = True
        lose(gate)

    def watched_begin(ledger, journal, in_thread, entries, *more, **others):
        machine = in_thread.__self__
        ledger.machine = machine
        machine.loop.of.on_ledger(machine, entries)
        begin(ledger, journal, in_thread, entries, *more, **others)

    def watched_record(ledger, change, entry):
        ledger.machine.loop.of.on_record(ledger.machine, change, entry)
        record(ledger, change, entry)

    Ledger.__init__, Ledger.record = watched_begin, watched_record
    Gate.renew, Gate.lose = watched_renew, watched_lose
    try:
        yield
    finally:
        Ledger.__init__, Ledger.record, Gate.renew, Gate.lose = begin, record, renew, lose


@dataclass
class Done:
    """One schedule that was run."""

    steps: int
    trace: int
    seconds: float
    seen: Counter
    problem: str = ""


def run(seed, kept=None, log=None):
    """Run one schedule.

    :param kept: what is left of what goes wrong, by its number; None for all of it.
    :param log: where to put what happens; None for nowhere.
    """
    drawn = scenarios.draw(seed)
    if kept is not None:
        drawn.keep(kept)
    world = World(drawn, log)
    world.loop.of = world
    problem = ""
    try:
        with observed():
            world.run()
    except (ViolationError, StuckError) as error:
        problem = str(error)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    finally:
        world.close()
    return Done(world.loop.steps, world.trace, world.loop.now - 1000.0, world.seen, problem)


def shrink(seed):
    """Leave out of what goes wrong whatever is not needed for a violation; return what is left, by its number."""
    kept = list(range(len(scenarios.draw(seed).parts())))
    size = len(kept)
    while size:
        for start in range(0, len(kept), size):
            fewer = kept[:start] + kept[start + size :]
            if len(fewer) < len(kept) and run(seed, fewer).problem:
                kept = fewer
                break
        else:
            size //= 2
    return kept


def token(seed, kept):
    """Return what replays a schedule exactly."""
    return f"{seed}+{'.'.join(map(str, kept))}"


def read_token(text):
    """Return the seed and what is kept of what goes wrong; of a seed alone, all of it."""
    seed, plus, kept = text.partition("+")
    return int(seed), [int(each) for each in kept.split(".") if each] if plus else None
