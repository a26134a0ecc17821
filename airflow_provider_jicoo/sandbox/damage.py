"""Bookings that come out damaged: without a field, with a value of another kind, with half a surrogate pair."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.faults import Answer

WHOLE: dict[str, Any] = {"null": None, "text": "booking", "list": [], "empty": {}}
FORMS = ("surrogate", "surrogate-bytes", *WHOLE, "no-FIELD", "FIELD=JSON")

# JSON has no way to write a surrogate as bytes: a letter for private use holds its place until the body is made.
_PLACE = "\ue0ff"
_BYTES = b"\xed\xa0\x80"


def damaged(row: Row, how: str) -> Any:
    r"""Return a row as it comes out damaged.

    ==================== ===========================================================================================
    how                  what is wrong
    ==================== ===========================================================================================
    ``surrogate``        the name has half a surrogate pair, as ``\ud800``: JSON, and not Unicode
    ``surrogate-bytes``  the same, as three bytes that are not UTF-8
    ``no-FIELD``         a field is missing, as ``no-uid`` or ``no-startedAt``
    ``FIELD=JSON``       a field has another value, as ``uid=7``, ``uid=[]``, ``uid="../../x"``, ``hosts=null`` or
                         ``hosts=["a"]``
    ``null``, ``text``,  the whole row is that: ``null``, a text, ``[]`` or ``{}``
    ``list``, ``empty``
    ==================== ===========================================================================================

    :raises ValueError: there is no such damage.
    """
    if how in WHOLE:
        return WHOLE[how]
    name, equals, value = how.partition("=")
    if equals and name in row:
        try:
            return {**row, name: json.loads(value)}
        except ValueError:
            raise ValueError(f"{value!r} is not JSON; a text has quotation marks") from None
    if how in FORMS[:2]:
        return {**row, "name": f"{row['name']}{_PLACE if how == 'surrogate-bytes' else chr(0xD800)}"}
    if how.startswith("no-") and how[3:] in row:
        return {field: kept for field, kept in row.items() if field != how[3:]}
    raise ValueError(f"no damage {how!r}; there are {', '.join(FORMS)}, for the fields {', '.join(row)}")


def sent(answer: Answer) -> Answer:
    """Return an answer with the bytes in it that JSON cannot write."""
    place = json.dumps(_PLACE)[1:-1].encode()
    if place not in answer.body:
        return answer
    body = answer.body.replace(place, _BYTES)
    length = (b"content-length", str(len(body)).encode())
    return Answer(answer.status, (*(pair for pair in answer.headers if pair[0] != length[0]), length), body)
