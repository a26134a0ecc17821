"""A folder of files, one for each day: ``startedAt_date=2026-01-15/bookings.parquet``, as Hive and DuckDB read it.

Each file is replaced as a whole. ``_jicoo_bookings.manifest.json`` beside them, written last, lists those that belong
to the data; while a load is at work, or where one was killed, it says ``"complete": false``::

    {"jicoo_partitions": 1, "of": {"resource": "bookings", "format": "parquet", "partition_by": "startedAt"},
     "complete": true, "partitions": {"2026-01-15": {"rows": 12, "bytes": 4711, "sha256": "..."}}, "pending": []}

A day whose rows are what they were is not written again; one that has none any more loses its file, where it is proved
that all rows were read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import IO, Any

import msgspec

from airflow_provider_jicoo.bulk.files import StorePath, read_bytes
from airflow_provider_jicoo.transfers.formats import Format, open_writer
from airflow_provider_jicoo.transfers.publish import measure, publish, publish_bytes, remove, spool
from airflow_provider_jicoo.transfers.resources import Resource
from airflow_provider_jicoo.transfers.shaping import Shaper

VERSION = 1
NO_DAY = "__HIVE_DEFAULT_PARTITION__"
"""The day of what has none, as Hive says it."""
_HELD = 5_000
"""Rows that are held in memory before they go to the temporary file."""


class Sorted:
    """Rows by day, in one temporary file.

    :param shaper: made the rows.
    :param column: the moment whose day counts, in UTC.
    """

    def __init__(self, shaper: Shaper, column: str) -> None:
        self._shaper = shaper
        self._column = column
        self._file: IO[bytes] = spool()
        self._held: dict[str, list[Any]] = defaultdict(list)
        self._count = 0
        self._places: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def write(self, rows: Sequence[Any]) -> None:
        """Take rows in."""
        for row in rows:
            moment = getattr(row, self._column)
            self._held[NO_DAY if moment is None else moment[:10]].append(row)
        self._count += len(rows)
        if self._count >= _HELD:
            self._flush()

    def _flush(self) -> None:
        encoder = msgspec.json.Encoder()
        for day, rows in self._held.items():
            lines = encoder.encode_lines(rows)
            self._places[day].append((self._file.tell(), len(lines)))
            self._file.write(lines)
        self._held.clear()
        self._count = 0

    def days(self) -> list[str]:
        """Return the days there are, in order, once all rows are in."""
        self._flush()
        return sorted(self._places)

    def rows(self, day: str) -> Iterator[list[Any]]:
        """Yield the rows of a day, in the order in which they came."""
        for place, length in self._places[day]:
            self._file.seek(place)
            yield self._shaper.decode_lines(self._file.read(length))

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()


class Folder:
    """The folder of a partitioned resource.

    :param path: the folder.
    :param wanted: the resource.
    :param kind: the format of its files.
    :param column: the moment whose day counts.
    """

    def __init__(self, path: StorePath, wanted: Resource, kind: Format, column: str) -> None:
        self._path, self._wanted, self._kind, self._column = path, wanted, kind, column
        self._manifest = path / f"_jicoo_{wanted.name}.manifest.json"
        self._of = {"resource": wanted.name, "format": kind, "partition_by": column}

    @property
    def manifest(self) -> StorePath:
        """The path of its manifest."""
        return self._manifest  # type: ignore[no-any-return]

    def file(self, day: str) -> StorePath:
        """Return the path of the file of a day."""
        return self._path / f"{self._column}_date={day}" / f"{self._wanted.name}.{self._kind}"  # type: ignore[no-any-return]

    def read(self) -> dict[str, Any]:
        """Return the manifest that is there.

        :raises ValueError: the folder is of other data, or its manifest cannot be read.
        """
        empty: dict[str, Any] = {"partitions": {}, "pending": []}
        if not self._manifest.exists():
            return empty
        try:
            found = msgspec.json.decode(read_bytes(self._manifest))
            version, of = found["jicoo_partitions"], found["of"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"path: {self._manifest} cannot be read: remove it, or name another folder") from None
        if version != VERSION or of != self._of:
            raise ValueError(f"path: the files in {self._path} are of {of}, not of {self._of}: name another folder")
        return {**empty, **found}

    def write(
        self, rows: Sorted, before: dict[str, Any], window: tuple[str, str], told: list[str], *, is_whole: bool
    ) -> dict[str, Any]:
        """Write the files of all days, and return what became of them.

        :param before: the manifest that was there.
        :param window: the first day that was loaded and the first that was not; others keep their files.
        :param told: where to put what could not be removed.
        :param is_whole: whether these are proved to be all rows. Where not, a day without a row keeps its file too.
        """
        days = rows.days()
        shown = set(days)

        def is_written(day: str) -> bool:
            return _is_in(window, day) and (is_whole or day in shown)

        known = {day: each for day, each in before["partitions"].items() if is_written(day)}
        kept = {day: each for day, each in before["partitions"].items() if day not in known}
        stale = (set(known) | {day for day in before["pending"] if is_written(day)}) - shown
        # From here on a day is known only where its file is known to be what the manifest says.
        begun = False
        written: dict[str, Any] = {}
        changed: list[str] = []
        for day in days:
            with spool() as file:
                count = self._encode(rows, day, file)
                digest, size = measure(file)
                written[day] = {"rows": count, "bytes": size, "sha256": digest}
                if known.get(day) == written[day] and self.file(day).exists():
                    continue
                if not begun:
                    pending = sorted({*before["pending"], *days, *stale})
                    self._save({"complete": False, "partitions": kept, "pending": pending})
                    begun = True
                publish(file, self.file(day))
            changed.append(day)
        if stale and not begun:
            self._save({"complete": False, "partitions": kept, "pending": sorted({*days, *stale})})
        for day in sorted(stale):
            remove(self.file(day), told.append)
        pending = sorted(set(before["pending"]) - set(days) - stale)
        self._save({"complete": True, "partitions": {**kept, **written}, "pending": pending})
        return {"written": written, "changed": changed, "removed": sorted(stale)}

    def _encode(self, rows: Sorted, day: str, file: IO[bytes]) -> int:
        writer = open_writer(self._kind, file, self._wanted.columns)
        count = 0
        for some in rows.rows(day):
            writer.write(some)
            count += len(some)
        writer.close()
        return count

    def _save(self, content: dict[str, Any]) -> None:
        whole = {"jicoo_partitions": VERSION, "of": self._of, **content}
        publish_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1), self._manifest)


def _is_in(window: tuple[str, str], day: str) -> bool:
    return day == NO_DAY or window[0] <= day < window[1]
