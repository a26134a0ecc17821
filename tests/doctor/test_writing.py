"""What one booking tells of how Jicoo writes; its description is back, however it ends."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from airflow_provider_jicoo.api.errors import InvalidRequestError, NotFoundError, PermissionDeniedError
from airflow_provider_jicoo.doctor import writing
from airflow_provider_jicoo.doctor.examine import WRITING
from airflow_provider_jicoo.doctor.findings import Verdict
from airflow_provider_jicoo.doctor.writing import RestoreError
from airflow_provider_jicoo.sandbox import Sandbox
from airflow_provider_jicoo.sandbox.state import State

OLD = "Taro Yamada, 090-1234-5678:\r\n  third  visit"
SEEDED = object()
"""The description of a booking that was there from the beginning."""

pytestmark = pytest.mark.usefixtures("impatient", "home")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where the old description is kept."""
    monkeypatch.setattr(writing.tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def tried(look_at):
    """Try a booking of a sandbox with these quirks: the report, and the sandbox."""

    def tried(*quirks, old=OLD, faults=(), **booking):
        with Sandbox(bookings=3, quirks=quirks) as sandbox:
            # What was made just now, a list that lags does not show yet.
            uid = (
                sandbox.bookings()[0]["uid"]
                if old is SEEDED
                else sandbox.add_booking(description=old, **booking)["uid"]
            )
            before = sandbox.booking(uid)["description"]
            for fault in faults:
                sandbox.fail(**fault)
            report = look_at(sandbox, try_booking_uid=uid)
            sandbox.settle()
            assert sandbox.messages == []
            assert report.lost or (sandbox.booking(uid)["description"] or "") == (before or "")
            return report, sandbox, sandbox.booking(uid)

    return tried


def found(report, *verdicts):
    return {finding.name: finding for finding in report.sections[WRITING] if finding.verdict in verdicts}


@pytest.mark.parametrize("old", [OLD, None, ""])
def test_as_it_should_be(tried, home, old):
    report, sandbox, booking = tried(old=old)
    assert booking["description"] == old
    assert found(report, Verdict.DIFFERS, Verdict.FAILS, Verdict.UNTOLD) == {}
    assert len(found(report, Verdict.HOLDS)) == 8
    assert sandbox.count("PATCH") == 4
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("quirk", "name", "words"),
    [
        ("collapsed-blanks", writing.STORED, "several blanks become one"),
        ("nfc", writing.STORED, r"NFC\)"),
        ("nfkc", writing.STORED, "NFKC"),
        ("crlf", writing.STORED, "CR LF"),
        ("lf", writing.STORED, "become LF"),
        ("escaped-html", writing.STORED, "HTML"),
        ("null-for-empty", writing.EMPTY, "null"),
        ("answers-before", writing.ANSWER, "as it was before"),
        ("answers-part", writing.ANSWER, "some fields only"),
        ("second-stamps", writing.STAMP, "whole seconds"),
        ("frozen-stamps", writing.STAMP, "stays"),
        ("late-effect=0.5s", writing.SHOWN, r"0\.\d s|1\.\d s"),
        ("late-list=1s", writing.LISTED, r"1\.\d s later"),
        ("late-read=0.5s", writing.SHOWN, r"0\.\d s"),
    ],
)
def test_ways_of_writing(tried, quirk, name, words):
    report, _, _ = tried(quirk, old=SEEDED)
    differing = found(report, Verdict.DIFFERS)
    assert list(differing) == [name]
    assert re.search(words, differing[name].seen), differing[name].seen
    assert found(report, Verdict.FAILS, Verdict.UNTOLD) == {}
    assert report.can_be_lived_with


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_stamp_of_a_whole_second_does_not_tell(tried, monkeypatch, number):
    """One in a thousand is."""
    stamp, made = State.stamp, []

    def at_a_whole_second(self, before, after):
        made.append(re.sub(r"\.\d+", ".000" if len(made) == number else ".125", stamp(self, before, after)))
        return made[-1]

    monkeypatch.setattr(State, "stamp", at_a_whole_second)
    report, _, _ = tried(old=SEEDED)
    assert made[number].endswith(".000Z")
    assert found(report, Verdict.HOLDS)[writing.STAMP].seen == "It moves, and has fractions of a second."


def test_the_stamp_of_the_first_change_where_the_second_is_refused(tried, monkeypatch):
    send, sent = writing._Trial._send, []

    def second_refused(self, text):
        sent.append(text)
        if len(sent) == 2:
            raise PermissionDeniedError("no", method="PATCH", path="/v1/bookings/uid", status=403)
        send(self, text)

    monkeypatch.setattr(writing._Trial, "_send", second_refused)
    report, _, _ = tried(old=SEEDED)
    assert len(found(report, Verdict.UNTOLD)) == 1
    assert writing.STAMP in found(report, Verdict.HOLDS)


