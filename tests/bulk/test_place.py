"""Where a plan may be written, when that is found out, and what it leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from airflow_provider_jicoo.bulk import Selection, UpdateFields, apply_plan, files, plan_changes, plan_undo
from airflow_provider_jicoo.bulk.errors import PlanError, PlanLimitError, PlanMismatchError
from tests.bulk.tools import read_plan

LOW = UpdateFields(priority="low")
OURS = {"dagId": "mine", "runId": "today", "taskId": "plan", "mapIndex": -1}


@pytest.fixture
def sandbox(server):
    server.reset(bookings=40, seed=3)
    return server


def plan(jicoo, path, **more):
    arguments = {"is_send_updates": False, "owner": OURS, **more}
    return plan_changes(jicoo, arguments.pop("selection", Selection()), arguments.pop("change", LOW), path, **arguments)


def begun(sandbox, jicoo, path, **more):
    """Make a plan, and apply it."""
    made = plan(jicoo, path, **more)
    for shard in made.manifest["shards"]:
        apply_plan(jicoo, shard)
    sandbox.reset(bookings=40, seed=3)
    return made


class TestWhoseItIs:
    def test_the_header_says_whose_it_is(self, jicoo, tmp_path):
        plan(jicoo, tmp_path / "plan.jsonl")
        assert read_plan(tmp_path / "plan.jsonl")[0]["owner"] == OURS
        plan(jicoo, tmp_path / "other.jsonl", owner=None, made_by="Sato")
        assert read_plan(tmp_path / "other.jsonl")[0]["owner"] is None

    @pytest.mark.parametrize("shards", [1, 3])
    @pytest.mark.parametrize(
        "theirs",
        [
            {**OURS, "dagId": "theirs"},
            {**OURS, "runId": "yesterday"},
            {**OURS, "taskId": "other"},
            {**OURS, "mapIndex": 0},
            None,
        ],
    )
    def test_another_ones_plan_is_not_written_over(self, sandbox, jicoo, tmp_path, theirs, shards):
        path = tmp_path / "plan.jsonl"
        plan(jicoo, path, owner=theirs, made_by="a notebook", shards=shards)
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
        reads = sandbox.count()
        names = (
            "a notebook" if theirs is None else f"DAG {theirs['dagId']}, run {theirs['runId']}, task {theirs['taskId']}"
        )
        with pytest.raises(PlanError, match=rf"it holds that of {names}.*Give every run a path of its own"):
            plan(jicoo, path, change=UpdateFields(priority="high"))
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
        assert sandbox.count() == reads, "it is found out before anything is read"

    def test_nor_outside_of_airflow(self, jicoo, tmp_path):
        plan(jicoo, tmp_path / "plan.jsonl")
        with pytest.raises(PlanError, match="it holds that of DAG mine, run today, task plan,"):
            plan(jicoo, tmp_path / "plan.jsonl", owner=None)

    @pytest.mark.parametrize("shards", [(1, 1), (1, 3), (3, 1), (3, 2)])
    def test_the_own_one_is_while_nothing_of_it_has_begun(self, jicoo, tmp_path, shards):
        path = tmp_path / "plan.jsonl"
        plan(jicoo, path, shards=shards[0])
        again = plan(jicoo, path, shards=shards[1], change=UpdateFields(priority="high"))
        assert read_plan(path)[0]["digest"] == again.manifest["digest"]

    @pytest.mark.parametrize("shards", [1, 3])
    def test_the_own_one_is_not_when_it_has_begun(self, sandbox, jicoo, tmp_path, shards):
        path = tmp_path / "plan.jsonl"
        made = begun(sandbox, jicoo, path, shards=shards)
        with pytest.raises(
            PlanError, match=r"its apply has begun \(.*\.journal\).*To plan anew in this run, give anot"
        ):
            plan(jicoo, path)
        assert read_plan(path)[0]["digest"] == made.manifest["digest"]

    def test_one_of_several_shards_has_begun(self, sandbox, jicoo, tmp_path):
        made = plan(jicoo, tmp_path / "plan.jsonl", shards=3)
        apply_plan(jicoo, made.manifest["shards"][2])
        with pytest.raises(PlanError, match=r"its apply has begun \(.*shard-2.*\.journal\)"):
            plan(jicoo, tmp_path / "plan.jsonl")

    def test_in_a_notebook_a_plan_is_made_again_and_again(self, sandbox, jicoo, tmp_path):
        begun(sandbox, jicoo, tmp_path / "plan.jsonl", owner=None)
        plan(jicoo, tmp_path / "plan.jsonl", owner=None)

    def test_not_while_its_apply_is_under_way_or_was_killed(self, sandbox, jicoo, tmp_path):
        made = begun(sandbox, jicoo, tmp_path / "plan.jsonl", owner=None)
        (released,) = tmp_path.glob("*.journal/released-*.json")
        released.unlink()
        with pytest.raises(PlanError, match=r"the one that was made before, and its apply has begun"):
            plan(jicoo, tmp_path / "plan.jsonl", owner=None)
        assert read_plan(tmp_path / "plan.jsonl")[0]["digest"] == made.manifest["digest"]

    @pytest.mark.parametrize("shards", [1, 2])
    def test_an_undo_is_not_written_over_its_plan_in_a_notebook_either(self, sandbox, jicoo, tmp_path, shards):
        made = begun(sandbox, jicoo, tmp_path / "plan.jsonl", owner=None, shards=shards)
        for path in {made.manifest["plan"], *(shard["plan"] for shard in made.manifest["shards"])}:
            with pytest.raises(PlanError, match="that is the plan that it takes back"):
                plan_undo(jicoo, made, path, is_send_updates=False)
        assert read_plan(tmp_path / "plan.jsonl")[0]["digest"] == made.manifest["digest"]

    def test_a_path_may_be_a_text(self, sandbox, jicoo, tmp_path):
        made = plan(jicoo, str(tmp_path / "plan.jsonl"), owner=None)
        apply_plan(jicoo, str(tmp_path / "plan.jsonl"), digest=made.manifest["digest"])
        plan_undo(jicoo, str(tmp_path / "plan.jsonl"), str(tmp_path / "undo.jsonl"), is_send_updates=False)
        assert read_plan(tmp_path / "undo.jsonl")[1]

    def test_an_address_is_no_path(self, jicoo):
        with pytest.raises(PlanError, match=r"give its path, airflow.sdk.ObjectStoragePath\('s3://plans/x.jsonl'\)"):
            plan(jicoo, "s3://plans/x.jsonl", owner=None)

    def test_another_one_comes_meanwhile(self, jicoo, tmp_path):
        """Two runs with one path, of which neither has found the other's plan when it began."""
        path = tmp_path / "plan.jsonl"

        def meanwhile(number):
            if number == 1:
                plan(jicoo, path, owner={**OURS, "runId": "tomorrow"})

        with pytest.raises(PlanError, match="it holds that of DAG mine, run tomorrow"):
            plan(jicoo, path, progress=meanwhile)
        assert read_plan(path)[0]["owner"]["runId"] == "tomorrow"

    def test_an_undo_is_a_plan_too(self, sandbox, jicoo, tmp_path):
        made = begun(sandbox, jicoo, tmp_path / "plan.jsonl")
        plan(jicoo, tmp_path / "undo.jsonl", owner={**OURS, "runId": "yesterday"})
        reads = sandbox.count()
        with pytest.raises(PlanError, match="it holds that of DAG mine, run yesterday"):
            plan_undo(jicoo, made, tmp_path / "undo.jsonl", is_send_updates=False, owner=OURS)
        assert sandbox.count() == reads
        plan_undo(jicoo, made, tmp_path / "undo2.jsonl", is_send_updates=False, owner=OURS)
        assert read_plan(tmp_path / "undo2.jsonl")[0]["owner"] == OURS

    def test_an_undo_is_not_written_over_what_it_takes_back(self, sandbox, jicoo, tmp_path):
        made = begun(sandbox, jicoo, tmp_path / "plan.jsonl")
        with pytest.raises(PlanError, match="its apply has begun"):
            plan_undo(jicoo, made, tmp_path / "plan.jsonl", is_send_updates=False, owner=OURS)


