"""A host leaves: change their bookings in bulk on an embedded Jicoo, and take it back.

Runs the DAG ``jicoo_bulk_reassign_host``, answers its approval through Airflow's REST API, and then
``jicoo_undo_last_run``. Everything it starts is stopped when it ends, also after Ctrl-C or a failure; the log of
Airflow, the plans and the reports stay in ``build/demo``. With a path behind it, it saves a picture of what it showed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from rich.console import Console
from rich.table import Table

from airflow_provider_jicoo.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "demo"
LOG = KEPT / "airflow.log"
RATE = 12
SHOWN = 5
TASK_ENDED = re.compile(r"\[DAG TEST\] end task task_id=(\S+) map_index=-1")
PROGRESS = re.compile(r"\] ([\d,]+ of [\d,]+ done \(.*?) +\[")
PLANNED = re.compile(r"\] ([\d,]+ planned changes: .*?) Report: ")

console = Console(width=116, record=True, highlight=False)
Bookings = list[dict[str, Any]]


def main() -> int:
    with Sandbox(bookings=2_000, seed=7) as jicoo, throwaway_airflow(jicoo) as airflow:
        names = {user["uid"]: user["name"] for user in jicoo.users}
        leaves, takes_over = busiest(future(jicoo.bookings()))
        affected = hosted_by(leaves, future(jicoo.bookings()))
        before = without_updated_at(jicoo.bookings())
        console.print(
            f"\nAn embedded Jicoo with {len(before):,} bookings runs at {jicoo.url} .\n"
            f"It takes {RATE} requests a second; 2 % of the changes are made but their answers lost, 2 % fail.\n"
            f"[bold]{names[leaves]}[/] leaves and has {len(affected)} open bookings to come; "
            f"[bold]{names[takes_over]}[/] takes over.\n"
        )
        show("Before", affected, names)
        trouble(jicoo)
        airflow.run("jicoo_bulk_reassign_host", {"from_user_id": leaves, "to_user_id": takes_over})
        after = [jicoo.booking(booking["uid"]) for booking in affected]
        show("\nAfter", after, names)
        handed = len(hosted_by(takes_over, after)) - len(hosted_by(leaves, after))
        messages = len(jicoo.messages)
        airflow.run("jicoo_undo_last_run", {})
        same = without_updated_at(jicoo.bookings()) == before
        console.print(
            f"\n{handed} of {len(affected)} bookings were handed over; {messages} guests were messaged. "
            + (f"After the undo, all {len(before):,} bookings are as they were." if same else "")
            + f"\nPlans, reports and Airflow's log: {KEPT.relative_to(ROOT)}"
        )
        if handed != len(affected) or messages or not same:
            console.print("That is not what should have happened.", style="bold red")
            return 1
        return 0


def trouble(jicoo: Sandbox) -> None:
    jicoo.rate_limit = RATE
    jicoo.fail("dropped", method="PATCH", share=0.02)
    jicoo.fail("server_error", method="PATCH", share=0.02)


class Airflow:
    """A throw-away Airflow whose REST API runs.

    :param environment: its environment.
    :param url: where the API is.
    """

    def __init__(self, environment: dict[str, str], url: str) -> None:
        self._environment = environment
        self._url = url

    def command(self, *arguments: str) -> None:
        """Run a command, say how it goes, and keep its log.

        :raises SystemExit: it failed; the end of its log is shown.
        """
        with started(self._environment, *arguments) as process:
            assert process.stdout is not None
            shown = set()
            with LOG.open("a") as log:
                for line in process.stdout:
                    log.write(line)
                    for pattern in (TASK_ENDED, PROGRESS, PLANNED):
                        found = pattern.search(line)
                        if found and found[1] not in shown:
                            shown.add(found[1])
                            console.print(f"  {found[1]}")
            code = process.wait()
        if code != 0:
            console.print("".join(LOG.read_text().splitlines(keepends=True)[-30:]), markup=False)
            raise SystemExit(f"airflow {' '.join(arguments[:2])} failed ({code}); the whole log is {LOG}")

    def run(self, dag: str, conf: dict[str, str]) -> None:
        """Run a DAG, and answer its approval when it asks for one."""
        console.print(f"\n$ airflow dags test {dag}", style="bold")
        done = threading.Event()
        person = threading.Thread(target=self._approve, args=(dag, done))
        person.start()
        try:
            self.command(
                "dags", "test", dag, "--conf", json.dumps({**conf, "plans": str((KEPT / "plans").relative_to(ROOT))})
            )
        finally:
            done.set()
            person.join()

    def _approve(self, dag: str, done: threading.Event) -> None:
        """Wait for the approval, show what is to be agreed to, and agree, as a person does in Airflow's UI."""
        with requests.Session() as session:
            token = session.get(f"{self._url}/auth/token", timeout=30).json()["access_token"]
            session.headers["Authorization"] = f"Bearer {token}"
            while not done.wait(0.5):
                asked = session.get(f"{self._url}/api/v2/dags/{dag}/dagRuns/~/hitlDetails", timeout=30).json()
                for detail in asked.get("hitl_details", []):
                    if not detail["response_received"]:
                        self._agree(session, detail)
                        return

    def _agree(self, session: requests.Session, detail: dict[str, Any]) -> None:
        console.print(f"\n  [bold]{detail['subject']}[/]")
        for line in detail["body"].splitlines()[:15]:
            console.print(f"  | {line}", markup=False, style="dim", no_wrap=True, overflow="ellipsis")
        task = detail["task_instance"]
        path = f"dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}/-1/hitlDetails"
        session.patch(f"{self._url}/api/v2/{path}", json={"chosen_options": ["Approve"]}, timeout=30).raise_for_status()
        console.print("  approved, through Airflow's REST API\n")


