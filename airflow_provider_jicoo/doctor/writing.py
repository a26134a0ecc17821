"""How Jicoo writes what it is given: the description of one booking is changed there and back.

Nobody is messaged (``isSendUpdates`` is false). The old description is kept in a file that only its owner can read
until it is seen to be back, whatever happens in between.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from airflow_provider_jicoo.api.bookings import get_booking, update_call
from airflow_provider_jicoo.api.errors import (
    InvalidRequestError,
    JicooError,
    PermissionDeniedError,
    RejectedError,
    RequestError,
)
from airflow_provider_jicoo.doctor.findings import Finding, differs, fails, holds, untold
from airflow_provider_jicoo.doctor.look import Look, status_of

FIELD = "description"
ACCENT = "e\u0301"
_MARK = "airflow-provider-jicoo"
_PREFIX = "jicoo-doctor-"
TEXT = f"  {_MARK}  doctor \n caf{ACCENT} & <b>\r\n Ａ</b>  "
FACE = f"{_MARK} doctor \U0001f600 end"
PATIENCE = 20.0
"""Seconds to wait for a change to be seen, and for one that was never seen to come late."""
LIST_PATIENCE = 10.0
"""Seconds to wait for the list to show what the single booking shows."""
PAUSE = 0.2
"""Seconds between two looks."""

STORED = "A text is stored as it was sent"
EMPTY = "An empty text is stored as one"
EMOJI = "A text is stored with emoji"
ANSWER = "A change is answered with the booking as it is then"
SHOWN = "A change is seen by the next look at the booking"
LISTED = "A change is seen by the next look at the list"
STAMP = "A change moves updatedAt"
BACK = "The old description is back"
_LAGS = "Say reread='each' with a plan: each booking is then read by itself before it is changed."


class RestoreError(JicooError):
    """The description of the booking could not be put back; the text says where the old one is, and how to do it."""

    permanent = True


@dataclass
class _Change:
    """One change of the description.

    :param sent: what was sent.
    :param before: the booking before.
    :param after: the booking as it was seen then; None where the change was never seen.
    :param answered: what the answer had: the booking ``after`` or ``before``, ``part`` of it, or ``nothing``.
    :param looks: how often the booking was looked at.
    :param seconds: how long until the change was seen.
    """

    sent: str
    before: Mapping[str, Any]
    after: Mapping[str, Any] | None
    answered: str
    looks: int
    seconds: float


class Tried(NamedTuple):
    """What came of it.

    :param findings: what was found.
    :param seconds: how long a change took to be seen at the most.
    :param lost: what to do where the old description could not be put back; empty where it was.
    """

    findings: list[Finding]
    seconds: float
    lost: str


def check_untried(uid: str, booking: Mapping[str, Any]) -> None:
    """Refuse a booking whose description is, or may be, of an earlier examination: the old one would be lost.

    :param booking: the booking as it is now.
    :raises InvalidRequestError: that examination was killed, or is still under way.
    """
    left = sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}{uid[:40]}-????????.json"))
    if left or _MARK in str(booking.get(FIELD)):
        where = left[0] if left else f"a file {_PREFIX}{uid[:40]}-*.json of the machine that it ran on"
        raise InvalidRequestError(
            f"the description of booking {uid} may be the doctor's own: an earlier examination did not put it back, or "
            f"is still under way. The old one is in {where}: put it back, and remove the file"
        )


def try_booking(look: Look, uid: str) -> Tried:
    """Change the description of a booking there and back.

    :param uid: its id.
    :raises RestoreError: this was ended, by Ctrl-C say, and the old description could not be put back.
    """
    trial = _Trial(look, uid)
    findings: list[Finding] = []
    lost = ""
    ended = False
    try:
        look.tell(
            f"writing: the description of booking {uid} is changed three times, and put back. Nobody is messaged "
            f"(isSendUpdates is false). Until it is back, the old one is also in {trial.path}"
        )
        findings.extend(trial.changes())
    except BaseException:
        ended = True
        raise
    finally:
        try:
            trial.restore()
            findings.append(holds(BACK, f"Booking {uid} has the description that it had."))
        except RestoreError as error:
            if ended:
                raise
            lost = str(error)
            findings.append(fails(BACK, lost))
    return Tried(findings, trial.took, lost)


class _Trial:
    """The changes of one booking's description."""

    def __init__(self, look: Look, uid: str) -> None:
        self._look, self._uid = look, uid
        self._client = look.client
        self._old = self._read_booking().get(FIELD)
        self._is_in_flight = False  # a change was sent, and not seen
        self._made: list[_Change] = []
        self.took = 0.0
        # mkstemp makes it for its owner only.
        handle, name = tempfile.mkstemp(prefix=f"{_PREFIX}{uid[:40]}-", suffix=".json")
        self.path = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"uid": uid, FIELD: self._old}, file)
            file.flush()
            os.fsync(file.fileno())

    def changes(self) -> Iterator[Finding]:
        """Change the description, and say what became of it."""
        try:
            yield from self._ways_of_writing()
        except RequestError as error:
            yield untold("The other ways of writing", f"a change failed ({status_of(error)}): {error.summary}")
        if self._made:
            yield _stamp(self._made)

    def _ways_of_writing(self) -> Iterator[Finding]:
        first = self._change(TEXT)
        yield _stored(first)
        yield _answer(first)
        yield self._shown(first)
        if first.after is None:
            return
        yield self._listed(first)
        yield _as_sent(EMPTY, self._change(""), "The package takes null and an empty text for the same.")
        yield _as_sent(EMOJI, self._change(FACE), "Leave them out, or expect another text to be stored.")

    def restore(self) -> None:
        """Put the old description back, and see that it is back.

        :raises RestoreError: it is not.
        """
        why = "Jicoo shows another one"
        is_back = False
        try:
            if self._is_in_flight or not self._is_old(self._read_booking()):
                self._send(self._old)
            is_back = self._wait(self._is_old, PATIENCE)[0] is not None
            if is_back and self._is_in_flight:
                is_back = self._stays()
        except BaseException as error:
            why = error.summary if isinstance(error, RequestError) else type(error).__name__
        if not is_back:
            raise RestoreError(
                f"the description of booking {self._uid} could not be put back ({why}). The old one is in {self.path}, "
                "for its owner only. Put it back with JicooHook().update_booking(**json.load(open("
                f"{str(self.path)!r})), is_send_updates=False), and remove the file"
            )
        self.path.unlink(missing_ok=True)

    def _stays(self) -> bool:
        """See whether a change that was never seen comes late, and put the old description back then too."""
        self._look.tell(f"writing: a change was not seen; for {PATIENCE:.0f} s, whether it comes late")
        if self._wait(lambda booking: not self._is_old(booking), PATIENCE)[0] is None:
            return True
        self._send(self._old)
        return self._wait(self._is_old, PATIENCE)[0] is not None

    def _is_old(self, booking: Mapping[str, Any]) -> bool:
        # Where Jicoo writes null as an empty text, or the other way round, no more can be done.
        return (booking.get(FIELD) or "") == (self._old or "")

    def _read_booking(self) -> Mapping[str, Any]:
        return self._client.send(get_booking(self._uid))

    def _send(self, text: str | None) -> None:
        self._client.send(update_call(self._uid, {FIELD: text, "isSendUpdates": False}))

    def _change(self, text: str) -> _Change:
        before = self._read_booking()
        begin = time.monotonic()
        self._is_in_flight = True
        try:
            self._send(text)
        except (RejectedError, PermissionDeniedError):
            self._is_in_flight = False
            raise
        after, looks = self._wait(lambda booking: booking.get(FIELD) != before.get(FIELD), PATIENCE)
        seconds = time.monotonic() - begin
        self._is_in_flight = after is None
        self.took = max(self.took, seconds if looks > 1 else 0.0)
        reply = self._client.watch.changed
        answered = _answered(reply.body if reply else b"", before, after)
        self._made.append(_Change(text, before, after, answered, looks, seconds))
        return self._made[-1]

    def _wait(self, done: Callable[[Mapping[str, Any]], bool], seconds: float) -> tuple[Mapping[str, Any] | None, int]:
        """Read the booking until it is as wanted, None where it is not in time; and say how often it was read."""
        end = time.monotonic() + seconds
        looks = 0
        while True:
            booking = self._read_booking()
            looks += 1
            if done(booking):
                return booking, looks
            if time.monotonic() > end:
                return None, looks
            time.sleep(PAUSE)

    def _shown(self, change: _Change) -> Finding:
        if change.after is None:
            return differs(
                SHOWN,
                f"It was not seen within {PATIENCE:.0f} s, and the answer was one of success: Jicoo ignores it, or "
                "makes it later.",
                "The package reports such a change as unknown.",
            )
        if change.looks == 1:
            return holds(SHOWN, "So it was.")
        return differs(
            SHOWN,
            f"It was there {change.seconds:.1f} s after it was sent.",
            "The package reads a change back for a while before it calls it unknown.",
        )

    def _listed(self, change: _Change) -> Finding:
        """See how long it takes until the list shows what the single booking shows."""
        assert change.after is not None
        begin = time.monotonic()
        window = {name: change.after[name] for name in ("startedAt", "endedAt") if change.after.get(name)}
        looks = 0
        while time.monotonic() - begin < LIST_PATIENCE:
            page = self._look.page(**window)
            looks += 1
            row = next((row for row in page.rows if row["uid"] == self._uid), None)
            if row is None:
                return untold(LISTED, "the booking is not on the first page of a list of its time")
            if row.get(FIELD) == change.after.get(FIELD):
                break
            time.sleep(PAUSE)
        else:
            return differs(LISTED, f"It was not there within {LIST_PATIENCE:.0f} s.", _LAGS)
        if looks == 1:
            return holds(LISTED, "So it was.")
        return differs(LISTED, f"It was there {time.monotonic() - begin:.1f} s later than in the booking.", _LAGS)


