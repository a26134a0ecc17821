"""Nobody runs the benchmarks at each change: at least all that they import is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_what_they_import_is_there():
    done = subprocess.run(
        [sys.executable, "-c", "import run"], cwd=BENCHMARKS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
