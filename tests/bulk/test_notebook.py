"""The bulk engine in a notebook: the documented example, within a loop that runs already, and nothing heavy loaded."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import json
import subprocess
import sys
import textwrap
import threading

import pytest

import airflow_provider_jicoo.bulk as bulk
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import dump, read_plan


@pytest.fixture
def sandbox():
    with Sandbox(bookings=80, seed=4) as sandbox:
        yield sandbox


def example():
    """The code in the docstring."""
    code = textwrap.dedent(inspect.getdoc(bulk).split("::", 1)[1].split("\nLight to import", 1)[0])
    assert code.count("plan_changes(") == code.count("apply_plan(") == code.count("plan_undo(") == 1
    return code


def adapted(sandbox):
    """The example on the sandbox: another key and address, and two hosts that exist."""
    code = example()
    leaves, comes = sandbox.users[0]["uid"], sandbox.users[1]["uid"]
    for there, here in (
        ('Settings("sk_live_...")', f'Settings("{sandbox.api_key}", base_url="{sandbox.url}")'),
        ('"leaves"', f'"{leaves}"'),
        ('"takes over"', f'"{comes}"'),
    ):
        assert code.count(there) == 1, there
        code = code.replace(there, here)
    return compile(code, "<the example>", "exec"), leaves


def check(sandbox, before, leaves, printed, folder):
    wanted = [
        row for row in before.values() if row["status"] == "open" and leaves in [h["userId"] for h in row["hosts"]]
    ]
    assert len(wanted) >= 3
    assert f"**{len(wanted)} bookings will be changed**" in printed
    assert f"{len(wanted)} planned changes: {len(wanted)} applied. Report: plan.jsonl.report/report.html" in printed
    assert {file.name for file in folder.iterdir()} >= {"plan.jsonl", "plan.jsonl.report", "undo.jsonl"}
    assert len(read_plan(folder / "undo.jsonl")[1]) == len(wanted)
    for row in wanted:
        assert leaves not in [host["userId"] for host in sandbox.booking(row["uid"])["hosts"]]
    assert sandbox.messages == []


def test_the_example_as_written(sandbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = dump(sandbox)
    code, leaves = adapted(sandbox)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    check(sandbox, before, leaves, printed.getvalue(), tmp_path)


def test_the_example_within_a_running_loop(sandbox, tmp_path, monkeypatch):
    # As in Jupyter, where the thread of the cells has a loop that runs.
    monkeypatch.chdir(tmp_path)
    before = dump(sandbox)
    code, leaves = adapted(sandbox)
    printed = io.StringIO()

    async def cell():
        assert asyncio.get_running_loop().is_running()
        with contextlib.redirect_stdout(printed):
            exec(code, {})
        await asyncio.sleep(0)  # the loop is still good

    threads = threading.active_count()
    asyncio.run(cell())
    check(sandbox, before, leaves, printed.getvalue(), tmp_path)
    assert threading.active_count() <= threads


def test_what_is_shown_in_a_cell(sandbox, tmp_path):
    from tests.bulk.tools import connect

    with connect(sandbox) as jicoo:
        plan = bulk.plan_changes(
            jicoo,
            bulk.Selection(),
            bulk.UpdateFields(name="Jane Doe"),
            tmp_path / "plan.jsonl",
            is_send_updates=False,
        )
    assert plan._repr_markdown_().startswith("**80 bookings will be changed**")
    assert "Jane Doe" not in f"{plan!r} {plan}"
    assert sandbox.api_key not in f"{plan!r} {plan}"


# --- what is loaded --------------------------------------------------------------------------------------------------


def loaded_by(code):
    """The modules that a fresh Python has loaded after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in json.loads(done.stdout)}, set(json.loads(done.stdout))


HEAVY = {"airflow", "aiohttp", "pydantic", "pydantic_core", "requests", "urllib3", "fastapi", "uvicorn", "pendulum"}


def test_the_import_loads_nothing_heavy():
    tops, modules = loaded_by("import airflow_provider_jicoo.bulk")
    assert not tops & HEAVY
    ours = {name for name in modules if name.startswith("airflow_provider_jicoo.bulk")}
    assert ours == {
        "airflow_provider_jicoo.bulk",
        "airflow_provider_jicoo.bulk.changes",
        "airflow_provider_jicoo.bulk.selection",
    }


def test_a_dag_file_that_makes_changes_loads_nothing_heavy():
    code = """
from airflow_provider_jicoo.bulk import Cancel, ReplaceHost, Reschedule, Selection, ShiftTime, UpdateFields
for one in (Cancel(), ReplaceHost("a", "b"), Reschedule("2027-01-01"), ShiftTime(minutes=5), UpdateFields(name="x")):
    str(one), one.describe()
str(Selection(status="open", uids=["a"]))
"""
    assert not loaded_by(code)[0] & HEAVY


def test_applying_does_not_load_airflow():
    code = "from airflow_provider_jicoo.bulk import *\nfrom airflow_provider_jicoo.bulk import plan_undo, merge_reports"
    tops, _ = loaded_by(code)
    assert "aiohttp" in tops
    assert not tops & {"airflow", "fastapi", "uvicorn"}


def test_everything_promised_is_there():
    for name in bulk.__all__:
        assert getattr(bulk, name).__name__ == name
    with pytest.raises(AttributeError, match=r"airflow_provider_jicoo\.bulk' has no attribute 'nothing'"):
        bulk.nothing  # noqa: B018
    assert set(bulk._LATER) <= set(bulk.__all__)
