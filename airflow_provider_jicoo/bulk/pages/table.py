"""A plan as a table that one can search, sort and page through, however long it is.

The plan is copied into a temporary file once, checked against its digest meanwhile, and indexed: eight bytes a change
stay in memory, eight more for what a search looks through, and of an order or a search four. A page then reads its own
lines alone.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
import weakref
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.files import StorePath, local_path
from airflow_provider_jicoo.bulk.pages import orders
from airflow_provider_jicoo.bulk.pages.rows import Row, row_of, text_of
from airflow_provider_jicoo.bulk.pages.texts import Texts
from airflow_provider_jicoo.bulk.plan.file import DECODER, PlannedChange
from airflow_provider_jicoo.bulk.plan.header import dump, read_header

PER_PAGE = 50
ORDERS = 6
"""How many orders and searches of one plan are remembered."""
CHANGES = 400_000
"""How many changes the plans that are kept may have together: 20 MB of memory, and 270 MB of temporary files where a
change has 370 bytes."""
_AT_ONCE = 1 << 18

T = TypeVar("T")
_Key = tuple[str, bool, tuple[str, ...]]
"""Sort, whether what may be personal is searched, and words that are searched for."""


@dataclass(frozen=True)
class Wanted:
    """Which part of a table somebody looks at.

    :param search: a text that each row has to have.
    :param sort: one of ``SORTS``.
    :param descending: the last first.
    :param page: from 1.
    """

    search: str = ""
    sort: str = "start"
    descending: bool = False
    page: int = 1


@dataclass(frozen=True)
class Page:
    """A page of a table.

    :param rows: what it shows.
    :param found: how many rows the search has found.
    :param total: how many there are.
    :param page: which page it is, from 1.
    :param pages: how many there are.
    """

    rows: Sequence[Row]
    found: int
    total: int
    page: int
    pages: int

    @property
    def first(self) -> int:
        """The number of its first row, from 1."""
        return (self.page - 1) * PER_PAGE + 1


class PlanTable:
    """The changes of a plan, or of all its shards one after the other.

    :param files: path and digest of each file.
    :raises PlanMismatchError: a file is damaged, or is another plan.
    :raises OSError: one cannot be read.
    """

    def __init__(self, files: Sequence[tuple[StorePath, str]]) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when nobody reads the table any more)
        self._close = weakref.finalize(self, file.close)
        self._number = file.fileno()
        self._offsets = array("Q", [0])
        self._lock, self._making = threading.Lock(), threading.Lock()
        self._orders: OrderedDict[_Key, Sequence[int]] = OrderedDict()
        self._texts: dict[bool, Texts] = {}
        self.hosts: dict[str, str] = {}
        for path, digest in files:
            header = read_header(path)
            self.hosts.update(header.get("hosts", {}))
            hashed = hashlib.sha256(dump(header.get("terms")))
            with path.open("rb") as source:
                source.readline()
                for raw in source:
                    hashed.update(raw)
                    file.write(raw)
                    self._offsets.append(self._offsets[-1] + len(raw))
            if hashed.hexdigest() != digest or header["digest"] != digest:
                self._close()
                raise PlanMismatchError(f"{path} is damaged, or is another plan by now")
        file.flush()

    def __len__(self) -> int:
        """Return how many changes there are."""
        return len(self._offsets) - 1

    def __iter__(self) -> Iterator[PlannedChange]:
        """Read all, in the plan's order."""
        return self._all(DECODER)

    def _all(self, decoder: msgspec.json.Decoder[T]) -> Iterator[T]:
        start = 0
        while start < len(self):
            stop = start + 1
            while stop < len(self) and self._offsets[stop + 1] - self._offsets[start] < _AT_ONCE:
                stop += 1
            yield from decoder.decode_lines(self._raw(start, stop))
            start = stop

    def page(self, wanted: Wanted, personal: bool) -> Page:
        """Return a page of the table.

        :param personal: whether values are shown, searched and found that may be personal to guests.
        """
        order = self._order(wanted, personal)
        pages = max(1, -(-len(order) // PER_PAGE))
        page = min(max(1, wanted.page), pages)
        numbers = order[(page - 1) * PER_PAGE : page * PER_PAGE]
        lines = (DECODER.decode(self._raw(number, number + 1)) for number in numbers)
        rows = [row_of(line, self.hosts, personal) for line in lines]
        return Page(rows, len(order), len(self), page, pages)

    def _raw(self, start: int, stop: int) -> bytes:
        begin, end = self._offsets[start], self._offsets[stop]
        # The place is an argument, so that several may read at once.
        return os.pread(self._number, end - begin, begin)

    def _order(self, wanted: Wanted, personal: bool) -> Sequence[int]:
        """Return the numbers of the rows that are wanted, in the order that is wanted."""
        words = tuple(wanted.search.casefold().split())
        sort = wanted.sort if wanted.sort in orders.SORTS else "start"
        order = ordered = self._kept((sort, True, ()), lambda: self._sorted(sort))
        if words:
            order = self._kept((sort, personal, words), lambda: self._found(ordered, words, personal))
        return order[::-1] if wanted.descending else order

    def _kept(self, key: _Key, make: Callable[[], Sequence[int]]) -> Sequence[int]:
        found = self._look(key)
        if found is None:
            # One at a time: of several that want the same, one makes it. Whoever wants what there is does not wait.
            with self._making:
                found = self._look(key)
                if found is None:
                    found = self._keep(key, make())
        return found

    def _look(self, key: _Key) -> Sequence[int] | None:
        with self._lock:
            if key in self._orders:
                self._orders.move_to_end(key)
            return self._orders.get(key)

    def _keep(self, key: _Key, made: Sequence[int]) -> Sequence[int]:
        with self._lock:
            self._orders[key] = made
            while len(self._orders) > ORDERS:
                self._orders.popitem(last=False)
        return made

    def _sorted(self, sort: str) -> Sequence[int]:
        made = orders.in_order(lambda: self._all(orders.DECODER), sort, self.hosts)
        return range(len(self)) if made is None else made

    def _found(self, ordered: Sequence[int], words: Sequence[str], personal: bool) -> Sequence[int]:
        if personal not in self._texts:
            self._texts[personal] = Texts(text_of(line, self.hosts, personal) for line in self)
        having = self._texts[personal].having(words)
        if isinstance(ordered, range):
            return array("I", having)
        hits = bytearray(len(self))
        for number in having:
            hits[number] = True
        return array("I", (number for number in ordered if hits[number]))


class Tables:
    """The tables that were looked at last, so that the next page need not read the whole plan again.

    :param most: how many are kept.
    :param changes: how many changes they may have together; one plan may have more.
    """

    def __init__(self, most: int = 4, changes: int = CHANGES) -> None:
        self._most, self._changes = most, changes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[tuple[str, str], ...], PlanTable] = OrderedDict()
        self._making: dict[tuple[tuple[str, str], ...], threading.Lock] = {}

    def of(self, files: Sequence[tuple[StorePath, str]]) -> PlanTable:
        """Return the table of a plan.

        :param files: path and digest of each of its files.
        :raises PlanMismatchError: as :class:`PlanTable`.
        :raises OSError: likewise.
        """
        key = tuple((str(path), digest) for path, digest in files)
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        # Of several who look at once, one reads the plan.
        with making:
            try:
                return self._find(key) or self._keep(key, PlanTable(files))
            finally:
                with self._lock:
                    self._making.pop(key, None)

    def _find(self, key: tuple[tuple[str, str], ...]) -> PlanTable | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: tuple[tuple[str, str], ...], made: PlanTable) -> PlanTable:
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > 1 and self._are_too_many():
                self._kept.popitem(last=False)
        return made

    def _are_too_many(self) -> bool:
        return len(self._kept) > self._most or sum(map(len, self._kept.values())) > self._changes


