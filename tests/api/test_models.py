"""The bodies: every limit that Jicoo documents, either spelling, and errors that help without telling on a guest."""

# ruff: noqa: DTZ001 -- a wall clock without a zone is given on purpose
from __future__ import annotations

import datetime as dt

import pendulum
import pytest
from pydantic.alias_generators import to_camel, to_snake

from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.api.models import CreateBookingBody, RescheduleBookingBody, UpdateBookingBody, body

START = "2031-03-01T20:00:00+09:00"
SENT = "2031-03-01T11:00:00.000Z"
CREATE = {
    "started_at": START,
    "time_zone": "Asia/Tokyo",
    "event_type_id": "o072r8CvwVF4",
    "email": "guest@example.com",
    "name": "Guest",
    "location_id": "zoom",
}
RESCHEDULE = {"started_at": START, "time_zone": "Asia/Tokyo"}


def make(kind, fields):
    return body(kind, fields, "What").wire()


def create(**fields):
    return make(CreateBookingBody, {**CREATE, **fields})


def update(**fields):
    return make(UpdateBookingBody, fields)


def reschedule(**fields):
    return make(RescheduleBookingBody, {**RESCHEDULE, **fields})


def complaint(maker, **fields):
    with pytest.raises(InvalidRequestError) as caught:
        maker(**fields)
    assert str(caught.value).startswith("What: ")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or not caught.value.__cause__, "pydantic's own error shows the values"
    return str(caught.value).removeprefix("What: ")


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_the_least_that_each_takes():
    assert create() == {
        "startedAt": SENT,
        "timeZone": "Asia/Tokyo",
        "eventTypeId": "o072r8CvwVF4",
        "email": "guest@example.com",
        "name": "Guest",
        "locationId": "zoom",
    }
    assert reschedule() == {"startedAt": SENT, "timeZone": "Asia/Tokyo"}
    assert update(name="x") == {"name": "x"}


def test_the_most_that_each_takes():
    assert create(
        company="c",
        text_remind_country_code="81",
        text_remind_number="9012345678",
        cc_emails=["a@example.com"],
        message="m",
        locale="ja",
        phone_number="p",
        tracking={"campaign": "a", "source": "b", "medium": "c", "content": "d", "term": "e"},
        answers=[{"question_uid": "q1", "content": "yes"}, {"question_uid": "q2", "content": ["a", "b"]}],
        payment={
            "payment_method": "card",
            "items": [{"anything": {"goes": 1}}],
            "success_url": "https://example.com/ok",
            "cancel_url": "http://example.com/no",
        },
    ).keys() - create() == {
        "company", "textRemindCountryCode", "textRemindNumber", "ccEmails", "message", "locale", "phoneNumber",
        "tracking", "answers", "payment",
    }  # fmt: skip
    assert create(answers=[{"question_uid": "q", "content": ["a"]}])["answers"] == [
        {"questionUid": "q", "content": ["a"]}
    ]
    assert create(payment={"payment_method": "none", "items": []})["payment"] == {"paymentMethod": "none", "items": []}
    assert update(
        name="n",
        description="d",
        time_zone="Asia/Tokyo",
        started_at=START,
        ended_at="2031-03-01T21:00:00+09:00",
        hosts=[{"user_id": "u", "role": "viewer"}],
        priority="high",
        update_message="m",
        is_send_updates=False,
    ) == {
        "name": "n",
        "description": "d",
        "timeZone": "Asia/Tokyo",
        "startedAt": SENT,
        "endedAt": "2031-03-01T12:00:00.000Z",
        "hosts": [{"userId": "u", "role": "viewer"}],
        "priority": "high",
        "updateMessage": "m",
        "isSendUpdates": False,
    }


