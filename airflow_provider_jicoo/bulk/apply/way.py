"""One change's way as a table: its states, what can happen in each, and what it becomes then.

Each arrow has one sentence. :func:`follow` refuses whatever is not in the table. ``docs/one-change.md`` is drawn from
it.
"""

from __future__ import annotations

import enum

from airflow_provider_jicoo.bulk.outcomes import Outcome


class State(enum.Enum):
    """Where a planned change is on its way. The last seven are its ends: the outcomes."""

    PLANNED = "planned"
    """Its booking is still to be read again."""
    JUDGED = "judged"
    """Its booking was read, and is still as planned."""
    ANNOUNCED = "announced"
    """The journal says, durably, that it may be sent."""
    SENT = "sent"
    """It is under way for the first time, and may arrive."""
    REFUSED = "refused for now"
    """It certainly did not arrive, or was refused with 429; it waits to be sent."""
    LEFT_IN_DOUBT = "left in doubt"
    """An earlier try may have sent it."""
    TO_REPEAT = "to be repeated"
    """An earlier try may have sent it, its booking does not show it, and it may be sent again."""
    ANNOUNCED_AGAIN = "announced again"
    """The same, and the journal says, durably, that this try may send it."""
    NOT_MADE = "not made"
    """It was sent, its booking does not show it, and it may be sent again."""
    TO_SEND_AGAIN = "to be sent again"
    """The same, and the journal says, durably, that it may be sent once more."""
    SENT_AGAIN = "sent again"
    """It is under way, though an earlier sending may have arrived."""
    IN_DOUBT = "in doubt"
    """Its answer was lost, or does not tell: it is read back."""
    ANSWERED = "answered"
    """It was answered with success; what the answer shows is still to be seen."""
    DENIED = "denied"
    """Jicoo said no."""
    WATCHED = "watched"
    """It was answered with success, but its booking is as before: it is read for a while."""

    APPLIED = Outcome.APPLIED.value
    UNCHANGED = Outcome.UNCHANGED.value
    STALE = Outcome.STALE.value
    REJECTED = Outcome.REJECTED.value
    FAILED = Outcome.FAILED.value
    UNKNOWN = Outcome.UNKNOWN.value
    NOT_ATTEMPTED = Outcome.NOT_ATTEMPTED.value

    # By identity, in C: a change goes through the table some five times.
    __hash__ = object.__hash__


class Event(enum.Enum):
    """What happens to a planned change. The last seven say what became of it."""

    AS_PLANNED = "its booking is as planned"
    ANNOUNCE = "its intent is durable"
    LEAVE = "it leaves"
    HELD_BACK = "429, or it never left"
    LOST = "no answer, 408, 5xx"
    ANSWER = "an answer of success"
    DENIAL = "an answer of 3xx or 4xx"
    UNCLEAR = "the answer does not tell"
    AS_BEFORE = "success, but its booking is as before"

    APPLIED = Outcome.APPLIED.value
    UNCHANGED = Outcome.UNCHANGED.value
    STALE = Outcome.STALE.value
    REJECTED = Outcome.REJECTED.value
    FAILED = Outcome.FAILED.value
    UNKNOWN = Outcome.UNKNOWN.value
    NOT_ATTEMPTED = Outcome.NOT_ATTEMPTED.value

    __hash__ = object.__hash__


END_OF = {outcome: Event(outcome.value) for outcome in Outcome}
"""What happens to a change that gets an outcome."""
ENDS = frozenset(State(outcome.value) for outcome in Outcome)
"""States in which a change has its outcome."""
MAY_HAVE_ARRIVED = frozenset(
    {
        *(State.LEFT_IN_DOUBT, State.TO_REPEAT, State.ANNOUNCED_AGAIN, State.NOT_MADE, State.TO_SEND_AGAIN),
        *(State.SENT, State.SENT_AGAIN, State.IN_DOUBT, State.ANSWERED, State.DENIED, State.WATCHED),
    }
)
"""States in which the booking may show the change because this plan has sent it."""

