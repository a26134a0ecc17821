"""What Jicoo has stored against what it was sent: the same, the same but for how it is written, or something else.

How Jicoo writes what it is given is not documented. Names may come back trimmed, blanks collapsed, letters composed
(NFC), line breaks as CRLF, "" as null, times cut to the second or the minute, hosts with further fields. What it stored
is what counts; a comparison to the letter would take a change that was made for one that was not.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Mapping
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.status import is_cancelled

_MOMENTS = frozenset({"startedAt", "endedAt"})
_NOT_STORED = frozenset({"updateMessage", "isSendUpdates"})
_HOST_FIELDS = ("userId", "role")


class Field(enum.Enum):
    """How one field of a booking stands to a change of it."""

    AFTER = "after"
    """As it was sent, but for how it is written."""
    ADJUSTED = "adjusted"
    """As it was sent, with something of Jicoo's own: the hosts that were sent, with other roles."""
    BEFORE = "before"
    """As it was."""
    OTHER = "other"
    """Neither."""

    # By identity, in C: the fields of each booking are looked up.
    __hash__ = object.__hash__


def reflects_exactly(booking: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Tell whether a booking has just what was sent: the same texts, moments and hosts. Other fields do not matter.

    :param booking: a booking as the API gives it.
    :param sent: the body of an Update Booking, as sent.
    """
    return all(_same(name, booking.get(name), value) for name, value in sent.items() if name not in _NOT_STORED)


def reflects(booking: Mapping[str, Any], sent: Mapping[str, Any]) -> bool | None:
    """Tell whether a booking has what was sent, as :func:`reflects_exactly`, but for how it is written.

    :return: None where only roles of hosts differ: Jicoo may have given roles of its own, or the roles were what was to
        change, and it was not done.
    """
    roles_differ = False
    for name, wanted in sent.items():
        current = booking.get(name)
        if name in _NOT_STORED or _same(name, current, wanted) or _alike(name, current, wanted):
            continue
        if not _same_people(name, current, wanted):
            return False
        roles_differ = True
    return None if roles_differ else True


def compare(
    booking: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], *, answered: bool = False
) -> dict[str, Field]:
    """Say of each field of a change that is stored how it stands.

    To the letter first: a change may be one of writing alone (a blank taken away), which is seen only so. Once it was
    answered with success, a field that stays as it was since Jicoo writes both the same counts as sent.

    :param booking: a booking as the API gives it.
    :param before: its fields before the change.
    :param after: what was sent.
    :param answered: whether the change was answered with success.
    """
    standing = {}
    for name, wanted in after.items():
        if name in _NOT_STORED:
            continue
        current = booking.get(name)
        if _same(name, current, wanted) or (answered and _alike(name, current, wanted)):
            standing[name] = Field.AFTER
        elif _same(name, current, before.get(name)):
            standing[name] = Field.BEFORE
        elif _alike(name, current, wanted):
            standing[name] = Field.AFTER
        elif _same_people(name, current, wanted) and not _same_people(name, before.get(name), wanted):
            standing[name] = Field.ADJUSTED
        else:
            standing[name] = Field.OTHER
    return standing


def stored(booking: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a change that Jicoo has stored in another way than they were sent, as they are now."""
    return {
        name: documented(name, booking.get(name))
        for name, wanted in after.items()
        if not _same(name, booking.get(name), wanted)
    }


def documented(name: str, value: Any) -> Any:
    """Return a field with nothing in it but what Jicoo documents: a host may come with a name and an e-mail address.

    What is sent back must have no other field, and a plan no address in it.
    """
    if name == "hosts" and isinstance(value, list):
        return [
            {field: host[field] for field in _HOST_FIELDS if field in host} if isinstance(host, Mapping) else {}
            for host in value
        ]
    return value


def same_moment(one: str, other: str) -> bool:
    """Tell whether two of the API's times are the same moment, however written; what cannot be read is not."""
    try:
        return times.moment(one) == times.moment(other)
    except ValueError:
        return False


def _same(name: str, current: Any, wanted: Any) -> bool:
    if current == wanted:
        return True
    if name == "hosts" and isinstance(current, list) and isinstance(wanted, list):
        return _host_set(current, _HOST_FIELDS) == _host_set(wanted, _HOST_FIELDS)
    if name in _MOMENTS and isinstance(current, str) and isinstance(wanted, str):
        return same_moment(current, wanted)
    return name == "status" and is_cancelled(wanted) and is_cancelled(current)


def _alike(name: str, current: Any, wanted: Any) -> bool:
    if name in _MOMENTS:
        return isinstance(current, str) and isinstance(wanted, str) and _is_cut(current, wanted)
    if isinstance(current, (str, type(None))) and isinstance(wanted, (str, type(None))):
        return _plain(current) == _plain(wanted)
    return False


def _same_people(name: str, current: Any, wanted: Any) -> bool:
    if name != "hosts" or not isinstance(current, list) or not isinstance(wanted, list):
        return False
    return _host_set(current, _HOST_FIELDS[:1]) == _host_set(wanted, _HOST_FIELDS[:1])


def _plain(text: str | None) -> str:
    return " ".join(unicodedata.normalize("NFC", text or "").split())


def _is_cut(current: str, wanted: str) -> bool:
    try:
        is_now, sent = times.moment(current), times.moment(wanted)
    except ValueError:
        return False
    return is_now in (sent.replace(microsecond=0), sent.replace(second=0, microsecond=0))


def _host_set(hosts: list[Any], fields: tuple[str, ...]) -> set[str]:
    """Return hosts without their order. Their repr, since a damaged answer may have anything in place of one."""
    return {repr([host.get(field) for field in fields] if isinstance(host, Mapping) else host) for host in hosts}
