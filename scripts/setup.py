"""Make a virtual environment with Airflow and this package, by the repository's constraints.

    python3 scripts/setup.py 3.3 .venv
    python3 scripts/setup.py floors .venvs/floors   # the lowest versions that pyproject.toml allows
    python3 scripts/setup.py docs .venvs/docs       # Airflow 3.3, and what builds the documentation
    python3 scripts/setup.py fab .venvs/fab         # Airflow 3.3, and its FAB auth manager
    python3 scripts/setup.py celery .venvs/celery   # Airflow 3.3, and what several workers need

Needs nothing but Python; does nothing where the environment is up to date.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: The Pythons that each Airflow supports, by its own metadata: the oldest and the newest one. Sphinx needs a newer one.
PYTHONS = {
    "celery": ((3, 11), (3, 14)),
    "docs": ((3, 11), (3, 14)),
    "fab": ((3, 10), (3, 14)),
    "floors": ((3, 10), (3, 13)),
    "3.1": ((3, 10), (3, 13)),
    "3.2": ((3, 10), (3, 14)),
    "3.3": ((3, 10), (3, 14)),
    "3.4": ((3, 11), (3, 14)),
}
CONSTRAINTS = {
    "celery": ("airflow-3.3.txt", "celery.txt"),
    "docs": ("airflow-3.3.txt", "docs.txt"),
    "fab": ("airflow-3.3.txt", "fab.txt"),
    "floors": ("floors.txt",),
}
EXTRAS = {
    "3.3": "test,test-files",
    "celery": "test,test-files,test-celery",
    "docs": "docs",
    "fab": "test,test-fab",
}


def main(wanted: str, where: str) -> None:
    if wanted not in PYTHONS:
        sys.exit(f"There are no constraints for {wanted}; there are for {', '.join(PYTHONS)}.")
    constraints = [ROOT / "constraints" / file for file in CONSTRAINTS.get(wanted, (f"airflow-{wanted}.txt",))]
    environment = ROOT / where
    python = environment / "bin" / "python"
    stamp = environment / ".installed"
    digest = _digest(*constraints, ROOT / "pyproject.toml")
    installed = stamp.read_text() if stamp.exists() and python.exists() else ""
    if installed == digest:
        return
    _check_python(wanted)
    print(f"Installing Airflow ({constraints[0].stem}) and the package into {where} (a minute or two) ...", flush=True)
    # One that another Python made, or whose installation was broken off, is made anew.
    if installed.split(" ")[1:] != digest.split(" ")[1:]:
        _run([sys.executable, "-m", "venv", "--clear", str(environment)])
    given = [part for file in constraints for part in ("-c", str(file))]
    _run([str(python), "-m", "pip", "install", "-q", *given, "-e", f"{ROOT}[{EXTRAS.get(wanted, 'test')}]"])
    stamp.write_text(digest)


def _digest(*files: Path) -> str:
    version = ".".join(map(str, sys.version_info[:2]))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest() + f" {version}"


def _check_python(wanted: str) -> None:
    version = sys.version_info[:2]
    oldest, newest = PYTHONS[wanted]
    if not oldest <= version <= newest:
        names = ["{}.{}".format(*each) for each in (version, oldest, newest)]
        sys.exit(
            "This is Python {}; Airflow ({}) needs {} to {}. ".format(names[0], wanted, *names[1:])
            + f"Name another one: make PYTHON=python3.12, or PYTHON_{wanted}=python3.12 for this environment alone."
        )
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            sys.exit(f"Python's module {module} is missing; on Debian or Ubuntu: apt install python3-venv")


def _run(command: list[str]) -> None:
    # pip says on standard error what it could not find or reach; that is what a person needs to see.
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(f"This did not work: {' '.join(command)}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