class TestWhatElseStandsThere:
    @pytest.mark.parametrize("content", [b"uid,name\n1,Sato\n", b'{"a": 1}\n', b"[]", b"\x00" * 100_000, b"\xff\xfe"])
    def test_a_file_that_is_no_plan(self, sandbox, jicoo, tmp_path, content):
        path = tmp_path / "bookings.csv"
        path.write_bytes(content)
        for owner in (OURS, None):
            with pytest.raises(PlanError, match="it holds a file that is no plan, which is not written over"):
                plan(jicoo, path, owner=owner)
        assert path.read_bytes() == content
        assert sandbox.count() == 0

    def test_an_empty_file(self, jicoo, tmp_path):
        (tmp_path / "plan.jsonl").touch()
        assert plan(jicoo, tmp_path / "plan.jsonl").manifest["changes"] > 0

    @pytest.mark.parametrize("left", [5, 14, 100, 1000])
    def test_what_a_killed_worker_has_left_of_one(self, jicoo, tmp_path, left):
        path = tmp_path / "plan.jsonl"
        plan(jicoo, path)
        path.write_bytes(path.read_bytes()[:left])
        assert plan(jicoo, path).manifest["changes"] > 0

    def test_a_header_that_was_damaged_after_the_apply_began(self, sandbox, jicoo, tmp_path):
        path = tmp_path / "plan.jsonl"
        begun(sandbox, jicoo, path)
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(PlanError, match=r"a damaged plan with the journal plan\.jsonl\..*\.journal"):
            plan(jicoo, path)

    def test_a_folder(self, sandbox, jicoo, tmp_path):
        with pytest.raises(PlanError, match="cannot be written to"):
            plan(jicoo, tmp_path)
        assert sandbox.count() == 0


