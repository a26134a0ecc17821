"""Build wheel and sdist twice, see that both are the same bytes, and check them as the package index would.

    python scripts/dist.py dist            # needs the extra "dist"
    python scripts/dist.py dist --unchecked

The time in them is that of the last commit, or SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(folder: str, *options: str) -> None:
    """Build into a folder, which is emptied first."""
    target = Path(folder).resolve()
    with tempfile.TemporaryDirectory() as elsewhere:
        first, second = build(Path(elsewhere, "a")), build(Path(elsewhere, "b"), TZ="Asia/Tokyo", umask=0o077)
        differing = [name for name in first if first[name] != second.get(name)]
        if differing or first.keys() != second.keys():
            sys.exit(f"Two builds differ in {', '.join(differing) or 'their names'}.")
        if "--unchecked" not in options:
            check(Path(elsewhere, "a"))
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(Path(elsewhere, "a"), target)
    for name, digest in sorted(first.items()):
        print(f"{digest}  {target.name}/{name}")


def build(folder: Path, *, umask: int = 0o022, **environment: str) -> dict[str, str]:
    """Build wheel and sdist, and return the SHA-256 of each file by its name."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    known = {**os.environ, "SOURCE_DATE_EPOCH": moment(), **environment}
    done = subprocess.run(command, env=known, umask=umask, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"It cannot be built:\n{done.stdout}{done.stderr}")
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def moment() -> str:
    """Return the time that the files are to have, in seconds since the epoch."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return given
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def check(folder: Path) -> None:
    """Ask twine and check-wheel-contents, whose complaints end it."""
    files = sorted(map(str, folder.iterdir()))
    wheels = [file for file in files if file.endswith(".whl")]
    for command in (["twine", "check", "--strict", *files], ["check_wheel_contents", *wheels]):
        if subprocess.run([sys.executable, "-m", *command], check=False).returncode != 0:
            sys.exit(f"{command[0]} does not accept them.")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
