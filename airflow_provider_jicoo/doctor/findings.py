"""What the doctor found out about an account."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


class Verdict(enum.Enum):
    """How an assumption of the package stands."""

    HOLDS = "holds"
    DIFFERS = "does not hold"
    """Another than assumed, and the package can live with it."""
    FAILS = "fails"
    """Another than assumed, and the package cannot live with it."""
    UNTOLD = "could not be told"


@dataclass(frozen=True)
class Finding:
    """One assumption of the package about Jicoo, and what was seen of it.

    :param name: the assumption, as a sentence: ``The first page is page 1``.
    :param verdict: how it stands.
    :param seen: what was seen, or why it could not be told. No personal data.
    :param advice: what the package does about it, or what the user can do; empty where there is nothing to say.
    """

    name: str
    verdict: Verdict
    seen: str
    advice: str = ""


def holds(name: str, seen: str) -> Finding:
    """Return the finding that an assumption holds."""
    return Finding(name, Verdict.HOLDS, seen)


def differs(name: str, seen: str, advice: str) -> Finding:
    """Return the finding that an assumption does not hold, and that the package can live with it."""
    return Finding(name, Verdict.DIFFERS, seen, advice)


def fails(name: str, seen: str, advice: str = "") -> Finding:
    """Return the finding that an assumption does not hold, and that the package cannot live with it."""
    return Finding(name, Verdict.FAILS, seen, advice)


def untold(name: str, why: str, advice: str = "") -> Finding:
    """Return the finding that nothing could be found out about an assumption."""
    return Finding(name, Verdict.UNTOLD, why, advice)


@dataclass
class Report:
    """All that was found out.

    :param base_url: where the API is.
    :param sections: the findings, by what they are about.
    :param extras: what the extras of the Airflow connection should have.
    :param requests: how many requests were sent.
    :param seconds: how long it all took.
    :param lost: where a booking did not get its old description back: what to do.
    """

    base_url: str
    sections: dict[str, list[Finding]] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)
    requests: int = 0
    seconds: float = 0.0
    lost: str = ""

    @property
    def findings(self) -> list[Finding]:
        """The findings of all sections."""
        return [finding for section in self.sections.values() for finding in section]

    @property
    def can_be_lived_with(self) -> bool:
        """Whether nothing was found that the package cannot live with."""
        return not any(finding.verdict is Verdict.FAILS for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON: ``ok``, ``base_url``, ``requests``, ``seconds``, ``extras`` and ``findings``.

        Each finding has ``section``, ``name``, ``verdict`` (``holds``, ``does not hold``, ``fails``, ``could not be
        told``), ``seen`` and ``advice``.
        """
        return {
            "ok": self.can_be_lived_with,
            "base_url": self.base_url,
            "requests": self.requests,
            "seconds": round(self.seconds, 1),
            "extras": dict(self.extras),
            "findings": [
                {
                    "section": section,
                    "name": finding.name,
                    "verdict": finding.verdict.value,
                    "seen": finding.seen,
                    "advice": finding.advice,
                }
                for section, findings in self.sections.items()
                for finding in findings
            ],
        }
