"""Keep the API key and guests' data out of tracebacks.

Sentry by default, rich and ``pytest -l`` show the ``repr`` of every local of every frame that an error came through. So
the key is held in a :class:`Secret`, and what works with the key or with guests' data is :func:`discreet`: its errors
leave it without the frames within.
"""

from __future__ import annotations

import functools
import inspect
import sys
import traceback
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, NoReturn, TypeVar, cast

from airflow_provider_jicoo.api.errors import JicooError

F = TypeVar("F", bound=Callable[..., Any])
E = TypeVar("E", bound=BaseException)
_NOTE, _PLACES = "Raised at ", 8


class Secret:
    """A text that shows nowhere: neither as ``str`` or ``repr``, nor in a pickle.

    Not a kind of ``str``: rich shows the characters of those without asking for their ``repr``.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")


def discreet(function: F) -> F:
    """Let the errors of a function, coroutine function or generator leave it without the frames within.

    The locals of those, and its arguments, may be the key, or what guests are told and tell. What an error itself says
    stays.
    """
    if inspect.isasyncgenfunction(function):
        made: Callable[..., Any] = _async_generator(function)
    elif inspect.isgeneratorfunction(function):
        made = _generator(function)
    elif inspect.iscoroutinefunction(function):
        made = _coroutine(function)
    else:
        made = _function(function)
    return cast("F", functools.wraps(function)(made))


# In each of the four the arguments are let go, since the frame itself stays in the traceback.


def _function(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        outside = sys.exc_info()[1]
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            raise bare(error, outside)  # noqa: B904 (a "from" would hide what it was raised from)

    return call


def _coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        outside = sys.exc_info()[1]
        try:
            return await function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            raise bare(error, outside)  # noqa: B904

    return call


def _generator(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        outside = sys.exc_info()[1]
        try:
            return (yield from function(*args, **kwargs))
        except BaseException as error:
            del args, kwargs
            raise bare(error, outside)  # noqa: B904

    return call


def _async_generator(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        outside = sys.exc_info()[1]
        rows = function(*args, **kwargs)
        del args, kwargs
        row = None
        try:
            async for row in rows:
                yield row
        except BaseException as error:
            del row
            raise bare(error, outside)  # noqa: B904
        finally:
            await rows.aclose()

    return call


def bare(error: E, outside: BaseException | None = None) -> E:
    """Return an error without the frames that it came through, and likewise those that caused it.

    What says nothing of what went wrong but by its traceback (a bug, or an error of somebody's function) gets a note
    of the places, on Python 3.11 and later.

    :param outside: what was being handled before; it is left as it is.
    """
    done = {id(outside)}
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in done:
            continue
        done.add(id(one))
        _note_places(one)
        one.__traceback__ = None
        if one.__suppress_context__ and not isinstance(one.__context__, JicooError):
            one.__context__ = None  # a library's words, which "from None" only hides
        left += [one.__cause__, one.__context__, *_grouped(one)]
    return error


def _grouped(error: BaseException) -> list[BaseException]:
    """Return the errors of an exception group, which Python 3.10 does not have; others may call anything so."""
    parts = getattr(error, "exceptions", None)
    return [part for part in parts if isinstance(part, BaseException)] if isinstance(parts, (tuple, list)) else []


def _note_places(error: BaseException) -> None:
    # Errors of this package and of Airflow say in their text what a person is to do; the rest ends no task by itself.
    says_enough = isinstance(error, JicooError) or type(error).__module__.startswith("airflow.")
    if says_enough or not isinstance(error, Exception) or not hasattr(error, "add_note"):
        return
    if any(note.startswith(_NOTE) for note in getattr(error, "__notes__", ())):
        return  # further within, which is where it was raised
    places = [f"{frame.f_code.co_filename}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    if places:
        error.add_note(_NOTE + ", called from ".join(places[: -_PLACES - 1 : -1]))