def _stored(change: _Change) -> Finding:
    if change.after is None:
        return untold(STORED, "the change was not seen")
    stored = change.after.get(FIELD)
    if stored == change.sent:
        return holds(STORED, "Blanks, line breaks, accents, & and < come back as they were sent.")
    ways = [way for way, is_so in _ways(stored if isinstance(stored, str) else "") if is_so]
    return differs(
        STORED,
        f"{'; '.join(ways) or 'it is stored as another text'}.",
        "What differs in writing alone counts as stored; otherwise the report says what Jicoo stored.",
    )


def _ways(stored: str) -> Iterator[tuple[str, bool]]:
    """Yield in which ways a text may be stored, each with whether :data:`TEXT` was."""
    inner = stored.strip()
    yield "blanks at the ends are cut off", stored == inner
    yield "several blanks become one", "  " not in inner
    yield "accents are composed (NFC)", ACCENT not in stored and unicodedata.normalize("NFC", ACCENT) in stored
    breaks = re.findall(r"\r\n|\n", inner)
    yield "line breaks become CR LF", breaks == ["\r\n"] * 2
    yield "line breaks become LF", breaks == ["\n"] * 2
    yield "line breaks are lost", not breaks
    yield "it is stored as HTML (&amp;)", "&amp;" in stored
    yield "tags are taken out", "<b>" not in stored and "&lt;b" not in stored
    yield "full-width letters become the usual ones (NFKC)", "Ａ" not in stored and "A" in stored


