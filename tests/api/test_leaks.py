"""Neither the key nor a guest gets into an error or a log, whatever Jicoo answers."""

from __future__ import annotations

import base64
import copy
import json
import logging
import os
import pickle
import stat
import traceback
import unicodedata
import urllib.parse

import pytest

from airflow_provider_jicoo.api import bookings, errors
from airflow_provider_jicoo.api.request import request as any_request
from airflow_provider_jicoo.api.retry import RetryPolicy

POLICY = RetryPolicy(attempts=2, base=0.01, floor=0.01)
UID = "abc"
NAME = "Stefanie Zweig"
KANA = "ツヴァイク"
HAN = "山田太郎"
CONTACT = {"name": f"{NAME} {KANA}", "email": "zweig.guest@example.com", "phoneNumber": "03-1234-5678", "company": HAN}
TITLE = f"{NAME} / Consultation"
BOOKING = {"uid": UID, "name": TITLE, "status": "open", "hosts": [], "description": "Rückenschmerzen"}
TEXT = json.dumps(CONTACT)
WORDS = ("stefanie", "zweig", KANA, "ツウアイク", HAN, "山田", "03-1234", "312345678", "rückenschmerzen", "sato")
USEFUL = {"startedAt": ["time slot is not available"], "hosts": ["must contain exactly one owner"]}


def refusal(*words, status="409 Conflict"):
    return status, json.dumps({"errors": {"base": list(words)}}), "application/json"


def escaped(text):
    return "".join(f"\\u{ord(char):04x}" for char in text)


def answers(key):
    """What is answered to a change, by what is odd about it: status, body, type."""
    page = f"<h1>{NAME}</h1><p>zweig.guest@example.com, 03-1234-5678 {key}"
    quoted = "".join(f"%{ord(char):02X}" for char in key)
    return {
        "200 cut": ("200 OK", f'{{"data": {TEXT[:-9]}', "application/json"),
        "200 not UTF-8": ("200 OK", f'{{"data": {{"name": "{NAME}'.encode() + b'\xff"}}', "application/json"),
        "200 no JSON type": ("200 OK", f"Hello {NAME}, {key}", "text/plain"),
        "200 without a type": ("200 OK", f"Hello {NAME}, {key}", ""),
        "200 wrong shape": ("200 OK", json.dumps([CONTACT]), "application/json"),
        "200 with errors": ("200 OK", json.dumps({"data": CONTACT, "errors": {NAME: key}}), "application/json"),
        "200 cut in an escape": ("200 OK", f'{{"data": {{"name": "{escaped(NAME)[:-3]}', "application/json"),
        "409 guest": refusal(f"{NAME} has cancelled already", f"{HAN} {KANA}"),
        "409 key of an object": ("409 Conflict", json.dumps({"errors": {NAME: ["x"], key: 1}}), "application/json"),
        "409 message": ("409 Conflict", json.dumps({"message": f"{NAME}: {key}"}), "application/json"),
        "409 error": ("409 Conflict", json.dumps({"error": {"guest": CONTACT}}), "application/json"),
        "409 deep": ("409 Conflict", json.dumps({"errors": [[[{"a": [CONTACT]}]]]}), "application/json"),
        "422 in capitals": refusal(NAME.upper(), status="422 No"),
        "422 full width": refusal("Ｓｔｅｆａｎｉｅ　ＺＷＥＩＧ", status="422 No"),
        "422 half-width kana": refusal("ﾂｳﾞｧｲｸ様", status="422 No"),
        "422 NFD": refusal(unicodedata.normalize("NFD", f"{KANA} ist da"), status="422 No"),
        "422 telephone": refusal("call ０３ー１２３４ー５６７８ or +81 3 1234 5678", status="422 No"),
        "422 IDN": refusal("zweig@münchen.example, ツヴァイク@例え.テスト, zweig%40example.com", status="422 No"),
        "422 honoured": refusal("Mr. Sato Kenji has it", "佐藤様 Sato様", status="422 No"),
        "422 cut in an escape": ("422 No", f'{{"errors": {{"base": "{escaped(NAME)[:-3]}', "application/json"),
        "422 escaped twice": refusal(escaped(NAME), status="422 No"),
        "422 HTML": ("422 No", page, "text/html"),
        "422 other words": ("422 No", json.dumps({"detail": CONTACT}), "application/json"),
        "422 key quoted": refusal(urllib.parse.quote(key, safe=""), quoted, quoted.lower(), status="422 No"),
        "422 key in base64": refusal(base64.b64encode(f"u:{key}".encode()).decode(), status="422 No"),
        "422 key escaped": ("422 No", f'{{"message": "{escaped(key)}"}}', "application/json"),
        "422 odd characters": refusal(f"\ud800\0\u202e{NAME}\x1b[31m", status="422 No"),
        "404 guest": refusal(f"{NAME} is gone", status="404 No"),
        "403 guest": refusal(f"{NAME} may not, {key}", status="403 No"),
        "429 guest": refusal(f"{NAME} is too fast", status="429 No"),
        "500 page": ("500 Oops", page, "text/html"),
        "500 JSON": ("500 Oops", json.dumps({"errors": {"base": [TEXT]}}), "application/json"),
        "502 HTML": ("502 Bad Gateway", page, "text/html"),
        "302": ("302 Found", page, "text/html"),
    }


