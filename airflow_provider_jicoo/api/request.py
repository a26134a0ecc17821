"""Any request at all: for what this package does not know of Jicoo's API."""

from __future__ import annotations

import json as _json
import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from airflow_provider_jicoo.api.call import Call, Method, Repeat
from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.api.secret import discreet

_PATH = re.compile(r"(/([A-Za-z0-9_~:@!$&'()*+,;=.-]|%[0-9A-Fa-f]{2})+)+")
_PATH_LENGTH = 2_000
_DOTS = re.compile(r"/(\.|%2e){1,2}(/|$)", re.IGNORECASE)


@discreet
def request(
    method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Mapping[str, Any] | None = None
) -> Call[Any]:
    """Send any request, with the same key, pace, failure handling and checks as all others.

    It returns the whole answer as it came, with ``data``, ``errors`` and the paging fields; None for an empty one. A
    GET is repeated like any read. Anything else is never repeated where nobody knows whether it took effect:
    :class:`~airflow_provider_jicoo.api.errors.AmbiguousOutcomeError`.

    :param method: ``GET``, ``POST``, ``PUT``, ``PATCH``, ``DELETE``.
    :param path: path below the base URL, quoted, without a query: ``/v1/event_types``.
    :param params: query parameters: texts, numbers, booleans (sent as ``true``, ``false``).
    :param json: JSON object to send, as it is. Neither it nor ``params`` shows in errors.
    :raises InvalidRequestError: one of them cannot be sent.
    """
    known: dict[str, Method] = {name: name for name in get_args(Method)}
    found = known.get(str(method).upper())
    if found is None:
        raise InvalidRequestError(f"method: {method!r:.100} is none of {', '.join(known)}")
    return Call(
        found,
        _checked(path),
        query={str(name): _text(name, value) for name, value in _mapping("params", params or {}).items()},
        body=None if json is None else _sendable(json),
        answer_shape="whole",
        repeat=Repeat.HARMLESS if found == "GET" else Repeat.NEVER,
        how_to_check="look in Jicoo whether it was done",
    )


def _checked(path: Any) -> str:
    is_short = isinstance(path, str) and len(path) <= _PATH_LENGTH
    if is_short and path.startswith("/v1/") and _PATH.fullmatch(path) and not _DOTS.search(path):
        return str(path)
    # Its query may be a guest's.
    shown = f"{path.partition('?')[0]}?..." if isinstance(path, str) and "?" in path else path
    raise InvalidRequestError(
        f"path {shown!r:.200} is not a path below Jicoo's base URL such as '/v1/event_types': quoted, without host, "
        "query, dots or an empty part"
    )


def _text(name: Any, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        text = str(value)
        if text == text.encode(errors="replace").decode():
            return text
        raise InvalidRequestError(f"params: {name}: the text is no Unicode (it has half of a surrogate pair)")
    raise InvalidRequestError(f"params: {name}: a text, a number or a boolean, not {type(value).__name__}")


def _sendable(json: Any) -> Mapping[str, Any]:
    try:
        _json.dumps(_mapping("json", json), allow_nan=False)
        msgspec.json.encode(json)
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, InvalidRequestError):
            raise
        raise InvalidRequestError(f"json: it cannot be sent: {error}") from None
    return json  # type: ignore[no-any-return]


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidRequestError(f"{name}: an object, not {type(value).__name__}")
    return value
