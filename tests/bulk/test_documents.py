"""What stands in the files is what ``documents.py`` and ``docs/documents.md`` say, key by key."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
import typing_extensions

from airflow_provider_jicoo.bulk import (
    Cancel,
    Selection,
    ShiftTime,
    UpdateFields,
    apply_plan,
    documents,
    merge_reports,
    plan_changes,
    plan_undo,
)
from airflow_provider_jicoo.bulk.changes import Action
from airflow_provider_jicoo.bulk.errors import BulkFailedError, StoppedError
from airflow_provider_jicoo.bulk.plan import PlannedChange
from tests.bulk.tools import quick

DOCS = Path(__file__).parents[2] / "docs" / "documents.md"
TYPES = {
    name: found
    for name, found in vars(documents).items()
    if isinstance(found, type) and issubclass(found, dict) and not name.startswith("_")
}
# Parts of others, or all of two others together.
TOLD_ELSEWHERE = {"Counts", "PlanAbout", "AppliedManifest", "TypedDict"}
OWNER = {"dagId": "dag", "runId": "run", "taskId": "task", "mapIndex": -1}


@pytest.fixture(autouse=True)
def _names_of_type_checkers(monkeypatch):
    # What only a type checker sees of that module.
    monkeypatch.setattr(documents, "NotRequired", typing_extensions.NotRequired, raising=False)
    monkeypatch.setattr(documents, "Action", Action, raising=False)


@pytest.fixture
def sandbox(server):
    server.reset(bookings=40, seed=3)
    return server


def annotations(kind):
    """All of its keys, with the text of their types: those of the classes above it too."""
    return {name: getattr(each, "__forward_arg__", each) for name, each in kind.__annotations__.items()}


def check(document, kind):
    known = annotations(TYPES[kind])
    needed = {name for name, each in known.items() if not str(each).startswith("NotRequired[")}
    assert set(document) <= set(known), kind
    if getattr(TYPES[kind], "__total__", True):
        assert needed <= set(document), kind
    msgspec.convert(document, TYPES[kind])


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def check_plan(manifest):
    check(manifest, "Manifest")
    header, *_ = lines(Path(manifest["plan"]))
    check(header, "PlanHeader")
    for shard in manifest["shards"]:
        if shard is not manifest and set(shard) != set(manifest):
            check(shard, "ShardManifest")
        header, *changes = lines(Path(shard["plan"]))
        check(header, "PlanHeader")
        keys = {field.encode_name for field in msgspec.structs.fields(PlannedChange)}
        for change in changes:
            assert set(change) <= keys
    return header


def check_journal(plan):
    seen = set()
    for folder in plan.parent.glob(f"{plan.name}.*.journal"):
        for file in folder.iterdir():
            kinds = {"claim": "Claim", "taken": "Claim", "released": "Release", "stopped": "StopNote"}
            kind = kinds.get(file.name.split("-")[0])
            if kind is None:
                for line in lines(file):
                    kind = "IntentLine" if "intent" in line else "EndLine" if "end" in line else "OutcomeLine"
                    check(line, kind)
                    seen.add(kind)
            else:
                check(json.loads(file.read_bytes()), kind)
                seen.add(kind)
    return seen


def check_report(folder):
    facts = json.loads((folder / "report.json").read_bytes())
    check(facts, "ReportFacts")
    for line in lines(folder / "outcomes.jsonl"):
        check(line, "ReportedOutcome")
    return facts


def test_a_plan_its_apply_and_its_undo(sandbox, jicoo, tmp_path):
    path = tmp_path / "plan.jsonl"
    plan = plan_changes(
        jicoo,
        Selection(status="open"),
        ShiftTime(60),
        path,
        is_send_updates=False,
        made_by="me",
        owner=OWNER,
    )
    header = check_plan(plan.manifest)
    assert header["owner"] == OWNER
    approval = {"digest": plan.manifest["digest"], "by": "somebody", "at": "2031-03-02T10:00:00.000Z"}
    check(approval, "Approval")
    report = apply_plan(jicoo, plan, options=quick(), approval=approval)
    facts = check_report(report.path)
    assert facts["approval"] == approval
    check(facts["timeline"][0], "TimelineSample")
    assert check_journal(path) == {"Claim", "Release", "IntentLine", "OutcomeLine", "EndLine"}
    sandbox.delete(lines(path)[1]["uid"])
    undo = plan_undo(jicoo, plan, tmp_path / "undo.jsonl", is_send_updates=False)
    (left,) = check_plan(undo.manifest)["leftAlone"]
    check(left, "LeftAlone")


def test_shards_and_their_report(sandbox, jicoo, tmp_path):
    plan = plan_changes(
        jicoo, Selection(), UpdateFields(priority="high"), tmp_path / "plan.jsonl", is_send_updates=False, shards=2
    )
    header = check_plan(plan.manifest)
    check(header["partOf"], "PartOf")
    check(header["partOf"]["shards"][0], "ShardName")
    check(header["terms"], "TermsDocument")
    sandbox.delete(lines(Path(plan.manifest["shards"][0]["plan"]))[1]["uid"])
    reports = []
    for shard in plan.manifest["shards"]:
        options = quick(tolerated_failures="10%")
        try:
            reports.append(apply_plan(jicoo, shard, options=options).path)
        except BulkFailedError:
            reports.append(Path(f"{shard['plan']}.report"))
    check_report(merge_reports(reports, tmp_path / "whole").path)


def test_a_stop(sandbox, jicoo, tmp_path):
    path = tmp_path / "plan.jsonl"
    plan = plan_changes(jicoo, Selection(status="open"), Cancel(), path)
    told = {"state": "stop", "max_requests_per_second": 5}
    check(told, "ControlDocument")
    (tmp_path / "plan.jsonl.control").write_text(json.dumps(told))
    with pytest.raises(StoppedError):
        apply_plan(jicoo, plan, options=quick(), by="me")
    assert "StopNote" in check_journal(path)
    check_report(tmp_path / "plan.jsonl.report")


def tables():
    """The keys in each table of the docs, by the type that is named above it."""
    found = {}
    for kind, table in re.findall(r"<!-- (\w+) -->\n\n((?:\|.*\n)+)", DOCS.read_text()):
        rows = [row.split("|")[1:4] for row in table.splitlines()[2:]]
        found[kind] = {key.strip().strip("`"): (form, meaning.strip()) for key, form, meaning in rows}
    return found


def test_the_docs_tell_of_every_document():
    assert set(tables()) == set(TYPES) - TOLD_ELSEWHERE | {"PlannedChange"}


@pytest.mark.parametrize("kind", sorted(set(TYPES) - TOLD_ELSEWHERE))
def test_the_docs_name_every_key(kind):
    told = tables()[kind]
    known = annotations(TYPES[kind])
    assert set(told) == set(known)
    for name, (form, meaning) in told.items():
        assert meaning, name
        if getattr(TYPES[kind], "__total__", True):
            assert ("may be absent" in form) == str(known[name]).startswith("NotRequired["), name


def test_the_docs_name_every_key_of_a_planned_change():
    fields = msgspec.structs.fields(PlannedChange)
    told = tables()["PlannedChange"]
    assert set(told) == {field.encode_name for field in fields}
    assert {name for name, (form, _) in told.items() if "may be absent" in form} == {
        field.encode_name for field in fields if not field.required
    }
