"""What is written on a local disk is for this user alone: a plan holds what guests have booked."""

from __future__ import annotations

import os
import stat

import pytest

from airflow_provider_jicoo.bulk import Selection, UpdateFields, apply_plan, merge_reports, plan_changes
from airflow_provider_jicoo.bulk.files import create, make_folder, try_to_write, write_durably, written_durably
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import connect


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_plan_journal_and_report(tmp_path, umask):
    with Sandbox(bookings=3, seed=7) as sandbox:
        path = tmp_path / "new" / "deep" / "plan.jsonl"
        with connect(sandbox) as client:
            change = UpdateFields(priority="high")
            plan = plan_changes(client, Selection(status="open"), change, path=path, is_send_updates=False)
            report = apply_plan(client, plan)
        merge_reports([report.path], tmp_path / "merged")

    made = [each for each in tmp_path.rglob("*")]
    assert {mode(each) for each in made if each.is_file()} == {0o600}
    assert {mode(each) for each in made if each.is_dir()} == {0o700}
    assert {"plan.jsonl", "report.json", "outcomes.jsonl", "report.html"} <= {each.name for each in made}
    assert any(each.name.startswith("claim-") for each in made)


@pytest.mark.parametrize("write", [write_durably, lambda path, content: replace(path, content)])
def test_what_stood_there_with_another_mode(tmp_path, umask, write):
    (tmp_path / "x").write_bytes(b"before")
    (tmp_path / "x").chmod(0o666)
    write(tmp_path / "x", b"after")

    assert (mode(tmp_path / "x"), (tmp_path / "x").read_bytes()) == (0o600, b"after")


def replace(path, content):
    with written_durably(path) as file:
        file.write(content)


def test_a_folder_that_is_there_stays_as_it_is(tmp_path, umask):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o775)
    make_folder(tmp_path / "shared" / "own" / "one")
    with create(tmp_path / "shared" / "own" / "one" / "file"):
        pass

    assert mode(tmp_path / "shared") == 0o775
    assert {mode(each) for each in (tmp_path / "shared").rglob("*")} == {0o700, 0o600}


def test_what_is_tried_leaves_nothing(tmp_path, umask):
    try_to_write(tmp_path / "a" / "b" / "plan.jsonl")

    assert list(tmp_path.iterdir()) == []


def test_no_folder_where_a_file_is(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "x" / "y")
