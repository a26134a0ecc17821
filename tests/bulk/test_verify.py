"""Whether a report is true: a true one, each way in which it may not be, and what cannot be told."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk import (
    Cancel,
    Options,
    ReplaceHost,
    Selection,
    ShiftTime,
    Timing,
    UpdateFields,
    apply_plan,
    merge_reports,
    plan_changes,
    plan_undo,
)
from airflow_provider_jicoo.bulk.errors import JicooError
from airflow_provider_jicoo.bulk.verify import Verdict, verify_report
from airflow_provider_jicoo.bulk.verify.__main__ import KEY, main
from airflow_provider_jicoo.bulk.verify.verification import (
    AGREES,
    CHECKS,
    COUNTS,
    INTENTS,
    MERGED,
    NOT_MADE,
    OUTCOMES,
    PLAN,
    READ,
    SENDS,
    SHOWN,
    UNKNOWN,
    WHOLE,
)
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import FAST, connect, dump

QUICK = Options(waves=(), lease=0.2, timing=Timing(policy=FAST))
MANY = 30


@pytest.fixture(scope="module")
def server():
    with Sandbox(bookings=0) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server):
    server.reset(bookings=MANY, seed=3)
    return server


@pytest.fixture
def jicoo(sandbox):
    with connect(sandbox) as client:
        yield client


@pytest.fixture
def applied(jicoo, tmp_path):
    """Plan and apply a change; return the plan's path."""

    def run(change=None, selection=None, *, shards=1, on_error=False, messages=False, options=QUICK):
        path = tmp_path / "plan.jsonl"
        change = change or UpdateFields(description="Room 2")
        said = None if isinstance(change, Cancel) else messages
        plan = plan_changes(jicoo, selection or Selection(), change, path, is_send_updates=said, shards=shards)
        for shard in plan.manifest["shards"]:
            try:
                apply_plan(jicoo, Path(shard["plan"]), digest=shard["digest"], options=options)
            except JicooError:
                assert on_error
        return path

    return run


@pytest.fixture
def verify(sandbox):
    return lambda path: verify_report(Settings(sandbox.api_key, base_url=sandbox.url, timeout=1), path)


def rewrite(path, change):
    """Change the lines of a file of JSON Lines."""
    rows = [json.loads(raw) for raw in path.read_bytes().splitlines()]
    path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in change(rows)))


def report_of(path):
    return path.parent / f"{path.name}.report"


def journal_of(path):
    (folder,) = path.parent.glob(f"{path.name}.*.journal")
    return folder


def segments(path):
    return sorted(journal_of(path).glob("0*.jsonl"))


def told(found, check):
    """What was found of a check."""
    return [(each.verdict, each.words, each.count) for each in found.checks[check]]


