"""The pages of the documentation as the tests see them: their headings, links and code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

DOCS = ROOT / "docs"
#: The pages that ``make docs`` builds.
BUILT = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
#: These and the front page of the repository, whose words are tested as well.
PAGES = [ROOT / "README.md", *BUILT]

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|:{3,})(?P<info>.*)$")
_HEADING = re.compile(r"^#{1,6} (?P<words>.+?) *$")
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")
_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True)
class Block:
    """A block of code.

    :param language: the word behind the fence; of a directive its name in braces.
    :param argument: what stands behind a directive's name.
    """

    page: Path
    line: int
    language: str
    argument: str
    text: str

    @property
    def where(self) -> str:
        """For the id of a test: the same in each process."""
        return f"{name(self.page)}:{self.line}"

    def option(self, key: str) -> str | None:
        """Return an option of a directive, without quotes."""
        found = re.search(rf"^:{key}: *(.*)$", self.text, re.MULTILINE)
        return None if found is None else found[1].strip().strip('"')


def name(page: Path) -> str:
    """Return the path of a page within the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return all blocks of a page that backticks fence."""
    found, opened, text = [], None, []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None and fence and fence["fence"].startswith("`"):
            opened, text = (number, fence), []
        elif opened is not None and line.strip() == opened[1]["fence"]:
            language, _, argument = opened[1]["info"].strip().partition(" ")
            indent = len(opened[1]["indent"])
            words = "\n".join(row[indent:] for row in text) + "\n"
            found.append(Block(page, opened[0], language, argument, words))
            opened = None
        elif opened is not None:
            text.append(line)
    assert opened is None, f"{name(page)}:{opened[0]}: a block without an end"
    return found


def prose(page: Path) -> str:
    """Return a page without what its blocks of code have."""
    text = page.read_text()
    for block in blocks(page):
        text = text.replace(block.text, "\n")
    return text


def anchors(page: Path) -> set[str]:
    """Return what a link can name of a page: its headings, as code hosts and MyST write them."""
    found: set[str] = set()
    for line in prose(page).splitlines():
        if heading := _HEADING.match(line):
            words = re.sub(r"[`*]", "", heading["words"]).lower()
            slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
            found.add(slug)
    return found


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures."""
    return [link["target"] for link in _LINK.finditer(_CODE.sub("``", prose(page)))]
