"""What a note in Airflow's database opens: the plan that it says, of a DAG that the viewer may read; no other file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.plugins.room import planted

SECRET = "root:x:0:0"


def page_of(viewer, note, run_id="r", state="success", **xcoms):
    return viewer.read(planted.plant("room", run_id, "apply", state, jicoo_plan=note, **xcoms).address)


@pytest.fixture
def manifest(room, tmp_path):
    return planted.write_plan(tmp_path / "plan.jsonl", map(planted.change, range(3)))


def test_what_is_not_there(viewer, manifest):
    os.unlink(manifest["plan"])
    text = page_of(viewer, planted.note(manifest), jicoo_progress=planted.progress())
    assert "Airflow&#39;s API server cannot read it" in text
    # What the database has is shown all the same.
    assert manifest["plan"] in text
    assert "Ada Lovelace" in text
    assert "1</b>stale" in text.replace("\n", "")
    assert "b000001" not in text


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/environ",
        "/",
        ".",
        "",
        "\0",
        "/etc/passwd\0.jsonl",
        "x" * 5000,
        "http://127.0.0.1:1/plan",
        "https://169.254.169.254/latest/meta-data/",
        "ftp://127.0.0.1/plan",
        "s3://bucket/plan",
        "s3://no_such_conn@bucket/plan",
        "memory://plan",
        "zip://plan.jsonl::/tmp/x.zip",
        "github://owner:repo@main/plan",
        "://",
        "file://",
    ],
    ids=lambda path: repr(path)[:30],
)
def test_other_files_are_not_read(viewer, manifest, path):
    text = page_of(viewer, planted.note(manifest, plan=path))
    assert "cannot read it" in text
    assert SECRET not in text
    assert "b000001" not in text


def test_a_pipe_is_not_waited_for(viewer, manifest, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "cannot read it" in page_of(viewer, planted.note(manifest, plan=str(tmp_path / "pipe")))


def test_what_is_there_and_what_is_not_are_told_apart_by_nothing(viewer, manifest, tmp_path):
    (tmp_path / "file_1").write_text("something else")
    texts = [
        page_of(viewer, planted.note(manifest, plan=str(tmp_path / name)), run_id=name).replace(name, "NAME")
        for name in ("file_1", "file_2")
    ]
    for text in texts:
        assert "cannot read it" in text
    says = [text[text.index("cannot read it") :][:200] for text in texts]
    assert says[0] == says[1]


def test_a_plan_of_another_digest(viewer, manifest):
    text = page_of(viewer, planted.note(manifest, digest="0" * 64))
    assert "cannot read it" in text
    assert "b000001" not in text


def test_a_plan_of_another_dag(viewer, room, tmp_path, only):
    """Whoever may write an XCom of one DAG would have the API server read the plans of all."""
    owner = {"dagId": "room_of_others", "runId": "r", "taskId": "plan", "mapIndex": -1}
    manifest = planted.write_plan(tmp_path / "plan.jsonl", map(planted.change, range(3)), owner=owner)
    task = planted.plant("room", "r", "apply", "success", jicoo_plan=planted.note(manifest))
    assert "b000001" in viewer.read(task.address)
    only(dag_ids={"room"})
    text = viewer.read(task.address)
    assert "cannot read it" in text
    assert "b000001" not in text


def test_a_plan_that_was_changed_after_it_was_made(viewer, manifest):
    path = Path(manifest["plan"])
    path.write_text(path.read_text().replace("b000001", "b999999"))
    text = page_of(viewer, planted.note(manifest))
    assert "is not that of its digest" in text
    assert "b999999" not in text


def test_shards_one_after_the_other(viewer, room, tmp_path):
    from airflow_provider_jicoo.bulk.approval import whole_digest
    from airflow_provider_jicoo.bulk.plan.header import dump_header

    parts = [
        planted.write_plan(tmp_path / f"plan.jsonl.shard-{number}", [planted.change(number)]) for number in range(3)
    ]
    digest = whole_digest(part["digest"] for part in parts)
    whole = {**parts[0], "plan": str(tmp_path / "plan.jsonl"), "digest": digest, "changes": 3}
    header = json.loads(Path(parts[0]["plan"]).read_bytes().splitlines()[0])
    names = [Path(part["plan"]).name for part in parts]
    for shards, is_shown in ((names, True), (["../../etc/passwd"], False), (names[:2], False), ([7, 7, 7, 7], False)):
        told = {**header, "digest": digest, "changes": 3, "shards": shards}
        del told["terms"]
        (tmp_path / "plan.jsonl").write_bytes(dump_header(told))
        text = page_of(viewer, planted.note(whole, shards=3, applies=False), run_id=f"r{len(shards)}-{is_shown}")
        assert all((f"b00000{number}" in text) == is_shown for number in range(3)), shards


def test_a_shard_that_is_the_plan_of_another_dag(viewer, room, tmp_path):
    from airflow_provider_jicoo.bulk.approval import whole_digest
    from airflow_provider_jicoo.bulk.plan.header import dump_header, read_header

    owner = {"dagId": "room_of_others", "runId": "r", "taskId": "plan", "mapIndex": -1}
    theirs = planted.write_plan(tmp_path / "plan.jsonl", map(planted.change, range(3)), owner=owner)
    header = {**read_header(Path(theirs["plan"])), "owner": {**owner, "dagId": "room"}, "shards": ["plan.jsonl"]}
    header["digest"] = whole_digest([theirs["digest"]])
    (tmp_path / "plan").write_bytes(dump_header(header))
    text = page_of(viewer, planted.note({**theirs, "plan": str(tmp_path / "plan"), "digest": header["digest"]}))
    assert "is not that of its digest" in text
    assert "b000001" not in text


class TestBesideAPlan:
    """Whoever writes DAGs can put there what they like, and the API server may be another user than the workers."""

    @pytest.fixture
    def outside(self, tmp_path):
        file = tmp_path / "outside.txt"
        file.write_text(SECRET)
        return file

    def test_a_link_is_not_followed(self, editor, manifest, outside):
        download = planted.write_report(manifest, []) / "outcomes.jsonl"
        task = planted.plant("room", "r", "apply", "success", jicoo_plan=planted.note(manifest))
        assert editor.get(f"{task.address}/files/outcomes.jsonl").status_code == 200
        download.unlink()
        download.symlink_to(outside)
        answer = editor.get(f"{task.address}/files/outcomes.jsonl")
        assert (answer.status_code, SECRET in answer.text) == (404, False)

    def test_a_link_in_the_journal_is_not_followed(self, editor, manifest, tmp_path):
        (tmp_path / "other.json").write_text(json.dumps({"by": SECRET, "at": 1}))
        (planted.write_claim(manifest) / "stopped-000001.json").symlink_to(tmp_path / "other.json")
        assert SECRET not in page_of(editor, planted.note(manifest))

    def test_a_pipe_is_not_waited_for(self, editor, manifest):
        folder = planted.write_report(manifest, [])
        for path in (folder / "outcomes.jsonl", folder / "report.json", Path(f"{manifest['plan']}.control")):
            path.unlink(missing_ok=True)
            os.mkfifo(path)
        os.mkfifo(planted.write_claim(manifest) / "stopped-000001.json")
        assert "b000001" in page_of(editor, planted.note(manifest), state="running")
        assert "There is no report of it" in page_of(editor, planted.note(manifest), run_id="s")

    @pytest.mark.timeout(30)
    def test_a_shard_that_is_a_pipe_is_not_waited_for(self, viewer, manifest, tmp_path):
        from airflow_provider_jicoo.bulk.plan.header import dump_header, read_header

        os.mkfifo(tmp_path / "whole.1")
        header = {**read_header(Path(manifest["plan"])), "shards": ["whole.1"]}
        (tmp_path / "whole").write_bytes(dump_header(header))
        text = page_of(viewer, planted.note({**manifest, "plan": str(tmp_path / "whole")}))
        assert "is not that of its digest" in text

    def test_a_report_of_any_length_is_not_read_into_memory(self, editor, manifest, monkeypatch):
        from airflow_provider_jicoo.plugins.room import source

        planted.write_report(manifest, [])
        assert "Agreed to by" in page_of(editor, planted.note(manifest))
        monkeypatch.setattr(source, "LARGEST", 100)
        assert "There is no report of it" in page_of(editor, planted.note(manifest), run_id="s")


@pytest.mark.parametrize(
    "note",
    [None, 7, "text", [], {}, {"plan": 7}, {"plan": "x", "digest": "y"}, ["a"] * 1000, {"plan": {"plan": {}}}],
    ids=str,
)
def test_a_note_that_is_none(viewer, room, note):
    text = page_of(viewer, note)
    assert "no note of a plan" in text
    assert "no note of a plan" in viewer.read("/jicoo/runs/")


@pytest.mark.parametrize("note", [7, "text", {}, {"total": "x"}, {"timeline": [1]}], ids=str)
def test_a_progress_that_is_none(viewer, manifest, note):
    assert "Change of 3 bookings" in page_of(viewer, planted.note(manifest), state="running", jicoo_progress=note)


@pytest.mark.parametrize(
    "facts",
    [
        "",
        "[]",
        "null",
        "{",
        {"counts": 7},
        {"counts": {"applied": "x"}},
        {"timeline": [7]},
        {"timeline": [{"seconds": 1}]},
        {"reasons": [{}]},
        {"tries": [{}]},
        {"tries": 7},
        {"seconds": None},
        {"approval": {}},
        {"try": "one"},
        {"digest": "another"},
        {"seconds": float("inf")},
        {"requests": 10**400},
        {"counts": {"applied": 10**400}},
        {"timeline": [{"seconds": n, "done": 1, "requests": 1, "refused": 0, "pace": 9e999} for n in range(9)]},
        {"timeline": [{"seconds": n, "done": 1, "requests": 10**400, "refused": 0, "pace": 1} for n in range(9)]},
        {"tries": [{"seconds": 1, "requests": 1, "refused": float("nan")}]},
    ],
    ids=lambda facts: str(facts)[:60],
)
def test_a_report_that_is_none(viewer, manifest, facts):
    folder = planted.write_report(manifest, [])
    if isinstance(facts, dict):
        facts = json.dumps({**json.loads((folder / "report.json").read_text()), **facts})
    (folder / "report.json").write_text(facts)
    assert "There is no report of it" in page_of(viewer, planted.note(manifest))


def test_a_report_of_an_earlier_version(viewer, manifest):
    planted.write_report(manifest, [{"uid": "b000001", "action": "update", "outcome": "stale"}])
    text = page_of(viewer, planted.note(manifest))
    assert "Agreed to by" in text
    assert "12, of which 2 refused" in text
