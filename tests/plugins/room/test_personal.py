"""What may be a guest's is for those who may read the task's logs, and is never markup."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest

from tests.plugins.room import planted

EVIL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</td></table><h1>Zweig</h1>",
    "\"'><svg/onload=alert(1)>",
    "{{ 7*7 }} {% raw %} ${7*7}",
    "**bold** [a link](javascript:alert(1)) `code`",
    "\u202egnp.exe\u202c \u2067right to left\u2069 \u200f",
    "null\x00 and \x1b[31mred\x1b[0m",
    "&lt;b&gt; &amp;lt;",
    "Stefanie Zweig <zweig@example.com>",
]
PRIVATE = ("zweig", "alert(1)", "javascript:", "7*7")


@pytest.fixture
def titled(room, tmp_path):
    """An apply of a plan whose bookings have titles of all kinds; and its report."""
    changes = [
        planted.change(
            number,
            before={"name": f"Meeting {number}", "description": None},
            after={"name": title, "description": f"for {title}"},
        )
        for number, title in enumerate(EVIL)
    ]
    manifest = planted.write_plan(tmp_path / "plan.jsonl", changes)
    made = [
        {"uid": change.uid, "action": "update", "outcome": "rejected", "detail": f"400: {title}"}
        for change, title in zip(changes, EVIL, strict=True)
    ]
    reasons = [{"outcome": "rejected", "detail": each["detail"], "count": 1, "uids": [each["uid"]]} for each in made]
    planted.write_report(manifest, made, reasons=reasons)
    return planted.plant("room", "titled", "apply", "failed", jicoo_plan=planted.note(manifest))


class Shown(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.text += data


def test_whoever_may_read_the_logs_sees_it_as_text(viewer, titled):
    text = viewer.read(titled.address)
    shown = Shown(text)
    for title in EVIL:
        # A browser shows no NUL, and Python's parser makes of it what a browser makes.
        assert title in shown.text, title
    assert not {"img", "h4", "object", "iframe", "b0"} & shown.tags
    assert text.count("<script") == 1
    assert text.count("<svg") == 2, "the plot of the report, one within the other"
    assert not [name for name, _ in shown.attributes if name.startswith("on")]
    assert "<h1>Zweig" not in text
    # What turns the direction of writing ends with the value that it stands in.
    assert re.search(r"<bdi>[^<]*(<(del|ins)>)?[^<]*\u202egnp\.exe", text)


def test_who_may_not_read_the_logs_does_not_see_it(viewer, titled, only):
    only(refused={"TASK_LOGS"})
    text = html.unescape(viewer.read(titled.address)).casefold()
    for word in PRIVATE:
        assert word not in text, word
    # That something changes, and what became of it, is theirs to know.
    assert "description" in text
    assert "b000003" in text
    assert "refused by jicoo" in text
    assert "(not shown)" in text, "a selection by the name of a guest"


def test_nor_find_it(viewer, titled, only):
    assert "1 to 2 of 2" in viewer.search(titled.address, q="zweig")
    only(refused={"TASK_LOGS"})
    assert "Nothing found" in viewer.search(titled.address, q="zweig")


def test_what_is_searched_for_stands_in_no_address(viewer, titled):
    """Servers, proxies and browsers keep addresses."""
    text = viewer.search(titled.address, q="zweig", sort="host", dir="down")
    assert 'value="zweig"' in text
    assert not [each for each in re.findall(r'(?:href|action|data-\w+)="([^"]*)"', text) if "zweig" in each]
    assert 'name="go" value="sort=booking&amp;dir=up"' in text
    assert 'value="zweig"' not in viewer.read(f"{titled.address}?q=zweig"), "nor is it taken from one"


def test_nor_why_it_ended_early(viewer, room, tmp_path, only):
    """It may be the text of an error, with Jicoo's words in it."""
    manifest = planted.write_plan(tmp_path / "plan.jsonl", map(planted.change, range(3)))
    planted.write_report(manifest, [], endedEarly="refused for Stefanie Zweig")
    task = planted.plant("room", "early", "apply", "failed", jicoo_plan=planted.note(manifest))
    assert "Ended early: <bdi>refused for Stefanie Zweig" in viewer.read(task.address)
    only(refused={"TASK_LOGS"})
    text = viewer.read(task.address)
    assert "Ended early" in text
    assert "Zweig" not in text


@pytest.mark.parametrize("name", ["outcomes.jsonl", "report.json"])
def test_nor_download_it(viewer, titled, only, name):
    answer = viewer.get(f"{titled.address}/files/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert "Zweig" in answer.text
    assert f"files/{name}" in viewer.read(titled.address)
    only(refused={"TASK_LOGS"})
    assert viewer.get(f"{titled.address}/files/{name}").status_code == 404
    assert f"files/{name}" not in viewer.read(titled.address)


@pytest.mark.parametrize("name", ["report.html", "../plan.jsonl", "..%2fplan.jsonl", "plan.jsonl", "", "%00"])
def test_no_other_file_is_to_be_had(viewer, titled, name):
    assert viewer.get(f"{titled.address}/files/{name}").status_code == 404


def test_a_search_is_text_too(viewer, titled):
    text = viewer.search(
        titled.address, q='"><script>alert(2)</script>', sort="<b>", dir='"', page="-1", go="page=x&<b>"
    )
    assert "<script>alert(2)" not in text
    assert "&lt;script&gt;alert(2)" in text


def test_ids_are_text_too(viewer, room, tmp_path):
    manifest = planted.write_plan(tmp_path / "p.jsonl", [planted.change(1)], madeBy="<i>me</i>", warnings=["<i>w</i>"])
    note = planted.note({**manifest, "plan": manifest["plan"]})
    note["approval"] = {"digest": "d", "by": "<i>Ada</i>", "at": "<i>now</i>"}
    task = planted.plant("room", "ids", "apply", "running", jicoo_plan=note)
    for address in (task.address, "/jicoo/runs/"):
        text = viewer.read(address)
        assert "<i>" not in text
        assert "&lt;i&gt;Ada" in text


def test_nothing_of_a_guest_is_in_the_log_of_a_page_that_breaks_off(viewer, titled, monkeypatch, caplog):
    from airflow_provider_jicoo.plugins.room import pages

    def fail(*args):
        raise RuntimeError("Stefanie Zweig")

    monkeypatch.setattr(pages.source, "claims", fail)
    answer = viewer.get(titled.address)
    assert "could not be made to its end" in answer.text
    assert "RuntimeError" in caplog.text
    assert "Zweig" not in caplog.text
