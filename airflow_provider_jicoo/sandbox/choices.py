"""What the sandbox does where Jicoo's documentation is silent.

None of this is a fact about Jicoo. A client must not lean on it; it is written here so that nobody mistakes it for one.
Where two choices were possible, the one that is harder on a client was taken. What Jicoo may do otherwise can be asked
for by name: :mod:`~airflow_provider_jicoo.sandbox.quirks`.

=========================================  ============================================================================
question                                   the sandbox's answer
=========================================  ============================================================================
body of an error                           ``{"data": null, "errors": {"<field>": ["..."]}}``; a fault of no field is
                                           under :data:`NO_FIELD`; nested fields read ``hosts.0.userId``
bad query                                  400; unknown query parameters are ignored
body that is not JSON, or empty            400; only cancel takes an empty body
JSON that is no object, unknown field      422; only camelCase is known
time without an offset                     400 in a query, 422 in a body, even where ``timeZone`` stands beside it
time before :data:`FIRST_YEAR`              422 in a body, allowed in a query
Content-Type of a request                  not looked at
unknown path / method under ``/v1``        404 / 405, in the form above
default and largest page                   :data:`PER_PAGE`, :data:`MAX_PER_PAGE`; a larger ``perPage`` is cut to that,
                                           not refused, and ``count`` tells
a page behind the last                     200 with no rows; ``numberOfPages`` of an empty list is 0
default order of the list                  :data:`ORDER`, :data:`SORT`; equal ones by ``uid``
default ``status`` of the list             every status, ``request`` too
``status=request``                         400: the documentation offers ``open`` and ``cancel`` only
``startedAt`` / ``endedAt`` of the list    starts at or after the one, ends at or before the other
a key                                      one key sees every booking; another is known but gets 403 everywhere
``updatedAt``                              moves (by 1 ms at least) when a field of the booking changed, and only then
PATCH that changes nothing                 200, ``updatedAt`` stays; ``{}`` and only ``isSendUpdates`` likewise
PATCH of ``hosts``                         replaces the list; 422 for no host, one host twice, or one who is not a user
PATCH of times                             needs no free slot (only Reschedule is documented to); end must be after
                                           start
PATCH of a cancelled or past booking       allowed
approval                                   no endpoint: ``Sandbox.approve`` and ``POST /sandbox/approve/{uid}`` are the
                                           sandbox's own, outside of ``/v1``; nobody is messaged
``description``, ``priority`` null         set to null; null for any other field is 422
``updateMessage`` without isSendUpdates    nothing is sent
cancel                                     ``cancelledBy`` is :data:`CANCELLED_BY`, ``cancelReason`` stays null; hosts
                                           stay
cancel of a cancelled booking              422
body of cancel                             ``{}`` or nothing; any field, so also ``reason`` and ``cancelReason``, is
                                           422
reschedule                                 same ``uid``, duration and status; sets ``timeZone``; a start in the past is
                                           allowed
reschedule of a cancelled booking          422
free slot                                  no host of the booking has another booking with status ``open`` that
                                           overlaps; ends and starts may touch; ``request`` blocks nothing
create                                     201 with the booking; ends after the event type's duration; the first host
                                           of the event type who is free, 422 where none is; ``request`` where the
                                           event type needs approval, else ``open``
``locationId`` null in create              the event type's own location
unknown ``eventTypeId`` in create          422
unknown ``questionUid`` in create          kept; the answer shows the uid as its question
``payment``, ``tracking`` in create        checked, then ignored
messages                                   one for each contact (not for ``ccEmails``) at every create, cancel and
                                           reschedule, and at a PATCH with ``isSendUpdates`` true, even where nothing
                                           changed
rate limit                                 a bucket that holds :data:`BURST_SECONDS` of requests; a refused one costs
                                           nothing; 429 without ``Retry-After``; 401 and 403 are not limited
a removal                                  204, with nothing in it; of what is not there 404
order of every other list                  that of creation
schedule: fields not given                 as in :data:`~airflow_provider_jicoo.sandbox.data.SCHEDULE`
schedule: a day as its time                midnight in ``timeZone``; the day of the end is its last whole day
schedule: both days or both moments        422 where they are mixed, or days without ``isAllDay`` true
schedule: an attendee                      422 without ``userId`` and ``email``, and for a ``userId`` of no user; the
                                           e-mail of a user is filled in
schedule: PATCH                            as of a booking; ``attendees`` replaces the list; times need not fit to
                                           ``isAllDay``; nobody is messaged
schedule: ``routine``                      kept as it came; nothing is repeated
schedule: time of others                   takes no slot from bookings
organization user                          ``uid``, ``name``, ``email``, ``role``; ``{}`` as PATCH is 200
the last owner                             422 where they would be removed or get another role
removed user                               their bookings, schedules and event types stay as they are
invitation                                 ``uid``, ``email``, ``role``, ``createdAt``; the role is :data:`ROLE` where
                                           none is given; 422 for the e-mail of a user or of another invitation, in
                                           whatever case; it stays until it is removed
team                                       ``uid`` (its slug), ``name``; listed in pages
event types                                ``uid``, ``name``, ``status`` (``enable``), ``duration`` in minutes
``teamId`` in a list of event types        all are of the team :data:`TEAM`; none for any other
hosts of an unknown event type             an empty list, where the event type is in the query only
create a host                              201 with the host, the last in the list; :data:`NEW_HOST` for what is not
                                           given; 422 for one who is a host already, or no user
delete a host                              204; the bookings stay; 422 for the last host of an event type
who takes bookings                         hosts of the ``userType`` ``host``, in the order of the list; the priority
                                           changes nothing
free slots                                 every half hour from nine to six in Tokyo, Monday to Friday, after now; those
                                           at ``periodStart`` and at ``periodEnd`` too; full ones too, with a
                                           ``remainingCapacity`` of 0; otherwise it counts the hosts who are free
a period of more than 7 days               422; one of exactly :data:`PERIOD_DAYS` days is right
account integration                        needs the API key; 400 for a body that is wrong; nobody is messaged
availability calendars                     two for each user; an unknown user has none
webhook: what is sent                      ``guest_booked`` for a new open booking, by the API too, and for a request
                                           when it is approved; ``..._rescheduled`` where start or end of an open one
                                           changed, by PATCH too; ``..._cancelled``; other changes have no event, and
                                           neither has a new request
webhook: by whom                           what the API does is the host's; what a test does (``edit``) is the guest's,
                                           where ``cancelledBy`` does not say otherwise
webhook: body                              the first guest alone is in it; ``tracking`` is null throughout; what is
                                           documented to be null is there as null
webhook: sent again                        after :data:`WEBHOOK_RETRIES` seconds, where it was not answered with 2xx
                                           within :data:`WEBHOOK_TIMEOUT` seconds; the same body, a new time and
                                           signature; no redirect is followed; no order is kept
webhook: its secret                        :data:`WEBHOOK_SECRET` where none is given, used as it is shown
limit and faults                           a fault meets only requests that the key and the rate limit let through
=========================================  ============================================================================
"""

