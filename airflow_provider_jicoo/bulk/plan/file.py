"""A plan: a file that says of each booking what it is and what it is to become.

JSON Lines. The first line is the header; each further line is one :class:`PlannedChange`. The digest is the SHA-256
over the terms in the header (whether guests are messaged, and with which words, and at which address) and the lines:
who agrees to a digest agrees to all that will be sent. The same inputs give the same digest.

A plan in shards is a header without lines that names the files of its shards, each a plan of its own.
"""

from __future__ import annotations

import hashlib
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import IO, Any

import msgspec

from airflow_provider_jicoo.api.exhaustive import assert_never
from airflow_provider_jicoo.bulk.changes import Action
from airflow_provider_jicoo.bulk.documents import Manifest
from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.files import StorePath
from airflow_provider_jicoo.bulk.plan.header import dump, read_header

_AT_ONCE = 500
_WAITS = b'"waitsFor":'


class PlannedChange(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """What one booking is and what it is to become, in Jicoo's spelling.

    :param before: the fields of ``after`` and ``send`` as they are now.
    :param after: what tells that the change was made.
    :param send: the body, where it is not ``after``.
    :param status: its status as it is now; a booking that is cancelled since is left alone.
    :param seen: its :func:`~airflow_provider_jicoo.bulk.plan.seen.fingerprint` as it is now.
    :param waits_for: ids of the bookings that have to move out of the new slot first.
    :param time_zone: IANA name of the zone that it takes place in, as it is now: by it a person reads its times.
    """

    uid: str
    action: Action
    before: dict[str, Any]
    after: dict[str, Any]
    updated_at: str
    started_at: str
    ended_at: str
    send: dict[str, Any] | None = None
    waits_for: tuple[str, ...] = ()
    status: str = ""
    seen: str = ""
    time_zone: str = ""

    @property
    def is_irreversible(self) -> bool:
        """Whether nothing takes it back."""
        match self.action:
            case "cancel":
                return True
            case "update" | "reschedule":
                return False
            case _:
                return assert_never(self.action)

    def dump(self) -> bytes:
        """Return the line as it stands in the file."""
        return dump(self)


DECODER = msgspec.json.Decoder(PlannedChange)


@dataclass(frozen=True)
class Plan:
    """A plan that was made.

    :param manifest: what an apply needs to know; for tasks to hand on.
    :param summary: the plan in Markdown, made to be read before it is agreed to: what changes, for whom and when, by
        names of hosts and event types, with examples. What may be personal to guests is left out of it.
    """

    manifest: Manifest
    summary: str

    def _repr_markdown_(self) -> str:
        return self.summary


class PlanFile:
    """The lines of a plan, checked against a digest and copied into a temporary file with an index.

    :param path: the plan.
    :param digest: what was agreed to.
    :raises PlanMismatchError: the plan has another digest, or is damaged.

    ``awaited`` has the ids of the bookings that others wait for.
    """

    def __init__(self, path: StorePath, digest: str) -> None:
        self.header = read_header(path)
        if "shards" in self.header:
            raise PlanMismatchError(f"{path} is a plan in shards: apply each of {', '.join(self.header['shards'])}")
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._offsets = array("Q", [0])  # where each begins, and where the last one ends
        waiting: list[int] = []
        hashed = hashlib.sha256(dump(self.header.get("terms")))
        with path.open("rb") as file:
            file.readline()
            while lines := list(islice(file, _AT_ONCE)):
                block = b"".join(lines)
                hashed.update(block)
                if _WAITS in block:  # most plans have none, and need not be read for them
                    waiting += [number for number, line in enumerate(lines, len(self)) if _WAITS in line]
                self._file.write(block)
                begins = self._offsets.pop()
                self._offsets.extend(accumulate(map(len, lines), initial=begins))
        own, count = self.header["digest"], self.header.get("changes")
        if hashed.hexdigest() != own or len(self) != count:
            self.close()
            raise PlanMismatchError(
                f"{path} is damaged: it has {len(self)} of {count} lines, and its content "
                f"is not that of its digest; nothing was sent"
            )
        if digest != own:
            self.close()
            raise PlanMismatchError(f"{path} has the digest {own}, but {digest} was agreed to; nothing was sent")
        self.awaited = {uid for number in waiting for uid in self[number].waits_for}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._offsets) - 1

    def __iter__(self) -> Iterator[PlannedChange]:
        """Read all, in order."""
        for start in range(0, len(self), _AT_ONCE):
            yield from self.read(start, min(start + _AT_ONCE, len(self)))

    def __getitem__(self, number: int) -> PlannedChange:
        """Read one."""
        (line,) = self.read(number, number + 1)
        return line

    def read(self, start: int, stop: int) -> list[PlannedChange]:
        """Read some, in order."""
        self._file.seek(self._offsets[start])
        return DECODER.decode_lines(self._file.read(self._offsets[stop] - self._offsets[start]))

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()
