"""Every difference between the supported Airflow versions, in one place. Asked by capability, not by version number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
    XCom,
    conf,
)
from airflow.sdk import exceptions

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = [
    "WAITS",
    "AirflowFailException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "TaskDeferred",
    "XCom",
    "add_partitions",
    "asset_stores",
    "conf",
    "get_async_connection",
    "read_variable",
    "retry_policy_base",
    "shared_stream_producer",
    "stored_form",
]

WAITS: tuple[type[BaseException], ...] = (
    TaskDeferred,
    *([exceptions.TaskAwaitingInput] if hasattr(exceptions, "TaskAwaitingInput") else []),
)
"""What a task raises that waits for a person: since Airflow 3.3 it needs no trigger."""


def stored_form(operator: Any, context: Context) -> tuple[list[str], set[str]] | None:
    """Store the form of a Human-in-the-loop task, and return what people will see, and who may answer.

    Airflow before 3.4 keeps the form of an earlier try. Its own function stores a form too, but does not say so.

    :param operator: the task, with the form in its attributes.
    :return: the options and the ids of the users who may answer (none: everybody), or None where there is no Airflow.
    """
    from airflow.sdk.api.datamodels._generated import HITLUser
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import CreateHITLDetailPayload

    airflow = getattr(task_runner, "SUPERVISOR_COMMS", None)
    if airflow is None:
        return None
    stored = airflow.send(
        msg=CreateHITLDetailPayload(
            ti_id=context["ti"].id,
            options=operator.options,
            subject=operator.subject,
            body=operator.body,
            defaults=operator.defaults,
            multiple=operator.multiple,
            params=operator.serialized_params,
            assigned_users=[HITLUser(id=user["id"], name=user["name"]) for user in operator.assigned_users or ()],
        )
    )
    return list(stored.options), {user.id for user in stored.assigned_users or ()}


def read_variable(name: str) -> str | None:
    """Return an Airflow Variable; None where there is none.

    Airflow's own function takes an API server that cannot be reached for one that has no such Variable: where it finds
    none, the server is asked once more, in a way that tells the two apart.

    :raises ConnectionError: Airflow does not say whether there is one.
    """
    from airflow.sdk import Variable
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse, GetVariable, VariableResult

    found = Variable.get(name, default=None)
    airflow = getattr(task_runner, "SUPERVISOR_COMMS", None)
    if found is not None or airflow is None:
        return None if found is None else str(found)
    try:
        came = airflow.send(GetVariable(key=name))
    except AirflowRuntimeError as error:
        came = error.error
    if isinstance(came, VariableResult):
        return came.value
    if isinstance(came, ErrorResponse) and came.error is ErrorType.VARIABLE_NOT_FOUND:
        return None
    said = came.error.value if isinstance(came, ErrorResponse) else type(came).__name__
    raise ConnectionError(
        f"Airflow does not say what the Variable {name} is ({said}): look whether its API server runs"
    )


def asset_stores(trigger: Any) -> list[Any]:
    """Return the state stores of the assets that a trigger watches, by name; none before Airflow 3.3.

    Airflow's own way to one of them is for a trigger with a single asset, and raises where triggers with the same
    arguments watch several.
    """
    stores = getattr(trigger, "asset_state_store", None)
    by_name = getattr(stores, "_by_name", {})
    return [by_name[name] for name in sorted(by_name)]


def add_partitions(event: Any, keys: list[str]) -> bool:
    """Let an event of an asset be one for each of its partitions; Airflow has them since 3.3.

    :param event: of an outlet.
    :return: whether this Airflow has them.
    """
    add = getattr(event, "add_partitions", None)
    if add is None:
        return False
    if keys:
        add(keys)
    return True


def shared_stream_producer() -> type[Any]:
    """Return the base class of what polls for several triggers; ``object`` before Airflow 3.3.

    Imported when it is asked for: operators do without ``airflow.triggers``.
    """
    try:
        from airflow.triggers.shared_stream import SharedStreamProducer
    except ImportError:
        return object
    return SharedStreamProducer


def retry_policy_base() -> type[Any]:
    """Return the base class of what decides on retries; ``object`` before Airflow 3.3."""
    try:
        from airflow.sdk.definitions.retry_policy import RetryPolicy
    except ImportError:
        return object
    return RetryPolicy
