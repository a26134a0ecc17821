"""Requests of those who do not know the secret, or know one of Jicoo's requests and change it."""

from __future__ import annotations

import gzip
import json
import time
import zlib

from airflow_provider_jicoo.plugins.receiver import LIMIT
from tests.plugins.sending import GUEST, PATH, SECRET, body, signed

PREFIX = "/jicoo/webhooks"
PATHS = [
    "",
    "/",
    "//",
    "/.",
    "/..",
    "/../jicoo_default",
    "/./jicoo_default",
    "//jicoo_default",
    "/jicoo_default/",
    "/jicoo_default/..",
    "/jicoo_default/jicoo_default",
    "/jicoo_default%00",
    "/jicoo_default\0",
    "/jicoo_default\n",
    "/jicoo_default ",
    "/jicoo_default?",
    "/jicoo_default;a=b",
    "/jicoo_default#",
    "/%6Aicoo_default",
    "/%2e%2e/jicoo_default",
    "\\jicoo_default",
    "/..\\jicoo_default",
    "/jicoo_default\u202e",
    "/jicoo\u005f\u0064efault\ufeff",
    "/ｊicoo_default",
    "/jicoo_defaul\u0131",
    "/" + "a" * 201,
    "/" + "a" * 65_000,
    "/' OR '1'='1",
    "/*",
    "/%s%n",
    "/${jndi:ldap://example.com}",
    "/{{ 7*7 }}",
]
METHODS = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "POST ", "PROPFIND", ""]
SIGNATURES = [
    "",
    ",",
    "=",
    "t=,v1=",
    "t=1",
    "v1=1",
    "v1=" + "0" * 64,
    "t=nan,v1=1",
    "t=inf,v1=1",
    "t=-1,v1=1",
    "t=1e9,v1=1",
    f"t={'9' * 4000},v1=1",
    f"t={'9' * 5000},v1=1",
    "t=٣,v1=1".encode().decode("latin-1"),
    "t=1,v0=1",
    "null",
    "t={t},v1=",
    "t={t},v1=" + "0" * 64,
    "t={t}," + ",".join(["v1=00"] * 800),
    "t={t},v1=\xff\xfe",
    "\x00",
    "a" * 60_000,
]


def hand_made(number):
    """Yield requests as keyword arguments of ``post``.

    :param number: makes them others than those of another number.
    """
    raw = body(uid=f"hostile{number}")
    for kind in (forged, replayed, tampered, cut, huge, compressed, of_wrong_types, for_others, elsewhere):
        for request in kind(number, raw, signed(raw)):
            yield {"raw_body": raw, **request}


def forged(number, raw, good):
    guessed = ["", " ", "None", "null", "whsec_", SECRET[:-1], SECRET.upper(), SECRET.removeprefix("whsec_"), raw.hex()]
    for secret in guessed:
        yield {"signature": signed(raw, secret)}
    moment = int(time.time())
    for signature in SIGNATURES:
        yield {"signature": signature.replace("{t}", str(moment))}
    digest = good.partition("v1=")[2]
    for signature in (good.upper(), f"t={moment + 1},v1={digest}", f"t={moment} ,v2={digest}", good[:-1], f"{good}0"):
        yield {"signature": signature}
    yield {"signature": None}
    for more in (good, "t=1,v1=1"):
        yield {"signature": good, "headers": [(b"jicoo-webhook-signature", more.encode())]}
    yield {"headers": [(b"x-jicoo-webhook-signature", good.encode())]}
    yield {"headers": [(b"authorization", b"Bearer " + good.encode())]}


def replayed(number, raw, good):
    """Yield what was signed too long ago, or is to be sent later."""
    moment = int(time.time())
    for at in (0, moment - 301, moment - 86_400, moment + 330, -moment):
        yield {"signature": signed(raw, at=at)}


def tampered(number, raw, good):
    at = number % len(raw)
    flipped = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
    for changed in (flipped, raw + b" ", b" " + raw, raw.replace(b": ", b":"), b""):
        yield {"raw_body": changed, "signature": good}


def cut(number, raw, good):
    """Yield what ends early or late, or says another length."""
    for parts in ([raw[: number % len(raw)]], [], [raw + b"x", b""]):
        yield {"signature": good, "parts": parts}
    for length in (b"-1", b"", b"1", b"0", b"1e3", b"9" * 30, "٣".encode(), b"%d" % (LIMIT + 1)):
        yield {"signature": good, "own": [], "headers": [(b"content-length", length)]}


def huge(number, raw, good):
    """Yield what is signed at that: who knows the secret may not fill the memory either."""
    long = body(note="x" * (LIMIT + number % 1000))
    yield {"raw_body": long, "signature": signed(long)}
    yield {"raw_body": long, "signature": signed(long), "own": [], "parts": [long, b""]}
    yield {"raw_body": long, "own": [], "parts": [b"x" * 1024] * 100}


def compressed(number, raw, good):
    bomb = gzip.compress(b"\0" * 1_000_000)
    for coding, packed in ((b"gzip", bomb), (b"deflate", zlib.compress(raw)), (b"GZIP, identity", bomb), (b"br", raw)):
        yield {"raw_body": packed, "signature": signed(packed), "headers": [(b"content-encoding", coding)]}
    yield {"raw_body": bomb}


def of_wrong_types(number, raw, good):
    values = (None, [], 1e999, "", {"object": []}, {"event": GUEST}, [[]] * 100)
    texts = (b"[" * 60_000, b"\xff\xfe\0", b"1" * 60_000, b"{" + b'"a":' * 10_000, b'{"a":' + b"9" * 5000 + b"}")
    for wrong in (*(json.dumps(value).encode() for value in values), *texts):
        yield {"raw_body": wrong, "signature": signed(wrong, "whsec_another")}


def for_others(number, raw, good):
    """Yield what would be right for another connection than it is for."""
    # For a connection in an environment variable it is the same id, written in another way.
    letters = format(number % 4096, "012b")
    written = "".join(a.upper() if b == "1" else a for a, b in zip("jicoodefault", letters, strict=True))
    forged_one = signed(raw, "whsec_another")
    yield {"signature": forged_one, "path": f"{PREFIX}/{written[:5]}_{written[5:]}"}
    for conn_id in (f"unknown{number}", "jicoo_plain", "other_type", "JICOO_DEFAUL", "jicoo_default.", "-", "_", "0"):
        for secret in (SECRET, "", "None"):
            yield {"signature": signed(raw, secret), "path": f"{PREFIX}/{conn_id}"}


def elsewhere(number, raw, good):
    for path in PATHS:
        yield {"signature": good, "path": PREFIX + path}
    for method in METHODS:
        yield {"signature": good, "method": method}
    yield {"path": f"{PATH}?signature={good}"}
