"""A model of how workers take a plan, change its bookings and take over from each other, and a search of its states.

It is of the protocol of ``bulk/apply``: journal.py (claims, segments), gate.py (lease), run.py (taking over), change.py
(announce, send, read back), api/exchange.py (what follows a lost answer). No code of those runs here: this shows that
the protocol keeps its promises, the simulation that the code keeps to it.

Time is counted in ticks; whatever a worker does takes none, or as many as it likes: it may be as slow as it wants, and
stand still. A booking is a tuple of its own, so that bookings can be sorted: which is which does not matter.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, Literal, NamedTuple

FREE, FOUND, CLAIMED, WAITING, WORKING, STOPPING, FENCED = range(7)
"""Phases of a worker: none, has read the journal, has written a claim, waits for leases, works, ends in order, has seen
a later claim (what it has sent may still be answered, and it may still write to its part of the journal)."""

INTENT, APPLIED, UNCHANGED, UNKNOWN, FAILED, NOT_ATTEMPTED = (
    "intent",
    "applied",
    "unchanged",
    "unknown",
    "failed",
    "not attempted",
)
WITHDRAWN = "withdrawn"
"""The line of a change that was announced and never left; as good as none."""
FINAL = (APPLIED, UNCHANGED)
OUTCOMES = (APPLIED, UNCHANGED, UNKNOWN, FAILED, NOT_ATTEMPTED)


class Worker(NamedTuple):
    """One worker.

    :param number: of its claim, from that of the last claim on: 0 where that is its own.
    :param mine: nobody else has claimed with the same number or a later one.
    :param lease: ticks for which it may send.
    :param wait: ticks until the leases of earlier workers are over.
    :param alone: ticks until it may message guests.
    :param doubts: ticks for which it reads back what earlier workers have left in doubt.
    :param must_wait: an earlier worker has not said that it is done.
    """

    phase: int = FREE
    number: int = 0
    mine: bool = True
    lease: int = 0
    wait: int = 0
    alone: int = 0
    doubts: int = 0
    must_wait: bool = False


class View(NamedTuple):
    """What a worker knows of a booking.

    :param state: ``todo``, ``read``, ``announced``, ``sent``, ``doubt``, or an outcome.
    :param inherited: an earlier worker has left it in doubt.
    :param sends: how often this worker has sent it.
    :param timer: ticks for which it reads back.
    :param written: its outcome is in the journal.
    """

    state: str = "todo"
    inherited: bool = False
    sends: int = 0
    timer: int = 0
    written: bool = False


class Request(NamedTuple):
    """A request that was sent.

    :param state: ``open``: the server has not made it; ``made``: it has, and its answer is on its way; ``late``: the
        connection is gone, and the server may still make it.
    :param timer: ticks that are left of the timeout, or of the time that the server may still be at work.
    :param slot: the worker that waits for it.
    """

    state: str
    timer: int
    slot: int


class Booking(NamedTuple):
    """One booking, with all that anybody has of it.

    :param made: how often the change was made; where it messages the guest, so often they were messaged.
    :param requests: under way.
    :param journal: of each claim, in their order, the slot of its worker and its last line about the booking; those of
        workers that have gone have the slot -1, and are one where no other claim is between them.
    :param views: what each worker knows of it; None before it has read the journal.
    :param reported: its outcome in the last report; empty once another worker begins.
    """

    made: int
    requests: tuple[Request, ...]
    journal: tuple[tuple[int, str], ...]
    views: tuple[View | None, ...]
    reported: str = ""


class Plan(NamedTuple):
    """All there is but for the bookings.

    :param tries: how many workers have begun.
    :param last: the last claim: none yet, ``held``, or ``released``.
    :param crashes: how many workers may still be killed.
    :param stops: how many may still be stopped.
    """

    workers: tuple[Worker, ...]
    tries: int = 0
    last: str = ""
    crashes: int = 0
    stops: int = 0


class Violation(NamedTuple):
    """A property that does not hold."""

    what: str


Kind = Literal["quiet", "leave", "again"]


@dataclass(frozen=True)
class Model:
    """What is searched.

    :param kind: a ``quiet`` change, or one that messages its guest, and what is done with it in doubt. One that is left
        may be given up earlier than it really is, since it is not sent again.
    :param bookings: how many.
    :param tries: how many workers begin, two at once at the most.
    :param crashes: how many of them are killed, at any moment.
    :param stops: how many of them are stopped by a person, at any moment.
    :param attempts: how often one worker sends one change at the most.
    :param lease: ticks for which a worker may send after it has looked for a later claim.
    :param timeout: ticks within which a request is answered or lost.
    :param grace: ticks that the server may still be at work on a request that was lost.
    :param endless: the server may be at work on it for ever.
    :param prompt: the server makes nothing of which the connection is gone.
    :param faults: what the protocol leaves out.
    :param goals: the properties that are looked at; by default :data:`PROPERTIES`.
    """

    kind: Kind = "leave"
    bookings: int = 3
    tries: int = 4
    crashes: int = 2
    stops: int = 0
    attempts: int = 2
    lease: int = 1
    timeout: int = 1
    grace: int = 1
    endless: bool = False
    prompt: bool = False
    faults: frozenset[str] = frozenset()
    goals: frozenset[str] = field(default_factory=lambda: PROPERTIES)

    @property
    def messages(self) -> bool:
        """Whether the guest is messaged."""
        return self.kind != "quiet"

    def start(self) -> tuple[Plan, Booking]:
        """Return how all is before anybody begins: the plan, and each booking."""
        plan = Plan((Worker(), Worker()), crashes=self.crashes, stops=self.stops)
        return plan, Booking(0, (), (), (None, None))


MADE_ONCE = "a change is made at most once"
INTENT_FIRST = "nothing is sent without a durable intent"
FENCED_SILENT = "nothing is sent while a later worker is at work"
APPLIED_TRUE = "what is said to be applied was made"
NOT_SILENT = "what was made is in the journal, as in doubt or as applied"
REPORT_TRUE = "no report says of a change that was made that it was not"
PROPERTIES = frozenset({MADE_ONCE, INTENT_FIRST, FENCED_SILENT, APPLIED_TRUE, NOT_SILENT, REPORT_TRUE})

Step = tuple[str, "Booking | Violation"]


class Effect(NamedTuple):
    """What a step does to each booking: ``load`` the journal, ``claim``, ``leave``, ``report`` and leave, ``tick``."""

    kind: str
    slot: int = -1


class PlanStep(NamedTuple):
    """A step of a worker that concerns all bookings.

    :param needs_outcomes: it is taken only where all of this worker's changes have a written outcome.
    :param effect: what it does to each booking.
    """

    label: str
    after: Plan
    effect: Effect | None = None
    needs_outcomes: int = -1


# --- one booking ------------------------------------------------------------------------------------------------------


def merged(booking: Booking) -> str:
    """Return what the journal says of a booking: of later claims what they say, else what earlier ones said."""
    line = next((line for _, line in reversed(booking.journal) if line), "")
    return "" if line == WITHDRAWN else line


def loaded(booking: Booking, slot: int, faults: frozenset[str]) -> Booking:
    """Return a booking of which a worker has read the journal."""
    line = merged(booking)
    if line in FINAL:
        view = View(line, written=True)
    else:
        view = View(inherited=line in ((INTENT,) if "unknown is planned anew" in faults else (INTENT, UNKNOWN)))
    return seen(booking._replace(reported=""), slot, view)


def seen(booking: Booking, slot: int, view: View | None) -> Booking:
    """Return a booking with what a worker knows of it; of what has an outcome, no more is needed."""
    if view is not None and view.state in OUTCOMES:
        view = View(view.state, written=view.written)
    return booking._replace(views=(view, booking.views[1]) if slot == 0 else (booking.views[0], view))


def noted(booking: Booking, slot: int, line: str) -> Booking:
    """Return a booking with a line of a worker's in the journal."""
    return booking._replace(journal=tuple((owner, line if owner == slot else old) for owner, old in booking.journal))