_S, _E = State, Event
ARROWS: dict[State, dict[Event, tuple[State, str]]] = {
    _S.PLANNED: {
        _E.AS_PLANNED: (_S.JUDGED, "Its booking was read again, by listing or by itself."),
        _E.UNCHANGED: (_S.UNCHANGED, "Its booking is so already."),
        _E.STALE: (_S.STALE, "Somebody has edited its booking, or the one whose slot it was to take."),
        _E.REJECTED: (_S.REJECTED, "Its booking is gone."),
        _E.FAILED: (_S.FAILED, "Its booking cannot be read, or the slot that it was to take was not left."),
        _E.NOT_ATTEMPTED: (_S.NOT_ATTEMPTED, "The run ended before its turn."),
    },
    _S.JUDGED: {
        _E.AS_PLANNED: (_S.JUDGED, "It was read too long ago, and is read once more."),
        _E.ANNOUNCE: (_S.ANNOUNCED, "Quiet changes are announced a chunk at once, one that messages when it leaves."),
        _E.UNCHANGED: (_S.UNCHANGED, "Read once more, its booking is so already."),
        _E.STALE: (_S.STALE, "Read once more, its booking was edited; or the one whose slot it was to take."),
        _E.REJECTED: (_S.REJECTED, "Read once more, its booking is gone."),
        _E.FAILED: (_S.FAILED, "Its booking cannot be read any more, or the slot that it was to take was not left."),
        _E.NOT_ATTEMPTED: (_S.NOT_ATTEMPTED, "The run ended before it was announced."),
    },
    _S.ANNOUNCED: {
        _E.AS_PLANNED: (_S.ANNOUNCED, "It was read too long ago, and is read once more."),
        _E.LEAVE: (_S.SENT, "The gate is open and its booking was read lately."),
        _E.UNCHANGED: (_S.UNCHANGED, "Read once more, its booking is so already."),
        _E.STALE: (_S.STALE, "Read once more, its booking was edited; or the one whose slot it was to take."),
        _E.REJECTED: (_S.REJECTED, "Read once more, its booking is gone."),
        _E.FAILED: (_S.FAILED, "Its booking cannot be read any more, or the slot that it was to take was not left."),
        _E.NOT_ATTEMPTED: (_S.NOT_ATTEMPTED, "The run ended: the intent is withdrawn."),
    },
    _S.SENT: {
        _E.HELD_BACK: (_S.REFUSED, "It certainly changed nothing."),
        _E.LOST: (_S.IN_DOUBT, "It may have been made, now or in a moment."),
        _E.ANSWER: (_S.ANSWERED, "The server has taken it."),
        _E.DENIAL: (_S.DENIED, "This sending changed nothing."),
        _E.UNKNOWN: (_S.UNKNOWN, "The engine itself failed while it was under way."),
    },
    _S.REFUSED: {
        _E.AS_PLANNED: (_S.REFUSED, "It has waited so long that its booking was read once more."),
        _E.LEAVE: (_S.SENT, "It has waited, and nothing of it can have been made."),
        _E.UNCHANGED: (_S.UNCHANGED, "Read once more, its booking is so already."),
        _E.STALE: (_S.STALE, "Read once more, its booking was edited."),
        _E.REJECTED: (_S.REJECTED, "Read once more, its booking is gone."),
        _E.FAILED: (_S.FAILED, "The tries are used up, or the run ended: it was not made."),
    },
    _S.LEFT_IN_DOUBT: {
        _E.AS_PLANNED: (_S.TO_REPEAT, "Read back, it was not made, and it may be sent again."),
        _E.APPLIED: (_S.APPLIED, "Read back, it was made."),
        _E.UNKNOWN: (_S.UNKNOWN, "It cannot be told, or it messages a guest and must not be sent again."),
        _E.NOT_ATTEMPTED: (_S.NOT_ATTEMPTED, "The earlier try had read it back as not made, and the run ended."),
    },
    _S.TO_REPEAT: {
        _E.AS_PLANNED: (_S.TO_REPEAT, "It was read too long ago, and is read once more."),
        _E.ANNOUNCE: (_S.ANNOUNCED_AGAIN, "The intent of this try is durable too."),
        _E.APPLIED: (_S.APPLIED, "Read once more, it was made after all."),
        _E.UNKNOWN: (_S.UNKNOWN, "Read once more, it cannot be told."),
        _E.NOT_ATTEMPTED: (_S.NOT_ATTEMPTED, "The run ended; for a further try it stays in doubt."),
    },
    _S.ANNOUNCED_AGAIN: {
        _E.AS_PLANNED: (_S.ANNOUNCED_AGAIN, "It was read too long ago, and is read once more."),
        _E.LEAVE: (_S.SENT_AGAIN, "It is quiet, or the server cannot be at work on the first sending any more."),
        _E.APPLIED: (_S.APPLIED, "Read once more, it was made after all."),
        _E.UNKNOWN: (_S.UNKNOWN, "Read once more, it cannot be told; or the slot that it was to take was not left."),
        _E.NOT_ATTEMPTED: (_S.NOT_ATTEMPTED, "The run ended; for a further try it stays in doubt."),
    },
    _S.NOT_MADE: {
        _E.AS_PLANNED: (_S.NOT_MADE, "It was read too long ago, and is read once more."),
        _E.ANNOUNCE: (_S.TO_SEND_AGAIN, "A worker that is killed must leave behind how often it may have sent it."),
        _E.APPLIED: (_S.APPLIED, "Read once more, it was made after all."),
        _E.FAILED: (_S.FAILED, "The tries are used up, or the run ended: read back, it was not made."),
        _E.UNKNOWN: (_S.UNKNOWN, "It cannot be told; or an earlier try too may have made it."),
    },
    _S.TO_SEND_AGAIN: {
        _E.AS_PLANNED: (_S.TO_SEND_AGAIN, "It was read too long ago, and is read once more."),
        _E.LEAVE: (_S.SENT_AGAIN, "It is quiet, or the server cannot be at work on the first sending any more."),
        _E.APPLIED: (_S.APPLIED, "Read once more, it was made after all."),
        _E.FAILED: (_S.FAILED, "The tries are used up, or the run ended: read back, it was not made."),
        _E.UNKNOWN: (_S.UNKNOWN, "It cannot be told; or an earlier try too may have made it."),
    },
    _S.SENT_AGAIN: {
        _E.HELD_BACK: (_S.TO_SEND_AGAIN, "This sending certainly changed nothing."),
        _E.LOST: (_S.IN_DOUBT, "It may have been made, now or in a moment."),
        _E.ANSWER: (_S.ANSWERED, "The server has taken it."),
        _E.DENIAL: (_S.DENIED, "This sending changed nothing."),
        _E.UNKNOWN: (_S.UNKNOWN, "The engine itself failed while it was under way."),
    },
    _S.IN_DOUBT: {
        _E.AS_PLANNED: (_S.NOT_MADE, "Read back, it was not made, and it may be sent again."),
        _E.APPLIED: (_S.APPLIED, "Read back, it was made."),
        _E.FAILED: (_S.FAILED, "Read back, it was not made, and the tries are used up."),
        _E.UNKNOWN: (_S.UNKNOWN, "It cannot be told, or it messages a guest and must not be sent again."),
    },
    _S.ANSWERED: {
        _E.UNCLEAR: (_S.IN_DOUBT, "It is not an answer of Jicoo's, or shows the booking as it was."),
        _E.AS_BEFORE: (_S.WATCHED, "A server may make a change a moment after its answer."),
        _E.APPLIED: (_S.APPLIED, "The answer shows it."),
        _E.UNKNOWN: (_S.UNKNOWN, "The answer is of another booking, or of one that is cancelled."),
    },
    _S.DENIED: {
        _E.APPLIED: (_S.APPLIED, "Read back, an earlier sending had made it."),
        _E.REJECTED: (_S.REJECTED, "Jicoo refused it."),
        _E.FAILED: (_S.FAILED, "The API key was refused, which ends the run; or it was a redirect."),
        _E.UNKNOWN: (_S.UNKNOWN, "An earlier sending may have made it, and it cannot be told."),
    },
    _S.WATCHED: {
        _E.APPLIED: (_S.APPLIED, "It shows after a while."),
        _E.UNKNOWN: (_S.UNKNOWN, "It still does not show, or its booking is gone."),
    },
}


class WayError(RuntimeError):
    """An event does not fit the state of a change: a fault of the engine, not of the plan or the API.

    :param state: where the change is.
    :param event: what was to happen to it.
    """

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"a change that is {state.value} cannot become something by {event.value!r}")
        self.state, self.event = state, event


def follow(state: State, event: Event) -> State:
    """Return what a change becomes.

    :raises WayError: the event does not fit the state.
    """
    try:
        return ARROWS[state][event][0]
    except KeyError:
        raise WayError(state, event) from None
