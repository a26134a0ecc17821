"""Arguments that may come as text, as a template or a form makes them. Light to import."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


def as_json(name: str, value: Any) -> Any:
    """Turn a text that holds a JSON list or object into it; return anything else as it is.

    :raises ValueError: the text begins like JSON, but is none.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"{name}: not JSON: {error}; use {{{{ ... | tojson }}}} in the template") from None
    return value


def as_list(name: str, value: Any) -> list[Any]:
    """Return one value, several, or the JSON of several as a list.

    :raises ValueError: there is none.
    """
    value = as_json(name, value)
    values = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    if not values:
        raise ValueError(f"{name}: give at least one")
    return values
