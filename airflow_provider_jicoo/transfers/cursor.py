"""What earlier loads have seen, kept beside the data, so that it is lost and copied with them.

Jicoo cannot be asked what changed. So each load reads all, and this says which rows are new, which are other than they
were, and which are gone. A fingerprint of each row is kept: 8 bytes of a hash over the whole row, so that a change is
found also where ``updatedAt`` did not move.

The file is JSON Lines: a header, then ``[key, fingerprint]`` for each row::

    {"jicoo_cursor": 1, "of": {...}, "last": {"owner": {...}, "manifest": {...}}, "writing": null}
    [["mzgdPJVBb7RE"], "5f0c8a9d2b1e4c77"]

It is written twice: behind the data as they were seen, and before them with what is in doubt until then. Of a load that
was killed a reader may have its data or not; the next one gives each of those rows once more, as they are then, also
those that are as they were before, or gone. ``writing`` is the file that is about to be written: no other one that is
there may be written over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec

from airflow_provider_jicoo.bulk.files import StorePath, read_bytes
from airflow_provider_jicoo.transfers.publish import publish, spool
from airflow_provider_jicoo.transfers.resources import Resource, Row

VERSION = 1
CHANGE = "_change"
"""The column of a file of changes that says what became of a row: ``created``, ``updated`` or ``deleted``."""
_NEW, _OTHER = b"\0", b""
"""In the place of a fingerprint: of a row that is in doubt, and was not there before, or was there otherwise."""
_ORDERED = msgspec.json.Encoder(order="sorted")


class Cursor:
    """What was seen, and what is seen now.

    :param of: what the data are of: other data have another cursor.
    :param seen: the fingerprints of the rows that earlier loads have seen, by key.
    :param last: owner and manifest of the load that wrote it; None where there was none.
    :param writing: the file that a load that was killed may have written; None where none was.
    """

    def __init__(
        self, of: dict[str, Any], seen: dict[bytes, bytes], last: dict[str, Any] | None, writing: str | None = None
    ) -> None:
        self._of = of
        self._before = seen
        self._now: dict[bytes, bytes] = {}
        self._doubtful: dict[bytes, bytes] = {}
        self.last = last
        self.writing = writing

    def change(self, wanted: Resource, row: Row) -> str | None:
        """Take in a row that was read, and tell what became of it; None where it is as it was.

        :param row: as Jicoo gives it.
        """
        key = msgspec.json.encode(wanted.key_of(row))
        print_ = hashlib.blake2b(_ORDERED.encode(row), digest_size=8).digest()
        self._now[key] = print_
        before = self._before.pop(key, _NEW)
        if before == print_:
            return None
        self._doubtful[key] = _NEW if before == _NEW else _OTHER
        return "created" if before == _NEW else "updated"

    def deleted(self, wanted: Resource) -> Iterator[Row]:
        """Yield the keys, as rows, of what was seen earlier and is not there any more."""
        for key in self._before:
            yield {**dict(zip(wanted.primary_key, msgspec.json.decode(key), strict=True)), CHANGE: "deleted"}

    def keep_unseen(self) -> None:
        """Keep what was not seen now: it is not proved to be gone."""
        self._now.update(self._before)
        self._before = {}

    def save_doubts(self, path: StorePath, writing: str) -> None:
        """Write what is in doubt until the data are written: all that changed.

        :param writing: the file that they will be written to.
        :raises OSError: it cannot be written; the cursor there was still stands.
        """
        self.writing = writing
        there = ((key, self._doubtful.get(key, print_)) for key, print_ in self._now.items())
        self._write(path, chain(there, ((key, _OTHER) for key in self._before)), self.last)

    def save(self, path: StorePath, owner: Any, manifest: dict[str, Any]) -> None:
        """Write what is seen now.

        :param owner: the task that wrote the data, and what it returns: a further try returns the same.
        :raises OSError: it cannot be written; the cursor there was still stands.
        """
        self.writing = None
        self._write(path, self._now.items(), {"owner": owner, "manifest": manifest})

    def _write(self, path: StorePath, rows: Iterable[tuple[bytes, bytes]], last: dict[str, Any] | None) -> None:
        header = {"jicoo_cursor": VERSION, "of": self._of, "last": last, "writing": self.writing}
        with spool() as file:
            file.write(msgspec.json.encode(header) + b"\n")
            for key, print_ in rows:
                file.write(b"[%b,%b]\n" % (key, msgspec.json.encode(print_.hex())))
            publish(file, path)


def load_cursor(path: StorePath, of: dict[str, Any]) -> Cursor:
    """Return the cursor at a path; an empty one where there is none.

    :param of: what the data are of, as JSON.
    :raises ValueError: it is the cursor of other data, or cannot be read; says what to do.
    """
    if not path.exists():
        return Cursor(of, {}, None)
    remedy = "To load all anew, remove it; to load something else, name another folder or cursor_path"
    try:
        head, *lines = read_bytes(path).splitlines()
        header = msgspec.json.decode(head)
        version, found = header["jicoo_cursor"], header["of"]
        seen = {msgspec.json.encode(key): bytes.fromhex(text) for key, text in map(msgspec.json.decode, lines)}
    except (ValueError, KeyError, TypeError, msgspec.DecodeError):
        raise ValueError(f"the cursor {path} cannot be read. {remedy}") from None
    if version != VERSION:
        raise ValueError(f"the cursor {path} is of version {version!r:.20}, which this package cannot read. {remedy}")
    if found != of:
        different = ", ".join(name for name in of if found.get(name) != of[name])
        raise ValueError(f"the cursor {path} is of other data: {different} differ. {remedy}")
    return Cursor(of, seen, header["last"], header.get("writing"))
