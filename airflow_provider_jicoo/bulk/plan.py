"""A plan: a file that says of each booking what it is and what it is to become.

JSON Lines. The first line is the header; each further line is one :class:`Line`. The digest is the SHA-256 over the
terms in the header (whether guests are messaged, and with which words, and at which address) and the lines: who agrees
to a digest agrees to all that will be sent. The same inputs give the same digest.

A plan in shards is a header without lines that names the files of its shards, each a plan of its own.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import IO, Any

import msgspec

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.models import Booking
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.api.settings import PER_PAGE, checked_word
from airflow_provider_jicoo.api.written import documented, shows
from airflow_provider_jicoo.bulk import bar, order
from airflow_provider_jicoo.bulk.approval import whole_digest
from airflow_provider_jicoo.bulk.changes import (
    Action,
    Change,
    ReplaceHost,
    ShiftTime,
    Target,
    UpdateFields,
    as_change,
)
from airflow_provider_jicoo.bulk.errors import PlanError, PlanLimitError, PlanMismatchError
from airflow_provider_jicoo.bulk.files import Folder, make_folder, written_durably
from airflow_provider_jicoo.bulk.header import dump, dump_header, read_header
from airflow_provider_jicoo.bulk.names import Names, read_names
from airflow_provider_jicoo.bulk.place import Owner, check_place, prepare_place
from airflow_provider_jicoo.bulk.seen import fingerprint
from airflow_provider_jicoo.bulk.selection import Selection, select
from airflow_provider_jicoo.bulk.summary import changes, examples, summary
from airflow_provider_jicoo.bulk.tally import Tally

_AT_ONCE = 500
_NAMED = 5
"""How many bookings an error names."""


class Line(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """What one booking is and what it is to become, in Jicoo's spelling.

    :param before: the fields of ``after`` and ``send`` as they are now.
    :param after: what tells that the change was made.
    :param send: the body, where it is not ``after``.
    :param status: its status as it is now; a booking that is cancelled since is left alone.
    :param seen: its :func:`~airflow_provider_jicoo.bulk.seen.fingerprint` as it is now.
    :param waits_for: ids of the bookings that have to move out of the new slot first.
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

    def dump(self) -> bytes:
        """Return the line as it stands in the file."""
        return dump(self)


_LINE = msgspec.json.Decoder(Line)


@dataclass(frozen=True)
class Plan:
    """A plan that was made.

    :param manifest: what an apply needs to know: ``plan`` (path), ``digest``, ``changes``, ``unchanged``,
        ``guests_notified``, ``irreversible``, ``requests`` (how many an apply takes as a rule),
        ``warnings`` (what could not be proved of the list of bookings, and other texts for people), ``shards`` (a list
        of manifests, of which each has a plan of its own).
    :param summary: the plan in Markdown, made to be read before it is agreed to: what changes, for whom and when, by
        names of hosts and event types, with examples. What may be personal to guests is left out of it.
    """

    manifest: dict[str, Any]
    summary: str

    def _repr_markdown_(self) -> str:
        return self.summary


