"""Who is taken when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airflow_provider_jicoo.sandbox.data import Row


class Diary:
    """The open bookings of each host: to look through all bookings for a free slot would take too long.

    :param bookings: those to begin with.
    """

    def __init__(self, bookings: Iterable[Row]) -> None:
        self._of_host: dict[str, set[str]] = {}
        for booking in bookings:
            self.add(booking)

    def add(self, booking: Row) -> None:
        """Take a booking in, where it is open."""
        if booking["status"] == "open":
            for host in booking["hosts"]:
                self._of_host.setdefault(host["userId"], set()).add(booking["uid"])

    def remove(self, booking: Row) -> None:
        """Take a booking out."""
        for host in booking["hosts"]:
            self._of_host.get(host["userId"], set()).discard(booking["uid"])

    def of(self, hosts: Iterable[str]) -> Iterator[str]:
        """Yield the uids of the open bookings of these hosts."""
        for host in hosts:
            yield from self._of_host.get(host, ())
