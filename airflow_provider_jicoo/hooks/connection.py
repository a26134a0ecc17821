"""What an Airflow connection says, as the settings of a client."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args
from urllib.parse import urlsplit

from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.api.secret import Secret, discreet
from airflow_provider_jicoo.api.settings import BASE_URL, Settings
from airflow_provider_jicoo.api.signature import DOCUMENTED, Variant
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
        _slug(extras)  # which is needed only once a change was made
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


DeliveryMode = Literal["dag_run", "partitioned_asset", "asset"]


@dataclass(frozen=True)
class Signing:
    """How the webhooks of a connection are signed.

    :param secrets: the endpoint's secret; several while it is being changed.
    :param variant: how signatures are made of it.
    """

    secrets: tuple[Secret, ...]
    variant: Variant


@dataclass(frozen=True)
class Delivery:
    """What a webhook of a connection does.

    :param mode: start DAGs, or make an event of the connection's asset.
    :param dag_ids: the DAGs to start; empty for the other modes.
    """

    mode: DeliveryMode
    dag_ids: tuple[str, ...]


@discreet
def signing(connection: ConnectionLike) -> Signing | None:
    """Return how the webhooks of a connection are signed; None where it is to receive none.

    ``webhook_secret`` is one secret, or several: with white space or commas between them, or as a JSON list.

    :raises InvalidRequestError: names the connection and what is wrong with it, without the secret.
    """
    try:
        _check_type(getattr(connection, "conn_type", None))
        extras = _extras(connection.extra_dejson)
        secrets = _listed("webhook_secret", extras.get("webhook_secret"))
        variant = extras.get("webhook_variant")
        variant = DOCUMENTED if variant is None else Variant.parse(str(variant).strip())
    except InvalidRequestError as error:
        said = str(error)
    else:
        return Signing(tuple(map(Secret, secrets)), variant) if secrets else None
    raise InvalidRequestError(f"connection {connection.conn_id!r}: {_without_key(said, connection.password)}")


def delivery(connection: ConnectionLike) -> Delivery:
    """Return what a webhook of a connection does.

    :raises InvalidRequestError: names the connection and what is wrong with it.
    """
    try:
        return _delivery(_extras(connection.extra_dejson))
    except InvalidRequestError as error:
        raise InvalidRequestError(f"connection {connection.conn_id!r}: {error}") from None


def _delivery(extras: Mapping[str, Any]) -> Delivery:
    mode = str(extras.get("webhook_delivery", "dag_run")).strip()
    known: dict[str, DeliveryMode] = {each: each for each in get_args(DeliveryMode)}
    if mode not in known:
        raise InvalidRequestError(f"webhook_delivery: {mode[:40]!r} is none of {', '.join(known)}")
    dag_ids = tuple(dict.fromkeys(_listed("webhook_dag_ids", extras.get("webhook_dag_ids"))))
    if mode != "dag_run":
        return Delivery(known[mode], ())
    if not dag_ids:
        raise InvalidRequestError(
            "webhook_dag_ids is empty, so that webhooks start nothing: name the DAGs to start, or choose another "
            "webhook_delivery"
        )
    return Delivery("dag_run", dag_ids)


def _listed(name: str, given: Any) -> list[str]:
    """Return the texts of an extra that may have several; its value shows in no error, since it may be a secret."""
    if isinstance(given, str) and given.lstrip().startswith("["):
        try:
            given = json.loads(given)
        except ValueError:
            given = [None]
    texts = re.split(r"[\s,]+", given) if isinstance(given, str) else [] if given is None else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InvalidRequestError(f"{name}: neither a text nor a list of texts")
    return [text.strip() for text in texts if text.strip()]


def team_slug(connection: ConnectionLike) -> str | None:
    """Return the team's part of the booking pages' address, where the connection knows it."""
    return _slug(_extras(connection.extra_dejson))


def _slug(extras: Mapping[str, Any]) -> str | None:
    slug = extras.get("team_slug")
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
