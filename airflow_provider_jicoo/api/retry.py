"""What to do after an answer or a fault: a function of data, with no clock and no socket.

======================= =========== ========================== =============================== ===================
what happened           a read      a quiet change             a change that messages a guest  a create
======================= =========== ========================== =============================== ===================
could not connect; 429  wait, again wait, again                wait, again                     wait, again
5xx, 408                wait, again wait, read back, or again  read back for the server's      ambiguous, no repeat
                                                               grace, then ambiguous
sent, no whole answer   wait, again wait, read back, or again  the same                        ambiguous, no repeat
2xx too large, too slow give up     wait, read back, or again  the same                        ambiguous, no repeat
2xx that is not Jicoo's refuse      wait, read back, or again  the same                        ambiguous, no repeat
3xx, other 4xx          refuse      refuse                     refuse                          refuse
======================= =========== ========================== =============================== ===================
"""

from __future__ import annotations

import email.utils
import enum
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timezone
from typing import Literal

from airflow_provider_jicoo.api.call import Repeat


class Fault(enum.Enum):
    """Why there is no answer."""

    NOT_SENT = "could not connect"
    NO_ANSWER = "no answer"
    TOO_LARGE = "the answer is too large"
    TOO_SLOW = "the answer takes too long"


@dataclass(frozen=True)
class Answered:
    """An answer, as far as the decision needs it.

    :param status: HTTP status.
    :param body: ``good`` for JSON of the form expected, ``cut`` for JSON that broke off, ``foreign`` for all else.
    :param retry_after: seconds that the API asked to wait, or None.
    """

    status: int
    body: Literal["good", "cut", "foreign"] = "good"
    retry_after: float | None = None


class Action(enum.Enum):
    """What to do next."""

    ACCEPT = "accept"
    AGAIN = "again"
    READ_BACK = "read back, then again where it was not done"
    READ_BACK_LAST = "read back, then give up where it was not done"
    WATCH = "read back for as long as the server may be at work"
    GIVE_UP = "give up; known not to be done"
    REFUSE = "give up; the answer says why"
    AMBIGUOUS = "give up; nobody knows whether it was done"


@dataclass(frozen=True)
class Decision:
    """What to do, after how many seconds."""

    action: Action
    delay: float = 0.0


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try.

    :param attempts: how often a request is sent at the most.
    :param base: seconds; the first back-off is between 0 and this, each further one up to twice the one before.
    :param longest_backoff: seconds; no back-off is longer.
    :param longest_wait: seconds; an API that asks for a longer ``Retry-After`` is not waited for.
    :param floor: seconds; the least wait after a 429 and before reading back, when the server may still be at work.
    :param server_grace: seconds that the server may still be at work on a request whose answer was lost. The clients
        take it from their settings.
    :param jitter: a random number in [0, 1), which spreads the back-offs.
    """

    attempts: int = 6
    base: float = 0.5
    longest_backoff: float = 30.0
    longest_wait: float = 120.0
    floor: float = 1.0
    server_grace: float = 60.0
    jitter: Callable[[], float] = field(default=random.random, compare=False, repr=False)


ONCE = RetryPolicy(attempts=1)
"""For what will be sent again when it is needed, by somebody who waits."""

_LOOKS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)


def looks(grace: float) -> list[float]:
    """Return when a change in doubt is read back: seconds after its sending was lost, the last one at the grace.

    :param grace: seconds that the server may still be at work.
    """
    return [*(at for at in _LOOKS if at < grace), grace]


def decide(repeat: Repeat, event: Answered | Fault, *, attempt: int, jitter: float, policy: RetryPolicy) -> Decision:
    """Decide what follows.

    :param repeat: what may be done with this request when its outcome is in doubt.
    :param event: what happened.
    :param attempt: how often the request was sent, this time included.
    :param jitter: random in [0, 1): where in the range of the back-off (full jitter).
    """
    last = attempt >= policy.attempts
    backoff = jitter * min(policy.longest_backoff, policy.base * 2.0 ** min(attempt - 1, 100))
    if isinstance(event, Answered):
        if 200 <= event.status < 300 and event.body == "good":
            return Decision(Action.ACCEPT)
        if event.status == 429:
            # A Retry-After of 0 must not burn the tries.
            wait = max(backoff, event.retry_after or 0.0, policy.floor)
            return Decision(Action.GIVE_UP) if last or wait > policy.longest_wait else Decision(Action.AGAIN, wait)
        if 300 <= event.status < 500 and event.status != 408:
            return Decision(Action.REFUSE)
        if repeat is Repeat.HARMLESS and 200 <= event.status < 300 and event.body == "foreign":
            return Decision(Action.REFUSE)
        backoff = max(backoff, min(event.retry_after or 0.0, policy.longest_wait))
    elif event is Fault.NOT_SENT:
        return Decision(Action.GIVE_UP) if last else Decision(Action.AGAIN, backoff)

    # From here on nobody knows whether the server did it.
    if repeat is Repeat.NEVER:
        return Decision(Action.AMBIGUOUS)
    if repeat in (Repeat.LEAVE, Repeat.AFTER_GRACE):
        return Decision(Action.WATCH)
    if repeat is Repeat.HARMLESS:
        # A retry would be too large again; and one that was too slow has already had several timeouts.
        is_over = last or event in (Fault.TOO_LARGE, Fault.TOO_SLOW)
        return Decision(Action.GIVE_UP) if is_over else Decision(Action.AGAIN, backoff)
    return Decision(Action.READ_BACK_LAST if last else Action.READ_BACK, max(backoff, policy.floor))


def retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Read a ``Retry-After`` header: seconds, or an HTTP date (RFC 9110, section 10.2.3).

    :param value: the header, or None.
    :param date: the ``Date`` header of the same answer, which a date is measured from: the server's clock may be
        minutes away from ours.
    :param now: seconds since the epoch by our clock, for an answer without a readable ``Date``.
    :return: seconds from now, at least 0; None where there is none or it cannot be read.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until = _moment(value)
        if until is None:
            return None
        seconds = until - answered_at(date, now)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def answered_at(date: str | None, now: float) -> float:
    """Return when an answer was given, in seconds since the epoch by the server's clock.

    :param date: its ``Date`` header, or None.
    :param now: the same by our clock, for an answer without a readable one.
    """
    sent = None if date is None else _moment(date)
    return now if sent is None else sent


def _moment(date: str) -> float | None:
    """Return an HTTP date as seconds since the epoch; None where it cannot be read."""
    try:
        read = email.utils.parsedate_to_datetime(date)
        # A date without a zone, as in the oldest of the three forms, is in UTC too.
        return (read if read.tzinfo else read.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
