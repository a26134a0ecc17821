"""From what a task has noted in Airflow's database to the files of its plan, as far as this process may read them.

A note is an XCom, and whoever may write XComs of a DAG can have written it. So a note is never enough to be shown a
file: what it names has to be a plan with the digest that it says, and a plan that a task of Airflow made has to be of a
DAG that the viewer may read. Whatever else it names is told apart by nothing from what is not there.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from airflow_provider_jicoo.bulk.documents import PlanHeader, PlanNote, ProgressNote, Reason, TimelineSample
from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.files import StorePath, list_names, local_path
from airflow_provider_jicoo.bulk.journal_files import journal_of
from airflow_provider_jicoo.bulk.plan.header import read_header
from airflow_provider_jicoo.bulk.report import report_of
from airflow_provider_jicoo.tasks.storage import is_local, open_path

NOT_THERE = (
    "Airflow's API server cannot read it: it is not there, is no plan, or is another plan by now. Plans can be shown "
    "where the API server reads the same object storage or disk as the workers"
)

LARGEST = 1 << 24
"""Bytes of ``report.json``, of a control or of an entry of the journal. None of them grows with the plan."""


@dataclass(frozen=True)
class Source:
    """The files of a plan, found to be those of the note.

    :param path: of the plan.
    :param header: of the plan.
    """

    path: StorePath
    header: PlanHeader

    @property
    def report(self) -> StorePath:
        """The folder of its report."""
        return report_of(self.path)

    @property
    def journal(self) -> StorePath:
        """The folder of its journal."""
        return journal_of(self.path, self.header["digest"])


class UnreadableError(Exception):
    """The plan cannot be shown; says why, and nothing of what else may be at its path."""


def plan_note(value: Any) -> PlanNote | None:
    """Return a note of a plan; None where it is none."""
    found: PlanNote | None = _checked(value, PlanNote)
    return found


def progress_note(value: Any) -> ProgressNote | None:
    """Return a note of a progress; None where it is none."""
    found: ProgressNote | None = _checked(value, ProgressNote)
    return found


def _checked(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError):
        return None


def find(note: PlanNote, may_read_dag: Callable[[str], bool]) -> Source:
    """Return the plan that a note names.

    :param may_read_dag: tells whether the viewer may read the plans of a DAG.
    :raises UnreadableError: it cannot be read here, or must not.
    """
    try:
        path = open_path("plan", note["plan"])
    except Exception as error:
        # A package is missing, which it says; anything else is of the storage, and may say anything.
        why = f"Airflow's API server cannot read it: {error}"[:500] if type(error) is ValueError else NOT_THERE
        raise UnreadableError(why) from None
    try:
        _check_file(note["plan"])
        header = read_header(path)
    except Exception:  # of whatever storage it is: a refusal, no connection, no such bucket, no plan
        raise UnreadableError(NOT_THERE) from None
    if header["digest"] != note["digest"]:
        raise UnreadableError(NOT_THERE)
    owner = header.get("owner")
    if owner is not None and not (isinstance(owner, Mapping) and may_read_dag(str(owner.get("dagId")))):
        raise UnreadableError(NOT_THERE)
    return Source(path, header)


def _check_file(text: str) -> None:
    """Refuse what is no file on a disk: a pipe would be waited for without an end.

    :raises PlanMismatchError: it is none.
    """
    if is_local(text) and not stat.S_ISREG(Path(text.partition("://")[2] or text).stat().st_mode):
        raise PlanMismatchError("no file")


def report_facts(source: Source) -> Mapping[str, Any] | None:
    """Return what is in the ``report.json`` of a plan; None where there is none of this plan."""
    try:
        facts = json.loads(read(source.report / "report.json"))
        is_ours = isinstance(facts, dict) and facts["digest"] == source.header["digest"]
    except Exception:  # as above: whatever the storage raises, and a report that is just being written
        return None
    return _whole(facts) if is_ours else None


_OLDER: Mapping[str, Any] = {"approval": None, "tries": [], "reasons": []}
"""What reports of earlier versions do not have."""
_NEEDED: Mapping[str, Any] = {
    "counts": dict[str, int],
    "endedEarly": str | None,
    "approval": dict[str, str] | None,
    "try": int,
    "startedAt": str | None,
    "endedAt": str | None,
    "seconds": float,
    "requests": int,
    "refused": int,
    "timeline": list[TimelineSample],
    "tries": list[dict[str, Any]],
    "reasons": list[Reason],
}
"""What a page takes of a report, and of which type."""


def _whole(facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a page takes of a report; None where it is not as reports are."""
    try:
        found = {name: msgspec.convert({**_OLDER, **facts}[name], kind) for name, kind in _NEEDED.items()}
        for each in found["tries"]:
            msgspec.convert([each[name] for name in ("seconds", "requests", "refused")], tuple[float, int, int])
    except (msgspec.ValidationError, KeyError, RecursionError):
        return None
    approval = found["approval"]
    return found if approval is None or {"by", "at"} <= approval.keys() else None


