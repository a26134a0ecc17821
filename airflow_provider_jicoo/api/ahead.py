"""Pages of a list that are asked for before their turn, so that a list is read many pages at once.

What reads a list (:func:`~airflow_provider_jicoo.api.listing.read`) asks for one page after the other, and judges each
in its order. With each it says which it will probably ask for next (:class:`Ask`): a client has those under way while
it waits for the first. What comes of a request before its turn counts only where it is a good answer; anything else is
asked for again when its turn has come, with all the patience that the client has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from airflow_provider_jicoo.api.call import Call

F = TypeVar("F")

AT_ONCE = 16
"""How many pages or bookings are read at the same time at the most."""
_SLOWEST_GROWTH = 1 / 16


class Window:
    """How many pages may be under way at once: learnt from how the server takes it, for as long as the client lasts.

    It begins with one page and grows by one with each answer, so that it doubles in each round trip. Where a page that
    was read ahead is refused or fails, it is halved. From then on it grows by half a page in each round trip, and half
    as fast after each further fall, so that fewer and fewer are refused.

    :param most: how many at the most; 1 reads one page after the other.
    """

    def __init__(self, most: int = AT_ONCE) -> None:
        self.most = most
        self._size = 1.0
        self._growth = 1.0
        self.falls = 0

    @property
    def size(self) -> int:
        """How many may be under way now."""
        return int(self._size)

    def answered(self) -> None:
        """Learn from an answer."""
        self._size = min(self.most, self._size + self._growth / (self._size if self.falls else 1.0))

    def refused(self, falls: int) -> None:
        """Learn from a request that was refused or failed.

        :param falls: what :attr:`falls` was when it left: of many that were under way together, one tells as much as
            all of them.
        """
        if falls == self.falls:
            self.falls += 1
            self._size = max(1.0, self._size / 2)
            self._growth = max(_SLOWEST_GROWTH, self._growth / 2)


@dataclass(slots=True)
class Ask:
    """What a reading needs an answer to.

    :param call: the request.
    :param ahead: those that will probably follow it, the next one first. What else is under way is of no more use.
    :param at_once: how many may be under way at once, this one included.
    """

    call: Call[Any]
    ahead: Sequence[Call[Any]] = ()
    at_once: int = 1


class Answer(NamedTuple):
    """What a reading is sent.

    :param came: the result of the call, or the error that refused it.
    :param is_early: it was sent before its turn, perhaps before the answers to those before it had come.
    """

    came: Any
    is_early: bool = False


class Flights(Generic[F]):
    """The requests that are under way before their turn.

    :param start: sends a call, and returns what its result will come from.
    :param drop: is given that of a call whose result is of no more use.
    """

    def __init__(self, start: Callable[[Call[Any]], F], drop: Callable[[F], object]) -> None:
        self._start = start
        self._drop = drop
        self._flights: dict[Any, F] = {}

    def take(self, ask: Ask) -> F | None:
        """Have under way what will follow, as far as may be, and nothing else.

        :return: what the result of the call that is asked for will come from, where it was sent before its turn.
        """
        own = self._flights.pop(_key(ask.call), None)
        ahead = {_key(call): call for call in ask.ahead}
        self._drop_all([key for key in self._flights if key not in ahead])
        for key, call in ahead.items():
            if len(self._flights) + 1 >= ask.at_once:
                break
            if key not in self._flights:
                self._flights[key] = self._start(call)
        return own

    def close(self) -> None:
        """Drop all of them."""
        self._drop_all(list(self._flights))

    def _drop_all(self, keys: Iterable[Any]) -> None:
        for key in keys:
            self._drop(self._flights.pop(key))


def _key(call: Call[Any]) -> tuple[str, frozenset[tuple[str, str]]]:
    return call.path, frozenset(call.query.items())
