"""Requests to the pages and controls of runs, by those who want to see or to do what they may not."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import zlib
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

ROOT = "/jicoo/runs"
PIECES = [
    "..",
    ".",
    "",
    "~",
    "%2e%2e",
    "%2f",
    "..%2f..%2fetc%2fpasswd",
    "..%5c..%5cetc%5cpasswd",
    "%00",
    "room%00",
    "%0d%0aSet-Cookie:%20a=b",
    "%ff%fe",
    "%c0%ae%c0%ae",
    "%ed%a0%80",
    "ROOM",
    "room%20",
    "%72oom",
    "room_of_others",
    "room%2Froom_of_others",
    "room/room_of_others",
    "{DAG_ID}",
    "{MAP_INDEX}",
    "%7BMAP_INDEX%7D",
    "-1",
    "-2",
    "0",
    "99999999999999999999",
    "-0",
    "+1",
    "%D9%A3",
    "1e3",
    "NaN",
    "null",
    "' OR '1'='1",
    "%25' OR 1=1 --",
    "%25",
    "_",
    "%s%n",
    "${jndi:ldap://example.com}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "%E2%80%AE",
    "%E2%81%A6room%E2%81%A9",
    "%EF%BB%BF",
    "r%CC%81oom",
    "%F0%9F%92%A3",
    "a" * 300,
    "a" * 8_000,
    "%E2%80%AE" * 2_000,
    "*",
    "[",
    ";",
    "room;a=b",
    "room?x",
    "__class__",
    "apply",
    "plan",
]
TAILS = [
    "progress",
    "control",
    "files",
    "files/",
    "files/x",
    "files/outcomes.jsonl",
    "files/report.json",
    "files/OUTCOMES.JSONL",
    "files/outcomes.jsonl%00",
    "files/..%2f..%2foutside.txt",
    "files/../../outside.txt",
    "files/....//outside.txt",
    "files/plan.jsonl",
    "files/outcomes.jsonl/..",
    "progress/",
    "control/..",
]
METHODS = ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "POST ", "", "\u202eGET"]
NUMBERS = ["-1", "0", "999999999999999999999", "\u0663", "1e9", "NaN", "", " 1", "0x1", "1_000", "99999999", "\0"]
ORDERS = [
    None,
    [],
    {},
    "pause",
    7,
    {"action": None},
    {"action": ["pause"]},
    {"action": {"$ne": 0}},
    {"action": "PAUSE"},
    {"action": "pause\0"},
    {"action": "\u202eesuap"},
    {"action": "delete"},
    {"action": "slow"},
    {"action": "slow", "rate": 0},
    {"action": "slow", "rate": -1},
    {"action": "slow", "rate": "5"},
    {"action": "slow", "rate": True},
    {"action": "slow", "rate": [5]},
    {"action": "slow", "rate": {"$gt": 0}},
    {"action": "slow", "rate": 1e999},
]
"""None of these is one."""
TEXTS = [
    b"",
    b"{",
    b"[" * 4_000,
    b'{"action":' * 400,
    b'{"action": "slow", "rate": 1e309}',
    b'{"action": "slow", "rate": NaN}',
    b'{"action": "slow", "rate": ' + b"9" * 3_900 + b"}",
    b'{"action": "pause"',
    b'{"action": "\xff"}',
    b"\xff\xfe\0{\0",
    b"\0" * 100,
    b"action=pause",
    b"<order>pause</order>",
]
ORDER = {"action": "stop"}
OURS = {
    b"x-jicoo-page": b"1",
    b"origin": b"http://testserver",
    b"sec-fetch-site": b"same-origin",
    b"content-type": b"application/json",
}
"""What the script of our page sends."""
FORGED = [
    {b"origin": b"https://evil.example"},
    {b"origin": b"null"},
    {b"origin": b""},
    {b"origin": b"http://testserver.evil.example"},
    {b"origin": b"http://evil.example/testserver"},
    {b"origin": b"http://testserver@evil.example"},
    {b"origin": b"http://testserver:80@evil.example"},
    {b"origin": b"http://evil.example#testserver"},
    {b"origin": b"http://testserver:8081"},
    {b"origin": b"http://[::1"},
    {b"origin": b"http://[testserver]"},
    {b"origin": b"http://testserver\\evil.example"},
    {b"origin": b"http://testserver\xff"},
    {b"origin": b"//evil.example"},
    {b"origin": b"testserver"},
    {b"origin": b"http://" + b"a" * 5_000},
    {b"origin": b"http://t\xe9stserver"},
    {b"sec-fetch-site": b"cross-site"},
    {b"sec-fetch-site": b"same-site"},
    {b"sec-fetch-site": b"none"},
    {b"sec-fetch-site": b""},
    {b"sec-fetch-site": b"same-origin, cross-site"},
    {b"sec-fetch-site": b"SAME-ORIGIN"},
    {b"x-jicoo-page": None},
    {b"x-jicoo-page": None, b"origin": None, b"sec-fetch-site": None},
    {b"x-jicoo-page": None, b"cookie": b"x-jicoo-page=1"},
    {b"content-type": None},
    {b"content-type": b"text/plain"},
    {b"content-type": b"text/plain; application/json"},
    {b"content-type": b"application/x-www-form-urlencoded"},
    {b"content-type": b"multipart/form-data; boundary=x"},
    {b"content-type": b"application/jsonp"},
    {b"content-type": b"\xff"},
]
"""What another site can make a browser send, or nearly so: ``None`` leaves a header out."""


@dataclass
class Hostile:
    """A request.

    :param who: sends it: ``viewer`` (may not read logs, nor edit), ``editor``, or ``nobody``.
    :param path: as it stands on the wire.
    :param headers: beside what tells who sends it; of one that is there twice, both are sent.
    :param parts: of the body.
    :param is_cut: its sender goes away before the body has come to its end.
    :param wanted: the statuses of which its answer has to have one; any that is no error of ours where there are none.
    """

    who: str
    method: str
    path: str
    query: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    parts: tuple[bytes, ...] = (b"",)
    is_cut: bool = False
    wanted: tuple[int, ...] = ()


@dataclass
class Targets:
    """Addresses of tasks' pages.

    :param own: of the DAG that all but nobody may read, with an apply under way.
    :param others: of the DAG that none of them may read.
    :param lying: of the DAG that they may read, with notes that name what they may not.
    """

    own: str
    others: str
    lying: list[str]


def hand_made(number: int, targets: Targets):
    """Yield requests.

    :param number: makes them others than those of another number.
    """
    dice = random.Random(number)
    # In turn, so that the first hundred have some of each.
    kinds = [list(kind(dice, targets)) for kind in KINDS]
    for several in itertools.zip_longest(*kinds):
        yield from (each for each in several if each is not None)


def elsewhere(dice, targets):
    for place in range(4):
        for piece in dice.sample(PIECES, 12):
            parts = targets.own.strip("/").split("/")
            parts[2 + place] = quote(piece, safe="%/")
            yield Hostile("viewer", "GET", "/" + "/".join(parts))
    for piece in dice.sample(PIECES, 12):
        path = f"{ROOT}/{quote(piece, safe='%/')}"
        yield Hostile("viewer", "GET", dice.choice([path, f"{path}/", f"{path}//", f"{ROOT}//{path}"]))
    for _ in range(20):
        parts = [quote(dice.choice(PIECES), safe="%/") for _ in range(dice.randrange(1, 8))]
        yield Hostile("editor", dice.choice(["GET", "POST"]), f"{ROOT}/" + "/".join(parts), query(dice))


def of_others(dice, targets):
    # As if they were not there, whatever is asked of them.
    gone = (404,)
    yield Hostile("editor", "GET", targets.others, query(dice), wanted=gone)
    yield Hostile("viewer", "GET", f"{ROOT}/room_of_others/", query(dice), wanted=gone)
    for tail in ("progress", "files/outcomes.jsonl", "files/report.json"):
        yield Hostile("editor", "GET", f"{targets.others}/{tail}", wanted=gone)
    for tail in dice.sample(TAILS, 6):
        yield Hostile("editor", "GET", f"{targets.others}/{tail}", wanted=(404, 405))
    for who in ("viewer", "editor"):
        yield Hostile(who, "POST", targets.others, headers=form(), parts=(query(dice),), wanted=gone)
        for action in ("pause", "stop", "undo"):
            yield Hostile(who, "POST", f"{targets.others}/control", headers=ours(), parts=(dump(action),), wanted=gone)


def by_lies(dice, targets):
    for address in targets.lying:
        who = dice.choice(["viewer", "editor"])
        yield Hostile(who, "GET", address, query(dice), wanted=(200,))
        yield Hostile(who, "POST", address, headers=form(), parts=(query(dice),), wanted=(200,))
        yield Hostile("editor", "GET", f"{address}/files/outcomes.jsonl")
        yield Hostile(who, "GET", f"{address}/{dice.choice(TAILS)}")


def by_other_methods(dice, targets):
    for method in METHODS:
        who = dice.choice(["viewer", "editor", "nobody"])
        path = dice.choice([targets.own, f"{targets.own}/control", f"{targets.own}/progress", f"{ROOT}/", ROOT])
        yield Hostile(who, method, path, headers=ours(), parts=(dump("stop"),), wanted=(401, 404, 405))


def asked_strangely(dice, targets):
    for _ in range(16):
        yield Hostile("viewer", "GET", targets.own, query(dice), wanted=(200,))
        yield Hostile("viewer", "POST", targets.own, headers=form(), parts=(query(dice),), wanted=(200,))
        yield Hostile("editor", "POST", targets.own, headers=form(), parts=(go(dice),), wanted=(200,))
        yield Hostile("viewer", "GET", dice.choice([f"{ROOT}/", f"{ROOT}/room/"]), query(dice), wanted=(200,))
    for tail in dice.sample(TAILS, 8):
        yield Hostile("viewer", "GET", f"{targets.own}/{tail}", query(dice))
    for tail in ("files/outcomes.jsonl", "files/report.json"):
        # They may not read the logs.
        yield Hostile("viewer", "GET", f"{targets.own}/{tail}", wanted=(404,))


def bodies(dice, targets):
    control = f"{targets.own}/control"
    for text in TEXTS:
        yield Hostile("editor", "POST", control, headers=ours(), parts=(text,), wanted=(422,))
        yield Hostile("viewer", "POST", targets.own, headers=form(), parts=(text,), wanted=(200,))
    for order in ORDERS:
        yield Hostile("editor", "POST", control, headers=ours(), parts=(json.dumps(order).encode(),), wanted=(422,))
    whole = dump("stop")
    size = dice.randrange(5_000, 300_000)
    long = b" " * size + whole
    pieces = tuple(long[at : at + 65_536] for at in range(0, len(long), 65_536))
    yield Hostile("editor", "POST", control, headers=ours(), parts=(b"x" * size,), wanted=(422,))
    yield Hostile("editor", "POST", control, headers=ours(), parts=(b'{"a": "' + b"x" * size,), wanted=(422,))
    yield Hostile("viewer", "POST", control, headers=ours(), parts=pieces, wanted=(403, 422))
    yield Hostile("viewer", "POST", targets.own, headers=form(), parts=(b"q=" + b"x" * size,), wanted=(200,))
    yield Hostile("viewer", "POST", targets.own, headers=form(), parts=(b"&".join([b"q=1"] * 900),), wanted=(200,))
    for kept in (0, 1, dice.randrange(1, len(whole)), len(whole)):
        yield Hostile("editor", "POST", control, headers=ours(), parts=(whole[:kept],), is_cut=True)
        yield Hostile("viewer", "POST", targets.own, headers=form(), parts=(b"q=booking"[:kept],), is_cut=True)
    for coding, packed in (
        (b"gzip", gzip.compress(whole)),
        (b"gzip", gzip.compress(b" " * 1_000_000)),
        (b"deflate", zlib.compress(whole)),
        (b"br", whole[:-1]),
        (b"gzip, gzip", gzip.compress(gzip.compress(whole))),
    ):
        coded = [*ours(), (b"content-encoding", coding)]
        yield Hostile("editor", "POST", control, headers=coded, parts=(packed,), wanted=(422,))
        yield Hostile("viewer", "POST", targets.own, headers=[*form(), coded[-1]], parts=(packed,), wanted=(200,))
    for length in (b"-1", b"", b"1", b"1e3", b"9" * 30, "٣".encode()):
        lied = [*ours(), (b"content-length", length)]
        yield Hostile("viewer", "POST", control, headers=lied, parts=(whole,), wanted=(400, 403))
    boundary = b"--x\r\nContent-Disposition: form-data; name=q\r\n\r\nbooking\r\n--x--"
    kind = [(b"content-type", b"multipart/form-data; boundary=x")]
    yield Hostile("viewer", "POST", targets.own, headers=kind, parts=(boundary,), wanted=(200,))


def from_another_site(dice, targets):
    """Yield orders of somebody who may give them, in whose browser another site's page is open."""
    for changed in FORGED:
        order = dump(dice.choice(["pause", "go_on", "stop", "undo"]))
        yield Hostile("editor", "POST", f"{targets.own}/control", headers=ours(changed), parts=(order,), wanted=(403,))
    for twice in ((b"origin", b"https://evil.example"), (b"sec-fetch-site", b"cross-site")):
        yield Hostile(
            "editor", "POST", f"{targets.own}/control", headers=[twice, *ours()], parts=(dump("stop"),), wanted=(403,)
        )


