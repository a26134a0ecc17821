"""``python -m airflow_provider_jicoo.sandbox``: the sandbox on the command line."""

from __future__ import annotations

import argparse
import errno
import json
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import get_args

from airflow_provider_jicoo.sandbox.faults import FaultName
from airflow_provider_jicoo.sandbox.server import Sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until SIGINT or SIGTERM.

    :returns: exit code.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    sandbox = Sandbox(
        bookings=given.bookings,
        seed=given.seed,
        now=given.now,
        host=given.host,
        port=given.port,
        rate_limit=given.rate_limit,
        latency=given.latency,
        state=given.state,
        remember=False,
    )
    for name, share in given.fault:
        sandbox.fail(name, share=share)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        sandbox.start()
    except OSError as error:
        reason = "is taken; --port 0 picks a free one" if error.errno == errno.EADDRINUSE else error.strerror
        parser.exit(1, f"{parser.prog}: port {given.port} on {given.host}: {reason}\n")
    # One line that a shell can eval, or a person paste.
    print(f"AIRFLOW_CONN_JICOO_DEFAULT='{json.dumps(sandbox.connection())}'", flush=True)
    stop.wait()
    sandbox.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_jicoo.sandbox",
        description="An embedded Jicoo: a real HTTP server with seeded bookings, for demos and tests.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8123, help="port; 0 picks a free one (default: %(default)s)")
    parser.add_argument("--bookings", type=_count, default=500, help="how many bookings (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the data and of --fault (default: %(default)s)")
    parser.add_argument("--now", type=_now, help="the data's now, as 2026-01-15T09:00:00+09:00 (default: the time)")
    parser.add_argument("--rate-limit", type=_rate, metavar="R", help="requests per second (default: no limit)")
    parser.add_argument("--latency", type=_seconds, default=0.0, help="delay of each answer, as 50ms or 0.5s")
    parser.add_argument("--state", metavar="FILE", help="SQLite file that keeps the state over a restart")
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="NAME=SHARE",
        help=f"let a share of the requests fail, as dropped=2%%; repeatable. Names: {', '.join(get_args(FaultName))}",
    )
    return parser


def _count(value: str) -> int:
    number = int(value)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be below 0")
    return number


def _rate(value: str) -> float:
    rate = float(value)
    if rate <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return rate


def _now(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is not a time in ISO 8601") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{value!r} has no offset, as +09:00 or Z")
    return moment


def _seconds(value: str) -> float:
    unit = 0.001 if value.endswith("ms") else 1
    try:
        seconds = float(value.removesuffix("ms").removesuffix("s")) * unit
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is not a time such as 50ms or 0.5s") from None
    if seconds < 0:
        raise argparse.ArgumentTypeError("must not be below 0")
    return seconds


def _fault(value: str) -> tuple[str, float]:
    name, _, share = value.partition("=")
    if name not in get_args(FaultName):
        raise argparse.ArgumentTypeError(f"no fault {name!r}; there are {', '.join(get_args(FaultName))}")
    try:
        part = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
    except ValueError:
        part = -1
    if not 0 <= part <= 1:
        raise argparse.ArgumentTypeError(f"{share!r} is not a share such as 2% or 0.02")
    return name, part


if __name__ == "__main__":
    sys.exit(main())
