"""``make demo``, as a person runs it, and as it is when interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import heed_ctrl_c

ROOT = Path(__file__).resolve().parents[1]
# All demos keep their log in the same folder.
pytestmark = [pytest.mark.once, pytest.mark.long, pytest.mark.timeout(300), pytest.mark.xdist_group("demo")]


def start(temporary: Path, before: str = "") -> subprocess.Popen[str]:
    """Start the demo.

    :param before: Python to run before it, with the module at hand as ``demo``.
    """
    code = "\n".join(["import demo, sys", before, "sys.exit(demo.run())"])
    path = os.pathsep.join(filter(None, [str(ROOT / "scripts"), os.environ.get("PYTHONPATH")]))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**environment, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1", "PYTHONPATH": path},
        cwd=temporary,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )


@pytest.mark.proof  # `make demo` shows the same
def test_the_demo_hands_over_every_booking_and_takes_it_back(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        shown, _ = process.communicate(timeout=240)
    assert process.returncode == 0, shown
    handed = re.search(r"(\d+) of \1 bookings were handed over; 0 guests were messaged\.", shown)
    assert handed, shown
    assert int(handed[1]) > 100  # how many are still to come depends on the day
    assert "After the undo, all 2,000 bookings are as they were." in shown
    assert shown.count("answered through Airflow's REST API: Approve") == 2
    assert shown.count(f"{handed[1]} planned changes: {handed[1]} applied") == 2
    assert shown.count(f"{handed[1]} bookings will be changed") == 2, "the plan as a person sees it"
    for dag in ("jicoo_bulk_reassign_host", "jicoo_undo_last_run"):
        (report,) = re.findall(rf"build/demo/plans/{dag}/\S+\.report/report\.html", shown)
        assert (ROOT / report).stat().st_size > 1_000
    trouble = re.search(r"(\d+) changes failed, .* (\d+) were made while .* lost: \2 of these were recovered", shown)
    assert trouble, shown
    assert int(trouble[2]) > 0
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


@pytest.mark.proof
@pytest.mark.parametrize(
    ("signum", "moment"), [(signal.SIGINT, "Making a throw-away Airflow"), (signal.SIGTERM, "answered through")]
)
def test_an_interrupted_demo_stops_what_it_started(tmp_path: Path, signum: signal.Signals, moment: str) -> None:
    with start(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if moment in line:
                break
        process.send_signal(signum)
        rest = process.stdout.read()  # ends when nobody has the pipe open any more
        process.wait(30)
    assert "Interrupted: everything the demo started is stopped." in rest
    assert process.returncode == 1
    assert list(tmp_path.iterdir()) == []


NOBODY_ANSWERS = """
begin = demo.Steps.begin
def begin_shortly(self, name):
    demo.LIMIT = 5 if name.startswith("answer") else 240
    begin(self, name)
demo.Steps.begin = begin_shortly
demo.Person.look = lambda self: None
"""


@pytest.mark.proof
@pytest.mark.parametrize(
    ("before", "step"),
    [
        ("demo.LIMIT = 0.1", "make Airflow's database"),
        (NOBODY_ANSWERS, "answer what the DAG jicoo_bulk_reassign_host asks"),
    ],
)
def test_a_step_that_takes_too_long_ends_the_demo(tmp_path: Path, before: str, step: str) -> None:
    with start(tmp_path, before) as process:
        shown, _ = process.communicate(timeout=240)
    assert process.returncode == 1
    assert f"s: {step}" in shown.splitlines()[-1]
    assert "The whole log is" in shown
    assert list(tmp_path.iterdir()) == []
