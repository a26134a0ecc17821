"""The wheel that users install: what is in it, and what it does in an environment that has nothing else of ours."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from airflow_provider_jicoo import __version__

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_provider_jicoo"
CONSTRAINTS = ROOT / "constraints" / "airflow-3.3.txt"

pytestmark = [pytest.mark.once, pytest.mark.timeout(900)]


def run(*command, cwd):
    """Run a command outside of the repository, so that nothing is imported from there."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture
def environment(tmp_path):
    """An empty virtual environment; returns its Python."""
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    return tmp_path / "venv" / "bin" / "python"


def test_what_is_in_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / PACKAGE).rglob("*.py")}

    ours = {name for name in names if name.startswith(f"{PACKAGE}/")}
    assert ours == modules | {f"{PACKAGE}/py.typed"}
    assert {name.split("/")[0] for name in names - ours} == {f"{PACKAGE}-{__version__}.dist-info"}
    assert not any("test" in name.rsplit("/", 1)[-1] for name in names - {f"{PACKAGE}/sandbox/pytest_plugin.py"})


def test_what_it_says_of_itself(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
        points = archive.read(name.replace("METADATA", "entry_points.txt")).decode()
        assert name.replace("METADATA", "licenses/LICENSE") in archive.namelist()
    assert metadata["Name"] == "airflow-provider-jicoo"
    assert metadata["Requires-Python"] == ">=3.10"
    needed = {line.split(">=")[0] for line in metadata.get_all("Requires-Dist") if "extra ==" not in line}
    assert "apache-airflow" in needed
    # The page of Airflow's that lists the providers leads there; without it, to one of Airflow's that does not exist.
    assert "Documentation, https://developer.jicoo.com" in metadata.get_all("Project-URL")
    assert not needed & {"pytest", "ruff", "mypy", "psycopg2-binary"}
    assert "[apache_airflow_provider]" in points
    assert "[pytest11]" in points


def test_alone_in_an_empty_environment(wheel, environment, tmp_path):
    """Nothing is needed to ask for the provider info."""
    run(environment, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    said = run(
        environment,
        "-c",
        "from importlib.metadata import entry_points\n"
        "import importlib.util\n"
        "assert importlib.util.find_spec('airflow') is None\n"
        "(point,) = entry_points(group='apache_airflow_provider')\n"
        "print(point.load()()['package-name'], point.load().__code__.co_filename)\n",
        cwd=tmp_path,
    )
    assert said.startswith(f"airflow-provider-jicoo {tmp_path}")


def test_with_airflow_by_the_constraints(wheel, environment, tmp_path):
    run(environment, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, wheel, cwd=tmp_path)
    run(environment, "-m", "pip", "check", cwd=tmp_path)
    said = run(environment, "-m", "airflow", "providers", "list", "--output", "plain", cwd=tmp_path)
    assert "airflow-provider-jicoo" in said
    assert "3.3." in run(environment, "-m", "airflow", "version", cwd=tmp_path)
    # The sandbox comes along and works without the tools of our tests.
    run(
        environment,
        "-c",
        "from airflow_provider_jicoo.sandbox.server import Sandbox\n"
        "from airflow_provider_jicoo.api import bookings\n"
        "from airflow_provider_jicoo.api.client import JicooClient\n"
        "from airflow_provider_jicoo.api.settings import Settings\n"
        "with Sandbox(bookings=1) as sandbox, JicooClient(Settings(sandbox.api_key, sandbox.url)) as client:\n"
        "    uid = sandbox.bookings()[0]['uid']\n"
        "    assert client.send(bookings.get_booking(uid))['uid'] == uid\n",
        cwd=tmp_path,
    )