@dataclass(frozen=True)
class Terms:
    """What holds for all changes of a plan.

    :param is_send_updates: whether Update Booking messages the guests; None where nothing is updated.
    :param update_message: words for those messages.
    :param base_url: the Jicoo that the plan is for.
    """

    is_send_updates: bool | None
    update_message: str | None
    base_url: str

    def check(self, change: Change) -> None:
        """Refuse what cannot be kept.

        :raises PlanError: says what is missing or in contradiction.
        """
        if self.is_send_updates is not None and not isinstance(self.is_send_updates, bool):
            # The text "false" is true.
            raise PlanError(f"is_send_updates: {self.is_send_updates!r} is neither True nor False")
        # What a function or an undo will say of each booking is not known yet: their lines are looked at one by one.
        updates = isinstance(change, (UpdateFields, ReplaceHost, ShiftTime))
        if self.is_send_updates is None and updates:
            raise PlanError(
                "is_send_updates must be said: True messages the guest of every booking, False messages nobody"
            )
        if self.update_message is not None:
            if not self.is_send_updates:
                raise PlanError("update_message is given, but is_send_updates is not True: nobody would get it")
            if len(self.update_message) > 2000:
                raise PlanError(f"update_message: {len(self.update_message)} characters, at most 2000")

    def messages(self, line: Line) -> bool:
        """Tell whether a change messages its guest.

        :raises PlanError: the plan does not say, or promises silence or words that Jicoo does not keep.
        """
        if line.action == "update":
            if self.is_send_updates is None:
                raise PlanError(f"booking {line.uid}: is_send_updates must be said, True or False, for an update")
            return self.is_send_updates
        if self.update_message is not None:
            raise PlanError(
                f"booking {line.uid}: update_message is given, but Jicoo takes no words with a {line.action}: "
                "the guest would not get them; leave it out"
            )
        if self.is_send_updates is False:
            raise PlanError(
                f"booking {line.uid}: Jicoo messages the guest at every {line.action}, so that is_send_updates=False "
                "cannot be kept; leave it out" + (", or use ShiftTime" if line.action == "reschedule" else "")
            )
        return True

    def json(self) -> dict[str, Any]:
        """Return the terms as they stand in the header."""
        return {
            "isSendUpdates": self.is_send_updates,
            "updateMessage": self.update_message,
            "baseUrl": self.base_url,
        }


@discreet
def plan_changes(
    client: JicooClient,
    selection: Selection,
    change: Change | Callable[[Booking], Change | None],
    path: Folder,
    *,
    is_send_updates: bool | None = None,
    update_message: str | None = None,
    max_changes: int | None = None,
    max_notified_guests: int | None = None,
    shards: int = 1,
    made_by: str = "",
    owner: Owner | None = None,
    progress: Callable[[int], None] | None = None,
    on_unproven: str | None = None,
) -> Plan:
    """Read the bookings, and write what each is to become. Nothing is changed.

    The names of their hosts and event types are read once, after the bookings, for the summary alone.

    :param client: a client of the Jicoo to plan for.
    :param selection: which bookings.
    :param change: what each becomes, or a function of one booking that says so.
    :param path: the file to write; a local path, or one of an object store (``airflow.sdk.ObjectStoragePath``).
    :param is_send_updates: whether Update Booking messages the guests. It has no default; cancel and reschedule
        always message.
    :param update_message: words for those messages, at most 2,000 characters.
    :param max_changes: refuse a plan of more changes.
    :param max_notified_guests: refuse a plan that messages the guests of more bookings.
    :param shards: into how many files to split the plan, to be applied by as many workers.
    :param made_by: who makes it, in words, for the header.
    :param owner: the task of Airflow that makes it: ``dagId``, ``runId``, ``taskId`` and ``mapIndex``. A plan of
        another owner is never written over, nor one of the same owner that has begun to be applied.
    :param progress: called with the number of bookings read, after each; by default a bar where there is a terminal.
    :param on_unproven: what to do where it cannot be proved that these are all the bookings that the selection means:
        ``fail``, or ``warn`` in the manifest, the header and the summary; by default as the client's settings say.
    :return: the manifest and the summary.
    :raises PlanError: a booking cannot become that, or a limit is exceeded, and nothing is written; or the plan cannot
        be written, or must not be written over what stands there, which is found out before anything is read.
    :raises UnprovenListError: there may be more bookings that the selection means, or rows of the list cannot be used;
        nothing is written.
    """
    wanted = as_change(change)
    terms = Terms(is_send_updates, update_message, client.settings.base_url)
    terms.check(wanted)
    if shards < 1:
        raise PlanError(f"shards: {shards!r} is not 1 or more")
    prepare_place(path, owner)
    warnings: list[str] = []
    bookings = select(
        client,
        selection,
        on_unproven=None if on_unproven is None else checked_word("on_unproven", on_unproven),
        warnings=warnings,
    )
    with closing(Draft(terms)) as draft:
        if progress is None and bar.on_a_terminal():
            with bar.planning() as progress:
                _consider_all(draft, bookings, wanted, progress)
        else:
            _consider_all(draft, bookings, wanted, progress)
        draft.read_names(client)
        draft.check_limits(max_changes, max_notified_guests)
        about = {
            "selection": selection.describe(),
            "change": wanted.describe(),
            "madeBy": made_by,
            "owner": owner,
            "warnings": warnings,
        }
        return draft.write(path, shards, about)


