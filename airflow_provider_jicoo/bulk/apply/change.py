"""A planned change on its way: where it is, and what is known of its booking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.bulk.apply.judge import judge_booking, not_read
from airflow_provider_jicoo.bulk.apply.way import END_OF, ENDS, MAY_HAVE_ARRIVED, Event, State, follow
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome
from airflow_provider_jicoo.bulk.plan.file import PlannedChange

_LEFT = (State.LEFT_IN_DOUBT, State.TO_REPEAT, State.ANNOUNCED_AGAIN)
"""Where a change is that an earlier try may have made, and that this one has not sent."""

_NOT_ANNOUNCED = (State.PLANNED, State.JUDGED, State.LEFT_IN_DOUBT, State.TO_REPEAT, State.NOT_MADE)


class Change:
    """A planned change, from its turn to its outcome. Its state is changed by :meth:`happens` alone.

    :param planned: the planned change.
    :param messages: whether it messages a guest.
    :param doubt: what an earlier try has left of it, where that may have made it; None otherwise.

    ``is_inherited`` tells that nobody knew at its end whether the earlier try had made it.

    ``read_at`` is when its booking was read last, by a monotonic clock, None where it is still to be read; ``rereads``
    how often it was read once more because that was too long ago. ``booking`` is its booking as it was read, of which
    nothing must show in what Jicoo says. ``sends`` counts how often it left, as far as that may have made it.
    ``settled`` is what it has come to where that was found while it waited to leave.
    """

    __slots__ = ("booking", "is_inherited", "messages", "planned", "read_at", "rereads", "sends", "settled", "state")

    def __init__(self, planned: PlannedChange, *, messages: bool, doubt: Entry | None) -> None:
        self.planned = planned
        self.messages = messages
        # A failed change is not inherited doubt: it was read back as not made. It is in doubt again only because a
        # server may have made it after that.
        self.is_inherited = doubt is not None and doubt.outcome is not Outcome.FAILED
        self.sends = 0 if doubt is None else doubt.sends
        self.state = State.PLANNED if doubt is None else State.LEFT_IN_DOUBT
        self.read_at: float | None = None
        self.rereads = 0
        self.booking: Mapping[str, Any] | None = None
        self.settled: Entry | None = None

    @property
    def uid(self) -> str:
        """The id of its booking."""
        return self.planned.uid

    @property
    def may_have_arrived(self) -> bool:
        """Whether the booking may show the change because this plan has sent it."""
        return self.state in MAY_HAVE_ARRIVED

    @property
    def is_announced(self) -> bool:
        """Whether this try has said in the journal that it may be sent, as often as it has to be."""
        return self.state not in _NOT_ANNOUNCED

    @property
    def is_over(self) -> bool:
        """Whether it has an outcome."""
        return self.state in ENDS

    def happens(self, event: Event) -> None:
        """Go on to the next state.

        :raises WayError: that cannot happen to it now.
        """
        self.state = follow(self.state, event)

    def ends(self, outcome: Outcome) -> None:
        """Go on to its end.

        :raises WayError: it cannot end so from where it is.
        """
        self.state = follow(self.state, END_OF[outcome])

    def judge(self, read: Booking | RequestError | None, *, skip_stamp: bool) -> Entry | None:
        """Say what it has come to by its booking as it was read; None where it is as planned.

        :param read: the booking, None where it does not exist, or why it cannot be read.
        :param skip_stamp: whether a booking of which only ``updatedAt`` has moved is stale.
        """
        if isinstance(read, RequestError):
            entry: Entry | None = not_read(read, in_doubt=self.may_have_arrived)
        else:
            self.booking = read
            entry = judge_booking(self.planned, read, in_doubt=self.may_have_arrived, skip_stamp=skip_stamp)
        if entry is not None:
            entry.sends = self.sends
        return entry

    def entry(self, outcome: Outcome, detail: str) -> Entry:
        """Return an outcome with words for a person.

        If this try did nothing, an earlier one still may have: what that left in doubt then becomes unknown.
        """
        if outcome in (Outcome.FAILED, Outcome.STALE) and (self.is_inherited or self.state in _LEFT):
            outcome = Outcome.UNKNOWN
        return Entry(outcome, None, detail, sends=self.sends)

    def withheld(self) -> Entry:
        """Return the outcome where the run ends before the change can leave."""
        if self.state in (State.REFUSED, State.NOT_MADE, State.TO_SEND_AGAIN):
            return self.entry(Outcome.FAILED, "it was not made, and the run ended before it could be sent again")
        if self.state is State.LEFT_IN_DOUBT and self.is_inherited:
            return self.entry(Outcome.UNKNOWN, "an earlier try may have sent it, and the run ended before its turn")
        return self.entry(Outcome.NOT_ATTEMPTED, "")

    def broken(self, error: Exception) -> Entry:
        """Return the outcome after an unforeseen error. Its text is not shown: it may hold a booking."""
        outcome = Outcome.UNKNOWN if self.may_have_arrived else Outcome.FAILED
        return self.entry(outcome, f"{type(error).__name__}; the log has its text at DEBUG")
