"""Faults to be planted in the engine, in memory: each replaces one function of it. The simulation must find them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import msgspec

from airflow_provider_jicoo.api import bookings, exchange
from airflow_provider_jicoo.api.call import Repeat
from airflow_provider_jicoo.api.retry import Action, Answered, Decision
from airflow_provider_jicoo.bulk import files, undo
from airflow_provider_jicoo.bulk.apply import delivery, journal, judge
from airflow_provider_jicoo.bulk.apply.crew import Crew
from airflow_provider_jicoo.bulk.apply.delivery import ChangePassage, Sender
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.settle import Settler
from airflow_provider_jicoo.bulk.apply.takeover import Takeover
from airflow_provider_jicoo.bulk.apply.watch import Watch
from airflow_provider_jicoo.bulk.apply.way import Event
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome


@dataclass(frozen=True)
class Fault:
    """A fault: what is wrong, and which function of whom is replaced by what."""

    name: str
    owner: Any
    attribute: str
    replacement: Any

    @contextlib.contextmanager
    def planted(self):
        kept = self.owner.__dict__[self.attribute]
        setattr(self.owner, self.attribute, self.replacement)
        try:
            yield
        finally:
            setattr(self.owner, self.attribute, kept)


FAULTS: list[Fault] = []


def fault(name, owner, attribute):
    """Plant the decorated function in the place of another one."""

    def plant(replacement):
        FAULTS.append(Fault(name, owner, attribute, replacement))
        return replacement

    return plant


@fault("the intent is written, but not awaited", Ledger, "announce")
async def _announce(ledger, changes):
    ledger._intents += [change.uid for change in changes]
    for change in changes:
        change.happens(Event.ANNOUNCE)


@fault("the journal is written, but not synced", journal, "write_durably")
def _write(path, content):
    with files.create(path) as file:
        file.write(content)


@fault("the lease is not asked before a send", Gate, "is_open")
def _is_open(gate, *, messages):
    return not gate.reason and not gate.paused and (not messages or gate.now() >= gate._messages_from)


@fault("what a killed worker left is not read back", Sender, "_watch_what_is_left")
async def _watch_what_is_left(sender, change, step_aside):
    change.happens(Event.AS_PLANNED)


@fault("read back is taken for not made, also where the guest is messaged", bookings, "repeat_of")
def _repeat_of(on_doubt, *, messages):
    return Repeat.READ_BACK


_decide = exchange.decide


@fault("a 504 is tried again", exchange, "decide")
def _decide_again(repeat, what, **more):
    if isinstance(what, Answered) and what.status == 504:
        return Decision(Action.AGAIN, 0.5)
    return _decide(repeat, what, **more)


@fault("the claim is not looked at again", Watch, "look")
async def _look(watch):
    watch._gate.renew(watch._gate.now(), watch._journal.lease)


@fault("the lease of the worker before is not waited for", Takeover, "_wait_as_owner")
async def _wait_as_owner(takeover, seconds):
    pass


@fault("the grace is not waited for after a takeover", Sender, "__init__")
def _begin(sender, *arguments, doubts_until, **more):
    _sender(sender, *arguments, doubts_until=0.0, **more)


_sender = Sender.__init__
_leave = ChangePassage.leave


@fault("the outcome is written before the answer", ChangePassage, "leave")
async def _leave_applied(passage, call):
    leaves = await _leave(passage, call)
    if leaves and call.method != "GET":
        uid = passage._change.uid
        passage._sender.ledger._outcomes.append(journal.outcome_line(uid, Entry(Outcome.APPLIED)))
    return leaves


@fault("a torn last segment is trusted", journal, "_lines")
def _lines(path):
    for raw in files.read_bytes(path).splitlines():
        with contextlib.suppress(ValueError, msgspec.DecodeError):
            line = msgspec.json.decode(raw)
            if journal._is_intent(line) or journal._is_outcome(line):
                yield line


@fault("a worker that is fenced off writes its report", Gate, "lose")
def _lose(gate):
    gate.close("another worker has taken this plan over")


@fault("an undo goes over somebody's edit", undo, "reflects")
def _reflects(booking, sent):
    return True


@fault("a wave does not wait for the one before", Crew, "all_done")
async def _all_done(crew):
    pass


@fault("too many failures do not end the run", Settler, "_check")
def _check(settler):
    pass


@fault("a slot is not waited for", Sender, "_held_by_slot")
async def _held_by_slot(sender, change):
    return None


@fault("an edit since the plan was made is not minded", judge, "_edited")
def _edited(planned, booking):
    return []


@fault("what was read long ago is sent", ChangePassage, "_is_fresh")
def _is_fresh(passage):
    return passage._change.read_at is not None


@fault("a change in doubt that does not show has failed", delivery, "outcome_of")
def _outcome_of(error):
    return Outcome.FAILED


@fault("an answer of success is believed whatever it shows", delivery, "judge_answer")
def _judge_answer(planned, booking, **more):
    return Entry(Outcome.APPLIED, booking.get("updatedAt"), "")


@fault("what a killed worker left counts as new", Ledger, "in_doubt")
def _in_doubt(ledger, uid):
    return False


# --- what the simulation found in the engine, planted again --------------------------------------------------------


@fault("found: the journal is read by a listing that lags behind", journal, "journal_names")
def _journal_names(folder):
    return files.list_names(folder)


@fault("found: what was sent and has failed counts as new", Ledger, "in_doubt")
def _not_in_doubt(ledger, uid):
    entry = ledger.entries.get(uid)
    return entry is not None and entry.outcome in (None, Outcome.UNKNOWN)


_read_back = journal._take


@fault("found: a second sending of a worker that was killed is not counted", journal, "_take")
def _count_once(entries, line):
    before = {uid: entries[uid].sends for uid in line.get("intent", ()) if uid in entries}
    _read_back(entries, line)
    for uid, sends in before.items():
        entries[uid] = Entry(sends=max(1, sends))


@fault("found: two threads write one segment", Ledger, "_write")
async def _write_twice(ledger):
    outcomes, ledger._outcomes = ledger._outcomes, []
    intents, ledger._intents = ledger._intents, []
    try:
        await ledger._in_thread(ledger._journal.write, outcomes, intents)
    except BaseException:
        ledger._outcomes[:0], ledger._intents[:0] = outcomes, intents
        raise
