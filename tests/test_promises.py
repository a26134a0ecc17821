"""Each promise names a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROMISES = (ROOT / "docs" / "promises.md").read_text()

pytestmark = pytest.mark.once


def named():
    """The files and tests that the page names."""
    for row in PROMISES.splitlines():
        file = ""
        for name in re.findall(r"`((?:tests/\S+\.py)?(?:::\w+)*)`", row):
            file, *parts = [name.partition("::")[0] or file, *name.split("::")[1:]]
            for part in parts or [""]:
                if file:
                    yield file, part


@pytest.mark.parametrize(("file", "test"), sorted(set(named())))
def test_it_is_there(file, test):
    text = (ROOT / file).read_text()
    assert not test or re.search(rf"(def|class) {test}\b", text), f"{file} has no {test}"


def test_there_are_many():
    assert len(set(named())) > 25
