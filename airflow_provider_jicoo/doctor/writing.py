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
from typing import Any

from airflow_provider_jicoo.api.bookings import booking_id, get_booking, update_call
from airflow_provider_jicoo.api.errors import JicooError, RequestError
from airflow_provider_jicoo.doctor.findings import Finding, differs, holds, untold
from airflow_provider_jicoo.doctor.look import REFUSALS, Look, status_of

FIELD = "description"
ACCENT = "e\u0301"
TEXT = f"  airflow-provider-jicoo  doctor \n caf{ACCENT} & <b>Ａ</b>  "
FACE = "airflow-provider-jicoo doctor \U0001f600 end"
PATIENCE = 20.0
"""Seconds to wait for a change to be seen."""
LIST_PATIENCE = 10.0
"""Seconds to wait for the list to show what the single booking shows."""
PAUSE = 0.2
"""Seconds between two looks."""

STORED = "A text is stored as it was sent"
EMPTY = "An empty text is stored as one"
EMOJI = "A text is stored with letters beyond the usual ones (emoji)"
ANSWER = "A change is answered with the booking as it is then"
SHOWN = "A change is seen at once by the next look at the booking"
LISTED = "A change is seen at once in the list"
STAMP = "A change moves updatedAt"
BACK = "The old description is back"


class RestoreError(JicooError):
    """The description of the booking could not be put back; the text says where the old one is, and how to do it."""

    permanent = True


@dataclass
class _Change:
    """One change of the description.

    :param sent: what was sent.
    :param before: the booking before.
    :param after: the booking as it was seen then; None where the change was never seen.
    :param answered: how the answer stood to it.
    :param seconds: how long until it was seen.
    """

    sent: str
    before: Mapping[str, Any]
    after: Mapping[str, Any] | None
    answered: str
    seconds: float


def try_booking(look: Look, uid: str) -> tuple[list[Finding], int | None]:
    """Change the description of a booking there and back.

    :param uid: its id.
    :return: the findings, and the ``server_grace`` that the connection should have, in seconds; None for the default.
    :raises NotFoundError: there is no such booking; nothing was changed.
    :raises RestoreError: the old description could not be put back.
    """
    trial = _Trial(look, booking_id(uid))
    findings: list[Finding] = []
    look.tell(
        f"writing: the description of booking {uid} is changed three times and put back; nobody is messaged "
        f"(isSendUpdates is false); until it is back, the old one is in {trial.path}"
    )
    try:
        findings += trial.changes()
    finally:
        trial.restore()
    return [*findings, holds(BACK, f"Booking {uid} has the description that it had.")], trial.grace


class _Trial:
    def __init__(self, look: Look, uid: str) -> None:
        self._look, self._uid = look, uid
        self._client = look.client
        self._old = self._read().get(FIELD)
        self._touched = False
        self.grace: int | None = None
        # mkstemp makes it for its owner only.
        handle, name = tempfile.mkstemp(prefix=f"jicoo-doctor-{uid[:40]}-", suffix=".json")
        self.path = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"uid": uid, FIELD: self._old}, file, ensure_ascii=True)
            file.flush()
            os.fsync(file.fileno())

    def changes(self) -> Iterator[Finding]:
        """Change the description, and say what became of it."""
        try:
            first = self._change(TEXT)
        except REFUSALS as error:
            yield untold(STORED, f"the change is refused ({status_of(error)})")
            return
        yield _stored(first)
        yield _answer(first)
        yield self._shown(first)
        yield _stamp(first)
        if first.after is None:
            return
        yield self._listed(first)
        yield self._also(EMOJI, FACE, "The package takes what Jicoo stored for what was meant, and says so.")
        yield self._also(EMPTY, "", "The package takes null and an empty text for the same.")

    def restore(self) -> None:
        """Put the old description back, and see that it is back.

        :raises RestoreError: it is not.
        """
        try:
            if self._touched:
                self._send(self._old)
            back = self._wait(lambda booking: _same(booking.get(FIELD), self._old), PATIENCE)
            why = "Jicoo shows another one"
        except BaseException as error:
            raise self._lost(error.summary if isinstance(error, RequestError) else type(error).__name__) from error
        if back is None:
            raise self._lost(why)
        self.path.unlink(missing_ok=True)

    def _lost(self, why: str) -> RestoreError:
        return RestoreError(
            f"the description of booking {self._uid} could not be put back ({why}). The old one is in {self.path}, "
            "for its owner only. Put it back with: JicooHook().update_booking(**json.load(open("
            f"{str(self.path)!r})), is_send_updates=False); then remove the file"
        )

    def _read(self) -> Mapping[str, Any]:
        return self._client.send(get_booking(self._uid))

    def _send(self, text: str | None) -> None:
        self._touched = True
        self._client.send(update_call(self._uid, {FIELD: text, "isSendUpdates": False}))

    def _change(self, text: str) -> _Change:
        before = self._read()
        begin = time.monotonic()
        self._send(text)
        reply = self._client.watch.last
        answer = reply.body if reply is not None else b""
        old = before.get(FIELD)
        after = self._wait(lambda booking: booking.get(FIELD) != old, PATIENCE)
        return _Change(text, before, after, _answered(answer, before, after), time.monotonic() - begin)

    def _wait(self, done: Callable[[Mapping[str, Any]], bool], seconds: float) -> Mapping[str, Any] | None:
        """Read the booking until it is as wanted; None where it is not in time."""
        end = time.monotonic() + seconds
        while True:
            booking = self._read()
            if done(booking):
                return booking
            if time.monotonic() > end:
                return None
            time.sleep(PAUSE)

    def _also(self, name: str, text: str, advice: str) -> Finding:
        try:
            change = self._change(text)
        except REFUSALS as error:
            return differs(name, f"It is refused ({status_of(error)}).", "Leave such texts out.")
        if change.after is None:
            return untold(name, "the change was not seen")
        found = change.after.get(FIELD)
        if found == text:
            return holds(name, "So it is.")
        return differs(name, f"It is stored as {'null' if found is None else 'another text'}.", advice)

    def _shown(self, change: _Change) -> Finding:
        if change.after is None:
            return differs(
                SHOWN,
                f"It was not seen within {PATIENCE:.0f} s, and the answer was one of success.",
                "The package reports such a change as unknown.",
            )
        if change.seconds < 1:
            return holds(SHOWN, f"It was there {change.seconds:.1f} s after it was sent.")
        self.grace = max(60, round(change.seconds * 4))
        return differs(
            SHOWN,
            f"It was there {change.seconds:.1f} s after it was sent.",
            "The package reads a change back for a while, which server_grace bounds, before it calls it unknown.",
        )

    def _listed(self, change: _Change) -> Finding:
        """See how long it takes until the list shows what the single booking shows."""
        assert change.after is not None
        begin = time.monotonic()
        window = {name: change.after[name] for name in ("startedAt", "endedAt")}
        while (waited := time.monotonic() - begin) < LIST_PATIENCE:
            page = self._look.page(size=self._client.paging.size, **window)
            row = next((row for row in page.rows if row["uid"] == self._uid), None)
            if row is None:
                return untold(LISTED, "the booking is not on the first page of a list of its time")
            if row.get(FIELD) == change.after.get(FIELD):
                break
            time.sleep(PAUSE)
        else:
            return differs(LISTED, f"It was not there within {LIST_PATIENCE:.0f} s.", _LAGS)
        if waited < 1:
            return holds(LISTED, "It was there at the first look.")
        return differs(LISTED, f"It was there {waited:.1f} s later.", _LAGS)