def without_the_right(dice, targets):
    for action in ("pause", "go_on", "stop", "undo"):
        yield Hostile("viewer", "POST", f"{targets.own}/control", headers=ours(), parts=(dump(action),), wanted=(403,))
    slow = json.dumps({"action": "slow", "rate": dice.choice([1, 1e-300, 10**300, 0.5])}).encode()
    yield Hostile("viewer", "POST", f"{targets.own}/control", headers=ours(), parts=(slow,), wanted=(403,))
    # Of who may edit this DAG, but not start that one.
    yield Hostile("editor", "POST", f"{targets.own}/control", headers=ours(), parts=(dump("undo"),), wanted=(409,))


def by_nobody(dice, targets):
    refused = (401, 403)
    for address in (f"{ROOT}/", f"{ROOT}/room/", targets.own, targets.others, *targets.lying):
        yield Hostile("nobody", "GET", address, query(dice), wanted=refused)
    for tail in ("progress", "files/outcomes.jsonl", "files/report.json"):
        yield Hostile("nobody", "GET", f"{targets.own}/{tail}", wanted=refused)
    yield Hostile("nobody", "POST", targets.own, headers=form(), parts=(query(dice),), wanted=refused)
    yield Hostile("nobody", "POST", f"{targets.own}/control", headers=ours(), parts=(dump("stop"),), wanted=refused)
    for token in made_up(dice):
        for header in (
            (b"authorization", b"Bearer " + token),
            (b"cookie", b"_token=" + token),
            (b"authorization", token),
        ):
            yield Hostile("nobody", "GET", targets.own, headers=[header], wanted=refused)


