"""How a planned change ends: each in exactly one of these."""

from __future__ import annotations

import enum


class Outcome(str, enum.Enum):
    """What became of one planned change."""

    APPLIED = "applied"
    """It was made by this plan."""
    UNCHANGED = "unchanged"
    """The booking was so already."""
    STALE = "stale"
    """Somebody has edited the booking since the plan was made; it was left alone."""
    REJECTED = "rejected"
    """Jicoo refused it."""
    FAILED = "failed"
    """It is known not to have been made: Jicoo's server or the connection failed."""
    UNKNOWN = "unknown"
    """It may or may not have been made."""
    NOT_ATTEMPTED = "not_attempted"
    """The run ended before its turn."""


FINAL = frozenset({Outcome.APPLIED, Outcome.UNCHANGED, Outcome.STALE, Outcome.REJECTED})
"""What a further try leaves as it is."""
BAD = frozenset({Outcome.REJECTED, Outcome.FAILED, Outcome.UNKNOWN})
"""What counts against ``tolerated_failures``."""