def claimed(booking: Booking, slot: int) -> Booking:
    """Return a booking with room for a worker's lines in the journal."""
    return booking._replace(journal=(*booking.journal, (slot, "")))


def closed(booking: Booking, slot: int) -> Booking:
    """Return a booking of which a worker writes no more in the journal."""
    journal: list[tuple[int, str]] = []
    for owner, line in booking.journal:
        entry = (-1 if owner == slot else owner, line)
        if entry[0] < 0 and journal and journal[-1][0] < 0:
            before = journal.pop()[1]
            entry = (-1, line or before)
        if entry != (-1, ""):
            journal.append(entry)
    return booking._replace(journal=tuple(journal))


def ask(booking: Booking, request: Request, then: Request | None) -> tuple[Request, ...]:
    """Return the requests of a booking after one of them has become another."""
    rest = list(booking.requests)
    rest.remove(request)
    return tuple(sorted(rest if then is None else [*rest, then]))


def lost(model: Model, booking: Booking, slot: int) -> Booking:
    """Return a booking whose connection to a worker is gone: what the server has not made it may still make."""
    for request in [each for each in booking.requests if each.slot == slot]:
        late = Request("late", model.grace, -1) if request.state == "open" and not model.prompt else None
        booking = booking._replace(requests=ask(booking, request, late))
    return booking


