"""What can go wrong, sorted by what the caller should do about it.

::

    JicooError
    ├── InvalidRequestError        nothing was sent: mend the arguments
    ├── WebhookSignatureError      a webhook is not signed as it should be: refuse it; ``reason`` says why
    ├── WebhookPayloadError        a webhook is no event; ``field`` says what is wrong
    └── RequestError               a request was made (or tried)
        ├── AuthenticationError    401: mend the API key
        ├── PermissionDeniedError  403: give the key the permission
        ├── NotFoundError          404: the thing does not exist
        ├── RejectedError          400, 402, 422: the API refused; ``errors`` says which field
        ├── RateLimitError         429: slow down; ``retry_after`` in seconds, where the API said so
        ├── ServerError            5xx, and the change is known not to have been made
        ├── TransportError         no connection or no answer, and the change is known not to have been made
        ├── AmbiguousOutcomeError  the change may or may not have been made: look before you repeat it
        └── UnexpectedAnswerError  not an answer of Jicoo's API
            ├── ListingMovedError  the rows of a list moved during every sweep
            └── UnprovenListError  a list may lack rows: ``doubts`` says what was assumed, and what was seen
                └── BrokenRowsError  rows of a list cannot be used; ``doubts`` names each

An error carries method, path, status and what the API said, without the API key, what was sent and what is a guest's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal


class JicooError(Exception):
    """Any failure of this package."""

    permanent: bool = False
    """True where trying the same again cannot help."""


class InvalidRequestError(JicooError, ValueError):
    """The arguments are wrong; nothing was sent."""

    permanent = True


SignatureFault = Literal["no header", "malformed", "mismatch", "stale"]

_SIGNATURE_FAULTS: dict[SignatureFault, str] = {
    "no header": "the webhook has no signature",
    "malformed": "the webhook's signature cannot be read",
    "mismatch": "the webhook is not signed with the secret",
    "stale": "the webhook is signed with the secret, but its time is too far from now",
}


class WebhookSignatureError(JicooError):
    """A webhook is not signed as it should be: refuse it. Shows nothing of header, body and secret.

    :param reason: why. For your log, not for the answer: who forges need not know how near they came.
    """

    permanent = True

    def __init__(self, reason: SignatureFault) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return _SIGNATURE_FAULTS[self.reason]


class WebhookPayloadError(JicooError):
    """A webhook is no event of Jicoo's. Shows nothing of its body.

    :param field: what is missing or wrong, as ``object.uid``; ``body`` where it is no JSON object.
    """

    permanent = True

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(field)

    def __str__(self) -> str:
        return f"the webhook is no event of Jicoo's: {self.field} is missing or wrong"


class RequestError(JicooError):
    """A request failed.

    :param summary: what happened, in one sentence.
    :param method: HTTP method, as ``PATCH``.
    :param path: path of the request, as ``/v1/bookings/mzgdPJVBb7RE``.
    :param status: HTTP status, or None where there was no answer.
    :param said: what the API said, cut to a few hundred characters, with ``***`` where something may be private; empty
        where it said nothing, or what it said may be anything.
    :param errors: the ``errors`` of the API's answer, with ``***`` as in ``said``; None where there were none.
    :param answer: type, length and digest of an answer that is not shown, and where it is kept; else empty.
    :param retry_after: seconds the API asked to wait, or None.
    """

    def __init__(
        self,
        summary: str,
        *,
        method: str,
        path: str,
        status: int | None = None,
        said: str = "",
        errors: Any = None,
        answer: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.summary = summary
        self.method = method
        self.path = path
        self.status = status
        self.said = said
        self.errors = errors
        self.answer = answer
        self.retry_after = retry_after
        super().__init__(self._text())

    def _text(self) -> str:
        status = "" if self.status is None else f" ({self.status})"
        said = f" Jicoo said: {self.said}" if self.said else ""
        answer = f" {self.answer}" if self.answer else ""
        return f"{self.method} {self.path}{status}: {self.summary}{answer}{said}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments are not what Exception would pickle; Celery and multiprocessing do pickle errors.
        return (_rebuild, (type(self), {name: self.__dict__[name] for name in _FIELDS}), self.__dict__)


_FIELDS = ("summary", "method", "path", "status", "said", "errors", "answer", "retry_after")


def _rebuild(kind: type[RequestError], fields: dict[str, Any]) -> RequestError:
    return kind(**fields)


class AuthenticationError(RequestError):
    """401: Jicoo does not accept the API key."""

    permanent = True


class PermissionDeniedError(RequestError):
    """403: the API key lacks the permission."""

    permanent = True


class NotFoundError(RequestError):
    """404: the resource does not exist, or the key cannot see it."""

    permanent = True


class RejectedError(RequestError):
    """400, 402, 422 and other 4xx: Jicoo understood the request and refuses it."""

    permanent = True


class RateLimitError(RequestError):
    """429, and waiting as often as the retry policy allows did not help."""


class ServerError(RequestError):
    """5xx, after as many tries as the retry policy allows. A change is known not to have been made."""


class TransportError(RequestError):
    """No connection or no answer, after as many tries as allowed. A change is known not to have been made."""


class AmbiguousOutcomeError(RequestError):
    """The request may or may not have taken effect, and it was not repeated. The text says how to check."""

    permanent = True


class UnexpectedAnswerError(RequestError):
    """The answer is not one that Jicoo's API gives: a redirect, a page of HTML, JSON of another shape."""

    permanent = True


class ListingMovedError(UnexpectedAnswerError):
    """The rows of a list moved during every sweep, so that rows may have been missed. Trying again may help."""

    permanent = False


class UnprovenListError(UnexpectedAnswerError):
    """What a list gave cannot be proved to be all of it. Each of ``doubts`` says what was assumed, seen, and to do.

    The rows that came were given before it was raised.
    """

    doubts: tuple[str, ...] = ()

    @classmethod
    def of(cls, doubts: Iterable[str], path: str) -> UnprovenListError:
        """Return the error of these doubts.

        :param path: path of the list.
        """
        doubts = tuple(doubts)
        error = cls(" ".join(doubts), method="GET", path=path, status=200)
        error.doubts = doubts
        return error


class BrokenRowsError(UnprovenListError):
    """Rows of a list cannot be used. Each of ``doubts`` names one and what is wrong; the others were given."""