class TestFoundOutEarly:
    def test_a_folder_that_cannot_be_made(self, sandbox, jicoo, tmp_path):
        (tmp_path / "file").write_text("")
        for owner in (OURS, None):
            with pytest.raises(PlanError, match=r"cannot be written to .*; nothing was sent"):
                plan(jicoo, tmp_path / "file" / "plan.jsonl", owner=owner)
        assert sandbox.count() == 0, "not after everything was read"

    def test_a_folder_that_lets_nobody_write(self, sandbox, jicoo):
        with pytest.raises(PlanError, match="cannot be written to"):
            plan(jicoo, Path("/proc/plan.jsonl"))
        assert sandbox.count() == 0

    def test_storage_that_is_not_there(self, sandbox, jicoo, tmp_path):
        class Unreachable(type(tmp_path)):
            protocol = "s3"

            def open(self, *arguments, **more):
                if "w" in arguments[0]:
                    raise ConnectionError("no such bucket")
                return super().open(*arguments, **more)

        with pytest.raises(PlanError, match="no such bucket"):
            plan(jicoo, Unreachable(tmp_path / "plan.jsonl"))
        assert sandbox.count() == 0

    def test_what_fails_later_leaves_nothing(self, jicoo, tmp_path):
        with pytest.raises(PlanLimitError):
            plan(jicoo, tmp_path / "new" / "folder" / "plan.jsonl", max_changes=1)
        assert list(tmp_path.iterdir()) == []

    def test_storage_that_lets_nothing_be_removed(self, jicoo, tmp_path):
        class Kept(type(tmp_path)):
            def unlink(self, *arguments, **more):
                raise PermissionError("write once")

        assert plan(jicoo, Kept(tmp_path / "plan.jsonl")).manifest["changes"] > 0

    @pytest.mark.parametrize("missing", [0, 2])
    def test_a_shard_is_missing_when_another_one_is_applied(self, sandbox, jicoo, tmp_path, missing):
        made = plan(jicoo, tmp_path / "plan.jsonl", shards=3)
        (tmp_path / f"plan.jsonl.shard-{missing}").unlink()
        requests = sandbox.count()
        for number in {0, 1, 2} - {missing}:
            with pytest.raises(
                PlanMismatchError, match=rf"not whole: of its shards, plan\.jsonl\.shard-{missing} is not"
            ):
                apply_plan(jicoo, made.manifest["shards"][number])
        with pytest.raises(PlanMismatchError, match="cannot be read as a plan"):
            apply_plan(jicoo, made.manifest["shards"][missing])
        assert sandbox.count() == requests, "nothing was read and nothing sent"

    def test_a_shard_is_missing_when_they_are_taken_back(self, sandbox, jicoo, tmp_path):
        made = begun(sandbox, jicoo, tmp_path / "plan.jsonl", shards=3)
        for number in (1, 2):
            (tmp_path / f"plan.jsonl.shard-{number}").unlink()
        with pytest.raises(PlanMismatchError, match=r"shard-1, plan\.jsonl\.shard-2 are not in"):
            plan_undo(jicoo, made, tmp_path / "undo.jsonl", is_send_updates=False)
        assert sandbox.count() == 0

    def test_shards_that_were_moved_together(self, jicoo, tmp_path):
        plan(jicoo, tmp_path / "plan.jsonl", shards=2)
        moved = tmp_path / "elsewhere"
        moved.mkdir()
        for file in tmp_path.glob("plan.jsonl*"):
            file.rename(moved / file.name)
        for number in range(2):
            path = moved / f"plan.jsonl.shard-{number}"
            assert apply_plan(jicoo, path, digest=read_plan(path)[0]["digest"]).ok


