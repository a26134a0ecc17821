"""Believable bookings out of a seed. The same count, seed and now give the same data."""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from airflow_provider_jicoo.api import times

Section = Literal["user", "event_type", "schedule", "invitation", "team"]
Row = dict[str, Any]

UID_LETTERS = string.ascii_letters + string.digits + "_-"
USER_LETTERS = string.ascii_letters + string.digits

SLOT = timedelta(minutes=30)
SLOTS_PER_DAY = 18  # 09:00 to 18:00 in Tokyo, which is 00:00 to 09:00 UTC
BOOKINGS_PER_WEEKDAY = 30
SHORTEST_SPAN = 60  # days

USERS = (
    ("佐藤 花子", "sato"),
    ("鈴木 一郎", "suzuki"),
    ("高橋 美咲", "takahashi"),
    ("田中 健", "tanaka"),
    ("伊藤 さくら", "ito"),
    ("Emma Wilson", "emma.wilson"),
    ("Lucas Martin", "lucas.martin"),
    ("Olivia Brown", "olivia.brown"),
)
ROLES = ("owner", "admin", "member", "member", "member", "member", "member", "restricted")  # of the users
TEAMS = (("exampleteam", "営業チーム"), ("support", "Support"))
INVITED = (("new.colleague@example.co.jp", "member"), ("keiri@example.co.jp", "restricted"))
# name, hour in Tokyo, minutes, behavior
SCHEDULES = (
    ("週次ミーティング", 9, 60, "work"),
    ("Team lunch", 12, 60, "event"),
    ("採用面接の準備", 14, 30, "work"),
    ("Quarterly review", 15, 90, "event"),
    ("棚卸し", 16, 120, "work"),
)
GUESTS = (
    ("山田 太郎", "taro.yamada", "Asia/Tokyo"),
    ("渡辺 結衣", "yui.watanabe", "Asia/Tokyo"),
    ("中村 翔太", "shota.nakamura", "Asia/Tokyo"),
    ("小林 陽菜", "hina.kobayashi", "Asia/Tokyo"),
    ("加藤 大輔", "daisuke.kato", "Asia/Tokyo"),
    ("吉田 あゆみ", "ayumi.yoshida", "Asia/Tokyo"),
    ("松本 直樹", "naoki.matsumoto", "Asia/Tokyo"),
    ("井上 真理", "mari.inoue", "Asia/Tokyo"),
    ("John Doe", "john.doe", "America/New_York"),
    ("María García", "maria.garcia", "Europe/Madrid"),
    ("Noah O'Connor", "noah.oconnor", "Europe/Dublin"),
    ("Sophie Müller", "sophie.mueller", "Europe/Berlin"),
    ("Priya Sharma", "priya.sharma", "Asia/Kolkata"),
    ("Liam Tremblay", "liam.tremblay", "America/Toronto"),
    ("Chloe Nguyen", "chloe.nguyen", "Australia/Sydney"),
    ("Grace Kim", "grace.kim", "America/Los_Angeles"),
)
COMPANIES = (None, None, "株式会社みらい商事", "さくら工業株式会社", "Northwind Ltd", "Contoso KK", "Example & Sons")
MAIL_DOMAINS = ("example.com", "example.org", "example.net", "example.jp")
PRIORITIES = (None, None, None, "low", "middle", "high")
DESCRIPTIONS = (None, None, "資料を事前にお送りします。", "Please prepare the contract draft.", "2回目のご相談です。")
CANCEL_REASONS = (None, "都合が悪くなりました", "Schedule conflict")
QUESTIONS = ("ご相談内容をお聞かせください", "How did you hear about us?")
ADDRESSES = ("東京都千代田区丸の内1-1-1", "大阪府大阪市北区梅田2-2-2")

HOST_ROLES = ("admin", "editor", "viewer", "viewer")
HOST_PRIORITIES = (2, 1, 1, 0)
# name, minutes, location, needs approval
EVENT_TYPES = (
    ("初回相談", 30, "googleMeet", False),
    ("Product demo", 30, "zoom", False),
    ("オンライン面談", 60, "zoom", False),
    ("来店予約", 60, "inPerson", False),
    ("電話サポート", 30, "phone", False),
    ("Technical interview", 60, "teams", True),
    ("導入ワークショップ", 90, "custom", False),
)

SCHEDULE: Row = {
    "description": None,
    "routine": None,
    "isRemind": False,
    "projectId": None,
    "phoneNumber": None,
    "access": None,
    "address": None,
    "customLocation": None,
    "isAllDay": False,
    "timeZone": "Asia/Tokyo",
    "priority": None,
    "displayType": "teamPublic",
    "location": None,
    "transparency": "opaque",
    "visibilityType": "default",
    "behavior": "event",
    "status": "open",
    "url": None,
}
"""What the fields of a schedule are that nobody gave."""


