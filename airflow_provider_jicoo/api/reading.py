"""Read the body of an answer, within limits: the same for both clients.

A server, or what stands between, may send a body without end, or one that unpacks to gigabytes. So the clients leave
the unpacking to :class:`Body`, which stops at :data:`ANSWER_AT_MOST`, and give up an answer that takes longer than
:data:`DEADLINE` times the timeout.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping

from airflow_provider_jicoo.api.exchange import NoReply, Reply
from airflow_provider_jicoo.api.retry import Fault

ANSWER_AT_MOST = 16 * 1024 * 1024
"""Bytes of an answer, unpacked. A page of 50 bookings with descriptions of 10,000 Japanese characters has 1.5 MB."""
DEADLINE = 4.0
"""How many timeouts a whole answer may take, head and body. The timeout itself is between two of its pieces: a server
that sends a byte now and then would never meet it."""
PIECE = 64 * 1024
"""Bytes to read, and to unpack, at once: where zlib makes more of them, it needs twice the memory meanwhile."""
ENCODINGS = "gzip, deflate"
"""What is asked for. The libraries ask for brotli and zstd too where they find them, which nothing here bounds."""

_GZIP, _ZLIB, _RAW = 31, 15, -15


class BodyError(Exception):
    """The body of an answer is not to be had.

    :param fault: why.
    """

    def __init__(self, fault: Fault, words: str) -> None:
        super().__init__(words)
        self.fault = fault


def too_slow(timeout: float) -> BodyError:
    """Return the error of an answer that was not whole in time.

    :param timeout: seconds, as in the settings.
    """
    return BodyError(
        Fault.TOO_SLOW,
        f"it was not whole after {DEADLINE * timeout:g} s, {DEADLINE:g} times the timeout; raise the timeout, or ask "
        "for fewer rows at once with page_size",
    )


def without_body(status: int, headers: Mapping[str, str], error: BodyError) -> Reply | NoReply:
    """Return what came of an answer whose body is not to be had: a status that is no success tells enough by itself."""
    return Reply(status, headers, b"", time.time()) if status >= 300 else NoReply(error.fault, str(error))


def is_small(headers: Mapping[str, str]) -> bool:
    """Tell of an answer that it is of a known length within the limit, and not packed: it may be read at once."""
    length = _length(headers)
    return length is not None and length <= ANSWER_AT_MOST and "Content-Encoding" not in headers


def _length(headers: Mapping[str, str]) -> int | None:
    """Return how many bytes the body has; of one in chunks the header says nothing (RFC 9112, section 6.3)."""
    length = headers.get("Content-Length", "")
    if not length.isdecimal() or "Transfer-Encoding" in headers:
        return None
    return int(length) if len(length) < 16 else ANSWER_AT_MOST + 1


class Body:
    """The body of one answer.

    :param headers: of the answer, looked up without regard to case.
    :raises BodyError: it is known to be too large, or packed in a way that was not asked for.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._parts: list[bytes] = []
        self._came = self._size = 0
        length, encoding = _length(headers), headers.get("Content-Encoding")
        if length is not None and length > ANSWER_AT_MOST:
            raise _too_large()
        self._unpack = None if encoding is None else _unpacker(encoding)

    def feed(self, piece: bytes) -> None:
        """Take in a piece, as it came.

        :raises BodyError: the answer is too large, or cannot be unpacked.
        """
        self._came += len(piece)
        # One byte more than allowed tells that there is more; to zlib, a most of 0 would be no limit.
        parts = [piece] if self._unpack is None else self._unpack.some(piece, ANSWER_AT_MOST - self._size + 1)
        self._size += sum(map(len, parts))
        if max(self._came, self._size) > ANSWER_AT_MOST:
            self._parts.clear()
            raise _too_large()
        self._parts += parts

    def whole(self) -> bytes:
        """Return the body, of which all has been taken in.

        :raises BodyError: its end is missing.
        """
        if self._unpack is not None and self._came:
            self._unpack.end()
        return b"".join(self._parts)


class _Unpack:
    """Unpacks gzip of any number of members, or deflate, which some servers send without its header (RFC 1950).

    What follows the end and is no further member counts for nothing, as with curl and urllib3.
    """

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._stream: zlib._Decompress | None = None
        self._head = b""
        self._is_complete = self._is_over = False

    def some(self, piece: bytes, most: int) -> list[bytes]:
        """Unpack a piece to at most so many bytes, one at least.

        :raises BodyError: it cannot be unpacked.
        """
        parts: list[bytes] = []
        while most > 0 and not self._is_over:
            if self._stream is None:
                piece, self._head = self._head + piece, b""
                if len(piece) < 2:
                    self._head = piece
                    break
                self._begin(piece[0], piece[1])
                continue
            step = min(most, PIECE)
            try:
                part = self._stream.decompress(piece, step)
            except zlib.error:
                raise BodyError(Fault.NO_ANSWER, "its body cannot be unpacked") from None
            parts.append(part)
            most -= len(part)
            if self._stream.eof:
                piece = self._stream.unused_data
                self._stream, self._is_complete, self._is_over = None, True, not self._gzip
            elif len(part) < step:
                break
            else:  # there is more in zlib, also where it has taken in the whole piece
                piece = self._stream.unconsumed_tail
        return parts

    def _begin(self, first: int, second: int) -> None:
        if not self._gzip:
            has_header = first & 0x0F == 8 and (first * 256 + second) % 31 == 0
            self._stream = zlib.decompressobj(_ZLIB if has_header else _RAW)
        elif self._is_complete and (first, second) != (0x1F, 0x8B):
            self._is_over = True
        else:
            self._stream = zlib.decompressobj(_GZIP)

    def end(self) -> None:
        """Say that nothing follows.

        :raises BodyError: something is missing.
        """
        if self._stream is not None or not self._is_complete:
            raise BodyError(Fault.NO_ANSWER, "its body breaks off")


def _unpacker(encoding: str) -> _Unpack | None:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name not in ("gzip", "x-gzip", "deflate"):
        raise BodyError(Fault.NO_ANSWER, "its body is packed in a way that was not asked for")
    return _Unpack(gzip=name != "deflate")


def _too_large() -> BodyError:
    return BodyError(
        Fault.TOO_LARGE,
        f"it has more than {ANSWER_AT_MOST // 1024**2} MiB unpacked, the most that is read; ask for fewer rows at once "
        "with page_size",
    )
