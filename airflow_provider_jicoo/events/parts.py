"""A cursor, written into small values under a few names: pure.

Airflow keeps texts by name (Variables, the state store of an asset) and changes one of them at a time. So a cursor is
compressed, cut into parts that any database takes, and written beside the one before; last comes the header that names
the new parts. Whoever is killed in between leaves the cursor before.

Both functions are generators that yield :class:`Get` and :class:`Put`, and are sent what a name holds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Generator
from typing import Any, NamedTuple

PART = 60_000
"""Characters of a part: the smallest text column of the databases that Airflow knows holds 65,535 bytes."""

_VERSION = 1


class Get(NamedTuple):
    """Read a text."""

    name: str


class Put(NamedTuple):
    """Write a text."""

    name: str
    text: str


Steps = Generator[Get | Put, "str | None", Any]


class CursorLostError(ValueError):
    """What is stored is no cursor, or not all of it is there."""


def pack(cursor: dict[str, Any]) -> str:
    """Return a cursor as text."""
    return base64.b85encode(zlib.compress(json.dumps(cursor, separators=(",", ":")).encode(), 6)).decode()


def unpack(text: str) -> dict[str, Any]:
    """Return the cursor of a text.

    :raises CursorLostError: it is none.
    """
    try:
        cursor = json.loads(zlib.decompress(base64.b85decode(text)))
    except (ValueError, zlib.error):
        raise CursorLostError("what is stored as the cursor cannot be read") from None
    if not isinstance(cursor, dict):
        raise CursorLostError("what is stored as the cursor is none")
    return cursor


def load(name: str) -> Generator[Get | Put, str | None, dict[str, Any] | None]:
    """Read a cursor; None where there is none.

    :param name: what its names begin with.
    :raises CursorLostError: it cannot be read.
    """
    stored = yield Get(name)
    if stored is None:
        return None
    header = _header(stored)
    if "data" in header:
        return unpack(str(header["data"]))
    parts = []
    for number in range(header["parts"]):
        part = yield Get(_part(name, header["generation"], number))
        parts.append(part or "")
    text = "".join(parts)
    if _digest(text) != header["digest"]:
        raise CursorLostError("a part of the stored cursor is missing or another one's")
    return unpack(text)


def save(name: str, text: str) -> Generator[Get | Put, str | None, None]:
    """Write a cursor.

    :param name: what its names begin with.
    :param text: the cursor, as :func:`pack` returns it.
    """
    if len(text) <= PART:
        yield Put(name, json.dumps({"version": _VERSION, "data": text}))
        return
    stored = yield Get(name)
    try:
        generation = "b" if stored is not None and _header(stored).get("generation") == "a" else "a"
    except CursorLostError:
        generation = "a"
    pieces = [text[begin : begin + PART] for begin in range(0, len(text), PART)]
    for number, piece in enumerate(pieces):
        yield Put(_part(name, generation, number), piece)
    header = {"version": _VERSION, "generation": generation, "parts": len(pieces), "digest": _digest(text)}
    yield Put(name, json.dumps(header))


def _header(stored: str) -> dict[str, Any]:
    try:
        header = json.loads(stored)
        if header["version"] == _VERSION and ("data" in header or {"generation", "digest"} <= set(header)):
            return {**header, "parts": int(header.get("parts", 0))}
    except (ValueError, TypeError, KeyError):
        pass
    raise CursorLostError("what is stored as the cursor's header cannot be read by this version of the package")


def _part(name: str, generation: str, number: int) -> str:
    return f"{name}.{generation}.{number}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
