"""The other lists for dlt: hosts, event types, users and schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_jicoo.transfers.changes import Changed, Comparison
from airflow_provider_jicoo.transfers.held import SEPARATOR
from airflow_provider_jicoo.transfers.resources import Resource, Row, RowError
from airflow_provider_jicoo.transfers.source_reader import BATCH, Reader


class ListReader(Reader):
    """Reads a list that is no list of bookings."""

    def others(self, wanted: Resource) -> Callable[[], Iterator[Any]]:
        """Return what reads another resource, and yields the tables of what changed."""

        def read_others() -> Iterator[Any]:
            from airflow_provider_jicoo.transfers.arrow import table
            from airflow_provider_jicoo.transfers.resources import read

            comparison = self.compare(wanted.name, 1)
            changes: list[Changed] = []

            def look(row: Row) -> Iterator[Any]:
                self._look_at(wanted, comparison, row, changes)
                if len(changes) >= BATCH:
                    yield table(wanted, changes, history=self.options.history)
                    changes.clear()

            def rows() -> Iterator[Row]:
                return read(self.client, wanted, on_unproven="fail")

            if (yield from self.is_whole(rows, look, comparison, wanted.name)):
                for key, _ in comparison.missing():
                    self._remove(wanted, comparison, key, changes)
            else:
                comparison.keep_missing()
            yield table(wanted, changes, history=self.options.history)
            self.keep(wanted.name, comparison)
            self.tell(f"{wanted.name}: all {self.report.seen[wanted.name]:,} looked at")

        return read_others

    def _look_at(self, wanted: Resource, comparison: Comparison, row: Row, changes: list[Changed]) -> None:
        key = wanted.key(wanted.shape(row))
        if not all(isinstance(part, str) and part and "\n" not in part and SEPARATOR not in part for part in key):
            raise RowError(
                f"{wanted.name}: a row has no {' and '.join(wanted.primary_key)} that are texts, and could not be told "
                "from others"
            )
        digest = self.digest(wanted.name, row)
        todo, before = comparison.see(SEPARATOR.join(key), digest)
        self.count(wanted.name, "seen")
        if todo:
            changes.append(Changed(row, digest))
            self.count(wanted.name, "added" if before is None else "changed")

    def _remove(self, wanted: Resource, comparison: Comparison, key: str, changes: list[Changed]) -> None:
        if not comparison.remove(key):
            return
        gone: Row = dict(zip(wanted.primary_key, key.split(SEPARATOR), strict=True))
        changes.append(Changed(gone, self.digest(wanted.name, {**gone, "gone": True}), gone=True))
        self.count(wanted.name, "deleted")
