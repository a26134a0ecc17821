"""When Airflow should try a task again, by what went wrong: Airflow asks for it since 3.3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.tasks.compat import retry_policy_base

if TYPE_CHECKING:
    from airflow.sdk import Context

_Base: Any = retry_policy_base()
LONGEST = 3600.0
"""Seconds: what Jicoo says beyond that is waited for no longer; a mistaken date would hold a run for days."""


class JicooRetryPolicy(_Base):  # type: ignore[misc]
    """Fail at once what a retry cannot fix, and try again what Jicoo refused for now when it says.

    =============================================================  ===========================================
    what went wrong                                                what Airflow does
    =============================================================  ===========================================
    429, and any other error with a ``Retry-After``                a retry after that time, an hour at most
    400, 401, 402, 403, 404, 422; an unknown outcome; bad input    fails
    anything else                                                  what the task's own settings say
    =============================================================  ===========================================

    For tasks of your own that use the hooks: the operators of this package fail at once of themselves. Retries are
    never more than the task has. Before 3.3 Airflow has no such argument: :func:`retry_arguments` gives none there.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> Any:
        """Return what Airflow is to do.

        :param exception: what ended the task; what it was raised from is looked at too.
        """
        from airflow.sdk.definitions.retry_policy import RetryDecision

        from airflow_provider_jicoo.api.errors import JicooError

        for error in _chain(exception):
            if not isinstance(error, JicooError):
                continue
            if error.permanent:
                return RetryDecision.fail(reason=f"{type(error).__name__}: a retry cannot fix it")
            retry_after = getattr(error, "retry_after", None)
            if retry_after is not None:
                seconds = min(max(float(retry_after), 1.0), LONGEST)
                return RetryDecision.retry(timedelta(seconds=seconds), reason=f"Jicoo asks to wait {seconds:.0f} s")
            return RetryDecision.default()
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return its settings: there are none."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> JicooRetryPolicy:
        """Return the policy."""
        return cls()


def retry_arguments() -> dict[str, Any]:
    """Return what to give a task, as ``@task(retries=5, **retry_arguments())``; nothing where Airflow asks for none."""
    return {} if _Base is object else {"retry_policy": JicooRetryPolicy()}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__
