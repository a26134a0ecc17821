"""What an error may tell of an answer.

The messages of an error in JSON are what a user needs: they are shown, without what is private. Anything else may be
somebody's booking, or a page with anything on it: of that, type, length and a digest are told. Who needs the whole lets
it be kept in a file (:mod:`~airflow_provider_jicoo.api.kept`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from airflow_provider_jicoo.api.redaction import Redactor
from airflow_provider_jicoo.api.secret import Secret

_SAID_AT_MOST = 300
_MESSAGE_NAMES = frozenset({"message", "messages", "msg", "code", "reason", "type", "error", "errors"})
_LEFT_OUT = "…"
_KINDS = {"json": "JSON", "html": "HTML", "plain": "text", "xml": "XML"}


class Answer(Protocol):
    """What is needed of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Keep = Callable[[Answer], str]
"""Keeps an answer for a person to look at, and returns in words where."""


@dataclass(frozen=True)
class Told:
    """What is told of an answer, as the fields of :class:`~airflow_provider_jicoo.api.errors.RequestError`."""

    said: str = ""
    errors: Any = None
    answer: str = ""


def tell(
    reply: Answer, parsed: Any, texts: Iterable[str] | None, secrets: tuple[Secret, ...], keep: Keep | None = None
) -> Told:
    """Return what may be told of an answer.

    :param parsed: its body as JSON, or None where it is none.
    :param texts: what was sent and what is known of guests; None where that is not known: then only the words are shown
        that all errors are made of.
    :param secrets: the API key.
    :param keep: keeps an answer that is not shown; None where answers are not kept.
    """
    redactor = Redactor(secrets, texts or (), is_strict=texts is None)
    told = Told()
    if has_words(reply, parsed) and not redactor.is_too_much:
        errors = redactor.json(_messages(parsed.get("errors")))
        words = errors or redactor.json(_messages(parsed.get("message") or parsed.get("error")))
        told = Told(_cut(words if isinstance(words, str) else json.dumps(words, ensure_ascii=False)), errors)
        if texts is not None:
            return told
    if not reply.body:
        return told
    shown = "shown in part" if told.said else "not shown"
    kept = "" if keep is None else f" {keep(reply)}"
    return replace(told, answer=f"Its answer is {shown}: {_described(reply)}.{kept}")


def _messages(told: Any, within: int = 0) -> Any:
    """Return what errors are made of: texts, lists of them, and one or the other for each field.

    What lies deeper may be an echo of somebody's booking: of that only what goes by the name of a message is kept.

    :param within: how many objects it is in.
    """
    if isinstance(told, Mapping):
        kept = {name: value for name, value in told.items() if not within or name in _MESSAGE_NAMES}
        return {name: _messages(value, within + 1) for name, value in kept.items()} if kept or not told else _LEFT_OUT
    if isinstance(told, list):
        return [_messages(each, within) for each in told]
    return told if within < 3 else _LEFT_OUT


def has_words(reply: Answer, parsed: Any) -> bool:
    """Tell whether an answer is an error as APIs word it: a 4xx in JSON with ``errors``, a ``message`` or an ``error``.

    :param parsed: its body as JSON, or None where it is none.
    """
    if not 400 <= reply.status < 500 or not isinstance(parsed, dict) or "json" not in _type(reply):
        return False
    return any(parsed.get(name) for name in ("errors", "message", "error"))


def digest(body: bytes) -> str:
    """Return the beginning of the SHA-256 of an answer, by which two can be told apart."""
    return hashlib.sha256(body).hexdigest()[:12]


def _described(reply: Answer) -> str:
    # In words of ours: a server may write anything there.
    kind = next((name for part, name in _KINDS.items() if part in _type(reply)), "another type")
    return f"{len(reply.body):,} bytes of {kind if _type(reply) else 'no type'}, SHA-256 {digest(reply.body)}"


def _type(reply: Answer) -> str:
    return str(reply.headers.get("Content-Type") or "").lower()


def _cut(text: str) -> str:
    return text if len(text) <= _SAID_AT_MOST else text[:_SAID_AT_MOST] + " …"
