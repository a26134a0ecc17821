from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from airflow_provider_jicoo.sandbox import Sandbox

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
        (["--latency", "soon"], "'soon' is not a time such as 50ms or 0.5s"),
        (["--latency=-1s"], "must not be below 0"),
        (["--rate-limit", "0"], "must be above 0"),
        (["--bookings=-5"], "must not be below 0"),
        (["--now", "2026-01-15"], "has no offset"),
        (["--now", "soon"], "is not a time in ISO 8601"),
    ],
)
def test_a_wrong_option_is_said_plainly(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    from airflow_provider_jicoo.sandbox.__main__ import main

    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err