class TestTrue:
    @pytest.mark.parametrize(
        "change",
        [UpdateFields(name="  Jane   Doe "), ShiftTime(minutes=7 * 1440), Cancel()],
        ids=lambda each: str(each),
    )
    def test_after_an_apply(self, applied, verify, sandbox, change):
        path = applied(change, Selection(status="open"))
        files = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
        before, seen = dump(sandbox), len(sandbox.requests)

        found = verify(path)

        assert (found.verdict, found.exit_code) == (Verdict.TRUE, 0), str(found)
        assert str(found).startswith(f"The report is true: {found.counts['applied']} planned changes: ")
        assert found.counts["applied"] > 5
        assert {*found.checks} == {*CHECKS} - {MERGED, NOT_MADE, UNKNOWN}
        assert not any(found.checks.values())
        assert dump(sandbox) == before
        assert {request.method for request in sandbox.requests[seen:]} == {"GET"}
        assert {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()} == files

    @pytest.mark.parametrize("quirk", ["collapsed-blanks", "null-for-empty", "stored-otherwise=name", "second-stamps"])
    def test_of_a_jicoo_that_writes_things_its_own_way(self, sandbox, applied, verify, quirk):
        sandbox.quirks = [quirk]
        try:
            found = verify(applied(UpdateFields(name="  Jane   Doe ", description="")))
        finally:
            sandbox.quirks = []
        assert found.verdict is Verdict.TRUE, str(found)
        assert told(found, SHOWN) == []

    def test_where_nothing_could_be_changed(self, applied, verify, sandbox):
        sandbox.fail("refused", method="PATCH", share=1.0)
        found = verify(applied(on_error=True))
        assert found.verdict is Verdict.TRUE, str(found)
        assert found.counts["rejected"]
        assert told(found, NOT_MADE) == []

    def test_what_was_refused_and_is_there_all_the_same(self, applied, verify, sandbox):
        sandbox.fail("refused", method="PATCH", share=1.0)
        path = applied(on_error=True)
        sandbox.heal()
        refused = [json.loads(raw) for raw in (report_of(path) / "outcomes.jsonl").read_bytes().splitlines()]
        uid = next(row["uid"] for row in refused if row.get("outcome") == "rejected")
        sandbox.edit(uid, description="Room 2")
        found = verify(path)
        assert found.verdict is Verdict.UNTOLD, str(found)
        words = "rejected: it was sent, and the change is there now: it was made late, or by somebody"
        assert told(found, NOT_MADE) == [(Verdict.UNTOLD, words, 1)]

    def test_edited_since(self, applied, verify, sandbox):
        path = applied()
        uid = sandbox.bookings()[3]["uid"]
        sandbox.edit(uid, description="Room 3")
        found = verify(path)
        assert found.verdict is Verdict.TRUE, str(found)
        assert told(found, SHOWN) == [(Verdict.TRUE, "applied: changed since, by somebody", 1)]
        assert found.checks[SHOWN][0].bookings == [uid]

    def test_taken_back_since(self, applied, verify, jicoo):
        path = applied()
        apply_plan(jicoo, plan_undo(jicoo, path, path.parent / "undo.jsonl", is_send_updates=False), options=QUICK)
        assert told(verify(path), SHOWN) == [(Verdict.TRUE, "applied: changed since, by somebody", MANY)]
        assert verify(path.parent / "undo.jsonl").verdict is Verdict.TRUE

    def test_answers_that_lag(self, sandbox, applied, verify):
        sandbox.quirks = ["late-list=1.5s", "late-read=1.5s"]
        try:
            found = verify(applied())
        finally:
            sandbox.quirks = []
        assert found.verdict is Verdict.TRUE, str(found)
        assert told(found, SHOWN) == []

    def test_what_had_failed_and_whose_turn_did_not_come_again(self, sandbox, jicoo, applied, verify):
        uid = sandbox.bookings()[3]["uid"]
        sandbox.fail("server_error", method="PATCH", path=f"/v1/bookings/{uid}", share=1.0)
        path = applied(on_error=True, options=dataclasses.replace(QUICK, tolerated_failures=1))
        sandbox.heal()
        until = time.monotonic() + 1

        def control():
            return '{"state": "pause"}' if time.monotonic() < until else '{"state": "stop"}'

        digest = json.loads(path.read_bytes().splitlines()[0])["digest"]
        options = dataclasses.replace(QUICK, reread="each")
        with pytest.raises(JicooError, match="told to stop"):
            apply_plan(jicoo, path, digest=digest, options=options, control=control)
        found = verify(path)
        assert found.counts["not_attempted"] == 1, str(found)
        assert found.verdict is Verdict.TRUE, str(found)
        words = "it had failed in an earlier try, and the last one ended before its turn"
        assert told(found, AGREES) == [(Verdict.TRUE, words, 1)]

    def test_in_shards_with_a_merged_report(self, applied, verify):
        path = applied(shards=3)
        names = json.loads(path.read_bytes())["shards"]
        assert verify(path).verdict is Verdict.TRUE
        merge_reports([report_of(path.parent / name) for name in names], report_of(path))
        found = verify(path)
        assert found.verdict is Verdict.TRUE, str(found)
        assert found.counts["applied"] == MANY
        assert found.verdict_of(MERGED) is Verdict.TRUE