KINDS = list(answers("k" * 20))
CALLS = {
    "cancel": bookings.cancel_booking(UID),
    "quiet update": bookings.update_booking(UID, priority="high", is_send_updates=False),
    "contacts": bookings.get_booking_contacts(UID),
    "any request": any_request("POST", f"/v1/bookings/{UID}/odd", params={"q": NAME}, json={"name": HAN}),
}


def shown(error):
    """Everything that a person or a collector of errors may be shown of it."""
    left, seen = [error], []
    while left:
        one = left.pop()
        if one is not None and one not in seen:
            seen.append(one)
            left += [one.__cause__, one.__context__]
            yield from (str(one), repr(one), str(one.args), repr(one.__dict__))
            yield "".join(traceback.format_exception(type(one), one, one.__traceback__))
    yield repr(pickle.loads(pickle.dumps(error)).__dict__) + repr(copy.deepcopy(error).__dict__)


def assert_quiet(texts, key):
    plain = "\n".join(texts)
    for text in (plain, unicodedata.normalize("NFKC", urllib.parse.unquote(plain))):
        folded = text.casefold()
        assert [word for word in (*WORDS, key.casefold(), key[8:].casefold()) if word in folded] == []
    for pad in range(3):
        assert base64.b64encode(b"u" * pad + key.encode()).decode()[4:-4] not in plain


def jicoo(answer, reply, key, *, readable=True):
    status, body, kind = answer
    headers = [f"Location: https://example.com/{key}/{NAME}".encode().decode("latin-1")] if status[0] == "3" else []
    odd = reply(body if isinstance(body, bytes) else body.encode(), status, kind, headers)

    def answering(request, number):
        line = request.split(b"\r\n", 1)[0].decode()
        if readable and line.startswith(f"GET /v1/bookings/{UID} "):
            return reply(json.dumps({"data": BOOKING, "errors": {}}))
        if readable and line.startswith(f"GET /v1/bookings/{UID}/contacts ") and readable != "booking":
            return reply(json.dumps({"data": [CONTACT], "errors": {}}))
        return odd

    return answering


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_nothing_shows(connect, wire, reply, key, caplog, kind, name):
    caplog.set_level(logging.DEBUG, logger="airflow_provider_jicoo")
    if (kind, name) == ("200 wrong shape", "any request"):
        return  # it takes any JSON: that is the caller's
    # What is asked for by the call itself is answered oddly.
    readable = "booking" if name == "contacts" else True
    driver = connect(wire(jicoo(answers(key)[kind], reply, key, readable=readable)).url, policy=POLICY, timeout=0.3)
    with pytest.raises(errors.RequestError) as caught:
        driver.send(CALLS[name])

    logged = [f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records]
    ours = [text for text, record in zip(logged, caplog.records, strict=True) if record.name.startswith("airflow_pro")]
    assert_quiet([*shown(caught.value), *ours], key)
    "".join(shown(caught.value)).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_shows_where_the_booking_cannot_be_read(connect, wire, reply, key, kind):
    driver = connect(wire(jicoo(answers(key)[kind], reply, key, readable=False)).url, policy=POLICY, timeout=0.3)
    with pytest.raises(errors.RequestError) as caught:
        driver.send(CALLS["cancel"])

    assert_quiet(shown(caught.value), key)


