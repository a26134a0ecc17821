"""How a plan is carried out, and how long an apply waits for what."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Literal, get_args

from airflow_provider_jicoo.api.call import OnDoubt
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.bulk.apply.waves import Tolerance, wave_sizes
from airflow_provider_jicoo.bulk.errors import PlanError

LEASE = 5.0
"""Seconds, where none are given: three looks at a slow object store."""
OnStale = Literal["skip", "fail"]
OnStamp = Literal["send", "skip"]
Reread = Literal["list", "each"]


@dataclass(frozen=True)
class Timing:
    """What an apply waits for, in seconds, and how much it does at once.

    :param chunk: how many bookings are read again at once at the most.
    :param least_chunk: the same at a slow pace, where they wait long for their turn.
    :param fresh: a booking that was read longer ago than this is read once more before it is changed: somebody may have
        edited it. Once only: below about 1 request/s the re-read itself waits longer than this, so that an unlimited
        rule would re-read for ever and never send.
    :param last_wait: once the run has ended, a change in doubt waits at most this long for its read-back.
    :param tick: between two looks at the control file, and between two checks whether progress is due.
    :param flush: outcomes are written at least this often, even if no new intent forces a write.
    :param soon: when a booking is read first that an answer of success shows as before: an answer may show it as it
        was, and a server may make the change a moment later. Further on it is read as what is in doubt is.
    :param policy: how often a request is tried. A bulk run is more patient than a single call: together the waits of a
        request come to a minute or two.
    """

    chunk: int = 1_000
    least_chunk: int = 10
    fresh: float = 20.0
    last_wait: float = 5.0
    tick: float = 0.25
    flush: float = 2.0
    soon: tuple[float, ...] = (0.2, 1.0, 2.5)
    policy: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=10))


@dataclass(frozen=True)
class Options:
    """How a plan is carried out.

    :param waves: sizes of the first waves, as counts or percentages of the plan; the rest comes last.
    :param tolerated_failures: how many may go wrong, as a count or a percentage of the plan.
    :param concurrency: how many requests are under way at once.
    :param on_stale: whether a booking that was edited since the plan was made is skipped, or ends the run.
    :param on_stamp: what is done with a booking of which only ``updatedAt`` has moved since, while every planned field
        is as planned: ``send`` the change, or ``skip`` the booking as stale.
    :param on_doubt: what follows where the answer to a change was lost and it is not seen in the booking: ``leave`` it
        as unknown, or send it ``again`` (where it messages a guest, only when the server can no longer be at work on
        the first). By default ``leave`` where it messages a guest, else ``again``.
    :param reread: how a booking is read again before its change: by ``list``, many at once, or ``each`` by itself right
        before. By default each where the change messages a guest (a cancel does), since a list may lag behind.
    :param lease: seconds for which a worker may send after it has looked whether another one has taken the plan. So
        long a later worker waits before it goes on, and every worker before its first change that messages a guest.
    :param timing: the other waits.
    :raises PlanError: one of them cannot be right.
    """

    waves: tuple[int | str, ...] = ("1", "1%", "10%")
    tolerated_failures: int | str = 0
    concurrency: int = 32
    on_stale: OnStale = "skip"
    on_stamp: OnStamp = "send"
    on_doubt: OnDoubt | None = None
    reread: Reread | None = None
    lease: float = LEASE
    timing: Timing = field(default_factory=Timing)

    def __post_init__(self) -> None:
        wave_sizes(self.waves, 100)
        Tolerance(self.tolerated_failures)
        for name, allowed in (("on_stale", OnStale), ("on_stamp", OnStamp), ("on_doubt", OnDoubt), ("reread", Reread)):
            value, words = getattr(self, name), get_args(allowed)
            if value not in words and not (value is None and name in ("on_doubt", "reread")):
                raise PlanError(f"{name}: {value!r} is neither {words[0]!r} nor {words[1]!r}")
        if not _is_number(self.concurrency, int):
            raise PlanError(f"concurrency: {self.concurrency!r} is no whole number")
        if self.concurrency < 1:
            raise PlanError(f"concurrency: {self.concurrency!r} is not 1 or more")
        if not _is_number(self.lease, int, float) or not 0 < self.lease <= sys.float_info.max:
            raise PlanError(f"lease: {self.lease!r:.100} is not a positive number of seconds")

    def leaves(self, *, messages: bool) -> bool:
        """Tell whether a change in doubt is left, or waits until the server can no longer be at work on it.

        :param messages: whether the change messages a guest.
        """
        return messages or self.on_doubt == "leave"

    def reads_each(self, *, messages: bool) -> bool:
        """Tell whether a booking is read by itself right before its change.

        :param messages: whether the change messages a guest.
        """
        return messages if self.reread is None else self.reread == "each"


def _is_number(given: object, *kinds: type) -> bool:
    return isinstance(given, kinds) and not isinstance(given, bool)