class TestNotTrue:
    def test_a_changed_plan(self, applied, verify):
        path = applied()
        path.write_bytes(path.read_bytes().replace(b"Room 2", b"Room 9", 1))
        found = verify(path)
        assert found.exit_code == 1
        assert found.verdict_of(PLAN) is Verdict.FALSE

    def test_a_changed_outcome(self, applied, verify):
        path = applied()
        rewrite(report_of(path) / "outcomes.jsonl", lambda rows: [rows[0] | {"outcome": "unchanged"}, *rows[1:]])
        found = verify(path)
        assert found.exit_code == 1
        assert told(found, AGREES) == [(Verdict.FALSE, "the report says unchanged, the journal applied", 1)]
        assert found.verdict_of(COUNTS) is Verdict.FALSE

    @pytest.mark.parametrize(
        "change",
        [
            lambda rows: rows[1:],
            lambda rows: [*rows, rows[0]],
            lambda rows: [rows[0], rows[0], *rows[2:]],
            lambda rows: rows[::-1],
        ],
        ids=["one missing", "one more", "one twice", "another order"],
    )
    def test_not_one_outcome_each(self, applied, verify, change):
        path = applied()
        rewrite(report_of(path) / "outcomes.jsonl", change)
        found = verify(path)
        assert found.exit_code == 1
        assert found.verdict_of(OUTCOMES) is Verdict.FALSE

    @pytest.mark.parametrize("name", ["changes", "adjusted", "sentMoreThanOnce"])
    def test_a_changed_count(self, applied, verify, name):
        path = applied()
        file = report_of(path) / "report.json"
        facts = json.loads(file.read_bytes())
        file.write_text(json.dumps(facts | {name: facts[name] + 1}))
        found = verify(path)
        assert found.exit_code == 1
        assert found.verdict_of(SENDS if name == "sentMoreThanOnce" else COUNTS) is Verdict.FALSE

    def test_the_report_of_another_plan(self, applied, verify, jicoo):
        path = applied()
        other = path.parent / "other.jsonl"
        plan_changes(jicoo, Selection(), UpdateFields(description="Room 5"), other, is_send_updates=False)
        shutil.copytree(report_of(path), report_of(other))
        found = verify(other)
        assert found.exit_code == 1
        assert "the report of another plan" in str(found)

    def test_an_intent_that_is_missing(self, applied, verify):
        path = applied()
        for segment in segments(path):
            rewrite(segment, lambda rows: [row for row in rows if "intent" not in row])
        found = verify(path)
        assert found.exit_code == 1
        assert told(found, INTENTS) == [(Verdict.FALSE, "sent, and the journal has no intent of it", MANY)]

    def test_a_changed_journal(self, applied, verify):
        path = applied()

        def unsaid(rows):
            return [row | {"outcome": "rejected"} if row.get("outcome") else row for row in rows]

        for segment in segments(path):
            rewrite(segment, unsaid)
        found = verify(path)
        assert found.exit_code == 1
        assert told(found, AGREES) == [(Verdict.FALSE, "the report says applied, the journal rejected", MANY)]

    def test_what_is_applied_and_does_not_show(self, applied, verify, sandbox):
        path = applied()
        booking = sandbox.bookings()[0]
        sandbox.edit(booking["uid"], description="Room 1", updatedAt=booking["updatedAt"])
        found = verify(path)
        assert found.exit_code == 1, str(found)
        words = "applied: it does not show the change, and was not edited since"
        assert told(found, SHOWN) == [(Verdict.FALSE, words, 1)]
        assert found.checks[SHOWN][0].bookings == [booking["uid"]]

    def test_a_merged_report_that_lacks_a_shard(self, applied, verify):
        path = applied(shards=3)
        names = json.loads(path.read_bytes())["shards"]
        merge_reports([report_of(path.parent / name) for name in names[:2]], report_of(path))
        found = verify(path)
        assert found.exit_code == 1
        assert found.verdict_of(MERGED) is Verdict.FALSE
        assert found.verdict_of(AGREES) is Verdict.TRUE


class TestCannotBeTold:
    @pytest.mark.parametrize("name", ["report.json", "outcomes.jsonl"])
    def test_a_report_that_is_missing(self, applied, verify, name):
        path = applied()
        (report_of(path) / name).unlink()
        found = verify(path)
        assert found.exit_code == 2, str(found)
        assert f"plan.jsonl.report/{name} is missing" in str(found)

    def test_no_plan(self, verify, tmp_path):
        assert verify(tmp_path / "plan.jsonl").exit_code == 2

    def test_no_journal(self, applied, verify):
        path = applied()
        shutil.rmtree(journal_of(path))
        found = verify(path)
        assert found.exit_code == 2, str(found)
        assert found.verdict_of(WHOLE) is Verdict.UNTOLD

    def test_a_damaged_journal(self, applied, verify):
        path = applied()
        segments(path)[0].unlink()
        found = verify(path)
        assert found.exit_code == 2, str(found)
        assert found.verdict_of(WHOLE) is Verdict.UNTOLD

    def test_a_journal_whose_end_could_not_be_written(self, applied, verify):
        path = applied()
        segments(path)[-1].unlink()
        next(journal_of(path).glob("released-*")).unlink()
        found = verify(path)
        assert found.exit_code == 2, str(found)
        assert "the end of the journal is missing" in str(found)

    @pytest.mark.parametrize("start", ["taken-", "claim-", "released-"])
    @pytest.mark.parametrize("content", ["", "{}", '{"token": "'])
    def test_a_small_file_of_the_journal_that_was_emptied(self, applied, verify, start, content):
        path = applied()
        (file,) = journal_of(path).glob(f"{start}*")
        file.write_text(content)
        found = verify(path)
        assert found.exit_code == 2, str(found)
        assert f"{file.name} does not say whose it is" in str(found)

    def test_a_claim_that_was_being_written_when_its_worker_was_killed_is_no_damage(self, applied, verify):
        path = applied()
        for name in (f"claim-000002-{'e' * 32}.json", "taken-000002.json"):
            (journal_of(path) / name).touch()
        assert "does not say whose it is" not in str(verify(path))

    def test_another_try_has_begun(self, applied, verify):
        path = applied()
        last = segments(path)[-1]
        token = "f" * 32
        (journal_of(path) / f"claim-000002-{token}.json").write_text(json.dumps({"lease": 1, "token": token}))
        uid = json.loads((report_of(path) / "outcomes.jsonl").read_bytes().splitlines()[0])["uid"]
        segment = f'{{"uid":"{uid}","outcome":"unknown"}}\n{{"end":true}}\n'
        (last.parent / f"000002-{token[:8]}-000001.jsonl").write_text(segment)
        found = verify(path)
        assert found.exit_code == 2, str(found)
        assert "another try has begun since the report was written" in told(found, AGREES)[0][1]

    def test_gone(self, applied, verify, sandbox):
        path = applied()
        sandbox.delete(sandbox.bookings()[0]["uid"])
        found = verify(path)
        assert found.exit_code == 2
        assert told(found, SHOWN) == [(Verdict.UNTOLD, "applied: it does not exist any more", 1)]

    def test_no_jicoo(self, applied, sandbox):
        path = applied()
        for settings in (
            Settings("sk_live_wrong", base_url=sandbox.url),
            Settings(sandbox.api_key, base_url="http://127.0.0.1:9"),
        ):
            found = verify_report(settings, path)
            assert found.exit_code == 2
            assert found.verdict_of(READ) is Verdict.UNTOLD


