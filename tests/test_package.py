"""The wheel that users install: what is in it, and what it does in an environment that has nothing else of ours."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from airflow_provider_jicoo import __version__

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_provider_jicoo"
CONSTRAINTS = ROOT / "constraints" / "airflow-3.3.txt"
FLOORS = ROOT / "constraints" / "floors.txt"
# Vulnerabilities that reach a client or the sandbox, and the version that fixed them.
FIXED_IN = {
    "requests": "2.32.4",  # CVE-2024-47081, a password from .netrc sent to another host
    "urllib3": "2.6.3",  # CVE-2025-66418, CVE-2025-66471, CVE-2026-21441, answers that grow when they are unpacked
    "aiohttp": "3.13.3",  # CVE-2025-69223 to 69230, the same, and parsing
    "starlette": "0.47.2",  # CVE-2025-54121, an upload that blocks
    "h11": "0.16.0",  # CVE-2025-43859, chunks that are read in two ways
}

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
    templates = {str(file.relative_to(ROOT)) for file in (ROOT / PACKAGE / "bulk/pages/templates").iterdir()}

    ours = {name for name in names if name.startswith(f"{PACKAGE}/")}
    assert ours == modules | templates | {f"{PACKAGE}/py.typed"}
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


def test_the_floors_are_those_that_are_tested(wheel):
    """``make test-floors`` installs the lowest versions that the package allows, each of them."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    needed = [Requirement(line) for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    floors = {each.name: least.version for each in needed for least in each.specifier if least.operator == ">="}
    tested = dict(line.split("==") for line in FLOORS.read_text().split())
    assert {name: Version(tested[name]) for name in floors} == {name: Version(floors[name]) for name in floors}


@pytest.mark.parametrize(("name", "fixed_in"), FIXED_IN.items())
def test_no_floor_has_a_known_vulnerability_that_reaches_us(name, fixed_in):
    tested = dict(line.split("==") for line in FLOORS.read_text().split())
    assert Version(tested[name]) >= Version(fixed_in)


@pytest.mark.parametrize("file", sorted((ROOT / "constraints").glob("*.txt")), ids=lambda file: file.stem)
def test_constraints_are_names_and_versions(file):
    """Nothing says where a package was downloaded from, and the Airflow in it is the one in the name of the file."""
    lines = file.read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[a-z0-9.]+", line)] == []
    if file != FLOORS and not file.stem.startswith("airflow-"):  # beside those of an Airflow
        return
    minor = "3.1" if file == FLOORS else file.stem.removeprefix("airflow-")
    (airflow,) = [line for line in lines if line.startswith("apache-airflow==")]
    assert airflow.startswith(f"apache-airflow=={minor}.")


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


@pytest.mark.long
@pytest.mark.proof
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