@contextmanager
def throwaway_airflow(jicoo: Sandbox) -> Iterator[Airflow]:
    """Make an Airflow home that knows the example DAGs and the embedded Jicoo, and start its REST API."""
    home = tempfile.mkdtemp(prefix="jicoo-demo-")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW_CONN_JICOO_DEFAULT": json.dumps(jicoo.connection()),
        "PYTHONUNBUFFERED": "1",
    }
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    airflow = Airflow(environment, f"http://127.0.0.1:{port}")
    try:
        console.print("Making a throw-away Airflow ...")
        airflow.command("db", "migrate")
        with started(
            environment, "api-server", "--host", "127.0.0.1", "--port", str(port), log=KEPT / "api-server.log"
        ):
            wait_until_up(f"http://127.0.0.1:{port}/api/v2/monitor/health")
            yield airflow
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def started(environment: dict[str, str], *arguments: str, log: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run an Airflow command; at the end, stop it and whatever it has started."""
    with (log or Path(os.devnull)).open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE if log is None else file,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            for signum in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, signum)
                    process.wait(10)
                except ProcessLookupError:
                    break
                except subprocess.TimeoutExpired:
                    continue
            if process.stdout is not None:
                process.stdout.close()


def wait_until_up(url: str) -> None:
    until = time.monotonic() + 90
    while True:
        try:
            requests.get(url, timeout=5)
            return
        except requests.RequestException:
            if time.monotonic() > until:
                raise SystemExit(f"Airflow's API did not start; see {KEPT / 'api-server.log'}") from None
            time.sleep(0.3)


def without_updated_at(bookings: Bookings) -> Bookings:
    return [{name: value for name, value in booking.items() if name != "updatedAt"} for booking in bookings]


def future(bookings: Bookings) -> Bookings:
    now = datetime.now(timezone.utc).isoformat()
    found = [booking for booking in bookings if booking["status"] == "open" and booking["startedAt"] > now]
    return sorted(found, key=lambda booking: str(booking["startedAt"]))


def hosted_by(user: str, bookings: Bookings) -> Bookings:
    return [booking for booking in bookings if any(host["userId"] == user for host in booking["hosts"])]


def busiest(bookings: Bookings) -> tuple[str, str]:
    """Return the user with the most bookings and the one with the fewest."""
    counted = Counter(host["userId"] for booking in bookings for host in booking["hosts"]).most_common()
    return counted[0][0], counted[-1][0]


def show(title: str, bookings: Bookings, names: dict[str, str]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("booking", "starts (UTC)", "title", "hosts"):
        table.add_column(heading, no_wrap=True)
    for booking in bookings[:SHOWN]:
        hosts = ", ".join(names[host["userId"]] for host in booking["hosts"])
        table.add_row(booking["uid"], booking["startedAt"][:16].replace("T", " "), booking["name"], hosts)
    if len(bookings) > SHOWN:
        table.add_row("...", "", f"and {len(bookings) - SHOWN} more", "")
    console.print(table)


def picture(path: Path) -> None:
    """Save what was shown as an SVG that loads nothing from elsewhere."""
    svg = console.export_svg(title="make demo", clear=False)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    # It squeezes text into as many columns as it has characters; Japanese ones take two.
    path.write_text(re.sub(r' textLength="[^"]*"([^>]*>[^<]*[\u3000-\u9fff][^<]*<)', r"\1", svg))


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)
    try:
        code = main()
        if len(sys.argv) > 1:
            picture(Path(sys.argv[1]))
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit("Interrupted: everything the demo started is stopped.")
