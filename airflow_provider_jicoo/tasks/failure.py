"""Which failures of a task are worth a retry."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_jicoo.tasks.compat import AirflowFailException

log = logging.getLogger(__name__)


@contextmanager
def fail_without_retry(jicoo_conn_id: str = "") -> Iterator[None]:
    """Turn an error that a retry cannot fix into an :class:`AirflowFailException`, which Airflow does not retry.

    Its text is the whole message, and ends the log without a second traceback; that of the error is logged at DEBUG.
    Its ``__context__`` is the :class:`~airflow_provider_jicoo.api.errors.JicooError`, with its fields.

    :param jicoo_conn_id: the Airflow connection in use, named where Jicoo does not accept its key.
    """
    from airflow_provider_jicoo.api.errors import (
        AuthenticationError,
        InvalidRequestError,
        JicooError,
        PermissionDeniedError,
    )

    try:
        yield
    except JicooError as error:
        if not error.permanent:
            raise
        log.debug("what failed", exc_info=True)
        named = jicoo_conn_id and isinstance(error, (AuthenticationError, PermissionDeniedError))
        raise AirflowFailException(f"connection {jicoo_conn_id!r}: {error}" if named else str(error)) from None
    except ValueError as error:
        log.debug("what failed", exc_info=True)
        try:
            raise InvalidRequestError(str(error)) from None
        except InvalidRequestError:
            raise AirflowFailException(str(error)) from None
