"""What Airflow's registry of providers is told: complete, and of what there is."""

from __future__ import annotations

import ast
import importlib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from airflow_provider_jicoo.get_provider_info import get_provider_info

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_provider_jicoo"
KINDS = ("operators", "sensors", "transfers", "hooks", "triggers")

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def registry():
    return yaml.safe_load((ROOT / ".airflow-registry.yaml").read_text())


def test_it_says_what_the_package_says(registry):
    info = get_provider_info()
    assert registry["package-name"] == info["package-name"]
    assert registry["display-name"] == info["name"]


def is_public_task(kind, found):
    """Tell whether users make tasks of a class: of the transfers, those too that are not called operators."""
    if not isinstance(found, ast.ClassDef) or found.name.startswith("_"):
        return False
    if kind == "transfers":
        return "template_fields" in ast.unparse(found) and "def __init__" in ast.unparse(found)
    return found.name.endswith(("Operator", "Sensor"))


def test_all_operators_and_sensors_are_there(registry):
    kinds = ("operators", "sensors", "transfers")
    assert {entry["module"] for kind in kinds for entry in registry[kind]} == {
        f"{PACKAGE}.{kind}.{file.stem}.{found.name}"
        for kind in kinds
        for file in (ROOT / PACKAGE / kind).glob("*.py")
        if file.stem != "base"
        for found in ast.parse(file.read_text()).body
        if is_public_task(kind, found)
    }


def test_each_of_them_exists_and_is_described(registry):
    for kind in KINDS:
        for entry in registry[kind]:
            module, name = entry["module"].rsplit(".", 1)
            assert isinstance(getattr(importlib.import_module(module), name), type), entry
            assert 10 < len(entry["description"]) <= 200, entry


def test_the_logo_is_a_small_picture_and_nothing_else(registry):
    file = ROOT / registry["logo"]
    assert file.stat().st_size < 2_000
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(file).iter()}
    assert tags == {"svg", "rect", "path"}
    assert file.read_text().count("http") == 1  # the name space


def test_how_to_guides_are_pages_that_exist():
    guides = [entry["how-to-guide"] for entry in get_provider_info()["transfers"]]
    assert guides
    for guide in guides:
        assert guide.startswith("/docs/")
        assert (ROOT / guide.lstrip("/")).is_file()
