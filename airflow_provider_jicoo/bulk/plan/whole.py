"""Find out what a booking has in a field that its row in a list leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.models import Booking

Complete = Callable[[Booking, Iterable[str]], Booking]
IN_VAIN = 20
"""How many bookings are read by themselves for a field that none of them shows."""


def as_it_is(booking: Booking, names: Iterable[str]) -> Booking:
    """Return a booking that needs no completion."""
    return booking


class Completer:
    """Completes bookings by the fields that a change of them is to overwrite.

    An undo writes back what was there, so that "not shown" must not be taken for "empty". A row may lack a field since
    it is null, or since lists show a part of each booking only. Where other rows have shown the field it is null; else
    the booking is read by itself. Where that does not show it either, for a number of bookings, it is null there too.

    :param client: reads them.
    """

    def __init__(self, client: JicooClient) -> None:
        self._client = client
        self._known: set[str] = set()
        self._in_vain: Counter[str] = Counter()

    def __call__(self, booking: Booking, names: Iterable[str]) -> Booking:
        """Return a booking with these fields, where it has them.

        :raises RequestError: it cannot be read.
        """
        missing = []
        for name in names:
            if name in booking:
                self._known.add(name)
            elif name not in self._known:
                missing.append(name)
        if not missing:
            return booking
        whole = self._client.run(lookup_bookings([booking["uid"]]))[booking["uid"]]
        for name in missing:
            if name not in whole:
                self._in_vain[name] += 1
                if self._in_vain[name] >= IN_VAIN:
                    self._known.add(name)
        found: Booking = {**booking, **{name: whole[name] for name in missing if name in whole}}  # type: ignore[literal-required, typeddict-item]
        return found