def server_steps(model: Model, booking: Booking) -> Iterator[Step]:
    """Yield what the server, or the network, may do."""
    for request in dict.fromkeys(booking.requests):
        if request.state in ("open", "late"):
            then = Request("made", request.timer, request.slot) if request.state == "open" else None
            how = "makes it" if request.state == "open" else "makes it late"
            requests = ask(booking, request, then)
            yield f"server {how}", booking._replace(made=min(2, booking.made + 1), requests=requests)
        if request.slot >= 0:
            view = booking.views[request.slot]
            assert view is not None
            if request.state == "made":
                answered = booking._replace(requests=ask(booking, request, None))
                yield f"w{request.slot} gets the answer", seen(answered, request.slot, view._replace(state=APPLIED))
            gone = lost(model, booking, request.slot)
            doubt = view._replace(state="doubt", timer=model.grace if model.messages else 0)
            yield f"w{request.slot} loses the answer", seen(gone, request.slot, doubt)


def worker_steps(model: Model, booking: Booking, slot: int, worker: Worker, overtaken: bool) -> Iterator[Step]:
    """Yield what a worker may do about a booking."""
    view = booking.views[slot]
    if view is None or worker.phase < WORKING:
        return
    working, name = worker.phase == WORKING, f"w{slot}"
    if view.state in OUTCOMES:
        if not view.written:
            written = noted(booking, slot, view.state)
            yield f"{name} writes {view.state}", seen(written, slot, view._replace(written=True))
    elif view.state == "doubt":
        yield from read_back(model, booking, slot, working)
    elif view.state == "todo" and working:
        yield from first_read(model, booking, slot, worker.doubts)
    elif view.state == "read" and working:
        yield f"{name} writes the intent", announced(model, booking, slot)
    elif view.state == "announced" and working:
        if may_send(model, worker):
            yield f"{name} sends", send(model, booking, slot, worker, overtaken)
    elif view.state in ("todo", "read", "announced"):
        yield from not_sent(booking, slot)


def may_send(model: Model, worker: Worker) -> bool:
    """Tell whether a worker's gate is open."""
    return (worker.lease > 0 or "no lease" in model.faults) and (not model.messages or worker.alone == 0)


def send(model: Model, booking: Booking, slot: int, worker: Worker, overtaken: bool) -> Booking | Violation:
    """Return a booking whose change has left."""
    if overtaken and FENCED_SILENT in model.goals:
        return Violation(FENCED_SILENT)
    if INTENT_FIRST in model.goals and merged(booking) != INTENT:
        return Violation(INTENT_FIRST)
    view = booking.views[slot]
    assert view is not None
    requests = tuple(sorted([*booking.requests, Request("open", model.timeout, slot)]))
    return seen(booking._replace(requests=requests), slot, view._replace(state="sent", sends=view.sends + 1))


