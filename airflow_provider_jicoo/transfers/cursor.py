"""What earlier loads have seen, kept beside the data, so that it is lost and copied with them.

Jicoo cannot be asked what changed. So each load reads all, and this says which rows are new, which are other than they
were, and which are gone. A fingerprint of each row is kept: 8 bytes of a hash over the whole row, so that a change is
found also where ``updatedAt`` did not move.

The file is JSON Lines: a header, then ``[key, fingerprint]`` for each row::

    {"jicoo_cursor": 1, "of": {...}, "last": {"owner": {...}, "manifest": {...}}}
    [["mzgdPJVBb7RE"], "5f0c8a9d2b1e4c77"]
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from airflow_provider_jicoo.bulk.files import StorePath, read_bytes
from airflow_provider_jicoo.transfers.publish import publish, spool
from airflow_provider_jicoo.transfers.resources import Resource, Row

VERSION = 1
CHANGE = "_change"
"""The column of a file of changes that says what became of a row: ``created``, ``updated`` or ``deleted``."""
_ORDERED = msgspec.json.Encoder(order="sorted")


class Cursor:
    """What was seen, and what is seen now.

    :param of: what the data are of: other data have another cursor.
    :param seen: the fingerprints of the rows that earlier loads have seen, by key.
    :param last: owner and manifest of the load that wrote it; None where there was none.
    """

    def __init__(self, of: dict[str, Any], seen: dict[bytes, bytes], last: dict[str, Any] | None) -> None:
        self._of = of
        self._before = seen
        self._now: dict[bytes, bytes] = {}
        self.last = last

    def change(self, wanted: Resource, row: Row) -> str | None:
        """Take in a row that was read, and tell what became of it; None where it is as it was.

        :param row: as Jicoo gives it.
        """
        key = msgspec.json.encode(wanted.key_of(row))
        print_ = hashlib.blake2b(_ORDERED.encode(row), digest_size=8).digest()
        self._now[key] = print_
        before = self._before.pop(key, None)
        return "created" if before is None else None if before == print_ else "updated"

    def deleted(self, wanted: Resource) -> Iterator[Row]:
        """Yield the keys, as rows, of what was seen earlier and is not there any more."""
        for key in self._before:
            yield {**dict(zip(wanted.primary_key, msgspec.json.decode(key), strict=True)), CHANGE: "deleted"}

    def keep_unseen(self) -> None:
        """Keep what was not seen now: it is not proved to be gone."""
        self._now.update(self._before)
        self._before = {}

    def save(self, path: StorePath, owner: Any, manifest: dict[str, Any]) -> None:
        """Write what is seen now.

        :param owner: the task that wrote the data, and what it returns: a further try returns the same.
        :raises OSError: it cannot be written; the cursor there was still stands.
        """
        header = {"jicoo_cursor": VERSION, "of": self._of, "last": {"owner": owner, "manifest": manifest}}
        with spool() as file:
            file.write(msgspec.json.encode(header) + b"\n")
            for key, print_ in self._now.items():
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
    return Cursor(of, seen, header["last"])
