"""Make a virtual environment with Airflow and this package, by the repository's constraints.

    python3 scripts/setup.py 3.3 .venv

Needs nothing but Python; does nothing where the environment is up to date.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = (3, 10), (3, 13)


def main(minor: str, where: str) -> None:
    constraints = ROOT / "constraints" / f"airflow-{minor}.txt"
    if not constraints.exists():
        known = ", ".join(sorted(path.stem.removeprefix("airflow-") for path in constraints.parent.glob("*.txt")))
        sys.exit(f"There are no constraints for Airflow {minor}; there are for {known}.")
    environment = ROOT / where
    python = environment / "bin" / "python"
    stamp = environment / ".installed"
    wanted = _digest(constraints, ROOT / "pyproject.toml")
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return
    _check_python()
    print(f"Installing Airflow {minor} and the package into {where} (a minute or two) ...", flush=True)
    if not python.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(environment)])
    _run([str(python), "-m", "pip", "install", "-q", "-c", str(constraints), "-e", f"{ROOT}[test]"])
    stamp.write_text(wanted)


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest() + f" {sys.version_info[:2]}"


def _check_python() -> None:
    version = sys.version_info[:2]
    if not OLDEST <= version <= NEWEST:
        sys.exit(
            f"This is Python {version[0]}.{version[1]}; Airflow needs 3.10 to 3.13. "
            "Name another one, as in: make PYTHON=python3.12 demo"
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
    main(sys.argv[1], sys.argv[2])
