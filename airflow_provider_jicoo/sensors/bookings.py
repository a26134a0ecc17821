"""Sensors that wait for bookings."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_jicoo.compat import AirflowFailException, AirflowSensorTimeout, AirflowSkipException, conf
from airflow_provider_jicoo.failure import failing_at_once
from airflow_provider_jicoo.given import as_json, as_list
from airflow_provider_jicoo.triggers.bookings import BookingStatusTrigger, Verdict, judge
from airflow_provider_jicoo.xcom import fit_for_xcom

if TYPE_CHECKING:
    from airflow.sdk import Context

STATUSES = ("request", "open", "cancel")


class BookingStatusSensor(BaseSensorOperator):
    """Wait until all bookings have one of the wanted statuses, and return the bookings.

    Works in poke, reschedule and deferrable mode. A poll that fails for a passing reason (no connection, 429, 5xx) is
    logged and taken again after the interval; one that fails for good (a refused key, no such booking) fails the task
    at once, as does a booking that can no longer become right.

    The bookings go to an XCom, in the order of ``uid``; set ``do_xcom_push=False`` where nobody reads them: many
    thousands of bookings do not fit, and the last reading is then saved too.

    :param uid: booking id, or several. (templated)
    :param status: ``request``, ``open``, ``cancel``, or several of them. (templated)
    :param fail_on: the statuses that can no longer become right; by default ``cancel``, unless it is waited for,
        since a cancelled booking stays cancelled. (templated)
    :param deferrable: wait in the triggerer instead of on a worker; by default as ``[operators] default_deferrable``.
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the bookings; see https://developer.jicoo.com/api-5453063.
    """

    template_fields: Sequence[str] = ("uid", "status", "fail_on", "jicoo_conn_id")
    ui_color = "#e6f4f1"

    def __init__(
        self,
        *,
        uid: str | Iterable[str],
        status: str | Iterable[str],
        fail_on: str | Iterable[str] | None = None,
        deferrable: bool | None = None,
        jicoo_conn_id: str = "jicoo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.uid = uid
        self.status = status
        self.fail_on = fail_on
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        self.jicoo_conn_id = jicoo_conn_id
        self._last_seen = ""

    def execute(self, context: Context) -> Any:
        """Wait."""
        with failing_at_once():
            self._check()
        if self.deferrable:
            return self._look_then_defer(context)
        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:
            raise AirflowSensorTimeout(f"{error} At the last poll, {self._last_seen}.") from None

    def _look_then_defer(self, context: Context) -> Any:
        try:
            first = self.poke(context)
        except AirflowFailException as error:
            self._end(error)
        if isinstance(first, PokeReturnValue):
            return first.xcom_value
        return self.defer(
            trigger=BookingStatusTrigger(
                uids=self._uids(),
                statuses=self._statuses(),
                fail_on=self._fail_on(),
                poll_interval=float(self.poke_interval),
                deadline=time.time() + self.timeout,
                jicoo_conn_id=self.jicoo_conn_id,
            ),
            method_name="execute_complete",
            # The trigger keeps the deadline and says what it waited for; this is for a trigger that never runs.
            timeout=timedelta(seconds=self.timeout + float(self.poke_interval) + 60),
        )

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look once."""
        from airflow_provider_jicoo.api.errors import RequestError

        try:
            found = self._read()
        except RequestError as error:
            self._last_seen = f"the request failed: {error}"
            self.log.warning("this poll failed: %s", error)
            return False
        judgement = judge(found, self._statuses(), self._fail_on())
        self._last_seen = judgement.reason
        self.log.info("%s", judgement.reason)
        if judgement.verdict is Verdict.LOST:
            raise AirflowFailException(judgement.reason)
        return PokeReturnValue(True, self._result(found)) if judgement.verdict is Verdict.REACHED else False

    def execute_complete(self, context: Context, event: dict[str, Any] | None) -> Any:
        """Take what the trigger says, and read the bookings it waited for.

        :raises AirflowFailException: a booking can no longer become right, or the trigger says something unknown.
        :raises AirflowSensorTimeout: the time is over.
        """
        status, message = (event or {}).get("status"), (event or {}).get("message", "")
        if status == "success":
            self.log.info("%s", message)
            return self._result(self._read()) if self.do_xcom_push else None
        if status == "timeout":
            self._end(AirflowSensorTimeout(f"Sensor has timed out after {self.timeout} seconds. {message}"))
        if status == "failed":
            self._end(AirflowFailException(message))
        raise AirflowFailException(f"the trigger said {event!r}, which this sensor does not know")

    def _end(self, error: Exception) -> NoReturn:
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(str(error)) from error
        raise error

    def _read(self) -> dict[str, Any]:
        from airflow_provider_jicoo.hooks.jicoo import JicooHook

        with failing_at_once(), JicooHook(self.jicoo_conn_id) as hook:
            return dict(hook.lookup_bookings(self._uids()))

    def _result(self, bookings: dict[str, Any]) -> Any:
        return fit_for_xcom(list(bookings.values()), "set do_xcom_push=False") if self.do_xcom_push else None

    def _uids(self) -> list[str]:
        return as_list("uid", self.uid)

    def _statuses(self) -> list[str]:
        return as_list("status", self.status)

    def _fail_on(self) -> list[str]:
        if self.fail_on is None:
            return [status for status in ("cancel",) if status not in self._statuses()]
        given = as_json("fail_on", self.fail_on)
        return as_list("fail_on", given) if given else []

    def _check(self) -> None:
        from airflow_provider_jicoo.api.bookings import booking_id

        for uid in self._uids():
            booking_id(uid)
        for name, values in (("status", self._statuses()), ("fail_on", self._fail_on())):
            for value in values:
                if value not in STATUSES:
                    raise ValueError(f"{name}: {value!r} is none of {', '.join(STATUSES)}")
        both = set(self._statuses()) & set(self._fail_on())
        if both:
            raise ValueError(f"{', '.join(sorted(both))} is waited for and in fail_on")
