"""An operator for what no other operator does: it sends any request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_provider_jicoo.operators.base import CallOperator, Converters
from airflow_provider_jicoo.tasks.given import NOT_GIVEN, NotGiven, as_json


class JicooRequestOperator(CallOperator):
    """Send any request to Jicoo, and return the whole answer as it came; None where it is empty.

    With the same key, pace, failure handling and checks as every other operator. A GET is repeated like any read.
    Anything else is never repeated where nobody knows whether it took effect, and not at a retry of Airflow's either,
    unless an earlier try is known to have sent nothing (from Airflow 3.3 on): the task fails and says so.

    Query and body show as ``***`` among the rendered fields: they may be personal data. The answer goes to an XCom.

    :param method: ``GET``, ``POST``, ``PUT``, ``PATCH``, ``DELETE``. (templated)
    :param path: path below the base URL, quoted, without a query: ``/v1/event_types``. (templated)
    :param query: query parameters; not called ``params``, which are the DAG's. (templated)
    :param json: JSON object to send, or the text of one. (templated)
    :param jicoo_conn_id: the Airflow connection. (templated)
    :return: the answer: ``{"data": ..., "errors": ...}`` and the paging fields.
    """

    endpoint = "request"
    arguments = ("method", "path", "query", "json")
    convert: ClassVar[Converters] = {"query": as_json, "json": as_json}
    renamed: ClassVar[Mapping[str, str]] = {"query": "params"}
    private_fields = frozenset({"query", "json"})
    template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

    def __init__(
        self,
        *,
        method: str,
        path: str,
        query: Mapping[str, Any] | str | NotGiven = NOT_GIVEN,
        json: Mapping[str, Any] | str | NotGiven = NOT_GIVEN,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.method = method
        self.path = path
        self.query = query
        self.json = json