def announced(model: Model, booking: Booking, slot: int) -> Booking:
    """Return a booking whose change a worker is about to send."""
    view = booking.views[slot]
    assert view is not None
    written = booking if "no intent" in model.faults else noted(booking, slot, INTENT)
    return seen(written, slot, view._replace(state="announced"))


def first_read(model: Model, booking: Booking, slot: int, doubts: int) -> Iterator[Step]:
    """Yield what a worker makes of a booking that it reads before it changes it."""
    view = booking.views[slot]
    assert view is not None
    if booking.made:
        outcome = APPLIED if view.inherited else UNCHANGED
        yield f"w{slot} reads: {outcome}", seen(booking, slot, view._replace(state=outcome))
    elif not view.inherited:
        # In one step: what nobody has sent does not change in between.
        yield f"w{slot} reads: as planned, writes the intent", announced(model, booking, slot)
    elif not model.messages:
        yield f"w{slot} reads: as planned", seen(booking, slot, view._replace(state="read"))
    elif doubts == 0:
        state = UNKNOWN if model.kind == "leave" and "sends what is in doubt" not in model.faults else "read"
        yield f"w{slot} reads: not there, {state}", seen(booking, slot, view._replace(state=state))


def read_back(model: Model, booking: Booking, slot: int, working: bool) -> Iterator[Step]:
    """Yield what a worker makes of a booking that it reads back after the answer was lost."""
    view = booking.views[slot]
    assert view is not None
    if booking.made:
        yield f"w{slot} reads back: applied", seen(booking, slot, view._replace(state=APPLIED, timer=0))
        return
    again = model.kind == "quiet" or "sends what is in doubt" in model.faults
    if again or (model.kind == "again" and view.timer == 0):
        state = "announced" if working and view.sends < model.attempts else UNKNOWN if view.inherited else FAILED
    elif view.timer == 0 or not working:
        state = UNKNOWN
    else:
        return  # it is read again later; only the last look counts
    yield f"w{slot} reads back: not there, {state}", seen(booking, slot, view._replace(state=state, timer=0))


def not_sent(booking: Booking, slot: int) -> Iterator[Step]:
    """Yield what becomes of a change that was not under way when the run ended."""
    view = booking.views[slot]
    assert view is not None
    if view.sends:
        state = UNKNOWN if view.inherited else FAILED
        yield f"w{slot} ends: {state}", seen(booking, slot, view._replace(state=state))
        return
    if view.state == "announced" and not view.inherited:
        booking = noted(booking, slot, WITHDRAWN)
    # Nothing is written of what an earlier worker has left in doubt: it stays so.
    state = UNKNOWN if view.inherited and view.state != "announced" else NOT_ATTEMPTED
    yield f"w{slot} ends: {state}", seen(booking, slot, view._replace(state=state, written=True))


def check(model: Model, booking: Booking) -> str:
    """Return the property that does not hold of a booking, whenever that is; empty where all do."""
    told = {line for _, line in booking.journal} | {view.state for view in booking.views if view is not None}
    for broken, what in (
        (booking.made > 1, MADE_ONCE),
        (APPLIED in told and not booking.made, APPLIED_TRUE),
        (booking.made and merged(booking) in ("", UNCHANGED), NOT_SILENT),
    ):
        if broken and what in model.goals:
            return what
    return ""


# --- the plan --------------------------------------------------------------------------------------------------------


def plan_steps(model: Model, plan: Plan, slot: int) -> Iterator[PlanStep]:
    """Yield what a worker may do about the plan as a whole."""
    worker, name = plan.workers[slot], f"w{slot}"
    if worker.phase == FREE:
        # Which of two idle workers begins does not matter.
        if plan.tries < model.tries and (slot == 0 or plan.workers[0].phase != FREE):
            begun = put(plan, slot, begins(model, plan))._replace(tries=plan.tries + 1)
            yield PlanStep(f"{name} reads the journal", begun, Effect("load", slot))
        return
    without, leaves = put(plan, slot, Worker()), Effect("leave", slot)
    if worker.phase == FOUND:
        yield PlanStep(f"{name} claims", claims(plan, slot), Effect("claim", slot))
    elif worker.phase in (CLAIMED, WAITING) and not worker.mine:
        yield PlanStep(f"{name} sees another claim, gives up", without, leaves)
    elif worker.phase in (CLAIMED, WAITING):
        yield from takes_over(model, plan, slot)
    elif worker.phase == FENCED:
        yield PlanStep(f"{name} ends, fenced off", without, leaves, slot)
    else:
        yield from works(model, plan, slot)
    if plan.crashes and worker.phase != FOUND:  # before its claim it has left nothing
        yield PlanStep(f"{name} is killed", without._replace(crashes=plan.crashes - 1), leaves)