def files_of(path: StorePath, header: Mapping[str, object], digest: str) -> list[tuple[StorePath, str]]:
    """Return path and digest of each file of a plan.

    :param header: of the plan.
    :param digest: of the plan.
    :raises PlanMismatchError: the shards are not those of the plan.
    """
    names = header.get("shards")
    if not isinstance(names, list):
        return [(path, digest)]
    from airflow_provider_jicoo.bulk.approval import whole_digest

    files: list[tuple[StorePath, str]] = []
    for name in names:
        # A name, and no way out of the folder.
        if not isinstance(name, str) or "/" in name or "\\" in name or not name.startswith(path.name):
            raise PlanMismatchError(f"{path} names shards that are none of its own")
        shard: StorePath = path.parent / name
        local = local_path(shard)
        if local is not None and not stat.S_ISREG(os.lstat(local).st_mode):
            # A pipe would be waited for without an end.
            raise PlanMismatchError(f"{shard} is no file")
        of_shard = read_header(shard)
        if of_shard.get("owner") != header.get("owner"):
            raise PlanMismatchError(f"{shard} is of another plan")
        files.append((shard, str(of_shard["digest"])))
    if whole_digest(each for _, each in files) != digest:
        raise PlanMismatchError(f"{path} is of other shards by now")
    return files
