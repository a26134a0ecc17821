"""Measure the figures that the project promises, print them and write them to ``benchmarks/results.md``."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import traceback
from pathlib import Path

import bulk
import clients
import events
import imports
import reading
import room
import running
import transfers
import trigger
import warehouse
import webhooks

RESULTS = Path(__file__).with_name("results.md")
LIBRARIES = ("apache-airflow", "aiohttp", "requests", "pydantic")


def main() -> int:
    lines = ["| what | measured | to reach | reached |", "| --- | --- | --- | --- |"]
    missed, broken = 0, []
    for module in (imports, clients, trigger, events, webhooks, room, running, reading, transfers, warehouse, bulk):
        try:
            for what, measured, wanted, reached in module.run():
                lines.append(f"| {what} | {measured} | {wanted} | {'yes' if reached else '**no**'} |")
                print(lines[-1], flush=True)
                missed += not reached
        except Exception:  # the figures of the others took half an hour
            broken.append(module.__name__)
            lines.append(f"| the rest of benchmarks/{module.__name__}.py | broke off | | **no** |")
            traceback.print_exc()
        RESULTS.write_text("\n".join(["# Figures", "", machine(), "", *lines, ""]))
    print(f"\n{missed} missed; written to {RESULTS.relative_to(Path.cwd())}")
    if broken:
        print(f"broke off, see above: {', '.join(broken)}")
    return len(broken)


def machine() -> str:
    """Describe what the figures were measured on."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    return (
        f"`make bench`, medians, ratios within one run. {os.cpu_count()} cores ({processor()}), "
        f"{platform.system()}, Python {platform.python_version()}, {versions}. The server runs on the same machine."
    )


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
