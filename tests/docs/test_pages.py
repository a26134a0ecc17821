"""What the pages say of the package is so: names, settings, messages, the sandbox of the quickstart."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys

import pytest

from tests.conftest import ROOT
from tests.docs.pages import DOCS, PAGES, blocks

sys.path.insert(0, str(ROOT / "scripts"))

pytestmark = pytest.mark.once
PACKAGE = ROOT / "airflow_provider_jicoo"


def text(name):
    return (DOCS / name).read_text()


def first_cells(name):
    """Yield what the first column of a page's tables has in backticks, one row at a time."""
    for line in text(name).splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield re.findall(r"`([^`]+)`", line[2:].partition(" | ")[0].replace("\\|", "|"))


def said_by(file):
    """Yield the texts of a module, in pieces: what is put into them when it runs is left out."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "…".join(part.value for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_each_message_is_one_of_the_package():
    files = [file for file in PACKAGE.rglob("*.py") if "sandbox" not in file.parts]
    said = "\n".join(piece for file in files for piece in said_by(file))
    # Messages of several texts that are put together: the parts are looked for one by one.
    missing = []
    found = 0
    for cells in first_cells("troubleshooting.md"):
        for cell in cells[:1]:
            pieces = [piece.strip(" ,.;:") for piece in cell.split("...")]
            pieces = [piece for piece in pieces if re.search(r"\w{3}", piece)]
            found += bool(pieces)
            missing += [f"{cell}: {piece}" for piece in pieces if piece not in said]
    assert found > 60
    assert missing == []


def test_every_error_is_on_the_page_of_messages():
    page = text("troubleshooting.md")
    missing = []
    for name in ("api.errors", "bulk.errors"):
        module = importlib.import_module(f"airflow_provider_jicoo.{name}")
        errors = [
            key for key, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module.__name__
        ]
        missing += [key for key in errors if f"`{key}`" not in page]
    # What others are kinds of, and the one whose text is about an argument, which says what to give.
    assert set(missing) <= {"JicooError", "RequestError", "InvalidRequestError"}


def test_the_settings_of_a_connection():
    from airflow_provider_jicoo.hooks.forms import EXTRA_FIELDS

    told = {cell for cells in first_cells("connection.md") for cell in cells}
    assert told >= {field.name for field in EXTRA_FIELDS}


def test_the_inferred_paths():
    from airflow_provider_jicoo.api.paths import INFERRED

    pairs = dict(re.findall(r"^\| `(\w+)` \| `(/v1/\S+)`", text("inferred.md"), re.MULTILINE))
    assert pairs == INFERRED


def test_the_seven_outcomes():
    from airflow_provider_jicoo.bulk.outcomes import Outcome

    section = text("what-can-go-wrong.md").partition("## The seven outcomes")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [outcome.value for outcome in Outcome]


def public_classes():
    """Yield what Airflow discovers of the package, with its module."""
    from airflow_provider_jicoo.get_provider_info import get_provider_info

    info = get_provider_info()
    modules = [
        module
        for kind in ("operators", "sensors", "hooks", "triggers")
        for each in info[kind]
        for module in each["python-modules"]
    ]
    modules += [each["python-module"] for each in info["transfers"]]
    for name in modules:
        for key, value in vars(importlib.import_module(name)).items():
            if inspect.isclass(value) and value.__module__ == name and not key.startswith("_"):
                yield name, key


def test_every_public_name_is_in_the_python_api():
    from airflow_provider_jicoo import assets, bulk, events

    told = set()
    for page in (DOCS / "python-api").glob("*.md"):
        told |= set(re.findall(r"^\.\. auto(?:class|function):: (\w+)$", page.read_text(), re.MULTILINE))
    internal = {"SweepProducer"}  # between the poller's trigger and Airflow
    assert {key for _, key in public_classes()} - told == internal
    others = {"Change", "Stop", "Progress"}  # what all changes are; what an apply of one's own may take
    assert {*assets.__all__, *bulk.__all__, *events.__all__} - told == others


def test_every_operator_has_a_how_to():
    howto = "".join(file.read_text() for file in (DOCS / "howto").glob("*.md"))
    others = text("bulk.md") + text("warehouse.md") + text("warehouse-dlt.md") + text("doctor.md") + text("poller.md")
    missing = [key for _, key in public_classes() if key.endswith(("Operator", "Sensor")) and key not in howto + others]
    sensors = [key for key in missing if key in "".join(file.read_text() for file in (DOCS / "howto").glob("*.py"))]
    assert sorted(missing) == sorted(sensors)


def test_the_quickstart_is_of_the_sandbox_as_it_starts():
    from airflow_provider_jicoo.sandbox import Sandbox, choices
    from airflow_provider_jicoo.sandbox.__main__ import _parser

    page = text("quickstart.md")
    given = _parser().parse_args([])
    assert f"port {given.port}" in page
    assert f"{given.bookings}\nbookings" in page
    assert f'"host": "http://{given.host}:{given.port}", "password": "{choices.API_KEY}"' in page
    with Sandbox(bookings=0, seed=given.seed) as jicoo:
        names = {user["uid"]: user["name"] for user in jicoo.users}
    rows = dict(re.findall(r"\| `(\w{28})` \| (.+?) \|$", page, re.MULTILINE))
    assert len(rows) == 2
    assert rows.items() <= names.items()


def test_the_versions_that_are_tested():
    page = text("compatibility.md")
    for file in (ROOT / "constraints").glob("airflow-*.txt"):
        (version,) = re.findall(r"^apache-airflow==(.+)$", file.read_text(), re.MULTILINE)
        assert f" {version}" in page, file.name


def test_old_names_of_pages_are_kept():
    """The code and what is installed name them."""
    named = set()
    for file in (*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").glob("*.py")):
        named |= set(re.findall(r"\bdocs/[\w/-]+\.(?:md|svg|png)\b", file.read_text()))
    assert len(named) > 3
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


class TestNothingIsLoadedFromElsewhere:
    """What ``make docs`` looks for in what it has built."""

    @pytest.mark.parametrize(
        "page",
        [
            '<script src="https://cdn.example/x.js"></script>',
            '<link rel="stylesheet" href="//fonts.example/x.css">',
            '<img src="http://example.com/x.png">',
            '<div style="background: url(https://example.com/x.png)"></div>',
            '<svg><image xlink:href="https://example.com/x.png"/></svg>',
        ],
    )
    def test_it_is_found(self, page, tmp_path):
        import build_docs

        (tmp_path / "page.html").write_text(page)
        assert len(build_docs.loaded_from_elsewhere(tmp_path)) == 1

    @pytest.mark.parametrize("rule", ["@import 'https://example.com/x.css';", "a { src: url(//example.com/x.woff) }"])
    def test_in_a_style_sheet(self, rule, tmp_path):
        import build_docs

        (tmp_path / "x.css").write_text(rule)
        assert len(build_docs.loaded_from_elsewhere(tmp_path)) == 1

    def test_a_link_is_none(self, tmp_path):
        import build_docs

        (tmp_path / "x.html").write_text('<a href="https://www.jicoo.com">x</a><script src="_static/x.js"></script>')
        assert build_docs.loaded_from_elsewhere(tmp_path) == []


def test_there_are_no_empty_pages():
    assert [page.name for page in PAGES if len(page.read_text()) < 30] == []
    assert sum(len(blocks(page)) for page in PAGES) > 80
