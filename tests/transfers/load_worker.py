"""One load in a process of its own, to be killed.

    python -m tests.transfers.load_worker '{"url": ..., "key": ..., "name": ..., "credentials": ..., "dataset": ...}'

It says ``ready`` when everything is imported, begins at the first line on stdin, and says ``done`` at the end.
"""

from __future__ import annotations

import json
import sys

import dlt  # noqa: F401 (before it is ready)

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.settings import Settings
from tests.transfers.warehouses import Warehouse


def main(job):
    print("ready", flush=True)
    sys.stdin.readline()
    with JicooClient(Settings(job["key"], job["url"])) as client:
        Warehouse(job["name"], job["credentials"], job["dataset"]).load(client, ["bookings", "contacts"])
    print("done", flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
