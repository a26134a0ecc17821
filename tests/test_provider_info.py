"""What Airflow discovers of the package: by the schema, by its own manager, and by its command line."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import types
import warnings
from importlib.metadata import entry_points
from pathlib import Path

import airflow
import jsonschema
import pytest

from airflow_provider_jicoo import __version__
from airflow_provider_jicoo.get_provider_info import get_provider_info

PACKAGE = "airflow_provider_jicoo"

# In a process of its own: the manager is a singleton that keeps what it has found.
MANAGER = """
import json, os, warnings
import airflow_provider_jicoo
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from airflow.providers_manager import ProvidersManager
    manager = ProvidersManager()
    hook = manager.hooks["jicoo"]
    found = {
        "provider": "airflow-provider-jicoo" in manager.providers,
        "hook": [hook.connection_type, hook.hook_class_name, hook.hook_name, hook.connection_id_attribute_name],
        "testable": hook.connection_testable,
        "links": sorted(each for each in manager.extra_links_class_names if "jicoo" in each),
        "triggers": [each.trigger_class_name for each in manager.trigger if "jicoo" in each.trigger_class_name],
    }
ours = os.path.dirname(airflow_provider_jicoo.__file__)
found["warnings"] = [
    str(each.message) for each in caught if each.filename.startswith(ours) or "jicoo" in str(each.message)
]
print(json.dumps(found))
"""


def paths(value):
    """Yield every dotted path of ours in the provider info."""
    if isinstance(value, dict):
        for part in value.values():
            yield from paths(part)
    elif isinstance(value, list):
        for part in value:
            yield from paths(part)
    elif isinstance(value, str) and value.startswith(f"{PACKAGE}."):
        yield value


def test_it_is_what_the_entry_point_names():
    (found,) = [each for each in entry_points(group="apache_airflow_provider") if PACKAGE in each.value]
    assert found.load() is get_provider_info


def test_it_is_valid():
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    info = get_provider_info()
    jsonschema.validate(info, schema)
    assert json.loads(json.dumps(info)) == info


def resolved(path):
    """Return the module, or what is in it, that a dotted path names."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        module, name = path.rsplit(".", 1)
        return getattr(importlib.import_module(module), name)


def test_every_path_in_it_can_be_imported():
    found = sorted(set(paths(get_provider_info())))
    assert len(found) >= 6
    for path in found:
        assert isinstance(resolved(path), types.ModuleType) or callable(resolved(path)), path


def test_every_module_of_the_package_is_in_it():
    """An operator that is in no list is one that Airflow does not know."""
    folder = Path(importlib.import_module(PACKAGE).__file__).parent
    named = set(paths(get_provider_info()))
    for kind in ("operators", "sensors", "triggers", "transfers"):
        for file in (folder / kind).glob("*.py"):
            # Of the transfers, what has operators: beside them stands what they are made of.
            if file.stem not in ("__init__", "base") and (kind != "transfers" or "template_fields" in file.read_text()):
                assert f"{PACKAGE}.{kind}.{file.stem}" in named


def test_importing_it_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importlib.reload(importlib.import_module(f"{PACKAGE}.get_provider_info"))
        for path in paths(get_provider_info()):
            resolved(path)


def test_what_the_manager_finds():
    done = subprocess.run(
        [sys.executable, "-W", f"error:::{PACKAGE}", "-c", MANAGER], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])

    assert found["provider"]
    assert found["hook"] == ["jicoo", f"{PACKAGE}.hooks.jicoo.JicooHook", "Jicoo", "jicoo_conn_id"]
    assert found["testable"] is True
    assert found["links"] == [
        f"{PACKAGE}.links.{name}" for name in ("bookings.EventTypeLink", "bulk.PlanLink", "bulk.ReportLink")
    ]
    names = ("apply", "bookings", "event_types", "events")
    assert sorted(found["triggers"]) == [f"{PACKAGE}.triggers.{name}" for name in names]
    assert found["warnings"] == []
    said = [line.lower() for line in [*done.stdout.splitlines()[:-1], *done.stderr.splitlines()]]
    complaints = [line for line in said if "jicoo" in line and ("[warning" in line or "[error" in line)]
    assert complaints == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("list", ["airflow-provider-jicoo", "Jicoo https://www.jicoo.com, the scheduling service", __version__]),
        ("hooks", ["jicoo", "airflow_provider_jicoo.hooks.jicoo.JicooHook", "Jicoo"]),
        ("links", [f"airflow_provider_jicoo.links.{each}" for each in ("bookings.EventTypeLink", "bulk.PlanLink")]),
    ],
)
def test_what_the_command_line_lists(run_airflow, command, words):
    said = run_airflow("providers", command, "--output", "plain", COLUMNS="300")
    ours = "\n".join(line for line in said.splitlines() if "jicoo" in line.lower())
    for word in words:
        assert word in ours
