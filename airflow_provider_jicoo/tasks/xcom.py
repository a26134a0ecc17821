"""What fits into an XCom."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeVar

from airflow_provider_jicoo.tasks.compat import AirflowFailException

T = TypeVar("T")

XCOM_BYTES = 4 * 1024 * 1024
"""What a task of this package returns at the most: XComs live in Airflow's metadata database."""


def fit_for_xcom(value: T, instead: str) -> T:
    """Return a value that is small enough for an XCom.

    :param value: JSON.
    :param instead: what to do where it is too large.
    :raises AirflowFailException: it is larger than :data:`XCOM_BYTES`.
    """
    size = len(json.dumps(value))
    if size > XCOM_BYTES:
        raise AirflowFailException(
            f"the result of {size:,} bytes is too large for an XCom (at most {XCOM_BYTES:,}): {instead}"
        )
    return value


def rows_for_xcom(rows: Iterable[T], instead: str) -> list[T]:
    """Return rows that are small enough for an XCom together. No more are read than fit.

    :param rows: JSON each.
    :param instead: what to do where they are too large.
    :raises AirflowFailException: together they are larger than :data:`XCOM_BYTES`.
    """
    kept: list[T] = []
    size = 0
    for row in rows:
        size += len(json.dumps(row)) + 2
        if size > XCOM_BYTES:
            raise AirflowFailException(
                f"the result of {size:,} bytes or more is too large for an XCom (at most {XCOM_BYTES:,}, which is "
                f"{len(kept):,} rows): {instead}"
            )
        kept.append(row)
    return kept