@pytest.mark.parametrize("name", ["cancel", "quiet update"])
def test_a_useful_message_is_shown(connect, wire, reply, key, name):
    odd = ("422 No", json.dumps({"data": None, "errors": USEFUL}), "application/json; charset=utf-8")
    driver = connect(wire(jicoo(odd, reply, key)).url, policy=POLICY)
    with pytest.raises(errors.RejectedError) as caught:
        driver.send(CALLS[name])

    assert caught.value.errors == USEFUL
    assert str(caught.value).endswith(f"Jicoo said: {json.dumps(USEFUL)}")


# --- what is kept ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["200 cut", "422 HTML", "500 page", "422 key escaped", "409 guest"])
def test_a_whole_answer_is_kept_where_the_user_asked_for_it(connect, wire, reply, key, kind, tmp_path):
    folder = tmp_path / "answers"
    readable = {"409": False, "200": "booking"}.get(kind[:3], True)
    before = os.umask(0)
    try:
        server = wire(jicoo(answers(key)[kind], reply, key, readable=readable))
        driver = connect(server.url, policy=POLICY, timeout=0.3, debug_answers=str(folder))
        with pytest.raises(errors.RequestError) as caught:
            driver.send(CALLS["contacts" if kind[:3] == "200" else "cancel"])
    finally:
        os.umask(before)

    if kind == "422 key escaped":
        assert (caught.value.said, folder.exists()) == ("***", False)
        return
    files = list(folder.iterdir())
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, *files)] == [0o700, *[0o600] * len(files)]
    kept = [each for each in files if f"It is kept in {each}." in str(caught.value)]
    assert len(kept) == 1
    assert NAME.split()[0] in kept[0].read_text()
    assert not any(key in each.read_text() for each in files)
    assert_quiet([str(caught.value).replace(str(folder), "")], key)


def test_a_folder_that_others_may_write_to_is_refused(connect, wire, reply, key, tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    driver = connect(wire(jicoo(answers(key)["422 HTML"], reply, key)).url, policy=POLICY, debug_answers=str(folder))
    with pytest.raises(errors.RejectedError, match=r"It could not be kept in .*/shared: others than this user may"):
        driver.send(CALLS["cancel"])

    assert list(folder.iterdir()) == []


def test_the_key_is_not_kept_however_it_is_written(connect, wire, reply, key, tmp_path):
    quoted = "".join(f"%{ord(char):02x}" for char in key)
    body = f"é {key} {escaped(key)} {quoted} {base64.b64encode(key.encode()).decode()}".encode() + b"\xff" * 100_000
    odd = ("500 Oops", body, "text/html")
    driver = connect(wire(jicoo(odd, reply, key)).url, policy=POLICY, timeout=5, debug_answers=str(tmp_path / "x"))
    with pytest.raises(errors.ServerError):
        driver.send(any_request("GET", "/v1/x"))

    kept = next((tmp_path / "x").iterdir()).read_bytes()
    assert kept.endswith("é *** *** *** ***".encode() + b"\xff" * 100_000)
