"""One call from its first sending to its result, driven by hand: no clock, no socket."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import re

import pytest
from requests.structures import CaseInsensitiveDict

from airflow_provider_jicoo.api import bookings, errors
from airflow_provider_jicoo.api.call import Call, ReadBack, Repeat
from airflow_provider_jicoo.api.exchange import Hurry, NoReply, Reply, Sleep, exchange
from airflow_provider_jicoo.api.retry import Fault, RetryPolicy
from airflow_provider_jicoo.api.secret import Secret

POLICY = RetryPolicy(attempts=3, base=0.01, floor=0.5)
SECRET = "sk_live_4Qm9Zt7cVx2Lw8Rb"
LOST = NoReply(Fault.NO_ANSWER, "ReadTimeout")
NOT_SENT = NoReply(Fault.NOT_SENT, "refused")
UID = "mzgdPJVBb7RE"

GET = bookings.get_booking(UID)
UPDATE = bookings.update_booking(UID, name="Renamed", is_send_updates=True)
CANCEL = bookings.cancel_booking(UID)
RESCHEDULE = bookings.reschedule_booking(UID, started_at="2031-03-01T20:00:00+09:00", time_zone="Asia/Tokyo")
CREATE = bookings.create_booking(
    started_at="2031-03-01T20:00:00+09:00",
    time_zone="Asia/Tokyo",
    event_type_id="o072r8CvwVF4",
    email="taro.yamada@example.jp",
    name="山田 太郎",
    location_id=None,
    answers=[{"question_uid": "q1", "content": ["Sick leave", "Knee"]}, {"question_uid": "q2", "content": "Left"}],
    message='Line one\nline  two, with "quotes" and <b>',
    company="Sakura",
)
NAMED = {"uid": UID, "name": "Renamed"}
CANCELLED = {"uid": UID, "status": "cancel"}
MOVED = {"uid": UID, "startedAt": "2031-03-01T11:00:00.000Z"}
TO = {"started_at": "2031-03-01T20:00:00+09:00", "time_zone": "Asia/Tokyo"}
# What may message a guest, and so is not sent again while the first one may still be at work: by default never.
LEFT = {
    "update": (UPDATE, NAMED),
    "update that does not say": (bookings.update_booking(UID, name="Renamed"), NAMED),
    "update, left": (bookings.update_booking(UID, name="Renamed", is_send_updates=True, on_doubt="leave"), NAMED),
    "quiet update, left": (
        bookings.update_booking(UID, name="Renamed", is_send_updates=False, on_doubt="leave"),
        NAMED,
    ),
    "cancel": (CANCEL, CANCELLED),
    "reschedule": (RESCHEDULE, MOVED),
}
AGAIN = {
    "update": (bookings.update_booking(UID, name="Renamed", is_send_updates=True, on_doubt="again"), NAMED),
    "cancel": (bookings.cancel_booking(UID, on_doubt="again"), CANCELLED),
    "reschedule": (bookings.reschedule_booking(UID, **TO, on_doubt="again"), MOVED),
}
QUIET = {
    "update": (bookings.update_booking(UID, name="Renamed", is_send_updates=False), NAMED),
    "update, again": (
        bookings.update_booking(UID, name="Renamed", is_send_updates=False, on_doubt="again"),
        NAMED,
    ),
}
BEFORE = {"uid": UID, "name": "Before", "status": "open", "startedAt": "2031-01-01T00:00:00.000Z"}


def answer(status, content=b"", kind="application/json", **headers):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, CaseInsensitiveDict({"content-type": kind, **named}), body, 1_700_000_000.0)


def ok(data, status=200):
    return answer(status, {"data": data, "errors": {}})


def refused(code, **errors_):
    return answer(code, {"data": None, "errors": errors_})


def drive(call, *came, policy=POLICY, hurry_at=None, booking=None, contacts=()):
    """Answer what the exchange sends with ``came``, one by one. Returns the calls, the sleeps, and what came out.

    What is read behind those, to find out what must not show of a refusal's words, finds ``booking`` and ``contacts``;
    it is not among the calls.

    :param hurry_at: the number of the sleep, from 1, from which on there is no time to wait.
    """
    steps = exchange(call, policy, (Secret(SECRET),))
    left, sent, sleeps = list(came), [], []
    try:
        step = next(steps)
        while True:
            if isinstance(step, Sleep):
                sleeps.append(step)
                step = steps.send(Hurry.HURRY if hurry_at and len(sleeps) >= hurry_at else None)
            elif not left and step.method == "GET" and step.path.startswith(f"/v1/bookings/{UID}"):
                is_booking = step.path == f"/v1/bookings/{UID}"
                step = steps.send(ok({"uid": UID, **(booking or {})} if is_booking else list(contacts)))
            else:
                sent.append(f"{step.method} {step.path}")
                step = steps.send(left.pop(0))
    except StopIteration as end:
        outcome = end.value
    except errors.RequestError as error:
        outcome = error
    assert not left, f"it was done before {left} came"
    return sent, sleeps, outcome


def failure(call, *came, **options):
    error = drive(call, *came, **options)[2]
    assert isinstance(error, errors.RequestError), error
    return error


# --- reading back ---------------------------------------------------------------------------------------------------

DOUBTS = {
    "lost": LOST,
    "500": answer(500),
    "503 html": answer(503, b"<h1>Bad</h1>", "text/html"),
    "408": answer(408),
    "200 html": answer(200, b"<h1>Login</h1>", "text/html"),
    "200 cut": answer(200, b'{"data": {"ui'),
    "200 with errors": answer(200, {"data": {"uid": UID}, "errors": {"base": ["hm"]}}),
    "200 without data": answer(200, {"uid": UID}),
    "200 with a list": ok([{"uid": UID}]),
    "204": answer(204),
}


every_doubt = pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)
every_left = pytest.mark.parametrize(("call", "after"), LEFT.values(), ids=LEFT)
every_again = pytest.mark.parametrize(("call", "after"), AGAIN.values(), ids=AGAIN)
every_quiet = pytest.mark.parametrize(("call", "after"), QUIET.values(), ids=QUIET)
every_loud = pytest.mark.parametrize(
    ("call", "after"), [*LEFT.values(), *AGAIN.values()], ids=[*LEFT, *(f"{name}, again" for name in AGAIN)]
)
every_change = pytest.mark.parametrize(
    ("call", "after"),
    [*LEFT.values(), *AGAIN.values(), *QUIET.values()],
    ids=[*LEFT, *(f"{name}, again" for name in AGAIN), *(f"quiet {name}" for name in QUIET)],
)
FAILS = [
    (LOST, errors.TransportError),
    (answer(408), errors.TransportError),
    (answer(503), errors.ServerError),
    (answer(200, b"<p>hm", "text/html"), errors.UnexpectedAnswerError),
]
every_failure = pytest.mark.parametrize(("doubt", "kind"), FAILS, ids=["lost", "408", "503", "html"])
LOOKS = [1.0, 5.0, 15.0, 30.0, 60.0]
WAITS = [1.0, 4.0, 10.0, 15.0, 30.0]


def of(call, *kinds):
    """The requests of an exchange: ``sent`` for the change, ``read`` for reading it back."""
    return [{"sent": f"{call.method} {call.path}", "read": f"GET /v1/bookings/{UID}"}[kind] for kind in kinds]


def test_the_changes_are_treated_as_they_are_named():
    assert {call.repeat for call, _ in LEFT.values()} == {Repeat.LEAVE}
    assert {call.repeat for call, _ in AGAIN.values()} == {Repeat.AFTER_GRACE}
    assert {call.repeat for call, _ in QUIET.values()} == {Repeat.READ_BACK}


@every_doubt
@every_loud
def test_in_doubt_a_change_that_messages_is_not_sent_again_where_it_shows(call, after, doubt):
    sent, sleeps, found = drive(call, doubt, ok(after))

    assert found == after
    assert sent == of(call, "sent", "read")
    assert [sleep.seconds for sleep in sleeps] == WAITS[:1]
    assert "reading back whether it was done in 1 s, not sending it again" in sleeps[0].why


@every_doubt
@every_quiet
def test_in_doubt_a_quiet_change_that_shows_is_not_sent_again(call, after, doubt):
    sent, sleeps, found = drive(call, doubt, ok(after))

    assert found == after
    assert sent == of(call, "sent", "read")
    assert [sleep.seconds for sleep in sleeps] == [POLICY.floor]
    assert "reading back" in sleeps[0].why


@every_doubt
@every_left
def test_in_doubt_a_change_that_messages_is_never_sent_again(call, after, doubt):
    sent, sleeps, error = drive(call, doubt, *[ok(BEFORE)] * len(LOOKS))

    assert type(error) is errors.AmbiguousOutcomeError
    assert sent == of(call, "sent", *["read"] * len(LOOKS))
    assert [sleep.seconds for sleep in sleeps] == WAITS
    assert "it was not there when it was read back over 60 s: it may or may not have been done" in str(error)
    assert f"was not sent again. Before you repeat it, read booking {UID} and compare it" in str(error)
    assert (error.method, error.path) == (call.method, call.path)
    assert error.status == getattr(doubt, "status", None)
    assert error.permanent
    assert error.__cause__ is None


@every_doubt
@every_quiet
def test_in_doubt_a_quiet_change_that_does_not_show_is_sent_again(call, after, doubt):
    sent, _, found = drive(call, doubt, ok(BEFORE), ok(after))

    assert found == after
    assert sent == of(call, "sent", "read", "sent")


@every_doubt
@every_again
def test_only_after_the_whole_grace_is_a_change_sent_again_where_the_user_said_so(call, after, doubt):
    sent, sleeps, found = drive(call, doubt, *[ok(BEFORE)] * len(LOOKS), ok(after))

    assert found == after
    assert sent == of(call, "sent", *["read"] * len(LOOKS), "sent")
    assert sum(sleep.seconds for sleep in sleeps) == POLICY.server_grace == 60


@pytest.mark.parametrize("seen_at", range(1, len(LOOKS) + 1))
@every_loud
def test_a_change_that_shows_late_is_done(call, after, seen_at):
    sent, sleeps, found = drive(call, LOST, *[ok(BEFORE)] * (seen_at - 1), ok(after))

    assert found == after
    assert sent == of(call, "sent", *["read"] * seen_at)
    assert [sleep.seconds for sleep in sleeps] == WAITS[:seen_at]


@pytest.mark.parametrize(
    ("grace", "waits"),
    [
        (0.5, [0.5]),
        (1.0, [1.0]),
        (7.0, [1.0, 4.0, 2.0]),
        (90.0, [*WAITS, 30.0]),
        (1000.0, [*WAITS, 60.0, 180.0, 700.0]),
    ],
)
@every_left
def test_how_long_the_server_may_be_at_work_is_the_policys(call, after, grace, waits):
    policy = dataclasses.replace(POLICY, server_grace=grace)

    sent, sleeps, error = drive(call, LOST, *[ok(BEFORE)] * len(waits), policy=policy)

    assert type(error) is errors.AmbiguousOutcomeError
    assert len(sent) == 1 + len(waits)
    assert [sleep.seconds for sleep in sleeps] == waits


@every_failure
@every_quiet
def test_a_quiet_change_is_given_up_when_it_never_shows(call, after, doubt, kind):
    sent, _, error = drive(call, *[doubt, ok(BEFORE)] * POLICY.attempts)

    assert type(error) is kind
    assert sent == of(call, *["sent", "read"] * POLICY.attempts), "the last try is read back too"


@every_failure
@every_again
def test_a_change_that_is_sent_again_is_given_up_when_it_never_shows(call, after, doubt, kind):
    sent, _, error = drive(call, *[doubt, *[ok(BEFORE)] * len(LOOKS)] * POLICY.attempts)

    assert type(error) is kind
    assert sent == of(call, *["sent", *["read"] * len(LOOKS)] * POLICY.attempts)


@every_quiet
def test_a_quiet_change_that_shows_after_the_last_try_is_done(call, after):
    assert drive(call, *[LOST, ok(BEFORE)] * 2, LOST, ok(after))[2] == after


@every_again
def test_a_change_that_shows_after_the_last_sending_is_done(call, after):
    unseen = [LOST, *[ok(BEFORE)] * len(LOOKS)]

    assert drive(call, *unseen * 2, *unseen[:-1], ok(after))[2] == after


CANNOT_BE_READ = [[LOST] * 3, [answer(500)] * 3, [refused(404)], [answer(200, b"<p>", "text/html")]]


def assert_nobody_knows(error, call, why):
    assert type(error) is errors.AmbiguousOutcomeError
    assert error.permanent
    assert (error.method, error.path, error.status) == (call.method, call.path, 502), "of the change, not of the GET"
    assert (error.said, error.answer[:36]) == ("", "Its answer is not shown: 26 bytes of")
    assert why in str(error)
    assert f"Before you repeat it, read booking {UID} and compare it" in str(error)
    assert isinstance(error.__cause__, errors.RequestError)
    assert error.__cause__.method == "GET"


@every_quiet
@pytest.mark.parametrize("read", [*CANNOT_BE_READ, [refused(401)], [refused(403)]])
def test_nobody_knows_where_reading_back_a_quiet_change_fails(call, after, read):
    error = failure(call, answer(502, {"message": "bad gateway"}), *read)

    assert_nobody_knows(error, call, "reading back failed")


@every_loud
@pytest.mark.parametrize("read", CANNOT_BE_READ)
def test_reading_back_a_change_that_messages_is_tried_over_the_whole_grace(call, after, read):
    sent, sleeps, error = drive(call, answer(502, {"message": "bad gateway"}), *read * len(LOOKS))

    assert_nobody_knows(error, call, "reading back failed")
    assert sent == of(call, "sent", *["read"] * len(read) * len(LOOKS)), "not sent again, whatever the user said"
    assert [sleep.seconds for sleep in sleeps if sleep.seconds in WAITS] == WAITS


@every_loud
@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_meanwhile_is_not_waited_for(call, after, status):
    sent, sleeps, error = drive(call, answer(502, {"message": "bad gateway"}), refused(status))

    assert_nobody_knows(error, call, "reading back failed")
    assert sent == of(call, "sent", "read")
    assert len(sleeps) == 1


@every_loud
def test_a_look_that_fails_is_made_up_for_by_the_next(call, after):
    sent, _, found = drive(call, LOST, refused(404), answer(200, b"<p>", "text/html"), ok(after))

    assert found == after
    assert sent == of(call, "sent", *["read"] * 3)


@every_again
def test_it_is_not_sent_again_where_the_last_look_failed(call, after):
    # What was seen half a minute before the end of the grace says nothing of its end.
    sent, _, error = drive(call, LOST, *[ok(BEFORE)] * 4, refused(404))

    assert type(error) is errors.AmbiguousOutcomeError
    assert sent == of(call, "sent", *["read"] * 5)


@every_loud
@pytest.mark.parametrize("at", [1, 2, 5])
def test_where_there_is_no_time_it_is_looked_at_once_more_and_not_sent_again(call, after, at):
    unseen = [ok(BEFORE)] * (at - 1)

    sent, _, error = drive(call, LOST, *unseen, ok(BEFORE), hurry_at=at)
    assert type(error) is errors.AmbiguousOutcomeError
    assert sent == of(call, "sent", *["read"] * at)

    assert drive(call, LOST, *unseen, ok(after), hurry_at=at)[2] == after


def test_reading_back_has_its_own_tries():
    sent, _, found = drive(UPDATE, LOST, answer(500), NOT_SENT, ok({"uid": UID, "name": "Renamed"}))

    assert found["name"] == "Renamed"
    assert sent[1:] == [f"GET /v1/bookings/{UID}"] * 3


@every_loud
def test_what_never_left_is_sent_again_and_what_may_have_is_not(call, after):
    # The first two were not taken, that is sure; the third may have been.
    sent, _, found = drive(call, NOT_SENT, answer(429), LOST, *[ok(BEFORE)] * 4, ok(after))

    assert found == after
    assert sent == of(call, "sent", "sent", "sent", *["read"] * 5)


@every_quiet
def test_a_refusal_after_a_doubted_sending_is_read_back_once_more(call, after):
    # The first sending arrives late, so that the second one is refused: "already so" is our own doing.
    sent, _, found = drive(call, LOST, ok(BEFORE), refused(422, status=["is cancelled"]), ok(after))

    assert found == after
    assert sent == of(call, "sent", "read", "sent", "read")


@every_again
def test_a_refusal_after_the_grace_is_read_back_once_more(call, after):
    unseen = [ok(BEFORE)] * len(LOOKS)

    sent, _, found = drive(call, LOST, *unseen, refused(422, status=["is cancelled"]), ok(after))

    assert found == after
    assert sent == of(call, "sent", *["read"] * len(LOOKS), "sent", "read")


@pytest.mark.parametrize(
    ("call", "looks"), [(QUIET["update"][0], 1), *((call, len(LOOKS)) for call, _ in AGAIN.values())]
)
def test_a_refusal_after_a_doubted_sending_stands_where_the_change_does_not_show(call, looks):
    error = failure(call, LOST, *[ok(BEFORE)] * looks, refused(422, base=["no"]), ok(BEFORE))

    assert (type(error), error.status, error.errors) == (errors.RejectedError, 422, {"base": ["no"]})


@every_change
def test_a_refusal_without_a_doubt_is_not_read_back(call, after):
    sent, sleeps, error = drive(call, NOT_SENT, answer(429), refused(422, base=["no"]))

    assert type(error) is errors.RejectedError
    assert sent == of(call, *["sent"] * 3)
    assert len(sleeps) == 2


def cannot_tell(call):
    return dataclasses.replace(call, read_back=ReadBack(call.read_back.read, lambda booking: None))


@every_quiet
def test_nobody_knows_where_the_thing_changed_but_not_to_what_was_sent(call, after):
    sent, _, error = drive(cannot_tell(call), LOST, ok(BEFORE))

    assert type(error) is errors.AmbiguousOutcomeError
    assert "what was read back does not tell" in str(error)
    assert len(sent) == 2


@every_loud
def test_nobody_knows_where_it_does_not_tell_over_the_whole_grace(call, after):
    sent, _, error = drive(cannot_tell(call), LOST, *[ok(BEFORE)] * len(LOOKS))

    assert type(error) is errors.AmbiguousOutcomeError
    assert "what was read back over 60 s does not tell" in str(error)
    assert sent == of(call, "sent", *["read"] * len(LOOKS)), "not sent again, whatever the user said"


def test_a_reschedule_that_left_the_booking_cancelled_is_not_called_moved():
    # Jicoo may make a new booking of it, or somebody have cancelled it: its start alone does not tell.
    sent, _, error = drive(RESCHEDULE, LOST, *[ok({**MOVED, "status": "cancel"})] * len(LOOKS))

    assert type(error) is errors.AmbiguousOutcomeError
    assert len(sent) == 1 + len(LOOKS)


# --- a create -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "doubt", [d for name, d in DOUBTS.items() if name not in ("200 without data", "204", "200 with a list")]
)
def test_a_create_in_doubt_is_neither_repeated_nor_called_failed(doubt):
    sent, sleeps, error = drive(CREATE, doubt)

    assert sent == ["POST /v1/bookings"]
    assert not sleeps
    assert type(error) is errors.AmbiguousOutcomeError
    assert "list the bookings that start at 2031-03-01T11:00:00.000Z and look for this guest" in str(error)


def test_a_create_that_was_not_sent_or_not_taken_is_sent_again():
    sent, sleeps, found = drive(CREATE, NOT_SENT, answer(429), ok({"uid": "new"}, 201))

    assert found == {"uid": "new"}
    assert sent == ["POST /v1/bookings"] * 3
    assert sleeps[1].seconds == POLICY.floor


@pytest.mark.parametrize(
    ("came", "data"),
    [
        (ok({"uid": "new"}, 201), {"uid": "new"}),
        (answer(201, {"uid": "new"}), {"uid": "new"}),
        (answer(201, {"data": None}), None),
        (answer(201, [1]), [1]),
        (answer(204), None),
    ],
)
def test_the_answer_to_a_create_may_have_any_form(came, data):
    assert drive(CREATE, came)[2] == data


# --- forms of an answer ---------------------------------------------------------------------------------------------

LIST = Call("GET", "/v1/things", answer_shape="list")
PAGE = Call("GET", "/v1/things", answer_shape="page")


@pytest.mark.parametrize(
    ("call", "content", "data"),
    [
        (GET, {"data": {"uid": UID}}, {"uid": UID}),
        (GET, {"data": {"uid": UID}, "errors": None}, {"uid": UID}),
        (GET, {"data": {}, "errors": []}, {}),
        (LIST, {"data": [1, 2], "errors": {}}, [1, 2]),
        (LIST, {"data": [1, 2], "errors": {"base": [], "name": {}, "more": None}}, [1, 2]),
        (LIST, {"data": [1, 2], "errors": [[], ""]}, [1, 2]),
        (PAGE, {"data": [], "totalCount": 0}, {"data": [], "totalCount": 0}),
        *((call, b'\xef\xbb\xbf{"data": [{}]}', data) for call, data in ((LIST, [{}]), (PAGE, {"data": [{}]}))),
        (GET, b'\xef\xbb\xbf\n{"data": {"uid": "a"}}', {"uid": "a"}),
    ],
)
def test_forms_that_are_accepted(call, content, data):
    assert drive(call, answer(200, content))[2] == data


@pytest.mark.parametrize(
    ("call", "content", "why"),
    [
        (GET, {"data": []}, "whose data is no object"),
        (GET, {"data": None}, "whose data is no object"),
        (GET, {"uid": UID}, "without the data"),
        (GET, [{"uid": UID}], "without the data"),
        (GET, b"null", "without the data"),
        (GET, b"", "without the data"),
        (GET, {"data": {"uid": UID}, "errors": {"base": ["x"]}}, "with errors in it"),
        (GET, {"data": {"uid": UID}, "errors": {"base": [], "code": 0}}, "with errors in it"),
        (LIST, {"data": {}}, "whose data is no list"),
        (PAGE, {"data": {}}, "whose data is no page"),
    ],
)
def test_forms_that_are_not(call, content, why):
    sent, _, error = drive(call, answer(200, content))

    assert type(error) is errors.UnexpectedAnswerError
    assert why in str(error)
    assert len(sent) == 1, "the same would come again"


def test_json_that_breaks_off_is_asked_for_again():
    assert drive(GET, answer(200, b'{"data": {"uid'), ok({"uid": UID}))[2] == {"uid": UID}
    assert type(failure(GET, *[answer(200, b'{"data"')] * 3)) is errors.UnexpectedAnswerError


@pytest.mark.parametrize("nested", [b"[" * 200_000, b'{"a":' * 200_000], ids=["lists", "objects"])
def test_json_too_deep_to_read_is_an_answer_that_cannot_be_read(nested):
    assert type(failure(GET, *[answer(200, nested)] * 3)) is errors.UnexpectedAnswerError
    assert type(failure(GET, answer(404, nested))) is errors.NotFoundError


# --- errors ---------------------------------------------------------------------------------------------------------

KINDS = {
    400: errors.RejectedError,
    401: errors.AuthenticationError,
    402: errors.RejectedError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    405: errors.RejectedError,
    409: errors.RejectedError,
    422: errors.RejectedError,
    301: errors.UnexpectedAnswerError,
    302: errors.UnexpectedAnswerError,
    307: errors.UnexpectedAnswerError,
}
TIRED = {
    408: errors.TransportError,
    429: errors.RateLimitError,
    500: errors.ServerError,
    502: errors.ServerError,
    503: errors.ServerError,
    504: errors.ServerError,
}


@pytest.mark.parametrize(("status", "kind"), KINDS.items())
@pytest.mark.parametrize("call", [GET, UPDATE, CANCEL, RESCHEDULE, CREATE], ids=lambda c: f"{c.method} {c.path}")
def test_a_refusal_has_its_type_and_its_fields_and_is_not_repeated(call, status, kind):
    sent, sleeps, error = drive(call, refused(status, startedAt=["is not an available slot"]))

    assert type(error) is kind
    assert error.permanent
    assert (error.method, error.path, error.status) == (call.method, call.path, status)
    if status >= 400:
        assert error.errors == {"startedAt": ["is not an available slot"]}
        assert error.said == '{"startedAt": ["is not an available slot"]}'
    assert error.retry_after is None
    assert str(error).startswith(f"{call.method} {call.path} ({status}): {error.summary}")
    assert f"Jicoo said: {error.said}" in str(error) or status < 400
    assert (len(sent), sleeps) == (1, [])


@pytest.mark.parametrize(("status", "kind"), TIRED.items())
def test_a_read_is_given_up_after_its_tries(status, kind):
    sent, sleeps, error = drive(GET, *[answer(status, {"message": "busy"}, Retry_After="2")] * 3)

    assert type(error) is kind
    assert not error.permanent
    assert (error.status, error.retry_after) == (status, 2.0)
    assert error.said == ("busy" if status < 500 else "")
    assert len(sent) == POLICY.attempts
    assert [sleep.seconds for sleep in sleeps] == [2.0, 2.0]
    assert sleeps[0].why == f"answer {status} (try 1 of 3); sending it again in 2.0 s"


def test_a_wait_that_is_too_long_is_the_callers():
    sent, sleeps, error = drive(GET, answer(429, Retry_After="3600"))

    assert (type(error), error.retry_after) == (errors.RateLimitError, 3600.0)
    assert (len(sent), sleeps) == (1, [])


@pytest.mark.parametrize(
    ("broken", "what"), [(LOST, "no answer (ReadTimeout)"), (NOT_SENT, "could not connect (refused)")]
)
def test_no_answer_has_no_status(broken, what):
    error = failure(GET, broken, broken, broken)

    assert type(error) is errors.TransportError
    assert (error.status, error.said, error.errors, error.retry_after) == (None, "", None, None)
    assert str(error) == f"GET /v1/bookings/{UID}: {what}"


@pytest.mark.parametrize("kind", [*dict.fromkeys([*KINDS.values(), *TIRED.values()]), errors.AmbiguousOutcomeError])
def test_every_error_is_a_jicoo_error(kind):
    assert issubclass(kind, errors.RequestError)
    assert issubclass(kind, errors.JicooError)


NAMING = refused(409, startedAt=["Taro Yamada has another booking"])
NO_BOOKING = [LOST, answer(500), answer(404), answer(200, b"no JSON"), ok(["odd"])]


@pytest.mark.parametrize(
    "came",
    [*([each] for each in NO_BOOKING), *([ok({"name": "x"}), each] for each in (LOST, answer(500), ok({"odd": 1})))],
)
def test_only_everybodys_words_are_shown_where_what_is_known_of_the_booking_cannot_be_read(came):
    sent, _, error = drive(CANCEL, NAMING, *came)

    assert error.errors == {"startedAt": ["*** *** has *** booking"]}
    assert "Taro" not in f"{error!r} {error.__dict__}"
    assert re.search(r"Its answer is shown in part: \d+ bytes of JSON, SHA-256 [0-9a-f]{12}\. Jicoo said: ", str(error))
    assert sent[1:] == [f"GET /v1/bookings/{UID}", f"GET /v1/bookings/{UID}/contacts"][: len(came)]


@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_for_a_refusal_whose_reason_is_known_no_booking_is_read(status):
    came = refused(status, base=["Taro Yamada is not found"])
    sent, _, error = drive(CANCEL, *[came] * (3 if status == 429 else 1))

    assert "Taro" not in f"{error!r} {error.__dict__}"
    assert not any(call.startswith("GET") for call in sent)


def test_what_is_known_of_a_booking_is_read_once_before_its_refusal_is_told():
    booking = {
        "name": "Taro Yamada / Consultation",
        "description": None,
        "status": "open",
        "hosts": [{"role": "admin"}],
    }
    sent, sleeps, error = drive(
        CANCEL,
        refused(409, base=["TARO has cancelled it with hanako, role must be admin"]),
        booking=booking,
        contacts=[{"name": "Hanako Sato", "email": None, "answers": [{"content": ["x"]}]}],
    )

    assert error.errors == {"base": ["*** has cancelled it with ***, role must be admin"]}
    assert (sent, sleeps) == ([f"POST /v1/bookings/{UID}/cancel"], [])


def test_a_booking_that_is_known_is_not_read_again():
    call = dataclasses.replace(CANCEL, known=lambda: {"uid": UID, "name": "Taro"})
    steps = exchange(call, POLICY)
    next(steps)
    assert steps.send(refused(409, base=["Taro and Hanako"])).path == f"/v1/bookings/{UID}/contacts"
    with pytest.raises(errors.RejectedError) as caught:
        steps.send(ok([{"name": "Hanako"}]))

    assert caught.value.errors == {"base": ["*** and ***"]}


def test_a_booking_without_a_guest_is_one_that_is_known():
    steps = exchange(UPDATE, POLICY)
    next(steps)
    steps.send(refused(422, hosts=["must contain exactly one owner"]))
    steps.send(ok({"uid": UID, "name": "x"}))
    with pytest.raises(errors.RejectedError, match=r'said: \{"hosts": \["must contain exactly one owner"\]\}$'):
        steps.send(answer(404))


# --- nothing personal, no key ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [LOST, NOT_SENT])
def test_the_key_and_the_query_are_not_in_the_cause(broken):
    cause = NoReply(broken.fault, f"ValueError: header {SECRET} of http://x:1/v1/y?name=Taro")
    sleeps = drive(GET, cause, ok({}))[1]

    for shown in (sleeps[0].why, str(failure(GET, *[cause] * 3))):
        assert SECRET not in shown
        assert "Taro" not in shown


@pytest.mark.parametrize(("tell", "looks"), [(True, len(LOOKS)), (False, 1)], ids=["loud", "quiet"])
def test_a_guests_words_are_not_shown_where_reading_back_fails(tell, looks):
    call = bookings.update_booking(UID, name="Taro Yamada / Consultation", description=None, is_send_updates=tell)
    error = failure(call, LOST, *[refused(422, name=["Taro Yamada / Consultation is odd"])] * looks)

    assert "Taro" not in f"{error} {error.__cause__} {error.__cause__.__dict__}"


@pytest.mark.parametrize(
    "content",
    [
        {"data": {"name": "Taro", "phoneNumber": "090-1234-5678"}, "errors": {}},
        {"name": "Taro", "phoneNumber": "090-1234-5678"},
        [{"name": "Taro", "phoneNumber": "090-1234-5678"}],
        b'{"data": [{"name": "Taro", "phoneNumber": "090-1234-5678"}, {"na',
    ],
    ids=["object", "no data", "bare list", "cut"],
)
def test_the_data_of_an_answer_that_cannot_be_used_is_not_repeated(content):
    error = failure(
        bookings.get_booking_contacts(UID), *[answer(200, content)] * (3 if isinstance(content, bytes) else 1)
    )

    assert type(error) is errors.UnexpectedAnswerError
    assert "Taro" not in f"{error} {error.__dict__}"
    assert "090" not in f"{error} {error.__dict__}"


# --- errors travel between processes --------------------------------------------------------------------------------


def all_kinds(kind=errors.RequestError):
    return [kind, *(sub for direct in kind.__subclasses__() for sub in all_kinds(direct))]


@pytest.mark.parametrize("kind", all_kinds())
@pytest.mark.parametrize("carry", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_a_carried_error_keeps_its_type_and_fields(kind, carry):
    error = kind(
        "it failed.",
        method="PATCH",
        path="/v1/x",
        status=422,
        said="no",
        errors={"a": ["b"]},
        answer="odd",
        retry_after=1.5,
    )
    error.booking = "added by somebody"
    if hasattr(error, "add_note"):
        error.add_note("a note")
    else:
        error.__notes__ = ["a note"]

    carried = carry(error)

    assert type(carried) is kind
    assert carried.__dict__ == error.__dict__
    assert (str(carried), carried.args) == (str(error), error.args)
    assert carried.__notes__ == ["a note"]


def test_an_invalid_request_is_a_value_error_and_can_be_carried():
    error = pickle.loads(pickle.dumps(errors.InvalidRequestError("uid is odd")))

    assert isinstance(error, ValueError)
    assert (type(error), str(error), error.permanent) == (errors.InvalidRequestError, "uid is odd", True)


def test_permanent_says_whether_trying_again_can_help():
    assert {kind.__name__ for kind in all_kinds() if not kind.permanent} == {
        "RequestError",
        "RateLimitError",
        "ServerError",
        "TransportError",
        "ListingMovedError",
    }
