"""What the pages show as code is code: Python is executed, commands are such as their programs understand.

Quoted code is that of files which the tests run: ``test_links.py`` holds that.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import importlib
import io
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.conftest import ROOT
from tests.docs.pages import PAGES, blocks, name

pytestmark = [pytest.mark.once]
#: What is no code of ours, and on which pages: a proxy's configuration, what a program prints, a diagram.
OF_OTHERS = {
    "nginx": ["docs/webhooks.md"],
    "": ["docs/architecture.md", "docs/verify.md"],
    "mermaid": ["docs/one-change.md"],
}
COMMANDS = ("console", "sh")


@pytest.fixture
def jicoo_sandbox_options():
    return {"now": None, "bookings": 12}


def public_names():
    """What the pages do not import each time: the public classes and functions, and what every DAG imports."""
    from airflow.sdk import DAG, Asset, ObjectStoragePath, dag, task

    from airflow_provider_jicoo import assets, bulk, events
    from airflow_provider_jicoo.get_provider_info import get_provider_info
    from airflow_provider_jicoo.sandbox import Sandbox

    info = get_provider_info()
    kinds = ("operators", "sensors", "hooks", "triggers")
    modules = [module for kind in kinds for each in info[kind] for module in each["python-modules"]]
    modules += [each["python-module"] for each in info["transfers"]]
    found = {each.__name__: each for each in (datetime, timedelta, Path, DAG, Asset, ObjectStoragePath, Sandbox)}
    found |= {"timezone": timezone, "pytest": pytest, "dag": dag, "task": task}
    endings = ("Operator", "Sensor", "Hook", "Trigger", "Selection")
    for module in map(importlib.import_module, modules):
        found |= {key: value for key, value in vars(module).items() if key.endswith(endings) and key[0] != "_"}
    for module in (assets, bulk, events):
        found |= {key: getattr(module, key) for key in module.__all__}
    return found


class Taking(BaseHTTPRequestHandler):
    """Takes every webhook."""

    url = ""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def given(request, jicoo_connection, tmp_path):
    """What a page takes for granted: the names of things of the reader's."""
    page = request.node.callspec.params["page"].name
    if page == "webhooks.md":
        server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        Thread(target=server.serve_forever, daemon=True).start()
        receiver = type("Receiver", (), {"url": f"http://127.0.0.1:{server.server_port}/"})
        key, body, now = b"a key of 21 characters", b"{}", int(time.time())
        secret = f"whsec_{base64.b64encode(key).decode()}"
        # Signed in the way that the page's last block is for.
        signature = hmac.new(key, b"%d.%s" % (now, body), hashlib.sha256).hexdigest()
        headers = {"Jicoo-Webhook-Signature": f"t={now},v1={signature}"}
        yield {"receiver": receiver, "secret": secret, "raw_body": body, "headers": headers}
        server.shutdown()
        server.server_close()
    elif page == "verify.md":
        from airflow_provider_jicoo.bulk import Selection, UpdateFields, apply_plan, plan_changes
        from airflow_provider_jicoo.hooks.jicoo import JicooHook

        with JicooHook() as hook:
            low = UpdateFields(priority="low")
            plan = plan_changes(hook.client, Selection(status="open"), low, tmp_path / "p", is_send_updates=False)
            apply_plan(hook.client, plan)
            yield {"hook": hook, "manifest": plan.manifest}
    else:
        yield {}


WITH_PYTHON = [page for page in PAGES if any(block.language == "python" for block in blocks(page))]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_python_is_executed(page, given, jicoo_connection, jicoo_sandbox, tmp_path, monkeypatch):
    """The blocks of a page, one after the other, within a DAG, beside a sandbox that is their Jicoo."""
    from airflow.sdk import DAG

    from airflow_provider_jicoo.api.paths import INFERRED

    for endpoint, path in INFERRED.items():  # a page overrides one
        monkeypatch.setitem(INFERRED, endpoint, path)
    monkeypatch.chdir(tmp_path)
    names = {**public_names(), **given, "__name__": "documentation"}
    settings = f"Settings({jicoo_sandbox.api_key!r}, {jicoo_sandbox.url!r})"
    with DAG("documentation", schedule=None):
        for block in blocks(page):
            if block.language == "python":
                text = block.text.replace('Settings("sk_live_...")', settings)
                assert "sk_live_..." not in text, block.where
                # The lines of the page, for a traceback. Not what this module imports from the future.
                code = compile("\n" * block.line + text, str(page), "exec", dont_inherit=True)
                if "pipeline.run(" not in text or os.environ.get("JICOO_LOAD"):  # eight seconds of dlt
                    exec(code, names)
    if page.name == "webhooks.md":
        assert names["receive"](b"{}", {}) == names["receive"](names["raw_body"], names["headers"]) == 401


