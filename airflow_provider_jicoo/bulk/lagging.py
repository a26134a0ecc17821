"""A booking that is shown as it was before a change is read again: answers may come from copies that lag."""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.models import Booking

SOON: tuple[float, ...] = (0.0, 0.2, 1.0, 2.5, 5.0)
"""Seconds after which it is read."""
ONCE = SOON[:1]
"""What one has waited for in vain the others need not wait for."""


def read_alone(
    client: JicooClient, uid: str, is_behind: Callable[[Booking], bool], looks: tuple[float, ...]
) -> Booking | None:
    """Read a booking by itself, again and again while it is behind; None where it does not exist.

    :param is_behind: tells whether it is shown as it was before.
    :param looks: :data:`SOON`, or :data:`ONCE`.
    :raises RequestError: it cannot be read.
    """
    waited = 0.0
    booking: Booking | None = None
    for at in looks:
        time.sleep(at - waited)
        waited = at
        booking = client.run(lookup_bookings([uid], absent_ok=True)).get(uid)
        if booking is None or not is_behind(booking):
            break
    return booking
