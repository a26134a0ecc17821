"""The command: what it prints, how it ends, and what it costs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest
from werkzeug import Response

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.settings import Settings
from airflow_provider_jicoo.doctor import writing
from airflow_provider_jicoo.doctor.__main__ import KEY, main
from airflow_provider_jicoo.doctor.examine import examine
from airflow_provider_jicoo.doctor.findings import Verdict

COMMAND = [sys.executable, "-m", "airflow_provider_jicoo.doctor"]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command: its exit code, what it printed, and what it said beside that."""

    def run(*arguments, key=None):
        if key is None:
            monkeypatch.delenv(KEY, raising=False)
        else:
            monkeypatch.setenv(KEY, key)
        handler = signal.getsignal(signal.SIGTERM)
        try:
            code = main(arguments)
        except SystemExit as end:  # of argparse
            code = end.code
        finally:
            signal.signal(signal.SIGTERM, handler)
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return run


def extras_of(text):
    return json.loads(text[text.index("\n{") :])


def test_a_good_account(jicoo_sandbox, run):
    before = jicoo_sandbox.bookings()
    code, text, progress = run("--host", jicoo_sandbox.url, key=jicoo_sandbox.api_key)

    assert code == 0
    assert "does not hold" not in text.lower()
    assert max(map(len, text.splitlines())) <= 80
    assert extras_of(text)["on_unproven"] == "fail"
    assert progress.count("looking at") >= 7
    assert jicoo_sandbox.bookings() == before
    assert jicoo_sandbox.count() == jicoo_sandbox.count("GET")


@pytest.mark.jicoo_sandbox(quirks=["names-guest", "list-cap-told=20", "order-ignored"])
def test_nothing_personal_and_no_key_in_it(jicoo_sandbox, run, impatient):
    guest = {"name": "Hanako Sato", "email": "hanako@example.com", "phoneNumber": "090-1111-2222"}
    uid = jicoo_sandbox.add_booking(name="Hanako Sato / Visit", description="private", contacts=[guest])["uid"]
    jicoo_sandbox.fail("refused", path="/v1/bookings/{uid}/contacts")
    jicoo_sandbox.fail("refused", method="PATCH")
    code, text, progress = run("--host", jicoo_sandbox.url, "--try-booking", uid, key=jicoo_sandbox.api_key)
    assert code == 1
    assert max(map(len, text.splitlines())) <= 80
    personal = {word for row in jicoo_sandbox.bookings() for word in [row["name"], row["description"]] if word}
    for row in jicoo_sandbox.bookings():
        for contact in jicoo_sandbox.contacts(row["uid"]):
            personal |= {contact["name"], contact["email"]}
    personal |= {user["email"] for user in jicoo_sandbox.users} | {jicoo_sandbox.api_key, "090-1111-2222"}
    assert [word for word in personal if word in text + progress] == []


@pytest.mark.jicoo_sandbox(bookings=0)
def test_an_empty_account(jicoo_sandbox, run):
    code, text, _ = run("--host", jicoo_sandbox.url, key=jicoo_sandbox.api_key)
    assert code == 0
    assert "could not be told" in text
    assert "There are no bookings." in text


@pytest.mark.jicoo_sandbox(bookings=1)
def test_one_booking(jicoo_sandbox, run):
    code, text, _ = run("--host", jicoo_sandbox.url, key=jicoo_sandbox.api_key)
    assert code == 0
    assert "does not hold" not in text.lower()


def test_a_wrong_key(jicoo_sandbox, run):
    code, text, said = run("--host", jicoo_sandbox.url, key="sk_live_wrong")
    assert code == 1
    assert text == ""
    assert said.splitlines()[-1].endswith("refuses the API key (401): make or copy it anew in Jicoo's dashboard")


def test_a_key_without_permissions(jicoo_sandbox, run):
    code, text, _ = run("--host", jicoo_sandbox.url, key=jicoo_sandbox.forbidden_key)
    assert code == 1
    assert "The key may read the list of bookings" in text
    assert text.count("403") >= 6


def test_no_network(run):
    code, text, said = run("--host", "http://127.0.0.1:9", key="sk_live_x")
    assert code == 1
    assert text == ""
    assert "http://127.0.0.1:9 cannot be reached" in said.splitlines()[-1]


def test_wrong_use(jicoo_sandbox, run):
    code, _, said = run()
    assert code == 2
    assert KEY in said
    assert run("--host", "http://jicoo.example.com", key="sk_live_x")[0] == 2
    assert run("--conn-id", "x", "--host", "y")[0] == 2
    assert run("--conn-id", "nothing")[0] == 2
    code, text, said = run("--host", jicoo_sandbox.url, "--try-booking", "nothing", key=jicoo_sandbox.api_key)
    assert (code, text) == (2, "")
    assert "--try-booking" in said.splitlines()[-1]
    assert run("--host", jicoo_sandbox.url, "--try-booking", "a/b", key=jicoo_sandbox.api_key)[0] == 2


def test_a_connection(jicoo_sandbox, jicoo_connection, run):
    code, text, _ = run("--conn-id", "jicoo_default")
    assert code == 0
    assert jicoo_sandbox.url in text


