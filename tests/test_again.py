"""What failed is run once more: each of it, or `make test` would be green over a failure."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "again.py"
pytestmark = pytest.mark.once
TESTS = """
import pytest

def test_plain(): assert FIXED

@pytest.mark.xdist_group("a group")
@pytest.mark.parametrize("given", ["a@b", "c"])
def test_grouped(given): assert FIXED

@pytest.mark.xdist_group("a group")
def test_never(): assert False
"""


def run(folder, *command):
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout


@pytest.mark.proof
def test_each_that_failed_is_run_again(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    file = tmp_path / "test_some.py"
    file.write_text(f"FIXED = False\n{TESTS}")
    code, said = run(tmp_path, "-m", "pytest", "-n", "2", "--dist", "loadgroup")
    assert (code, "4 failed" in said) == (1, True), said
    code, said = run(tmp_path, str(SCRIPT))
    assert (code, "4 failed" in said) == (1, True), said
    file.write_text(f"FIXED = True\n{TESTS}")
    code, said = run(tmp_path, str(SCRIPT))
    assert (code, "1 failed, 3 passed" in said) == (1, True), said
    file.write_text(f"FIXED = True\n{TESTS}".replace("assert False", "assert True"))
    code, said = run(tmp_path, str(SCRIPT))
    assert (code, "3 passed" in said) == (0, True), said


def test_a_run_that_failed_without_a_test_stays_failed(tmp_path):
    assert run(tmp_path, str(SCRIPT))[0] == 1


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("t.py::test_a", "t.py::test_a"),
        ("t.py::test_a[x@y]", "t.py::test_a[x@y]"),
        ("t.py::test_a[x@y]@running Airflow", "t.py::test_a[x@y]"),
        ("t.py::test_a@s3", "t.py::test_a"),
    ],
)
def test_a_name_without_its_group(name, without):
    spec = importlib.util.spec_from_file_location("again", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.without_group(name) == without
