"""Which operators a module has."""

from __future__ import annotations

import typing
from types import ModuleType

from airflow_provider_jicoo.operators.base import JicooOperator


def operators_of(*modules: ModuleType) -> list[type[JicooOperator]]:
    """Return the operators that modules define for their users."""
    return [
        each
        for module in modules
        for name, each in vars(module).items()
        # In Python 3.10 also list[int] is a type.
        if isinstance(each, type) and not typing.get_origin(each) and issubclass(each, JicooOperator)
        if each.__module__ == module.__name__ and not name.startswith("_")
    ]
