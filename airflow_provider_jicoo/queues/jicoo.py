"""``MessageQueueTrigger(scheme="jicoo", jicoo_conn_id=...)`` of ``apache-airflow-providers-common-messaging``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.triggers.base import BaseEventTrigger


class JicooMessageQueueProvider:
    """Makes a :class:`~airflow_provider_jicoo.triggers.events.BookingEventTrigger` of a ``MessageQueueTrigger``.

    It takes the trigger's arguments. What Airflow stores and runs is the trigger itself.

    It has the methods of ``BaseMessageQueueProvider`` and is none: Airflow imports it wherever it looks for queues,
    also where that package is not installed.
    """

    scheme = "jicoo"

    def scheme_matches(self, scheme: str) -> bool:
        """Tell whether a scheme is this one's."""
        return scheme == self.scheme

    def queue_matches(self, queue: str) -> bool:
        """Tell whether an address of a queue is this one's: none is, which is the old way to name one."""
        return False

    def trigger_class(self) -> type[BaseEventTrigger]:
        """Return the trigger."""
        from airflow_provider_jicoo.triggers.events import BookingEventTrigger

        return BookingEventTrigger

    def trigger_kwargs(self, queue: str, **kwargs: Any) -> dict[str, Any]:
        """Return what an address of a queue says: nothing."""
        return {}
