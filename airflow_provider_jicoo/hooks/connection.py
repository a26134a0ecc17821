"""What an Airflow connection says, as the settings of a client."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.api.settings import BASE_URL, Settings
from airflow_provider_jicoo.hooks.forms import EXTRA_FIELDS

_KEY = re.compile(r"sk_live_[^\s'\"]*")


class ConnectionLike(Protocol):
    """What is needed of an Airflow connection."""

    conn_id: str
    host: str | None
    schema: str | None
    port: int | None
    password: str | None

    @property
    def extra_dejson(self) -> Any:
        """The extras."""


@discreet
def settings(connection: ConnectionLike) -> Settings:
    """Return the settings that a connection describes.

    :param connection: password = API key; host = base URL, with or without a scheme; extras as
        :data:`~airflow_provider_jicoo.hooks.forms.EXTRA_FIELDS`.
    :raises InvalidRequestError: names the connection and what is wrong with it.
    """
    try:
        _check_type(getattr(connection, "conn_type", None))
        extras = _extras(connection.extra_dejson)
        given: dict[str, Any] = {"api_key": connection.password or "", "base_url": base_url(connection)}
        for name in ("timeout", "server_grace", "max_requests_per_second"):
            if name in extras:
                given[name] = _number(name, extras[name])
        if "page_size" in extras:
            given["page_size"] = _whole("page_size", extras["page_size"])
        for name in ("on_unproven", "debug_answers"):
            if name in extras:
                given[name] = extras[name]
        if "lists_requests" in extras:
            given["lists_requests"] = _flag("lists_requests", extras["lists_requests"])
        start, end = Settings.period_parameters
        given["period_parameters"] = (
            _text("period_start_parameter", extras.get("period_start_parameter", start)),
            _text("period_end_parameter", extras.get("period_end_parameter", end)),
        )
        return Settings(**given)
    except InvalidRequestError as error:
        said = str(error)
    # Behind the handling of the first error, which would stay in the context of this one.
    raise InvalidRequestError(f"connection {connection.conn_id!r}: {_without_key(said, connection.password)}")


def _without_key(said: str, password: str | None) -> str:
    """Return what is wrong with a connection without the API key, which may have been written into another field."""
    said = _KEY.sub("***", said)
    return said.replace(password, "***") if password and len(password) > 7 else said


def _check_type(conn_type: str | None) -> None:
    """Refuse a connection to something else before its password goes to Jicoo.

    One in JSON need not name a type; that of a URI is its scheme.

    :raises InvalidRequestError: it is of another type.
    """
    if conn_type and conn_type.lower() != "jicoo":
        raise InvalidRequestError(
            f"it is of type {conn_type[:40]!r}, not 'jicoo', and its password would be sent as the API key; name a "
            "connection of type Jicoo in jicoo_conn_id"
        )


def team_slug(connection: ConnectionLike) -> str | None:
    """Return the team's part of the booking pages' address, where the connection knows it."""
    slug = _extras(connection.extra_dejson).get("team_slug")
    return None if slug is None else _text("team_slug", slug)


def base_url(connection: ConnectionLike) -> str:
    """Return where the API is: the host with scheme and port, from whichever fields have them.

    :raises InvalidRequestError: host and port field name different ports.
    """
    host = (connection.host or "").strip() or BASE_URL
    if "://" not in host:
        scheme = connection.schema if connection.schema in ("http", "https") else "https"
        host = f"{scheme}://{host}"
    # The Test button of Airflow's connection list sends port 0 for a connection without one.
    return _with_port(host, connection.port) if connection.port else host


def _with_port(address: str, port: int) -> str:
    try:
        parts = urlsplit(address)
        own = parts.port
    except ValueError:
        return address  # what is wrong with it is said where the settings are checked
    if own is None:
        standard = port == {"https": 443, "http": 80}.get(parts.scheme)
        return address if standard else parts._replace(netloc=f"{parts.netloc}:{port}").geturl()
    if own != port:
        raise InvalidRequestError(f"host names port {own}, and the field for the port {port}: write the same one")
    return address


def _extras(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidRequestError("its extras are no JSON object")
    known = [field.name for field in EXTRA_FIELDS]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
            raise InvalidRequestError(f"unknown extra {name!r}{hint}")
    # An empty field of the form arrives as an empty text.
    return {name: value for name, value in given.items() if value is not None and value != ""}


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, bool):
            raise ValueError  # to Python, True is 1
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidRequestError(f"{name}: {value!r:.100} is not a number") from None


def _whole(name: str, value: Any) -> int:
    number = _number(name, value)
    if not number.is_integer():  # also infinity and NaN
        raise InvalidRequestError(f"{name}: {value!r} is not a whole number")
    return int(number)


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise InvalidRequestError(f"{name}: {value!r:.100} is not a text")
    return str(value)


def _flag(name: str, value: Any) -> bool:
    known = {"true": True, "false": False}
    if str(value).strip().lower() not in known:
        raise InvalidRequestError(f"{name}: {value!r} is neither true nor false")
    return known[str(value).strip().lower()]
