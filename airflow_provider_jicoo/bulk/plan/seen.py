"""What a booking looked like when it was planned, in some hundred characters: tells later whether somebody edited it.

``updatedAt`` alone does not: it may move without an edit (a nightly job touches every booking), be of whole seconds, or
not move for every field. The fingerprint has a checksum of each documented field, so that fields which only one of two
answers has (a list may leave some out) do not count as edits.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.written import documented

FIELDS = (
    "eventTypeId",
    "name",
    "description",
    "status",
    "startedAt",
    "endedAt",
    "locationId",
    "phoneNumber",
    "address",
    "customLocation",
    "access",
    "timeZone",
    "priority",
    "cancelReason",
    "cancelledAt",
    "cancelledBy",
    "hosts",
)
"""All documented fields but ``uid``, the stamps, and ``url``: a meeting's address may be made anew at any time."""
_WIDTH = 6
_ABSENT = "-" * _WIDTH
_MOMENTS = frozenset({"startedAt", "endedAt", "cancelledAt"})


def fingerprint(booking: Mapping[str, Any]) -> str:
    """Return the fingerprint of a booking as the API gives it: a checksum of all fields, then one of each."""
    return _whole(booking) + "".join(_one(booking, name) for name in FIELDS)


def edited(seen: str, booking: Mapping[str, Any]) -> list[str]:
    """Name the fields in which a booking is another than when its fingerprint was taken.

    :param seen: as :func:`fingerprint`; empty where none was taken: nothing is named then.
    :param booking: the booking as it is now.
    """
    if not seen or seen[:_WIDTH] == _whole(booking):
        return []
    then = (seen[start : start + _WIDTH] for start in range(_WIDTH, len(seen), _WIDTH))
    return [
        name
        for name, was in zip(FIELDS, then, strict=False)
        if was not in (_ABSENT, now := _one(booking, name)) and now != _ABSENT
    ]


def _whole(booking: Mapping[str, Any]) -> str:
    return _sum(list(map(booking.get, FIELDS)))


def _one(booking: Mapping[str, Any], name: str) -> str:
    if name not in booking:
        return _ABSENT
    value = booking[name]
    if name == "hosts" and isinstance(value, list):
        value = sorted(documented(name, value), key=lambda host: str(host.get("userId")))
    elif name in _MOMENTS and isinstance(value, str):
        value = _moment(value)
    return _sum(None if value == "" else value)


def _moment(value: str) -> Any:
    try:
        return times.moment(value).timestamp()
    except ValueError:
        return value


def _sum(value: Any) -> str:
    return f"{zlib.crc32(msgspec.json.encode(value, order='sorted')) & 0xFF_FFFF:06x}"