@dataclass
class Data:
    """What a fresh sandbox holds; each mapping is in the order of creation.

    :param users: hosts, by uid.
    :param event_types: event types, by uid; their fields are the sandbox's own.
    :param bookings: bookings as the API gives them, by uid.
    :param contacts: the guests of each booking, by the booking's uid.
    :param schedules: schedules as the API gives them, by uid.
    :param invitations: invitations into the organization, by uid; their fields are the sandbox's own.
    :param teams: teams, by uid; their fields are the sandbox's own.
    """

    users: dict[str, Row]
    event_types: dict[str, Row]
    bookings: dict[str, Row]
    contacts: dict[str, list[Row]]
    schedules: dict[str, Row] = field(default_factory=dict)
    invitations: dict[str, Row] = field(default_factory=dict)
    teams: dict[str, Row] = field(default_factory=dict)

    def of(self, section: Section) -> dict[str, Row]:
        """Return the rows of a section, by uid."""
        by_section = {
            "user": self.users,
            "event_type": self.event_types,
            "schedule": self.schedules,
            "invitation": self.invitations,
            "team": self.teams,
        }
        return by_section[section]


def make(count: int, seed: int, now: datetime) -> Data:
    """Make ``count`` bookings, half of them before ``now`` and half after it."""
    chance = random.Random(seed)
    users = {}
    for (name, mail), role in zip(USERS, ROLES, strict=True):
        uid = text(chance, USER_LETTERS, 28)
        users[uid] = {"uid": uid, "name": name, "email": f"{mail}@example.co.jp", "role": role}
    event_types = {}
    for name, minutes, location, approval in EVENT_TYPES:
        uid = text(chance, UID_LETTERS, 12)
        hosts = chance.sample(list(users), 4)
        event_types[uid] = {
            "uid": uid,
            "name": name,
            "status": "enable",
            "duration": minutes,
            "locationId": location,
            "needsApproval": approval,
            "hosts": hosts,
            "given": {
                host: {"role": role, "priority": priority, "userType": "host"}
                for host, role, priority in zip(hosts, HOST_ROLES, HOST_PRIORITIES, strict=True)
            },
            "questions": {text(chance, UID_LETTERS, 12): question for question in QUESTIONS},
        }
    made = _Bookings(chance, now.astimezone(timezone.utc), count, list(users), list(event_types.values()))
    rows = sorted((made.one(number) for number in range(count)), key=lambda row: (row[0]["createdAt"], row[0]["uid"]))
    return Data(
        users,
        event_types,
        {booking["uid"]: booking for booking, _ in rows},
        {booking["uid"]: contacts for booking, contacts in rows},
        _by_uid(_schedules(random.Random(f"schedules {seed}"), now.astimezone(timezone.utc), list(users.values()))),
        _by_uid(_invitations(random.Random(f"invitations {seed}"), now)),
        _by_uid({"uid": uid, "name": name} for uid, name in TEAMS),
    )


def _by_uid(rows: Iterable[Row]) -> dict[str, Row]:
    return {row["uid"]: row for row in rows}


def _schedules(chance: random.Random, now: datetime, users: list[Row]) -> Iterator[Row]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for name, hour, minutes, behavior in SCHEDULES:
        start = midnight + timedelta(days=chance.randrange(1, 30), hours=hour - 9)
        people = chance.sample(users, chance.randrange(1, 4))
        yield {
            **SCHEDULE,
            "uid": text(chance, UID_LETTERS, 12),
            "name": name,
            "attendees": [
                {"userId": user["uid"], "email": user["email"], "role": "viewer" if at else "admin", "userType": "host"}
                for at, user in enumerate(people)
            ],
            "behavior": behavior,
            "startedAt": times.wire(start),
            "endedAt": times.wire(start + timedelta(minutes=minutes)),
            "createdAt": times.wire(now),
            "updatedAt": times.wire(now),
        }


def _invitations(chance: random.Random, now: datetime) -> Iterator[Row]:
    for email, role in INVITED:
        created = times.wire(now.astimezone(timezone.utc))
        yield {"uid": text(chance, UID_LETTERS, 12), "email": email, "role": role, "createdAt": created}


def text(chance: random.Random, letters: str, length: int) -> str:
    """Return a random text."""
    return "".join(chance.choices(letters, k=length))


