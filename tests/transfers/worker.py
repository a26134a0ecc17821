"""Loads in a process of its own, to be killed: for each line of JSON on standard input a fork that loads.

It prints the fork's number, and when the fork has ended by itself, ``done`` or ``failed``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pyarrow.parquet  # noqa: F401 (before the forks: it takes half a second)

from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.transfers.load import Order, load
from airflow_provider_jicoo.transfers.resources import BOOKINGS


def main():
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            settings = Settings(asked["key"], asked["url"], page_size=20)
            load(settings, Order(BOOKINGS, Path(asked.pop("path")), **asked["order"]))
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print("done" if status == 0 else "failed", flush=True)


if __name__ == "__main__":
    main()
