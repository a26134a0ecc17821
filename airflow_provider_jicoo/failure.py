"""The old place of :mod:`airflow_provider_jicoo.tasks.failure`."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager

from airflow_provider_jicoo.tasks.failure import fail_without_retry


def failing_at_once(jicoo_conn_id: str = "") -> AbstractContextManager[None]:
    """Do what :func:`~airflow_provider_jicoo.tasks.failure.fail_without_retry` does, which is its name now."""
    warnings.warn(
        "airflow_provider_jicoo.failure.failing_at_once is airflow_provider_jicoo.tasks.failure.fail_without_retry",
        DeprecationWarning,
        stacklevel=2,
    )
    return fail_without_retry(jicoo_conn_id)
