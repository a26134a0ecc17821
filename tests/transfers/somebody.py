"""Somebody else, who makes, moves, edits and cancels bookings while they are read; and what the truth was when."""

from __future__ import annotations

import csv
import json
import random
import threading
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow_provider_jicoo.transfers.csv_text import original

FROM = datetime(2026, 2, 1, tzinfo=timezone.utc)


class Somebody:
    """Changes bookings of a sandbox in a thread of their own, and remembers every state of each booking.

    :param pause: seconds between two changes.
    """

    def __init__(self, sandbox, seed, pause=0.001):
        self.sandbox = sandbox
        self.chance = random.Random(seed)
        self.pause = pause
        self.states = defaultdict(list)
        for booking in sandbox.bookings():
            self.states[booking["uid"]].append(booking)
        self.uids = list(self.states)
        self.done = 0

    def __enter__(self):
        self.before = {uid: len(states) - 1 for uid, states in self.states.items()}
        self.made_before = self.done
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._work)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _work(self):
        while not self.over.wait(self.pause):
            self.change()

    def change(self):
        sandbox, chance = self.sandbox, self.chance
        kind = chance.choice(("make", "move", "edit", "cancel"))
        if kind == "make":
            start = FROM + timedelta(minutes=30 * chance.randrange(5000))
            booking = sandbox.add_booking(name=f"新 {self.done}", startedAt=start)
            self.uids.append(booking["uid"])
        else:
            uid = chance.choice(self.uids)
            fields = {"priority": chance.choice(("low", "middle", "high")), "name": f"edited {self.done}"}
            if kind == "move":
                start = FROM + timedelta(minutes=30 * chance.randrange(5000))
                fields = {"startedAt": start, "endedAt": start + timedelta(minutes=30)}
            elif kind == "cancel":
                fields = {"status": "cancel"}
            booking = sandbox.edit(uid, **fields)
        self.states[booking["uid"]].append(booking)
        self.done += 1

    def check(self, rows, meant=lambda booking: True):
        """See that rows are the truth: each booking once, as it was at some moment since the last ``with`` began.

        :param meant: tells which bookings are to be there: those that were meant throughout must be.
        """
        found = {row["uid"]: row for row in rows}
        assert len(found) == len(rows), "a booking is there twice"
        throughout = {uid for uid, first in self.before.items() if all(map(meant, self.states[uid][first:]))}
        assert throughout <= set(found), "a booking is lost"
        for uid, row in found.items():
            possible = self.states[uid][self.before.get(uid, 0) :]
            assert row in possible, f"{uid} never was so in this run"
            assert meant(row), f"{uid} is not meant"


def wire(moment):
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def read_jsonl(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def read_csv(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    raw = Path(path).read_bytes().decode("utf-8-sig")
    names = rows[0]
    found = []
    for values in rows[1:]:
        row = {}
        for name, value in zip(names, values, strict=True):
            # An empty text would be in quotes; the sandbox has none.
            text = original(value) if value else None
            row[name] = json.loads(text) if name in ("hosts", "_extra", "contacts") and text else text
        found.append(row)
    assert raw.endswith("\r\n")
    return found


def read_parquet(path):
    import pyarrow.parquet

    found = []
    for row in pyarrow.parquet.ParquetFile(path).read().to_pylist():
        made = {name: wire(value) if isinstance(value, datetime) else value for name, value in row.items()}
        found.append({**made, "hosts": json.loads(made["hosts"]) if made["hosts"] else None})
    return found


READERS = {"jsonl": read_jsonl, "csv": read_csv, "parquet": read_parquet}


def read_file(path, kind):
    """Return the rows of a file as Jicoo would give them."""
    rows = READERS[kind](path)
    assert {row.pop("_extra") for row in rows} <= {None}
    return rows


def read_days(folder, kind):
    """Return the rows of a folder of days, each of which is in the file of its day."""
    rows = []
    for file in sorted(Path(folder).glob(f"*/bookings.{kind}")):
        some = read_file(file, kind)
        assert {f"startedAt_date={row['startedAt'][:10]}" for row in some} == {file.parent.name}
        rows += some
    return rows
