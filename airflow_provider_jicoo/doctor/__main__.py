"""``python -m airflow_provider_jicoo.doctor``: look at an account, and say which of the package's assumptions hold."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from airflow_provider_jicoo.api.diagnosis import diagnosis
from airflow_provider_jicoo.api.errors import InvalidRequestError, NotFoundError, RequestError
from airflow_provider_jicoo.api.settings import BASE_URL, Settings
from airflow_provider_jicoo.api.show import show
from airflow_provider_jicoo.doctor.examine import examine
from airflow_provider_jicoo.doctor.text import as_text
from airflow_provider_jicoo.doctor.writing import RestoreError

KEY = "JICOO_API_KEY"
GOOD, BAD, WRONG_USE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the doctor.

    :return: exit code: 0 where the package can work with the account, 1 where it cannot or nothing can be found out,
        2 for wrong use.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        settings = _of_connection(given.conn_id) if given.conn_id else _of_environment(given.host or BASE_URL)
    except InvalidRequestError as error:
        parser.error(str(error))
    code = BAD
    # A booking whose description is being tried gets it back, however this is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report = examine(settings, try_booking_uid=given.try_booking, tell=_tell)
        show(as_text(report))
        return GOOD if report.can_be_lived_with else BAD
    except InvalidRequestError as error:
        code, said = WRONG_USE, str(error)
    except NotFoundError as error:
        code, said = WRONG_USE, f"--try-booking: {error}"
    except RequestError as error:
        said = diagnosis(error, settings.base_url)
    except RestoreError as error:
        said = str(error)
    except KeyboardInterrupt:
        said = "interrupted"
    print(f"{parser.prog}: {said}", file=sys.stderr)  # noqa: T201
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_jicoo.doctor",
        description="Look at a Jicoo account, change nothing, and say which of the package's assumptions hold for it, "
        "which endpoints answer, and what the extras of the Airflow connection should have.",
        epilog=f"The API key comes from the connection, or from the environment variable {KEY}. Exit code: 0 where the "
        "package can work with the account, 1 where it cannot, 2 for wrong use.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--conn-id", help="Airflow connection to look with, as jicoo_default")
    where.add_argument("--host", help=f"address of the API, beside {KEY} (default: {BASE_URL})")
    parser.add_argument(
        "--try-booking",
        metavar="UID",
        help="change the description of this booking three times and put it back, without messaging anybody, and say "
        "how Jicoo writes what it is given",
    )
    return parser


def _of_environment(host: str) -> Settings:
    key = os.environ.get(KEY, "")
    if not key:
        raise InvalidRequestError(f"give --conn-id, or put the API key into the environment variable {KEY}")
    return Settings(key, base_url=host)


def _of_connection(conn_id: str) -> Settings:
    # So that Airflow looks into its database too, as its own commands do, and not only into the environment.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException

    from airflow_provider_jicoo.hooks import connection

    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowException as error:
        raise InvalidRequestError(f"--conn-id: {error}") from None
    return connection.settings(found)


def _tell(text: str) -> None:
    print(f"looking at {text}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
