"""What tools that render tracebacks with locals would show of an error."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.traceback import Traceback


def chain(error: BaseException) -> list[BaseException]:
    """Return the error and every other one that a traceback of it could show."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one not in found:
            found.append(one)
            left += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
    return found


def frames(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames of the whole chain but for those of the tests: who passed a value in has it."""
    for one in chain(error):
        trace = one.__traceback__
        while trace is not None:
            if not _is_of_a_test(trace.tb_frame):
                yield trace.tb_frame
            trace = trace.tb_next


def shown(error: BaseException) -> str:
    """Return what Sentry, rich and ``pytest -l`` show together: the locals of the frames, and the errors' texts."""
    lines = [text for one in chain(error) for text in (str(one), repr(one), *getattr(one, "__notes__", ()))]
    for frame in frames(error):
        lines.append(f"--- {frame.f_code.co_filename}:{frame.f_code.co_name}")
        for name, value in frame.f_locals.items():
            lines += [f"{name} = {text}" for text in texts(value)]
    return "\n".join([*lines, _rich(error)])


def _is_of_a_test(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(str(Path(__file__).parent))


def texts(value: Any) -> Iterator[str]:
    """Yield the ``repr`` of a value, and of what is in it: Sentry goes into containers."""
    yield repr(value)
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from texts(key)
            yield from texts(part)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            yield from texts(part)


def _rich(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and _is_of_a_test(trace.tb_frame):
        trace = trace.tb_next
    console = Console(file=io.StringIO(), width=4_000, soft_wrap=True)
    no_limit = 100_000
    rendered = Traceback.from_exception(
        type(error),
        error,
        trace,
        show_locals=True,
        locals_max_length=no_limit,
        locals_max_string=no_limit,
        locals_hide_dunder=False,
        width=4_000,
    )
    console.print(rendered)
    return console.file.getvalue()  # type: ignore[attr-defined]
