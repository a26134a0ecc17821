"""In which order a plan's changes are shown. Of each change only what it is sorted by is read. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from airflow_provider_jicoo.bulk.plan.tally import roles_of


class _Before(msgspec.Struct, gc=False):
    hosts: Any = None


class _After(msgspec.Struct, rename="camel", gc=False):
    started_at: Any = msgspec.UNSET


class SortedBy(msgspec.Struct, rename="camel", gc=False):
    """What of a :class:`~airflow_provider_jicoo.bulk.plan.file.PlannedChange` it is sorted by.

    To read it takes a third of the time that the whole change takes, most of which are values that are not looked at.
    """

    uid: str
    action: str
    started_at: str
    before: _Before
    after: _After


DECODER = msgspec.json.Decoder(SortedBy)


def _start(line: SortedBy, hosts: Mapping[str, str]) -> Any:
    return line.started_at, line.uid


def _booking(line: SortedBy, hosts: Mapping[str, str]) -> Any:
    return line.uid


def _action(line: SortedBy, hosts: Mapping[str, str]) -> Any:
    return line.action, line.started_at, line.uid


def _new(line: SortedBy, hosts: Mapping[str, str]) -> Any:
    then = line.after.started_at
    return line.started_at if then is msgspec.UNSET else str(then), line.uid


def _host(line: SortedBy, hosts: Mapping[str, str]) -> Any:
    names = ", ".join(hosts.get(uid) or uid for uid in roles_of(line.before.hosts)).casefold()
    return names, line.started_at, line.uid


SORTS: Mapping[str, Callable[[SortedBy, Mapping[str, str]], Any]] = {
    "start": _start,
    "booking": _booking,
    "action": _action,
    "new": _new,
    "host": _host,
}
"""By what a plan can be sorted, in the order in which it is offered."""


def in_order(lines: Callable[[], Iterable[SortedBy]], sort: str, hosts: Mapping[str, str]) -> Sequence[int] | None:
    """Return the numbers of a plan's changes, sorted; None where they are in this order already.

    :param lines: reads all of them, in the plan's order.
    :param sort: one of :data:`SORTS`.
    :param hosts: names of hosts by their ids.
    """
    key = SORTS[sort]

    def keys() -> Iterator[Any]:
        return (key(line, hosts) for line in lines())

    # Most plans are in the order of their starts, and then nothing of them is kept. In one that is not, two that are
    # the wrong way round mostly stand near its beginning.
    if all(before <= after for before, after in pairwise(keys())):
        return None
    made = list(keys())
    return array("I", sorted(range(len(made)), key=made.__getitem__))