def begins(model: Model, plan: Plan) -> Worker:
    """Return a worker that has read what earlier ones have left, and does not have its claim yet."""
    alone = 0 if "no wait" in model.faults or not model.messages else model.lease
    return Worker(FOUND, number=1, must_wait=plan.last == "held", alone=alone)


def claims(plan: Plan, slot: int) -> Plan:
    """Return the plan with one more claim: whoever has an earlier one, or one of the same number, is to give up."""
    worker, other = plan.workers[slot], plan.workers[1 - slot]
    mine = worker.number == 1  # the next after the last claim; else others have claimed since it read the journal
    has_claim = other.phase not in (FREE, FOUND)
    if has_claim and other.number <= worker.number:
        other = other._replace(mine=False)
    if mine and other.phase != FREE:
        other = other._replace(number=other.number - 1)
    made = put(plan, slot, worker._replace(phase=CLAIMED, mine=mine, number=worker.number - mine))
    return put(made, 1 - slot, other)._replace(last="held" if mine else plan.last)


def takes_over(model: Model, plan: Plan, slot: int) -> Iterator[PlanStep]:
    """Yield the steps of a worker that has seen its claim alone."""
    worker = plan.workers[slot]
    # Also where the worker before has released the plan: a stopped one leaves in doubt what it has just sent.
    doubts = model.grace + model.timeout if model.kind == "again" else model.grace * model.messages * worker.must_wait
    if "no timeout" in model.faults:
        doubts = min(doubts, model.grace)
    if "no doubt after a release" in model.faults and not worker.must_wait:
        doubts = 0
    if not worker.must_wait:
        working = worker._replace(phase=WORKING, doubts=doubts)
        yield PlanStep(f"w{slot} begins to work", put(plan, slot, working))
    elif worker.phase == CLAIMED:
        wait = 0 if "no wait" in model.faults else model.lease
        yield PlanStep(f"w{slot} waits for the lease", put(plan, slot, worker._replace(phase=WAITING, wait=wait)))
    elif worker.wait == 0:
        working = put(plan, slot, worker._replace(phase=WORKING, doubts=doubts, must_wait=False))
        effect = None if "journal not read again" in model.faults else Effect("load", slot)
        yield PlanStep(f"w{slot} has waited, reads the journal again", working, effect)


def works(model: Model, plan: Plan, slot: int) -> Iterator[PlanStep]:
    """Yield the steps of a worker that works, or ends in order: it looks for a later claim, is stopped, ends."""
    worker = plan.workers[slot]
    if not worker.mine:
        fenced = put(plan, slot, Worker(FENCED, worker.number, mine=False))
        yield PlanStep(f"w{slot} sees a later claim", fenced)
    else:
        released = put(plan, slot, Worker())._replace(last="released")
        yield PlanStep(f"w{slot} releases the plan, reports", released, Effect("report", slot), slot)
    if worker.phase == WORKING and worker.mine and worker.lease < model.lease:
        renewed = put(plan, slot, worker._replace(lease=model.lease))
        yield PlanStep(f"w{slot} sees that the plan is its own", renewed)
    if worker.phase == WORKING and plan.stops:
        stopped = put(plan, slot, worker._replace(phase=STOPPING, lease=0, alone=0, doubts=0))
        yield PlanStep(f"w{slot} is stopped by a person", stopped._replace(stops=plan.stops - 1))


