"""Ten thousand requests of those who mean no good (a tenth, without ``JICOO_LOAD``).

None is an error of ours, none reads or does what its sender may not, none fills the memory, and none of what is private
comes into a log.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import sys
from pathlib import Path

import psutil
import pytest

from tests.plugins.room import asgi, planted
from tests.plugins.room.effects import audit, notes, runs_of_the_undo, told
from tests.plugins.room.hostile import Targets, hand_made

COUNT = 10_000 if os.environ.get("JICOO_LOAD") else 1_000
OTHERS = "xyzzy-of-the-others"
"""Stands in plan, journal and report of the DAG that nobody here may read."""
OUTSIDE = "xyzzy-outside"
"""Stands in a file that is no plan."""
GUEST = "Stefanie Zweig"
"""Stands in the own plan and report: for who may read the logs of the DAG."""
BROKEN = "could not be made to its end"


@pytest.fixture
def rights(monkeypatch):
    """All may read the one DAG; of the two, only the editor may read its logs and edit its runs."""
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    allowed = SimpleAuthManager.is_authorized_dag

    def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
        if details is None or details.id != "room":
            return False
        if user.role == "VIEWER" and access_entity is not None and access_entity.name == "TASK_LOGS":
            return False
        return allowed(self, method=method, user=user, access_entity=access_entity, details=details)

    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", is_authorized_dag)


def plan_of_others(folder):
    owner = {"dagId": "room_of_others", "runId": "r", "taskId": "plan", "mapIndex": -1}
    changes = [planted.change(number, after={"name": OTHERS}) for number in range(3)]
    manifest = planted.write_plan(folder / "others.jsonl", changes, owner=owner, warnings=[OTHERS])
    planted.write_report(manifest, [], endedEarly=OTHERS)
    (planted.write_claim(manifest) / "stopped-000001.json").write_text(f'{{"by": "{OTHERS}", "at": 1}}')
    return manifest


def own_task(folder):
    changes = [planted.change(number, before={"name": GUEST}, after={"name": "booking"}) for number in range(60)]
    manifest = planted.write_plan(folder / "own.jsonl", changes)
    planted.write_report(manifest, [{"uid": "b000001", "action": "update", "outcome": "failed", "detail": GUEST}])
    planted.write_claim(manifest)
    return planted.plant(
        "room", "own", "apply", "running", jicoo_plan=planted.note(manifest), jicoo_progress=planted.progress()
    )


def liars(folder, theirs):
    """Plant tasks of the DAG that all may read, with notes of whoever writes it; return their addresses."""
    outside = folder / "outside.txt"
    outside.write_text(f"{OUTSIDE}\n" * 3)
    (folder / "link.jsonl").symlink_to(theirs["plan"])
    # Plans of their own, beside which they have put what leads elsewhere, or nowhere.
    own, stuck = (planted.write_plan(folder / f"liar_{n}.jsonl", map(planted.change, range(n))) for n in (3, 4))
    download = planted.write_report(own, []) / "outcomes.jsonl"
    download.unlink()
    for name in (download, f"{own['plan']}.control"):
        Path(name).symlink_to(outside)
    (planted.write_claim(own) / "stopped-000001.json").symlink_to(
        Path(f"{theirs['plan']}.{theirs['digest'][:12]}.journal") / "stopped-000001.json"
    )
    report = planted.write_report(stuck, []) / "report.json"
    report.unlink()
    for name in (report, f"{stuck['plan']}.control", planted.write_claim(stuck) / "stopped-000001.json"):
        os.mkfifo(name)
    lies = [
        planted.note(theirs),
        planted.note({**theirs, "plan": str(folder / "link.jsonl")}),
        planted.note({**theirs, "plan": f"{folder}/plans/../others.jsonl"}),
        planted.note({**theirs, "plan": f"file://{theirs['plan']}"}),
        planted.note({**theirs, "plan": str(outside)}),
        planted.note({**theirs, "plan": str(folder)}),
        planted.note({**theirs, "plan": f"{theirs['plan']}.report/report.json"}),
        planted.note(shards_of_others(folder, theirs), shards=1),
        planted.note(own),
        planted.note(stuck),
        {"plan": theirs["plan"], "digest": theirs["digest"]},
        [theirs["plan"]],
    ]
    return [
        planted.plant("room", f"lie_{number}", "apply", "success", jicoo_plan=lie).address
        for number, lie in enumerate(lies)
    ]


def shards_of_others(folder, theirs):
    """Write a plan that says that the others' is a part of it."""
    from airflow_provider_jicoo.bulk.approval import whole_digest
    from airflow_provider_jicoo.bulk.plan.header import dump_header, read_header

    digest = whole_digest([theirs["digest"]])
    path = folder / "other"
    owner = {"dagId": "room", "runId": "r", "taskId": "plan", "mapIndex": -1}
    header = {**read_header(Path(theirs["plan"])), "owner": owner, "warnings": [], "digest": digest}
    path.write_bytes(dump_header({**header, "shards": [Path(theirs["plan"]).name]}))
    return {**theirs, "plan": str(path), "digest": digest}


