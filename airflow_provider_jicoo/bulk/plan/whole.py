"""Find out what a booking has in a field that its row in a list leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import cast

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.written import reflects_exactly
from airflow_provider_jicoo.bulk.errors import PlanError

Complete = Callable[[Booking, Iterable[str]], Booking]
IN_VAIN = 20
"""How many bookings are read by themselves for a field that none of them shows, or until one is as in the list."""


def as_it_is(booking: Booking, names: Iterable[str]) -> Booking:
    """Return a booking that needs no completion."""
    return booking


class Completer:
    """Completes bookings by the fields that a change of them is to overwrite.

    An undo writes back what was there, so that "not shown" must not be taken for "empty". A row may lack a field since
    it is null, or since lists show a part of each booking only. Where other rows have shown the field it is null; else
    the booking is read by itself. Where that does not show it either, for a number of bookings, it is null there too.

    The first one is read by itself in any case: a list may also show a part of a field, as the first of the hosts.

    :param client: reads them.
    """

    def __init__(self, client: JicooClient) -> None:
        self._client = client
        self._known: set[str] = set()
        self._in_vain: Counter[str] = Counter()
        self._to_compare = IN_VAIN

    def __call__(self, booking: Booking, names: Iterable[str]) -> Booking:
        """Return a booking with these fields, where it has them.

        :raises PlanError: lists show something else of it than it is.
        :raises RequestError: it cannot be read.
        """
        names = list(names)
        self._known.update(name for name in names if name in booking)
        missing = [name for name in names if name not in booking and name not in self._known]
        if not missing and not self._to_compare:
            return booking
        try:
            whole = self._client.run(lookup_bookings([booking["uid"]]))[booking["uid"]]
        except RequestError:
            if missing:
                raise
            self._to_compare //= 2  # another one may be read, but each that fails takes its time
            whole = booking
        else:
            self._compare(booking, whole, names)
        for name in missing:
            if name not in whole:
                self._note_in_vain(name)
        return cast("Booking", {**booking, **{name: value for name, value in whole.items() if name in missing}})

    def _compare(self, booking: Booking, whole: Booking, names: Iterable[str]) -> None:
        if not self._to_compare:
            return
        self._to_compare -= 1
        if whole["updatedAt"] != booking["updatedAt"]:
            return  # it was edited meanwhile
        self._to_compare = 0
        other = [name for name in names if name in booking and not reflects_exactly(whole, {name: booking.get(name)})]
        if other:
            raise PlanError(
                f"booking {booking['uid']}: the list shows another {' and '.join(other)} than the booking itself, "
                "so that what the list does not show would be lost; nothing was planned and nothing was sent"
            )

    def _note_in_vain(self, name: str) -> None:
        self._in_vain[name] += 1
        if self._in_vain[name] >= IN_VAIN:
            self._known.add(name)
