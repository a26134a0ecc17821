"""How the classes of the package stand to each other."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import airflow_provider_jicoo


def classes():
    for module in pkgutil.walk_packages(airflow_provider_jicoo.__path__, f"{airflow_provider_jicoo.__name__}."):
        if not module.name.endswith("__main__"):
            for each in vars(importlib.import_module(module.name)).values():
                if inspect.isclass(each) and each.__module__ == module.name:
                    yield each


def test_no_class_inherits_from_another_one_in_two_ways():
    found = set()
    for each in classes():
        above = [base for parent in each.__bases__ for base in parent.__mro__ if is_ours(base)]
        found |= {f"{each.__qualname__}: {base.__qualname__}" for base in above if above.count(base) > 1}
    assert found == set()


def is_ours(base):
    return base.__module__.split(".")[0] == airflow_provider_jicoo.__name__