def _as_sent(name: str, change: _Change, advice: str) -> Finding:
    if change.after is None:
        return untold(name, "the change was not seen")
    stored = change.after.get(FIELD)
    if stored == change.sent:
        return holds(name, "So it is.")
    return differs(name, f"It is stored as {'null' if stored is None else 'another text'}.", advice)


def _answered(body: bytes, before: Mapping[str, Any], after: Mapping[str, Any] | None) -> str:
    """Say what the answer to a change has."""
    try:
        data = json.loads(body)["data"]
    except (ValueError, KeyError, TypeError):
        return "nothing"
    if not isinstance(data, dict):
        return "nothing"
    if not before.keys() <= data.keys():
        return "part"
    return "after" if after is not None and data.get(FIELD) == after.get(FIELD) else "before"


def _answer(change: _Change) -> Finding:
    if change.after is None:
        return untold(ANSWER, "the change was not seen")
    if change.answered == "after":
        return holds(ANSWER, "So it is.")
    seen = {
        "nothing": "There is no booking in the answer.",
        "part": "The answer has some fields only.",
        "before": "The answer has the booking as it was before.",
    }[change.answered]
    return differs(ANSWER, seen, "The package then reads the booking by itself: one request more for each change.")


def _stamp(changes: list[_Change]) -> Finding:
    stamps = [(change.before.get("updatedAt"), change.after.get("updatedAt")) for change in changes if change.after]
    if not stamps:
        return untold(STAMP, "the change was not seen")
    if all(old == new for old, new in stamps):
        return differs(STAMP, "It stays.", "The package compares the planned fields too, so that it sees most edits.")
    # One stamp in a thousand is of a whole second by chance.
    if any(re.search(r"\.\d*[1-9]", str(new)) for _, new in stamps):
        return holds(STAMP, "It moves, and has fractions of a second.")
    return differs(
        STAMP,
        "It moves in whole seconds, as it seems: two edits in the same second look like one.",
        "The package compares the planned fields too, so that it sees most edits.",
    )
