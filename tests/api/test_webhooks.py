"""Events are read into ids and times, whatever is sent; and a captured request is told how it is signed."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.api import signature_diagnosis
from airflow_provider_jicoo.api.errors import JicooError
from airflow_provider_jicoo.api.secret import Secret
from airflow_provider_jicoo.api.signature import Variant, signature, variants
from airflow_provider_jicoo.api.webhooks import EventName, WebhookEvent, WebhookPayloadError, parse
from tests import tracebacks

# The example of https://developer.jicoo.com/doc-356016.
EXAMPLE = {
    "createdAt": "2020-11-23T17:51:19.000Z",
    "event": "guest_booked",
    "object": {
        "status": "open",
        "timeZone": "America/New_York",
        "startedAt": "2022-09-01T17:00:00.000Z",
        "endedAt": "2022-09-01T18:00:00.000Z",
        "createdAt": "2020-11-23T17:51:18.341Z",
        "updatedAt": "2020-11-23T17:51:18.341Z",
        "uid": "ACDADADASS",
        "eventTypeUid": "ACDASSS1ASS",
        "contact": {"email": "example@example.com", "name": "John Doe"},
        "answers": [{"question": "How did you find out?", "content": ["SNS", "DM"]}],
        "tracking": {"utm_campaign": "winter_campaign", "utm_source": "twitter"},
    },
}


def body(*without, **changed):
    """The example as bytes; ``object__uid=...`` changes what is in its object."""
    made = json.loads(json.dumps(EXAMPLE))
    for name, value in changed.items():
        where, _, field = name.rpartition("__")
        (made[where] if where else made)[field] = value
    for name in without:
        where, _, field = name.rpartition("__")
        del (made[where] if where else made)[field]
    return json.dumps(made).encode()


def test_the_example_of_the_documentation():
    assert parse(body()) == WebhookEvent(
        name="guest_booked",
        booking_uid="ACDADADASS",
        event_type_uid="ACDASSS1ASS",
        created_at="2020-11-23T17:51:19.000Z",
        started_at="2022-09-01T17:00:00.000Z",
        ended_at="2022-09-01T18:00:00.000Z",
        updated_at="2020-11-23T17:51:18.341Z",
        cancelled_at=None,
    )


@pytest.mark.parametrize("name", [*EventName.__args__, "guest_no_show", "booking.created"])
def test_other_names_are_passed_through(name):
    assert parse(body(event=name)).name == name


def test_nothing_that_a_guest_told_is_in_an_event():
    event = parse(body(object__cancelReason="I am ill"))

    shown = f"{event!r} {dataclasses.asdict(event)} {event.id}"
    assert [each for each in ("John", "example.com", "SNS", "winter", "ill") if each in shown] == []


def test_times_are_written_in_one_form():
    event = parse(body(createdAt="2020-11-24T02:51:19+09:00", object__startedAt="2022-09-01T17:00Z"))

    assert (event.created_at, event.started_at) == ("2020-11-23T17:51:19.000Z", "2022-09-01T17:00:00.000Z")


def test_an_event_has_the_same_id_whenever_it_comes():
    first = parse(body())
    again = parse(body(createdAt="2020-11-24T02:51:19+09:00", object__startedAt="2023-09-01T17:00:00Z"))
    others = [
        parse(body(event="host_cancelled")),
        parse(body(object__uid="other")),
        parse(body(createdAt="2020-11-23T17:51:19.001Z")),
    ]

    assert first.id == again.id
    assert len({first.id, *(each.id for each in others)}) == 4
    # Kept: a changed id would start everything once more.
    assert first.id == "53fdaf23223fbc7d36e945809a39ef68"


@pytest.mark.parametrize("value", [None, 7, [], "soon", "2022-09-01", "2022-09-01T17:00:00", "9" * 1000, "\ud800"])
def test_what_is_no_time_is_none(value):
    assert parse(body(object__startedAt=value)).started_at is None
    assert parse(body("object__startedAt")).started_at is None


@pytest.mark.parametrize("value", [None, 7, {}, "", "a/b", "x" * 1000, "a\nb"])
def test_an_event_type_that_is_no_id_is_none(value):
    assert parse(body(object__eventTypeUid=value)).event_type_uid is None


@pytest.mark.parametrize(
    ("raw_body", "field"),
    [
        (b"", "body"),
        (b"private", "body"),
        (b"[1]", "body"),
        (b'"private"', "body"),
        (b"[" * 100_000, "body"),
        (b'{"a":' * 100_000, "body"),
        (b"1" * 10_000, "body"),
        (b"\xff", "body"),
        (body().decode().encode("utf-16"), "body"),
        (b"\xef\xbb\xbf" + body(), "body"),
        (body("object"), "object"),
        (body(object=["private"]), "object"),
        (body("event"), "event"),
        (body(event=7), "event"),
        (body(event=""), "event"),
        (body(event="private words"), "event"),
        (body(event="x" * 101), "event"),
        (body(event="guest_booked\n"), "event"),
        (body("createdAt"), "createdAt"),
        (body(createdAt=1606153879), "createdAt"),
        (body(createdAt="private"), "createdAt"),
        (body("object__uid"), "object.uid"),
        (body(object__uid=7), "object.uid"),
        (body(object__uid="../private"), "object.uid"),
        (body(object__uid=".."), "object.uid"),
        (body(object__uid="x" * 300), "object.uid"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_what_is_no_event(raw_body, field):
    with pytest.raises(WebhookPayloadError) as caught:
        parse(raw_body)

    assert caught.value.field == field
    assert str(caught.value) == f"the webhook is no event of Jicoo's: {field} is missing or wrong"
    assert [each for each in ("private", "John Doe", "example.com") if each in tracebacks.shown(caught.value)] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["event", "object", "createdAt", "uid"]) | st.text(max_size=5), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=100)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.builds(body, event=JSON, createdAt=JSON, object__uid=JSON, object__startedAt=JSON)
    | st.builds(body, object__uid=JSON, object__eventTypeUid=JSON, object__cancelledAt=JSON, object__contact=JSON)
)
def test_nothing_hostile_comes_through(raw_body):
    try:
        event = parse(raw_body)
    except WebhookPayloadError:
        return
    assert all(
        value is None or (isinstance(value, str) and value.isascii() and value.isprintable() and len(value) < 256)
        for value in dataclasses.asdict(event).values()
    )


# --- diagnose --------------------------------------------------------------------------------------------------------

SECRET = "whsec_0123456789abcdef0123456789abcdef"
BODY = b'{"event": "guest_booked", "object": {"contact": {"name": "Jane Roe"}}}'
NOW = 1_700_000_000.0


def header(variant, raw_body=BODY, moment=int(NOW)):
    return f"t={moment},v1={signature(raw_body, moment, Secret(SECRET), variant).decode()}"


@pytest.mark.parametrize("variant", [*variants()], ids=str)
def test_each_variant_is_found(variant):
    found, text = signature_diagnosis.report(BODY, header(variant), Secret(SECRET), now=NOW)

    assert found
    assert (f"This variant fits: {variant}\n" in text) == (variant != Variant())
    assert ("made as documented: nothing is to be configured" in text) == (variant == Variant())
    assert_nothing_private(text, header(variant))


@pytest.mark.parametrize(
    ("raw_body", "value", "found", "said"),
    [
        (BODY, None, False, "the webhook has no signature"),
        (BODY, "hello", False, "cannot be read. Jicoo-Webhook-Signature reads t=<seconds since 1970>,v1=<64 hex"),
        (BODY, f"t={NOW:.0f},v1={'0' * 64}", False, "No variant fits, of 32: the secret as it is shown"),
        (BODY, f"t={NOW:.0f},v1=abc", False, "does not have 64 hex digits"),
        (BODY + b"\n", header(Variant()), True, "ends with a line break that was not sent"),
        (BODY + b"\r\n", header(Variant(secret="hex")), True, "This variant fits: secret=hex"),
        (BODY, header(Variant(), moment=int(NOW) - 12), True, "12 s ago, which is near enough"),
        (
            BODY,
            header(Variant(), moment=int(NOW) - 86_400),
            True,
            "86,400 s ago; received now, it would be refused: 300 s",
        ),
        (BODY, header(Variant(), moment=int(NOW) + 4000), True, "4,000 s in the future; received now"),
        (BODY, header(Variant(), moment=int(NOW) * 1000), True, "milliseconds perhaps: it would be refused as stale"),
        (BODY, header(Variant(), moment=-(10**400)), True, "no number of seconds since 1970"),
    ],
)
def test_what_the_diagnosis_says(raw_body, value, found, said):
    was_found, text = signature_diagnosis.report(raw_body, value, Secret(SECRET), now=NOW)

    assert was_found == found
    assert said in text
    assert_nothing_private(text, value or "")


def assert_nothing_private(text, value):
    private = [SECRET, SECRET[6:], "Jane Roe", "guest_booked", *(value.partition("v1=")[2],)]
    assert [each for each in private if each and len(each) > 3 and each in text] == []


def diagnose(*arguments, secret=SECRET, stdin=b""):
    environment = {**os.environ, signature_diagnosis.SECRET: secret}
    return subprocess.run(
        [sys.executable, "-m", "airflow_provider_jicoo.api.webhooks", "diagnose", *arguments],
        input=stdin,
        capture_output=True,
        env=environment,
        timeout=60,
        check=False,
    )


def test_the_command_line(tmp_path):
    file = tmp_path / "body.json"
    file.write_bytes(BODY)
    value = header(Variant(secret="hex"), moment=int(time.time()))
    done = diagnose(str(file), "--signature", value)
    of_stdin = diagnose("-", "--signature", value, stdin=BODY)
    of_another = diagnose(str(file), "--signature", value, secret="whsec_another")

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"This variant fits: secret=hex" in done.stdout
    assert (of_stdin.returncode, of_stdin.stderr) == (0, b"")
    assert (of_another.returncode, of_another.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("arguments", "secret", "said"),
    [
        (
            ["body.json", "--signature", "t=1,v1=a"],
            " ",
            "put the endpoint's secret into the environment variable JICOO_WEB",
        ),
        (["nothing.json", "--signature", "t=1,v1=a"], SECRET, "nothing.json cannot be read: No such file or directory"),
        (["body.json"], SECRET, "the following arguments are required: --signature"),
    ],
)
def test_wrong_use_is_said_plainly(arguments, secret, said, monkeypatch, capsys):
    monkeypatch.setenv(signature_diagnosis.SECRET, secret)
    with pytest.raises(SystemExit) as caught:
        signature_diagnosis.main(["diagnose", *arguments])

    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_both_errors_are_the_packages_own():
    assert issubclass(WebhookPayloadError, JicooError)
