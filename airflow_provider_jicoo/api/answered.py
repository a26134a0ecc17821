"""An answer of success that shows a booking as it was before: was the change made?

An API may answer with the thing as it was, or make a change a moment after its answer. Where an answer shows another
value than was sent, its ``updatedAt`` tells which it is: moved by this request, Jicoo has stored that value, which is
what counts; older than the request, nothing is known yet. What can have no other value, as a cancellation, is not done
until it is seen.
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.call import Call

_SLACK = timedelta(seconds=2)
"""A stamp and ``Date`` may both be cut to the second, and a request takes its time."""


def is_as_before(call: Call[Any], data: Any, headers: Mapping[str, str], at: float) -> bool:
    """Tell whether an answer of success shows the thing as it was before the change.

    :param call: the change that was sent.
    :param data: what was answered.
    :param headers: of the answer.
    :param at: when it came, in seconds since the epoch; counts where it has no ``Date``.
    """
    shows = None if call.confirm is None else call.confirm.answered
    if shows is None or not isinstance(data, Mapping):
        return False
    is_shown = shows(data)
    if is_shown is not None:
        return not is_shown
    try:
        stamp = times.moment(data.get("updatedAt"))
    except (TypeError, ValueError):
        return False  # it does not tell
    return stamp < _answered_at(headers, at) - _SLACK


def _answered_at(headers: Mapping[str, str], at: float) -> datetime:
    """Return when an answer was given, by the server's clock, which makes the stamps too."""
    try:
        date = email.utils.parsedate_to_datetime(headers.get("Date") or "")
    except (ValueError, TypeError):
        return datetime.fromtimestamp(at, timezone.utc)
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)
