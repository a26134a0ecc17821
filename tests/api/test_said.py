"""What an error tells of an answer: words without what is private, or type, length and digest."""

from __future__ import annotations

import base64
import json
import time
import unicodedata
import urllib.parse

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from airflow_provider_jicoo.api.exchange import Reply
from airflow_provider_jicoo.api.redaction import Redactor, texts_of
from airflow_provider_jicoo.api.said import tell
from airflow_provider_jicoo.api.secret import Secret

KEY = "sk_live_4Qm9Zt7cVx2Lw8Rb"
TITLE = "Taro Yamada / Consultation"
KANA = "ヤマダ タロウ"


def reply(status, body, kind="application/json; charset=utf-8"):
    return Reply(status, CaseInsensitiveDict({"content-type": kind} if kind else {}), body, 0.0)


def told(status, content, texts=(), kind="application/json"):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return tell(reply(status, body, kind), None if isinstance(content, bytes) else content, texts, (Secret(KEY),))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"data": None, "errors": {"name": ["too long"]}}, '{"name": ["too long"]}'),
        ({"errors": ["a", "b"]}, '["a", "b"]'),
        ({"errors": "no slot"}, "no slot"),
        ({"message": "no such slot"}, "no such slot"),
        ({"message": "no such slot", "errors": {}}, "no such slot"),
        ({"error": "bad"}, "bad"),
        ({"error": {"code": 7}}, '{"code": 7}'),
        ({"message": "予約できません！"}, "予約できません！"),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 402, 404, 409, 422, 499])
def test_the_messages_of_an_error_in_json_are_shown(status, content, said):
    found = told(status, content)

    assert (found.said, found.errors, found.answer) == (said, content.get("errors"), "")


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([{"detail": {"guest": {"name": "Hanako", "msg": "my knee hurts"}}}], '[{"detail": "…"}]'),
        (
            {"booking": {"contact": {"email": "x"}, "title": "Hanako", "message": "taken"}},
            '{"booking": {"message": "taken"}}',
        ),
        ([{"field": "name", "message": "too long"}], '[{"field": "name", "message": "too long"}]'),
        ({"name": [{"message": "too long", "code": 7}]}, '{"name": [{"message": "too long", "code": 7}]}'),
        ({"a": {"errors": {"message": {"message": "deep"}}}}, '{"a": {"errors": {"message": {"message": "…"}}}}'),
    ],
)
def test_an_echo_within_an_error_is_left_out(errors, said):
    assert told(422, {"errors": errors}).said == said


@pytest.mark.parametrize(
    ("status", "content", "kind", "words"),
    [
        (200, {"message": "Taro"}, "application/json", "19 bytes of JSON"),
        (302, {"message": "Taro"}, "application/json", "19 bytes of JSON"),
        (500, {"message": "Taro"}, "application/json", "19 bytes of JSON"),
        (422, {"detail": "Taro"}, "application/json", "18 bytes of JSON"),
        (422, ["Taro"], "application/json", "8 bytes of JSON"),
        (422, {"message": "Taro"}, "text/html", "19 bytes of HTML"),
        (422, {"message": "Taro"}, "", "19 bytes of no type"),
        (422, b'{"message": "Ta', "application/json", "15 bytes of JSON"),
        (422, b"<b>Taro", "text/html; charset=x", "7 bytes of HTML"),
        (422, b"Taro", "text/plain", "4 bytes of text"),
        (422, b"Taro", "application/Taro", "4 bytes of another type"),
    ],
)
def test_of_anything_else_type_length_and_digest_are_told(status, content, kind, words):
    found = told(status, content, kind=kind)

    assert (found.said, found.errors) == ("", None)
    assert found.answer.startswith(f"Its answer is not shown: {words}, SHA-256 ")
    assert "Taro" not in found.answer


def test_nothing_is_told_of_an_empty_answer():
    assert told(422, b"") == told(500, b"", kind="")
    assert told(422, b"").answer == ""


