"""Which failures of a task are worth a retry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_jicoo.compat import AirflowFailException


@contextmanager
def failing_at_once() -> Iterator[None]:
    """Turn what a retry cannot mend into an :class:`AirflowFailException`, so that no retry is spent on it.

    Its ``__cause__`` is the :class:`~airflow_provider_jicoo.api.errors.JicooError`, with its fields.
    """
    from airflow_provider_jicoo.api.errors import InvalidRequestError, JicooError

    try:
        yield
    except JicooError as error:
        if error.permanent:
            raise AirflowFailException(str(error)) from error
        raise
    except ValueError as error:
        raise AirflowFailException(str(error)) from InvalidRequestError(str(error))
