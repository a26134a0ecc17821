"""Run the tests that failed in the last run once more, one at a time: ``python scripts/again.py [options]``.

pytest's own ``--last-failed`` loses those that are in a group of xdist as soon as one that is in none has failed, too:
it looks for their names, behind which the group stands, before the group is there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")


def without_group(name: str) -> str:
    """Return the name of a test without its group: ``test_it[a@b]@group`` is ``test_it[a@b]``."""
    return name if name.endswith("]") else name.rpartition("@")[0] or name


def main(*options: str) -> int:
    known = json.loads(LAST_FAILED.read_text()) if LAST_FAILED.exists() else {}
    names = list(dict.fromkeys(map(without_group, known)))
    if not names:
        print("No test failed by its name: there is nothing that could be run once more.")
        return 1
    return subprocess.call([sys.executable, "-m", "pytest", "-n", "0", *options, *names])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
