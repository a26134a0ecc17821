"""What all sensors of this package share."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_jicoo.api.exhaustive import assert_never
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.tasks.compat import AirflowFailException, AirflowSensorTimeout, AirflowSkipException, conf
from airflow_provider_jicoo.tasks.failure import fail_without_retry
from airflow_provider_jicoo.tasks.xcom import fit_for_xcom
from airflow_provider_jicoo.triggers.base import Verdict

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_jicoo.hooks.jicoo import JicooHook
    from airflow_provider_jicoo.triggers.base import Judgement, PollingTrigger


class JicooSensor(BaseSensorOperator):
    """Base of the sensors: they work in poke, reschedule and deferrable mode.

    A poll that fails for a passing reason (no connection, 429, 5xx; once Jicoo has answered, also a page in its place,
    as during maintenance) is logged and taken again after the interval; one that fails for good (a refused key, no such
    booking) fails the task at once, as does what can no longer become right.

    :param deferrable: wait in the triggerer instead of on a worker; by default as ``[operators] default_deferrable``.
    :param jicoo_conn_id: the Airflow connection. (templated)
    """

    ui_color = "#e6f4f1"

    def __init__(self, *, deferrable: bool | None = None, jicoo_conn_id: str = "jicoo_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        self.jicoo_conn_id = jicoo_conn_id
        self._last_seen = ""
        self._has_answered = False

    def _check_arguments(self) -> None:
        """Check the arguments.

        :raises ValueError: one cannot be right.
        """
        raise NotImplementedError

    def _fetch(self, hook: JicooHook) -> list[Any]:
        """Read what is waited for."""
        raise NotImplementedError

    def _judge(self, rows: list[Any]) -> Judgement:
        """Judge what was read."""
        raise NotImplementedError

    def _trigger(self, deadline: float) -> PollingTrigger:
        """Return the trigger that waits for the same."""
        raise NotImplementedError

    @discreet
    def execute(self, context: Context) -> Any:
        """Wait."""
        with fail_without_retry():
            self._check_arguments()
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
            self._fail_or_skip(error)
        if isinstance(first, PokeReturnValue):
            return first.xcom_value
        return self._wait_until(time.time() + self.timeout)

    def _wait_until(self, deadline: float) -> Any:
        return self.defer(
            trigger=self._trigger(deadline),
            method_name="execute_complete",
            kwargs={"deadline": deadline},
            # The trigger keeps the deadline and says what it waited for; this is for a trigger that never runs.
            timeout=timedelta(seconds=max(0.0, deadline - time.time()) + float(self.poke_interval) + 60),
        )

    @discreet
    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look once."""
        from airflow_provider_jicoo.api.errors import RequestError, UnexpectedAnswerError

        try:
            rows = self._poll_once()
        except (RequestError, AirflowFailException) as error:
            is_in_its_place = isinstance(error.__context__, UnexpectedAnswerError)
            if isinstance(error, AirflowFailException) and not (is_in_its_place and self._is_further_poll(context)):
                raise
            self._last_seen = f"the request failed: {error}"
            self.log.warning("this poll failed: %s", error)
            return False
        self._has_answered = True
        judgement = self._judge(rows)
        self._last_seen = judgement.reason
        self.log.info("%s", judgement.reason)
        match judgement.verdict:
            case Verdict.LOST:
                raise AirflowFailException(judgement.reason)
            case Verdict.REACHED:
                return PokeReturnValue(True, self._result(rows))
            case Verdict.WAITING:
                return False
            case _:
                return assert_never(judgement.verdict)

    def _is_further_poll(self, context: Context) -> bool:
        """Tell whether Jicoo has answered this task before: in reschedule mode each poll is a process of its own."""
        if self._has_answered or not self.reschedule:
            return self._has_answered
        return context["ti"].get_first_reschedule_date(context) is not None

    @discreet
    def execute_complete(self, context: Context, event: dict[str, Any] | None, deadline: float | None = None) -> Any:
        """Take what the trigger says, and read what it waited for.

        The task may have waited for a worker meanwhile: what is not so any more, or cannot be read now, is waited for
        again.

        :param deadline: seconds since the epoch after which to give up; None where the task was deferred before this
            argument came: then the whole time again.
        :raises AirflowFailException: it can no longer become right, or the trigger says something unknown.
        :raises AirflowSensorTimeout: the time is over.
        """
        status, message = (event or {}).get("status"), (event or {}).get("message", "")
        if status == "success":
            self.log.info("%s", message)
            return self._read_result(context, deadline) if self.do_xcom_push else None
        if status == "timeout":
            self._fail_or_skip(AirflowSensorTimeout(f"Sensor has timed out after {self.timeout} seconds. {message}"))
        if status == "failed":
            self._fail_or_skip(AirflowFailException(message))
        raise AirflowFailException(f"the trigger said {event!r}, which this sensor does not know")

    def _read_result(self, context: Context, deadline: float | None) -> Any:
        self._has_answered = True  # to the trigger
        try:
            found = self.poke(context)
        except AirflowFailException as error:
            self._fail_or_skip(error)
        if isinstance(found, PokeReturnValue):
            return found.xcom_value
        if deadline is not None and time.time() >= deadline:
            self._fail_or_skip(
                AirflowSensorTimeout(f"Sensor has timed out after {self.timeout} seconds. At last, {self._last_seen}.")
            )
        return self._wait_until(time.time() + self.timeout if deadline is None else deadline)

    def _fail_or_skip(self, error: Exception) -> NoReturn:
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(str(error)) from error
        raise error

    def _poll_once(self) -> list[Any]:
        from airflow_provider_jicoo.hooks.jicoo import JicooHook

        with fail_without_retry(self.jicoo_conn_id), JicooHook(self.jicoo_conn_id) as hook:
            return self._fetch(hook)

    def _result(self, rows: list[Any]) -> Any:
        return fit_for_xcom(rows, "set do_xcom_push=False") if self.do_xcom_push else None
