"""What happens in one schedule, drawn from its seed before it begins, so that parts of it can be left out."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.bulk.apply import Options, Timing
from tests.simulation import jicoo

TIMEOUT, GRACE = 2.0, 6.0
"""Seconds: of a request, and for which the server may be at work on one whose answer was lost."""
KINDS = ("quiet", "quiet", "loud", "loud", "cancel", "reschedule", "mixed", "shift", "shift loud")
REQUESTS = 250
"""So many requests can go wrong; later ones do not."""
EVENTS = ("left", "effect", "answered", "access", "torn", "whole", "intent", "claim", "recorded", "released", "report")

EVENTS_OF_KILLS = (*EVENTS, "left", "left", "answered", "effect", "intent")


@dataclass(frozen=True)
class Disturbance:
    """Something that happens at the ``nth`` event of a kind, or (kind ``time``) after so many seconds.

    :param act: ``kill``, ``power``, ``freeze``, ``jump``, ``full``, ``edit``, ``control``, ``stop`` or ``start``.
    :param value: seconds, or which booking and how, or words for the control.
    """

    kind: str
    nth: float
    act: str
    value: object = None


@dataclass
class Scenario:
    """Everything that is drawn."""

    seed: int
    what: str = ""
    count: int = 0
    storage: str = ""
    lag: float = 0.0
    slow_disk: float = 0.0
    list_lag: float = 0.0
    minds_slots: bool = False
    cancels_again: bool = False
    undo: bool = False
    undo_loud: bool = False
    retries: int = 0
    starts: list = field(default_factory=list)
    options: dict = field(default_factory=dict)
    timing: dict = field(default_factory=dict)
    disturbances: list = field(default_factory=list)
    faults: dict = field(default_factory=dict)

    def make_options(self):
        return Options(**self.options, timing=Timing(**self.timing))

    def parts(self):
        """Return what goes wrong, disturbances first, then faults of the network, each to be told by its number."""
        return [("disturbance", number) for number in range(len(self.disturbances))] + [
            ("fault", number) for number in self.faults
        ]

    def keep(self, kept):
        """Leave out what goes wrong but for some of it, by its number."""
        left = {part for number, part in enumerate(self.parts()) if number in kept}
        self.disturbances = [each for number, each in enumerate(self.disturbances) if ("disturbance", number) in left]
        self.faults = {number: fault for number, fault in self.faults.items() if ("fault", number) in left}


def draw(seed):
    """Draw a schedule from its seed."""
    chance = random.Random(seed)
    pick, some = chance.choice, chance.random
    drawn = Scenario(seed)
    drawn.what = pick(KINDS)
    drawn.count = chance.randint(2, 7)
    drawn.storage = pick(("disk", "objects"))
    drawn.slow_disk = pick((0.0, 0.0, 0.05))
    drawn.list_lag = pick((0.0, 0.0, 2.0, 10.0))
    drawn.minds_slots = "shift" in drawn.what
    drawn.cancels_again = some() < 0.5
    drawn.undo, drawn.undo_loud = drawn.what != "cancel" and some() < 0.3, some() < 0.5
    drawn.retries = chance.randint(0, 2)
    drawn.starts = [0.0, *(pick((0.0, 0.02, 3.0, 10.0)) * some() for _ in range(pick((0, 0, 0, 1, 1, 2, 3))))]
    _draw_options(drawn, pick, some)
    # A claim must show before the lease of whoever it is to be seen by is over.
    drawn.lag = pick((0.0, 0.3, 0.6)) * drawn.options["lease"] if drawn.storage == "objects" else 0.0
    _draw_disturbances(drawn, chance)
    _draw_faults(drawn, chance)
    return drawn


def _draw_options(drawn, pick, some):
    drawn.options = {
        "waves": pick(((), (1,), (1, 2), ("50%",))),
        "tolerated_failures": pick((0, 1, "100%", "100%")),
        "concurrency": pick((1, 2, 4)),
        "on_stale": pick(("skip", "skip", "skip", "fail")),
        "on_stamp": pick(("send", "send", "skip")),
        "on_doubt": pick((None, None, None, "leave", "again", "again")),
        "reread": pick((None, None, "list", "each")),
        "lease": pick((1.0, 3.0)),
    }
    drawn.timing = {
        "chunk": pick((2, 3, 10)),
        "least_chunk": 1,
        "fresh": pick((2.0, 10.0)),
        "last_wait": 1.0,
        "tick": 1.0,
        "flush": pick((1.0, 3.0)),
        "soon": (0.2, 1.0),
        "policy": RetryPolicy(
            attempts=pick((2, 4)), base=0.3, longest_backoff=2.0, floor=pick((0.5, 1.0)), longest_wait=20.0
        ),
    }


def _draw_disturbances(drawn, chance):
    pick, some = chance.choice, chance.random
    acts = [
        *["kill"] * pick((0, 1, 1, 2, 3, 4)),
        *["freeze"] * pick((0, 0, 1, 1, 2)),
        *["edit"] * pick((0, 0, 1, 2, 3)),
        *["jump"] * pick((0, 0, 0, 1)),
        *["control"] * pick((0, 0, 0, 0, 1)),
        *["stop"] * pick((0, 0, 0, 0, 0, 1)),
        *["full"] * pick((0, 0, 0, 0, 0, 1)),
        *["start"] * pick((0, 0, 0, 1)),
    ]
    if drawn.storage == "disk":
        acts += ["power"] * pick((0, 0, 0, 1))
    for act in acts:
        kind = "time" if some() < 0.2 or act == "start" else pick(EVENTS_OF_KILLS if act == "kill" else EVENTS)
        most = {"access": 80, "released": 2, "report": 2, "claim": 4, "torn": 10, "whole": 10, "intent": 10}.get(
            kind, 14
        )
        nth = 40.0 * some() ** 2 if kind == "time" else chance.randint(1, most)
        value = None
        lease = drawn.options["lease"]
        if act == "freeze":
            value = lease * pick((0.5, 1.1, 2.0, 4.0)) + some()
        elif act == "jump":
            value = pick((0.5, 1.5, 5.0)) * lease
        elif act == "edit":
            edit = pick(
                ("description", "priority", "same", "cancel", "delete", "touch", "hosts", "move", "description")
            )
            value = (chance.randint(0, drawn.count - 1), edit)
        elif act == "control":
            value = pick(("pause", "stop", "slow", "nonsense"))
        drawn.disturbances.append(Disturbance(kind, nth, act, value))


def _draw_faults(drawn, chance):
    pick, some = chance.choice, chance.random
    # The promise for what is to be sent again rests on the grace: within it the server has come to an end.
    bounded = drawn.options["on_doubt"] == "again"
    rate = pick((0.0, 0.08, 0.2, 0.4))
    outage = range(start := chance.randint(0, 40), start + pick((0, 0, 4, 12)))
    for number in range(REQUESTS):
        if some() < rate or number in outage:
            late = 0.9 * GRACE * some() ** 0.5 if bounded else some() * pick((1.0, GRACE, 4 * GRACE))
            reading = pick((*jicoo.OF_READINGS, *([] if bounded else ["repeated"])))
            drawn.faults[number] = (reading, pick(jicoo.OF_CHANGES + jicoo.LATE * (2 * bounded)), late)
    if some() < 0.03:
        drawn.faults[chance.randint(1, 30)] = ("key_refused", "key_refused", 0.0)