def put(plan: Plan, slot: int, worker: Worker) -> Plan:
    """Return the plan with a worker as it is now."""
    workers = plan.workers
    return plan._replace(workers=(worker, workers[1]) if slot == 0 else (workers[0], worker))


def affected(model: Model, booking: Booking, effect: Effect) -> Booking | None:
    """Return a booking after a step that concerns all; None where something of it is due before."""
    slot = effect.slot
    if effect.kind == "load":
        return loaded(booking, slot, model.faults)
    if effect.kind == "claim":
        return claimed(booking, slot)
    if effect.kind == "tick":
        return passed(booking, model.endless)
    if effect.kind == "report":
        view = booking.views[slot]
        assert view is not None
        booking = booking._replace(reported=view.state)
    # What a worker that has gone knew is gone too, what it has sent is under way.
    return seen(lost(model, closed(booking, slot), slot), slot, None)


def has_outcome(booking: Booking, slot: int) -> bool:
    """Tell whether a worker has written what became of a booking."""
    view = booking.views[slot]
    return view is not None and view.written


def is_denied(model: Model, booking: Booking) -> bool:
    """Tell whether a change was made, and the report says that it was not, where that is looked at."""
    return REPORT_TRUE in model.goals and booking.made > 0 and booking.reported in (FAILED, UNCHANGED, NOT_ATTEMPTED)


def is_at_rest(plan: Plan) -> bool:
    """Tell whether the last worker has reported, and no other one is at work."""
    return plan.last == "released" and all(worker.phase == FREE for worker in plan.workers)


def tick(plan: Plan) -> Plan:
    """Return the plan a tick later."""
    workers = tuple(
        worker._replace(
            lease=max(0, worker.lease - 1),
            wait=max(0, worker.wait - 1),
            alone=max(0, worker.alone - 1),
            doubts=max(0, worker.doubts - 1),
        )
        for worker in plan.workers
    )
    return plan._replace(workers=workers)


def passed(booking: Booking, endless: bool) -> Booking | None:
    """Return a booking a tick later; None where a request of it is to be answered or lost before."""
    requests = []
    for request in booking.requests:
        if request.state == "late":
            if endless or request.timer > 1:
                requests.append(request if endless else request._replace(timer=request.timer - 1))
        elif request.timer == 0:
            return None
        else:
            requests.append(request._replace(timer=request.timer - 1))
    views = tuple(
        view._replace(timer=view.timer - 1) if view is not None and view.timer else view for view in booking.views
    )
    return booking._replace(requests=tuple(sorted(requests)), views=views)


def is_overtaken(plan: Plan, slot: int) -> bool:
    """Tell whether another worker with a later claim, or the same, is at work."""
    one, other = plan.workers[slot], plan.workers[1 - slot]
    return other.phase in (WORKING, STOPPING) and other.number >= one.number


# --- the search ------------------------------------------------------------------------------------------------------

State = tuple[int, ...]
"""The number of a plan, then those of the bookings, sorted: which is which does not matter."""


@dataclass
class Found:
    """What a search has found.

    :param states: how many states there are.
    :param steps: how many steps lead from one to another.
    :param depth: how many steps it takes at the most to come to a state.
    :param broken: the property that does not hold; empty where all do.
    :param trace: the shortest way there.
    """

    states: int
    steps: int
    depth: int
    broken: str = ""
    trace: list[str] = field(default_factory=list)


class Numbered(dict[Any, int]):
    """Gives each thing a number, in the order in which they come."""

    def __init__(self) -> None:
        self.things: list[Any] = []

    def __missing__(self, thing: Any) -> int:
        self[thing] = len(self.things)
        self.things.append(thing)
        return self[thing]


