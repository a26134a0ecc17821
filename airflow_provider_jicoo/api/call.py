"""One request to Jicoo as data."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from airflow_provider_jicoo.api.errors import InvalidRequestError

T = TypeVar("T")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Repeat(enum.Enum):
    """What may be done when nobody knows whether a request took effect."""

    HARMLESS = "harmless"
    """Send it again: it changes nothing."""
    READ_BACK = "read back"
    """Read the thing: the change is there, or it is sent again. For changes that are harmless to make twice."""
    AFTER_GRACE = "read back, and again after the grace"
    """Read the thing for as long as the server may still be at work; only then is it sent again."""
    LEAVE = "read back, never again"
    """Read the thing for as long as the server may still be at work, and leave it at that: a second one would message
    a guest twice."""
    NEVER = "never"
    """Nothing: a second one could do it twice."""


OnDoubt = Literal["leave", "again"]
"""What follows where a change was read back and is not there: nothing, or it is sent again."""


def repeat_of(on_doubt: OnDoubt | None, *, messages: bool) -> Repeat:
    """Return what may be done with a change that can be read back, when its outcome is in doubt.

    A quiet change sets the same fields to the same values again. One that messages a guest is never sent a second time
    while the first may still be at work, and by default not at all.

    :param on_doubt: what the user said; None for the default.
    :param messages: whether it may message a guest.
    :raises InvalidRequestError: ``on_doubt`` is neither ``leave`` nor ``again``.
    """
    if on_doubt not in (None, "leave", "again"):
        raise InvalidRequestError(f"on_doubt: {on_doubt!r} is neither 'leave' nor 'again'")
    if on_doubt == "leave" or (messages and on_doubt is None):
        return Repeat.LEAVE
    return Repeat.AFTER_GRACE if messages else Repeat.READ_BACK


def _unknown() -> None:
    return None


def _itself(found: Any) -> Any:
    return found


@dataclass(slots=True, repr=False)
class ReadBack(Generic[T]):
    """How to find out whether a change was made: read the thing with the call that ``read`` makes, then ask ``done``.

    ``read`` is needed only when something went wrong, so that nothing is made of it before. ``done`` says None where
    the thing does not tell: it changed, but not to what was sent. ``result`` makes of what was read what the change
    would have answered, where that is another thing: the changed row of a list. ``answered`` tells of an answer of
    success whether what it shows is what was sent; it says None of another value, which Jicoo may have stored instead.
    Without it the word of such an answer is taken.
    """

    read: Callable[[], Call[Any]]
    done: Callable[[Any], bool | None]
    result: Callable[[Any], T] = _itself
    answered: Callable[[Mapping[str, Any]], bool | None] | None = None


# Not frozen, which would cost four times as much; thousands are made in a bulk change. Nothing changes one, though.
# What it sends is not in its repr: a traceback with locals would show it.
@dataclass(slots=True, repr=False)
class Call(Generic[T]):
    """One request; ``T`` is the type of the ``data`` in its answer.

    :param method: HTTP method.
    :param path: path below the base URL, each part quoted: ``/v1/bookings/mzgdPJVBb7RE``.
    :param query: query parameters, as sent.
    :param body: JSON body, as sent; None for no body.
    :param answer_shape: shape of ``data`` in the answer: an object, a list, a list with the paging fields beside it
        (the result is then the whole answer), or anything at all; or that the result is the whole answer, of any shape.
    :param repeat: what may be done when the outcome is in doubt.
    :param read_back: how to read the change back; needed where ``repeat`` reads back.
    :param how_to_check: how a person finds out whether the change was made; shown in
        :class:`~airflow_provider_jicoo.api.errors.AmbiguousOutcomeError`.
    :param known: returns the booking that the call is on where it was read already; None where it was not. Its guest
        must not show in what the API says, and it would be read for that.
    :param permission_hint: what to do where the API key lacks the permission; shown in
        :class:`~airflow_provider_jicoo.api.errors.PermissionDeniedError`.
    :param page: the page of a list that is wanted, from 1; the client adds to the query what this server calls it, and
        how many rows it gives at once.
    :param is_optional: a server that fails at it is an answer too.
    """

    method: Method
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    answer_shape: Literal["object", "list", "page", "anything", "whole"] = "object"
    repeat: Repeat = Repeat.HARMLESS
    read_back: ReadBack[T] | None = None
    how_to_check: str = ""
    known: Callable[[], Mapping[str, Any] | None] = _unknown
    permission_hint: str = ""
    page: int | None = None
    is_optional: bool = False

    def __repr__(self) -> str:
        return f"<Call {self.method} {self.path}>"


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list that comes in pages: the :class:`Call` of its first page without ``page`` and ``perPage``.

    :param path: path of the list, as ``/v1/bookings``.
    :param query: filters and order, as sent.
    :param key: the field that identifies a row; of several the first that a row has.
    :param limit: stop after so many rows; None for all.
    :param permission_hint: as in :class:`Call`.
    :param check: says what is wrong with a row, None for a good one; by default any row will do.
    :param keep: tells of a row whether it is meant, where the server may give more than it was asked for.
    """

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    key: str | tuple[str, ...] = "uid"
    limit: int | None = None
    permission_hint: str = ""
    check: Callable[[Any], str | None] | None = None
    keep: Callable[[T], bool] | None = None
