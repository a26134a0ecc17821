"""Links of the operators for bookings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from airflow_provider_jicoo.tasks.compat import XCom

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class EventTypeLink(BaseOperatorLink):
    """Opens the booking page of a booking's event type; absent where the connection names no team."""

    name = "Event type in Jicoo"
    key = "jicoo_event_type_url"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that the task noted, or an empty text."""
        url = XCom.get_value(key=self.key, ti_key=ti_key)
        return url if isinstance(url, str) else ""