def test_only_everybodys_words_where_it_is_not_known_what_must_not_show():
    found = told(422, {"message": "startedAt: taro is not available, at most 50", "errors": {}}, texts=None)

    assert found.said == "startedAt: *** is not available, at most 50"
    assert found.answer.startswith("Its answer is shown in part: 73 bytes of JSON, SHA-256 ")
    assert told(422, {"errors": {"予約": ["は田中"]}}, texts=None).errors == {"***": ["***"]}


# --- what is taken out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "Taro Yamada",
        "TARO YAMADA",
        "taro",
        "Ｔａｒｏ　Ｙａｍａｄａ",
        "Yamada-Taro",
        "yamadataro7",
        "Ta\u200bro",
        r"\u0054aro",
        "%54aro",
        "&#84;aro",
        "Tàrö",
        unicodedata.normalize("NFD", "Tàrö"),
        "ﾔﾏﾀﾞ ﾀﾛｳ",
        unicodedata.normalize("NFD", "ヤマダ"),
        "山田太郎",
        "山田",
        "Taro Yamada / Consultation",
    ],
)
def test_what_is_known_does_not_show_in_any_case_and_width(name):
    shown = Redactor((), [TITLE, KANA, "山田 太郎"]).text(f"the slot is taken by {name}.")

    assert shown in ("the slot is taken by ***.", "the slot is taken by *** ***.", "the slot is taken by ***-***.")


@pytest.mark.parametrize(
    "address",
    [
        "taro@example.jp",
        "TARO+x@EXAMPLE.jp",
        "taro%40example.jp",
        "taro@例え.jp",
        "たろう@例え.テスト",
        "ｔａｒｏ＠example．jp",
        '"ta ro"@example.jp',
        "taro[at]example.jp",
        "taro@xn--r8jz45g.jp",
        "taro\\u0040example.jp",
    ],
)
def test_addresses_do_not_show(address):
    assert Redactor().text(f"email: {address} is taken") == "email: *** is taken"


def test_what_follows_an_address_without_a_blank_is_shown():
    assert Redactor().text("taro@example.jpは既に使われています") == "***は既に使われています"


@pytest.mark.parametrize(
    "number",
    ["090-1234-5678", "09012345678", "+81 90 1234 5678", "(03) 1234-5678", "０９０ー１２３４ー５６７８",
     "090.1234.5678", "123 45 67", "06 123", "0 9 0 1 2"],
)  # fmt: skip
def test_runs_of_digits_do_not_show(number):
    assert Redactor().text(f"call {number} now") == "call *** now"


@pytest.mark.parametrize(
    "text",
    [
        "startedAt: time slot is not available",
        "hosts must contain exactly one owner",
        "at most 10000 characters (10000), not 50",
        "page 1 of 20, 1,000,000 at most",
        "2031-03-01T20:00:00.000Z is not free",
        'status must be "open" or "cancel", role \'admin\'',
        "お客様の予約",
        "この時間は予約できません。",
        "30 ms",
        "100% of it",
    ],
)
def test_what_a_user_needs_is_shown(text):
    assert Redactor((Secret(KEY),), [TITLE, KANA, "山田 太郎様 初回"]).text(text) == text


def test_everybodys_words_are_shown_though_a_description_has_them():
    redactor = Redactor((), ["Are you ready? The slot is not available on other days."])
    assert redactor.text("it has already begun, and is not available") == "it has already begun, and is not available"
    assert redactor.text("are you ready") == "***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Mr. Sato Kenji is here", "Mr. *** is here"),
        ("Ms Sato is here", "Ms *** is here"),
        ("佐藤様の予約", "***様の予約"),
        ("佐藤 健二さんの予約", "***さんの予約"),
        ("ｻﾄｳ様の予約", "***様の予約"),
        ("'Hanako' is taken", "'***' is taken"),
        ("「佐藤」は既に", "「***」は既に"),
    ],
)
def test_who_is_quoted_or_honoured_does_not_show(text, shown):
    assert Redactor().text(text) == shown


