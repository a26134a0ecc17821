from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from airflow_provider_jicoo.sandbox import Sandbox
from airflow_provider_jicoo.sandbox.__main__ import _fault, main
from airflow_provider_jicoo.sandbox.quirks import described

COMMAND = [sys.executable, "-m", "airflow_provider_jicoo.sandbox"]
LINE = re.compile(r"AIRFLOW_CONN_JICOO_DEFAULT='(\{.*\})'\n")


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, dict[str, str]]]:
    with subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = LINE.fullmatch(process.stdout.readline())
            assert line, process.stderr and process.stderr.read()
            connection = json.loads(line[1])
            yield process, connection["host"], {"X-Jicoo-Api-Key": connection["password"]}
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_the_signal_and_logs_nothing(number: signal.Signals) -> None:
    with running("--bookings", "30", "--seed", "3") as (process, url, headers):
        assert requests.get(f"{url}/v1/bookings", headers=headers, timeout=5).json()["totalCount"] == 30
        process.send_signal(number)
        assert process.communicate(timeout=5) == ("", "")
        assert process.returncode == 0


def test_the_options_reach_the_server(tmp_path: Path) -> None:
    options = [
        "--rate-limit",
        "1",
        "--latency",
        "50ms",
        "--fault",
        "server_error=100%",
        "--now",
        "2026-01-15T09:00:00Z",
    ]
    with running(*options, "--state", str(tmp_path / "state.sqlite"), "--bookings", "1") as (_, url, headers):
        first, second = (requests.get(f"{url}/v1/bookings", headers=headers, timeout=5) for _ in range(2))

        assert (first.status_code, second.status_code) == (503, 429)
        assert first.elapsed.total_seconds() >= 0.05
    assert (tmp_path / "state.sqlite").exists()


def test_the_state_outlives_a_kill(tmp_path: Path) -> None:
    state = ["--state", str(tmp_path / "state.sqlite"), "--bookings", "3"]
    with running(*state) as (process, url, headers):
        uid = requests.get(f"{url}/v1/bookings", headers=headers, timeout=5).json()["data"][0]["uid"]
        requests.patch(f"{url}/v1/bookings/{uid}", json={"name": "new"}, headers=headers, timeout=5)
        process.kill()
    with running(*state) as (_, url, headers):
        assert requests.get(f"{url}/v1/bookings/{uid}", headers=headers, timeout=5).json()["data"]["name"] == "new"


def test_quirks_and_late_faults_reach_the_server() -> None:
    options = ["--quirk", "page-cap=7", "--quirk", "trimmed-names", "--fault", "late=1s"]
    with running("--bookings", "30", *options) as (_, url, headers):
        page = requests.get(f"{url}/v1/bookings", headers=headers, timeout=5).json()
        assert (page["count"], page["numberOfPages"]) == (7, 2)
        uid = page["data"][0]["uid"]
        with pytest.raises(requests.ConnectionError):
            requests.patch(f"{url}/v1/bookings/{uid}", json={"name": " new "}, headers=headers, timeout=5)
        names = []
        for _ in range(100):
            names.append(requests.get(f"{url}/v1/bookings/{uid}", headers=headers, timeout=5).json()["data"]["name"])
            if names[-1] == "new":
                break
            time.sleep(0.05)

        assert names[0] == page["data"][0]["name"]
        assert names[-1] == "new"


def test_a_request_can_be_approved() -> None:
    with running("--bookings", "50") as (_, url, headers):
        found = requests.get(f"{url}/v1/bookings", params={"perPage": 100}, headers=headers, timeout=5).json()["data"]
        uid = next(row["uid"] for row in found if row["status"] == "request")

        assert requests.post(f"{url}/sandbox/approve/{uid}", timeout=5).json()["data"]["status"] == "open"
        assert requests.get(f"{url}/v1/bookings/{uid}", headers=headers, timeout=5).json()["data"]["status"] == "open"


def test_lists_the_quirks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--list-quirks"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"{described()}\n"


def test_the_help_names_quirks_faults_and_approvals(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    for word in ("--quirk NAME[=VALUE]", "--list-quirks", "dropped=2%", "late=3s", "POST /sandbox/approve/{uid}"):
        assert word in said


@pytest.mark.parametrize(
    ("given", "wishes"),
    [
        ("dropped=2%", [{"fault": "dropped", "share": 0.02}]),
        ("dropped=2%,late=3s", [{"fault": "dropped", "share": 0.02, "late": 3}]),
        (
            "server_error=0.5,status=504,html=true,method=PATCH,late=50ms",
            [{"fault": "server_error", "share": 0.5, "status": 504, "html": True, "method": "PATCH", "late": 0.05}],
        ),
        ("bomb=100%,megabytes=3,times=1", [{"fault": "bomb", "share": 1, "megabytes": 3, "times": 1}]),
        (
            "late=3s",
            [{"fault": "dropped", "share": 1, "late": 3, "method": name} for name in ("POST", "PATCH", "DELETE")],
        ),
        (
            "late=3s,share=10%",
            [{"fault": "dropped", "share": 0.1, "late": 3, "method": name} for name in ("POST", "PATCH", "DELETE")],
        ),
    ],
)
def test_how_a_fault_is_written(given: str, wishes: list[dict[str, object]]) -> None:
    assert _fault(given) == wishes


def test_a_taken_port_is_said_plainly(jicoo_sandbox: Sandbox) -> None:
    port = jicoo_sandbox.url.rpartition(":")[2]
    done = subprocess.run([*COMMAND, "--port", port, "--bookings", "0"], capture_output=True, text=True, timeout=20)

    assert done.returncode == 1
    assert done.stderr.endswith(f"port {port} on 127.0.0.1: is taken; --port 0 picks a free one\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "explosion=1%"], "no fault 'explosion'; there are rate_limit"),
        (["--fault", "dropped=200%"], "'200%' is not a share such as 2% or 0.02"),
        (["--fault", "dropped"], "'' is not a share"),
        (["--fault", "droped=1%"], "no fault 'droped'; did you mean 'dropped'? there are rate_limit"),
        (["--fault", "dropped=1%,lat=3s"], "the fault dropped has no option 'lat'; it has late"),
        (["--fault", "dropped=1%,late=soon"], "'soon' is not a time such as 50ms or 0.5s"),
        (["--fault", "server_error=1%,html=yes"], "html is true or false, not 'yes'"),
        (["--fault", "late"], "'' is not a time"),
        (["--quirk", "trimed-names"], "no quirk 'trimed-names'; did you mean 'trimmed-names'? there are"),
        (["--quirk", "page-cap=many"], "the quirk page-cap: 'many' is not a whole number from 1"),
        (["--quirk", "page-cap=2", "--quirk", "page-cap=3"], "the quirk page-cap is given twice"),
        (["--latency", "soon"], "'soon' is not a time such as 50ms or 0.5s"),
        (["--latency=-1s"], "must not be below 0"),
        (["--rate-limit", "0"], "must be above 0"),
        (["--bookings=-5"], "must not be below 0"),
        (["--now", "2026-01-15"], "has no offset"),
        (["--now", "soon"], "is not a time in ISO 8601"),
    ],
)
def test_a_wrong_option_is_said_plainly(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err
