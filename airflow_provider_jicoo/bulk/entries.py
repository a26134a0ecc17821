"""What is known of each booking, by uid, in some fifty bytes each, so that there is room for a million."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, MutableMapping
from dataclasses import replace

from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome

_OUTCOMES: tuple[Outcome | None, ...] = (None, *Outcome)
_CODES = {outcome: code for code, outcome in enumerate(_OUTCOMES)}
_GONE = 255
_BETWEEN = str.maketrans("", "", "-T:.Z")
_FIRST_SLOTS = 1 << 10


class Entries(MutableMapping[str, Entry]):
    """A mapping from uid to :class:`~airflow_provider_jicoo.bulk.outcomes.Entry`, as a ``dict`` is.

    As objects in a ``dict`` they take 270 bytes each, and Python's garbage collector walks over all of them time and
    again. Here what is usual is packed; an entry with words, with stored fields, or with a stamp that is written in
    another way than Jicoo does is kept whole. What is read is a copy: an entry that was changed has to be set again.
    """

    def __init__(self) -> None:
        # An open hash table: in each slot the number of an entry, from 1 on, or 0.
        self._slots = array("I", [0]) * _FIRST_SLOTS
        self._uids = bytearray()
        self._ends = array("I", [0])
        self._codes = bytearray()
        self._sends = bytearray()
        self._stamps = array("Q")  # their digits; 0: none
        self._whole: dict[int, Entry] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return (self._uid(number) for number, code in enumerate(self._codes) if code != _GONE)

    def __contains__(self, uid: object) -> bool:
        return isinstance(uid, str) and self.get(uid) is not None

    def __getitem__(self, uid: str) -> Entry:
        entry = self.get(uid)
        if entry is None:
            raise KeyError(uid)
        return entry

    def get(self, uid: str, default: Entry | None = None) -> Entry | None:  # type: ignore[override]
        """Return a copy of an entry, or the default."""
        number = self._slots[self._slot(uid)] - 1
        if number < 0 or self._codes[number] == _GONE:
            return default
        whole = self._whole.get(number)
        if whole is not None:
            return replace(whole)
        digits = self._stamps[number]
        return Entry(_OUTCOMES[self._codes[number]], _written(digits) if digits else None, sends=self._sends[number])

    def __setitem__(self, uid: str, entry: Entry) -> None:
        slot = self._slot(uid)
        number = self._slots[slot] - 1
        if number < 0:
            number = self._add(uid, slot)
        elif self._codes[number] == _GONE:
            self._count += 1
        self._codes[number] = _CODES[entry.outcome]
        digits = _digits(entry.updated_at)
        if digits is None or entry.detail or entry.stored or entry.adjusted or entry.sends > 255:
            self._whole[number] = replace(entry)
            return
        self._whole.pop(number, None)
        self._sends[number] = entry.sends
        self._stamps[number] = digits

    def __delitem__(self, uid: str) -> None:
        number = self._slots[self._slot(uid)] - 1
        if number < 0 or self._codes[number] == _GONE:
            raise KeyError(uid)
        self._codes[number] = _GONE
        self._whole.pop(number, None)
        self._count -= 1

    def _uid(self, number: int) -> str:
        return self._uids[self._ends[number] : self._ends[number + 1]].decode("utf-8", "surrogatepass")

    def _slot(self, uid: str) -> int:
        """Return the slot of a uid, or the free one that it would take."""
        slots, most, uids, ends = self._slots, len(self._slots) - 1, self._uids, self._ends
        slot = hash(uid) & most
        if slots[slot]:
            written = uid.encode("utf-8", "surrogatepass")
            while (number := slots[slot]) and uids[ends[number - 1] : ends[number]] != written:
                slot = (slot + 1) & most
        return slot

    def _add(self, uid: str, slot: int) -> int:
        number = len(self._codes)
        self._uids += uid.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._uids))
        self._codes.append(_GONE)
        self._sends.append(0)
        self._stamps.append(0)
        self._slots[slot] = number + 1
        self._count += 1
        if 2 * len(self._codes) > len(self._slots):
            self._grow()
        return number

    def _grow(self) -> None:
        self._slots = slots = array("I", [0]) * (2 * len(self._slots))  # and the old ones are gone
        most = len(slots) - 1
        for number, uid in enumerate(map(self._uid, range(len(self._codes))), 1):
            slot = hash(uid) & most
            while slots[slot]:
                slot = (slot + 1) & most
            slots[slot] = number


def _digits(stamp: str | None) -> int | None:
    """Return the digits of a stamp, 0 for none; None where it is written in another way than Jicoo does."""
    if stamp is None:
        return 0
    digits = stamp.translate(_BETWEEN)
    if len(digits) != 17 or not digits.isascii() or not digits.isdigit():
        return None
    if stamp[4:20:3] != "--T::." or stamp[23:] != "Z":
        return None
    return int(digits) or None


def _written(number: int) -> str:
    digits = f"{number:017d}"
    date, time = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}", f"{digits[8:10]}:{digits[10:12]}:{digits[12:14]}"
    return f"{date}T{time}.{digits[14:]}Z"
