"""Moments as users give them, and as Jicoo wants them: UTC with milliseconds and ``Z``.

Source of the wire form: the examples on Jicoo's pages, as ``2024-03-01T20:00:00.000Z``
(https://developer.jicoo.com/api-5453063).
"""

from __future__ import annotations

import difflib
import re
import zoneinfo
from datetime import date, datetime, timezone
from typing import Any

from pydantic import TypeAdapter, ValidationError

_HAS_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")  # either case: RFC 3339, section 5.6
_IS_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_IS_WIRE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_ZONE_LENGTH = 100
_SHOWN_AT_MOST = 100
_ISO = TypeAdapter(datetime)


def zone(name: str) -> zoneinfo.ZoneInfo:
    """Return the time zone of an IANA name.

    :raises ValueError: naming the nearest zone there is.
    """
    if len(name) > _ZONE_LENGTH:
        raise ValueError(f"{_show(name)} is not an IANA time zone such as 'Asia/Tokyo'")
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name!r} is not an IANA time zone such as 'Asia/Tokyo'{hint}") from None


def moment(value: Any, time_zone: str | None = None) -> datetime:
    """Turn an aware datetime, a pendulum or an ISO 8601 string into a UTC datetime with whole milliseconds.

    :param value: the moment. Without an offset it is read as a wall clock in ``time_zone``.
    :param time_zone: IANA name, or None where a moment without an offset is an error.
    :raises ValueError: no moment, no offset and no time zone, or a wall-clock time that daylight saving skips.
    """
    parsed = value if isinstance(value, datetime) else _parse(value)
    if parsed.tzinfo is None:
        if time_zone is None:
            raise ValueError(
                f"{_show(value)} has no offset; write it as 2024-03-01T20:00:00+09:00, or give time_zone beside it"
            )
        local = parsed.replace(tzinfo=zone(time_zone))
        if _utc(local, value).astimezone(local.tzinfo).replace(tzinfo=None) != parsed:
            raise ValueError(f"{_show(value)} does not exist in {time_zone}: the clocks go forward over it")
        parsed = local
    utc = _utc(parsed, value)
    # A plain datetime: pendulum's subclass would not compare equal in strict models.
    return datetime(
        utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond // 1000 * 1000, timezone.utc
    )


def day(value: Any) -> date | None:
    """Return a day where ``value`` is one, a date or ISO 8601 as ``2024-03-01``; None where it may be a moment.

    :raises ValueError: there is no such day.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return date(value.year, value.month, value.day)  # not pendulum's
    if not isinstance(value, str) or not _IS_DAY.fullmatch(value.strip()):
        return None
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(f"{_show(value)} is not a day of the calendar") from None


def wire_day(value: datetime | date) -> str:
    """Write a UTC datetime as :func:`wire`, and a day as ``2024-03-01``."""
    return wire(value) if isinstance(value, datetime) else value.isoformat()


def wire(value: datetime) -> str:
    """Write a UTC datetime as Jicoo does: ``2024-03-01T20:00:00.000Z``."""
    return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def as_wire(text: str) -> str:
    """Return a moment of an answer as :func:`wire` writes it: two of them compare as texts as the moments do.

    :raises ValueError: it is no moment with an offset.
    """
    # That form is the documented one, and to read it would take as long as all else that is done with a row.
    return text if _IS_WIRE.fullmatch(text) else wire(moment(text))


def is_earlier(one: Any, other: Any) -> bool:
    """Tell of two moments of answers whether the first is before the second; of what is no moment, it is not."""
    try:
        return one != other and moment(one) < moment(other)
    except ValueError:
        return False


def _utc(parsed: datetime, value: Any) -> datetime:
    try:
        return parsed.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError(f"{_show(value)} is not between the years 1 and 9999 in UTC") from None


def _parse(value: Any) -> datetime:
    if isinstance(value, str) and _HAS_DATE_AND_TIME.match(value.strip()):
        try:
            return _ISO.validate_python(value.strip())
        except ValidationError:
            pass  # falls through to the one error for everything that is no moment
    raise ValueError(f"{_show(value)} is not a moment; give an aware datetime or ISO 8601 such as 2024-03-01T20:00:00Z")


def _show(value: Any) -> str:
    if isinstance(value, datetime):
        return repr(value.isoformat(sep=" "))
    return repr(value) if len(str(value)) <= _SHOWN_AT_MOST else f"{str(value)[:_SHOWN_AT_MOST]!r} ..."
