"""Which of the rows that come are new."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from airflow_provider_jicoo.api.call import Listing
from airflow_provider_jicoo.api.keys import Keys
from airflow_provider_jicoo.api.rows import BrokenRow, checked

T = TypeVar("T")


class Found(NamedTuple):
    """The rows of a page.

    :param rows: the good ones that are wanted.
    :param fresh: those of them that are new in this sweep.
    :param given: those of them that no sweep has given before.
    :param identities: what tells the rows of the page apart, broken ones included.
    :param has_new: whether a row of the page is new in this sweep.
    :param is_cut: whether the page ends with rows that are not wanted.
    """

    rows: list[Any]
    fresh: list[Any]
    given: list[Any]
    identities: list[Any]
    has_new: bool
    is_cut: bool


class NewRows(Generic[T]):
    """Tells rows that are new from those that came before, in this sweep and in all of them.

    :param listing: the list: what identifies a row of it, and what is asked of one.
    :param before: those of another list that was read before: what came in it is not new.
    :param concerns: tells of a row that cannot be used whether it matters.

    ``broken`` says of each row that cannot be used which one it is, and what is wrong.
    """

    def __init__(self, listing: Listing[T], before: NewRows[T] | None, concerns: Callable[[Any], bool] | None) -> None:
        self._keys = (listing.key,) if isinstance(listing.key, str) else listing.key
        self._check = listing.check
        self._column = listing.query.get("order")
        self._concerns = concerns
        self._in_sweep = Keys()
        # In the first sweep, rows met and rows given are the same: keeping two sets would double the memory.
        self.seen: Keys = self._in_sweep if before is None else before.seen
        self._seen_broken: Keys = Keys() if before is None else before._seen_broken
        self._is_alone = before is None
        self.broken: list[str] = []

    def begin(self) -> None:
        """Begin another sweep."""
        self._in_sweep = Keys()

    def find(self, came: list[Any], page: int, last: list[Any], beyond: Callable[[T], bool] | None) -> Found:
        """Take in a page.

        :param page: its number, for the words.
        :param last: the identities of the page before it.
        :param beyond: tells of a row that it and all after it are not wanted.
        """
        rows, broken = checked(came, self._check, page)
        is_cut = beyond is not None and bool(rows) and beyond(rows[-1])
        if is_cut:
            rows = [row for row in rows if not beyond(row)]  # type: ignore[misc]
        keys, add = list(map(self.key, rows)), self._in_sweep.add
        fresh = [row for row, key in zip(rows, keys, strict=True) if key is None or add(key)]
        given = fresh if self.seen is self._in_sweep else list(filter(self._is_new, fresh))
        identities = keys if rows is came and None not in keys else self.identities(came)
        has_new = bool(fresh) and not (self.key(fresh[0]) is None and identities == last)
        has_new = self._note(broken) or has_new
        return Found(rows, fresh, given, identities, has_new, is_cut)

    def _is_new(self, row: T) -> bool:
        """Note a row, and tell whether it was not given before."""
        key = self.key(row)
        return key is not None and self.seen.add(key)

    def _note(self, broken: list[BrokenRow]) -> bool:
        """Take in broken rows, and tell whether one of them is new."""
        found = False
        for row in broken:
            key = self.key(row.row)
            known = f"broken {key if isinstance(key, str) else row}"
            found = self._in_sweep.add(known) or found
            if (self._concerns is None or self._concerns(row.row)) and self._seen_broken.add(known):
                self.broken.append(str(row))
        return found

    def key(self, row: Any) -> Any:
        """Return what identifies a row; None where it has nothing that does."""
        if isinstance(row, dict):
            for name in self._keys:
                if name in row:
                    return row[name]
        return None

    def identities(self, rows: Sequence[Any]) -> list[Any]:
        """Return what tells the rows of a page apart: their keys, and of one without a key the row itself."""
        key_of = self.key
        return [row if (key := key_of(row)) is None else key for row in rows]

    def place(self, row: Any) -> Any:
        """Return what the order is by, of a row."""
        return row.get(self._column) if isinstance(row, Mapping) and self._column is not None else None

    def fits(self, row: Any, key: Any, place: Any) -> bool:
        """Tell whether a row is the one with this key, or as good.

        Of rows that are equal in the order, which comes first is left open: another that was seen is as good.

        :param place: what the order is by, of the one with the key.
        """
        found = self.key(row)
        return found == key or (self.place(row) == place is not None and found in self._in_sweep)

    def are_all_of(self, whole: int) -> bool:
        """Tell whether as many rows came as there are, in all sweeps together.

        Where the order leaves ties open, and a server breaks them anew for each request, no single sweep has all.
        """
        return self._is_alone and len(self.seen) == whole
