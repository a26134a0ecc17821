"""One call from its first sending to its result, without a clock and without a socket.

:func:`exchange` is a generator that yields what has to be done, a :class:`Call` to send or a :class:`Sleep`, and is
sent what came of it. Both clients drive it, so that a failure is treated once, and the same by both.
"""

from __future__ import annotations

import codecs
import enum
import logging
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.api.answered import is_as_before
from airflow_provider_jicoo.api.call import Call, Repeat
from airflow_provider_jicoo.api.exhaustive import assert_never
from airflow_provider_jicoo.api.redaction import Redactor, texts_of
from airflow_provider_jicoo.api.retry import Action, Answered, Decision, Fault, RetryPolicy, decide, looks, retry_after
from airflow_provider_jicoo.api.rows import is_cut, replaced, salvage, text_problem
from airflow_provider_jicoo.api.said import Keep, Told, has_words, tell
from airflow_provider_jicoo.api.secret import Secret

T = TypeVar("T")
log = logging.getLogger(__name__)

_BOOKING = re.compile(r"(/v1/bookings/[^/]+)(/.*)?")
_OF_NOBODY = frozenset(
    {
        *("uid", "eventTypeId", "hosts", "status", "priority", "locationId", "timeZone"),
        *("startedAt", "endedAt", "createdAt", "updatedAt", "cancelledAt", "cancelledBy"),
    }
)
"""Fields of a booking that tell nothing of a guest."""
# In what an HTTP library says of a failure.
_QUERY = re.compile(r"\?[^\s'\")]*")


@dataclass(frozen=True)
class Sleep:
    """Wait so many seconds; ``why`` is for the log."""

    seconds: float
    why: str


