"""What a bulk task leaves in Airflow's database for the page of its run."""

from __future__ import annotations

import msgspec
import pytest

from airflow_provider_jicoo.bulk.documents import PlanNote, ProgressNote
from airflow_provider_jicoo.bulk.progress import Progress
from airflow_provider_jicoo.tasks import room

COUNTS = {"digest": "d" * 64, "changes": 3, "unchanged": 1, "guests_notified": 2, "irreversible": 0}
APPROVAL = {"digest": "d" * 64, "by": "Ada", "at": "2027-01-01T00:00:00Z"}


class TaskInstance:
    def __init__(self, fails=False):
        self.pushed, self.fails = {}, fails

    def xcom_push(self, key, value):
        if self.fails:
            raise OSError("somebody's words")
        self.pushed[key] = value


def samples(count):
    return [{"seconds": float(n), "done": n, "requests": n, "refused": 0, "pace": None} for n in range(count)]


def test_a_plan():
    ti = TaskInstance()
    shards = [{**COUNTS, "plan": f"/plans/p.shard-{n}"} for n in range(2000)]
    room.note_plan({"ti": ti}, {**COUNTS, "plan": "/plans/p", "shards": shards}, applies=False)
    note = msgspec.convert(ti.pushed[room.PLAN], PlanNote)
    assert (note["plan"], note["shards"], note["applies"], note["approval"]) == ("/plans/p", 2000, False, None)
    assert len(msgspec.json.encode(note)) < 500, "however many shards there are"


@pytest.mark.parametrize(
    ("approval", "noted"), [(APPROVAL, APPROVAL), ({**APPROVAL, "more": 1}, APPROVAL), ("x", None)]
)
def test_who_agreed(approval, noted):
    ti = TaskInstance()
    room.note_plan({"ti": ti}, {**COUNTS, "plan": "p"}, applies=True, approval=approval, control="how_fast")
    note = msgspec.convert(ti.pushed[room.PLAN], PlanNote)
    assert (note["approval"], note["control"], note["shards"]) == (noted, "how_fast", 1)


def test_a_progress():
    ti = TaskInstance()
    room.note_progress({"ti": ti}, Progress(600, {"applied": 599}, 1.234, 0.8, timeline=samples(601)))
    note = msgspec.convert(ti.pushed[room.PROGRESS], ProgressNote)
    assert (note["total"], note["done"], note["rate"], note["remaining"]) == (600, 599, 1.23, 1)
    assert note["timeline"][-1]["done"] == 600
    assert len(msgspec.json.encode(note)) < 12_000


@pytest.mark.parametrize("count", [0, 1, 2, 119, 120, 121, 240, 241, 601])
def test_the_last_of_many_is_always_there(count):
    thin = room.thinned(list(range(count)))
    assert len(thin) <= room.SAMPLES
    assert thin[-1:] == list(range(count))[-1:]
    assert thin == sorted(thin)


def test_what_cannot_be_stored_ends_no_run(caplog):
    room.note_plan({"ti": TaskInstance(fails=True)}, {**COUNTS, "plan": "p"}, applies=True)
    assert "will not show jicoo_plan" in caplog.text
    assert "somebody's words" not in caplog.text