def spelled(value, spell):
    if isinstance(value, dict):
        return {spell(name): spelled(part, spell) for name, part in value.items()}
    return [spelled(part, spell) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("maker", "fields"),
    [
        (
            create,
            {
                "cc_emails": ["a@example.com"],
                "answers": [{"question_uid": "q", "content": "yes"}],
                "tracking": {"source": "mail"},
                "payment": {"payment_method": "card", "items": [], "success_url": "https://example.com"},
                "text_remind_country_code": "81",
            },
        ),
        (
            update,
            {
                "started_at": START,
                "ended_at": "2031-03-02T20:00:00+09:00",
                "time_zone": "Asia/Tokyo",
                "hosts": [{"user_id": "u", "role": "admin"}],
                "update_message": "m",
                "is_send_updates": True,
            },
        ),
        (reschedule, {}),
    ],
)
def test_either_spelling(maker, fields):
    snake = maker(**fields)

    assert maker(**spelled(fields, to_camel)) == snake


def test_either_spelling_of_what_is_required():
    assert make(CreateBookingBody, spelled(CREATE, to_camel)) == create()
    assert make(RescheduleBookingBody, spelled(RESCHEDULE, to_camel)) == reschedule()


@pytest.mark.parametrize(
    "moment",
    [
        START,
        "2031-03-01T11:00Z",
        "2031-03-01T20:00",
        dt.datetime(2031, 3, 1, 20),
        dt.datetime(2031, 3, 1, 11, tzinfo=dt.timezone.utc),
        pendulum.datetime(2031, 3, 1, 20, tz="Asia/Tokyo"),
        pendulum.datetime(2031, 3, 1, 6, tz="America/New_York"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("spell", [to_snake, to_camel])
def test_a_moment_in_any_form_with_the_time_zone_beside_it(moment, spell):
    given = spelled({"started_at": moment, "time_zone": "Asia/Tokyo"}, spell)

    assert make(UpdateBookingBody, given)["startedAt"] == SENT
    assert make(RescheduleBookingBody, given)["startedAt"] == SENT
    assert make(CreateBookingBody, {**spelled(CREATE, spell), **given})["startedAt"] == SENT


def test_null_is_sent_where_jicoo_takes_it_and_what_is_not_given_is_not():
    assert update(description=None, priority=None) == {"description": None, "priority": None}
    assert create(location_id=None)["locationId"] is None


# --- limits ---------------------------------------------------------------------------------------------------------

TEXTS = [
    (create, "name", 64),
    (create, "company", 32),
    (create, "text_remind_country_code", 255),
    (create, "text_remind_number", 32),
    (create, "message", 2000),
    (create, "phone_number", 32),
    (update, "update_message", 2000),
]


@pytest.mark.parametrize("letter", ["x", "予", "😀"])
@pytest.mark.parametrize(("maker", "field", "limit"), TEXTS)
def test_limits_of_texts(maker, field, limit, letter):
    beside = {"name": "x"} if maker is update else {}

    assert maker(**{**beside, field: letter * limit})[to_camel(field)] == letter * limit
    assert complaint(maker, **{**beside, field: letter * (limit + 1)}).startswith(
        f"{field}: string should have at most {limit} characters"
    )


@pytest.mark.parametrize("field", ["campaign", "source", "medium", "content", "term"])
def test_limits_of_tracking(field):
    assert create(tracking={field: "x" * 255})["tracking"] == {field: "x" * 255}
    assert complaint(create, tracking={field: "x" * 256}).startswith(
        f"tracking.{field}: string should have at most 255"
    )


@pytest.mark.parametrize("field", ["email", "cc_emails"])
def test_limits_of_an_address(field):
    long = "x" * (255 - len("@example.com")) + "@example.com"
    wrap = (lambda address: [address]) if field == "cc_emails" else (lambda address: address)

    assert create(**{field: wrap(long)})[to_camel(field)] == wrap(long)
    assert "should have at most 255 characters" in complaint(create, **{field: wrap("x" + long)})


def test_limits_of_cc_emails():
    thirty = [f"guest{n}@example.com" for n in range(30)]

    assert create(cc_emails=thirty)["ccEmails"] == thirty
    assert create(cc_emails=[])["ccEmails"] == []
    assert complaint(create, cc_emails=[*thirty, "one@example.com"]).startswith(
        "cc_emails: list should have at most 30"
    )


@pytest.mark.parametrize(
    "address",
    ["", "guest", "guest@", "@example.com", "guest@example", "a b@example.com", "a@b@c.com", "a@b.c\n", " a@b.c"],
)
def test_what_is_no_address(address):
    for fields, place in (({"email": address}, "email"), ({"cc_emails": ["a@example.com", address]}, "cc_emails.1")):
        assert complaint(create, **fields) == f"{place}: not an e-mail address such as guest@example.com"


@pytest.mark.parametrize(
    ("maker", "field", "values"),
    [
        (create, "location_id", ["inPerson", "phone", "zoom", "googleMeet", "askInvitee", "teams", "custom", None]),
        (create, "locale", ["ja", "en"]),
        (update, "priority", ["low", "middle", "high", None]),
    ],
)
def test_enums(maker, field, values):
    for value in values:
        assert maker(**{field: value})[to_camel(field)] == value
    for wrong in ("none", "Zoom", "", 1, True):
        assert complaint(maker, **{field: wrong}).startswith(f"{field}: input should be {values[0]!r}")
        assert complaint(maker, **{field: wrong}).endswith(f", not {wrong!r}")


def test_enums_of_hosts_and_payment():
    for role in ("admin", "editor", "viewer"):
        assert update(hosts=[{"user_id": "u", "role": role}])["hosts"][0]["role"] == role
    assert "hosts.0.role: input should be 'admin', 'editor' or 'viewer', not 'owner'" in complaint(
        update, hosts=[{"user_id": "u", "role": "owner"}]
    )
    for method in ("none", "card", "onsite"):
        assert create(payment={"payment_method": method, "items": []})["payment"]["paymentMethod"] == method
    assert "payment.payment_method: input should be 'none', 'card' or 'onsite'" in complaint(
        create, payment={"payment_method": "cash", "items": []}
    )


@pytest.mark.parametrize("url", ["", "example.com", "ftp://example.com", "https://", "https://a b", "javascript:x"])
@pytest.mark.parametrize("field", ["success_url", "cancel_url"])
def test_addresses_of_payment(field, url):
    assert f"payment.{field}: string should match" in complaint(
        create, payment={"payment_method": "card", "items": [], field: url}
    )


@pytest.mark.parametrize(
    ("maker", "fields", "place"),
    [
        (create, {"name": ""}, "name"),
        (create, {"event_type_id": ""}, "event_type_id"),
        (update, {"hosts": [{"user_id": "", "role": "admin"}]}, "hosts.0.user_id"),
        (create, {"answers": [{"question_uid": "", "content": "x"}]}, "answers.0.question_uid"),
    ],
)
def test_what_must_not_be_empty(maker, fields, place):
    assert complaint(maker, **fields).startswith(f"{place}: string should have at least 1 character")


@pytest.mark.parametrize("fields", [{"name": "Yamada \ud800"}, {"description": "\udfff Yamada"}])
def test_half_of_a_surrogate_pair(fields):
    (name,) = fields
    said = complaint(update, **fields)
    assert said.startswith(f"{name}: input should be a valid string, unable to parse raw data as a unicode string")
    assert "Yamada" not in said


def test_empty_texts_that_jicoo_does_not_forbid():
    assert update(name="", description="", update_message="") == {"name": "", "description": "", "updateMessage": ""}
    assert create(company="", message="")["company"] == ""


@pytest.mark.parametrize("field", CREATE)
@pytest.mark.parametrize("spell", [to_snake, to_camel])
def test_what_create_requires(field, spell):
    left = spelled({name: value for name, value in CREATE.items() if name != field}, spell)

    with pytest.raises(InvalidRequestError, match=rf"^What: {field} is required$"):
        body(CreateBookingBody, left, "What")


@pytest.mark.parametrize("field", RESCHEDULE)
def test_what_reschedule_requires(field):
    left = {name: value for name, value in RESCHEDULE.items() if name != field}

    with pytest.raises(InvalidRequestError, match=f"^What: {field} is required$"):
        body(RescheduleBookingBody, left, "What")


def test_what_is_required_further_in():
    assert complaint(update, hosts=[{}]) == "hosts.0.user_id is required; hosts.0.role is required"
    assert complaint(create, answers=[{}]) == "answers.0.question_uid is required; answers.0.content is required"
    assert complaint(create, payment={}) == "payment.payment_method is required; payment.items is required"


def test_every_fault_is_told_at_once():
    said = complaint(create, name="x" * 65, email="no", location_id="moon", nmae="x")

    for part in ("name: ", "email: ", "location_id: ", "unknown field 'nmae'"):
        assert part in said


@pytest.mark.parametrize(
    ("maker", "field"),
    [
        *[(create, name) for name in CREATE if name != "location_id"],
        *[(create, name) for name in ("company", "message", "locale", "phone_number", "cc_emails", "tracking")],
        *[(create, name) for name in ("answers", "payment")],
        *[(update, name) for name in ("name", "time_zone", "started_at", "ended_at", "hosts", "update_message")],
        (update, "is_send_updates"),
        *[(reschedule, name) for name in RESCHEDULE],
    ],
)  # fmt: skip
def test_null_is_refused_where_jicoo_does_not_take_it(maker, field):
    assert complaint(maker, **{field: None}).startswith(f"{field}: input should be ")


@pytest.mark.parametrize(
    ("maker", "field", "wrong"),
    [
        (create, "name", 5),
        (create, "name", b"x"),
        (create, "message", ["x"]),
        (create, "cc_emails", "a@example.com"),
        (create, "answers", {"question_uid": "q", "content": "x"}),
        (create, "answers", [{"question_uid": "q", "content": 5}]),
        (create, "tracking", "mail"),
        (create, "phone_number", 9012345678),
        (update, "name", True),
        (update, "is_send_updates", "true"),
        (update, "is_send_updates", 1),
        (update, "is_send_updates", None),
        (update, "hosts", {"user_id": "u", "role": "admin"}),
        (update, "hosts", ["u"]),
        (update, "time_zone", 9),
    ],
)
def test_nothing_is_converted_behind_the_users_back(maker, field, wrong):
    assert complaint(maker, **{field: wrong}).startswith(field)


@pytest.mark.parametrize("maker", [create, update, reschedule])
def test_an_unknown_time_zone(maker):
    assert "'Asia/Tokio' is not an IANA time zone such as 'Asia/Tokyo'; did you mean 'Asia/Tokyo'?" in complaint(
        maker, time_zone="Asia/Tokio"
    )


@pytest.mark.parametrize("maker", [create, update, reschedule])
@pytest.mark.parametrize("wrong", ["tomorrow", "2031-03-01", 5, True, ["x"]])
def test_what_is_no_moment(maker, wrong):
    assert complaint(maker, started_at=wrong).startswith(f"started_at: {wrong!r} is not a moment")


def test_a_wall_clock_without_a_time_zone():
    assert complaint(update, started_at="2031-03-01T20:00").startswith("started_at: '2031-03-01T20:00' has no offset")
    assert complaint(update, endedAt="2031-03-01T20:00").startswith("ended_at: '2031-03-01T20:00' has no offset")


@pytest.mark.parametrize("maker", [create, update, reschedule])
def test_a_wall_clock_that_daylight_saving_skips(maker):
    assert "does not exist in America/New_York" in complaint(
        maker, started_at="2031-03-09T02:30", time_zone="America/New_York"
    )


@pytest.mark.parametrize("maker", [create, update, reschedule])
def test_a_moment_outside_of_the_calendar(maker):
    assert "is not between the years 1 and 9999" in complaint(maker, started_at="0001-01-01T00:00:00+09:00")


# --- an update that makes no sense ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [{}, {"is_send_updates": True}, {"update_message": "m"}, {"update_message": "m", "isSendUpdates": False}],
)
def test_an_update_that_changes_nothing(fields):
    assert complaint(update, **fields).startswith("the update changes nothing: give at least one of name, description,")


@pytest.mark.parametrize("end", [START, "2031-03-01T10:59:59.999Z", "2031-03-01T11:00:00.0004Z"])
def test_an_end_that_is_not_after_the_start(end):
    said = complaint(update, started_at=START, ended_at=end)

    assert said.startswith("ended_at 2031-03-01T1")
    assert said.endswith(f"is not after started_at {SENT}")


def test_an_end_just_after_the_start_and_one_alone():
    assert update(started_at=START, ended_at="2031-03-01T11:00:00.001Z")["endedAt"] == "2031-03-01T11:00:00.001Z"
    assert update(ended_at="1999-01-01T00:00:00Z") == {"endedAt": "1999-01-01T00:00:00.000Z"}


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maker", "field", "nearest"),
    [
        (create, "nmae", "name"),
        (create, "e_mail", "email"),
        (create, "timezone", "time_zone"),
        (create, "ccEmail", "cc_emails"),
        (create, "location", "location_id"),
        (update, "hoosts", "hosts"),
        (update, "isSendUpdate", "is_send_updates"),
        (update, "Name", "name"),
        (reschedule, "start_at", "started_at"),
    ],
)
def test_an_unknown_field_names_the_nearest(maker, field, nearest):
    assert f"unknown field {field!r}; did you mean {nearest!r}?" in complaint(maker, **{field: "x"})


def test_an_unknown_field_like_none():
    assert complaint(reschedule, qqq=1) == "unknown field 'qqq'; known are time_zone, started_at"


def test_an_unknown_field_further_in_names_the_nearest_there():
    assert "unknown field 'usr_id'; did you mean 'user_id'?" in complaint(
        update, hosts=[{"usr_id": "u", "role": "admin"}]
    )
    assert "unknown field 'questionId'; did you mean 'question_uid'?" in complaint(
        create, answers=[{"questionId": "q", "content": "x"}]
    )
    assert "unknown field 'sauce'; did you mean 'source'?" in complaint(create, tracking={"sauce": "x"})
    assert "unknown field 'qqq'; known are payment_method, items, success_url, cancel_url" in complaint(
        create, payment={"payment_method": "none", "items": [], "qqq": 1}
    )


@pytest.mark.parametrize("order", [1, -1])
def test_one_field_in_both_spellings(order):
    both = dict([("time_zone", "Asia/Tokyo"), ("timeZone", "Asia/Tokyo")][::order])

    assert complaint(update, **both) == "time_zone is given twice, also as timeZone"


def test_one_field_in_both_spellings_further_in():
    assert "user_id" in complaint(update, hosts=[{"user_id": "u", "userId": "u", "role": "admin"}])


# --- nothing of a guest in an error ---------------------------------------------------------------------------------

SECRET = "山田太郎090-1234-5678"
GUESTS_OWN = ("name", "company", "message", "phone_number", "text_remind_number")


@pytest.mark.parametrize(
    ("maker", "fields"),
    [
        *[(create, {name: wrong}) for name in GUESTS_OWN for wrong in ([SECRET], SECRET * 300)],
        (create, {"email": [SECRET]}),
        (create, {"email": SECRET}),
        (create, {"email": f"{SECRET} @example.com"}),
        (create, {"email": f"{SECRET}@example.com" * 20}),
        (create, {"cc_emails": [SECRET]}),
        (create, {"ccEmails": SECRET}),
        (create, {"answers": [{"question_uid": "q", "content": {"a": SECRET}}]}),
        (create, {"answers": [{"question_uid": [SECRET], "content": SECRET}]}),
        (create, {"answers": [{"question": "q", "content": SECRET}]}),
        (create, {"answers": SECRET}),
        (update, {"name": [SECRET]}),
        (update, {"description": [SECRET]}),
        (update, {"update_message": SECRET * 300, "name": SECRET}),
        (update, {"updateMessage": SECRET}),
        (update, {"description": SECRET, "name": SECRET, "priority": "no"}),
        (update, {"description": SECRET, "startedAt": START, "endedAt": START}),
        (create, {"name": SECRET, "event_type_id": None}),
        (create, {"name": SECRET, "unknown": SECRET}),
    ],
)  # fmt: skip
def test_a_guests_own_words_are_in_no_error(maker, fields):
    said = complaint(maker, **fields)

    assert SECRET[:4] not in said
    assert SECRET[-4:] not in said


def test_what_is_not_a_guests_own_is_shown_yet_cut():
    assert complaint(update, priority="urgent").endswith("not 'urgent'")
    assert len(complaint(update, priority="x" * 10_000)) < 250


def test_which_fields_are_private():
    assert UpdateBookingBody.private == {"name", "description", "update_message"}
    assert RescheduleBookingBody.private == set()
    assert CreateBookingBody.private == {
        "email", "name", "company", "text_remind_number", "cc_emails", "message", "phone_number", "answers",
    }  # fmt: skip
