"""Load a resource into a file or a folder of files. Works without Airflow.

Each row is as it was at some moment of the load. Jicoo gives pages, and no state of one moment: of two bookings that
are edited while the load runs, the file may have one as it was before and the other as it was after.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from hashlib import sha256
from typing import IO, Any, Literal

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.listing import Warnings
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.api.settings import Settings, checked_word
from airflow_provider_jicoo.bulk.apply.stop import Stop, in_a_thread
from airflow_provider_jicoo.bulk.errors import StoppedError
from airflow_provider_jicoo.bulk.files import StorePath
from airflow_provider_jicoo.bulk.selection import Matcher, Selection
from airflow_provider_jicoo.transfers.cursor import CHANGE, Cursor, load_cursor
from airflow_provider_jicoo.transfers.formats import Format, as_format, open_writer
from airflow_provider_jicoo.transfers.partitions import Folder, Sorted
from airflow_provider_jicoo.transfers.publish import check_writable, measure, publish, spool
from airflow_provider_jicoo.transfers.reading import batches, contacts, open_client
from airflow_provider_jicoo.transfers.resources import BOOKINGS, Column, Resource, Row, check_selection, with_ours
from airflow_provider_jicoo.transfers.shaping import Shaper

log = logging.getLogger(__name__)
Sync = Literal["full", "changes"]
CONTACTS_COLUMN = "contacts"
_ALWAYS = ("0000-00-00", "9999-99-99")


@dataclass(frozen=True)
class Order:
    """What is to be loaded, and where to.

    :param wanted: the resource.
    :param path: the file to write; with ``partition_by`` the folder.
    :param format: ``jsonl``, ``csv`` or ``parquet``.
    :param include_contacts: give each booking a column ``contacts`` with its guests: a request for each booking.
    :param selection: which bookings, or whose contacts; None for all.
    :param partition_by: a column that is a moment: a file for each of its days, in UTC.
    :param sync: ``full``, or ``changes``: only rows that are new, other than they were or gone since the last load.
    :param cursor_path: where is kept what was seen; by default beside the file.
    :param on_unproven: ``fail`` or ``warn`` where it cannot be proved that these are all rows.
    """

    wanted: Resource
    path: StorePath
    format: Format = "jsonl"
    include_contacts: bool = False
    selection: Selection | None = None
    partition_by: str | None = None
    sync: Sync = "full"
    cursor_path: StorePath | None = None
    on_unproven: str | None = None

    def check(self) -> None:
        """Find out what is wrong before anything is asked of Jicoo.

        :raises ValueError: an argument cannot be right, or does not go with another one.
        :raises OSError: the file cannot be written.
        """
        as_format(self.format)
        if self.sync not in ("full", "changes"):
            raise ValueError(f"sync: {self.sync!r:.100} is neither 'full' nor 'changes'")
        if self.on_unproven is not None:
            checked_word("on_unproven", self.on_unproven)
        check_selection(self.wanted, self.selection)
        if self.selection is not None:
            Matcher(self.selection)
        if self.include_contacts and self.wanted is not BOOKINGS:
            raise ValueError(f"include_contacts: only bookings have contacts, not {self.wanted.name}")
        if self.partition_by is None:
            check_writable("path", self.path)
        else:
            self._check_partitions(self.partition_by)
        if self.sync == "changes":
            check_writable("cursor_path", self.cursor())

    def _check_partitions(self, column: str) -> None:
        moments = [each.name for each in self.wanted.columns if each.kind == "moment"]
        if column not in moments:
            raise ValueError(
                f"partition_by: {column!r:.100} is no moment of {self.wanted.name}; "
                + (f"there are {', '.join(moments)}" if moments else "it has none")
            )
        if self.sync == "changes":
            raise ValueError("partition_by: a file of changes is one file; partition_by goes with sync='full'")
        self.window()
        check_writable("path", self.folder().manifest)

    def window(self) -> tuple[str, str]:
        """Return the first day that is loaded whole, and the first that is not.

        :raises ValueError: the selection cuts days, whose files would lose the rest.
        """
        given = self.selection
        if given is None or (given.started_after is None and given.started_before is None):
            return _ALWAYS if given is None or given.uids is None else self._refuse_window("uids")
        if self.partition_by != "startedAt" or self.wanted is not BOOKINGS:
            return self._refuse_window("started_after and started_before")
        days = []
        for moment, otherwise in zip((given.started_after, given.started_before), _ALWAYS, strict=True):
            text = None if moment is None else times.wire(times.moment(moment))
            if text is not None and not text.endswith("T00:00:00.000Z"):
                return self._refuse_window("started_after and started_before that are no midnight in UTC")
            days.append(otherwise if text is None else text[:10])
        return days[0], days[1]

    def _refuse_window(self, what: str) -> tuple[str, str]:
        raise ValueError(
            f"selection: {what} would leave only a part of a day in the file of that day of {self.partition_by}: leave "
            "it out, or give started_after and started_before at midnight in UTC with partition_by='startedAt'"
        )

    def folder(self) -> Folder:
        """Return the folder of a partitioned resource."""
        assert self.partition_by is not None
        return Folder(self.path, self.columns(), self.format, self.partition_by)

    def cursor(self) -> StorePath:
        """Return where is kept what was seen."""
        beside = self.path.parent / f"_jicoo_{self.wanted.name}.cursor"
        return self.cursor_path or beside

    def columns(self) -> Resource:
        """Return the resource with the columns of the file."""
        *columns, extra = self.wanted.columns
        if self.include_contacts:
            columns.append(Column(CONTACTS_COLUMN, "json"))
        if self.sync == "changes":
            columns.insert(0, Column(CHANGE))
        return replace(self.wanted, columns=(*columns, extra))

    def of(self, base_url: str) -> dict[str, Any]:
        """Return what the data are of, as JSON."""
        selection: dict[str, str] = {}
        if self.selection is not None:
            uids = Matcher(self.selection).uids
            # How many there are does not tell them from others: those of the run before would be taken for gone.
            named = {} if uids is None else {"uids": sha256("\n".join(sorted(set(uids))).encode()).hexdigest()}
            selection = self.selection.describe() | named
        return {
            "jicoo": base_url,
            "resource": self.wanted.name,
            "selection": selection,
            "include_contacts": self.include_contacts,
        }


@discreet
def load(
    settings: Settings, order: Order, *, owner: Any = None, progress: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Load a resource, and return the manifest of what was written: never rows.

    ``{"path", "resource", "format", "sync", "rows", "bytes", "sha256", "columns", "loaded_at", "warnings"}``; of a
    folder ``"partitions": {"all", "written", "removed"}`` instead of the digest, the last two with their days; of
    changes also ``"changes": {"created", "updated", "deleted"}`` and ``"cursor"``.

    :param settings: of a client.
    :param owner: the task that loads, as JSON. A further try of it, where the first has written its changes, returns
        what that one would have.
    :param progress: called with the number of rows read, now and then.
    :raises ValueError: something cannot be right; nothing was asked of Jicoo.
    :raises OSError: the file cannot be written; what stood there before stands there still.
    :raises UnprovenListError: there may be more rows; nothing was written.
    :raises RequestError: Jicoo cannot be read; nothing was written.
    """
    order.check()
    cursor = None
    if order.sync == "changes":
        cursor = load_cursor(order.cursor(), order.of(settings.base_url))
        done = _earlier(order, cursor, owner)
        if done is not None:
            return done
    before = None if order.partition_by is None else order.folder().read()
    stop = Stop()
    job = _Job(settings, order, cursor, stop, progress)
    if before is None:
        with spool(order.path) as file:
            return job.load_file(file, owner)
    with closing(Sorted(job.shaper, str(order.partition_by))) as rows:
        return job.load_folder(rows, before)


