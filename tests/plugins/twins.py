"""Stores the same events from several processes and threads at once, and prints what each call said.

Run with the environment of an Airflow on PostgreSQL, and a folder of DAGs.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

EVENTS, PROCESSES, THREADS = 15, 3, 4
URI = "jicoo://jicoo_default/bookings"
LONG_AGO = datetime(2026, 1, 1, tzinfo=timezone.utc)


def prepare(folder):
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import DagBag, sync_bag_to_db

    with create_session() as session:
        session.merge(DagBundleModel(name="webhooks"))
    sync_bag_to_db(DagBag(folder), "webhooks", None)
    with create_session() as session:
        session.execute(update(DagModel).values(is_paused=False))


def store(barrier, answers):
    from airflow_provider_jicoo.plugins import airflow_internals as internals

    def one(number):
        said = [f"run {internals.start_dag_run('webhook_first', f'jicoo__{number}', {})}"]
        if internals.has_partitions():
            said.append(f"partition {internals.emit_partition(URI, f'event{number}', {}, LONG_AGO)}")
        internals.wake(URI, {})
        return [*said, "woken"]

    barrier.wait(60)
    with ThreadPoolExecutor(THREADS) as pool:
        # Each event from several threads of each process, side by side.
        answers.put(
            [said for each in pool.map(one, [n for n in range(EVENTS) for _ in range(THREADS)]) for said in each]
        )


def stored():
    from airflow.models.asset import AssetEvent
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        runs = session.scalars(select(DagRun.run_id)).all()
        keys = [getattr(event, "partition_key", None) for event in session.scalars(select(AssetEvent))]
    return {"runs": sorted(runs), "keys": sorted(key for key in keys if key), "plain": keys.count(None)}


if __name__ == "__main__":
    processes = multiprocessing.get_context("spawn")
    prepare(sys.argv[1])
    barrier, answers = processes.Barrier(PROCESSES), processes.Queue()
    started = [processes.Process(target=store, args=(barrier, answers)) for _ in range(PROCESSES)]
    for each in started:
        each.start()
    said = Counter(word for _ in started for word in answers.get(timeout=120))
    for each in started:
        each.join(60)
    print(json.dumps({"said": said, **stored()}))
