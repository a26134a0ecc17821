"""What is loaded when: parsing a DAG file must stay cheap, and half of the package must do without Airflow."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_provider_jicoo"
HEAVY = (
    "requests",
    "aiohttp",
    "fastapi",
    "uvicorn",
    "pyarrow",
    "dlt",
    f"{PACKAGE}.api.models",
    f"{PACKAGE}.api.client",
)
MODULES = [
    f"{kind}.{file.stem}"
    for kind in ("operators", "sensors", "triggers", "transfers")
    for file in sorted((ROOT / PACKAGE / kind).glob("*.py"))
    # Of the transfers, what a DAG file imports: the rest is loaded when a task runs.
    if file.stem not in ("__init__", "base") and (kind != "transfers" or "template_fields" in file.read_text())
]
EXAMPLES = sorted((ROOT / "example_dags").glob("*.py"))

# What the examples import of Airflow; whatever that loads is not ours.
AIRFLOW = """
import sys
import airflow.sdk
import airflow.sdk.exceptions
import airflow.triggers.base
import airflow.providers.common.compat.sdk
import airflow.providers.common.compat.connection
import airflow.providers.standard.operators.hitl
import airflow.sdk.execution_time.hitl
from airflow.sdk import Param, dag, task, DAG, BaseOperator, BaseHook, BaseSensorOperator, BaseOperatorLink
# Names that these look up when they are asked for them.
from airflow.providers.common.compat.sdk import (
    AirflowFailException, AirflowSensorTimeout, AirflowSkipException, XCom, conf
)
from airflow.providers.common.compat.connection import get_async_connection

@dag(schedule=None)
def nothing():
    @task
    def one(): ...
    @task.sensor
    def two(): ...
    one() >> two()
nothing()
"""
BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise AssertionError(f"{{name}} was imported")
sys.meta_path.insert(0, Blocked())
"""


