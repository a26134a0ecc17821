"""``@task.jicoo_plan``: a function of one booking becomes a task that plans."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.decorator import get_unique_task_id, task_decorator_factory

from airflow_provider_jicoo.operators.bulk import PlanBookingChangesOperator

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import TaskDecorator

    from airflow_provider_jicoo.api.client import JicooClient
    from airflow_provider_jicoo.bulk.plan import Plan


class DecoratedPlanOperator(PlanBookingChangesOperator):
    """The operator behind ``@task.jicoo_plan``.

    :param python_callable: the function: it takes a booking, and returns a change or None.
    :param op_args: further positional arguments of the function. (templated)
    :param op_kwargs: further keyword arguments of the function. (templated)
    """

    template_fields: Sequence[str] = (
        *(name for name in PlanBookingChangesOperator.template_fields if name != "change"),
        "op_args",
        "op_kwargs",
    )
    custom_operator_name = "@task.jicoo_plan"
    shallow_copy_attrs: Sequence[str] = ("python_callable",)

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        task_id: str,
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        multiple_outputs: bool | None = None,
        **kwargs: Any,
    ) -> None:
        # An argument that is missing is to be said when the DAG is parsed, as TaskFlow does; the first is the booking.
        inspect.signature(python_callable).bind(None, *(op_args or ()), **(op_kwargs or {}))
        task_id = get_unique_task_id(task_id, kwargs.get("dag"), kwargs.get("task_group"))
        super().__init__(task_id=task_id, change=python_callable, **kwargs)
        self.python_callable = python_callable
        self.op_args = op_args or ()
        self.op_kwargs = op_kwargs or {}

    def _plan(self, client: JicooClient, context: Any) -> Plan:
        function, args, kwargs = self.python_callable, tuple(self.op_args), dict(self.op_kwargs)
        if args or kwargs:
            self.change = update_wrapper(partial(_called, function, args, kwargs), function)
        return super()._plan(client, context)


def _called(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], booking: Any) -> Any:
    return function(booking, *args, **kwargs)


def jicoo_plan_task(
    python_callable: Callable[..., Any] | None = None, multiple_outputs: bool | None = None, **kwargs: Any
) -> TaskDecorator:
    """Turn a function of one booking into a task that plans. ::

        @task.jicoo_plan(
            selection=Selection(status="open"), plan_path="/plans/{{ run_id }}.jsonl", is_send_updates=False
        )
        def plan(booking, priority):
            return UpdateFields(priority=priority) if "VIP" in booking["name"] else None

        plan(priority="high")

    :param python_callable: the function: it takes a booking, and returns a change or None. What the task is called with
        comes behind the booking.
    :param kwargs: as :class:`~airflow_provider_jicoo.operators.bulk.PlanBookingChangesOperator` without ``change``.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=False,
        decorated_operator_class=DecoratedPlanOperator,
        **kwargs,
    )