def test_what_was_sent_does_not_show_and_the_names_of_its_fields_do():
    sent = {"startedAt": "x", "hosts": [{"userId": "wh09CDfgvq"}], "name": "Hosts of Taro", "projectId": 4711, "n": 50}
    redactor = Redactor((), texts_of(sent))

    assert redactor.json({"hosts": ["wh09CDfgvq is no user of 4711, at most 50"], "Taro": 4711}) == {
        "hosts": ["*** is no user of ***, at most 50"],
        "***": "***",
    }


def test_prose_takes_names_and_phrases_out_and_leaves_everybodys_words():
    prose = "Dear Taro, we have to move our consultation since the office is closed on that day. " * 5
    redactor = Redactor((), [prose])

    assert redactor.text("Taro: the office is busy") == "***: *** busy"
    assert redactor.text("no consultation on a closed day") == "no consultation on a closed day"


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        KEY.removeprefix("sk_live_"),
        KEY.upper(),
        urllib.parse.quote(KEY, safe=""),
        "".join(f"%{ord(char):02X}" for char in KEY),
        "".join(f"%25{ord(char):02x}" for char in KEY),
        "".join(f"\\u{ord(char):04x}" for char in KEY),
        "".join(f"\\\\u{ord(char):04X}" for char in KEY),
        KEY.replace("_", "\\u005f"),
        "".join(f"&#{ord(char)};" for char in KEY),
        *(base64.b64encode(b"u" * pad + KEY.encode() + b":" * more).decode() for pad in range(4) for more in range(3)),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
    ],
)
def test_the_key_does_not_show_however_it_is_written(written):
    shown = Redactor((Secret(KEY),)).text(f"bad {written}")

    assert shown in ("bad ***", "bad dXV1***"), "what stands before it may be encoded with it"


TEXTS = st.text("ab @.x\n\"'<>", max_size=12)
JSON = st.recursive(
    TEXTS | st.integers() | st.none() | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(value=JSON, secret=st.text("ab", min_size=2, max_size=4))
def test_no_secret_is_left_anywhere(value, secret):
    assert secret not in repr(Redactor((Secret(secret),)).json(value))


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60), st.text(min_size=2, max_size=20))
def test_whatever_it_says_can_be_logged(text, known):
    shown = Redactor((Secret(KEY),), [known]).text(f"{text}\ud800\0\u202e{known}\x1b[31m")

    shown.encode()
    assert shown.isprintable()


# --- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit", ["a", "a@", "@", "a.", "1 ", "\\", "\\u0061", "&#", "%25", '"', "'a", "様", "田", "Mr A", "(", "x ", "ﬁ"]
)
def test_a_long_answer_holds_nobody_up(unit):
    long = unit * 1_000_000
    start = time.process_time()
    redactor = Redactor((Secret(KEY),), [long[:40_000], TITLE])
    redactor.json({"errors": {long: [long]}, "x": [long] * 100})

    assert time.process_time() - start < 2


def test_of_an_answer_of_5_mb_only_the_beginning_is_looked_at():
    start = time.process_time()
    found = told(422, {"errors": {f"field{number}": ["Taro is odd"] for number in range(200_000)}}, ["Taro"])

    # Less than one here; beside seven others on two cores it was once 2.6.
    assert time.process_time() - start < 10
    assert "Taro" not in repr(found)
    assert (len(found.errors) < 1_000, len(found.said) <= 302, found.said[-2:]) == (True, True, " …")


def test_a_title_of_10_000_characters_is_not_told_by_its_beginning():
    title = "Secret " + "abcdefg hijk" * 800
    found = told(422, {"message": f"{title} is too long"}, [title])

    assert found.said.strip("*… ") == ""


def test_where_too_much_is_known_nothing_is_told():
    found = told(422, {"message": "Taro"}, ["x" * 60_000])

    assert (found.said, found.errors) == ("", None)
    assert "19 bytes of JSON" in found.answer
