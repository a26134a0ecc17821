"""The header of a plan: its first line, a JSON object.

``jicoo_plan`` (the version of the format), ``digest``, ``terms``, ``selection``, ``change``, ``madeAt`` (ISO 8601,
UTC), ``madeBy`` (words), ``owner`` (the task that made it, see :mod:`~airflow_provider_jicoo.bulk.plan.place`;
null outside of Airflow), ``summary`` (Markdown), ``changes``, ``unchanged``, ``guests_notified``, ``irreversible``,
``cycles``. That of a plan in shards has ``shards``, the names of their files beside it, and no ``terms``; that of a
shard has ``partOf``, which is ``{"plan": name, "shards": [{"name", "digest"}, ...]}``, and no summary.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.files import StorePath

VERSION = 1
START = b'{"jicoo_plan":'
"""How a header begins, and so what is left of one that was being written when its worker died."""


def dump(value: Any) -> bytes:
    """Write JSON on one line, the same bytes for the same value."""
    return msgspec.json.encode(value, order="sorted") + b"\n"


def dump_header(header: Mapping[str, Any]) -> bytes:
    """Write a header."""
    return START + b"%d," % VERSION + dump(header)[1:]


_LOOK, _LONGEST = 64 * 1024, 256 * 1024 * 1024
"""Bytes of a first line that are read to see whether it may be a header, and of one that may be. What a large undo has
left alone stands in its header; a device or a film has no lines at all."""


def first_line(path: StorePath) -> bytes:
    """Return the first line of a file, or the beginning of what can be no header.

    :raises OSError: it cannot be read.
    """
    with path.open("rb") as file:
        line: bytes = file.readline(_LOOK)
        if line.startswith(b"{") and not line.endswith(b"\n"):
            line += file.readline(_LONGEST)
        return line


def read_header(path: StorePath) -> dict[str, Any]:
    """Read the header of a plan.

    :raises PlanMismatchError: there is no plan there.
    """
    try:
        return parse_header(first_line(path), path)
    except OSError as error:
        raise PlanMismatchError(f"{path} cannot be read as a plan: {error}") from None


def parse_header(line: bytes, path: StorePath) -> dict[str, Any]:
    """Return the header that a line is.

    :raises PlanMismatchError: it is none.
    """
    try:
        header = json.loads(line)
    except ValueError as error:
        raise PlanMismatchError(f"{path} cannot be read as a plan: {error}") from None
    if not isinstance(header, dict) or header.get("jicoo_plan") != VERSION or "digest" not in header:
        raise PlanMismatchError(f"{path} is not a plan of this version")
    return header


def shard_paths(path: StorePath, header: Mapping[str, Any]) -> Iterator[StorePath]:
    """Yield the files of a plan's changes: those of its shards, or its own.

    :param header: the plan's, or that of one of its shards.
    """
    part_of = header.get("partOf")
    names = [shard["name"] for shard in part_of["shards"]] if part_of else header.get("shards")
    if names is None:
        yield path
    else:
        yield from (path.parent / name for name in names)


def find_shards(path: StorePath, header: Mapping[str, Any]) -> None:
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
