"""Who agreed to a plan, and whether that is enough to apply it.

An approval is ``{"digest": ..., "by": ..., "at": ...}``: the digest of the plan that somebody saw, who agreed, and when
(ISO 8601, UTC). The approval of a plan in shards covers each of its shards: the digest of the whole is the SHA-256 over
those of the shards, which stand in the header of each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.bulk.documents import Approval, PlanHeader
from airflow_provider_jicoo.bulk.errors import PlanMismatchError
from airflow_provider_jicoo.bulk.files import StorePath

MAX_PLAN_AGE = timedelta(hours=24)
"""How old a plan may be when its apply begins: what was agreed to yesterday may be another matter today."""


def whole_digest(digests: Iterable[str]) -> str:
    """Return the digest of a plan in shards.

    :param digests: those of its shards, in order.
    """
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def check_approval(approval: Any, header: PlanHeader, path: StorePath) -> Approval:
    """Return who agreed to a plan, and when.

    :param approval: what is said to be one.
    :param header: of the plan that is to be applied, whose own digest has been checked.
    :param path: the plan's.
    :return: ``digest``, ``by`` and ``at``.
    :raises PlanMismatchError: it is none, or is for another plan.
    """
    if not isinstance(approval, Mapping) or not all(
        isinstance(approval.get(name), str) and approval[name] for name in ("digest", "by", "at")
    ):
        raise PlanMismatchError(
            f"{path}: nobody has agreed to it: {approval!r:.200} is no approval, which has digest, by and at; "
            "nothing was sent"
        )
    if approval["digest"] not in _covered_by(header):
        raise PlanMismatchError(
            f"{path} has the digest {header['digest']}, but {approval['by']} agreed to {approval['digest']} at "
            f"{approval['at']}: to another plan; nothing was sent. Ask again, for this plan"
        )
    return {"digest": approval["digest"], "by": approval["by"], "at": approval["at"]}


def _covered_by(header: PlanHeader) -> set[str]:
    """Return the digests that who agrees to agrees to this plan."""
    own = header["digest"]
    part_of = header.get("partOf")
    digests = [shard["digest"] for shard in part_of["shards"]] if part_of else []
    # The list stands in a header, which no digest covers: it is proved by what it adds up to.
    return {own, whole_digest(digests)} if own in digests else {own}


def check_age(header: PlanHeader, path: StorePath, most: timedelta | None) -> None:
    """Refuse a plan that is too old to begin with.

    :param header: of the plan.
    :param path: the plan's.
    :param most: how old it may be; None for no limit.
    :raises PlanMismatchError: it is older, or does not say how old it is.
    """
    if most is None:
        return
    made_at = header.get("madeAt")
    try:
        age = datetime.now(timezone.utc) - times.moment(made_at)
    except ValueError:
        raise PlanMismatchError(f"{path} does not say when it was made: make a new plan; nothing was sent") from None
    if age > most:
        raise PlanMismatchError(
            f"{path} was made at {made_at}, {_hours(age)} ago; max_plan_age is {_hours(most)}: make a new plan, since "
            "bookings and reasons may have changed; nothing was sent"
        )


def _hours(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours:,.1f} hours" if hours >= 1 else f"{span.total_seconds():,.0f} seconds"
