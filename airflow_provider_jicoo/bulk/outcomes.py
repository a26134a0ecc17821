"""How a planned change ends: each in exactly one of these."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from airflow_provider_jicoo.api.exhaustive import assert_never


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

    @property
    def is_final(self) -> bool:
        """Whether a further try leaves it as it is."""
        match self:
            case Outcome.APPLIED | Outcome.UNCHANGED | Outcome.STALE | Outcome.REJECTED:
                return True
            case Outcome.FAILED | Outcome.UNKNOWN | Outcome.NOT_ATTEMPTED:
                return False
            case _:
                return assert_never(self)

    @property
    def is_bad(self) -> bool:
        """Whether it counts against ``tolerated_failures``."""
        match self:
            case Outcome.REJECTED | Outcome.FAILED | Outcome.UNKNOWN:
                return True
            case Outcome.APPLIED | Outcome.UNCHANGED | Outcome.STALE | Outcome.NOT_ATTEMPTED:
                return False
            case _:
                return assert_never(self)

    @property
    def is_fine(self) -> bool:
        """Whether the booking is as the plan says."""
        match self:
            case Outcome.APPLIED | Outcome.UNCHANGED:
                return True
            case Outcome.STALE | Outcome.REJECTED | Outcome.FAILED | Outcome.UNKNOWN | Outcome.NOT_ATTEMPTED:
                return False
            case _:
                return assert_never(self)


@dataclass(slots=True)
class Entry:
    """What the journal knows of one booking.

    :param outcome: None while it is in doubt.
    :param updated_at: the booking's ``updatedAt`` after the change, where it is known.
    :param detail: the words for a person: why it was refused, which fields differ.
    :param stored: fields that Jicoo has stored in another way than they were sent, as they were after the change.
    :param adjusted: whether one of them is more than another way of writing the same.
    :param sends: how often the change left, as far as it may have arrived.
    """

    outcome: Outcome | None = None
    updated_at: str | None = None
    detail: str = ""
    stored: dict[str, Any] | None = None
    adjusted: bool = False
    sends: int = 0
