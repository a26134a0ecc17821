"""``make demo``, as a person runs it, and as it is when interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


def start(temporary: Path) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "demo.py")],
        env={**environment, "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"},
        cwd=temporary,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_the_demo_hands_over_every_booking_and_takes_it_back(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        shown, _ = process.communicate(timeout=240)
    assert process.returncode == 0, shown
    handed = re.search(r"(\d+) of \1 bookings were handed over; 0 guests were messaged\.", shown)
    assert handed, shown
    assert int(handed[1]) > 100  # how many are still to come depends on the day
    assert "After the undo, all 2,000 bookings are as they were." in shown
    assert shown.count("approved, through Airflow's REST API") == 2
    assert f"planned changes: {handed[1]} applied" in shown
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


@pytest.mark.parametrize(
    ("signum", "moment"), [(signal.SIGINT, "$ airflow dags test"), (signal.SIGTERM, "approved, through")]
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
