"""Where operators keep plans: paths on a local disk or in an object store, and which of them only one machine has."""

from __future__ import annotations

import os
import re
from typing import Any

from airflow_provider_jicoo.tasks.compat import conf

_ONE_MACHINE = frozenset({"LocalExecutor", "SequentialExecutor", "DebugExecutor"})
"""Executors that run all tasks on the scheduler's machine; of any other it is not known."""
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "apache-airflow-providers-amazon[s3fs]"),
    **dict.fromkeys(("gs", "gcs"), "apache-airflow-providers-google"),
    **dict.fromkeys(("abfs", "abfss", "adl", "az", "wasb", "wasbs"), "apache-airflow-providers-microsoft-azure"),
}


def open_path(name: str, text: str) -> Any:
    """Return Airflow's path to a file, whose file system there is.

    :param name: of the argument that it was given as.
    :param text: a path, or a URL as ``s3://bucket/plans/plan.jsonl``.
    :raises ValueError: a package is missing that reads such URLs; says which.
    """
    from airflow.sdk import ObjectStoragePath

    try:
        path = ObjectStoragePath(text)
        path.fs  # noqa: B018 (only now it is looked for)
    except (ImportError, ValueError) as error:
        scheme = text.partition("://")[0]
        package = _PACKAGES.get(scheme, f"a package that gives Airflow a file system for {scheme}://")
        raise ValueError(f"{name}: {text} cannot be used here, since {error}: install {package}") from None
    return path


def is_local(path: str) -> bool:
    """Tell whether a path or URL is on the disk of the machine."""
    return "://" not in path or path.partition("://")[0] in ("file", "local")


def several_machines(executor: str | None) -> str | None:
    """Return the executor that may run tasks on several machines, or None where there is none.

    :param executor: the one of the task itself, where it has one.
    """
    # A pod of Kubernetes may be configured as if it were alone.
    if os.environ.get("AIRFLOW_IS_K8S_EXECUTOR_POD"):
        return "KubernetesExecutor"
    # As "LocalExecutor,CeleryExecutor", "alias:module.Executor", "team=LocalExecutor;other=CeleryExecutor".
    configured = [part.strip() for part in re.split("[,;]", str(conf.get("core", "executor", fallback="")))]
    if executor:
        configured = [part for part in configured if executor in re.split("[=:]", part)] or [executor]
    names = [re.split("[=:.]", part)[-1] for part in configured if part]
    return next((name for name in names if name not in _ONE_MACHINE), None)


def warning_of(name: str, path: Any, executor: str | None) -> str | None:
    """Return what to warn about a path that only one of several machines has, or None where there is nothing.

    :param name: of the argument.
    :param path: as it was given: a template of which it is not known yet whether it is local is not warned about.
    :param executor: the one of the task itself, where it has one.
    """
    if not isinstance(path, str) or not path or path.lstrip().startswith("{") or not is_local(path):
        return None
    machines = several_machines(executor)
    if machines is None:
        return None
    return (
        f"{name}: {path} is on the disk of one worker, but {machines} may run the next task, or a retry, on another "
        "machine, which has neither the plan nor its journal. Keep plans in an object store, as s3://bucket/plans, or "
        "on a disk that all workers share"
    )