class TestUnknown:
    def test_what_is_there_now_is_told(self, applied, verify, sandbox):
        # Made a second after it was read back for the last time, a message each.
        sandbox.fail("dropped", method="PATCH", share=1.0, late=2)
        path = applied(messages=True, on_error=True)
        sandbox.heal()
        sandbox.settle()
        found = verify(path)
        assert found.verdict is Verdict.TRUE, str(found)
        assert found.counts["unknown"], str(found)
        assert told(found, UNKNOWN) == [
            (Verdict.TRUE, "unknown: the change is there now", found.counts["unknown"]),
        ]


class TestCommandLine:
    def test_a_true_report(self, applied, sandbox, monkeypatch, capsys):
        path = applied()
        monkeypatch.setenv(KEY, sandbox.api_key)
        assert main([str(path), "--host", sandbox.url]) == 0
        out = capsys.readouterr().out
        assert out.splitlines()[0] == f"The report is true: {MANY} planned changes: {MANY} applied."
        assert sandbox.api_key not in out

    def test_json_names_no_guest(self, applied, sandbox, monkeypatch, capsys):
        path = applied(UpdateFields(name="Jane Doe"))
        for booking in sandbox.bookings():
            sandbox.edit(booking["uid"], name="John Roe", updatedAt=booking["updatedAt"])
        monkeypatch.setenv(KEY, sandbox.api_key)
        assert main([str(path), "--host", sandbox.url, "--json"]) == 1
        out = capsys.readouterr().out
        found = json.loads(out)
        assert found["verdict"] == "false"
        (shown,) = [check for check in found["checks"] if check["check"] == SHOWN]
        assert shown["found"][0]["count"] == MANY
        assert len(shown["found"][0]["bookings"]) == 20
        assert "Jane" not in out
        assert "John" not in out

    def test_nobody_reads_on(self, applied, sandbox):
        """As with ``| head`` and ``| grep -q``: no traceback, and the exit code that it has otherwise."""
        reads, writes = os.pipe()
        os.close(reads)
        with os.fdopen(writes) as nobody:
            done = subprocess.run(
                [sys.executable, "-m", "airflow_provider_jicoo.bulk.verify", str(applied()), "--host", sandbox.url],
                stdout=nobody,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, KEY: sandbox.api_key},
                check=False,
            )
        assert (done.returncode, done.stderr) == (0, "")

    def test_wrong_use(self, applied, sandbox, monkeypatch, capsys):
        path = applied()
        monkeypatch.delenv(KEY, raising=False)
        with pytest.raises(SystemExit) as end:
            main([str(path)])
        assert end.value.code == 2
        monkeypatch.setenv(KEY, sandbox.api_key)
        assert main([str(path)]) == 2
        assert f"is a plan for {sandbox.url}, not for https://" in capsys.readouterr().out

    def test_an_object_store(self, applied, sandbox, monkeypatch, capsys):
        import fsspec

        path = applied()
        store = fsspec.filesystem("memory")
        store.put(str(path.parent), "/plans", recursive=True)
        try:
            monkeypatch.setenv(KEY, sandbox.api_key)
            assert main(["memory://plans/plan.jsonl", "--host", sandbox.url]) == 0, capsys.readouterr().out
        finally:
            store.rm("/plans", recursive=True)
        with pytest.raises(SystemExit) as end:
            main(["nowhere://plans/plan.jsonl", "--host", sandbox.url])
        assert end.value.code == 2


def test_a_host_that_was_replaced(applied, verify, sandbox):
    first, second = (user["uid"] for user in sandbox.users[:2])
    found = verify(applied(ReplaceHost(first, second)))
    assert found.verdict is Verdict.TRUE, str(found)
    assert found.counts["applied"]