class Steps:
    """The steps from each state. What the plan, and what a single booking may do is worked out once."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._plans, self._bookings, self._surroundings = Numbered(), Numbered(), Numbered()
        self._of_plan = lru_cache(None)(self._plan_steps)
        self._of_booking = lru_cache(None)(self._booking_steps)
        self._around = lru_cache(None)(self._surrounding)
        self._affected = lru_cache(None)(self._effect)
        self._broken = lru_cache(None)(lambda number: check(model, self._bookings.things[number]))
        self._is_written = lru_cache(None)(lambda number, slot: has_outcome(self._bookings.things[number], slot))
        self._is_denied = lru_cache(None)(lambda number: is_denied(model, self._bookings.things[number]))
        self._is_at_rest = lru_cache(None)(lambda number: is_at_rest(self._plans.things[number]))

    def start(self) -> State:
        """Return the state before anybody begins."""
        plan, booking = self._model.start()
        return (self._plans[plan], *[self._bookings[booking]] * self._model.bookings)

    def of(self, state: State) -> Iterator[tuple[str, State, str]]:
        """Yield the steps from a state: what is done, the state after it, and the property that does not hold then."""
        plan, *bookings = state
        around, is_at_rest = self._around(plan), self._is_at_rest(plan)
        last = -1
        for place, booking in enumerate(bookings):
            if booking == last:
                continue  # the same as the one before
            last, rest = booking, bookings[:place] + bookings[place + 1 :]
            for label, after, broken in self._of_booking(booking, around):
                lie = is_at_rest and self._is_denied(after)
                yield label, (plan, *sorted((*rest, after))), REPORT_TRUE if lie else broken
        for label, after, effect, slot in self._of_plan(plan):
            if slot >= 0 and not all(self._is_written(booking, slot) for booking in bookings):
                continue
            changed = bookings if effect is None else sorted(self._affected(booking, effect) for booking in bookings)
            if changed[0] >= 0:
                lie = self._is_at_rest(after) and any(map(self._is_denied, changed))
                yield (
                    label,
                    (after, *changed),
                    REPORT_TRUE if lie else next(filter(None, map(self._broken, changed)), ""),
                )

    def _plan_steps(self, number: int) -> list[tuple[str, int, Effect | None, int]]:
        plan = self._plans.things[number]
        later = PlanStep("a tick passes", tick(plan), Effect("tick"))
        steps = [*plan_steps(self._model, plan, 0), *plan_steps(self._model, plan, 1), later]
        return [(step.label, self._plans[step.after], step.effect, step.needs_outcomes) for step in steps]

    def _booking_steps(self, number: int, around: int) -> list[tuple[str, int, str]]:
        booking, steps = self._bookings.things[number], []
        for label, after in chain(
            server_steps(self._model, booking),
            *(
                worker_steps(self._model, booking, slot, worker, overtaken)
                for slot, (worker, overtaken) in enumerate(self._surroundings.things[around])
            ),
        ):
            if isinstance(after, Violation):
                steps.append((label, number, after.what))
            else:
                steps.append((label, self._bookings[after], check(self._model, after)))
        return steps

    def _surrounding(self, number: int) -> int:
        """Return the number of what a booking's steps depend on beside the booking."""
        plan = self._plans.things[number]
        return self._surroundings[
            tuple(
                (worker if worker.phase >= WORKING else Worker(), is_overtaken(plan, slot))
                for slot, worker in enumerate(plan.workers)
            )
        ]

    def _effect(self, number: int, effect: Effect) -> int:
        after = affected(self._model, self._bookings.things[number], effect)
        return -1 if after is None else self._bookings[after]


def search(model: Model) -> Found:
    """Go through all states, those that few steps lead to first, until a property does not hold."""
    steps_of = Steps(model)
    start = steps_of.start()
    before: dict[State, tuple[State, str] | None] = {start: None}
    steps, depth, layer = 0, 0, [start]
    gc.disable()  # nothing of this is given up before the end
    try:
        while layer:
            ahead = []
            for state in layer:
                for label, after, broken in steps_of.of(state):
                    steps += 1
                    if broken:
                        return Found(len(before), steps, depth, broken, [*_way(before, state), label])
                    if after not in before:
                        before[after] = (state, label)
                        ahead.append(after)
            layer = ahead
            depth += bool(layer)
    finally:
        gc.enable()
    return Found(len(before), steps, depth)


def _way(before: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    way = []
    while (step := before[state]) is not None:
        state, label = step
        way.append(label)
    return way[::-1]