def claims(source: Source) -> Sequence[Mapping[str, Any]]:
    """Return what the journal tells of who took the plan, stopped or told it what, the first one first.

    Each has ``what`` and ``at``, and of ``by``, ``approval``, ``state`` and ``max_requests_per_second`` what it has.
    """
    found = []
    try:
        for name in list_names(source.journal):
            kind = name.partition("-")[0]
            if name.endswith(".json") and kind in ("claim", "released", "stopped", "control"):
                found.append(_entry(kind, name, json.loads(read(source.journal / name))))
    except Exception:  # as above
        return []
    # A release tells no time: it stands behind all that its claim has.
    claimed = {each["number"]: each["at"] or 0.0 for each in found if each["kind"] == "claim"}
    ends = {number: claimed.get(number + 1, 9e99) - 1e-3 for number in claimed}
    return sorted(found, key=lambda each: each["at"] or ends.get(each["number"], 9e99))


_WHAT = {"claim": "taken by a worker", "released": "released", "stopped": "stopped for good", "control": "told to"}


def _entry(kind: str, name: str, told: Any) -> dict[str, Any]:
    number = name.split("-")[1].removesuffix(".json") if kind != "control" else ""
    about = told if isinstance(told, dict) else {}
    at = about.get("at")
    return {
        "what": _WHAT[kind],
        "kind": kind,
        "number": int(number) if number.isdigit() else 0,
        "at": float(at) if isinstance(at, (int, float)) and not isinstance(at, bool) else None,
        "by": str(about.get("by", "")),
        "state": about.get("state"),
        "rate": about.get("max_requests_per_second"),
    }


def read(path: StorePath) -> bytes:
    """Return the content of a small file beside a plan.

    :raises OSError: it cannot be read.
    :raises PlanMismatchError: it is none that an apply has written.
    """
    with _open(path) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise PlanMismatchError("too long")
    return content


def _open(path: StorePath) -> IO[bytes]:
    """Open a file beside a plan; on a disk, only one that lies there itself.

    Whoever writes DAGs can put there what they like: a link would let them read what only the API server may, a pipe
    would be waited for without an end.

    :raises OSError: it cannot be opened.
    :raises PlanMismatchError: it is no file.
    """
    local = local_path(path)
    if local is None:
        opened: IO[bytes] = path.open("rb")
        return opened
    number = os.open(local, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(number, "rb")
    if not stat.S_ISREG(os.fstat(number).st_mode):
        file.close()
        raise PlanMismatchError("no file")
    return file


def stream(path: StorePath) -> Iterator[bytes]:
    """Yield the content of a file piece by piece.

    :raises OSError: it cannot be read; before anything is yielded.
    """
    file = _open(path)
    first = file.read(1 << 18)

    def pieces() -> Iterator[bytes]:
        with file:
            piece = first
            while piece:
                yield piece
                piece = file.read(1 << 18)

    return pieces()
