from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

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


def test_a_whole_run_can_have_a_quirk(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        """
import datetime, pytest

@pytest.fixture
def jicoo_sandbox_options():
    return {"bookings": 2, "now": datetime.datetime(2026, 1, 15, tzinfo=datetime.timezone.utc)}
"""
    )
    (tmp_path / "test_it.py").write_text(
        """
import pytest

def test_options(jicoo_sandbox):
    assert jicoo_sandbox.quirks == ("crlf",)
    assert len(jicoo_sandbox.bookings()) == 2
    assert jicoo_sandbox.now.year == 2026

@pytest.mark.jicoo_sandbox(quirks=["page-cap=2"], bookings=3)
def test_the_mark(jicoo_sandbox):
    assert jicoo_sandbox.quirks == ("crlf", "page-cap=2")
    assert len(jicoo_sandbox.bookings()) == 3
    assert jicoo_sandbox.now.year == 2026
"""
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--strict-markers",
        "--jicoo-quirk",
        "crlf",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run([*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert done.stdout.splitlines()[-1].startswith("2 passed"), done.stdout


def test_the_package_has_nothing_else_to_import() -> None:
    import airflow_provider_jicoo.sandbox as sandbox

    assert not hasattr(sandbox, "Nonsense")