def place(location: str | None, chance: random.Random) -> Row:
    """Return the five fields that say where a booking takes place."""
    fields: Row = {"url": None, "phoneNumber": None, "address": None, "customLocation": None, "access": None}
    if location in ("zoom", "googleMeet", "teams"):
        fields["url"] = f"https://meet.example.com/{text(chance, string.ascii_lowercase, 10)}"
    elif location in ("phone", "askInvitee"):
        fields["phoneNumber"] = f"+81-3-5555-{chance.randrange(10_000):04d}"
    elif location == "inPerson":
        fields["address"] = chance.choice(ADDRESSES)
        fields["access"] = "駅の北口から徒歩5分"
    elif location == "custom":
        fields["customLocation"] = "3F 会議室B"
    return fields


class _Bookings:
    def __init__(
        self, chance: random.Random, now: datetime, count: int, users: list[str], event_types: list[Row]
    ) -> None:
        self.chance = chance
        self.now = now
        self.count = count
        self.users = users
        self.event_types = event_types
        self.days = max(SHORTEST_SPAN, count * 7 // (5 * BOOKINGS_PER_WEEKDAY))
        self.uids: set[str] = set()
        self.busy: set[tuple[str, int]] = set()

    def one(self, number: int) -> tuple[Row, list[Row]]:
        chance = self.chance
        event_type = chance.choice(self.event_types)
        hosts = chance.sample(self.users, chance.choices((1, 2, 3), (70, 20, 10))[0])
        status = chance.choices(("open", "cancel", "request"), (75, 18, 7))[0]
        start = self._slot(hosts, event_type["duration"], taken=status != "cancel", past=number % 2 == 0)
        created = min(start, self.now) - timedelta(milliseconds=chance.randrange(3_600_000, 30 * 86_400_000))
        edited = status == "cancel" or chance.random() < 0.4
        updated = created + (min(start, self.now) - created) * (chance.random() if edited else 0)
        guest = chance.choice(GUESTS)
        booking: Row = {
            "uid": self._uid(number),
            "eventTypeId": event_type["uid"],
            "name": f"{guest[0]} / {event_type['name']}",
            "description": chance.choice(DESCRIPTIONS),
            "status": status,
            "startedAt": times.wire(start),
            "endedAt": times.wire(start + timedelta(minutes=event_type["duration"])),
            "locationId": event_type["locationId"],
            **place(event_type["locationId"], chance),
            "timeZone": guest[2],
            "priority": chance.choice(PRIORITIES),
            "cancelReason": chance.choice(CANCEL_REASONS) if status == "cancel" else None,
            "cancelledAt": times.wire(updated) if status == "cancel" else None,
            "cancelledBy": chance.choice(("host", "guest")) if status == "cancel" else None,
            "hosts": [{"userId": user, "role": "viewer" if at else "admin"} for at, user in enumerate(hosts)],
            "createdAt": times.wire(created),
            "updatedAt": times.wire(updated),
        }
        more = chance.sample(GUESTS, chance.choices((0, 1, 2), (85, 10, 5))[0])
        return booking, [self._contact(one, booking["createdAt"]) for one in (guest, *more)]

    def _uid(self, number: int) -> str:
        # Ids that begin so were seen in the wild, and are the ones that an argument parser takes for an option.
        first = "_" if number % 17 == 3 else "-" if number % 23 == 5 else ""
        while True:
            uid = first + text(self.chance, UID_LETTERS, 12 - len(first))
            if uid not in self.uids:
                self.uids.add(uid)
                return uid

    def _slot(self, hosts: list[str], minutes: int, *, taken: bool, past: bool) -> datetime:
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        blocks = minutes // 30
        while True:
            away = self.chance.randrange(1, self.days // 2 + 1)
            day = midnight + timedelta(days=-away if past else away)
            if day.weekday() >= 5:
                continue
            slot = self.chance.randrange(SLOTS_PER_DAY - blocks + 1)
            number = day.toordinal() * SLOTS_PER_DAY + slot
            wanted = {(host, number + block) for host in hosts for block in range(blocks)}
            if not taken or self.busy.isdisjoint(wanted):
                if taken:
                    self.busy |= wanted
                return day + slot * SLOT

    def _contact(self, guest: tuple[str, str, str], created: str) -> Row:
        chance = self.chance
        name, mail, _ = guest
        email = f"{mail}{chance.randrange(1000)}@{chance.choice(MAIL_DOMAINS)}"
        return {
            "name": name,
            "email": email,
            "ccEmails": [f"cc.{email}"] if chance.random() < 0.1 else [],
            "company": chance.choice(COMPANIES),
            "phoneNumber": f"+81-90-5555-{chance.randrange(10_000):04d}" if chance.random() < 0.5 else None,
            "message": None,
            "textRemindNumber": None,
            "textRemindCountryCode": None,
            "answers": [{"question": QUESTIONS[0], "content": ["導入について"]}] if chance.random() < 0.5 else [],
            "createdAt": created,
            "updatedAt": created,
        }
