"""An operator that looks at an account, and says which of the package's assumptions about Jicoo hold for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.operators.base import JicooOperator
from airflow_provider_jicoo.tasks.compat import AirflowFailException
from airflow_provider_jicoo.tasks.failure import fail_without_retry

if TYPE_CHECKING:
    from airflow.sdk import Context


class JicooDoctorOperator(JicooOperator):
    """Look at the account of a connection, change nothing, log what was found, and return it.

    The task succeeds whatever was found: ``ok`` in the result says whether the package can work with the account. It
    fails where nothing can be looked at: no connection, a key that Jicoo does not accept. Nothing personal is in log
    and result.

    With ``try_booking_uid`` the description of that booking is changed three times and put back, without messaging
    anybody; where it cannot be put back, the task fails, and says in which file of the worker the old one is.

    :param try_booking_uid: id of a booking whose description may be changed there and back. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: ``ok``, ``base_url``, ``requests``, ``seconds``, ``extras`` (what the extras of the connection should
        have), and ``findings``: a list of ``section``, ``name``, ``verdict`` (``holds``, ``does not hold``, ``fails``,
        ``could not be told``), ``seen`` and ``advice``.
    """

    template_fields: Sequence[str] = ("try_booking_uid", "jicoo_conn_id")

    def __init__(self, *, try_booking_uid: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.try_booking_uid = try_booking_uid

    def execute(self, context: Context) -> dict[str, Any]:
        """Look at the account."""
        from airflow_provider_jicoo.doctor.examine import examine
        from airflow_provider_jicoo.doctor.text import as_text
        from airflow_provider_jicoo.hooks import connection
        from airflow_provider_jicoo.hooks.jicoo import JicooHook

        with fail_without_retry(self.jicoo_conn_id):
            settings = connection.settings(JicooHook.get_connection(self.jicoo_conn_id))
            report = examine(settings, try_booking_uid=self.try_booking_uid or None, tell=self._tell)
        self.log.info("%s", as_text(report))
        if report.lost:
            raise AirflowFailException(report.lost)
        return report.as_dict()

    def _tell(self, text: str) -> None:
        self.log.info("looking at %s", text)
