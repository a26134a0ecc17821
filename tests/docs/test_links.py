"""Links within the documentation lead somewhere, each page is reached, and what is quoted is there."""

from __future__ import annotations

import hashlib
import re

import pytest

from tests.conftest import ROOT
from tests.docs.pages import BUILT, DOCS, PAGES, anchors, blocks, links, name

pytestmark = pytest.mark.once


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    wrong = []
    for target in links(page):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        if not to.exists() or not to.is_relative_to(ROOT):
            wrong.append(target)
        elif anchor and anchor not in anchors(to):
            wrong.append(f"{target}: there are {sorted(anchors(to))}")
    assert wrong == []


@pytest.mark.parametrize("page", BUILT, ids=name)
def test_no_link_of_a_built_page_leaves_the_documentation(page):
    """A reader of the built pages has no repository beside them."""
    inside = [target.partition("#")[0] for target in links(page) if "://" not in target]
    assert [path for path in inside if not (page.parent / path).resolve().is_relative_to(DOCS)] == []


def test_each_page_is_in_the_tree():
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for block in blocks(page):
            if block.language == "{toctree}":
                entries = [line for line in block.text.splitlines() if line and not line.startswith(":")]
                named = [re.sub(r"^.* <(.+)>$", r"\1", entry) for entry in entries]
                waiting += [page.parent / f"{entry}.md" for entry in named]
    assert reached == set(BUILT)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_is_quoted_is_there(page):
    for block in blocks(page):
        if block.language not in ("{literalinclude}", "{include}"):
            continue
        file = (page.parent / block.argument).resolve()
        assert file.is_file(), f"{block.where}: {block.argument}"
        for option in ("start-after", "end-before"):
            marker = block.option(option)
            assert marker is None or file.read_text().count(f"{marker}\n") == 1, f"{block.where}: {marker}"


def test_all_quoted_code_is_of_files_that_are_tested():
    """The example DAGs and those of the how-to pages run in the tests; the rest is tests."""
    tested = [ROOT / "example_dags", DOCS / "howto", ROOT / "tests"]
    quoted = {
        (page.parent / block.argument).resolve()
        for page in PAGES
        for block in blocks(page)
        if block.language == "{literalinclude}"
    }
    assert len(quoted) > 10
    assert [file for file in quoted if not any(file.is_relative_to(folder) for folder in tested)] == []
    assert {file for file in (DOCS / "howto").glob("*.py")} <= quoted
    assert {file for file in (ROOT / "example_dags").glob("*.py")} <= quoted


def test_the_drawn_diagram_is_that_of_the_page():
    """The built page shows a picture of it: drawing it in the browser would need a script of 3 MB."""
    (diagram,) = [block for block in blocks(DOCS / "one-change.md") if block.language == "mermaid"]
    picture = (DOCS / "one-change.svg").read_text()
    digest = hashlib.sha256(diagram.text.encode()).hexdigest()
    assert f"SHA-256 {digest} " in picture, "docs/one-change.svg is of another diagram: draw it anew (CONTRIBUTING.md)"
