"""Bookings into files, by the operator."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
import types
from pathlib import Path

import pytest

from airflow_provider_jicoo.bulk.selection import Selection
from airflow_provider_jicoo.tasks.compat import AirflowFailException
from airflow_provider_jicoo.tasks.lineage import dataset_of
from airflow_provider_jicoo.transfers import formats
from airflow_provider_jicoo.transfers.csv_text import original
from airflow_provider_jicoo.transfers.object_storage import JicooToObjectStorageOperator
from airflow_provider_jicoo.transfers.resources import BOOKINGS, RESOURCES

pytestmark = pytest.mark.usefixtures("jicoo_connection")
NASTY = '=cmd|"/C calc"!A0, "quoted",\r\nand 日本語 \n次の行'


@pytest.fixture
def write(run_task):
    return lambda **arguments: run_task(JicooToObjectStorageOperator, **arguments)


def truth(sandbox):
    return {booking["uid"]: booking for booking in sandbox.bookings()}


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def without_extra(rows):
    assert all(row["_extra"] is None for row in rows)
    return {row["uid"]: {name: value for name, value in row.items() if name != "_extra"} for row in rows}


class TestFull:
    def test_json_lines_are_the_bookings(self, write, jicoo_sandbox, tmp_path):
        path = tmp_path / "new" / "bookings.jsonl"
        made = write(resource="bookings", path=str(path))
        rows = lines(path)
        assert without_extra(rows) == truth(jicoo_sandbox)
        assert all(list(row) == [column.name for column in BOOKINGS.columns] for row in rows)
        content = path.read_bytes()
        assert made["sha256"] == hashlib.sha256(content).hexdigest()
        assert (made["rows"], made["bytes"], made["path"]) == (50, len(content), str(path))
        assert made["warnings"] == []
        assert json.loads(json.dumps(made)) == made

    def test_csv_comes_back_as_it_was_and_holds_no_formula(self, write, jicoo_sandbox, tmp_path):
        uid = jicoo_sandbox.add_booking(name=NASTY, description="")["uid"]
        jicoo_sandbox.add_booking(name="'quoted'", description="+81-90")
        path = tmp_path / "bookings.csv"
        write(resource="bookings", path=str(path), format="csv")
        text = path.read_bytes().decode("utf-8-sig")
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert not [value for row in rows for value in row.values() if value.startswith(tuple("=+-@\t\r"))]
        for row in rows:
            booking = jicoo_sandbox.booking(row["uid"].removeprefix("'"))
            for name, value in booking.items():
                if name == "hosts":
                    assert json.loads(row[name]) == value
                else:
                    assert original(row[name]) == (value or "")
        (line,) = [line for line in text.split('"\r\n') if uid in line]
        assert '\'=cmd|""/C calc""!A0, ""quoted"",\r\nand 日本語 \n次の行","",' in line  # not null, but empty

    @pytest.mark.parametrize("name", list(RESOURCES))
    @pytest.mark.parametrize("kind", formats.FORMATS)
    def test_every_resource_in_every_format(self, write, name, kind, tmp_path):
        made = write(resource=name, path=str(tmp_path / "file"), format=kind)
        assert made["rows"] > 0
        assert made["columns"][-1] == "_extra"
        assert (tmp_path / "file").stat().st_size == made["bytes"]

    def test_contacts_beside_the_bookings(self, write, jicoo_sandbox, tmp_path):
        path = tmp_path / "bookings.jsonl"
        write(resource="bookings", path=str(path), include_contacts="true", selection=Selection(status="open"))
        rows = lines(path)
        assert rows
        assert {row["status"] for row in rows} == {"open"}
        for row in rows:
            assert row["contacts"] == jicoo_sandbox.contacts(row["uid"])

    def test_what_stood_there_is_replaced_and_nothing_is_left_beside(self, write, tmp_path):
        path = tmp_path / "bookings.jsonl"
        path.write_text("old")
        write(resource="bookings", path=str(path))
        assert len(lines(path)) == 50
        assert os.listdir(tmp_path) == ["bookings.jsonl"]

    def test_where_the_reading_fails_what_stood_there_stands(self, write, jicoo_sandbox, tmp_path, quick_retries):
        path = tmp_path / "bookings.jsonl"
        path.write_text("old")
        jicoo_sandbox.fail("refused", status=403, path="/v1/bookings", share=1.0)
        with pytest.raises(AirflowFailException, match="403"):
            write(resource="bookings", path=str(path))
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["bookings.jsonl"]

    def test_the_log_and_the_manifest_have_no_guest(self, write, jicoo_sandbox, tmp_path, caplog):
        made = write(resource="contacts", path=str(tmp_path / "c.jsonl"))
        names = {
            contact["name"]
            for booking in jicoo_sandbox.bookings()
            for contact in jicoo_sandbox.contacts(booking["uid"])
        }
        assert not [name for name in names if name in caplog.text or name in json.dumps(made, ensure_ascii=False)]


class TestRefused:
    """Before the first request."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"resource": "booking"}, "resource: 'booking' is none of bookings, contacts"),
            ({"format": "xml"}, "format: 'xml' is none of jsonl, csv, parquet"),
            ({"sync": "delta"}, "sync: 'delta' is neither 'full' nor 'changes'"),
            ({"resource": "users", "include_contacts": True}, "only bookings have contacts, not users"),
            ({"resource": "users", "selection": Selection(status="open")}, "users are none"),
            ({"selection": Selection(status="closed")}, "status: 'closed' is none of"),
            ({"partition_by": "status"}, "'status' is no moment of bookings; there are startedAt"),
            ({"partition_by": "startedAt", "sync": "changes"}, "partition_by goes with sync='full'"),
            ({"include_contacts": "perhaps"}, "include_contacts: 'perhaps' is neither true nor false"),
            ({"on_unproven": "ignore"}, "on_unproven: 'ignore' is neither"),
            ({"path": "nowhere://bucket/file"}, "nowhere://bucket/file cannot be used here"),
        ],
        ids=lambda value: str(sorted(value)) if isinstance(value, dict) else None,
    )
    def test_an_argument_that_cannot_be_right(self, write, jicoo_sandbox, tmp_path, arguments, words):
        with pytest.raises(AirflowFailException, match=words.replace("(", "\\(")):
            write(**{"resource": "bookings", "path": str(tmp_path / "file"), **arguments})
        assert jicoo_sandbox.count() == 0
        assert os.listdir(tmp_path) == []

    def test_a_folder(self, write, jicoo_sandbox, tmp_path):
        with pytest.raises(AirflowFailException, match="is a folder: name a file in it"):
            write(resource="bookings", path=str(tmp_path))
        assert jicoo_sandbox.count() == 0

    def test_a_path_that_cannot_be_written(self, write, jicoo_sandbox, tmp_path):
        (tmp_path / "file").write_text("no folder")
        with pytest.raises(OSError, match=r"path: .*/file/below cannot be written"):
            write(resource="bookings", path=str(tmp_path / "file" / "below"))
        assert jicoo_sandbox.count() == 0

    def test_parquet_without_pyarrow(self, write, jicoo_sandbox, tmp_path, monkeypatch):
        monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(AirflowFailException, match=r"pip install 'airflow-provider-jicoo\[parquet\]'"):
            write(resource="bookings", path=str(tmp_path / "file"), format="parquet")
        assert jicoo_sandbox.count() == 0


