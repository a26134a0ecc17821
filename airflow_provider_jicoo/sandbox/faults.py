"""Faults on demand: which request gets which one."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_jicoo.sandbox.choices import NO_FIELD

FaultName = Literal["rate_limit", "server_error", "dropped", "dropped_before", "cut_body", "hang", "html", "redirect"]

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
    :param wait: seconds before the answer, or before the connection is closed.
    """

    changed: bool
    answer: Answer | None = None
    sent: Literal["all", "part", "nothing"] = "all"
    wait: float = 0


def json_answer(status: int, content: Any, *headers: tuple[bytes, bytes]) -> Answer:
    """Make an answer of JSON."""
    # In ASCII, since a text may hold what UTF-8 cannot: half a surrogate pair.
    body = json.dumps(content).encode()
    fixed = ((b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()))
    return Answer(status, (*fixed, *headers), body)


def refusal(status: int, errors: dict[str, list[str]], *headers: tuple[bytes, bytes]) -> Answer:
    """Make the answer that an error gets."""
    return json_answer(status, {"data": None, "errors": errors}, *headers)


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


def _server_error(status: int = 503, html: bool = False, changed: bool = False) -> Fault:
    return Fault(changed, _html(status) if html else refusal(status, {NO_FIELD: ["The server had a problem."]}))


def _dropped() -> Fault:
    return Fault(changed=True, sent="nothing")


def _dropped_before() -> Fault:
    return Fault(changed=False, sent="nothing")


def _cut_body() -> Fault:
    return Fault(changed=True, sent="part")


def _hang(seconds: float = 60, changed: bool = True) -> Fault:
    return Fault(changed, sent="all" if changed else "nothing", wait=seconds)


def _html_page(status: int = 200, changed: bool = False) -> Fault:
    return Fault(changed, _html(status))


def _redirect(to: str = "https://www.jicoo.com/login", status: int = 302) -> Fault:
    return Fault(changed=False, answer=Answer(status, ((b"location", to.encode()), (b"content-length", b"0")), b""))


KINDS: dict[FaultName, Callable[..., Fault]] = {
    "rate_limit": _rate_limit,
    "server_error": _server_error,
    "dropped": _dropped,
    "dropped_before": _dropped_before,
    "cut_body": _cut_body,
    "hang": _hang,
    "html": _html_page,
    "redirect": _redirect,
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
        if name not in KINDS:
            raise ValueError(f"no fault {name!r}; there are {', '.join(KINDS)}")
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