def test_every_block_is_one_of_these():
    wrong = [
        block.where
        for page in PAGES
        for block in blocks(page)
        if block.language not in ("python", "sql", *COMMANDS)
        and not block.language.startswith("{")
        and name(page) not in OF_OTHERS.get(block.language, ())
    ]
    assert wrong == []


def test_sql(tmp_path):
    """That of the page on files takes the apostrophe away again."""
    duckdb = pytest.importorskip("duckdb")
    from airflow_provider_jicoo.transfers.csv_text import quoted

    (block,) = [block for page in PAGES for block in blocks(page) if block.language == "sql"]
    uids = ["-8N3VaGzxbNT", "mzgdPJVBb7RE", "'=1+1", "＝A1"]
    (tmp_path / "bookings.csv").write_text("uid\n" + "".join(f"{quoted(uid)}\n" for uid in uids), "utf-8-sig")
    text = block.text.replace("'bookings.csv'", f"'{tmp_path / 'bookings.csv'}'")
    assert [row[0] for row in duckdb.sql(text).fetchall()] == uids


def commands():
    """Yield each command of the pages, with its block: without a prompt and a comment, one line each."""
    for page in PAGES:
        for block in blocks(page):
            if block.language in COMMANDS and "curl " not in block.text:  # those are run, below
                for line in block.text.replace("\\\n", " ").splitlines():
                    words = line.removeprefix("$ ").strip()
                    if words:
                        yield block, words


def understood(argv, targets, extras, programs):
    """Say whether a command can be right: its options and arguments are those of its program."""
    match argv:
        case ["make", *given]:
            return {each for each in given if "=" not in each} <= targets
        case ["pip", "install", *given]:
            asked = re.findall(r"airflow-provider-jicoo\[(\w+)\]", " ".join(given))
            files = [given[at + 1] for at, each in enumerate(given) if each == "-c"]
            return set(asked) <= extras and all((ROOT / file).is_file() for file in files)
        case ["python", "-m", module, *given]:
            options = {each.partition("=")[0] for each in given if each.startswith("--")}
            return options <= set(re.findall(r"--[\w-]+", programs(module, given)))
        case ["airflow", *given]:
            from airflow.cli.cli_parser import get_parser

            return bool(vars(get_parser().parse_args(given)))
        case ["pytest", *given]:
            return all((ROOT / each).exists() for each in given if each[0] != "-")
        case ["python3" | "." | "read", *_]:
            return True
    return False


@pytest.fixture(scope="module")
def programs():
    """The help of our programs."""
    told = {}

    def ask(module, given):
        words = [given[0]] if given and given[0] == "diagnose" else []
        key = (module, *words)
        if key not in told:
            assert module.startswith("airflow_provider_jicoo."), module
            told[key] = io.StringIO()
            with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(told[key]):
                patch.setattr(sys, "argv", [module, *words, "--help"])
                with pytest.raises(SystemExit) as ended:
                    runpy.run_module(module, run_name="__main__")
            assert not ended.value.code, module
        return told[key].getvalue()

    return ask


def test_commands_are_understood(programs):
    text = (ROOT / "pyproject.toml").read_text()
    optional = text.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    extras = set(re.findall(r"^([\w-]+) = \[", optional, re.MULTILINE))
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    found = list(commands())
    assert len(found) > 30
    wrong = []
    for block, line in found:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&()")
        lexer.whitespace_split, lexer.commenters = True, "#"
        argv = list(lexer)
        while argv and re.fullmatch(r"(export|\w+=.*)", argv[0], re.DOTALL):
            key, _, value = argv.pop(0).partition("=")
            if key.startswith("AIRFLOW_CONN_"):
                assert value.startswith("jicoo://") or json.loads(value)["conn_type"] == "jicoo", block.where
        if argv and not understood(argv, targets, extras, programs):
            wrong.append(f"{block.where}: {line}")
    assert wrong == []


def test_what_is_asked_with_curl(jicoo_sandbox, tmp_path):
    """The commands of the page on webhooks cancel a booking."""
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    (block,) = [block for page in PAGES for block in blocks(page) if "curl " in block.text]
    (tmp_path / "python").symlink_to(sys.executable)
    commands = block.text.replace("http://127.0.0.1:8123", jicoo_sandbox.url)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "no_proxy": "127.0.0.1"}
    done = subprocess.run(["bash", "-euc", commands], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert jicoo_sandbox.count("POST", "/v1/bookings/{uid}/cancel") == 1
    assert [change.kind for change in jicoo_sandbox.changes] == ["cancel"]
