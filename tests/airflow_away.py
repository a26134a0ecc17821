"""Airflow's API server as a task sees it: it has Variables, and may be away."""

from __future__ import annotations


class ApiServer:
    """Answers what Airflow's supervisor is asked by a task.

    :param texts: the Variables.

    ``away = True`` lets it fail, as the supervisor tells it where the server cannot be reached.
    """

    def __init__(self):
        self.texts = {}
        self.away = False

    def send(self, msg):
        from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse, VariableResult

        kind = type(msg).__name__
        if self.away:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 503}))
        if kind == "PutVariable":
            self.texts[msg.key] = msg.value
            return None
        if kind != "GetVariable":
            return None
        if msg.key not in self.texts:
            return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND, detail={"key": msg.key})
        return VariableResult(key=msg.key, value=self.texts[msg.key])
