from __future__ import annotations

import importlib.metadata
import subprocess
import sys

from airflow_provider_jicoo.sandbox import Sandbox

HEAVY = ("airflow", "fastapi", "starlette", "pydantic", "uvicorn", "requests", "aiohttp", "pendulum")


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    code = f"""
import sys, airflow_provider_jicoo.sandbox.pytest_plugin
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout == "[]\n"


def test_pytest_finds_the_plugin() -> None:
    (entry,) = importlib.metadata.entry_points(group="pytest11", name="jicoo_sandbox")

    assert entry.value == "airflow_provider_jicoo.sandbox.pytest_plugin"


def test_the_fixture_has_fifty_bookings_of_seed_seven(jicoo_sandbox: Sandbox) -> None:
    assert len(jicoo_sandbox.bookings()) == 50
    with Sandbox(bookings=50, seed=7) as other:
        assert [row["uid"] for row in other.users] == [row["uid"] for row in jicoo_sandbox.users]


def test_the_package_has_nothing_else_to_import() -> None:
    import airflow_provider_jicoo.sandbox as sandbox

    assert not hasattr(sandbox, "Nonsense")
