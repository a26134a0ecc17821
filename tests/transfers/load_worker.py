"""Loads in processes of their own, to be killed: for each line of JSON on standard input a fork that loads.

    {"url": ..., "key": ..., "name": ..., "credentials": ..., "dataset": ...}

It prints the fork's number, and when the fork has ended, ``done`` or ``failed``. Whatever is imported is so before the
first fork.
"""

from __future__ import annotations

import json
import os
import sys

import dlt
import dlt.destinations.impl.duckdb.duck
import dlt.destinations.impl.postgres.postgres  # noqa: F401
import pyarrow.parquet  # noqa: F401

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.settings import Settings
from tests.transfers.warehouses import Warehouse


def load(job):
    with JicooClient(Settings(job["key"], job["url"])) as client:
        Warehouse(job["name"], job["credentials"], job["dataset"]).load(client, ["bookings", "contacts"])


def main():
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                load(json.loads(line))
                code = 0
            finally:
                os._exit(code)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print("done" if status == 0 else "failed", flush=True)


if __name__ == "__main__":
    main()
