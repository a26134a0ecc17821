"""Take what is private out of what the API says: the key, what was sent, what is known of a booking, and what looks
like a guest's.

A text is looked at as a person reads it, whatever its width, case and escapes. What is looked at is cut first, and all
of it takes linear time: the API may say a lot. To hide too much is ugly; to hide too little is worse.
"""

from __future__ import annotations

import base64
import functools
import html
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args

from airflow_provider_jicoo.api.secret import Secret

STARS = "***"
_PREFIX = "sk_live_"
"""What every key begins with (https://developer.jicoo.com/apidoc/project-373292/doc-468187)."""
_LOOKED_AT = 2_000
"""Characters of a text that are looked at; what is behind them is left out."""
_KNOWN_AT_MOST = 50_000
"""Characters of what is known; where there is more, nothing that the API says is shown."""
_TITLE_AT_MOST = 100
"""Characters of a text of which each word is somebody's; a longer one is prose, with everybody's words in it."""
_JSON_AT_MOST, _DEPTH = 10_000, 8

_ESCAPED = re.compile(r"\\{1,4}(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_WORD = re.compile(
    "(?P<han>[\u3400-\u9fff\uf900-\ufaff々\U00020000-\U0003ffff]+)|(?P<katakana>[ァ-ヿ]+)|(?P<hiragana>[ぁ-ゟ]+)"
    "|(?P<letters>[^\\W_\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff々\U00020000-\U0003ffff]+)"
)
_GRAM = {"han": 2, "katakana": 3, "hiragana": 3}
"""Letters in a row that say something, of scripts that put no blanks between words."""
_MOMENT = re.compile(r"\b20\d\d-[01]\d-[0-3]\d(?:[T ][0-2]\d:[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_DIGITS = re.compile(r"\+?\(?\d(?:[\s().\-‐‑‒–—―−ー・/]{0,3}\d){4,}")
_AT = re.compile(r"@|[(\[]at[)\]]", re.IGNORECASE)
_NO_ADDRESS = frozenset(" \"'<>(),;:[]{}|「」『』、“”‘’")
_LATIN_END = re.compile(r"\.[A-Za-z]{2,24}(?=[^\x00-\x7f])(?!.*\.)")
_QUOTED = re.compile(
    r'"([^"]{1,500})"|“([^”]{1,500})”|‘([^’]{1,500})’|「([^」]{1,500})」|『([^』]{1,500})』|`([^`]{1,500})`'
    r"|(?<!\w)'([^']{1,500})'(?!\w)"
)
_HONOURED = re.compile(
    r"\b(?:M[rR]|M[rR][sS]|M[sS]|Miss|D[rR]|Prof|Herr|Frau)\b\.?\s{1,3}(\w{1,40}(?:[\s.-]{1,2}[A-Z]\w{0,40}){0,2})"
    r"|([一-龥々ァ-ヶー・\u3099\u309a ]{1,16}|[ぁ-ゖ]{1,6}|[A-Za-z]{1,20}(?: [A-Za-z]{1,20})?) ?(?:様|さま|さん|氏|殿)"
)
_NOBODY = frozenset({"お客", "客", "ゲスト", "ホスト", "皆", "たく"})
_EVERYBODYS = frozenset(
    {
        *(
            "a",
            "already",
            "an",
            "and",
            "are",
            "asc",
            "at",
            "available",
            "base",
            "be",
            "been",
            "booking",
            "bookings",
            "but",
        ),
        *("by", "can", "cannot", "characters", "contain", "desc", "do", "does", "error", "exactly", "exist", "false"),
        *("field", "for", "format", "found", "from", "had", "has", "have", "in", "invalid", "is", "it", "least"),
        *(
            "missing",
            "more",
            "most",
            "must",
            "no",
            "not",
            "null",
            "of",
            "on",
            "one",
            "only",
            "or",
            "parameter",
            "problem",
        ),
        *(
            "record",
            "request",
            "required",
            "server",
            "should",
            "slot",
            "than",
            "that",
            "the",
            "this",
            "to",
            "too",
            "true",
        ),
        *("unknown", "value", "was", "with", "you", "your"),
    }
)
"""What errors are made of in English: such a word of a title is left, or no reason could be read any more."""

Span = tuple[int, int]


@functools.cache
def _apis_words() -> frozenset[str]:
    """Return the names of the API's fields, the parts of them, and the values that it lists."""
    from airflow_provider_jicoo.api import models

    words = set(_EVERYBODYS)
    for thing in vars(models).values():
        names = list(getattr(thing, "__annotations__", ())) if isinstance(thing, type) else []
        names += [value for value in get_args(thing) if isinstance(value, str)]
        for name in names:
            parts = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")
            words.update((*parts, name.lower(), name.lower().replace("_", "")))
    return frozenset((*words, "page", "perpage", "limit", "order", "sort"))


def texts_of(value: Any) -> Iterator[str]:
    """Yield every text and every number in JSON; the names of its fields are the API's."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from texts_of(part)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield str(value)


class Redactor:
    """Puts ``***`` where something is private.

    :param secrets: the API key, of which nothing shows, however it is written.
    :param texts: what was sent, and what is known of guests. Each as a whole and each word of it goes, in any case and
        width.
    :param is_strict: whether guests may be named of whom nothing is known: then only the names of the API and the words
        that errors are made of stay.
    """

    def __init__(self, secrets: Iterable[Secret] = (), texts: Iterable[str] = (), *, is_strict: bool = False) -> None:
        self._is_strict = is_strict
        self._key = key_pattern(tuple(secrets))
        known = list(dict.fromkeys(texts))
        self.is_too_much = sum(map(len, known)) > _KNOWN_AT_MOST
        """Whether more is known than can be looked for."""
        self._known = _Known(() if self.is_too_much else map(_plain, known))

    def key(self, text: str) -> str:
        """Return a text without the key, and otherwise as it is."""
        return text if self._key is None else self._key.sub(STARS, text)

    def text(self, text: str) -> str:
        """Return a text, decoded and on one line, without what is private.

        :param text: of which no more than the beginning is taken.
        """
        if self.is_too_much:
            return STARS
        shown = _plain(self.key(_start(text)))
        folded, folded_at = _fold(shown)
        narrow, narrow_at = _by_char(shown, _narrow_char)
        known = _spans_of_others(folded) if self._is_strict else self._known.spans(folded)
        spans = [_back(span, folded_at, len(shown)) for span in known]
        spans += [_back(span, narrow_at, len(shown)) for span in self._spans_of_looks(narrow)]
        return _starred(shown, spans)

    def _spans_of_looks(self, text: str) -> Iterator[Span]:
        yield from _spans_of_looks(text)
        for match in () if self._key is None else self._key.finditer(text):
            yield match.span()

    def json(self, value: Any) -> Any:
        """Return JSON without what is private, its keys included; of what is deep or long, only the beginning."""
        return self._json(value, [_JSON_AT_MOST], _DEPTH)

    def _json(self, value: Any, left: list[int], depth: int) -> Any:
        left[0] -= 10 + (len(value) if isinstance(value, str) else 0)
        if depth < 0:
            return "…"
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                self.text(str(name)): self._json(part, left, depth - 1) for name, part in _until(value.items(), left)
            }
        if isinstance(value, list):
            return [self._json(part, left, depth - 1) for part in _until(value, left)]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value if self.text(str(value)) == str(value) else STARS
        return value


def _until(parts: Iterable[Any], left: list[int]) -> Iterator[Any]:
    for part in parts:
        if left[0] < 0:
            return
        yield part


@functools.lru_cache(maxsize=8)
def key_pattern(secrets: tuple[Secret, ...]) -> re.Pattern[str] | None:
    """Return what finds secrets as they are, escaped for JSON, HTML or an address letter by letter, and in base64."""
    forms = []
    for secret in (each.reveal() for each in secrets):
        if len(secret) > 1:  # a single letter would take out half of any text
            forms.append(_any_escapes(secret))
        if len(secret) > len(_PREFIX) + 7 and secret.startswith(_PREFIX):  # what is secret of it, by itself
            forms.append(_any_escapes(secret[len(_PREFIX) :]))
        if len(secret) > 7:
            forms += _in_base64(secret.encode())
    return re.compile("|".join(forms), re.IGNORECASE) if forms else None


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield what finds a secret in base64 by its middle: its ends depend on what is beside it, at three places."""
    for pad in range(3):
        middle = base64.b64encode(b"\0" * pad + secret).decode()[4 if pad else 0 :].rstrip("=")[:-1]
        either = "".join({"+": "[+-]", "/": "[/_]"}.get(char, char) for char in middle)
        yield f"[A-Za-z0-9_+/=-]{{0,4}}{either}[A-Za-z0-9_+/=-]*"


def _any_escapes(text: str) -> str:
    return "".join(map(_any_escape, text))


def _any_escape(char: str) -> str:
    code = ord(char)
    return rf"(?:{re.escape(char)}|\\{{1,4}}(?:u{code:04x}|x{code:02x})|%(?:25)?{code:02x}|&#(?:0*{code}|x0*{code:x});)"


# --- text ------------------------------------------------------------------------------------------------------------


def _start(text: str) -> str:
    """Return as much of a text as is looked at, without the word that its end may be in the middle of."""
    if len(text) <= _LOOKED_AT:
        return text
    end = _LOOKED_AT
    while end and not text[end - 1].isspace():
        end -= 1
    return text[:end] + "…"


def _plain(text: str) -> str:
    """Return a text as a person would read it: decoded, on one line, without what is invisible."""
    for _ in range(2):
        text = _ESCAPED.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
        text = urllib.parse.unquote(html.unescape(text))
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # pairs that were escaped one by one
    kinds = {char: unicodedata.category(char) for char in set(text)}
    shown = ("" if kinds[char] == "Cf" else " " if kinds[char][0] == "C" else char for char in text)
    return " ".join("".join(shown).split())


@functools.lru_cache(maxsize=4096)
def _fold_char(char: str) -> str:
    """Return a character in the form that letters are compared in: without case, width and accents."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    return "".join(part for part in decomposed if not unicodedata.combining(part))


@functools.lru_cache(maxsize=4096)
def _narrow_char(char: str) -> str:
    """Return a character in its normal width."""
    return unicodedata.normalize("NFKC", char)


def _by_char(text: str, change: Callable[[str], str]) -> tuple[str, list[int]]:
    """Return a text with each character changed, and of each of its characters where it was."""
    made, at = [], []
    for position, char in enumerate(text):
        changed = change(char)
        made.append(changed)
        at += [position] * len(changed)
    return "".join(made), at


def _fold(text: str) -> tuple[str, list[int]]:
    """Return a text in the form that texts are compared in, and of each of its characters where it was."""
    return _by_char(text, _fold_char)


def _back(span: Span, at: list[int], length: int) -> Span:
    """Return where something was before characters were changed, with what vanished behind it, as accents."""
    start, stop = span
    return at[start], max(at[stop - 1] + 1, at[stop] if stop < len(at) else length)


def _starred(text: str, spans: Iterable[Span]) -> str:
    made: list[str] = []
    end = 0
    for start, stop in sorted(spans):
        if stop > end:
            made += [text[end:start], STARS] if start > end or not made else []
            end = stop
    return "".join([*made, text[end:]])


# --- what looks like a guest's ---------------------------------------------------------------------------------------


def _spans_of_looks(text: str) -> Iterator[Span]:
    moments = [match.span() for match in _MOMENT.finditer(text)]
    for match in _DIGITS.finditer(text):
        start, stop = match.span()
        # At most 10000 characters, and 50 rows, are nobody's number; that of a telephone has more digits, or begins
        # with 0 or +.
        is_long = sum(char.isdigit() for char in match[0]) >= 7 or match[0].lstrip("(")[0] in "+0"
        if is_long and not any(begin <= start and stop <= end for begin, end in moments):
            yield start, stop
    for match in _AT.finditer(text):
        yield _address(text, *match.span())
    for match in _HONOURED.finditer(text):
        number = 1 if match[1] else 2
        if match[number].strip() not in _NOBODY:
            yield match.span(number)
    for match in _QUOTED.finditer(text):
        if not _is_the_apis(match[match.lastindex or 0]):
            yield match.start() + 1, match.end() - 1


def _address(text: str, start: int, stop: int) -> Span:
    """Return where an e-mail address is whose ``@`` is there."""
    if text[start - 1 : start] == '"':  # the local part may be quoted (RFC 5322)
        start = max(text.rfind('"', 0, start - 1), 0)
    while start > 0 and text[start - 1] not in _NO_ADDRESS:
        start -= 1
    at = stop
    while stop < len(text) and text[stop] not in _NO_ADDRESS:
        stop += 1
    end = _LATIN_END.search(text, at, min(stop, at + 255))
    return start, stop if end is None else end.end()


def _is_the_apis(text: str) -> bool:
    """Tell whether a text is made of the API's and everybody's words, and short numbers, alone."""
    if _MOMENT.fullmatch(text):
        return True
    return not any(_spans_of_others(_fold(text)[0]))


def _spans_of_others(folded: str) -> Iterator[Span]:
    """Yield where a folded text has other words than the API's and everybody's, and short numbers."""
    for match in _WORD.finditer(folded):
        if match[0] not in _apis_words() and not (match[0].isdecimal() and len(match[0]) < 6):
            yield match.span()


# --- what is known ---------------------------------------------------------------------------------------------------


class _Known:
    """What is known of guests, to be looked for in a text."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._wholes: set[str] = set()
        self._words: set[str] = set()
        self._grams: set[str] = set()
        self._phrases: set[tuple[str, ...]] = set()
        for text in texts:
            self._add(text)
        self._parts = [word for word in self._words if len(word) > 4]

    def _add(self, text: str) -> None:
        folded, at = _fold(text)
        words = [(match.lastgroup or "", match[0], at[match.start()]) for match in _WORD.finditer(folded)]
        whole = "".join(word for _, word, _ in words)
        if len(whole) > 4 or (len(whole) > 1 and not _is_the_apis(text)):
            self._wholes.add(whole)
        if _MOMENT.fullmatch(text):
            return
        is_title = len(text) <= _TITLE_AT_MOST
        for script, word, start in words:
            if script != "letters":
                self._add_unspaced(script, word, _GRAM[script] + (0 if is_title else 2))
            elif (is_title or _is_name_like(text[start])) and len(word) > 1 + word.isdecimal():
                self._words.update({word} - _apis_words())
        names = [word for _, word, _ in words]
        threes = zip(names, names[1:], names[2:], strict=False)
        self._phrases.update(three for three in threes if not _apis_words().issuperset(three))

    def _add_unspaced(self, script: str, word: str, size: int) -> None:
        if len(word) > 1 or script == "han":
            self._words.add(word)
        self._grams.update(word[at : at + size] for at in range(len(word) - size + 1))

    def spans(self, folded: str) -> Iterator[Span]:
        """Yield where something of it is in a folded text."""
        words = [(match[0], match.start(), match.end()) for match in _WORD.finditer(folded)]
        for word, start, stop in words:
            if word in self._words or (word not in _apis_words() and any(part in word for part in self._parts)):
                yield start, stop
        for size in {len(gram) for gram in self._grams}:
            for start in range(len(folded) - size + 1):
                if folded[start : start + size] in self._grams:
                    yield start, start + size
        for three in zip(words, words[1:], words[2:], strict=False):
            if tuple(word for word, _, _ in three) in self._phrases:
                yield three[0][1], three[2][2]
        yield from self._whole_spans(words)

    def _whole_spans(self, words: list[tuple[str, int, int]]) -> Iterator[Span]:
        """Yield where a whole text is, whatever stands between its words."""
        letters = "".join(word for word, _, _ in words)
        at = [position for _, start, stop in words for position in range(start, stop)]
        for whole in self._wholes:
            start = letters.find(whole)
            while start >= 0:
                yield at[start], at[start + len(whole) - 1] + 1
                start = letters.find(whole, start + len(whole))


def _is_name_like(char: str) -> bool:
    return char.isupper() or not char.isascii() or char.isdecimal()
