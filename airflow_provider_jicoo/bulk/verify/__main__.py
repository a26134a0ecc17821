"""``python -m airflow_provider_jicoo.bulk.verify PLAN``: say whether the report of an apply is true."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.api.settings import BASE_URL, Settings
from airflow_provider_jicoo.api.show import show
from airflow_provider_jicoo.bulk.files import StorePath
from airflow_provider_jicoo.bulk.verify import verify_report

KEY = "JICOO_API_KEY"
UNTOLD = 2


def main(
    arguments: Sequence[str] | None = None,
    open_path: Callable[[str], StorePath] | None = None,
    program: str = "airflow_provider_jicoo.bulk.verify",
) -> int:
    """Verify a report.

    :param open_path: opens the plan; by default without Airflow, and so without its connections.
    :param program: the module that is run.
    :return: exit code: 0 where the report is true, 1 where it is not, 2 where that cannot be told, also for wrong use.
    """
    parser = _parser(program)
    given = parser.parse_args(arguments)
    try:
        settings = _settings(given.host)
        path = (open_path or _open_path)(given.plan)
    except ValueError as error:  # an InvalidRequestError is one, too
        parser.error(str(error))
    try:
        found = verify_report(settings, path)
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)  # noqa: T201
        return UNTOLD
    show(json.dumps(found.json(), indent=1) if given.json else str(found))
    return found.exit_code


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}",
        description="Read a plan, its journal and its report, and the bookings in Jicoo, and say whether the report is "
        "true. Nothing is changed.",
        epilog=f"The API key comes from the environment variable {KEY}. Exit code: 0 where the report is true, 1 where "
        "it is not, 2 where that cannot be told, also for wrong use.",
    )
    parser.add_argument("plan", metavar="PLAN", help="path of the plan; or its address in an object store, s3://...")
    parser.add_argument(
        "--host", default=BASE_URL, help=f"address of the API that the plan is for (default: {BASE_URL})"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser


def _settings(host: str) -> Settings:
    key = os.environ.get(KEY, "")
    if not key:
        raise InvalidRequestError(f"put the API key into the environment variable {KEY}")
    return Settings(key, base_url=host)


def _open_path(text: str) -> StorePath:
    """Return a path of this machine, or of an object store.

    :raises InvalidRequestError: a package is missing for that, or it cannot be opened.
    """
    if "://" not in text:
        return Path(text)
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise InvalidRequestError(
            f"{text} names a connection of Airflow's: python -m airflow_provider_jicoo.tasks.verify opens it"
        )
    try:
        from upath import UPath

        path: StorePath = UPath(text)
        path.exists()
    except (ImportError, ValueError, OSError) as error:
        raise InvalidRequestError(f"{text} cannot be opened: {error}") from None
    return path


if __name__ == "__main__":
    sys.exit(main())