class TestDurable:
    """A plan is there as a whole, or not at all, and stays."""

    @pytest.fixture
    def synced(self, monkeypatch):
        """What was made durable, in order: names of files and folders, and what took its final place between."""
        order = []
        fsync, replace = os.fsync, os.replace

        def note(number):
            order.append(Path(os.readlink(f"/proc/self/fd/{number}")).name)
            fsync(number)

        def place(source, target):
            order.append(f"{Path(source).name} -> {Path(target).name}")
            replace(source, target)

        monkeypatch.setattr(files.os, "fsync", note)
        monkeypatch.setattr(files.os, "replace", place)
        return order

    def test_file_and_folder_are_synced(self, jicoo, tmp_path, synced):
        (tmp_path / "plans").mkdir()
        plan(jicoo, tmp_path / "plans" / "plan.jsonl")
        final = synced.index("plan.jsonl.partial -> plan.jsonl")
        assert "plan.jsonl.partial" in synced[:final], "the content comes before its name"
        assert "plans" in synced[final:], "that there is such a file has to stay as well"

    def test_so_are_shards_and_the_whole_comes_last(self, jicoo, tmp_path, synced):
        plan(jicoo, tmp_path / "plan.jsonl", shards=2)
        placed = [each.split(" -> ")[1] for each in synced if " -> " in each]
        assert placed == ["plan.jsonl.shard-0", "plan.jsonl.shard-1", "plan.jsonl"]

    def test_airflows_path_to_a_local_file(self, jicoo, tmp_path, synced):
        from airflow.sdk import ObjectStoragePath

        plan(jicoo, ObjectStoragePath(f"file://{tmp_path}/plan.jsonl"))
        assert "plan.jsonl.partial -> plan.jsonl" in synced
        assert sorted(file.name for file in tmp_path.iterdir()) == ["plan.jsonl"]

    @pytest.mark.parametrize("shards", [1, 2])
    def test_a_disk_that_fills_up_leaves_the_plan_before(self, jicoo, tmp_path, monkeypatch, shards):
        path = tmp_path / "plan.jsonl"
        before = plan(jicoo, path).manifest["digest"]

        def full(number):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(files.os, "fsync", full)
        with pytest.raises(PlanError, match="No space left on device"):
            plan(jicoo, path, change=UpdateFields(priority="high"), shards=shards)
        assert read_plan(path)[0]["digest"] == before
        assert json.loads(path.read_bytes().splitlines()[1])["after"] == {"priority": "low"}
