"""What changed: the rows of a sweep compared with what a warehouse has. Pure: no clock, no socket, no dlt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from airflow_provider_jicoo.transfers.fingerprints import ABSENT, Known, fingerprint

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LATEST = 2**32 - 1


class Changed(NamedTuple):
    """A row to be written.

    :param row: as Jicoo gives it; of one that is gone, its key.
    :param digest: of the row, 128 bits.
    :param gone: it is not in Jicoo any more.
    """

    row: dict[str, Any]
    digest: bytes
    gone: bool = False


def minutes(moment: datetime) -> int:
    """Return a moment as a cursor keeps it, the nearest it can hold."""
    return min(max(int((moment - _EPOCH).total_seconds() // 60), 1), _LATEST)


def day(start: int) -> str:
    """Return the day in UTC of a start that a cursor keeps, as ``2026-01-15``."""
    return (_EPOCH + timedelta(minutes=start)).date().isoformat()


@dataclass(frozen=True)
class Window:
    """Which bookings are looked at, by their start. What is outside stays in the warehouse as it is.

    :param since: the first start; None for all.
    :param until: the first start that is no longer looked at; None for all.
    """

    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether all bookings are looked at."""
        return self.since is None and self.until is None

    def holds(self, start: int) -> bool:
        """Tell whether a booking is surely looked at that starts then, in minutes: not at the very edge."""
        return (self.since is None or start > minutes(self.since)) and (
            self.until is None or start < minutes(self.until)
        )


@dataclass
class Comparison:
    """The rows of one sweep beside those of the sweeps before.

    :param known: what the warehouse has, by key. It is used up.
    :param wanted: a bit for each table that this load writes.
    :param everything: write every row, whether it changed or not.
    :param again: a bit for each table that is to have every row anew, whether it changed or not.
    """

    known: dict[str, Known]
    wanted: int
    everything: bool = False
    again: int = 0
    after: dict[str, Known] = field(default_factory=dict)
    """What the warehouse has after this load."""
    written: set[str] = field(default_factory=set)
    """The rows that this load writes: no row may be in it twice."""

    def see(self, key: str, digest: bytes, start: int = 0) -> tuple[int, Known | None]:
        """Take in a row.

        :return: the tables it is to be written to, and what was known of it.
        """
        if key in self.written:  # what changed since then, the next load finds
            if key in self.known:
                self.after[key] = self.known.pop(key)
            return 0, None
        before = self.known.pop(key, None)
        mark = fingerprint(digest)
        is_as_before = before is not None and before.fingerprint == mark
        loaded = before.loaded if before is not None and is_as_before else 0
        self.after[key] = Known(mark, start, loaded | self.wanted)
        todo = self.wanted if self.everything else self.wanted & (~loaded | self.again)
        if todo:
            self.written.add(key)
        return todo, before

    def missing(self) -> Iterator[tuple[str, Known]]:
        """Yield what the warehouse has and the sweep, having come to its end, has not shown."""
        yield from list(self.known.items())

    def remove(self, key: str) -> int:
        """Take in that a row is gone.

        :return: the tables that it is to be removed from. Of others that have it, the cursor keeps that it is gone.
        """
        before = self.known.pop(key)
        if key in self.written:
            self.after[key] = before
            return 0
        left = before.loaded & ~self.wanted
        if left:
            self.after[key] = Known(ABSENT, before.start, left)
        return before.loaded & self.wanted

    def forget(self, key: str) -> None:
        """Take in that a row is not looked at any more."""
        self.known.pop(key, None)
        self.after.pop(key, None)

    def begin_again(self) -> None:
        """Go on with another sweep."""
        self.known, self.after = {**self.known, **self.after}, {}

    def keep_missing(self) -> None:
        """Go on as if the rows that were not shown were there: the sweep does not prove that they are gone."""
        self.after.update(self.known)
        self.known.clear()