@pytest.mark.parametrize("quirk", ["answers-nothing", "answers-null"])
def test_no_booking_in_the_answer(tried, quirk):
    # Each of these is read back a second later: a test of four seconds.
    report, _, booking = tried(quirk)
    assert list(found(report, Verdict.DIFFERS)) == [writing.ANSWER]
    assert booking["description"] == OLD


def test_what_is_ignored(tried, home):
    report, _, booking = tried("ignored-field=description")
    assert list(found(report, Verdict.DIFFERS)) == [writing.SHOWN]
    assert booking["description"] == OLD
    assert list(home.iterdir()) == []


def test_a_change_later_than_the_patience(tried, home, monkeypatch):
    """It is put back once more where the change comes after that."""
    monkeypatch.setattr(writing, "PATIENCE", 0.4)
    report, _, booking = tried("late-effect=0.6s")
    assert booking["description"] == OLD
    assert report.lost == ""
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("quirk", "fault", "words"),
    [
        ("cancelled-fixed", None, "422"),
        (None, {"fault": "refused", "method": "PATCH", "status": 403, "times": 1}, "403"),
    ],
)
def test_a_change_that_is_refused(tried, home, quirk, fault, words):
    status = "cancel" if quirk else "open"
    report, _, booking = tried(*filter(None, [quirk]), faults=filter(None, [fault]), status=status)
    (finding,) = found(report, Verdict.UNTOLD).values()
    assert words in finding.seen
    assert booking["description"] == OLD
    assert list(home.iterdir()) == []


def test_where_it_cannot_be_put_back(tried, home):
    report, _, booking = tried("stored-otherwise=description")
    assert booking["description"] != OLD
    finding = found(report, Verdict.FAILS)[writing.BACK]
    (file,) = home.iterdir()
    assert report.lost == finding.seen
    assert str(file) in finding.seen
    assert OLD not in str(report)
    assert "Taro" not in str(report)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"uid": booking["uid"], "description": OLD}
    assert not report.can_be_lived_with


class Stopped(BaseException):
    """As by Ctrl-C."""


def stop_at(monkeypatch, number):
    """End it at the n-th change, after it was sent."""
    send, sent = writing._Trial._send, []

    def sending(self, text):
        send(self, text)
        sent.append(text)
        if len(sent) == number:
            raise Stopped

    monkeypatch.setattr(writing._Trial, "_send", sending)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_it_is_put_back_when_it_is_ended(look_at, home, monkeypatch, number):
    stop_at(monkeypatch, number)
    with Sandbox(bookings=3) as sandbox:
        uid = sandbox.add_booking(description=OLD)["uid"]
        with pytest.raises(Stopped):
            look_at(sandbox, try_booking_uid=uid)
        assert sandbox.booking(uid)["description"] == OLD
        assert sandbox.messages == []
    assert list(home.iterdir()) == []


def test_it_is_ended_while_it_is_put_back(look_at, home, monkeypatch):
    stop_at(monkeypatch, 4)
    with Sandbox(bookings=3) as sandbox:
        uid = sandbox.add_booking(description=OLD)["uid"]
        report = look_at(sandbox, try_booking_uid=uid)
    assert "Stopped" in report.lost
    assert str(Path(home)) in report.lost
    assert len(list(home.iterdir())) == 1


def test_ended_and_not_put_back(look_at, home, monkeypatch):
    with Sandbox(bookings=3, quirks=["stored-otherwise=description"]) as sandbox:
        stop_at(monkeypatch, 2)
        uid = sandbox.add_booking(description=OLD)["uid"]
        with pytest.raises(RestoreError, match="could not be put back") as caught:
            look_at(sandbox, try_booking_uid=uid)
    assert os.listdir(home)[0] in str(caught.value)


@pytest.mark.parametrize("text", [writing.TEXT.strip(), writing.FACE])
def test_the_text_of_an_examination_that_was_killed_is_not_taken_for_the_old_one(look_at, home, text):
    # As where Airflow tries a task again whose worker was killed, on another machine.
    with Sandbox(bookings=3) as sandbox:
        uid = sandbox.add_booking(description=text)["uid"]
        with pytest.raises(InvalidRequestError, match="an earlier examination did not put it back"):
            look_at(sandbox, try_booking_uid=uid)
        assert sandbox.count("PATCH") == 0


def test_while_a_file_has_the_old_description_the_booking_is_not_tried_again(look_at, home):
    with Sandbox(bookings=3) as sandbox:
        uid = sandbox.add_booking(description="")["uid"]
        left = home / f"jicoo-doctor-{uid}-a1b2c3d_.json"
        left.write_text("{}")
        with pytest.raises(InvalidRequestError, match=re.escape(str(left))):
            look_at(sandbox, try_booking_uid=uid)
        assert sandbox.count("PATCH") == 0


def test_no_such_booking(look_at):
    with Sandbox(bookings=3) as sandbox:
        with pytest.raises(NotFoundError):
            look_at(sandbox, try_booking_uid="nothing")
        with pytest.raises(InvalidRequestError):
            look_at(sandbox, try_booking_uid="../x")
        assert sandbox.count() == 1
