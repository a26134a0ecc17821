"""Faults on demand: which request gets which one."""

from __future__ import annotations

import functools
import inspect
import itertools
import json
import random
import re
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from airflow_provider_jicoo.sandbox import values
from airflow_provider_jicoo.sandbox.choices import NO_FIELD

FaultName = Literal[
    "rate_limit",
    "server_error",
    "dropped",
    "dropped_before",
    "cut_body",
    "hang",
    "slow",
    "html",
    "redirect",
    "refused",
    "slow_body",
    "huge_body",
    "bomb",
]
Seconds = float | str
"""A number of seconds, or a text such as ``3s``."""

MEGABYTE = b"0" * 1_000_000
FLOOD_BEGINS = (
    b'{"data": [], "errors": {}, "totalCount": 0, "count": 0, "currentPage": 1, "numberOfPages": 0, "padding": "'
)
GZIP_BEGINS = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"

HTML = b"<!doctype html><html><head><title>Jicoo</title></head><body><h1>Something went wrong</h1></body></html>"


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True)
class Fault:
    """What becomes of a request.

    :param changed: whether the request does its work before the fault meets it.
    :param answer: the answer in place of the right one; None for the right one.
    :param sent: how much of the answer goes out before the connection is closed.
    :param work: seconds that the request's work takes, also where the client does not wait so long.
    :param wait: seconds before the answer, or before the connection is closed.
    :param drip: seconds before each byte of the body.
    :param megabytes: so much is sent in place of the body.
    :param late: seconds after the answer or the end of the connection until the request does its work after all.
    """

    changed: bool
    answer: Answer | None = None
    sent: Literal["all", "part", "nothing"] = "all"
    work: float = 0
    wait: float = 0
    drip: float = 0
    megabytes: int = 0
    late: float | None = None


def json_answer(status: int, content: Any, *headers: tuple[bytes, bytes]) -> Answer:
    """Make an answer of JSON."""
    # In ASCII, since a text may hold what UTF-8 cannot: half a surrogate pair.
    body = json.dumps(content).encode()
    fixed = ((b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()))
    return Answer(status, (*fixed, *headers), body)


def refusal(status: int, errors: dict[str, list[str]], *headers: tuple[bytes, bytes]) -> Answer:
    """Make the answer that an error gets."""
    return json_answer(status, {"data": None, "errors": errors}, *headers)


class Refusal(Exception):
    """The request is answered with an error.

    :param status: HTTP status.
    :param errors: for each field what is wrong with it.
    """

    def __init__(self, status: int, errors: Mapping[str, list[str]]) -> None:
        super().__init__(status)
        self.status = status
        self.errors = dict(errors)


def too_many(retry_after: str | int | None = None) -> Answer:
    """Make the answer of a rate limit."""
    headers = [] if retry_after is None else [(b"retry-after", str(retry_after).encode())]
    return refusal(429, {NO_FIELD: ["Too many requests."]}, *headers)


def _html(status: int) -> Answer:
    return Answer(
        status, ((b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(HTML)).encode())), HTML
    )


def _rate_limit(retry_after: str | int | None = None) -> Fault:
    return Fault(changed=False, answer=too_many(retry_after))


def _server_error(status: int = 503, html: bool = False, changed: bool = False, late: Seconds | None = None) -> Fault:
    answer = _html(status) if html else refusal(status, {NO_FIELD: ["The server had a problem."]})
    return _late(Fault(changed, answer), late)


def _dropped(late: Seconds | None = None) -> Fault:
    return _late(Fault(changed=True, sent="nothing"), late)


def _dropped_before() -> Fault:
    return Fault(changed=False, sent="nothing")


def _cut_body() -> Fault:
    return Fault(changed=True, sent="part")


def _hang(seconds: Seconds = 60, changed: bool = True, late: Seconds | None = None) -> Fault:
    sent: Literal["all", "nothing"] = "all" if changed and late is None else "nothing"
    return _late(Fault(changed, sent=sent, wait=values.seconds(seconds)), late)


def _slow(seconds: Seconds = 3) -> Fault:
    return Fault(changed=True, work=values.seconds(seconds))


def _late(fault: Fault, late: Seconds | None) -> Fault:
    return fault if late is None else replace(fault, changed=False, late=values.seconds(late))


def _refused(status: int = 422, message: str = "cannot be done") -> Fault:
    return Fault(changed=False, answer=refusal(status, {NO_FIELD: [message]}))


def _slow_body(seconds: Seconds = 0.6) -> Fault:
    return Fault(changed=True, drip=values.seconds(seconds))


def _huge_body(megabytes: int = 400) -> Fault:
    headers = ((b"content-type", b"application/json"),)
    return Fault(changed=True, answer=Answer(200, headers, b""), megabytes=megabytes)


