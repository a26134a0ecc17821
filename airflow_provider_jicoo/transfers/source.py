"""Jicoo as a source of dlt (https://dlthub.com): bookings, guests and the rest, in whatever warehouse dlt writes to.

In a notebook, or in any pipeline of dlt::

    import dlt
    from airflow_provider_jicoo.api.client import JicooClient
    from airflow_provider_jicoo.api.settings import Settings
    from airflow_provider_jicoo.transfers.source import jicoo_source

    pipeline = dlt.pipeline("jicoo", destination="duckdb", dataset_name="jicoo")
    with JicooClient(Settings("sk_live_...")) as client:
        pipeline.run(jicoo_source(client))

The list is swept, and each row compared with the fingerprint of what the tables have: only what changed is written. The
fingerprints are in dlt's state, which dlt keeps beside the tables and which counts only where a load came to its end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from airflow_provider_jicoo.transfers.changes import Changed, Comparison, Window, day, minutes
from airflow_provider_jicoo.transfers.fingerprints import Known
from airflow_provider_jicoo.transfers.held import SEPARATOR, held
from airflow_provider_jicoo.transfers.resources import BOOKINGS, CONTACTS, RESOURCES, Resource, Row, resource

if TYPE_CHECKING:
    from airflow_provider_jicoo.api.client import JicooClient

Sync = Literal["changes", "full"]
Write = Literal["upsert", "delete-insert", "scd2"]

NAME = "jicoo"
"""Of the source and of its schema."""
BATCH = 1_000
"""Rows to hand on at a time."""
_BIT = {"bookings": 1, "contacts": 2}
_PROGRESS = 10_000
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


class _Batch(NamedTuple):
    bookings: list[Changed]
    contacts_of: list[str]
    without_contacts: list[str]


def jicoo_source(
    client: JicooClient,
    resources: Sequence[str] = tuple(RESOURCES),
    *,
    lookback_days: float | None = None,
    horizon_days: float | None = None,
    sync: Sync = "changes",
    write: Write = "upsert",
    on_unproven: str | None = None,
    report: LoadReport | None = None,
    tell: Callable[[str], None] = log.info,
    now: datetime | None = None,
) -> Any:
    """Return a source of dlt, with one table for each resource.

    A table has the columns of its resource (:mod:`~airflow_provider_jicoo.transfers.resources`), named by dlt's
    convention: ``started_at``. Rows that Jicoo does not hold any more are removed, as soon as a sweep is proved to be
    whole; one that is not removes nothing. Choose resources here and not with dlt's ``with_resources``: what is noted
    as written is what is named here.

    :param client: what reads Jicoo; it must stay open while the source is read.
    :param resources: which tables. ``contacts`` are read of bookings only that are new or were edited, many at once.
    :param lookback_days: only bookings that start at most so many days ago; older ones stay as they are.
    :param horizon_days: only bookings that start within so many days.
    :param sync: ``changes``, or ``full`` to write every row and read every contact anew.
    :param write: ``upsert`` for the newest version of each row, or ``delete-insert`` for the same where a database has
        no ``MERGE``; ``scd2`` for all versions, with ``_dlt_valid_from`` and ``_dlt_valid_to``: there a row that is
        gone has a last version with ``_deleted``.
    :param on_unproven: what to do where a list may lack rows: ``fail``, and nothing is written, or ``warn``, and
        nothing is removed; by default as the client's settings say.
    :param report: is filled with what became of the rows.
    :param tell: is told how far it got.
    :param now: an aware datetime that the days are counted from; by default when the source is read.
    :raises ValueError: an argument cannot be right.
    :raises ImportError: dlt or pyarrow is missing; says what to install.
    """
    dlt = _dlt()
    if sync not in ("changes", "full"):
        raise ValueError(f"sync: {sync!r:.100} is neither 'changes' nor 'full'")
    if write not in get_args(Write):
        raise ValueError(f"write: {write!r:.100} is none of {', '.join(get_args(Write))}")
    names = checked_resources(resources)
    check_days(lookback_days, horizon_days)
    report = LoadReport() if report is None else report

    def build() -> list[Any]:
        at = now or datetime.now(timezone.utc)
        window = Window(
            None if lookback_days is None else at - timedelta(days=lookback_days),
            None if horizon_days is None else at + timedelta(days=horizon_days),
        )
        options = Options(names, window, sync == "full", write, on_unproven or client.settings.on_unproven)
        report.begin(names)
        return _resources(dlt, _Reader(client, options, report, tell))

    return dlt.source(build, name=NAME, section=NAME, max_table_nesting=0)()


def checked_resources(resources: Any) -> tuple[str, ...]:
    """Return the names of resources, each once, in the order of the documentation.

    :raises ValueError: there is no such resource, or none is named.
    """
    names = [resource(name).name for name in ([resources] if isinstance(resources, str) else resources)]
    if not names:
        raise ValueError(f"resources: name at least one of {', '.join(RESOURCES)}")
    return tuple(name for name in RESOURCES if name in names)


def check_days(lookback_days: float | None, horizon_days: float | None) -> None:
    """Refuse days that no window can be made of.

    :raises ValueError: a number of days is not more than zero, or too many to count.
    """
    for name, value in (("lookback_days", lookback_days), ("horizon_days", horizon_days)):
        if value is not None and not 0 < value <= 365_000:
            raise ValueError(f"{name}: {value!r} is not a number of days from above 0 to 365,000")


def _dlt() -> Any:
    try:
        import dlt
        import pyarrow  # noqa: F401 (dlt takes its tables)
    except ImportError as error:
        raise ImportError(
            f"{error.name} is missing: install airflow-provider-jicoo[dlt], and dlt's extra for the destination, as "
            "'dlt[duckdb]' or 'dlt[postgres]'",
            name=error.name,
        ) from None
    return dlt


def _resources(dlt: Any, reader: _Reader) -> list[Any]:
    """Return the resources of dlt: the bookings and their contacts come of one sweep."""
    from airflow_provider_jicoo.transfers.arrow import hints

    history = reader.options.history

    def described(wanted: Resource) -> dict[str, Any]:
        """Return how dlt writes the table of a resource."""
        columns = hints(wanted, history=history)
        keys: dict[str, Any] = {"primary_key": wanted.primary_key}
        # The contacts of a booking are written together: those that it has no more go with that.
        together = wanted.primary_key[0] if wanted is CONTACTS else wanted.primary_key
        strategy = "delete-insert" if wanted is CONTACTS else reader.options.write
        if history:
            strategy, keys = "scd2", {"merge_key": together}
        elif wanted is CONTACTS:
            keys = {"merge_key": together}
        disposition = {"disposition": "merge", "strategy": strategy}
        if history:
            disposition["row_version_column_name"] = "row_version"
        return {"name": wanted.name, "write_disposition": disposition, "columns": columns, **keys}

    made = []
    of_bookings = [name for name in reader.options.names if name in _BIT]
    if of_bookings:
        sweep = dlt.resource(_function(reader.sweep), name="booking_sweep", selected=False)
        made.append(sweep)
        for name in of_bookings:
            write = reader.booking_table if name == "bookings" else reader.contact_table
            made.append(dlt.transformer(_function_of_one(write), data_from=sweep, **described(RESOURCES[name])))
    for name in reader.options.names:
        if name not in _BIT:
            made.append(dlt.resource(reader.others(RESOURCES[name]), **described(RESOURCES[name])))
    return made


def _function(method: Callable[[], Iterator[Any]]) -> Callable[[], Iterator[Any]]:
    """Return a function, on which dlt can note something, for a method, on which it cannot."""

    def call() -> Iterator[Any]:
        yield from method()

    return call


def _function_of_one(method: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
    """Return the same for a method that takes an item."""

    def call(item: Any) -> Iterator[Any]:
        yield from method(item)

    return call


class _Reader:
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
        self._tell = tell
        self._many = Many(client.settings)
        self._digests = {
            each.name: digester(" ".join(f"{column.name}:{column.kind}" for column in each.columns))
            for each in RESOURCES.values()
        }

    # --- the cursor ---------------------------------------------------------------------------------------------------

    def _compare(self, name: str, wanted: int) -> Comparison:
        import dlt

        from airflow_provider_jicoo.transfers.fingerprints import ABSENT, CursorError, unpack

        text = dlt.current.source_state().get(name)
        try:
            known = unpack(text)
        except CursorError:
            if not self.options.everything:
                raise
            known = {}
        if self.options.everything or not text:
            # What was noted may be lost, or may not be so: the tables say themselves what they have.
            for key, more in self._held(name, wanted).items():
                before = known.get(key, Known(ABSENT, more.start, 0))
                known[key] = before._replace(loaded=before.loaded | more.loaded)
        return Comparison(known, wanted, self.options.everything)

    def _held(self, name: str, wanted: int) -> dict[str, Known]:
        """Return the rows of the tables that are written."""
        if name != "bookings":
            return held(NAME, RESOURCES[name], 1)
        found = held(NAME, BOOKINGS, _BIT["bookings"]) if wanted & _BIT["bookings"] else {}
        guests = held(NAME, CONTACTS, _BIT["contacts"], by_first=True) if wanted & _BIT["contacts"] else {}
        for uid, more in guests.items():
            before = found.get(uid, more)
            found[uid] = before._replace(loaded=before.loaded | more.loaded)
        return found

    def _keep(self, name: str, comparison: Comparison) -> None:
        import dlt

        from airflow_provider_jicoo.transfers.fingerprints import pack

        dlt.current.source_state()[name] = pack(comparison.after)

    def _is_whole(
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
                    self._tell(f"{name}: the list could not be proved to be whole; it is read once more")
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

    def _digest(self, name: str, row: Row) -> bytes:
        return self._digests[name](row)

    # --- bookings and their contacts ----------------------------------------------------------------------------------

    def sweep(self) -> Iterator[_Batch]:
        """Read the bookings, and yield those that changed."""
        options = self.options
        wanted = sum(_BIT[name] for name in options.names if name in _BIT)
        comparison = self._compare("bookings", wanted)
        batch = _Batch([], [], [])

        def look(row: Row) -> Iterator[_Batch]:
            nonlocal batch
            self._look(comparison, row, batch)
            if len(batch.bookings) >= BATCH or len(batch.contacts_of) >= BATCH:
                yield batch
                batch = _Batch([], [], [])

        whole = yield from self._is_whole(self._bookings, look, comparison, "bookings")
        if whole:
            self._find_missing(comparison, batch)
        else:
            comparison.keep_missing()
        yield batch
        self._keep("bookings", comparison)
        self._tell(f"bookings: all {self.report.seen.get('bookings', 0):,} looked at")

    def _bookings(self) -> Iterator[Row]:
        from airflow_provider_jicoo.api.bookings import list_bookings

        window = self.options.window
        # By creation rows move least while they are read; by start the reading can end where the window ends.
        listing = list_bookings(started_at=window.since, order_by="createdAt" if window.until is None else "startedAt")
        listing = replace(listing, before=window.until, any_order=True)
        for number, booking in enumerate(self.client.iterate(listing, on_unproven="fail"), 1):
            yield dict(booking)
            if number % _PROGRESS == 0:
                self._tell(f"bookings: {number:,} looked at")

    def _look(self, comparison: Comparison, row: Row, batch: _Batch) -> None:
        """Compare a booking, and put it where it is to be written."""
        from airflow_provider_jicoo.api import times

        uid, start = row["uid"], minutes(times.moment(row["startedAt"]))
        digest = self._digest("bookings", row)
        todo, before = comparison.see(uid, digest, start)
        self._count("bookings", "seen")
        if todo & _BIT["bookings"]:
            batch.bookings.append(Changed(row, digest))
            self._count("bookings", "changed" if before is not None and before.loaded & 1 else "added")
            self.report.days |= {day(start)} | ({day(before.start)} if before is not None else set())
        if todo & _BIT["contacts"]:
            batch.contacts_of.append(uid)

    def _count(self, name: str, what: str, number: int = 1) -> None:
        counts = getattr(self.report, what)
        counts[name] = counts.get(name, 0) + number

    def _find_missing(self, comparison: Comparison, batch: _Batch) -> None:
        """See what became of the bookings that a whole sweep has not shown."""
        window = self.options.window
        missing = dict(comparison.missing())
        for uid in [uid for uid, known in missing.items() if not window.is_open and not window.holds(known.start)]:
            comparison.forget(uid)  # its time has gone by
            del missing[uid]
        # All bookings are shown where all are looked at. Others may have been moved out of the window.
        moved = {} if window.is_open else self._look_up(list(missing))
        for uid, known in missing.items():
            if uid in moved:
                self._look(comparison, moved[uid], batch)
                comparison.forget(uid)
                continue
            todo = comparison.remove(uid)
            if todo & _BIT["bookings"]:
                gone = {"uid": uid}
                batch.bookings.append(Changed(gone, self._digest("bookings", {**gone, "gone": True}), gone=True))
                self._count("bookings", "deleted")
                self.report.days.add(day(known.start))
            if todo & _BIT["contacts"]:
                batch.without_contacts.append(uid)
                self._count("contacts", "deleted")

    def _look_up(self, uids: list[str]) -> dict[str, Row]:
        """Read bookings one by one; those that do not exist are not among them."""
        from airflow_provider_jicoo.api.bookings import get_booking

        found = self._many.send([get_booking(uid) for uid in uids])
        return {uid: dict(booking) for uid, booking in zip(uids, found, strict=True) if booking is not None}

    def booking_table(self, batch: _Batch) -> Iterator[Any]:
        """Yield the table of a batch."""
        from airflow_provider_jicoo.transfers.arrow import table

        yield table(BOOKINGS, batch.bookings, history=self.options.history)

    def contact_table(self, batch: _Batch) -> Iterator[Any]:
        """Read the contacts of a batch, and yield their table."""
        from airflow_provider_jicoo.api.bookings import get_booking_contacts
        from airflow_provider_jicoo.transfers.arrow import table
        from airflow_provider_jicoo.transfers.resources import contact_rows

        uids = batch.contacts_of
        answers = self._many.send([get_booking_contacts(uid) for uid in uids])
        changes = []
        without = list(batch.without_contacts)
        for uid, contacts in zip(uids, answers, strict=True):
            if not contacts:
                without.append(uid)
            for row in contact_rows(uid, contacts or []):
                changes.append(Changed(row, self._digest("contacts", row)))
        self._count("contacts", "seen", len(changes))
        self._count("contacts", "changed", len(changes))
        for uid in without:
            gone = {"bookingUid": uid}
            changes.append(Changed(gone, self._digest("contacts", {**gone, "gone": True}), gone=True))
        if uids:
            self._tell(f"contacts: of {len(uids):,} more bookings")
        yield table(CONTACTS, changes, history=self.options.history)

    # --- the other lists ----------------------------------------------------------------------------------------------

    def others(self, wanted: Resource) -> Callable[[], Iterator[Any]]:
        """Return what reads another resource, and yields the tables of what changed."""

        def read_others() -> Iterator[Any]:
            from airflow_provider_jicoo.transfers.arrow import table
            from airflow_provider_jicoo.transfers.resources import read

            comparison = self._compare(wanted.name, 1)
            changes: list[Changed] = []

            def look(row: Row) -> Iterator[Any]:
                self._look_at(wanted, comparison, row, changes)
                if len(changes) >= BATCH:
                    yield table(wanted, changes, history=self.options.history)
                    changes.clear()

            def rows() -> Iterator[Row]:
                return read(self.client, wanted, on_unproven="fail")

            if (yield from self._is_whole(rows, look, comparison, wanted.name)):
                for key, _ in comparison.missing():
                    self._remove(wanted, comparison, key, changes)
            else:
                comparison.keep_missing()
            yield table(wanted, changes, history=self.options.history)
            self._keep(wanted.name, comparison)
            self._tell(f"{wanted.name}: all {self.report.seen[wanted.name]:,} looked at")

        return read_others

    def _look_at(self, wanted: Resource, comparison: Comparison, row: Row, changes: list[Changed]) -> None:
        key = wanted.key(wanted.shape(row))
        if not all(isinstance(part, str) and part and "\n" not in part and SEPARATOR not in part for part in key):
            raise ValueError(
                f"{wanted.name}: a row has no {' and '.join(wanted.primary_key)} that are texts, and could not be told "
                "from others"
            )
        digest = self._digest(wanted.name, row)
        todo, before = comparison.see(SEPARATOR.join(key), digest)
        self._count(wanted.name, "seen")
        if todo:
            changes.append(Changed(row, digest))
            self._count(wanted.name, "added" if before is None else "changed")

    def _remove(self, wanted: Resource, comparison: Comparison, key: str, changes: list[Changed]) -> None:
        if not comparison.remove(key):
            return
        gone: Row = dict(zip(wanted.primary_key, key.split(SEPARATOR), strict=True))
        changes.append(Changed(gone, self._digest(wanted.name, {**gone, "gone": True}), gone=True))
        self._count(wanted.name, "deleted")
