"""A host leaves: change their bookings in bulk on an embedded Jicoo, and take it back.

Runs the DAG ``jicoo_bulk_reassign_host``, shows the plan as a person sees it in Airflow's Required Actions, approves it
through Airflow's REST API, and then does the same with ``jicoo_undo_last_run``. No step may take longer than some
minutes. Everything it starts is stopped when it ends, also after Ctrl-C or a failure; the log of Airflow, the plans and
the reports stay in ``build/demo``. With a path behind it, it saves a picture of what it showed: that of the README is
made by ``make demo PICTURE=docs/demo.svg``.
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
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.theme import Theme

from airflow_provider_jicoo.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "demo"
LOG = KEPT / "airflow.log"
RATE = 12
SHOWN = 5
TICK = 0.5
LIMIT = 300.0
"""Seconds that a step may take; the longest takes 40 where nothing else runs."""
TASK_BEGUN = re.compile(r"\[DAG TEST\] starting task_id=(\S+) map_index")
TASK_ENDED = re.compile(r"\[DAG TEST\] end task task_id=(\S+) map_index=-1")
PROGRESS = re.compile(r"\] ([\d,]+ of [\d,]+ done\b.*?) +\[")
AWAITS_INPUT = "Waiting for Human-in-the-loop input"

# The colours of the picture in the README: rich's own for code and headings cannot be read on its background.
THEME = Theme({"markdown.code": "cyan", "markdown.h4": "bold", "markdown.table.header": "bold"})
console = Console(width=116, record=True, highlight=False, theme=THEME)
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
        airflow.run("jicoo_bulk_reassign_host", {"from_user_id": leaves, "to_user_id": takes_over}, whole=True)
        after = [jicoo.booking(booking["uid"]) for booking in affected]
        show("\nAfter", after, names)
        handed = len(hosted_by(takes_over, after)) - len(hosted_by(leaves, after))
        messages = len(jicoo.messages)
        airflow.run("jicoo_undo_last_run", {})
        same = without_updated_at(jicoo.bookings()) == before
        console.print(
            f"\n{handed} of {len(affected)} bookings were handed over; {messages} guests were messaged. "
            + (f"After the undo, all {len(before):,} bookings are as they were." if same else "")
        )
        tell_of_trouble(jicoo)
        console.print(f"Plans, reports and Airflow's log: {KEPT.relative_to(ROOT)}")
        if handed != len(affected) or messages or not same:
            console.print("That is not what should have happened.", style="bold red")
            return 1
        return 0


def trouble(jicoo: Sandbox) -> None:
    jicoo.rate_limit = RATE
    jicoo.fail("dropped", method="PATCH", share=0.02)
    jicoo.fail("server_error", method="PATCH", share=0.02)


def tell_of_trouble(jicoo: Sandbox) -> None:
    """Say what became of the changes that failed, and of those whose answers were lost."""
    sent = [request for request in jicoo.requests if request.method == "PATCH"]
    made = Counter(change.uid for change in jicoo.changes)
    failed = sum(request.status == 503 for request in sent)
    lost = [request.path.rsplit("/", 1)[1] for request in sent if request.status is None]
    # Each booking is changed once there and once back.
    recovered = sum(made[uid] <= 2 for uid in lost)
    console.print(
        f"{failed} changes failed, and were sent again. {len(lost)} were made while their answers were lost: "
        f"{recovered} of these were recovered, since they were read back and not made twice."
    )


class Steps:
    """What the demo is at. Each step has a deadline."""

    def __init__(self) -> None:
        self.name = ""
        self._until = 0.0

    def begin(self, name: str) -> None:
        """Go on to the next step."""
        self.name = name
        self._until = time.monotonic() + LIMIT

    def check(self) -> None:
        """Give up where the step takes too long.

        :raises SystemExit: says which step it was.
        """
        if time.monotonic() > self._until:
            fail(f"This took longer than {LIMIT:g} s: {self.name}")


def fail(why: str) -> None:
    """Show the end of Airflow's log, and end the demo.

    :raises SystemExit: says why.
    """
    console.print("".join(LOG.read_text().splitlines(keepends=True)[-30:]), markup=False)
    raise SystemExit(f"{why}. The whole log is {LOG}")


class Airflow:
    """A throw-away Airflow whose REST API runs.

    :param environment: its environment.
    :param url: where the API is.
    :param steps: what the demo is at.
    """

    def __init__(self, environment: dict[str, str], url: str, steps: Steps) -> None:
        self._environment = environment
        self._url = url
        self._steps = steps

    def command(self, *arguments: str, hear: Callable[[str], None], look: Callable[[], None] = lambda: None) -> None:
        """Run a command to its end.

        :param hear: called with each line of its log.
        :param look: called twice a second.
        :raises SystemExit: it failed, or a step took too long; the end of its log is shown.
        """
        with started(self._environment, *arguments, log=LOG) as process, LOG.open() as log:
            log.seek(0, os.SEEK_END)
            rest = ""
            while True:
                over = process.poll() is not None
                *lines, rest = (rest + log.read()).split("\n")
                for line in lines:
                    hear(line)
                if over:
                    break
                self._steps.check()
                look()
                time.sleep(TICK)
        if process.returncode != 0:
            fail(f"airflow {arguments[0]} ended with {process.returncode}: {self._steps.name}")

    def run(self, dag: str, conf: dict[str, str], *, whole: bool = False) -> None:
        """Run a DAG, and agree to its plan when it asks for that.

        :param whole: show all of what it asks.
        """
        console.print(f"\n$ airflow dags test {dag}", style="bold")
        self._steps.begin(f"start the DAG {dag}")
        person = Person(self._url, dag, whole)
        plans = str((KEPT / "plans").relative_to(ROOT))
        self.command(
            *("dags", "test", dag, "--conf", json.dumps({**conf, "plans": plans})),
            hear=lambda line: self._tell(line, dag, person),
            look=person.look,
        )
        for report in (KEPT / "plans" / dag).glob("*.report"):
            facts = json.loads((report / "report.json").read_text())
            counts = ", ".join(f"{count:,} {outcome}" for outcome, count in facts["counts"].items() if count)
            console.print(f"\n  {facts['changes']:,} planned changes: {counts}. The report:")
            console.print(f"  {(report / 'report.html').relative_to(ROOT)}", soft_wrap=True)

    def _tell(self, line: str, dag: str, person: Person) -> None:
        if begun := TASK_BEGUN.search(line):
            self._steps.begin(f"task {begun[1]} of the DAG {dag}")
        elif AWAITS_INPUT in line and not person.is_asked:
            self._steps.begin(f"answer what the DAG {dag} asks")
            person.is_asked = True
        elif (told := TASK_ENDED.search(line) or PROGRESS.search(line)) and (told[1] != "approve" or person.is_asked):
            # The task that asks ends twice: when it has asked, and when it was answered.
            console.print(f"  {told[1]}")


class Person:
    """Who agrees to a plan: looks at it, and approves it through Airflow's REST API, as in Airflow's UI.

    :param url: where the API is.
    :param dag: the DAG that asks.
    :param whole: show all of what is asked, not its beginning alone.
    """

    def __init__(self, url: str, dag: str, whole: bool) -> None:
        self._whole = whole
        self.is_asked = False
        """Whether the run waits for an answer. Airflow stores the question before, and the task's state once more when
        the task has ended: an answer that comes earlier is lost, and the run waits for ever."""
        self._api = f"{url}/api/v2/dags/{dag}/dagRuns"
        self._answered = False
        self._session = requests.Session()
        self._session.trust_env = False
        token = self._session.get(f"{url}/auth/token", timeout=30).json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def look(self) -> None:
        """Answer, where there is something to answer."""
        if not self.is_asked or self._answered:
            return
        try:
            asked = self._session.get(f"{self._api}/~/hitlDetails", timeout=30)
            asked.raise_for_status()
            for detail in asked.json()["hitl_details"]:
                if not detail["response_received"] and detail["task_instance"]["state"] == "awaiting_input":
                    self._agree(detail)
        except requests.RequestException:
            # The database of this Airflow is a file that two processes write: it is asked again until the deadline.
            return

    def _agree(self, detail: dict[str, Any]) -> None:
        task = detail["task_instance"]
        option = next(option for option in detail["options"] if option.startswith("Approve"))
        path = f"{task['dag_run_id']}/taskInstances/{task['task_id']}/-1/hitlDetails"
        answer = self._session.patch(f"{self._api}/{path}", json={"chosen_options": [option]}, timeout=30)
        answer.raise_for_status()
        self._answered = True
        body, what = detail["body"], "What a person sees in Airflow, under Required Actions"
        if not self._whole:
            body, what = body.partition("#### Examples")[0], f"{what}, without its examples"
        console.print(f"\n  {what}:")
        console.print(Panel(Markdown(body), title=detail["subject"], title_align="left", border_style="dim"))
        console.print(f"  answered through Airflow's REST API: {option}\n")


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
    LOG.touch()
    steps = Steps()
    airflow = Airflow(environment, f"http://127.0.0.1:{port}", steps)
    try:
        console.print("Making a throw-away Airflow ...")
        steps.begin("make Airflow's database")
        airflow.command("db", "migrate", hear=lambda line: None)
        steps.begin(f"start Airflow's API, whose log is {KEPT / 'api-server.log'}")
        with started(
            environment, "api-server", "--host", "127.0.0.1", "--port", str(port), log=KEPT / "api-server.log"
        ) as server:
            wait_until_up(f"http://127.0.0.1:{port}/api/v2/monitor/health", server, steps)
            yield airflow
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def started(environment: dict[str, str], *arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run an Airflow command; at the end, stop it and whatever it has started."""
    with log.open("a") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
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


def wait_until_up(url: str, server: subprocess.Popen[bytes], steps: Steps) -> None:
    while True:
        try:
            requests.get(url, timeout=5, proxies={"http": ""})
            return
        except requests.RequestException:
            if server.poll() is not None:
                raise SystemExit(f"Airflow's API did not start; see {KEPT / 'api-server.log'}") from None
            steps.check()
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


def run(*arguments: str) -> int | str:
    """Run the demo, and return how it ended, for :func:`sys.exit`.

    :param arguments: where to save a picture, or nothing.
    """
    signal.signal(signal.SIGTERM, interrupted)
    try:
        code = main()
    except KeyboardInterrupt:
        return "Interrupted: everything the demo started is stopped."
    for path in arguments:
        picture(Path(path))
    return code


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