def test_a_connection_in_the_database_of_airflow(jicoo_sandbox, airflow_database, run_airflow):
    """Two commands of Airflow's: it takes some seconds. It is where most connections are."""
    fields = json.dumps(jicoo_sandbox.connection())
    run_airflow("connections", "add", "stored_jicoo", "--conn-json", fields)
    done = subprocess.run([*COMMAND, "--conn-id", "stored_jicoo"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Jicoo at {jicoo_sandbox.url}")


@pytest.mark.jicoo_sandbox(bookings=30, latency=0.03)
def test_a_slow_server(jicoo_sandbox):
    report = examine(Settings(jicoo_sandbox.api_key, base_url=jicoo_sandbox.url, timeout=0.05, server_grace=1))
    (finding,) = [each for each in report.sections["Answers"] if each.name == "Answers come in time"]
    assert finding.verdict is Verdict.DIFFERS
    assert report.extras["timeout"] >= 0.05


def test_a_rate_limit(jicoo_sandbox):
    jicoo_sandbox.fail("rate_limit", retry_after="1")
    report = examine(Settings(jicoo_sandbox.api_key, base_url=jicoo_sandbox.url))
    assert report.can_be_lived_with
    (finding,) = [each for each in report.sections["Answers"] if each.name == "A rate limit is told"]
    assert "retry-after: 1" in finding.seen
    assert "1 of the answers had status 429" in finding.seen


def test_a_kill_puts_the_description_back(jicoo_sandbox, run, impatient, monkeypatch, tmp_path):
    monkeypatch.setattr(writing.tempfile, "tempdir", str(tmp_path))
    uid = jicoo_sandbox.add_booking(description="old")["uid"]
    send, sent = writing._Trial._send, []

    def sending(self, text):
        send(self, text)
        sent.append(text)
        if len(sent) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(writing._Trial, "_send", sending)
    code, text, said = run("--host", jicoo_sandbox.url, "--try-booking", uid, key=jicoo_sandbox.api_key)
    assert (code, text) == (1, "")
    assert said.splitlines()[-1].endswith("interrupted")
    assert jicoo_sandbox.booking(uid)["description"] == "old"
    assert list(tmp_path.iterdir()) == []


def test_as_a_module_it_takes_no_key(jicoo_sandbox):
    """An argument would show in the list of processes."""
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    assert KEY in done.stdout
    assert "--key" not in done.stdout
    assert "--api-key" not in done.stdout


# --- many bookings ----------------------------------------------------------------------------------------------------

BEGIN = datetime(2026, 1, 5, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
MANY = 100_000


def booking(number):
    start = times.wire(BEGIN + number * HOUR)
    fields = dict.fromkeys(
        ("eventTypeId", "description", "locationId", "url", "phoneNumber", "address", "customLocation", "access")
    )
    return {
        **fields,
        **dict.fromkeys(("priority", "cancelReason", "cancelledAt", "cancelledBy")),
        "uid": f"b{number}",
        "name": "Visit",
        "status": ("open", "cancel", "request")[number % 3],
        "startedAt": start,
        "endedAt": times.wire(BEGIN + (number + 1) * HOUR),
        "timeZone": "Asia/Tokyo",
        "hosts": [{"userId": "h", "role": "admin"}],
        "createdAt": start,
        "updatedAt": start,
    }


def numbers(query):
    """The numbers of the bookings that a query asks for, as a range."""
    first, last = 0, MANY - 1
    if "startedAt" in query:
        first = max(first, -((BEGIN - times.moment(query["startedAt"])) // HOUR))
    if "endedAt" in query:
        last = min(last, (times.moment(query["endedAt"]) - BEGIN) // HOUR - 1)
    found = range(first, last + 1)
    if "status" in query:
        place = {"open": 0, "cancel": 1}[query["status"]]
        found = range(first + (place - first) % 3, last + 1, 3)
    return found[::-1] if query.get("sort") == "desc" else found


@pytest.mark.parametrize("largest", [100, 7])
def test_many_bookings_cost_few_requests(httpserver, largest):
    sent = []

    def answer(request):
        sent.append(request.path)
        query = request.args
        if request.path != "/v1/bookings":
            number = re.fullmatch(r"/v1/bookings/b(\d+)", request.path)
            found = {"data": booking(int(number[1]))} if number else {"errors": {"base": ["no"]}}
            return Response(json.dumps(found), 200 if number else 404, content_type="application/json")
        page, size = int(query["page"]), min(largest, int(query["perPage"]))
        if page < 1 or query.get("status") == "request":
            return Response('{"errors": {"page": ["no"]}}', 400, content_type="application/json")
        every = numbers(query)
        data = [booking(number) for number in every[(page - 1) * size : page * size]]
        told = {"totalCount": len(every), "count": len(data), "currentPage": page}
        told["numberOfPages"] = -(-len(every) // size)
        return Response(json.dumps({"data": data, **told}), content_type="application/json")

    httpserver.expect_request(re.compile("/v1/.*")).respond_with_handler(answer)
    report = examine(Settings("sk_live_x", base_url=httpserver.url_for("").rstrip("/")))

    assert report.can_be_lived_with, report
    assert {finding.verdict for finding in report.sections["Bookings"]} == {Verdict.HOLDS}
    assert report.extras["page_size"] == largest
    assert len(sent) == report.requests < 80
