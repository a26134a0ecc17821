"""Wheel and sdist: the same bytes each time, and the version in one place."""

from __future__ import annotations

import importlib.util
import re
import tarfile
from pathlib import Path

import pytest

from airflow_provider_jicoo import __version__

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "dist.py"

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def dist():
    spec = importlib.util.spec_from_file_location("dist_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", autouse=True)
def _moment():
    # A source that is no clone has no last commit.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1767225600")
        yield


def test_two_builds_are_the_same(dist, tmp_path, capsys):
    dist.main(str(tmp_path / "dist"), "--unchecked")
    names = {file.name for file in (tmp_path / "dist").iterdir()}
    assert names == {
        f"airflow_provider_jicoo-{__version__}-py3-none-any.whl",
        f"airflow_provider_jicoo-{__version__}.tar.gz",
    }
    assert len(re.findall(r"^[0-9a-f]{64}  dist/", capsys.readouterr().out, re.MULTILINE)) == 2
    with tarfile.open(tmp_path / "dist" / f"airflow_provider_jicoo-{__version__}.tar.gz") as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
        assert {member.mtime for member in archive.getmembers()} == {1767225600}
    assert {"LICENSE", "README.md", "pyproject.toml", "airflow_provider_jicoo/__init__.py"} <= inside
    assert not [name for name in inside if name.startswith((".venv", "dist", "build/"))]


def test_builds_that_differ_end_it(dist, tmp_path, monkeypatch):
    digests = iter([{"a.whl": "1"}, {"a.whl": "2"}])
    monkeypatch.setattr(dist, "build", lambda folder, **_: next(digests))
    with pytest.raises(SystemExit, match=r"differ in a\.whl"):
        dist.main(str(tmp_path / "dist"))


def test_the_version_stands_in_one_place():
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()
    literal = f'"{__version__}"'
    holders = [
        str(file.relative_to(ROOT))
        for folder in ("airflow_provider_jicoo", "scripts")
        for file in (ROOT / folder).rglob("*.py")
        if literal in file.read_text()
    ]
    assert holders == ["airflow_provider_jicoo/__init__.py"]
