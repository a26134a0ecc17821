"""What a warehouse holds already: a fingerprint for each row, packed so that 100,000 of them are one text.

Jicoo cannot be asked what changed, so a sweep is compared with this. A watermark of ``updatedAt`` would not do: two
changes may carry the same moment, and a row that was removed has none.
"""

from __future__ import annotations

import base64
import struct
import zlib
from array import array
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

FORMAT = 1
ABSENT = 0
"""The fingerprint of a row that is gone, of which something is in the warehouse still."""
_HEAD = struct.Struct("<BIII")
_SEPARATOR = "\n"


class Known(NamedTuple):
    """What is known of a row.

    :param fingerprint: of what the warehouse has of it, 64 bits.
    :param start: when it starts, in minutes since 1970; 0 where it has no start.
    :param loaded: a bit for each table that has it with this fingerprint.
    """

    fingerprint: int
    start: int
    loaded: int


class CursorError(ValueError):
    """A cursor that cannot be read.

    :param problem: what is wrong with it.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"the cursor that was stored with the tables cannot be read ({problem}): load with sync='full'"
        )


def pack(rows: Mapping[str, Known]) -> str:
    """Return the text of a cursor: some 24 bytes a row of twelve letters.

    :param rows: by key; no key has a line break.
    """
    keys = sorted(rows)  # neighbours have the same first letters: that is what can be compressed
    known = [rows[key] for key in keys]
    names = _SEPARATOR.join(keys).encode()
    starts = array("I", (each.start for each in known)).tobytes()
    loaded = array("B", (each.loaded for each in known)).tobytes()
    # Fingerprints are noise, and stay as they are.
    fingerprints = array("Q", (each.fingerprint for each in known)).tobytes()
    squeezed = zlib.compress(names + starts + loaded, 6)
    head = _HEAD.pack(FORMAT, len(keys), len(names), len(squeezed))
    return base64.b85encode(head + squeezed + fingerprints).decode()


def unpack(text: str | None) -> dict[str, Known]:
    """Return the rows of a cursor by key; none of None.

    :raises CursorError: it is none, or of a later version of the package.
    """
    if not text:
        return {}
    try:
        data = base64.b85decode(text)
        form, count, names, squeezed = _HEAD.unpack_from(data)
        if form != FORMAT:
            raise CursorError(f"it has format {form}, not {FORMAT}")
        rest = data[_HEAD.size :]
        plain = zlib.decompress(rest[:squeezed])
        keys = plain[:names].decode().split(_SEPARATOR) if count else []
        starts, loaded, fingerprints = array("I"), array("B"), array("Q")
        starts.frombytes(plain[names : names + 4 * count])
        loaded.frombytes(plain[names + 4 * count :])
        fingerprints.frombytes(rest[squeezed:])
        rows = {key: Known(*of) for key, *of in zip(keys, fingerprints, starts, loaded, strict=True)}
    except CursorError:
        raise
    except (ValueError, struct.error, zlib.error) as error:
        raise CursorError(type(error).__name__) from None
    if len(rows) != count:
        raise CursorError(f"it has {len(rows)} rows, not {count}")
    return rows


def digester(shape: str) -> Callable[[Any], bytes]:
    """Return what makes 128 bits of a row as Jicoo gives it.

    :param shape: the columns that rows are loaded into: where these change, every row is another one.
    """
    import msgspec

    encode = msgspec.json.Encoder(order="sorted").encode
    key = blake2b(shape.encode(), digest_size=16).digest()

    def digest(row: Any) -> bytes:
        return blake2b(encode(row), digest_size=16, key=key).digest()

    return digest


def fingerprint(digest: bytes) -> int:
    """Return the part of a digest that a cursor keeps, which is never that of a row that is gone."""
    return int.from_bytes(digest[:8], "little") or 1
