"""Find out how a captured webhook is signed: ``python -m airflow_provider_jicoo.api.webhooks diagnose``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from airflow_provider_jicoo.api.errors import WebhookSignatureError
from airflow_provider_jicoo.api.secret import Secret, discreet
from airflow_provider_jicoo.api.signature import DOCUMENTED, HEADER, TOLERANCE, Variant, matching, read_header, variants

SECRET = "JICOO_WEBHOOK_SECRET"
FOUND, NOT_FOUND, WRONG_USE = 0, 1, 2
_MILLISECONDS = 10**11
"""From here on a time in seconds would lie after the year 5100."""


@discreet
def report(raw_body: bytes, header: str | None, secret: Secret, *, now: float) -> tuple[bool, str]:
    """Say how a request is signed.

    :param raw_body: the body as it was captured.
    :param header: the value of the header.
    :param secret: the endpoint's secret as Jicoo shows it.
    :param now: the time, in seconds since 1970.
    :returns: whether a variant fits, and what to tell; neither secret nor signature nor body is in it.
    """
    try:
        moment, signatures = read_header(header)
    except WebhookSignatureError as error:
        return False, f"{error}. {HEADER} reads t=<seconds since 1970>,v1=<64 hex digits>."
    found, added = matching(raw_body, header, secret), ""
    if not found and raw_body.endswith(b"\n"):
        found = matching(raw_body.rstrip(b"\r\n"), header, secret)
        added = "The file ends with a line break that was not sent: whatever captured the body added it.\n"
    lines = [*(_of_found(found, added) if found else _of_none(signatures)), *_of_time(moment, now)]
    return bool(found), "\n".join(lines)


def _of_found(found: list[Variant], added: str) -> Iterator[str]:
    if DOCUMENTED in found:
        yield f"{added}The signature is right, and made as documented: nothing is to be configured."
    else:
        yield f"{added}The signature is right, but not made as documented. This variant fits: {found[0]}"


def _of_none(signatures: list[bytes]) -> Iterator[str]:
    yield f"No variant fits, of {sum(1 for _ in variants())}: the secret as it is shown, without its prefix, or decoded"
    yield "from base64 or hex; the body as sent, or re-serialised; a dot, nothing, a colon or a line break between."
    if any(len(each) != 64 for each in signatures):
        yield "The signature does not have 64 hex digits: it is another scheme, or it was cut."
    yield "Most often it is the secret of another endpoint (each has its own) or an old one, or the body was not"
    yield "captured as it came: a framework parsed it, a proxy or an editor changed it."


def _of_time(moment: int, now: float) -> Iterator[str]:
    if abs(moment) >= _MILLISECONDS:
        yield "Its time is no number of seconds since 1970, but milliseconds perhaps: it would be refused as stale."
    elif not now - TOLERANCE <= moment <= now + TOLERANCE:
        where = "ago" if moment < now else "in the future"
        yield f"It was signed {abs(now - moment):,.0f} s {where}; received now, it would be refused: {TOLERANCE:.0f} s."
    else:
        yield f"It was signed {now - moment:,.0f} s ago, which is near enough to be accepted."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    :returns: exit code: 0 where a variant fits, 1 where none does, 2 for wrong use.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    secret = os.environ.get(SECRET, "")
    if not secret.strip():
        parser.error(f"put the endpoint's secret into the environment variable {SECRET}")
    try:
        raw_body = sys.stdin.buffer.read() if given.body == "-" else Path(given.body).read_bytes()
    except OSError as error:
        parser.error(f"{given.body} cannot be read: {error.strerror}")
    found, text = report(raw_body, given.signature, Secret(secret), now=time.time())
    print(text)  # noqa: T201
    return FOUND if found else NOT_FOUND


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_jicoo.api.webhooks",
        description="Tools for Jicoo's webhooks.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    diagnose = commands.add_parser(
        "diagnose",
        help="say how a captured webhook is signed",
        description="Say how a captured webhook is signed: as documented, in one of the variants, or not with this "
        "secret. Nothing is sent, and neither secret nor signature nor body is shown.",
        epilog=f"The endpoint's secret comes from the environment variable {SECRET}. Exit code: 0 where a variant "
        "fits, 1 where none does, 2 for wrong use.",
    )
    diagnose.add_argument("body", metavar="BODY", help="file with the body of the request, byte by byte; - for stdin")
    diagnose.add_argument("--signature", required=True, metavar="VALUE", help=f"what the header {HEADER} said")
    return parser