def loaded(code):
    """Run code in a fresh Python and return the modules that were loaded then."""
    done = subprocess.run(
        [sys.executable, "-c", code + "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


# Airflow is loaded once; each question is asked in a process that has forked from there.
ASK = f"""{AIRFLOW}
import json, os, sys, traceback

def ask(first, then):
    read, write = os.pipe()
    if os.fork():
        os.close(write)
        with open(read) as answer:
            found = answer.read()
        os.wait()
        return json.loads(found)
    try:
        exec(first, {{}})
        before = set(sys.modules)
        exec(then, {{}})
        found = sorted(set(sys.modules) - before)
    except BaseException:
        found = traceback.format_exc()
    with open(write, "w") as answer:
        json.dump(found, answer)
    os._exit(0)

ours = [name for name in sys.modules if name.startswith("{PACKAGE}.")]
print(json.dumps([ours, [ask(*question) for question in json.load(sys.stdin)]]))
"""


@pytest.fixture(scope="module")
def more():
    """What the code of a question loads on top of Airflow, by the code."""
    questions = [("", f"import {PACKAGE}.{module}") for module in MODULES]
    questions += [(own_imports(file), f"import runpy; runpy.run_path({str(file)!r})") for file in EXAMPLES]
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, input=json.dumps(questions), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ours, answers = json.loads(done.stdout.splitlines()[-1])
    # Airflow has asked every provider for its info by then, to know the decorators.
    assert set(ours) <= {f"{PACKAGE}.get_provider_info", f"{PACKAGE}.hooks", f"{PACKAGE}.hooks.forms"}
    return {code: answer for (_, code), answer in zip(questions, answers, strict=True)}


def own_imports(file):
    """What an example itself imports of Airflow, which is not ours either."""
    return "\n".join(ast.unparse(node) for node in ast.walk(ast.parse(file.read_text())) if imports_airflow(node))


def imports_airflow(node):
    return isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "airflow"


@pytest.mark.long
@pytest.mark.xdist_group("imports")
class TestParsing:
    @pytest.mark.parametrize("module", MODULES)
    def test_a_module_loads_nothing_heavy(self, more, module):
        found = more[f"import {PACKAGE}.{module}"]
        assert f"{PACKAGE}.{module}" in found
        self.only_ours(found)

    @pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
    def test_an_example_loads_nothing_heavy(self, more, file):
        assert PACKAGE in file.read_text()
        self.only_ours(more[f"import runpy; runpy.run_path({str(file)!r})"])

    def only_ours(self, more):
        """Whatever is loaded on top is ours, or of Python's own library, and light."""
        assert isinstance(more, list), more
        assert not set(more).intersection(HEAVY)
        others = {name.split(".")[0] for name in more} - {PACKAGE} - set(sys.stdlib_module_names)
        assert others <= {"airflow"}, others

    def test_the_provider_info_loads_nothing_heavy(self):
        more = loaded(f"from {PACKAGE}.get_provider_info import get_provider_info; get_provider_info()")
        assert not any(name.split(".")[0] in ("airflow", "pydantic", *HEAVY) for name in more)

    def test_an_import_costs_less_than_50_ms(self):
        code = (
            f"{AIRFLOW}\nimport os, time\nfor _ in range(3):\n"
            "    if os.fork() == 0:\n"
            "        begin = time.process_time()\n"
            f"        import {PACKAGE}.operators.bookings, {PACKAGE}.operators.event_types\n"
            f"        import {PACKAGE}.sensors.bookings, {PACKAGE}.sensors.event_types\n"
            "        print(time.process_time() - begin, flush=True)\n"
            "        os._exit(0)\n"
            "    os.wait()\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        spent = [float(line) for line in done.stdout.splitlines()[-3:]]
        # The best of three: what a busy machine adds is not ours.
        assert 0.001 < min(spent) < 0.05, spent


class TestWithoutAirflow:
    def test_the_api(self):
        code = BLOCK.format(blocked=("airflow",)) + (
            f"import pkgutil, importlib, {PACKAGE}.api\n"
            f"for each in pkgutil.iter_modules({PACKAGE}.api.__path__, '{PACKAGE}.api.'):\n"
            "    importlib.import_module(each.name)\n"
        )
        found = loaded(code)
        assert f"{PACKAGE}.api.client" in found
        assert f"{PACKAGE}.api.aio" in found

    def test_the_sandbox(self):
        code = BLOCK.format(blocked=("airflow", "requests", "aiohttp")) + (
            f"from {PACKAGE}.sandbox.server import Sandbox\n"
            "import urllib.request\n"
            "with Sandbox(bookings=3) as sandbox:\n"
            "    request = urllib.request.Request(sandbox.url + '/v1/bookings',\n"
            "        headers={'X-Jicoo-Api-Key': sandbox.api_key})\n"
            "    with urllib.request.urlopen(request) as answer:\n"
            "        assert answer.status == 200\n"
        )
        assert f"{PACKAGE}.sandbox.server" in loaded(code)

    def test_the_block_blocks(self):
        with pytest.raises(AssertionError, match="airflow was imported"):
            loaded(BLOCK.format(blocked=("airflow",)) + f"import {PACKAGE}.operators.bookings")

    def test_the_plugin_of_pytest(self, tmp_path):
        """Every run of pytest, of whatever project, imports it where the package is installed."""
        (tmp_path / "test_one.py").write_text(
            "import sys\n\n\ndef test_nothing_heavy_is_loaded(request):\n"
            "    assert request.config.pluginmanager.has_plugin('jicoo_sandbox')\n"
            "    for name in ('airflow', 'fastapi', 'uvicorn', 'pydantic', 'requests', 'aiohttp'):\n"
            "        assert name not in sys.modules, name\n"
            f"    assert '{PACKAGE}.sandbox.pytest_plugin' in sys.modules\n"
        )
        # Only ours: another plugin may load what it likes.
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "jicoo_sandbox", "."]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 passed" in done.stdout
