"""An answer of success that shows a booking as it was before: was the change made?

An API may answer with the thing as it was, or make a change a moment after its answer. Where an answer shows another
value than was sent, its ``updatedAt`` tells which it is: moved by this request, Jicoo has stored that value, which is
what counts; older than the request, nothing is known yet. What can have no other value, as a cancellation, is not done
until it is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.call import Call
from airflow_provider_jicoo.api.retry import answered_at

_SLACK = 2.0
"""Seconds: a stamp and ``Date`` may both be cut to the second, and a request takes its time."""


def is_as_before(call: Call[Any], data: Any, headers: Mapping[str, str], at: float) -> bool:
    """Tell whether an answer of success shows the thing as it was before the change.

    :param call: the change that was sent.
    :param data: what was answered.
    :param headers: of the answer.
    :param at: when it came, in seconds since the epoch; counts where it has no ``Date``.
    """
    shows = None if call.read_back is None else call.read_back.answered
    if shows is None or not isinstance(data, Mapping):
        return False
    is_shown = shows(data)
    if is_shown is not None:
        return not is_shown
    try:
        stamp = times.moment(data.get("updatedAt")).timestamp()
    except (TypeError, ValueError):
        return False  # no stamp: the answer proves nothing either way
    # By the server's clock, which makes the stamps too.
    return stamp < answered_at(headers.get("Date"), at) - _SLACK
