"""Templates become text: everything that is put into them is escaped, and each text of somebody's stands by itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.bulk.outcomes import Outcome

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
AT_ONCE = 60
"""How many pieces of a page are sent together: the first of them, and so the page's head, before any plan is read."""

_MEANINGS = {
    Outcome.APPLIED: "made by this plan",
    Outcome.UNCHANGED: "the booking was so already",
    Outcome.STALE: "edited by somebody since the plan was made, and left alone",
    Outcome.REJECTED: "refused by Jicoo",
    Outcome.FAILED: "known not to have been made",
    Outcome.UNKNOWN: "may or may not have been made: look at the booking",
    Outcome.NOT_ATTEMPTED: "the run ended before its turn",
}


def render(template: str, /, **values: Any) -> Iterator[str]:
    """Yield a page piece by piece.

    :param template: the file in ``templates``.
    :param values: what it is made of. What is a function is called where the page comes to it.
    """
    stream = environment().get_template(template).stream(values)
    stream.enable_buffering(AT_ONCE)
    return stream


@cache
def environment() -> Environment:
    """Return what makes pages of the templates."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"number": number, "span": span, "moment": moment, "words": words}
    made.globals |= {"meaning": meaning, "kind_of": kind_of}
    return made


def source_hash(name: str) -> str:
    """Return the hash of a style or a script, by which a page's policy lets it in."""
    digest = hashlib.sha256(environment().get_template(name).render().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def number(value: Any) -> str:
    """Return a number with its thousands apart."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "?"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def span(seconds: Any) -> str:
    """Return seconds as a person says them."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e10:
        return "?"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def moment(value: Any) -> str:
    """Return a moment, in UTC.

    :param value: a datetime, ISO 8601, or seconds since the epoch.
    """
    try:
        if isinstance(value, (int, float)):
            value = datetime.fromtimestamp(value, timezone.utc)
        elif not isinstance(value, datetime):
            value = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        return f"{value.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return "" if value is None else str(value)[:40]


def words(value: Any) -> str:
    """Return an outcome or a state as words."""
    return str(value).replace("_", " ")


def meaning(outcome: str) -> str:
    """Return what an outcome means."""
    try:
        return _MEANINGS[Outcome(outcome)]
    except ValueError:
        return ""


def kind_of(outcome: str) -> str:
    """Return whether an outcome is ``good``, ``bad`` or neither, as a class of the style."""
    try:
        found = Outcome(outcome)
    except ValueError:
        return "plain"
    return "good" if found.is_fine else "plain" if found is Outcome.NOT_ATTEMPTED else "bad"
