"""A plan in the making: changes are collected, counted, put in order and written."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import IO

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.exhaustive import assert_never
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.written import documented, reflects_exactly
from airflow_provider_jicoo.bulk.approval import whole_digest
from airflow_provider_jicoo.bulk.changes import Change, Target
from airflow_provider_jicoo.bulk.documents import Counts, Manifest, PlanAbout, PlanHeader, ShardManifest, ShardName
from airflow_provider_jicoo.bulk.errors import PlanError, PlanLimitError
from airflow_provider_jicoo.bulk.files import StorePath, make_folder, written_durably
from airflow_provider_jicoo.bulk.plan import order
from airflow_provider_jicoo.bulk.plan.file import DECODER, Plan, PlannedChange
from airflow_provider_jicoo.bulk.plan.header import VERSION, dump, dump_header, whole_manifest
from airflow_provider_jicoo.bulk.plan.names import Names, read_names
from airflow_provider_jicoo.bulk.plan.place import check_place
from airflow_provider_jicoo.bulk.plan.seen import fingerprint
from airflow_provider_jicoo.bulk.plan.summary import changes, examples, summary
from airflow_provider_jicoo.bulk.plan.tally import Tally
from airflow_provider_jicoo.bulk.plan.terms import Terms
from airflow_provider_jicoo.bulk.plan.whole import Complete, as_it_is

_NAMED = 5
"""How many bookings an error names."""


class Draft:
    """The changes of a plan in the making: in a temporary file, with an index in memory, so that memory does not grow
    with what is in them.

    :param terms: what holds for all of them.
    :param complete: returns a booking with fields that its row in a list may leave out.
    """

    def __init__(self, terms: Terms, complete: Complete = as_it_is) -> None:
        self._terms = terms
        self._complete = complete
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._index: list[bytes] = []  # one for each change, as _entry makes it: sorted, this is the plan's order
        self._moves: dict[str, tuple[tuple[str, ...], tuple[str, str], tuple[str, str]]] = {}
        self._messaging = 0
        self.unchanged = 0
        self.irreversible = 0
        self._tally = Tally()
        self._names = Names()

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def consider(self, booking: Booking, change: Change) -> None:
        """Take a booking in, where the change would change it.

        :raises PlanError: it cannot become that; names the booking.
        :raises RequestError: it cannot be read.
        """
        uid = booking["uid"]
        with _naming(uid):
            target = change.target(booking)
        if target is None:
            return
        if target.after.keys() <= booking.keys() and reflects_exactly(booking, target.after):
            self.unchanged += 1
            return
        booking = self._complete(booking, {**target.after, **(target.send or {})})
        with _naming(uid):
            planned = _planned_change(booking, target)
        if reflects_exactly(booking, planned.after):
            self.unchanged += 1
        else:
            self.add(planned, booking)

    def add(self, planned: PlannedChange, booking: Booking) -> None:
        """Take a planned change in.

        :param booking: as it is now.
        """
        self._messaging += self._terms.messages(planned)
        self.irreversible += planned.is_irreversible
        slot = _slot(planned)
        if slot is not None:
            hosts = tuple(host["userId"] for host in booking.get("hosts", []))
            self._moves[planned.uid] = (hosts, (planned.started_at, planned.ended_at), slot)
        self._tally.add(planned, booking, slot)
        self._index.append(_entry(planned, self._file.tell()))
        self._file.write(planned.dump())

    def read_names(self, client: JicooClient) -> None:
        """Read the names of hosts and event types, for the summary.

        :raises AuthenticationError: the API key is not valid any more.
        """
        self._names = read_names(client, self._tally.users(), self._tally.event_types)

    def check_limits(self, max_changes: int | None, max_notified_guests: int | None) -> None:
        """Refuse a plan that is too large.

        :raises PlanLimitError: says by how much, and what would change.
        """
        for name, most, count in (
            ("max_changes", max_changes, len(self._index)),
            ("max_notified_guests", max_notified_guests, self._messaging),
        ):
            if most is not None and count > most:
                told = "\n".join(changes(self._tally, self._names))
                some = "\n".join(examples(self._tally, self._names, _NAMED))
                raise PlanLimitError(
                    f"{name} is {most}, and the plan has {count}: {count - most} too many; nothing was sent. "
                    f"Planned were:\n{told}\nSome of them:\n{some}"
                )

    def write(self, path: StorePath, shards: int, about: PlanAbout) -> Plan:
        """Write the plan and its shards.

        :raises PlanError: the path cannot be written, or something stands there by now that must not be lost.
        """
        self._index.sort()
        numbers = {uid: number for number, entry in enumerate(self._index) if (uid := _uid(entry)) in self._moves}
        moves = [order.Move(numbers[uid], *move) for uid, move in self._moves.items()]
        waits_for = order.waits(moves)
        in_order: Sequence[int] = range(len(self._index))
        cycles: list[list[int]] = []
        if waits_for:
            in_order, cycles = order.arrange(len(self._index), waits_for)
        parts = [in_order] if shards == 1 else split(in_order, waits_for, shards)
        manifest = self._manifest(path, [self._count(part, waits_for) for part in parts], about["warnings"])
        header: PlanHeader = {
            "jicoo_plan": VERSION,
            "digest": manifest["digest"],
            "changes": manifest["changes"],
            "unchanged": manifest["unchanged"],
            "guests_notified": manifest["guests_notified"],
            "irreversible": manifest["irreversible"],
            "selection": about["selection"],
            "change": about["change"],
            "madeBy": about["madeBy"],
            "madeAt": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "owner": about["owner"],
            "warnings": about["warnings"],
            "cycles": [[_uid(self._index[number]) for number in cycle] for cycle in cycles],
        }
        if self._names.hosts:
            header["hosts"] = dict(sorted(self._names.hosts.items()))
        if "leftAlone" in about:
            header["leftAlone"] = about["leftAlone"]
        told = summary(manifest, header, self._terms.json(), self._tally, self._names)
        check_place(path, about["owner"])
        try:
            make_folder(path.parent)
            self._write_all(path, header, told, manifest, parts, waits_for)
        except OSError as error:
            raise PlanError(f"the plan cannot be written to {path}: {error}; nothing was sent") from error
        return Plan(manifest, told)

    def _count(self, in_order: Sequence[int], waits_for: dict[int, list[int]]) -> Counts:
        """Return digest and counts of a part of the plan."""
        hashed = hashlib.sha256(dump(self._terms.json()))
        messaging = irreversible = 0
        for planned in self._lines(in_order, waits_for):
            hashed.update(planned.dump())
            messaging += self._terms.messages(planned)
            irreversible += planned.is_irreversible
        return {
            "digest": hashed.hexdigest(),
            "changes": len(in_order),
            "unchanged": 0,
            "guests_notified": messaging,
            "irreversible": irreversible,
        }

    def _manifest(self, path: StorePath, counts: list[Counts], warnings: list[str]) -> Manifest:
        """Return the manifest of the whole plan.

        :param counts: of each of its parts.
        """
        if len(counts) == 1:
            return whole_manifest({**counts[0], "plan": str(path), "unchanged": self.unchanged}, warnings)
        shards: list[ShardManifest] = [
            {**part, "plan": str(path.parent / _shard(path, number))} for number, part in enumerate(counts)
        ]
        whole: ShardManifest = {
            "plan": str(path),
            "digest": whole_digest(part["digest"] for part in counts),
            "changes": sum(part["changes"] for part in counts),
            "unchanged": self.unchanged,
            "guests_notified": sum(part["guests_notified"] for part in counts),
            "irreversible": sum(part["irreversible"] for part in counts),
        }
        return whole_manifest(whole, warnings, shards)

    def _write_all(
        self,
        path: StorePath,
        header: PlanHeader,
        told: str,
        manifest: Manifest,
        parts: Sequence[Sequence[int]],
        waits_for: dict[int, list[int]],
    ) -> None:
        if len(parts) == 1:
            self._write_lines(path, {**header, "summary": told}, parts[0], waits_for)
            return
        shards: list[ShardName] = [
            {"name": _shard(path, number), "digest": shard["digest"]} for number, shard in enumerate(manifest["shards"])
        ]
        for shard, counted, part in zip(shards, manifest["shards"], parts, strict=True):
            own: PlanHeader = {
                **header,
                "digest": counted["digest"],
                "changes": counted["changes"],
                "unchanged": counted["unchanged"],
                "guests_notified": counted["guests_notified"],
                "irreversible": counted["irreversible"],
                "partOf": {"plan": path.name, "shards": shards},
            }
            self._write_lines(path.parent / shard["name"], own, part, waits_for)
        with written_durably(path) as file:
            file.write(dump_header({**header, "summary": told, "shards": [shard["name"] for shard in shards]}))

    def _write_lines(
        self, path: StorePath, header: PlanHeader, in_order: Sequence[int], waits_for: dict[int, list[int]]
    ) -> None:
        with written_durably(path) as file:
            file.write(dump_header({**header, "terms": self._terms.json()}))
            for planned in self._lines(in_order, waits_for):
                file.write(planned.dump())

    def _lines(self, in_order: Iterable[int], waits_for: Mapping[int, list[int]]) -> Iterator[PlannedChange]:
        for number in in_order:
            self._file.seek(_offset(self._index[number]))
            planned = DECODER.decode(self._file.readline())
            if number in waits_for:
                planned.waits_for = tuple(_uid(self._index[other]) for other in waits_for[number])
            yield planned


@contextmanager
def _naming(uid: str) -> Iterator[None]:
    """Say of what goes wrong with which booking it does.

    :raises PlanError: it cannot become what it is to.
    """
    try:
        yield
    except Exception as error:
        raise PlanError(
            f"booking {uid}: {error if isinstance(error, ValueError) else f'{type(error).__name__}: {error}'}; "
            "nothing was planned and nothing was sent"
        ) from error


def _entry(planned: PlannedChange, offset: int) -> bytes:
    """Return start, id and offset of a change as one text, in a third of the memory that three would take."""
    return b"%b\0%b\0%b" % (planned.started_at.encode(), planned.uid.encode(), offset.to_bytes(8, "big"))


def _uid(entry: bytes) -> str:
    return entry[entry.index(0) + 1 : -9].decode()


def _offset(entry: bytes) -> int:
    return int.from_bytes(entry[-8:], "big")


def _shard(path: StorePath, number: int) -> str:
    return f"{path.name}.shard-{number}"


def split(in_order: Sequence[int], waits_for: Mapping[int, list[int]], shards: int) -> list[list[int]]:
    """Split lines into shards of about one size, in order; what waits for another's slot is in one shard with it."""
    leader = {line: line for line in in_order}

    def lead(line: int) -> int:
        while leader[line] != line:
            leader[line] = leader[leader[line]]
            line = leader[line]
        return line

    for line, blockers in waits_for.items():
        for blocker in blockers:
            leader[lead(line)] = lead(blocker)
    shard_of: dict[int, int] = {}
    parts: list[list[int]] = [[] for _ in range(shards)]
    for number, line in enumerate(in_order):
        # Neighbours go together: an apply reads them back with one stretch of the list.
        shard = shard_of.setdefault(lead(line), number * shards // len(in_order))
        parts[shard].append(line)
    return parts


def _planned_change(booking: Booking, target: Target) -> PlannedChange:
    planned = PlannedChange(
        booking["uid"],
        target.action,
        {name: documented(name, booking.get(name)) for name in {**target.after, **(target.send or {})}},
        target.after,
        booking["updatedAt"],
        # Normalised, however Jicoo wrote them: plans are sorted by these texts, and slots compared as texts.
        times.as_wire(booking["startedAt"]),
        times.as_wire(booking["endedAt"]),
        target.send,
        status=str(booking.get("status") or ""),
        seen=fingerprint(booking),
        time_zone=str(booking.get("timeZone") or ""),
    )
    slot = _slot(planned)
    if slot is not None and slot[1] <= slot[0]:
        raise ValueError(f"it would end at {slot[1]}, which is not after its start at {slot[0]}")
    return planned


def _slot(planned: PlannedChange) -> tuple[str, str] | None:
    """Return start and end after the change, where it moves the booking."""
    if "startedAt" not in planned.after and "endedAt" not in planned.after:
        return None
    start = planned.after.get("startedAt", planned.started_at)
    match planned.action:
        case "update" | "cancel":
            return start, planned.after.get("endedAt", planned.ended_at)
        case "reschedule":
            length = times.moment(planned.ended_at) - times.moment(planned.started_at)
            return start, times.wire(times.moment(start) + length)
        case _:
            return assert_never(planned.action)