class TestLineage:
    def test_open_lineage(self, context, tmp_path, monkeypatch):
        """Its provider alone asks for it, and is not installed here."""
        import airflow.providers.common.compat.openlineage.facet as facets

        extractors = types.ModuleType("airflow.providers.openlineage.extractors")
        extractors.OperatorLineage = dict
        monkeypatch.setitem(sys.modules, "airflow.providers.openlineage", types.ModuleType("openlineage"))
        monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.extractors", extractors)
        monkeypatch.setattr(facets, "Dataset", dict, raising=False)
        path = tmp_path / "file.jsonl"
        task = JicooToObjectStorageOperator(task_id="task", resource="users", path=str(path))
        made = context()
        made["ti"].dag_id, made["ti"].run_id, made["ti"].task_id = "dag", "run", "task"
        task.execute(made)
        assert task.get_openlineage_facets_on_complete(None) == {
            "inputs": [{"namespace": "jicoo://jicoo_default", "name": "users"}],
            "outputs": [{"namespace": "file", "name": str(path)}],
        }
        assert dataset_of("s3://bucket/a/b.csv") == ("s3://bucket", "a/b.csv")

    def test_what_was_read_and_written_is_noted(self, write, tmp_path, monkeypatch):
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        noted = []
        collector = get_hook_lineage_collector()
        monkeypatch.setattr(collector, "add_input_asset", lambda context, uri, **_: noted.append(("in", uri)))
        monkeypatch.setattr(collector, "add_output_asset", lambda context, uri, **_: noted.append(("out", uri)))
        path = tmp_path / "file.jsonl"
        write(resource="bookings", path=str(path))
        assert noted == [("in", "jicoo://jicoo_default/bookings"), ("out", path.as_uri())]
