"""What parsing a DAG file pays for importing an operator module, after Airflow itself."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 9
EXAMPLES = Path(__file__).resolve().parent.parent / "example_dags"
BULK = (
    "airflow_provider_jicoo.operators.bulk",
    "airflow_provider_jicoo.operators.approval",
    "airflow_provider_jicoo.bulk",
    "airflow_provider_jicoo.decorators.bulk",
)
TIMED = """
import time, airflow.sdk
start = time.perf_counter()
import {modules}
print(time.perf_counter() - start)
"""
# What an example loads of Airflow is loaded first; what is new after it is the package's doing.
LOADED = """
import runpy, sys
import airflow.sdk, airflow.providers.standard.decorators.sensor, airflow.providers.standard.decorators.python
import airflow.providers.common.compat.sdk
heavy = ("requests", "aiohttp", "airflow_provider_jicoo.api.models")
before = set(sys.modules)
runpy.run_path({path!r})
print(",".join(name for name in heavy if name in sys.modules and name not in before) or "none")
"""


def run() -> Iterator[tuple[str, str, str, bool]]:
    """Yield rows: what, measured, at most, reached."""
    ours = milliseconds("airflow_provider_jicoo.operators.bookings")
    other = milliseconds("airflow.providers.standard.operators.python")
    yield (
        "import of our operators.bookings after airflow.sdk, beside airflow.providers.standard.operators.python",
        f"{ours:.1f} against {other:.1f} ms",
        "under 50 ms",
        ours < 50,
    )
    bulk = milliseconds(*BULK)
    yield (
        "import of what a DAG file with all bulk operators imports, after airflow.sdk",
        f"{bulk:.1f} ms",
        "under 50 ms",
        bulk < 50,
    )
    for path in sorted(EXAMPLES.glob("*.py")):
        loaded = python(LOADED.format(path=str(path)))
        yield (
            f"of requests, aiohttp and our models, loaded by parsing {path.name}",
            loaded,
            "none",
            loaded == "none",
        )


def milliseconds(*modules: str) -> float:
    """Return the median time to import some modules, in fresh processes."""
    code = TIMED.format(modules=", ".join(modules))
    return 1000 * statistics.median(float(python(code)) for _ in range(ROUNDS))


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]
