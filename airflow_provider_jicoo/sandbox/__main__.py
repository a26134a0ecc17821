"""``python -m airflow_provider_jicoo.sandbox``: the sandbox on the command line."""

from __future__ import annotations

import argparse
import errno
import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, get_args

from airflow_provider_jicoo.sandbox import choices, quirks, values
from airflow_provider_jicoo.sandbox.faults import FaultName, Faults
from airflow_provider_jicoo.sandbox.server import Sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until SIGINT or SIGTERM.

    :returns: exit code.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.webhook_url is None and (given.webhook_secret is not None or given.webhook_fault):
        parser.error("--webhook-secret and --webhook-fault need a --webhook-url")
    try:
        sandbox = _sandbox(given)
    except ValueError as error:
        parser.error(str(error))
    for fault in given.fault:
        for wish in fault:
            sandbox.fail(**wish)
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


def _sandbox(given: argparse.Namespace) -> Sandbox:
    quirks.Quirks(given.quirk)
    return Sandbox(
        bookings=given.bookings,
        seed=given.seed,
        now=given.now,
        host=given.host,
        port=given.port,
        rate_limit=given.rate_limit,
        latency=given.latency,
        state=given.state,
        remember=False,
        quirks=given.quirk,
        webhook_url=given.webhook_url,
        webhook_secret=choices.WEBHOOK_SECRET if given.webhook_secret is None else given.webhook_secret,
        webhook_faults=given.webhook_fault,
    )


class _ListQuirks(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(quirks.described())
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_jicoo.sandbox",
        description="An embedded Jicoo: a real HTTP server with seeded bookings, for demos and tests.",
        epilog="Jicoo has no endpoint to approve a request; here POST /sandbox/approve/{uid} does what a host does on "
        "the website.",
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
        metavar="NAME=SHARE[,OPTION=VALUE...]",
        help="let a share of the requests fail, as dropped=2%% or server_error=5%%,status=504,late=3s; repeatable. "
        f"Names: {', '.join(get_args(FaultName))}. late=3s alone: the connection of every change breaks, and it "
        "is made 3 s after that",
    )
    parser.add_argument(
        "--quirk",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="behave differently, as trimmed-names or page-cap=20; repeatable; --list-quirks tells which there are",
    )
    parser.add_argument(
        "--webhook-url", metavar="URL", help="send a signed webhook there at every change that Jicoo has an event for"
    )
    parser.add_argument(
        "--webhook-secret", metavar="SECRET", help=f"what webhooks are signed with (default: {choices.WEBHOOK_SECRET})"
    )
    parser.add_argument(
        "--webhook-fault",
        action="append",
        default=[],
        metavar="NAME=SHARE[,seconds=S]",
        help="let a share of the webhooks go wrong, as duplicate=10%%, drop=1%%, delay=20%%,seconds=3 or reorder=5%%; "
        "repeatable",
    )
    parser.add_argument("--list-quirks", action=_ListQuirks, nargs=0, help="tell the quirks, and exit")
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
    try:
        return values.seconds(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _flag(value: str) -> bool:
    return {"true": True, "false": False}[value]


OPTIONS: dict[str, Callable[[str], Any]] = {
    "share": values.share,
    "times": values.count,
    "seconds": values.seconds,
    "late": values.seconds,
    "status": values.count,
    "megabytes": values.count,
    "html": _flag,
    "changed": _flag,
}
"""How the options of a fault are read; others are texts."""
CHANGES = ("POST", "PATCH", "DELETE")


def _fault(value: str) -> list[dict[str, Any]]:
    """Read a fault as the arguments of one or more calls of :meth:`Sandbox.fail`."""
    name, _, first = value.partition(",")[0].partition("=")
    try:
        if name != "late":
            values.one_of(name, get_args(FaultName), "fault")
        wish = _options(value.partition(",")[2])
        if name == "late":
            wishes = [{"share": 1.0, "late": values.seconds(first), **wish, "method": method} for method in CHANGES]
            wishes = [{"fault": "dropped", **wish} for wish in wishes]
        else:
            wishes = [{"fault": name, "share": values.share(first), **wish}]
        for wish in wishes:
            Faults(0).add(**{"name" if key == "fault" else key: part for key, part in wish.items()})
    except (ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return wishes


def _options(text: str) -> dict[str, Any]:
    options = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        try:
            options[name] = OPTIONS.get(name, str)(value)
        except KeyError:
            raise ValueError(f"{name} is true or false, not {value!r}") from None
    return options


if __name__ == "__main__":
    sys.exit(main())