from __future__ import annotations

from typing import Final

TEAM: Final = "exampleteam"
"""Slug of the team of all event types."""
TEAM_NUMBER: Final = 39
"""Its number in availability calendars."""
PERIOD_DAYS: Final = 7
NEW_HOST: Final = {"role": "viewer", "priority": 1, "userType": "host"}
"""What a new host is where it is not said."""

NO_FIELD: Final = "base"
"""Key in ``errors`` for what belongs to no field."""

PER_PAGE: Final = 20
MAX_PER_PAGE: Final = 100
ORDER: Final = "startedAt"
SORT: Final = "asc"

FIRST_YEAR: Final = 1970

CANCELLED_BY: Final = "host"

ROLE: Final = "member"

BURST_SECONDS: Final = 1.0
"""Size of the rate limit's bucket, as seconds of its rate; it holds one request at least."""

API_KEY: Final = "sk_live_sandbox_7f3c9a1e5b2d4086"
FORBIDDEN_KEY: Final = "sk_live_sandbox_no_permission_51d0"

WEBHOOK_SECRET: Final = "whsec_sandbox_9b1f6e2c4a7d4d58"
WEBHOOK_RETRIES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds before a webhook is sent again, for each time; then it is given up."""
WEBHOOK_TIMEOUT: Final = 10.0
"""Seconds that a receiver of webhooks has to answer."""
