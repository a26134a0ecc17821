"""One call from its first sending to its result, without a clock and without a socket.

:func:`exchange` is a generator that yields what has to be done, a :class:`Call` to send or a :class:`Sleep`, and is
sent what came of it. Both clients drive it, so that a failure is treated once, and the same by both.
"""

from __future__ import annotations

import enum
import html
import json
import random
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from airflow_provider_jicoo.api import errors
from airflow_provider_jicoo.api.answered import is_as_before
from airflow_provider_jicoo.api.call import Call, Repeat
from airflow_provider_jicoo.api.retry import Action, Answered, Decision, Fault, RetryPolicy, decide, looks, retry_after
from airflow_provider_jicoo.api.rows import is_cut, salvage

T = TypeVar("T")

_SAID_AT_MOST = 300
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
# It begins where a word does: tried from every letter of a long one, it would take minutes.
_EMAIL = re.compile(r"(?<![^\s@\"'<>(),;:])[^\s@\"'<>(),;:]+@[^\s@\"'<>(),;:]+\.[A-Za-z]+")


@dataclass(frozen=True)
class Sleep:
    """Wait so many seconds; ``why`` is for the log."""

    seconds: float
    why: str


@dataclass(slots=True)
class Reply:
    """A whole answer.

    :param headers: its headers, looked up without regard to case.
    :param at: when it came, in seconds since the epoch.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(frozen=True)
class Broken:
    """No whole answer. ``reason`` names the cause, without URL or headers."""

    fault: Fault
    reason: str


class Hurry(enum.Enum):
    """What a :class:`Sleep` is answered with where there is no time to wait: look once more, and come to an end."""

    HURRY = "hurry"


Effect = Call[Any] | Sleep
Came = Reply | Broken | Hurry | None
_NOTHING: Final = object()
# Older versions of msgspec do not count their own error among the ValueErrors.
_UNREADABLE = (ValueError, RecursionError, msgspec.DecodeError)


def exchange(call: Call[T], policy: RetryPolicy, secrets: tuple[str, ...] = ()) -> Generator[Effect, Came, T]:
    """Send a call, and do what :func:`~airflow_provider_jicoo.api.retry.decide` says until it has a result.

    :param call: what to send.
    :param policy: how often and how long to try.
    :param secrets: texts that must not show in an error, as the API key.
    :raises RequestError: the subclass says what to do about it.
    """
    attempt = 0
    doubted = False
    while True:
        attempt += 1
        came = yield call
        assert isinstance(came, (Reply, Broken))
        data = _accepted(call, came)
        if data is not _NOTHING and not (isinstance(came, Reply) and is_as_before(call, data, came.headers, came.at)):
            return data  # type: ignore[no-any-return]
        outcome = _Outcome(call, came, secrets)
        decision = decide(call.repeat, outcome.event, attempt=attempt, luck=random.random(), policy=policy)
        if data is not _NOTHING:
            decision = Decision(Action.WATCH)
        if decision.action is Action.AGAIN:
            yield Sleep(decision.delay, _why(outcome, decision, attempt, policy))
            continue
        if decision.action in (Action.READ_BACK, Action.READ_BACK_LAST, Action.WATCH):
            doubted = True
            found = yield from _resolve(call, outcome, decision, attempt, policy, secrets)
        elif doubted and decision.action is not Action.AMBIGUOUS:
            # An earlier sending may have arrived after it was read back: "already cancelled" is then our own doing.
            found = yield from _read_back(call, outcome, policy, secrets)
            if found is _NOTHING:
                _fail(outcome, decision.action)
        else:
            _fail(outcome, decision.action)
        if found is not _NOTHING:
            return found  # type: ignore[no-any-return]


def _resolve(
    call: Call[T], outcome: _Outcome, decision: Decision, attempt: int, policy: RetryPolicy, secrets: tuple[str, ...]
) -> Generator[Effect, Came, Any]:
    """Find out whether a change was made whose answer was lost.

    :return: what the change would have answered, where it was made; :data:`_NOTHING` where it is to be sent again.
    :raises RequestError: it was not made and the tries are used up, or it cannot be told.
    """
    if decision.action is Action.WATCH:
        found = yield from _watch(call, outcome, policy, secrets)
        last = attempt >= policy.attempts
    else:
        yield Sleep(decision.delay, _why(outcome, decision, attempt, policy))
        found = yield from _read_back(call, outcome, policy, secrets)
        last = decision.action is Action.READ_BACK_LAST
    if found is _NOTHING and last:
        _fail(outcome, Action.GIVE_UP)
    return found


def _accepted(call: Call[Any], came: Reply | Broken) -> Any:
    """Return the data of an answer that is as expected, by the shortest way; of any other, :data:`_NOTHING`."""
    if isinstance(came, Reply) and 200 <= came.status < 300:
        try:
            return _data(call, _decoded(call, came.body))
        except _UNREADABLE:
            return _NOTHING
    return _NOTHING


def _decoded(call: Call[Any], body: bytes) -> Any:
    """Return what an answer holds; of a page of a list also where single rows are no JSON.

    :raises ValueError: it cannot be read.
    """
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except _UNREADABLE:
        if call.answers != "page":
            raise
        return salvage(body)


def _read_back(
    call: Call[T], outcome: _Outcome, policy: RetryPolicy, secrets: tuple[str, ...]
) -> Generator[Effect, Came, Any]:
    """Return what the change would have answered, where it was made; where it was not, :data:`_NOTHING`."""
    assert call.confirm is not None, f"{call.method} {call.path} is to be read back, but does not say how"
    try:
        found = yield from exchange(call.confirm.read(), policy, (*secrets, *_private(call)))
    except errors.RequestError as error:
        raise outcome.error(
            errors.AmbiguousOutcomeError,
            f"{outcome.what}, and reading back failed ({error.summary}): it may or may not have been done. "
            f"Before you repeat it, {call.check}.",
        ) from error
    done = call.confirm.done(found)
    if done is None:
        raise outcome.error(
            errors.AmbiguousOutcomeError,
            f"{outcome.what}, and what was read back does not tell: it may or may not have been done. "
            f"Before you repeat it, {call.check}.",
        )
    return call.confirm.result(found) if done else _NOTHING


def _watch(
    call: Call[T], outcome: _Outcome, policy: RetryPolicy, secrets: tuple[str, ...]
) -> Generator[Effect, Came, Any]:
    """Read a change back for as long as the server may still be at work on it.

    :return: what the change would have answered, once it is there; :data:`_NOTHING` where it is known not to have been
        made and may be sent again.
    :raises AmbiguousOutcomeError: it is not there, or cannot be told, and must not be sent again.
    """
    assert call.confirm is not None, f"{call.method} {call.path} is to be read back, but does not say how"
    waited, failed, done = 0.0, None, None
    for at in looks(policy.server_grace):
        why = f"{outcome.what}; reading back whether it was done in {at - waited:.0f} s, not sending it again"
        hurry = yield Sleep(at - waited, why)
        waited = at
        failed, done = None, None
        try:
            found = yield from exchange(call.confirm.read(), policy, (*secrets, *_private(call)))
        except errors.RequestError as error:
            failed = error
            if isinstance(error, (errors.AuthenticationError, errors.PermissionDeniedError)):
                break
        else:
            done = call.confirm.done(found)
            if done:
                return call.confirm.result(found)
        if hurry is Hurry.HURRY:
            break
    else:
        if done is False and call.repeat is Repeat.AFTER_GRACE:
            return _NOTHING
    if failed is not None:
        seen = f"reading back failed ({failed.summary})"
    elif done is None:
        seen = f"what was read back over {waited:.0f} s does not tell"
    else:
        seen = f"it was not there when it was read back over {waited:.0f} s"
    raise outcome.error(
        errors.AmbiguousOutcomeError,
        f"{outcome.what}, and {seen}: it may or may not have been done, and was not sent again. "
        f"Before you repeat it, {call.check}.",
    ) from failed


class _Outcome:
    """What came of one sending: the event to decide on, the data, and the words for an error."""

    def __init__(self, call: Call[Any], came: Reply | Broken, secrets: tuple[str, ...]) -> None:
        self.call = call
        self._came = came
        self._secrets = secrets
        self._parsed: Any = None
        if isinstance(came, Broken):
            self.event: Answered | Fault = came.fault
            self.what = f"{came.fault.value} ({blot(came.reason, secrets)})"
        else:
            self.what = f"answer {came.status}"
            self.event = self._read(came)

    def _read(self, reply: Reply) -> Answered:
        wait = retry_after(reply.headers.get("Retry-After"), reply.at) if reply.status >= 400 else None
        try:
            self._parsed = _decoded(self.call, reply.body)
        except _UNREADABLE:
            return Answered(reply.status, "cut" if _is_json(reply) and is_cut(reply.body) else "foreign", wait)
        if not 200 <= reply.status < 300:
            return Answered(reply.status, "good", wait)
        try:
            _data(self.call, self._parsed)
        except ValueError as error:
            self.what = f"answer {reply.status} {error}"
            return Answered(reply.status, "foreign")
        return Answered(reply.status)

    def error(self, kind: type[errors.RequestError], summary: str) -> errors.RequestError:
        reply = self._came if isinstance(self._came, Reply) else None
        secrets = (*self._secrets, *_private(self.call))
        return kind(
            summary,
            method=self.call.method,
            path=self.call.path,
            status=None if reply is None else reply.status,
            said="" if reply is None else _said(reply, self._parsed, secrets),
            errors=blot(self._parsed.get("errors"), secrets) if isinstance(self._parsed, dict) else None,
            retry_after=self.event.retry_after if isinstance(self.event, Answered) else None,
        )


def _data(call: Call[Any], parsed: Any) -> Any:
    """Return the data of an answer.

    :raises ValueError: it is not of the form that the call expects.
    """
    if isinstance(parsed, dict) and parsed.get("errors"):
        raise ValueError("with errors in it")
    if call.answers == "whole":
        return parsed
    if call.answers == "anything":
        return parsed["data"] if isinstance(parsed, dict) and "data" in parsed else parsed
    if not isinstance(parsed, dict) or "data" not in parsed:
        raise ValueError("without the data that Jicoo's answers have")
    data = parsed["data"]
    if not isinstance(data, dict if call.answers == "object" else list):
        raise ValueError(f"whose data is no {call.answers}")
    return parsed if call.answers == "page" else data


def _fail(outcome: _Outcome, action: Action) -> NoReturn:
    if action is Action.AMBIGUOUS:
        raise outcome.error(
            errors.AmbiguousOutcomeError,
            f"{outcome.what}: it may or may not have been done, and was not repeated. "
            f"Before you repeat it, {outcome.call.check}.",
        )
    event = outcome.event
    if isinstance(event, Fault):
        raise outcome.error(errors.TransportError, outcome.what)
    kind, summary = _BY_STATUS.get(event.status, (None, ""))
    if kind is errors.PermissionDeniedError:
        summary = f"{summary} {outcome.call.forbidden}".rstrip()
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
    raise outcome.error(errors.UnexpectedAnswerError, f"not an answer of Jicoo's API: {outcome.what}.")


_BY_STATUS: dict[int, tuple[type[errors.RequestError] | None, str]] = {
    401: (errors.AuthenticationError, "Jicoo does not accept the API key."),
    403: (errors.PermissionDeniedError, "the API key lacks the permission."),
    404: (errors.NotFoundError, "there is no such thing, or the API key cannot see it."),
    408: (errors.TransportError, "the server did not get the whole request in time."),
    429: (errors.RateLimitError, "too many requests, also after waiting."),
}


def _why(outcome: _Outcome, decision: Decision, attempt: int, policy: RetryPolicy) -> str:
    then = "sending it again" if decision.action is Action.AGAIN else "reading back whether it was done"
    return f"{outcome.what} (try {attempt} of {policy.attempts}); {then} in {decision.delay:.1f} s"


def _is_json(reply: Reply) -> bool:
    return "json" in reply.headers.get("Content-Type", "").lower()


def _said(reply: Reply, parsed: Any, secrets: tuple[str, ...]) -> str:
    """Return the API's own words, from whichever of the forms an error may have (its form is not documented).

    The data in an answer of success are no words: they are somebody's booking, and not repeated.
    """
    success = 200 <= reply.status < 300
    if isinstance(parsed, dict):
        words = parsed.get("errors") or parsed.get("message") or parsed.get("error") or ("" if success else parsed)
        words = blot(words, secrets)  # before JSON escapes what it would be known by
        text = words if isinstance(words, str) else json.dumps(words, ensure_ascii=False)
    elif success and (parsed is not None or _is_json(reply)):
        text = ""
    else:
        page: str = blot(reply.body[:10_000].decode("utf-8", "replace"), secrets)
        text = html.unescape(_TAGS.sub(" ", page))
    text = str(blot(" ".join(text.split()), secrets))  # before it is cut, perhaps in the middle of a secret
    return text if len(text) <= _SAID_AT_MOST else text[:_SAID_AT_MOST] + " …"


def _private(call: Call[Any]) -> Iterator[str]:
    """Yield the personal texts that the call sends."""
    return _texts(list(_under(call.private, call.body)))


def _under(names: frozenset[str], value: Any) -> Iterator[Any]:
    """Yield what stands under one of these names in JSON, however deep."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name in names:
                yield part
            else:
                yield from _under(names, part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _under(names, part)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in ``value``."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)


def blot(value: Any, secrets: tuple[str, ...]) -> Any:
    """Replace secrets and e-mail addresses in every text of ``value`` by ``***``.

    :param value: a text, or JSON of texts.
    :param secrets: texts to blot out; a single character is left, it would blot out half of any text.
    """
    if isinstance(value, str):
        # What is to be shown has its white space made single blanks.
        for secret in sorted({*secrets, *(" ".join(secret.split()) for secret in secrets)}, key=len, reverse=True):
            if len(secret) > 1:
                value = value.replace(secret, "***")
        return _EMAIL.sub("***", value)
    if isinstance(value, dict):
        return {blot(key, secrets): blot(part, secrets) for key, part in value.items()}
    if isinstance(value, list):
        return [blot(part, secrets) for part in value]
    return value
