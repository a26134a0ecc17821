"""Run the DAG ``jicoo_reassign_host`` on an embedded Jicoo, and show the bookings before and after.

Everything it starts and writes is gone when it ends, also after Ctrl-C or a failure; the log of Airflow stays, as
``build/demo.log``. With a path behind it, it saves a picture of what it showed there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from airflow_provider_jicoo.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
LOG = ROOT / "build" / "demo.log"
DAG = "jicoo_reassign_host"
SHOWN = 10
TASK_ENDED = re.compile(r"\[DAG TEST\] end task task_id=(\S+) map_index=(\S+)")

console = Console(width=max(100, min(Console().width, 140)), record=True)
Bookings = list[dict[str, Any]]


def main() -> int:
    with Sandbox(bookings=300, seed=7) as jicoo, throwaway_airflow(jicoo) as environment:
        names = {user["uid"]: user["name"] for user in jicoo.users}
        leaves, takes_over = busiest(future(jicoo.bookings()))
        affected = hosted_by(leaves, future(jicoo.bookings()))
        console.print(
            f"\nAn embedded Jicoo with {len(jicoo.bookings())} bookings runs at {jicoo.url} .\n"
            f"[bold]{names[leaves]}[/] leaves and has {len(affected)} open bookings to come; "
            f"[bold]{names[takes_over]}[/] takes over.\n"
        )
        show("Before", affected, names)
        console.print(f"\n$ airflow dags test {DAG}", style="bold")
        conf = {"from_user_id": leaves, "to_user_id": takes_over}
        airflow(["dags", "test", DAG, "--conf", json.dumps(conf)], environment)
        after = [jicoo.booking(booking["uid"]) for booking in affected]
        console.print()
        show("After", after, names)
        return verdict(jicoo, after, leaves, takes_over)


def verdict(jicoo: Sandbox, after: Bookings, leaves: str, takes_over: str) -> int:
    """Say what the embedded Jicoo has counted; return the exit code."""
    sent = jicoo.count("PATCH", "/v1/bookings/{uid}")
    moved = len(hosted_by(takes_over, after)) - len(hosted_by(leaves, after))
    console.print(
        f"\n{moved} of {len(after)} bookings handed over with {sent} updates; "
        f"{len(jicoo.messages)} guests were messaged. Airflow's log: {LOG.relative_to(ROOT)}"
    )
    if moved != len(after) or sent != len(after) or jicoo.messages:
        console.print("That is not what should have happened.", style="bold red")
        return 1
    return 0


@contextmanager
def throwaway_airflow(jicoo: Sandbox) -> Iterator[dict[str, str]]:
    """Make an Airflow home that knows the example DAGs and the embedded Jicoo; give its environment."""
    home = tempfile.mkdtemp(prefix="jicoo-demo-")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW_CONN_JICOO_DEFAULT": json.dumps(jicoo.connection()),
        "PYTHONUNBUFFERED": "1",
    }
    LOG.parent.mkdir(exist_ok=True)
    LOG.unlink(missing_ok=True)
    try:
        console.print("Making a throw-away Airflow ...")
        airflow(["db", "migrate"], environment)
        yield environment
    finally:
        shutil.rmtree(home, ignore_errors=True)


def airflow(arguments: list[str], environment: dict[str, str]) -> None:
    """Run an Airflow command, say which tasks end, and keep its log.

    :raises SystemExit: it failed; the end of its log is shown.
    """
    command = [sys.executable, "-m", "airflow", *arguments]
    # A session of its own, so that whatever it starts can be stopped with it.
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    ended: Counter[str] = Counter()
    try:
        assert process.stdout is not None
        with LOG.open("a") as log:
            for line in process.stdout:
                log.write(line)
                found = TASK_ENDED.search(line)
                if found is None:
                    continue
                ended[found[1]] += 1
                if found[2] == "-1":
                    console.print(f"  {found[1]}")
                elif ended[found[1]] % 10 == 0:
                    console.print(f"  {found[1]}: {ended[found[1]]} done")
        code = process.wait()
    finally:
        stop(process)
    if code != 0:
        console.print("".join(LOG.read_text().splitlines(keepends=True)[-30:]), markup=False)
        raise SystemExit(f"airflow {' '.join(arguments[:2])} failed ({code}); the whole log is {LOG}")


def stop(process: subprocess.Popen[str]) -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signum)
            process.wait(5)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


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


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def picture(path: Path) -> None:
    """Save what was shown as an SVG that loads nothing from elsewhere."""
    svg = console.export_svg(title="make demo", clear=False)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    # It squeezes text into as many columns as it has characters; Japanese ones take two.
    path.write_text(re.sub(r' textLength="[^"]*"([^>]*>[^<]*[\u3000-\u9fff][^<]*<)', r"\1", svg))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)
    try:
        code = main()
        if len(sys.argv) > 1:
            picture(Path(sys.argv[1]))
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit("Interrupted: everything the demo started is stopped.")
