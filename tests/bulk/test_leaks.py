"""A refusal that names the guest shows in nothing that a bulk run leaves: outcomes, journal, report, progress, log."""

from __future__ import annotations

import json
import logging
import re

import pytest
import requests
from werkzeug import Response

from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.bulk import Cancel, Selection, UpdateFields, apply_plan, plan_changes
from airflow_provider_jicoo.bulk.errors import BulkFailedError
from airflow_provider_jicoo.sandbox import Sandbox
from tests.bulk.tools import FAST, outcomes, quick

NAME = "Stefanie Zweig"


@pytest.fixture
def sandbox():
    with Sandbox(bookings=0, seed=3) as sandbox:
        for _ in range(3):
            sandbox.edit(sandbox.add_booking()["uid"], name=f"Consultation for {NAME}", description="Rückenschmerzen")
        yield sandbox


@pytest.fixture
def front(sandbox, httpserver):
    """Stand before the sandbox: what reads is passed on, what changes is refused with ``front.says``."""

    def handle(request):
        if request.method == "GET":
            found = requests.get(
                sandbox.url + request.full_path.rstrip("?"),
                headers={"X-Jicoo-Api-Key": request.headers["X-Jicoo-Api-Key"]},
                timeout=5,
            )
            return Response(found.content, found.status_code, content_type=found.headers["Content-Type"])
        uid = request.path.split("/")[3]
        contact = requests.get(
            f"{sandbox.url}/v1/bookings/{uid}/contacts", headers={"X-Jicoo-Api-Key": sandbox.api_key}, timeout=5
        ).json()["data"][0]
        handle.guests.append(contact["name"])
        body = json.dumps({"errors": {"base": [handle.says.format(guest=contact["name"], mail=contact["email"])]}})
        return Response(body, handle.status, content_type="application/json")

    handle.guests, handle.says, handle.status = [], "", 409
    httpserver.expect_request(re.compile(".*")).respond_with_handler(handle)
    handle.url = httpserver.url_for("").rstrip("/")
    return handle


@pytest.mark.parametrize(
    ("status", "says", "told"),
    [
        (409, f"{NAME.upper()} has cancelled", '{"base": ["*** *** has cancelled"]}'),
        (409, "{guest} ({mail}) has cancelled, startedAt is not free", None),
        (422, "Mr. {guest}: hosts must contain exactly one owner", None),
        (422, "hosts must contain exactly one owner", '{"base": ["hosts must contain exactly one owner"]}'),
        (500, f"{NAME} Rückenschmerzen {{guest}}", None),
    ],
)
@pytest.mark.parametrize("change", [Cancel(), UpdateFields(priority="high")], ids=["cancel", "update"])
def test_nothing_shows(sandbox, front, tmp_path, caplog, status, says, told, change):
    caplog.set_level(logging.DEBUG, logger="airflow_provider_jicoo")
    front.status, front.says = status, says
    path, progress = tmp_path / "plan.jsonl", []
    quiet = None if isinstance(change, Cancel) else False
    settings = Settings(sandbox.api_key, front.url, timeout=1, server_grace=1)
    with JicooClient(settings, policy=FAST) as jicoo:
        plan = plan_changes(jicoo, Selection(status="open"), change, path, is_send_updates=quiet)
        options = quick(tolerated_failures=5)
        try:
            progress.append(str(apply_plan(jicoo, plan, options=options, progress=progress.append)))
        except BulkFailedError as error:
            progress.append(f"{error!r} {error}")

    left = [each.read_text() for each in tmp_path.rglob("*") if each.is_file() and each != path]
    logged = [
        f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records if "jicoo" in record.name
    ]
    everything = "\n".join([*left, *map(repr, progress), *logged]).casefold()
    assert len(front.guests) >= 3
    for words in (NAME, "Rückenschmerzen", *front.guests):
        assert [word for word in words.casefold().split() if re.search(rf"\b{word}\b", everything)] == []
    assert sandbox.api_key not in everything
    if told is not None:
        assert all(each["detail"].endswith(f"Jicoo said: {told}") for each in outcomes(path))
