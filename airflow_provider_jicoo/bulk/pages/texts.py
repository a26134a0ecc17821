"""The texts of a plan's rows, as they are to be read on the page: what a search looks through.

To make them takes a second for 100,000 changes, to look through them a few hundredths: so they are made at the first
search, and kept in a temporary file.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

_AT_ONCE = 1 << 20


class Texts:
    """Texts, to be searched for words: eight bytes each stay in memory.

    :param texts: each folded to one case.
    :raises OSError: there is no room for them.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when nobody searches them any more)
        self._close = weakref.finalize(self, file.close)
        self._number = file.fileno()
        self._offsets = array("Q", [0])
        for text in texts:
            # What stands between two texts is white space, which no word has: none is found across it.
            raw = _bytes(text) + b"\n"
            file.write(raw)
            self._offsets.append(self._offsets[-1] + len(raw))
        file.flush()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._offsets) - 1

    def having(self, words: Iterable[str]) -> Iterator[int]:
        """Yield the numbers of the texts that have all of some words in them, in order.

        :param words: one at the least, without white space, folded to the case of the texts.
        """
        rarest, *others = sorted(map(_bytes, words), key=len, reverse=True)
        for first, last in self._pieces():
            base = self._offsets[first]
            # The place is an argument, so that several may read at once.
            raw = os.pread(self._number, self._offsets[last] - base, base)
            yield from self._having(raw, first, last, rarest, others)

    def _having(self, raw: bytes, first: int, last: int, rarest: bytes, others: Sequence[bytes]) -> Iterator[int]:
        base = self._offsets[first]
        at = raw.find(rarest)
        while at >= 0:
            number = bisect_right(self._offsets, base + at, first, last) - 1
            begin, end = self._offsets[number] - base, self._offsets[number + 1] - base
            if all(raw.find(word, begin, end) >= 0 for word in others):
                yield number
            at = raw.find(rarest, end)

    def _pieces(self) -> Iterator[tuple[int, int]]:
        """Yield the first text of each piece that is read at once, and the one behind its last."""
        start = 0
        while start < len(self):
            stop = bisect_right(self._offsets, self._offsets[start] + _AT_ONCE, start + 1) - 1
            stop = max(stop, start + 1)
            yield start, stop
            start = stop


def _bytes(text: str) -> bytes:
    # The name of a host may have half of a pair of surrogates.
    return text.encode("utf-8", "surrogatepass")
