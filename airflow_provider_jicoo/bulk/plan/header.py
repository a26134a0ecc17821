"""The header of a plan: its first line, a :class:`~airflow_provider_jicoo.bulk.documents.PlanHeader` in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, cast

import msgspec

from airflow_provider_jicoo.api.settings import PER_PAGE
from airflow_provider_jicoo.bulk.documents import Manifest, PlanHeader, ShardManifest
from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.files import StorePath

VERSION = 1
START = b'{"jicoo_plan":'
"""How a header begins, and so what is left of one that was being written when its worker died."""


def dump(value: Any) -> bytes:
    """Write JSON on one line, the same bytes for the same value."""
    return msgspec.json.encode(value, order="sorted") + b"\n"


def dump_header(header: PlanHeader) -> bytes:
    """Write a header: its version first, by which a plan is known."""
    rest = {name: value for name, value in header.items() if name != "jicoo_plan"}
    return START + b"%d," % header["jicoo_plan"] + dump(rest)[1:]


_LOOK, _PIECE, _LONGEST = 64 * 1024, 1024 * 1024, 256 * 1024 * 1024
"""Bytes of a first line that are read to see whether it may be a header, and of one that may be. What a large undo has
left alone stands in its header; a device or a film has no lines at all."""


def first_line(path: StorePath) -> bytes:
    """Return the first line of a file, or the beginning of what can be no header.

    :raises OSError: it cannot be read.
    """
    # Not by readline(limit): the files of an object store, those of fsspec, take no limit.
    with path.open("rb") as file:
        read: bytes = file.read(_LOOK)
        if read.startswith(b"{") and b"\n" not in read:
            read += _rest_of_line(file)
        line, end, _ = read.partition(b"\n")
        return line + end


def _rest_of_line(file: IO[bytes]) -> bytes:
    """Return what follows, at least as far as the line goes, and not beyond what a first line may have."""
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < _LONGEST and (piece := file.read(_PIECE)):
        pieces.append(piece)
        if b"\n" in piece:
            break
    return b"".join(pieces)


def read_header(path: StorePath) -> PlanHeader:
    """Read the header of a plan.

    :raises PlanMismatchError: there is no plan there.
    """
    try:
        return parse_header(first_line(path), path)
    except OSError as error:
        raise PlanMismatchError(f"{path} cannot be read as a plan: {error}") from None


def parse_header(line: bytes, path: StorePath) -> PlanHeader:
    """Return the header that a line is.

    :raises PlanMismatchError: it is none.
    """
    try:
        header = json.loads(line)
    except ValueError as error:
        raise PlanMismatchError(f"{path} cannot be read as a plan: {error}") from None
    if not isinstance(header, dict) or header.get("jicoo_plan") != VERSION or "digest" not in header:
        raise PlanMismatchError(f"{path} is not a plan of this version")
    return cast("PlanHeader", header)


def shard_paths(path: StorePath, header: PlanHeader) -> Iterator[StorePath]:
    """Yield the files of a plan's changes: those of its shards, or its own.

    :param header: the plan's, or that of one of its shards.
    """
    part_of = header.get("partOf")
    names = [shard["name"] for shard in part_of["shards"]] if part_of else header.get("shards")
    if names is None:
        yield path
    else:
        yield from (path.parent / name for name in names)


def find_shards(path: StorePath, header: PlanHeader) -> None:
    """Make sure that the whole plan is there, before any of it is used.

    :param header: the plan's, or that of one of its shards.
    :raises PlanMismatchError: shards are missing; says which.
    """
    missing = [shard.name for shard in shard_paths(path, header) if not shard.exists()]
    if missing:
        raise PlanMismatchError(
            f"{path} is not whole: of its shards, {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in "
            f"{path.parent}; nothing was sent"
        )


def whole_manifest(plan: ShardManifest, warnings: list[str], shards: list[ShardManifest] | None = None) -> Manifest:
    """Return the manifest of a whole plan.

    :param plan: its path and its counts.
    :param warnings: as in its header.
    :param shards: the files that it is split into; by default it is one file.
    """
    changes, messaging = plan["changes"], plan["guests_notified"]
    return {
        **plan,
        "shards": shards or [plan],
        "warnings": list(warnings),
        # What messages a guest is read by itself before it is sent, the rest by listing.
        "requests": changes + messaging + -(-(changes - messaging) // PER_PAGE),
    }


def manifest_of(path: StorePath, header: PlanHeader) -> Manifest:
    """Return the manifest of a plan that is in one file."""
    plan: ShardManifest = {
        "plan": str(path),
        "digest": header["digest"],
        "changes": header["changes"],
        "unchanged": header["unchanged"],
        "guests_notified": header["guests_notified"],
        "irreversible": header["irreversible"],
    }
    return whole_manifest(plan, header.get("warnings", []))
