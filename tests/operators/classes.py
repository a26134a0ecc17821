"""Which operators a module has."""

from __future__ import annotations

import json
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


class Store:
    """Airflow 3.3's task state store: it outlives a try, wherever the next one runs."""

    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        return self.values.get(key, default)

    def set(self, key, value):
        self.values[key] = json.loads(json.dumps(value))
