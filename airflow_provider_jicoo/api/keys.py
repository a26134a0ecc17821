"""Which keys were met already, at 16 bytes each."""

from __future__ import annotations

from array import array
from typing import Any


def _mark(key: Any) -> int:
    return hash(str(key)) & 0xFFFF_FFFF_FFFF_FFFF or 1


class Keys:
    """A set of keys that holds a hash of 64 bits of each: some 16 bytes, where a set of the texts takes 200.

    So a list streams whatever its length. That two of a million keys share a hash is less likely than 1 to 10,000,000.
    """

    def __init__(self) -> None:
        self._slots = array("Q", [0]) * 128  # open addressing; 0 is a free slot
        self._used = 0

    def add(self, key: Any) -> bool:
        """Add a key, and tell whether it is new."""
        if not _put(self._slots, _mark(key)):
            return False
        self._used += 1
        if self._used * 3 > len(self._slots) * 2:
            marks, self._slots = self._slots, array("Q", [0]) * (2 * len(self._slots))
            for one in marks:
                if one:
                    _put(self._slots, one)
        return True

    def __contains__(self, key: Any) -> bool:
        mark = _mark(key)
        slots, last = self._slots, len(self._slots) - 1
        at = mark & last
        while slots[at]:
            if slots[at] == mark:
                return True
            at = (at + 1) & last
        return False

    def __len__(self) -> int:
        return self._used


def _put(slots: array[int], mark: int) -> bool:
    """Put a mark where it belongs, and tell whether it is new."""
    last = len(slots) - 1
    at = mark & last
    while found := slots[at]:
        if found == mark:
            return False
        at = (at + 1) & last
    slots[at] = mark
    return True
