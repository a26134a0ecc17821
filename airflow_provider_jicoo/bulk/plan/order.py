"""Put moves in an order in which none lands on a slot that another one is still to leave."""

from __future__ import annotations

import bisect
import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Move:
    """One planned move. Times as Jicoo writes them, which compare as texts.

    :param line: number of its line in the plan.
    :param hosts: user ids of the hosts whose time it takes.
    :param old: start and end now.
    :param new: start and end then.
    """

    line: int
    hosts: tuple[str, ...]
    old: tuple[str, str]
    new: tuple[str, str]


def waits(moves: Iterable[Move]) -> dict[int, list[int]]:
    """Return, for each line, the lines that have to move out of its new slot first.

    Slots of one host that only touch do not collide.
    """
    by_host: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    moves = list(moves)
    for move in moves:
        for host in move.hosts:
            by_host[host].append((*move.old, move.line))
    # Ends are not sorted as starts are: the running maximum tells where nothing earlier can reach into a slot.
    reach: dict[str, list[str]] = {}
    for host, slots in by_host.items():
        slots.sort()
        latest = ""
        reach[host] = [latest := max(latest, end) for _, end, _ in slots]
    waiting: dict[int, list[int]] = {}
    for move in moves:
        blockers = {line for host in move.hosts for line in _over(by_host[host], reach[host], move)}
        if blockers:
            waiting[move.line] = sorted(blockers)
    return waiting


def _over(slots: Sequence[tuple[str, str, int]], reach: Sequence[str], move: Move) -> Iterable[int]:
    start, end = move.new
    number = bisect.bisect_left(slots, (end,)) - 1
    while number >= 0 and reach[number] > start:
        if slots[number][1] > start and slots[number][2] != move.line:
            yield slots[number][2]
        number -= 1


def arrange(count: int, waits_for: dict[int, list[int]]) -> tuple[list[int], list[list[int]]]:
    """Return the lines in an order in which each comes behind those it waits for, and the cycles there are.

    Lines keep their own order otherwise. In a cycle no order works: it is cut at its first line, which then waits only
    for those that do not wait for it.

    :param count: how many lines there are, numbered from 0.
    :param waits_for: as :func:`waits`; what was cut is taken out of it.
    """
    left = {line: set(blockers) for line, blockers in waits_for.items()}
    blocks: dict[int, list[int]] = defaultdict(list)
    for line, blockers in waits_for.items():
        for blocker in blockers:
            blocks[blocker].append(line)
    ready = [line for line in range(count) if line not in left]
    heapq.heapify(ready)
    order: list[int] = []
    cycles: list[list[int]] = []
    while len(order) < count:
        if not ready:
            cycle = _cycle(left)
            cycles.append(cycle)
            cut = _behind(cycle[0], left, blocks)
            waits_for[cycle[0]] = [blocker for blocker in waits_for[cycle[0]] if blocker not in cut]
            left[cycle[0]] -= cut
            if left[cycle[0]]:
                continue
            del left[cycle[0]]
            if not waits_for[cycle[0]]:
                del waits_for[cycle[0]]
            ready.append(cycle[0])
        line = heapq.heappop(ready)
        order.append(line)
        for blocked in blocks.get(line, ()):
            if blocked in left:
                left[blocked].discard(line)
                if not left[blocked]:
                    del left[blocked]
                    heapq.heappush(ready, blocked)
    return order, cycles


def _behind(line: int, left: Mapping[int, set[int]], blocks: Mapping[int, Sequence[int]]) -> set[int]:
    """Return those of a line's blockers that wait for it, also over others."""
    asked = set(left[line])
    reached: set[int] = set()
    todo = [line]
    while todo and not asked <= reached:
        blocker = todo.pop()
        for blocked in blocks.get(blocker, ()):
            if blocked not in reached and blocker in left.get(blocked, ()):
                reached.add(blocked)
                todo.append(blocked)
    return asked & reached


def _cycle(left: dict[int, set[int]]) -> list[int]:
    """Return one cycle, its first line in front; every line in ``left`` waits for another one in it."""
    line, seen = min(left), dict[int, int]()
    path: list[int] = []
    while line not in seen:
        seen[line] = len(path)
        path.append(line)
        line = min(blocker for blocker in left[line] if blocker in left)
    cycle = path[seen[line] :]
    first = cycle.index(min(cycle))
    return cycle[first:] + cycle[:first]
