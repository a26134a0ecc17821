"""A ``match`` that has a case for each member: the type checker refuses one that lacks one."""

from __future__ import annotations

from typing import NoReturn


def assert_never(value: NoReturn) -> NoReturn:
    """Mark what is not reached. :mod:`typing` has this from Python 3.11 on.

    :raises AssertionError: always.
    """
    raise AssertionError(f"no case for {value!r}")
