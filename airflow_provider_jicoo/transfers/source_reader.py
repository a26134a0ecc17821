"""What every reading for dlt has: options, a report, what is known of the rows, and a list proved to be whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_jicoo.transfers import broken_off
from airflow_provider_jicoo.transfers.changes import Comparison, Window
from airflow_provider_jicoo.transfers.fingerprints import Known
from airflow_provider_jicoo.transfers.held import at_work, held
from airflow_provider_jicoo.transfers.resources import BOOKINGS, CONTACTS, RESOURCES, Row

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.client import JicooClient

Write = Literal["upsert", "delete-insert", "scd2"]
NAME = "jicoo"
"""Of the source and of its schema."""
BATCH = 1_000
"""Rows to hand on at a time."""
BIT = {"bookings": 1, "contacts": 2}
"""What stands for a table in what is known of a booking."""
log = logging.getLogger(__name__)


@dataclass
class LoadReport:
    """What became of the rows; complete when the source has been read to its end.

    :param seen: how many rows came from Jicoo, by resource.
    :param added: how many of them the tables did not have.
    :param changed: how many the tables had otherwise, or were written anew.
    :param deleted: how many rows that the tables have are gone; of contacts, of how many bookings.
    :param days: the days in UTC on which bookings start that were added, changed or removed, those on which they were
        to start before among them.
    :param unproven: the lists that may lack rows, of which therefore nothing was removed.
    """

    seen: dict[str, int] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    days: set[str] = field(default_factory=set)
    unproven: list[str] = field(default_factory=list)

    def begin(self, names: Iterable[str]) -> None:
        """Forget what was counted before: a source may be read several times."""
        for counts in (self.seen, self.added, self.changed, self.deleted):
            counts.update(dict.fromkeys(names, 0))
        self.days.clear()
        self.unproven.clear()

    def written(self, name: str) -> int:
        """Return how many rows were given to a table."""
        return self.added[name] + self.changed[name]


@dataclass(frozen=True)
class Options:
    """How a source reads and writes, checked.

    :param names: the resources.
    :param window: which bookings.
    :param everything: write every row, whether it changed or not.
    :param write: dlt's strategy.
    :param on_unproven: ``fail`` or ``warn``.
    """

    names: tuple[str, ...]
    window: Window
    everything: bool
    write: Write
    on_unproven: str

    @property
    def history(self) -> bool:
        """Whether every version of a row is kept."""
        return self.write == "scd2"


class Reader:
    """Reads the resources, and says what to write.

    :param client: what reads Jicoo.
    :param options: how.
    :param report: is told what became of the rows.
    :param tell: is told how far it got.
    """

    def __init__(self, client: JicooClient, options: Options, report: LoadReport, tell: Callable[[str], None]) -> None:
        from airflow_provider_jicoo.transfers.fingerprints import digester
        from airflow_provider_jicoo.transfers.many import Many

        self.client = client
        self.options = options
        self.report = report
        self.tell = tell
        self.many = Many(client.settings)
        self._digests = {
            each.name: digester(" ".join(f"{column.name}:{column.kind}" for column in each.columns))
            for each in RESOURCES.values()
        }

    def compare(self, name: str, wanted: int) -> Comparison:
        """Return what the rows of a list are compared with.

        :param name: what it is kept under.
        :param wanted: a bit for each table that this load writes.
        :raises CursorError: what was kept cannot be read.
        """
        import dlt

        from airflow_provider_jicoo.transfers.fingerprints import ABSENT, CursorError, unpack

        text = dlt.current.source_state().get(name)
        try:
            known = unpack(text)
        except CursorError:
            if not self.options.everything:
                raise
            known = {}
        if self.options.everything or not text or self._broken_off:
            # What was noted may be lost, or may not be so: the tables say themselves what they have.
            for key, more in self._held(name, wanted).items():
                before = known.get(key, Known(ABSENT, more.start, 0))
                known[key] = before._replace(loaded=before.loaded | more.loaded)
        # A table may have what a load that was broken off has written, and nothing was noted of. The guests of a
        # booking are read again where it differs from what was noted, also then.
        return Comparison(known, wanted, self.options.everything, again=1 if self._broken_off else 0)

    @cached_property
    def _broken_off(self) -> bool:
        """Whether the last load of the pipeline was broken off while it wrote, or is not the one dlt knows of."""
        pipeline = at_work()
        if pipeline is None:
            return False
        if broken_off.is_noted(pipeline):
            why = "the last load was broken off while it wrote"
        elif broken_off.is_overtaken(pipeline):
            why = "the clock was set back since an earlier load, whose state dlt takes for the last one"
        else:
            return False
        self.tell(f"{why}: the tables are compared, and every row written anew")
        return True

    def _held(self, name: str, wanted: int) -> dict[str, Known]:
        """Return the rows of the tables that are written."""
        look = partial(held, NAME, history=self.options.history)
        if name != "bookings":
            return look(RESOURCES[name], 1)
        found = look(BOOKINGS, BIT["bookings"]) if wanted & BIT["bookings"] else {}
        guests = look(CONTACTS, BIT["contacts"], by_first=True) if wanted & BIT["contacts"] else {}
        for uid, more in guests.items():
            before = found.get(uid, more)
            found[uid] = before._replace(loaded=before.loaded | more.loaded)
        return found

    def keep(self, name: str, comparison: Comparison) -> None:
        """Keep in dlt's state what the tables have after this load: it counts where that comes to its end."""
        import dlt

        from airflow_provider_jicoo.transfers.fingerprints import pack

        dlt.current.source_state()[name] = pack(comparison.after)

    def is_whole(
        self,
        rows: Callable[[], Iterator[Row]],
        take: Callable[[Row], Iterator[Any]],
        comparison: Comparison,
        name: str,
    ) -> Generator[Any, None, bool]:
        """Yield what ``take`` makes of rows, and return whether they are proved to be all.

        A list that moved while it was read, so that it could not be proved, is read once more.

        :raises UnprovenListError: they are not, and that is not to be told only.
        """
        from airflow_provider_jicoo.api.errors import BrokenRowsError, ListingMovedError, UnprovenListError

        for last in (False, True):
            try:
                for row in rows():
                    yield from take(row)
            except (ListingMovedError, UnprovenListError) as error:
                if not last and not isinstance(error, BrokenRowsError):
                    self.tell(f"{name}: the list could not be proved to be whole; it is read once more")
                    comparison.begin_again()
                    self.report.seen[name] = 0
                    continue
                if self.options.on_unproven == "fail" or isinstance(error, ListingMovedError):
                    raise
                log.warning("%s Nothing is removed from the tables.", error)
                self.report.unproven.append(name)
                return False
            break
        return True

    def digest(self, name: str, row: Row) -> bytes:
        """Return the digest of a row of a resource."""
        return self._digests[name](row)

    def count(self, name: str, what: str, number: int = 1) -> None:
        """Count rows of a resource in the report.

        :param what: ``seen``, ``added``, ``changed`` or ``deleted``.
        """
        counts = getattr(self.report, what)
        counts[name] = counts.get(name, 0) + number