def _earlier(order: Order, cursor: Cursor, owner: Any) -> dict[str, Any] | None:
    """Return what an earlier try of the same task has written; None where it has written nothing.

    :raises ValueError: the file has the changes of another run, which would be lost; or what was written is gone.
    """
    last, path = cursor.last, str(order.path)
    if last is None:
        return None
    is_last, is_there = last["manifest"]["path"] == path, order.path.exists()
    if is_last and owner is not None and last["owner"] == owner:
        if not is_there:
            raise ValueError(
                f"path: {order.path} was written by an earlier try, and is gone; its changes cannot be found a second "
                f"time: put it back, or remove {order.cursor()} to load all anew"
            )
        log.info("an earlier try has written %s and its cursor", order.path)
        return dict(last["manifest"])
    if not is_there or cursor.writing == path:
        return None
    raise ValueError(
        f"path: {order.path} has the changes of another run, which would be lost: give each run a file of its own, as "
        "with {{ run_id }} in its name; what an earlier run has written need not be written again"
    )


class _Job:
    """One load.

    :param cursor: what earlier loads have seen; None where all is loaded.
    :param stop: asks for the end.
    """

    def __init__(
        self,
        settings: Settings,
        order: Order,
        cursor: Cursor | None,
        stop: Stop,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._settings, self._order, self._cursor = settings, order, cursor
        self._stop, self._progress = stop, progress
        self._on_unproven = order.on_unproven or settings.on_unproven
        self._columns = order.columns()
        self.shaper = Shaper(self._columns)
        self._warnings = Warnings()
        self._changes = {"created": 0, "updated": 0, "deleted": 0}
        self._rows = 0
        self._begun = datetime.now(timezone.utc)

    def load_file(self, file: IO[bytes], owner: Any) -> dict[str, Any]:
        """Load into one file.

        :param file: the temporary one.
        """
        writer = open_writer(self._order.format, file, self._columns.columns)
        self._run(self._read(writer))
        writer.close()
        digest, size = measure(file)
        made = {**self._manifest(), "bytes": size, "sha256": digest}
        if self._cursor is not None:
            self._cursor.save_doubts(self._order.cursor(), str(self._order.path))
        publish(file, self._order.path)
        if self._cursor is not None:
            made |= {"changes": self._changes, "cursor": str(self._order.cursor())}
            # Behind the file: a worker that is killed between them finds the same changes once more.
            self._cursor.save(self._order.cursor(), owner, made)
        return made

    def load_folder(self, rows: Sorted, before: dict[str, Any]) -> dict[str, Any]:
        """Load into a folder of files.

        :param before: its manifest.
        """
        self._run(self._read(rows))
        became = self._order.folder().write(
            rows, before, self._order.window(), self._warnings, is_whole=not self._is_in_doubt()
        )
        size = sum(day["bytes"] for day in became["written"].values())
        partitions = {"all": len(became["written"]), "written": became["changed"], "removed": became["removed"]}
        return {**self._manifest(), "bytes": size, "partitions": partitions}

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        # In asyncio's own loop: in uvloop a connection that is given up while it is made leaves its socket open until
        # it is collected, and a load ends with pages that were asked for ahead.
        in_a_thread(work, self._stop, asyncio.run)

    def _manifest(self) -> dict[str, Any]:
        for warning in self._warnings:
            log.warning("%s", warning)
        return {
            "path": str(self._order.path),
            "resource": self._order.wanted.name,
            "format": self._order.format,
            "sync": self._order.sync,
            "rows": self._rows,
            "columns": [column.name for column in self._columns.columns],
            "loaded_at": times.wire(self._begun),
            "warnings": list(self._warnings),
        }

    async def _read(self, sink: Any) -> None:
        """Read all, and write what is wanted of it.

        :param sink: takes rows of columns.
        :raises StoppedError: it was asked to stop.
        """
        order, read, told = self._order, 0, 0
        async with open_client(self._settings) as client:
            async for batch in batches(
                client, order.wanted, order.selection, on_unproven=self._on_unproven, warnings=self._warnings
            ):
                if self._stop.asked:
                    raise StoppedError(f"{self._stop.reason}; nothing was written")
                read += len(batch)
                rows = batch if self._cursor is None else self._changed(self._cursor, batch)
                if order.include_contacts and rows:
                    found = await contacts(client, [row["uid"] for row in rows])
                    rows = [with_ours(row, {CONTACTS_COLUMN: found[row["uid"]]}) for row in rows]
                self._write(sink, rows)
                if self._progress is not None and read - told >= 10_000:
                    told = read
                    self._progress(read)
        if self._cursor is not None:
            self._write(sink, self._deleted(self._cursor))

    def _is_in_doubt(self) -> bool:
        """Tell whether it is not proved that these are all rows, once they are read."""
        return not self._warnings.is_whole

    def _write(self, sink: Any, rows: list[Row]) -> None:
        if rows:
            sink.write(self.shaper.shape(rows))
            self._rows += len(rows)

    def _changed(self, cursor: Cursor, batch: list[Row]) -> list[Row]:
        rows = []
        for row in batch:
            change = cursor.change(self._order.wanted, row)
            if change is not None:
                self._changes[change] += 1
                rows.append(with_ours(row, {CHANGE: change}))
        return rows

    def _deleted(self, cursor: Cursor) -> list[Row]:
        """Return what is gone. Where it is not proved that all was read, nothing is known to be."""
        if self._is_in_doubt():
            cursor.keep_unseen()
            return []
        gone = list(cursor.deleted(self._order.wanted))
        self._changes["deleted"] = len(gone)
        return gone
