"""Selections and changes as arguments of operators and sensors."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.bulk.changes import Change
from airflow_provider_jicoo.bulk.selection import Selection
from airflow_provider_jicoo.tasks.compat import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    _Base = BaseOperator
else:
    _Base = object


class NestedTemplates(_Base):
    """An operator or sensor with arguments that have templated fields of their own."""

    def _set_xcomargs_dependencies(self) -> None:
        # Airflow looks for the outputs of other tasks in lists and dictionaries, not in these.
        from airflow.sdk import XComArg

        super()._set_xcomargs_dependencies()
        for _, part in self._parts(self.template_fields):
            for field in part.template_fields:
                XComArg.apply_upstream_relationship(self, getattr(part, field))

    def _do_render_template_fields(self, parent: Any, template_fields: Iterable[str], *args: Any, **more: Any) -> None:
        if parent is not self:
            super()._do_render_template_fields(parent, template_fields, *args, **more)
            return
        given = dict(self._parts(template_fields))
        # They are rendered in place: a second run of the DAG in this process would find the DAG's own rendered.
        for name, part in given.items():
            setattr(self, name, copy.copy(part))
        # Airflow calls a function that it finds in a templated field; this one is called with bookings.
        names = [name for name in template_fields if name != "change" or not callable(getattr(self, name, None))]
        super()._do_render_template_fields(self, names, *args, **more)
        for name, part in given.items():
            if isinstance(part, Selection):
                _check_nothing_is_lost(name, part, getattr(self, name))

    def _parts(self, names: Iterable[str]) -> Iterator[tuple[str, Selection | Change]]:
        for name in names:
            value = getattr(self, name, None)
            if isinstance(value, (Selection, Change)):
                yield name, value


def _check_nothing_is_lost(name: str, before: Selection, after: Selection) -> None:
    """Refuse a selection that lost a filter: it would select more, or everything.

    :raises AirflowFailException: names the filter.
    """
    for field in before.template_fields:
        if getattr(before, field) is not None and getattr(after, field) is None:
            raise AirflowFailException(f"{name}: {field} was given, but a template or another task made None of it")


def as_selection(value: Any) -> Selection:
    """Return a selection that was given.

    :raises ValueError: it is none.
    """
    if not isinstance(value, Selection):
        raise ValueError(f"selection: {value!r:.100} is not a Selection")
    return value
