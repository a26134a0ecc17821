"""The operator that looks at an account."""

from __future__ import annotations

import json
import logging

import pytest

from airflow_provider_jicoo.doctor import writing
from airflow_provider_jicoo.operators.doctor import JicooDoctorOperator
from airflow_provider_jicoo.tasks.compat import AirflowFailException

pytestmark = pytest.mark.usefixtures("jicoo_connection")


def test_it_returns_what_it_found(jicoo_sandbox, run, capfd, caplog):
    caplog.set_level(logging.INFO)
    found = run(JicooDoctorOperator)

    assert found["ok"] is True
    assert found["base_url"] == jicoo_sandbox.url
    assert found["requests"] == jicoo_sandbox.count("GET") == jicoo_sandbox.count()
    assert found["extras"]["lists_requests"] is True
    assert {finding["verdict"] for finding in found["findings"]} == {"holds", "could not be told"}
    text = json.dumps(found)
    assert len(text) < 20_000
    names = [booking["name"] for booking in jicoo_sandbox.bookings()]
    assert not any(name in text for name in names)
    written = capfd.readouterr()
    said = written.out + written.err + caplog.text
    assert "Lists of bookings" in said
    assert "looking at pages" in said


@pytest.mark.jicoo_sandbox(quirks=["endless-pages"], bookings=200)
def test_it_is_green_whatever_it_found(run):
    found = run(JicooDoctorOperator)
    assert found["ok"] is False
    assert "fails" in {finding["verdict"] for finding in found["findings"]}


def test_it_tries_a_booking(jicoo_sandbox, run):
    uid = jicoo_sandbox.add_booking(description="old")["uid"]
    found = run(JicooDoctorOperator, try_booking_uid="{{ params.uid }}", params={"uid": uid})
    assert writing.BACK in {finding["name"] for finding in found["findings"]}
    assert jicoo_sandbox.booking(uid)["description"] == "old"
    assert jicoo_sandbox.messages == []


@pytest.mark.jicoo_sandbox(quirks=["stored-otherwise=description"])
def test_it_fails_where_the_description_is_not_back(jicoo_sandbox, run, grace, monkeypatch, tmp_path):
    monkeypatch.setattr(writing, "PATIENCE", 0.5)
    monkeypatch.setattr(writing.tempfile, "tempdir", str(tmp_path))
    uid = jicoo_sandbox.add_booking(description="old")["uid"]
    with pytest.raises(AirflowFailException, match="could not be put back"):
        run(JicooDoctorOperator, try_booking_uid=uid)


@pytest.mark.parametrize(
    ("fields", "uid", "words"),
    [
        ({"password": "sk_live_wrong"}, None, "connection 'jicoo_default': .*401"),
        ({"password": ""}, None, "there is no API key"),
        ({}, "nothing", "404"),
        ({}, "a/b", "is not"),
    ],
)
def test_it_fails_where_there_is_nothing_to_look_at(jicoo_connection, run, fields, uid, words):
    jicoo_connection(**fields)
    with pytest.raises(AirflowFailException, match=words):
        run(JicooDoctorOperator, try_booking_uid=uid)