@pytest.fixture
def targets(room, tmp_path):
    theirs = plan_of_others(tmp_path)
    task = planted.plant(
        "room_of_others",
        "r",
        "apply",
        "running",
        jicoo_plan=planted.note(theirs, approval={"digest": theirs["digest"], "by": OTHERS, "at": ""}),
        jicoo_progress=planted.progress(),
    )
    own = own_task(tmp_path)
    made = Targets(own.address, task.address, liars(tmp_path, theirs))
    made.tasks = [own, task]
    return made


@pytest.fixture
def words(caplog, capfd):
    """Everything that was said anywhere."""
    caplog.set_level(logging.DEBUG)
    return lambda: caplog.text + "".join(capfd.readouterr())


def held():
    """What this process holds: blocks of memory, and megabytes."""
    gc.collect()
    return sys.getallocatedblocks(), psutil.Process().memory_info().rss / 1e6


def seen(who, content):
    """What somebody should not have seen of an answer."""
    text = content.decode(errors="replace")
    private = [OTHERS, OUTSIDE, "root:x:0", "Traceback", BROKEN]
    if who != "editor":
        private.append(GUEST)
    if who == "nobody":
        private += ["b00000", "Ada Lovelace"]
    return [each for each in private if each in text]


@pytest.mark.timeout(1800)
def test_nothing_is_seen_or_done_that_should_not_be(rest_api, person, rights, targets, words):
    people = {"viewer": person("VIEWER"), "editor": person("USER"), "nobody": person(None)}
    proofs = {
        who: [(name.lower().encode(), value.encode()) for name, value in each.headers.items()]
        for who, each in people.items()
    }
    requests = itertools.chain.from_iterable(hand_made(number, targets) for number in itertools.count())

    async def send(number):
        wrong = []
        for hostile in itertools.islice(requests, number):
            status, content = await asgi.ask(rest_api.app, hostile, proofs[hostile.who])
            is_expected = (status in hostile.wanted) if hostile.wanted else (status or 0) < 500
            if not is_expected or seen(hostile.who, content):
                wrong.append((status, seen(hostile.who, content), str(hostile)[:500]))
        return wrong

    assert asyncio.run(send(COUNT // 2)) == []
    # What is made once is made by now.
    blocks, megabytes = held()
    assert asyncio.run(send(COUNT // 2)) == []
    blocks, megabytes = (after - before for after, before in zip(held(), (blocks, megabytes), strict=True))
    assert blocks < 20_000, blocks
    assert megabytes < 30, megabytes
    assert [told(task) for task in targets.tasks] == [None, None]
    assert [notes(task) for task in targets.tasks] == [[], []]
    assert audit() == []
    assert runs_of_the_undo() == []
    said = words()
    assert [each for each in (OTHERS, OUTSIDE, GUEST, planted.HOSTS["u1"]) if each in said] == []
    # And it is none the worse for it.
    assert GUEST in people["editor"].read(targets.own)
    assert people["editor"].tell(targets.own, {"action": "pause"}).status_code == 200


def test_an_application_that_is_no_page(running, rest_api):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), rest_api.websocket_connect(running.address):
        pass
