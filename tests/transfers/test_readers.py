"""What DuckDB and pandas find in the files: the types that are promised."""

from __future__ import annotations

import json

import pytest

duckdb = pytest.importorskip("duckdb")
pandas = pytest.importorskip("pandas")

from airflow_provider_jicoo.api.settings import Settings  # noqa: E402
from airflow_provider_jicoo.transfers.load import Order, load  # noqa: E402
from airflow_provider_jicoo.transfers.resources import BOOKINGS, CONTACTS, resource  # noqa: E402
from tests.transfers.somebody import wire  # noqa: E402

pytestmark = pytest.mark.once
DUCKDB = {
    "text": "VARCHAR",
    "moment": "TIMESTAMP WITH TIME ZONE",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "json": "VARCHAR",
}
NASTY = "=1+1, \"quoted\",\r\nand 日本語 \n次の行; 'x' \\ back"


@pytest.fixture
def write(jicoo_sandbox, tmp_path):
    settings = Settings(jicoo_sandbox.api_key, jicoo_sandbox.url)

    def write(wanted, name, **order):
        load(settings, Order(wanted, tmp_path / name, **order))
        return str(tmp_path / name)

    return write


def ask(sql):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("name", ["bookings", "contacts", "hosts", "event_types", "users", "schedules"])
def test_parquet_has_the_promised_types_also_where_all_is_null(write, name):
    path = write(resource(name), "file.parquet", format="parquet")
    expected = [(column.name, DUCKDB[column.kind]) for column in resource(name).columns]
    assert [row[:2] for row in ask(f"DESCRIBE SELECT * FROM '{path}'")] == expected
    frame = pandas.read_parquet(path)
    for column in resource(name).columns:
        kind = frame[column.name].dtype
        if column.kind == "moment":
            assert str(kind) == "datetime64[ms, UTC]"
    assert len(frame) == ask(f"SELECT count(*) FROM '{path}'")[0][0] > 0


def test_duckdb_reads_the_same_from_each_format(write, jicoo_sandbox):
    jicoo_sandbox.add_booking(name=NASTY, description="日本語")
    columns = "uid, name, description, status, startedAt, cancelledAt, hosts"
    tables = {
        "parquet": f"SELECT {columns} FROM '{write(BOOKINGS, 'b.parquet', format='parquet')}'",
        "jsonl": "SELECT uid, name, description, status, startedAt::TIMESTAMPTZ, cancelledAt::TIMESTAMPTZ, "
        f"to_json(hosts)::VARCHAR FROM read_json('{write(BOOKINGS, 'b.jsonl')}')",
        # The way back from what no spreadsheet may calculate, as documented.
        "csv": "SELECT "
        + ", ".join(plain(name) for name in ("uid", "name", "description", "status"))
        + f", startedAt, cancelledAt, {plain('hosts')} FROM read_csv('{write(BOOKINGS, 'b.csv', format='csv')}')",
    }
    found = {kind: sorted(ask(sql)) for kind, sql in tables.items()}
    expected = sorted(
        (b["uid"], b["name"], b["description"], b["status"], b["startedAt"], b["cancelledAt"], b["hosts"])
        for b in jicoo_sandbox.bookings()
    )
    for kind, rows in found.items():
        made = [(*row[:4], wire(row[4]), wire(row[5]), json.loads(row[6])) for row in rows]
        assert made == expected, kind


def plain(name):
    return f"regexp_replace({name}, '^''([=+@''\\t\\r\\n＝＋－＠-])', '\\1') AS {name}"


def test_pandas_reads_csv(write, jicoo_sandbox):
    uid = jicoo_sandbox.add_booking(name=NASTY)["uid"]
    frame = pandas.read_csv(write(BOOKINGS, "b.csv", format="csv"), parse_dates=["startedAt"])
    assert list(frame.columns) == [column.name for column in BOOKINGS.columns]
    assert len(frame) == 51
    (name,) = frame[frame["uid"].str.removeprefix("'") == uid]["name"]
    assert name == f"'{NASTY}"
    assert str(frame["startedAt"].dtype).endswith("UTC]")


def test_contacts_and_what_is_beside_them(write, jicoo_sandbox):
    path = write(CONTACTS, "c.parquet", format="parquet")
    rows = ask(f"SELECT bookingUid, position, email, answers FROM '{path}' ORDER BY ALL")
    expected = sorted(
        (booking["uid"], position, contact["email"], contact["answers"])
        for booking in jicoo_sandbox.bookings()
        for position, contact in enumerate(jicoo_sandbox.contacts(booking["uid"]))
    )
    assert [(*row[:3], json.loads(row[3])) for row in rows] == expected


def test_days_are_a_column(write, jicoo_sandbox):
    path = write(BOOKINGS, "days", format="parquet", partition_by="startedAt")
    sql = f"SELECT count(*), count(*) FILTER (startedAt_date = startedAt::DATE) FROM '{path}/*/*.parquet'"
    assert ask(sql) == [(50, 50)]
    assert len(pandas.read_parquet(path)) == 50
