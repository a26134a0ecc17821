"""What can go wrong with a bulk change, beside what can go wrong with a request."""

from __future__ import annotations

from airflow_provider_jicoo.api.errors import InvalidRequestError, JicooError


class PlanError(InvalidRequestError):
    """A plan cannot be made or used; nothing was sent."""


class PlanLimitError(PlanError):
    """A plan would change more than it may; nothing was sent."""


class PlanMismatchError(PlanError):
    """The plan is not the one that was agreed to, or is damaged, or is of another Jicoo; nothing was sent."""


class JournalDamagedError(JicooError):
    """A part of the journal of an apply is gone, so that a guest could be messaged twice; nothing was sent."""

    permanent = True


class StoppedError(JicooError):
    """An apply ended before its end: it was stopped, or another worker has taken over.

    :param permanent: whether a person has stopped it: only a person goes on with it then. Otherwise trying again does.
    """

    def __init__(self, text: str, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent


class BulkFailedError(JicooError):
    """A bulk change ended, and not everything is as planned. The report says what; its path is in the text.

    :param permanent: whether trying again cannot help: what Jicoo refused and what somebody edited is left as it is.
    """

    def __init__(self, text: str, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent
