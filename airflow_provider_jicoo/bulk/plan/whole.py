"""Find out what a booking has in a field that its row in a list leaves out."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.errors import RequestError
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.written import reflects_exactly
from airflow_provider_jicoo.bulk.errors import PlanError

log = logging.getLogger(__name__)
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

    One booking is read by itself in any case: a list may also show a part of a field, as the first of the hosts. That
    goes on beside the reading of the list.

    :param client: reads them.
    :param beside: runs what goes on beside.
    """

    def __init__(self, client: JicooClient, beside: Executor) -> None:
        self._client = client
        self._beside = beside
        self._known: set[str] = set()
        self._in_vain: Counter[str] = Counter()
        self._to_compare = IN_VAIN
        self._rows: deque[tuple[Booking, list[str]]] = deque(maxlen=IN_VAIN)
        self._reading: Future[Booking | None] | None = None

    def __call__(self, booking: Booking, names: Iterable[str]) -> Booking:
        """Return a booking with these fields, where it has them.

        :raises PlanError: lists show something else of a booking than it is.
        :raises RequestError: it cannot be read, and lacks a field.
        """
        names, missing = list(names), []
        for name in names:
            if name in booking:
                self._known.add(name)
            elif name not in self._known:
                missing.append(name)
        if not missing:
            if self._to_compare:
                self._compare_beside(booking, names)
            return booking
        whole = self._read(booking["uid"], is_needed=True)
        if whole is None:
            return booking
        self._compare(booking, whole, names)
        for name in missing:
            if name not in whole:
                self._in_vain[name] += 1
                if self._in_vain[name] >= IN_VAIN:
                    self._known.add(name)
        found: Booking = {**booking, **{name: whole[name] for name in missing if name in whole}}  # type: ignore[literal-required, typeddict-item]
        return found

    def finish(self) -> None:
        """Compare with a booking of those seen, if none was yet.

        :raises PlanError: lists show something else of it than it is.
        """
        while self._to_compare and self._rows:
            self._compare_next()

    def _compare_beside(self, booking: Booking, names: list[str]) -> None:
        if len(self._rows) < IN_VAIN:
            self._rows.append((booking, names))
        if self._reading is None:
            self._reading = self._beside.submit(self._read, self._rows[0][0]["uid"])
        elif self._reading.done():
            self._compare_next()

    def _compare_next(self) -> None:
        (booking, names), reading = self._rows.popleft(), self._reading
        self._reading = None
        whole = self._read(booking["uid"]) if reading is None else reading.result()
        if whole is None:
            self._to_compare = max(0, self._to_compare - 1)
        else:
            self._compare(booking, whole, names)

    def _compare(self, booking: Booking, whole: Booking, names: Iterable[str]) -> None:
        """Compare a row of a list with the booking itself, unless somebody has edited it meanwhile.

        :raises PlanError: lists show something else.
        """
        if not self._to_compare:
            return
        self._to_compare -= 1
        if whole["updatedAt"] != booking["updatedAt"]:
            return
        self._to_compare = 0
        other = [name for name in names if name in booking and not reflects_exactly(whole, {name: booking.get(name)})]
        if other:
            raise PlanError(
                f"booking {booking['uid']}: the list shows another {' and '.join(other)} than the booking itself, "
                "so that what the list does not show would be lost; nothing was planned and nothing was sent"
            )

    def _read(self, uid: str, *, is_needed: bool = False) -> Booking | None:
        """Return a booking as it is by itself; None where it is gone, or cannot be read to be compared alone."""
        try:
            return self._client.run(lookup_bookings([uid], absent_ok=True)).get(uid)
        except RequestError as error:
            if is_needed:
                raise
            # Another one may be read, but each that fails takes its time; a plan can do without.
            log.warning("a booking cannot be read by itself to be compared with its row in the list: %s", error)
            self._to_compare //= 4
            return None
