"""Quirks of the answer as HTTP carries it: errors, limits, clocks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from airflow_provider_jicoo.sandbox import values
from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.faults import Answer, json_answer
from airflow_provider_jicoo.sandbox.quirks.quirk import Exchange, Quirk


class NoErrors(Quirk):
    """Good answers have no field ``errors``."""

    def envelope(self, content: Row) -> Row:
        return {name: value for name, value in content.items() if name != "errors"}


class NullErrors(Quirk):
    """Good answers have ``"errors": null``."""

    def envelope(self, content: Row) -> Row:
        return {**content, "errors": None}


class Limit503(Quirk):
    """The rate limit is told by 503 in place of 429."""

    def wire(self, answer: Answer, exchange: Exchange) -> Answer:
        return replace(answer, status=503) if exchange.is_limit else answer


class RetryAfter(Quirk):
    """The answer of the rate limit says after how long to come again: ``Retry-After``, in seconds."""

    default = "1s"

    @classmethod
    def read(cls, text: str) -> float:
        return values.seconds(text)

    def wire(self, answer: Answer, exchange: Exchange) -> Answer:
        return _with_retry_after(answer, exchange, f"{self.value:g}")


class RetryAfterDate(RetryAfter):
    """The answer of the rate limit says when to come again: ``Retry-After``, as a date so long after its ``Date``."""

    default = "2s"

    def wire(self, answer: Answer, exchange: Exchange) -> Answer:
        at = exchange.now.replace(microsecond=0) + timedelta(seconds=self.value)
        return _with_retry_after(answer, exchange, format_datetime(at, usegmt=True))


class ClockAhead(Quirk):
    """The server's clock is ahead by so much: its ``Date``, the dates in ``Retry-After``, and the times it notes."""

    default = "5m"

    @classmethod
    def read(cls, text: str) -> float:
        return values.seconds(text)


class NoDate(Quirk):
    """Answers have no header ``Date``."""

    def wire(self, answer: Answer, exchange: Exchange) -> Answer:
        return replace(answer, headers=tuple(pair for pair in answer.headers if pair[0] != b"date"))


class Conflict409(Quirk):
    """What is refused with 422 is refused with 409."""

    def wire(self, answer: Answer, exchange: Exchange) -> Answer:
        return replace(answer, status=409) if answer.status == 422 else answer


FORMS = ("message", "error", "list", "text", "empty")


class ErrorsAs(Quirk):
    """Errors come in another form: ``{"message": ...}``, ``{"error": ...}``, a list of texts, text, or nothing."""

    default = "message"
    example = "|".join(FORMS)

    @classmethod
    def read(cls, text: str) -> str:
        return values.one_of(text, FORMS, "form")

    def wire(self, answer: Answer, exchange: Exchange) -> Answer:
        said = _errors(answer)
        if said is None:
            return answer
        message = "; ".join(f"{name}: {text}" for name, texts in said.items() for text in texts)
        others = _besides_content(answer)
        if self.value == "empty":
            return Answer(answer.status, ((b"content-length", b"0"), *others), b"")
        if self.value == "text":
            body = message.encode()
            fixed = ((b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode()))
            return Answer(answer.status, (*fixed, *others), body)
        shape: Any = {"errors": message.split("; ")} if self.value == "list" else {self.value: message}
        return json_answer(answer.status, shape, *others)


class NamesGuest(Quirk):
    """An error about a booking names its guests in each text: name, e-mail, telephone and message; a page too."""

    def wire(self, answer: Answer, exchange: Exchange) -> Answer:
        if answer.status < 400 or not exchange.guests:
            return answer
        who = "; ".join(
            ", ".join(str(guest[name]) for name in ("name", "email", "phoneNumber", "message") if guest.get(name))
            for guest in exchange.guests
        )
        said = _errors(answer)
        if said is not None:
            named = {name: [f"{text} (the booking of {who})" for text in texts] for name, texts in said.items()}
            return json_answer(answer.status, {"data": None, "errors": named}, *_besides_content(answer))
        body = answer.body.replace(b"</h1>", f"</h1><p>{who}</p>".encode())
        headers = tuple(pair for pair in answer.headers if pair[0] != b"content-length")
        return Answer(answer.status, (*headers, (b"content-length", str(len(body)).encode())), body)


def _with_retry_after(answer: Answer, exchange: Exchange, text: str) -> Answer:
    if not exchange.is_limit or any(name == b"retry-after" for name, _ in answer.headers):
        return answer
    return replace(answer, headers=(*answer.headers, (b"retry-after", text.encode())))


def _errors(answer: Answer) -> dict[str, list[str]] | None:
    """Return what an error in the sandbox's own form says; None for any other answer."""
    if answer.status < 400 or (b"content-type", b"application/json") not in answer.headers:
        return None
    errors: dict[str, list[str]] = json.loads(answer.body)["errors"]
    return errors


def _besides_content(answer: Answer) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(pair for pair in answer.headers if not pair[0].startswith(b"content-"))


QUIRKS: tuple[type[Quirk], ...] = (
    NoErrors,
    NullErrors,
    Limit503,
    RetryAfter,
    RetryAfterDate,
    ClockAhead,
    NoDate,
    Conflict409,
    NamesGuest,
    ErrorsAs,
)