def made_up(dice):
    """Yield tokens that Airflow never gave."""
    import jwt

    claims = {"sub": "grace", "role": "ADMIN", "aud": "apache-airflow", "iat": 0, "nbf": 0, "exp": 10**10}
    yield b"eyJhbGciOiJub25lIn0." + jwt.utils.base64url_encode(json.dumps(claims).encode()) + b"."
    for secret in ("secret" * 12, "x" * 64):
        yield jwt.encode(claims, secret, algorithm=dice.choice(["HS512", "HS256"])).encode()
    yield from (b"", b"x", b"a.b.c", b"null", b"\xff", b"a" * 5_000, b"..", b"eyJ.eyJ.", b"' OR 1=1 --")


KINDS = (
    elsewhere,
    of_others,
    by_lies,
    by_other_methods,
    asked_strangely,
    bodies,
    from_another_site,
    without_the_right,
    by_nobody,
)


def query(dice):
    """Return a query that asks for something that there is not."""
    given = {
        "page": dice.choice(NUMBERS),
        "sort": dice.choice(["__class__", "start; DROP TABLE xcom", "host", "new", "\0", "sort", "a" * 3_000]),
        "dir": dice.choice(["down", "sideways", "", "\u202e"]),
        "q": dice.choice(
            ["", "\0", "%", "(" * 200, "a" * 3_000, "<script>", "' OR 1=1", "\u202e", "booking \u0130", "ß", *SOUGHT]
        ),
        "plan": "/etc/passwd",
        "path": "../outside.txt",
        "dag_id": "room_of_others",
        "go": "q=b&page=2",
    }
    names = dice.sample(sorted(given), dice.randrange(1, 6))
    raw = urlencode({name: given[name] for name in names}).encode()
    return raw + dice.choice([b"", b"", b"&q=%ff%fe", b"&%00=%00", b"&" * 50, b"&page=2&page=3"])


SOUGHT = ("xyzzy", "xyzzy-of", "stefanie")
"""How the texts begin that are not to be seen; not the whole of them, since a page shows what was searched for."""


def go(dice):
    inner = query(dice).decode("latin-1")
    return urlencode({"q": "b", "go": inner}).encode()


def form():
    return [(b"content-type", b"application/x-www-form-urlencoded")]


def ours(changed=None):
    """Return the headers of the script of our page, some of them changed."""
    return [(name, value) for name, value in {**OURS, **(changed or {})}.items() if value is not None]


def dump(action):
    return json.dumps({"action": action}).encode()