@dataclass(slots=True, repr=False)
class Reply:
    """A whole answer. What it holds is not in its repr: a traceback with locals would show it.

    :param headers: its headers, looked up without regard to case.
    :param at: when it came, in seconds since the epoch.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: float

    def __repr__(self) -> str:
        return f"<Reply {self.status}>"

    @property
    def retry_after(self) -> float | None:
        """Seconds that the API asks to wait, where it is an error."""
        headers = self.headers
        return retry_after(headers.get("Retry-After"), headers.get("Date"), self.at) if self.status >= 400 else None


@dataclass(frozen=True)
class NoReply:
    """No whole answer. ``reason`` names the cause, without URL or headers."""

    fault: Fault
    reason: str


class Hurry(enum.Enum):
    """What a :class:`Sleep` is answered with where there is no time to wait: look once more, and come to an end."""

    HURRY = "hurry"


Effect = Call[Any] | Sleep
Received = Reply | NoReply | Hurry | None
_NOTHING: Final = object()
# Older versions of msgspec do not count their own error among the ValueErrors.
_UNREADABLE = (ValueError, RecursionError, msgspec.DecodeError)


def exchange(
    call: Call[T],
    policy: RetryPolicy,
    secrets: tuple[Secret, ...] = (),
    keep: Keep | None = None,
    texts: tuple[str, ...] = (),
) -> Generator[Effect, Received, T]:
    """Send a call, and do what :func:`~airflow_provider_jicoo.api.retry.decide` says until it has a result.

    :param call: what to send.
    :param policy: how often and how long to try.
    :param secrets: what must not show in an error, as the API key.
    :param keep: keeps answers that an error does not show; None where they are not kept.
    :param texts: what else must not show of what the API says; what the call sends, and what is known of its booking,
        does not anyway.
    :raises RequestError: the subclass says what to do about it.
    """
    attempt = 0
    in_doubt = False
    while True:
        attempt += 1
        came = yield call
        assert isinstance(came, (Reply, NoReply))
        data = _accepted(call, came)
        if data is not _NOTHING and not (isinstance(came, Reply) and is_as_before(call, data, came.headers, came.at)):
            return data  # type: ignore[no-any-return]
        # Only now: most calls never need it.
        discretion = _Discretion(secrets, keep, (*texts, *texts_of(call.body), *texts_of(call.query)))
        outcome = _Outcome(call, came, discretion)
        decision = decide(call.repeat, outcome.event, attempt=attempt, jitter=policy.jitter(), policy=policy)
        if data is not _NOTHING:
            decision = Decision(Action.WATCH)
        match decision.action:
            case Action.AGAIN:
                yield Sleep(decision.delay, _why(outcome, decision, attempt, policy))
                continue
            case Action.READ_BACK | Action.READ_BACK_LAST | Action.WATCH:
                in_doubt = True
                found = yield from _resolve(call, outcome, decision, attempt, policy)
            case Action.ACCEPT | Action.GIVE_UP | Action.REFUSE | Action.AMBIGUOUS:
                found = _NOTHING
                if in_doubt and decision.action is not Action.AMBIGUOUS:
                    # An earlier sending may have arrived after it was read back: "already cancelled" is then our own
                    # doing.
                    found = yield from _read_back(call, outcome, policy)
                if found is _NOTHING:
                    yield from _learn(outcome)
                    _fail(outcome, decision.action, policy)
            case _:
                assert_never(decision.action)
        if found is not _NOTHING:
            return found  # type: ignore[no-any-return]


def _resolve(
    call: Call[T], outcome: _Outcome, decision: Decision, attempt: int, policy: RetryPolicy
) -> Generator[Effect, Received, Any]:
    """Find out whether a change was made whose answer was lost.

    :return: what the change would have answered, where it was made; :data:`_NOTHING` where it is to be sent again.
    :raises RequestError: it was not made and the tries are used up, or it cannot be told.
    """
    if decision.action is Action.WATCH:
        found = yield from _watch(call, outcome, policy)
        last = attempt >= policy.attempts
    else:
        yield Sleep(decision.delay, _why(outcome, decision, attempt, policy))
        found = yield from _read_back(call, outcome, policy)
        last = decision.action is Action.READ_BACK_LAST
    if found is _NOTHING and last:
        _fail(outcome, Action.GIVE_UP, policy)
    return found


def _accepted(call: Call[Any], came: Reply | NoReply) -> Any:
    """Return the data of an answer that is as expected, by the shortest way; of any other, :data:`_NOTHING`."""
    if isinstance(came, Reply) and 200 <= came.status < 300:
        try:
            return _data(call, _decoded(call, came.body))
        except _UNREADABLE:
            return _NOTHING
    return _NOTHING


def _decoded(call: Call[Any], body: bytes, *, is_success: bool = True) -> Any:
    """Return what an answer holds; of a page of a list also where single rows are no JSON.

    :raises ValueError: it cannot be read.
    """
    if not body:
        return None
    body = body.removeprefix(codecs.BOM_UTF8)  # which a parser may ignore (RFC 8259, section 8.1)
    try:
        return msgspec.json.decode(body)
    except _UNREADABLE:
        if not is_success:
            raise
        if call.answer_shape == "page":
            return salvage(body)
        if call.answer_shape != "list":
            raise
    # A guest's message that was cut in the middle of an emoji. What such a list gives is never sent back.
    data = replaced(body)
    log.warning(
        "%s %s: a text in the answer is no Unicode (half of a surrogate pair, or bytes of another encoding); it is "
        "read with U+FFFD in its place",
        call.method,
        call.path,
    )
    return data


def _read_back(call: Call[T], outcome: _Outcome, policy: RetryPolicy) -> Generator[Effect, Received, Any]:
    """Return what the change would have answered, where it was made; where it was not, :data:`_NOTHING`."""
    assert call.read_back is not None, f"{call.method} {call.path} is to be read back, but does not say how"
    try:
        found = yield from outcome.discretion.exchange(call.read_back.read(), policy)
    except errors.RequestError as error:
        raise outcome.error(
            errors.AmbiguousOutcomeError,
            f"{outcome.description}, and reading back failed ({error.summary}): it may or may not have been done. "
            f"Before you repeat it, {call.how_to_check}.",
        ) from error
    done = call.read_back.done(found)
    if done is None:
        raise outcome.error(
            errors.AmbiguousOutcomeError,
            f"{outcome.description}, and what was read back does not tell: it may or may not have been done. "
            f"Before you repeat it, {call.how_to_check}.",
        )
    return call.read_back.result(found) if done else _NOTHING


def _watch(call: Call[T], outcome: _Outcome, policy: RetryPolicy) -> Generator[Effect, Received, Any]:
    """Read a change back for as long as the server may still be at work on it.

    :return: what the change would have answered, once it is there; :data:`_NOTHING` where it is known not to have been
        made and may be sent again.
    :raises AmbiguousOutcomeError: it is not there, or cannot be told, and must not be sent again.
    """
    assert call.read_back is not None, f"{call.method} {call.path} is to be read back, but does not say how"
    waited, failed, done = 0.0, None, None
    for at in looks(policy.server_grace):
        why = f"{outcome.description}; reading back whether it was done in {at - waited:.0f} s, not sending it again"
        hurry = yield Sleep(at - waited, why)
        waited = at
        failed, done = None, None
        try:
            found = yield from outcome.discretion.exchange(call.read_back.read(), policy)
        except errors.RequestError as error:
            failed = error
            if isinstance(error, (errors.AuthenticationError, errors.PermissionDeniedError)):
                break
        else:
            done = call.read_back.done(found)
            if done:
                return call.read_back.result(found)
        if hurry is Hurry.HURRY:
            break
    else:
        # An answer of success was not lost: a second sending would get the same one, and message the guest again.
        if done is False and call.repeat is Repeat.AFTER_GRACE and not outcome.is_success:
            return _NOTHING
    if failed is not None:
        seen = f"reading back failed ({failed.summary})"
    elif done is None:
        seen = f"what was read back over {waited:.0f} s does not tell"
    else:
        seen = f"it was not there when it was read back over {waited:.0f} s"
    raise outcome.error(
        errors.AmbiguousOutcomeError,
        f"{outcome.description}, and {seen}: it may or may not have been done, and was not sent again. "
        f"Before you repeat it, {call.how_to_check}.",
    ) from failed


def _learn(outcome: _Outcome) -> Generator[Effect, Received, None]:
    """Find out what is known of a booking, where Jicoo refuses a change of it in words: they may name its guest.

    It is read once; where that fails, only the words are shown that all errors are made of.
    """
    call, path = outcome.call, outcome.booking_path
    if path is None or outcome.known is not None or not outcome.is_refused_in_words:
        return
    booking = call.known()
    if booking is None:
        booking = yield from _look(Call("GET", path))
    if not isinstance(booking, Mapping):
        return
    # The title need not have the guest's name in it.
    contacts = yield from _look(Call("GET", f"{path}/contacts"))
    if isinstance(contacts, list):
        outcome.known = (*texts_of([booking[name] for name in booking if name not in _OF_NOBODY]), *texts_of(contacts))


def _look(call: Call[Any]) -> Generator[Effect, Received, Any]:
    """Return the data of an answer; of what does not exist an empty list, of what cannot be read None."""
    came = yield call
    if not isinstance(came, Reply) or came.status == 404:
        return None if not isinstance(came, Reply) else []
    try:
        parsed = _decoded(call, came.body)
    except _UNREADABLE:
        return None
    return parsed.get("data") if came.status == 200 and isinstance(parsed, Mapping) else None


@dataclass(frozen=True)
class _Discretion:
    """What must not show, and where whole answers are kept.

    :param texts: what was sent, and what else must not show.
    """

    secrets: tuple[Secret, ...]
    keep: Keep | None
    texts: tuple[str, ...] = field(repr=False)

    def exchange(self, call: Call[T], policy: RetryPolicy) -> Generator[Effect, Received, T]:
        """Send another call with the same discretion."""
        return exchange(call, policy, self.secrets, self.keep, self.texts)


class _Outcome:
    """What came of one sending: the event to decide on, the data, and the words for an error.

    :param discretion: what must not show.

    ``known`` is what must not show of the booking that the call is on; None where that is not known.
    """

    def __init__(self, call: Call[Any], came: Reply | NoReply, discretion: _Discretion) -> None:
        self.call = call
        self.discretion = discretion
        self._came = came
        self._parsed: Any = None
        on_booking = _BOOKING.fullmatch(call.path)
        self.booking_path = None if on_booking is None else on_booking[1]
        self.known: tuple[str, ...] | None = () if on_booking is None else None
        if isinstance(came, NoReply):
            self.event: Answered | Fault = came.fault
            reason = _QUERY.sub("", Redactor(discretion.secrets).key(came.reason))
            self.description = f"{came.fault.value} ({reason})"
        else:
            self.description = f"answer {came.status}"
            self.event = self._classify(came)

    @property
    def is_success(self) -> bool:
        """Whether it is an answer of success, of the form that the call expects."""
        return isinstance(self.event, Answered) and self.event.status < 300 and self.event.body == "good"

    @property
    def is_refused_in_words(self) -> bool:
        """Whether Jicoo says why it does not do what was asked, and that can be told of by what it is asked for."""
        came = self._came
        if not isinstance(came, Reply) or came.status in _BY_STATUS or not has_words(came, self._parsed):
            return False
        # What cannot be read now could not be read for the words either.
        return self.call.method != "GET"

    def _classify(self, reply: Reply) -> Answered:
        wait = reply.retry_after
        try:
            self._parsed = _decoded(self.call, reply.body, is_success=reply.status < 300)
        except _UNREADABLE:
            if (problem := text_problem(reply.body)) is not None:
                self.description = f"answer {reply.status}, in which {problem}"
            return Answered(reply.status, "cut" if _is_json(reply) and is_cut(reply.body) else "foreign", wait)
        if not 200 <= reply.status < 300:
            return Answered(reply.status, "good", wait)
        try:
            _data(self.call, self._parsed)
        except ValueError as error:
            self.description = f"answer {reply.status} {error}"
            return Answered(reply.status, "foreign")
        return Answered(reply.status)

    def error(self, kind: type[errors.RequestError], summary: str) -> errors.RequestError:
        reply = self._came if isinstance(self._came, Reply) else None
        told = Told() if reply is None else self._tell(reply)
        return kind(
            summary,
            method=self.call.method,
            path=self.call.path,
            status=None if reply is None else reply.status,
            said=told.said,
            errors=told.errors,
            answer=told.answer,
            retry_after=self.event.retry_after if isinstance(self.event, Answered) else None,
        )

    def _tell(self, reply: Reply) -> Told:
        texts = None if self.known is None else (*self.known, *self.discretion.texts)
        return tell(reply, self._parsed, texts, self.discretion.secrets, self.discretion.keep)


def _data(call: Call[Any], parsed: Any) -> Any:
    """Return the data of an answer.

    :raises ValueError: it is not of the form that the call expects.
    """
    if isinstance(parsed, dict) and (found := parsed.get("errors")) and not _is_empty(found):
        raise ValueError("with errors in it")
    if call.answer_shape == "whole":
        return parsed
    if call.answer_shape == "anything":
        return parsed["data"] if isinstance(parsed, dict) and "data" in parsed else parsed
    if not isinstance(parsed, dict) or "data" not in parsed:
        raise ValueError("without the data that Jicoo's answers have")
    data = parsed["data"]
    if not isinstance(data, dict if call.answer_shape == "object" else list):
        raise ValueError(f"whose data is no {call.answer_shape}")
    return parsed if call.answer_shape == "page" else data


def _is_empty(errors: Any) -> bool:
    """Tell whether what should have errors has none: a name for each field, say, and nothing under any."""
    if isinstance(errors, Mapping):
        return all(map(_is_empty, errors.values()))
    return all(map(_is_empty, errors)) if isinstance(errors, list) else errors in (None, "")


def _fail(outcome: _Outcome, action: Action, policy: RetryPolicy) -> NoReturn:
    if action is Action.AMBIGUOUS:
        raise outcome.error(
            errors.AmbiguousOutcomeError,
            f"{outcome.description}: it may or may not have been done, and was not repeated. "
            f"Before you repeat it, {outcome.call.how_to_check}.",
        )
    event = outcome.event
    if isinstance(event, Fault):
        is_large = event is Fault.TOO_LARGE
        raise outcome.error(errors.UnexpectedAnswerError if is_large else errors.TransportError, outcome.description)
    kind, summary = _BY_STATUS.get(event.status, (None, ""))
    if kind is errors.PermissionDeniedError:
        summary = f"{summary} {outcome.call.permission_hint}".rstrip()
    if kind is errors.RateLimitError and (event.retry_after or 0.0) > policy.longest_wait:
        asked, most = f"{event.retry_after:,.0f} s", f"{policy.longest_wait:g} s"
        summary = f"too many requests, and Jicoo asks to wait {asked}, longer than a request waits ({most})."
    if kind is not None:
        raise outcome.error(kind, summary)
    if event.status >= 500:
        done = "" if outcome.call.method == "GET" else "; it was not done"
        raise outcome.error(errors.ServerError, f"Jicoo's server failed{done}.")
    if event.status >= 400:
        raise outcome.error(errors.RejectedError, "Jicoo refused the request.")
    if event.status >= 300:
        raise outcome.error(
            errors.UnexpectedAnswerError, "a redirect, which is not followed since the API key would go along."
        )
    raise outcome.error(errors.UnexpectedAnswerError, f"not an answer of Jicoo's API: {outcome.description}.")


_BY_STATUS: dict[int, tuple[type[errors.RequestError] | None, str]] = {
    401: (errors.AuthenticationError, "Jicoo does not accept the API key."),
    403: (errors.PermissionDeniedError, "the API key lacks the permission."),
    404: (errors.NotFoundError, "there is no such thing, or the API key cannot see it."),
    408: (errors.TransportError, "the server did not get the whole request in time."),
    429: (errors.RateLimitError, "too many requests, also after waiting."),
}


def _why(outcome: _Outcome, decision: Decision, attempt: int, policy: RetryPolicy) -> str:
    then = "sending it again" if decision.action is Action.AGAIN else "reading back whether it was done"
    return f"{outcome.description} (try {attempt} of {policy.attempts}); {then} in {decision.delay:.1f} s"


def _is_json(reply: Reply) -> bool:
    return "json" in reply.headers.get("Content-Type", "").lower()