def _bomb(megabytes: int = 256) -> Fault:
    return Fault(changed=True, answer=bomb(megabytes))


def flood(megabytes: int) -> Iterator[bytes]:
    """Yield a good answer in JSON of that size, in pieces of a megabyte."""
    yield FLOOD_BEGINS
    yield from itertools.repeat(MEGABYTE, megabytes)
    yield b'"}'


@functools.lru_cache(maxsize=2)
def bomb(megabytes: int) -> Answer:
    """Make the same as gzip: a thousandth of its size."""
    # A deflate stream that is flushed in full can be put together from pieces: each megabyte is compressed only once.
    packing = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    begins = packing.compress(FLOOD_BEGINS) + packing.flush(zlib.Z_FULL_FLUSH)
    piece = packing.compress(MEGABYTE) + packing.flush(zlib.Z_FULL_FLUSH)
    ends = packing.compress(b'"}') + packing.flush()
    check, size = 0, 0
    for part in flood(megabytes):
        check, size = zlib.crc32(part, check), size + len(part)
    body = GZIP_BEGINS + begins + piece * megabytes + ends + struct.pack("<II", check, size & 0xFFFFFFFF)
    headers = (
        (b"content-type", b"application/json"),
        (b"content-encoding", b"gzip"),
        (b"content-length", str(len(body)).encode()),
    )
    return Answer(200, headers, body)


def _html_page(status: int = 200, changed: bool = False, late: Seconds | None = None) -> Fault:
    return _late(Fault(changed, _html(status)), late)


def _redirect(to: str = "https://www.jicoo.com/login", status: int = 302) -> Fault:
    return Fault(changed=False, answer=Answer(status, ((b"location", to.encode()), (b"content-length", b"0")), b""))


KINDS: dict[FaultName, Callable[..., Fault]] = {
    "rate_limit": _rate_limit,
    "server_error": _server_error,
    "dropped": _dropped,
    "dropped_before": _dropped_before,
    "cut_body": _cut_body,
    "hang": _hang,
    "slow": _slow,
    "html": _html_page,
    "redirect": _redirect,
    "refused": _refused,
    "slow_body": _slow_body,
    "huge_body": _huge_body,
    "bomb": _bomb,
}


def matcher(template: str | None) -> Callable[[str], bool]:
    """Return a test for paths: ``{...}`` in the template stands for one segment; None for any path."""
    if template is None:
        return lambda path: True
    parts = re.split(r"\{[^}]*\}", template)
    pattern = re.compile("[^/]+".join(map(re.escape, parts)))
    return lambda path: pattern.fullmatch(path) is not None


@dataclass
class _Rule:
    fault: Fault
    method: str | None
    matches: Callable[[str], bool]
    left: int | None
    share: float | None


class Faults:
    """The faults that are in force, in the order they were asked for; a request gets the first that is for it."""

    def __init__(self, seed: int) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._chance = random.Random(seed)

    def add(
        self,
        name: FaultName,
        *,
        method: str | None = None,
        path: str | None = None,
        times: int | None = None,
        share: float | None = None,
        **options: Any,
    ) -> None:
        """Ask for a fault.

        :param name: which one.
        :param method: only for requests with this method.
        :param path: only for requests to this path; ``{...}`` stands for one segment.
        :param times: for so many matching requests. Default: 1, or no end where ``share`` is given.
        :param share: for this share of the matching requests, 0 to 1, drawn with the seed.
        :param options: of the fault, see the functions in :data:`KINDS`.
        :raises ValueError: no such fault, or a share that is none.
        :raises TypeError: no such option.
        """
        values.one_of(name, KINDS, "fault")
        known = inspect.signature(KINDS[name]).parameters
        for option in options:
            if option not in known:
                raise TypeError(f"the fault {name} has no option {option!r}; it has {', '.join(known) or 'none'}")
        if share is not None and not 0 <= share <= 1:
            raise ValueError(f"share must be from 0 to 1, not {share}")
        left = 1 if times is None and share is None else times
        rule = _Rule(KINDS[name](**options), method and method.upper(), matcher(path), left, share)
        with self._lock:
            self._rules.append(rule)

    def clear(self) -> None:
        """Take back all faults."""
        with self._lock:
            self._rules.clear()

    def pick(self, method: str, path: str) -> Fault | None:
        """Return the fault for this request, and count it."""
        with self._lock:
            for rule in self._rules:
                if rule.method not in (None, method) or not rule.matches(path) or rule.left == 0:
                    continue
                if rule.share is not None and self._chance.random() >= rule.share:
                    continue
                if rule.left is not None:
                    rule.left -= 1
                return rule.fault
        return None
