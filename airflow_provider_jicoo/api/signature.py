"""The signature of a webhook: whether a request was made by who knows the secret, and not long ago.

The scheme is Stripe's (https://developer.jicoo.com/doc-356016): the header ``Jicoo-Webhook-Signature`` is
``t=1662520836,v1=85c1...``; ``v1`` is the HMAC-SHA256, in hex, of ``t``, a dot and the body, with the endpoint's
secret as the key. There may be several ``v1``, where the secret is being changed; other elements mean nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Literal, get_args

from airflow_provider_jicoo.api.errors import InvalidRequestError, WebhookSignatureError
from airflow_provider_jicoo.api.secret import Secret, discreet

HEADER = "Jicoo-Webhook-Signature"
TOLERANCE = 300.0
"""Seconds that a signature is good for, before and after it was made: Stripe's, since Jicoo names none."""
HEADER_LENGTH = 4096
"""Characters of the longest header that is read; that of Jicoo's example has 81."""

SecretForm = Literal["as-shown", "without-prefix", "base64", "hex"]
BodyForm = Literal["as-sent", "re-serialised"]
Separator = Literal["dot", "none", "colon", "newline"]

_SEPARATORS: dict[Separator, bytes] = {"dot": b".", "none": b"", "colon": b":", "newline": b"\n"}
_PREFIX = re.compile(r"[a-z]+_")
"""What a secret may begin with, as ``whsec_``: seen in other people's instructions, not in Jicoo's."""


@dataclass(frozen=True)
class Variant:
    """One way to make the signature. The default is the documented one.

    One production user reports that the documented one did not match, and nobody here ever saw a request of Jicoo's:
    which one it is can be found out with ``python -m airflow_provider_jicoo.api.webhooks diagnose``.

    :param secret: what the key is: the secret as it is shown, without its prefix, or that decoded from base64 or hex.
    :param body: what is signed: the bytes as they were sent, or its JSON written anew as ``JSON.stringify`` does.
    :param separator: what stands between the time and the body.
    """

    secret: SecretForm = "as-shown"
    body: BodyForm = "as-sent"
    separator: Separator = "dot"

    def __str__(self) -> str:
        parts = [f"{each.name}={getattr(self, each.name)}" for each in fields(self)]
        return ",".join(part for part in parts if part not in _DOCUMENTED) or "documented"

    @classmethod
    def parse(cls, text: str) -> Variant:
        """Read what ``str`` of a variant gives, as ``secret=base64,separator=colon``.

        :raises InvalidRequestError: there is no such variant.
        """
        for variant in variants():
            if str(variant) == text:
                return variant
        known = "; ".join(
            f"{name}: {', '.join(get_args(form))}"
            for name, form in (("secret", SecretForm), ("body", BodyForm), ("separator", Separator))
        )
        raise InvalidRequestError(
            f"no variant {text[:80]!r}: documented, or as secret=base64,separator=colon of {known}"
        )


_DOCUMENTED = frozenset({"secret=as-shown", "body=as-sent", "separator=dot"})
DOCUMENTED = Variant()


def variants() -> Iterator[Variant]:
    """Yield every variant, the documented one first."""
    for secret in get_args(SecretForm):
        for body in get_args(BodyForm):
            for separator in _SEPARATORS:
                yield Variant(secret, body, separator)


@discreet
def verify(
    raw_body: bytes,
    header: str | None,
    secrets: Iterable[str | Secret],
    tolerance: float = TOLERANCE,
    *,
    variant: Variant = DOCUMENTED,
    now: float | None = None,
) -> None:
    """Return where a request was signed with one of the secrets, and its time is near enough; else raise.

    It says the same as the package ``stripe``, but for this: a time that lies further in the future than ``tolerance``
    is refused too, ``tolerance`` cannot be left out, a body that is no UTF-8 can be signed as well, a ``v1`` that is
    not ASCII fits nothing (where ``stripe`` ends in a ``TypeError``), and a header of more than :data:`HEADER_LENGTH`
    characters is refused.

    :param raw_body: the body as it came, before anything decoded or parsed it.
    :param header: the value of :data:`HEADER`; None where there is none.
    :param secrets: the endpoint's secret; the old one and the new one while it is being changed. An empty one fits
        nothing.
    :param tolerance: seconds that the signature may be old, and that its time may be in the future.
    :param variant: how signatures are made; only this one is accepted.
    :param now: the time, in seconds since 1970; None for the clock's.
    :raises WebhookSignatureError: the request is to be refused; ``reason`` says why. It shows nothing of the request.
    :raises InvalidRequestError: ``secrets`` is one text and not several, or ``tolerance`` is no number of seconds.
    """
    if isinstance(secrets, (str, bytes, Secret)):
        raise InvalidRequestError("secrets: a list, as [secret], not the secret itself")
    if not 0 <= tolerance < float("inf"):
        raise InvalidRequestError(f"tolerance: seconds from 0, not {tolerance!r}")
    moment, signatures = read_header(header)
    # A list: each is tried, since how long it takes must not tell which one fits.
    if not any([_fits(raw_body, moment, signatures, secret, variant) for secret in secrets]):
        raise WebhookSignatureError("mismatch")
    now = time.time() if now is None else now
    # Compared without arithmetic on the moment, which may be a number that no float can hold.
    if not now - tolerance <= moment <= now + tolerance:
        raise WebhookSignatureError("stale")


