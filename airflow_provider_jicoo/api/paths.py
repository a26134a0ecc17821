"""Ids in paths, and the paths that Jicoo's documentation does not show.

Those are inferred, or known from other people's code only. Should one turn out to be wrong, override it in one place,
:data:`INFERRED`: in this table, or in your own ``airflow_local_settings.py``::

    from airflow_provider_jicoo.api.paths import INFERRED

    INFERRED["create_event_type_host"] = "/v1/event_types/{event_type_id}/members"
"""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_jicoo.api.errors import InvalidRequestError

INFERRED: dict[str, str] = {
    "available_schedules": "/v1/event_types/{event_type_id}/available_schedules",
    "create_event_type_host": "/v1/event_types/{event_type_id}/hosts",
    "delete_event_type_host": "/v1/event_types/{event_type_id}/hosts/{uid}",
    "delete_schedule": "/v1/schedules/{uid}",
    "list_organization_users": "/v1/organization_users",
    "get_organization_invitation": "/v1/organization_invitations/{uid}",
    "delete_organization_invitation": "/v1/organization_invitations/{uid}",
    "list_teams": "/v1/teams",
}
"""By the name of the endpoint; the names in braces are its arguments."""

ID_LENGTH = 255
"""The longest id that is taken for one; those that were seen have 12 to 28 characters."""
_ID = re.compile(rf"(?!\.*\Z)[A-Za-z0-9_~.-]{{1,{ID_LENGTH}}}")


def inferred(endpoint: str, **ids: Any) -> str:
    """Return the path of an endpoint in :data:`INFERRED`.

    :param endpoint: its name.
    :param ids: what stands for the names in braces.
    :raises InvalidRequestError: one of them cannot be an id, or the path has other names in it.
    """
    checked = {name: checked_id(name, value) for name, value in ids.items()}
    try:
        return INFERRED[endpoint].format(**checked)
    except (KeyError, IndexError, ValueError):
        names = ", ".join(f"{{{name}}}" for name in ids) or "no name in braces"
        raise InvalidRequestError(f"INFERRED[{endpoint!r}] is {INFERRED[endpoint]!r}; it can have {names}") from None


def checked_id(name: str, value: Any, form: str = "an id such as 'mzgdPJVBb7RE'") -> str:
    """Return ``value`` where it can be an id: it stands in a path as it is.

    :param name: the argument, for the error.
    :param value: what was given.
    :param form: what it should be, for the error.
    :raises InvalidRequestError: it is empty or too long, or has a character that no id has (a slash, a line break).
    """
    if not is_id(value):
        is_long = isinstance(value, str) and len(value) > ID_LENGTH
        shown = f"{value[:40]!r} ... of {len(value):,} characters" if is_long else repr(value)
        raise InvalidRequestError(f"{name} {shown} is not {form}: letters, digits, _ and -")
    return value  # type: ignore[no-any-return]


def is_id(value: Any) -> bool:
    """Tell whether a value can be an id: a text of a few characters that stands in a path as it is."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def checked_limit(operation: str, limit: Any) -> int | None:
    """Return how many rows of a list are wanted, None for all.

    :raises InvalidRequestError: it is no number from 0.
    """
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
        raise InvalidRequestError(f"{operation}: limit: 0 or more, not {limit!r}")
    return limit
