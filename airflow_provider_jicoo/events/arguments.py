"""What trigger and task check of their arguments."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from airflow_provider_jicoo.api.booking_changes import CHANGES
from airflow_provider_jicoo.api.errors import InvalidRequestError


def checked_events(events: Collection[str]) -> list[str]:
    """Return the names of events, each once, in the package's order.

    :raises InvalidRequestError: there is none, or one is not known.
    """
    given = [events] if isinstance(events, str) else list(events)
    for name in given:
        if name not in CHANGES:
            raise InvalidRequestError(f"events: {name!r:.100} is none of {', '.join(CHANGES)}")
    if not given:
        raise InvalidRequestError(f"events: there are none; name some of {', '.join(CHANGES)}")
    return [name for name in CHANGES if name in given]


def checked_ids(ids: Collection[str] | None) -> list[str] | None:
    """Return ids, each once, in order; None for all.

    :raises InvalidRequestError: something is no id, or there is none.
    """
    if ids is None:
        return None
    given = [ids] if isinstance(ids, str) else list(ids)
    for each in given:
        if not isinstance(each, str) or not each:
            raise InvalidRequestError(f"event_type_ids: {each!r:.100} is not an id such as 'o072r8CvwVF4'")
    if not given:
        raise InvalidRequestError("event_type_ids: there are none; leave it out to mean all")
    return sorted(set(given))


def checked_number(name: str, value: Any, least: float) -> float:
    """Return a number.

    :raises InvalidRequestError: it is none, or less than ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < least:
        raise InvalidRequestError(f"{name}: {value!r:.100} is not a number of {least:g} or more")
    return value