@discreet
def matching(raw_body: bytes, header: str | None, secret: str | Secret) -> list[Variant]:
    """Return the variants with which a request is signed, at whatever time; the documented one first.

    :param raw_body: the body as it came.
    :param header: the value of the header.
    :param secret: the endpoint's secret as Jicoo shows it.
    :raises WebhookSignatureError: there is no header, or it cannot be read.
    """
    moment, signatures = read_header(header)
    return [variant for variant in variants() if _fits(raw_body, moment, signatures, secret, variant)]


def _fits(raw_body: bytes, moment: int, signatures: list[bytes], secret: str | Secret, variant: Variant) -> bool:
    expected = signature(raw_body, moment, secret if isinstance(secret, Secret) else Secret(secret), variant)
    return expected is not None and any([hmac.compare_digest(expected, given) for given in signatures])


@discreet
def read_header(header: str | None) -> tuple[int, list[bytes]]:
    """Return time (seconds since 1970) and ``v1`` signatures of a header, as the package ``stripe`` reads it.

    :raises WebhookSignatureError: there is none, or it is no such header.
    """
    if not header:
        raise WebhookSignatureError("no header")
    if len(header) > HEADER_LENGTH:
        raise WebhookSignatureError("malformed")
    elements = [element.split("=", 2) for element in header.split(",")]
    try:
        # The first t counts, and the others must have a value all the same: so it is with stripe.
        moments = [element[1] for element in elements if element[0] == "t"]
        moment = int(moments[0])
        signatures = [element[1].encode("utf-8", "surrogatepass") for element in elements if element[0] == "v1"]
    except (ValueError, IndexError):
        raise WebhookSignatureError("malformed") from None
    if not signatures:
        raise WebhookSignatureError("malformed")
    return moment, signatures


@discreet
def signature(raw_body: bytes, moment: int, secret: Secret, variant: Variant = DOCUMENTED) -> bytes | None:
    """Return the signature of a body, in hex; None where this variant cannot be made of this secret and body.

    :param raw_body: the body as it is sent.
    :param moment: when it is signed, in seconds since 1970.
    :param secret: the endpoint's secret.
    :param variant: how to make it.
    """
    key = _key(secret.reveal(), variant.secret)
    body = raw_body if variant.body == "as-sent" else _written_anew(raw_body)
    if not key or body is None:
        return None
    signed = b"%d%b%b" % (moment, _SEPARATORS[variant.separator], body)
    return hmac.new(key, signed, hashlib.sha256).hexdigest().encode()


def _key(secret: str, form: SecretForm) -> bytes | None:
    """Return the key that a secret stands for; None where it is no such secret."""
    if not secret.strip(" \t\r\n\f\v"):
        return None
    if form == "as-shown":
        return secret.encode("utf-8", "surrogatepass")
    bare = _PREFIX.sub("", secret, count=1) if _PREFIX.match(secret) else secret
    if form == "without-prefix":
        return None if bare == secret else bare.encode("utf-8", "surrogatepass")
    try:
        if form == "hex":
            return bytes.fromhex(bare)
        alphabet = bare.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(alphabet + "=" * (-len(alphabet) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None


def _written_anew(raw_body: bytes) -> bytes | None:
    """Return JSON as ``JSON.stringify`` writes it, for all that is in Jicoo's examples; None where it is no JSON."""
    try:
        written = json.dumps(json.loads(raw_body.decode()), ensure_ascii=False, separators=(",", ":"))
        return written.encode()
    except (ValueError, RecursionError):
        return None
