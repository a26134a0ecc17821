"""Webhooks: what Jicoo sends when somebody books, moves or cancels (https://developer.jicoo.com/doc-356016).

In two steps, since what is not verified must not be read::

    verify(raw_body, request.headers.get(HEADER), [secret])
    event = parse(raw_body)

``python -m airflow_provider_jicoo.api.webhooks diagnose`` says how a captured request is signed.

Not documented, and so not relied on: how often Jicoo sends again what was not answered with 2xx, whether it sends in
order, and whether the same event always has the same ``createdAt``.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import astuple, dataclass
from typing import Any, Literal

from airflow_provider_jicoo.api import times
from airflow_provider_jicoo.api.errors import WebhookPayloadError, WebhookSignatureError
from airflow_provider_jicoo.api.paths import is_id
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.api.signature import DOCUMENTED, HEADER, TOLERANCE, Variant, verify

__all__ = [
    "DOCUMENTED",
    "HEADER",
    "TOLERANCE",
    "EventName",
    "Variant",
    "WebhookEvent",
    "WebhookPayloadError",
    "WebhookSignatureError",
    "parse",
    "verify",
]

EventName = Literal["guest_booked", "guest_rescheduled", "host_rescheduled", "guest_cancelled", "host_cancelled"]
"""The events that are documented (https://developer.jicoo.com/doc-356000)."""

_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


@dataclass(frozen=True)
class WebhookEvent:
    """One event. Ids and times alone: what the guest told is read through the API, and shows in no log by way of this.

    A webhook may come twice, late or never, and the booking may have changed since: read the booking before acting.

    :param name: what happened: one of :data:`EventName`, or another name that Jicoo may have by now, as it came.
    :param booking_uid: the booking.
    :param event_type_uid: its event type; None where the event does not say.
    :param created_at: when it happened. This and the others are UTC, as ``2024-03-01T20:00:00.000Z``.
    :param started_at: start of the booking after the event; this and the rest are None where the event does not say.
    :param ended_at: its end.
    :param updated_at: when the booking was last changed.
    :param cancelled_at: when it was cancelled.
    """

    name: EventName | str
    booking_uid: str
    event_type_uid: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    updated_at: str | None
    cancelled_at: str | None

    @property
    def id(self) -> str:
        """The same 32 hex digits whenever the same event comes: of its name, its booking and ``created_at``.

        Jicoo's events have no id. Two events of one name and one booking within the unit of ``createdAt``, which is a
        second in Jicoo's example, have the same: :attr:`second_id` tells them apart.
        """
        return _digest(self.name, self.booking_uid, self.created_at)

    @property
    def second_id(self) -> str:
        """The id of an event whose ``id`` another one has already, which says other ids or times of the booking.

        It is made of all that the event says, so that a repeat of it has the same.
        """
        return _digest(*astuple(self))


def _digest(*parts: str | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


@discreet
def parse(raw_body: bytes) -> WebhookEvent:
    """Read an event. :func:`verify` the request before.

    :param raw_body: the body as it came.
    :raises WebhookPayloadError: it is no event; ``field`` says what is wrong. It shows nothing of the body.
    """
    try:
        # Decoded here: json would take UTF-16 for JSON too.
        payload = json.loads(raw_body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise WebhookPayloadError("body") from None
    if not isinstance(payload, dict):
        raise WebhookPayloadError("body")
    booking = payload.get("object")
    if not isinstance(booking, dict):
        raise WebhookPayloadError("object")
    name = payload.get("event")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise WebhookPayloadError("event")
    created = _moment(payload.get("createdAt"))
    if created is None:
        raise WebhookPayloadError("createdAt")
    if not is_id(booking.get("uid")):
        raise WebhookPayloadError("object.uid")
    event_type = booking.get("eventTypeUid")
    return WebhookEvent(
        name=name,
        booking_uid=booking["uid"],
        event_type_uid=event_type if is_id(event_type) else None,
        created_at=created,
        started_at=_moment(booking.get("startedAt")),
        ended_at=_moment(booking.get("endedAt")),
        updated_at=_moment(booking.get("updatedAt")),
        cancelled_at=_moment(booking.get("cancelledAt")),
    )


@discreet
def _moment(value: Any) -> str | None:
    """Return a moment in the API's form; None where it is none."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        return times.wire(times.moment(value))
    except (ValueError, OverflowError):
        return None


if __name__ == "__main__":
    from airflow_provider_jicoo.api.signature_diagnosis import main

    sys.exit(main())
