"""Quirks: named ways in which a Jicoo may behave otherwise than the sandbox does by itself.

Nobody here ever saw the real API. A DAG that works with the sandbox and with each of these has a good chance with the
real one. Each is off until it is asked for by its name, and they can be combined::

    Sandbox(quirks=["trimmed-names", "page-cap=20"])

or ``python -m airflow_provider_jicoo.sandbox --quirk trimmed-names --quirk page-cap=20``, where ``--list-quirks`` tells
them all; in a test, ``@pytest.mark.jicoo_sandbox(quirks=["trimmed-names"])``, or for a whole run of tests
``pytest --jicoo-quirk trimmed-names``.

What a test itself puts into the sandbox (``add_booking``, ``edit``) is stored as it is given: quirks of writing meet
only what comes over HTTP. The OpenAPI document describes the sandbox without quirks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_jicoo.sandbox import values
from airflow_provider_jicoo.sandbox.data import Row
from airflow_provider_jicoo.sandbox.faults import KINDS, Answer
from airflow_provider_jicoo.sandbox.quirks import listing, wire, writing
from airflow_provider_jicoo.sandbox.quirks.quirk import Asked, Exchange, Page, Quirk

QUIRKS: dict[str, type[Quirk]] = {kind.name(): kind for kind in (*writing.QUIRKS, *listing.QUIRKS, *wire.QUIRKS)}
"""Each quirk by its name; the docstring of the class says what it does. They act in this order."""


class Quirks:
    """The quirks of one sandbox.

    :param given: each as ``name`` or ``name=value``.
    :raises ValueError: there is no such quirk, it takes no such value, or it is given twice.
    """

    def __init__(self, given: Iterable[str] = ()) -> None:
        self.given = tuple(given)
        chosen: dict[str, Quirk] = {}
        for quirk in map(parse, self.given):
            if quirk.name() in chosen:
                raise ValueError(f"the quirk {quirk.name()} is given twice")
            chosen[quirk.name()] = quirk
        self._on = [chosen[name] for name in QUIRKS if name in chosen]
        # Without a quirk nothing may cost anything: a page of a hundred rows calls these for each row.
        self._select = self._hooks("select")
        self._lists = self._hooks("lists")
        self._arrange = self._hooks("arrange")
        self._cut = self._hooks("cut")
        self._tell = self._hooks("tell")
        self._finds = self._hooks("finds")
        self._store = self._hooks("store")
        self._stamp = self._hooks("stamp")
        self._answer = self._hooks("answer")
        self._show = self._hooks("show")
        self._envelope = self._hooks("envelope")
        self._wire = self._hooks("wire")

    def _hooks(self, name: str) -> list[Callable[..., Any]]:
        plain = getattr(Quirk, name)
        return [getattr(quirk, name) for quirk in self._on if getattr(type(quirk), name) is not plain]

    def has(self, kind: type[Quirk]) -> bool:
        """Say whether this quirk is on."""
        return any(type(quirk) is kind for quirk in self._on)

    def value(self, kind: type[Quirk], otherwise: Any) -> Any:
        """Return the value of a quirk that is on, or ``otherwise``."""
        return next((quirk.value for quirk in self._on if type(quirk) is kind), otherwise)

    # --- the hooks of Quirk, one quirk after the other ---------------------------------------------------------------

    def select(self, asked: Asked, now: str) -> Asked:
        """Return what the list of bookings is taken to be asked for."""
        for hook in self._select:
            asked = hook(asked, now)
        return asked

    def lists(self, row: Row, asked: Asked) -> bool:
        """Say whether a booking that was asked for stands in the list."""
        return all(hook(row, asked) for hook in self._lists)

    def arrange(self, uids: Sequence[str], rows: Mapping[str, Row], asked: Asked) -> Sequence[str]:
        """Return the list of bookings in the order in which it is given out."""
        for hook in self._arrange:
            uids = hook(uids, rows, asked)
        return uids

    def cut(self, page: Page) -> None:
        """Change which rows a page has."""
        for hook in self._cut:
            hook(page)

    def tell(self, told: Row, page: Page) -> Row:
        """Return what stands beside the rows of a page."""
        for hook in self._tell:
            told = hook(told, page)
        return told

    def finds(self, row: Row) -> bool:
        """Say whether there is such a booking."""
        return all(hook(row) for hook in self._finds)

    def store(self, fields: Row, before: Row | None) -> Row:
        """Return the fields that are stored for those that were asked for."""
        for hook in self._store:
            fields = hook(fields, before)
        return fields

    def stamp(self, stamp: str, before: Row, after: Row) -> str:
        """Return the ``updatedAt`` of a changed row."""
        for hook in self._stamp:
            stamp = hook(stamp, before, after)
        return stamp

    def answer(self, before: Row, after: Row) -> Row | None:
        """Return the booking that a change is answered with."""
        shown: Row | None = after
        for hook in self._answer:
            shown = hook(before, after)
        return shown

    def show(self, row: Row, users: Mapping[str, Row]) -> Row:
        """Return a row as it goes out."""
        for hook in self._show:
            row = hook(row, users)
        return row

    def envelope(self, content: Row) -> Row:
        """Return the whole body of a good answer."""
        for hook in self._envelope:
            content = hook(content)
        return content

    def wire(self, answer: Answer, exchange: Exchange) -> Answer:
        """Return the HTTP answer that goes out."""
        for hook in self._wire:
            answer = hook(answer, exchange)
        return answer


def parse(text: str) -> Quirk:
    """Make a quirk from ``name`` or ``name=value``.

    :raises ValueError: there is no such quirk, or it takes no such value.
    """
    name, equals, value = text.partition("=")
    if name.replace("-", "_") in KINDS:
        raise ValueError(
            f"{name!r} is not a quirk but a fault, which meets some requests: see Sandbox.fail, or --fault"
        )
    kind = QUIRKS[values.one_of(name, QUIRKS, "quirk")]
    return kind(value if equals else None)


def described() -> str:
    """Return a line or two for each quirk: its name, its default value, what it does."""
    lines = []
    for name, kind in QUIRKS.items():
        shown = kind.example or kind.default
        value = "" if kind.default is None else f"[={shown}]"
        said = " ".join(inspect.cleandoc(kind.__doc__ or "").split()).replace("``", "")
        if kind.default is not None and kind.example is not None and kind.default in kind.example:
            said += f" Default: {kind.default}."
        lines.append(f"{name}{value}\n    {said}")
    return "\n".join(lines)