_LAGS = "Say reread='each' with a plan: each booking is then read by itself before it is changed."


def _same(found: Any, old: Any) -> bool:
    """Tell whether a description is the old one; that Jicoo writes null as an empty text, or so, is not ours."""
    return (found or "") == (old or "")


def _stored(change: _Change) -> Finding:
    if change.after is None:
        return untold(STORED, "the change was not seen")
    found = change.after.get(FIELD)
    if found == change.sent:
        return holds(STORED, "Blanks, line breaks, accents, & and < come back as they were sent.")
    ways = list(_ways(change.sent, found if isinstance(found, str) else ""))
    return differs(
        STORED,
        f"{'; '.join(ways) or 'it is stored as another text'}.",
        "The package compares texts without regard to that where it is writing alone, and otherwise says what Jicoo "
        "stored.",
    )


def _ways(sent: str, found: str) -> Iterator[str]:
    if found == found.strip() and sent != sent.strip():
        yield "blanks at the ends are cut off"
    if "  " not in found.strip():
        yield "several blanks become one"
    if ACCENT not in found:
        yield "accents are composed (NFC)" if unicodedata.normalize("NFC", ACCENT) in found else "accents are lost"
    if "\r\n" in found:
        yield "line breaks become CR LF"
    elif "\n" not in found:
        yield "line breaks are lost"
    if "&amp;" in found:
        yield "it is stored as HTML (&amp;)"
    elif not re.search(r"<b>", found):
        yield "tags are taken out"
    if "Ａ" not in found and "A" in found:
        yield "full-width letters become the usual ones (NFKC)"


def _answered(body: bytes, before: Mapping[str, Any], after: Mapping[str, Any] | None) -> str:
    """Say what the answer to a change has."""
    try:
        data = json.loads(body)["data"]
    except (ValueError, KeyError, TypeError):
        return "nothing"
    if not isinstance(data, dict):
        return "nothing"
    if after is not None and data.get(FIELD) == after.get(FIELD):
        return "after" if before.keys() <= data.keys() else "part"
    return "before" if FIELD in data else "part"


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


def _stamp(change: _Change) -> Finding:
    if change.after is None:
        return untold(STAMP, "the change was not seen")
    old, new = change.before.get("updatedAt"), change.after.get("updatedAt")
    if old == new:
        return differs(STAMP, "It stays.", "The package compares the planned fields too, so that it sees most edits.")
    if re.search(r"\.\d*[1-9]", str(new)):
        return holds(STAMP, "It moves, and has fractions of a second.")
    return differs(
        STAMP,
        "It moves, in whole seconds as it seems: two edits in the same second look like one.",
        "The package compares the planned fields too.",
    )