def _consider_all(
    draft: Draft, bookings: Iterable[Booking], change: Change, progress: Callable[[int], None] | None
) -> None:
    for number, booking in enumerate(bookings, 1):
        draft.consider(booking, change)
        if progress is not None:
            progress(number)


class Draft:
    """The lines of a plan while they are found: in a temporary file, with an index in memory.

    :param terms: what holds for all of them.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._index: list[tuple[str, str, int]] = []  # start, uid, offset: sorted, this is the plan's order
        self._moves: dict[str, tuple[tuple[str, ...], tuple[str, str], tuple[str, str]]] = {}
        self._messaging: set[str] = set()
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
        """
        uid = booking["uid"]
        try:
            target = change.target(booking)
            if target is None:
                return
            line = _line(booking, target)
        except Exception as error:
            raise PlanError(
                f"booking {uid}: {error if isinstance(error, ValueError) else f'{type(error).__name__}: {error}'}; "
                "nothing was planned and nothing was sent"
            ) from error
        if shows(booking, line.after):
            self.unchanged += 1
        else:
            self.add(line, booking)

    def add(self, line: Line, booking: Booking) -> None:
        """Take a line in.

        :param booking: as it is now.
        """
        if self._terms.messages(line):
            self._messaging.add(line.uid)
        self.irreversible += line.action == "cancel"
        slot = _slot(line)
        if slot is not None:
            hosts = tuple(host["userId"] for host in booking.get("hosts", []))
            self._moves[line.uid] = (hosts, (line.started_at, line.ended_at), slot)
        self._tally.add(line, booking, slot)
        self._index.append((line.started_at, line.uid, self._file.tell()))
        self._file.write(line.dump())

    def read_names(self, client: JicooClient) -> None:
        """Read the names of hosts and event types, for the summary.

        :raises AuthenticationError: the API key is not valid any more.
        """
        self._names = read_names(client, self._tally.users(), self._tally.event_types)

    def check_limits(self, max_changes: int | None, max_notified_guests: int | None) -> None:
        """Refuse a plan that is too large.

        :raises PlanLimitError: says by how much, and what would change.
        """
        for name, most, found in (
            ("max_changes", max_changes, len(self._index)),
            ("max_notified_guests", max_notified_guests, len(self._messaging)),
        ):
            if most is not None and found > most:
                told = "\n".join(changes(self._tally, self._names))
                some = "\n".join(examples(self._tally, self._names, _NAMED))
                raise PlanLimitError(
                    f"{name} is {most}, and the plan has {found}: {found - most} too many; nothing was sent. "
                    f"Planned were:\n{told}\nSome of them:\n{some}"
                )

    def write(self, path: Folder, shards: int, about: Mapping[str, Any]) -> Plan:
        """Write the plan and its shards.

        :raises PlanError: the path cannot be written, or something stands there by now that must not be lost.
        """
        self._index.sort()
        numbers = {uid: number for number, (_, uid, _) in enumerate(self._index)}
        moves = [order.Move(numbers[uid], *move) for uid, move in self._moves.items()]
        waits_for = order.waits(moves)
        in_order, cycles = order.arrange(len(self._index), waits_for)
        header = {
            **about,
            "madeAt": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "cycles": [[self._index[number][1] for number in cycle] for cycle in cycles],
            "irreversible": self.irreversible,
            "unchanged": self.unchanged,
        }
        parts = [in_order] if shards == 1 else split(in_order, waits_for, shards)
        made = [self._describe(part, waits_for) for part in parts]
        manifest = {**self._manifest(path, made), "warnings": list(about.get("warnings", ()))}
        manifest["requests"] = _requests(manifest["changes"], manifest["guests_notified"])
        told = summary(manifest, header, self._terms.json(), self._tally, self._names)
        check_place(path, about.get("owner"))
        try:
            make_folder(path.parent)
            self._write_all(path, {**header, "summary": told}, manifest, parts, waits_for)
        except OSError as error:
            raise PlanError(f"the plan cannot be written to {path}: {error}; nothing was sent") from error
        return Plan(manifest, told)

    def _describe(self, in_order: list[int], waits_for: dict[int, list[int]]) -> dict[str, Any]:
        """Return digest and counts of a part of the plan."""
        hashed = hashlib.sha256(dump(self._terms.json()))
        irreversible = 0
        for line in self._lines(in_order, waits_for):
            hashed.update(line.dump())
            irreversible += line.action == "cancel"
        return {
            "digest": hashed.hexdigest(),
            "changes": len(in_order),
            "unchanged": 0,
            "guests_notified": sum(self._index[number][1] in self._messaging for number in in_order),
            "irreversible": irreversible,
        }

    def _manifest(self, path: Folder, made: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the manifest of the whole plan.

        :param made: digest and counts of each of its parts.
        """
        if len(made) == 1:
            whole = {"plan": str(path), **made[0], "unchanged": self.unchanged}
            return {**whole, "shards": [whole]}
        shards = [{"plan": str(path.parent / _shard(path, number)), **part} for number, part in enumerate(made)]
        totals = {name: sum(part[name] for part in made) for name in ("changes", "guests_notified", "irreversible")}
        digest = whole_digest(part["digest"] for part in made)
        return {"plan": str(path), "digest": digest, **totals, "unchanged": self.unchanged, "shards": shards}

    def _write_all(
        self,
        path: Folder,
        header: Mapping[str, Any],
        manifest: Mapping[str, Any],
        parts: list[list[int]],
        waits_for: dict[int, list[int]],
    ) -> None:
        counts = ("digest", "changes", "unchanged", "guests_notified", "irreversible")
        whole = {**header, **{name: manifest[name] for name in counts}}
        if len(parts) == 1:
            self._write_lines(path, whole, parts[0], waits_for)
            return
        shards = [
            {"name": _shard(path, number), "digest": shard["digest"]} for number, shard in enumerate(manifest["shards"])
        ]
        for shard, counted, part in zip(shards, manifest["shards"], parts, strict=True):
            about = {name: value for name, value in header.items() if name != "summary"}
            about |= {name: counted[name] for name in counts}
            about["partOf"] = {"plan": path.name, "shards": shards}
            self._write_lines(path.parent / shard["name"], about, part, waits_for)
        with written_durably(path) as file:
            file.write(dump_header({**whole, "shards": [shard["name"] for shard in shards]}))

    def _write_lines(
        self, path: Folder, header: Mapping[str, Any], in_order: list[int], waits_for: dict[int, list[int]]
    ) -> None:
        with written_durably(path) as file:
            file.write(dump_header({**header, "terms": self._terms.json()}))
            for line in self._lines(in_order, waits_for):
                file.write(line.dump())

    def _lines(self, in_order: Iterable[int], waits_for: Mapping[int, list[int]]) -> Iterator[Line]:
        for number in in_order:
            self._file.seek(self._index[number][2])
            line = _LINE.decode(self._file.readline())
            if number in waits_for:
                line.waits_for = tuple(self._index[other][1] for other in waits_for[number])
            yield line


def _shard(path: Folder, number: int) -> str:
    return f"{path.name}.shard-{number}"


def _requests(changes: int, messaging: int) -> int:
    """Return how many requests an apply takes as a rule: what messages a guest is read by itself before it is sent, the
    rest by listing.
    """
    return changes + messaging + -(-(changes - messaging) // PER_PAGE)


def split(in_order: list[int], waits_for: Mapping[int, list[int]], shards: int) -> list[list[int]]:
    """Split lines into shards of about the same size; those that wait for each other stay together, in order."""
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


def _line(booking: Booking, target: Target) -> Line:
    line = Line(
        booking["uid"],
        target.action,
        {name: documented(name, booking.get(name)) for name in {**target.after, **(target.send or {})}},
        target.after,
        booking["updatedAt"],
        # In one form, however Jicoo wrote them: plans are sorted by these texts, and slots compared.
        times.as_wire(booking["startedAt"]),
        times.as_wire(booking["endedAt"]),
        target.send,
        status=str(booking.get("status") or ""),
        seen=fingerprint(booking),
    )
    slot = _slot(line)
    if slot is not None and slot[1] <= slot[0]:
        raise ValueError(f"it would end at {slot[1]}, which is not after its start at {slot[0]}")
    return line


def _slot(line: Line) -> tuple[str, str] | None:
    """Return start and end after the change, where it moves the booking."""
    if "startedAt" not in line.after and "endedAt" not in line.after:
        return None
    start = line.after.get("startedAt", line.started_at)
    if line.action != "reschedule":
        return start, line.after.get("endedAt", line.ended_at)
    length = times.moment(line.ended_at) - times.moment(line.started_at)
    return start, times.wire(times.moment(start) + length)


class Lines:
    """The lines of a plan, checked against a digest and copied into a temporary file with an index.

    :param path: the plan.
    :param digest: what was agreed to.
    :raises PlanMismatchError: the plan has another digest, or is damaged.

    ``awaited`` has the ids of the bookings that others wait for.
    """

    def __init__(self, path: Folder, digest: str) -> None:
        self.header = read_header(path)
        if "shards" in self.header:
            raise PlanMismatchError(f"{path} is a plan in shards: apply each of {', '.join(self.header['shards'])}")
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self._offsets = [0]  # where each begins, and where the last one ends
        waiting: list[int] = []
        hashed = hashlib.sha256(dump(self.header.get("terms")))
        with path.open("rb") as file:
            file.readline()
            for raw in file:
                hashed.update(raw)
                if b'"waitsFor":' in raw:  # most plans have none, and need not be read for them
                    waiting.append(len(self))
                self._file.write(raw)
                self._offsets.append(self._offsets[-1] + len(raw))
        found, count = self.header["digest"], self.header.get("changes")
        if hashed.hexdigest() != found or len(self) != count:
            self.close()
            raise PlanMismatchError(
                f"{path} is damaged: it has {len(self)} of {count} lines, and its content "
                f"is not that of its digest; nothing was sent"
            )
        if digest != found:
            self.close()
            raise PlanMismatchError(f"{path} has the digest {found}, but {digest} was agreed to; nothing was sent")
        self.awaited = {uid for number in waiting for uid in self[number].waits_for}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._offsets) - 1

    def __iter__(self) -> Iterator[Line]:
        """Read all, in order."""
        for start in range(0, len(self), _AT_ONCE):
            yield from self.read(start, min(start + _AT_ONCE, len(self)))

    def __getitem__(self, number: int) -> Line:
        """Read one."""
        (line,) = self.read(number, number + 1)
        return line

    def read(self, start: int, stop: int) -> list[Line]:
        """Read some, in order."""
        self._file.seek(self._offsets[start])
        return _LINE.decode_lines(self._file.read(self._offsets[stop] - self._offsets[start]))

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()
