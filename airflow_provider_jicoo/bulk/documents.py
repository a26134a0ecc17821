"""The documents of a bulk change, as they stand in files and in XComs: what has which key, and what it means.

==================== ============================== ===========================================================
document             where                          its type
==================== ============================== ===========================================================
manifest             ``Plan.manifest``, an XCom     :class:`Manifest`, of a shard :class:`ShardManifest`
header of a plan     first line of ``<plan>``       :class:`PlanHeader`
note of a plan       an XCom, ``jicoo_plan``        :class:`PlanNote`
note of progress     an XCom, ``jicoo_progress``    :class:`ProgressNote`
planned change       further lines of ``<plan>``    :class:`~airflow_provider_jicoo.bulk.plan.file.PlannedChange`
approval             an XCom, journal and report    :class:`Approval`
control              ``<plan>.control``             :class:`ControlDocument`
claim                ``claim-….json``               :class:`Claim`, in the folder of the journal
release              ``released-….json``            :class:`Release`
stop                 ``stopped-….json``             :class:`StopNote`
told                 ``control-….json``             :class:`ControlNote`
segment              ``….jsonl`` of the journal     :class:`IntentLine`, :class:`OutcomeLine` and :class:`EndLine`
report               ``report.json``                :class:`ReportFacts`
outcomes             ``outcomes.jsonl``             :class:`ReportedOutcome`
==================== ============================== ===========================================================

All are JSON in UTF-8; ``<plan>`` and the segments are JSON Lines. Times are ISO 8601 in UTC, but where "seconds since
the epoch" is said. ``docs/documents.md`` tells the same to users. Light to import, and known to every room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, final

if TYPE_CHECKING:
    from typing_extensions import NotRequired

    from airflow_provider_jicoo.bulk.changes import Action


class Owner(TypedDict):
    """The task of Airflow that made a plan."""

    dagId: str
    """Id of its DAG."""
    runId: str
    """Id of its run."""
    taskId: str
    """Id of the task."""
    mapIndex: int
    """-1 where the task is not mapped."""


class TermsDocument(TypedDict):
    """What holds for all changes of a plan. Its bytes are part of the digest."""

    isSendUpdates: bool | None
    """Whether Update Booking messages the guests; null where nothing is updated."""
    updateMessage: str | None
    """Words for those messages."""
    baseUrl: str
    """The Jicoo that the plan is for."""


class Counts(TypedDict):
    """What a plan, or one of its shards, would do."""

    digest: str
    """SHA-256 over the terms and the lines, 64 hexadecimal digits; of a plan in shards, over the digests of these."""
    changes: int
    """How many bookings will be changed."""
    unchanged: int
    """How many that were selected are so already, and are not in the plan. 0 in a shard."""
    guests_notified: int
    """The guests of how many bookings will be messaged."""
    irreversible: int
    """How many changes nothing takes back: cancellations."""


class ShardManifest(Counts):
    """A shard of a plan, to be applied by itself."""

    plan: str
    """The path of the file."""


class Manifest(ShardManifest):
    """A plan as tasks hand it on: what an apply needs to know."""

    shards: list[ShardManifest]
    """The parts to apply; of a plan that is not in shards, the plan itself."""
    warnings: list[str]
    """What could not be proved of the list of bookings, and other texts for people."""
    requests: int
    """How many requests an apply takes as a rule."""


class Applied(TypedDict):
    """What a task returns that applies a plan."""

    report: str
    """The path of the report's folder."""
    counts: dict[str, int]
    """How many changes ended in which outcome; every outcome is there."""


class AppliedManifest(Manifest, Applied):
    """What a task returns that plans and applies."""


class PlanNote(Counts):
    """What a task notes of the plan that it makes or applies, for the page of its run."""

    plan: str
    """The path of the file."""
    shards: int
    """In how many parts it is; 1 where it is in one."""
    applies: bool
    """Whether the task applies the plan; false where it makes it only."""
    approval: Approval | None
    """Who agreed to it, as the apply was told."""
    control: str | None
    """The Airflow Variable that tells the apply what to do; null where it is the file beside the plan."""


class ProgressNote(TypedDict):
    """How far an apply is, for the page of its run."""

    total: int
    """How many changes are planned."""
    done: int
    """How many have an outcome, also those of earlier tries."""
    counts: dict[str, int]
    """How many ended in which outcome so far; those that none has ended in are left out."""
    rate: float
    """Changes per second lately."""
    remaining: int | None
    """Seconds to go at that rate; null where that cannot be told."""
    paused: bool
    """Whether it is paused."""
    at: str
    """When that was so."""
    timeline: list[TimelineSample]
    """At most 120 samples of this try."""


class ShardName(TypedDict):
    """A shard as the headers of the others name it."""

    name: str
    """Its file, in the folder of the plan."""
    digest: str
    """Its own."""


class PartOf(TypedDict):
    """The plan that a shard is of."""

    plan: str
    """The file of the whole, in the same folder."""
    shards: list[ShardName]
    """All of its shards, in order."""


class LeftAlone(TypedDict):
    """A booking, or a field of it, that an undo does not take back."""

    uid: str
    """The booking."""
    why: str
    """Why, in words."""


class PlanAbout(TypedDict):
    """Where a plan comes from: part of its header."""

    selection: dict[str, str]
    """Which bookings, as they were selected, by the names of the fields of ``Selection`` that were given."""
    change: dict[str, str]
    """``change`` is the kind, the rest is what it was given; values that may be words for a guest are left out."""
    madeBy: str
    """Who made it, in words."""
    owner: Owner | None
    """The task that made it; null outside of Airflow."""
    warnings: list[str]
    """As in the manifest."""
    leftAlone: NotRequired[list[LeftAlone]]
    """What an undo leaves alone; absent in other plans."""


class PlanHeader(PlanAbout, Counts):
    """The first line of a plan."""

    jicoo_plan: int
    """The version of the format, 1. It stands first."""
    madeAt: str
    """When it was made."""
    cycles: list[list[str]]
    """Ids of bookings that take each other's slots in a circle, so that no order works."""
    terms: NotRequired[TermsDocument]
    """Absent in the header of a plan in shards, which has no changes itself."""
    hosts: NotRequired[dict[str, str]]
    """Names of the hosts in it by their ids, as far as they are known."""
    summary: NotRequired[str]
    """The plan in Markdown, to be read before it is agreed to; absent in a shard."""
    shards: NotRequired[list[str]]
    """The files of the shards, beside this one; only where the plan is in shards."""
    partOf: NotRequired[PartOf]
    """Only in a shard."""


class Approval(TypedDict):
    """Who agreed to a plan."""

    digest: str
    """Of the plan that they saw; that of the whole covers each of its shards."""
    by: str
    """Their names."""
    at: str
    """When the last of them did."""


class ControlDocument(TypedDict, total=False):
    """What an apply is told while it runs."""

    state: Literal["run", "pause", "stop"]
    """``run`` by default. ``stop`` is final for who is stopped."""
    max_requests_per_second: float | None
    """A ceiling on top of the learnt pace; none by default."""


class ControlNote(TypedDict):
    """Somebody told a run what to do, in Airflow's UI."""

    by: str
    """Their name in Airflow."""
    at: float
    """Seconds since the epoch."""
    state: str
    """As in the control."""
    max_requests_per_second: float | None
    """As in the control."""


class Claim(TypedDict):
    """A worker has taken the plan."""

    lease: float
    """Seconds for which it may send after it has looked for a later claim."""
    at: float
    """Seconds since the epoch."""
    token: str
    """32 hexadecimal digits, unlike those of any other worker."""
    approval: Approval | None
    """Who agreed to what it carries out."""


class Release(TypedDict):
    """A worker sends nothing more."""

    segments: int
    """How many segments it wrote."""
    token: str
    """That of its claim."""


class StopNote(TypedDict):
    """Somebody stopped a worker for good."""

    by: str
    """Who ran it."""
    at: float
    """Seconds since the epoch."""


@final
class IntentLine(TypedDict):
    """Changes that are about to be sent, each time anew: in doubt, until an outcome follows."""

    intent: list[str]
    """The ids of the bookings."""


@final
class OutcomeLine(TypedDict):
    """What became of a change."""

    uid: str
    """The booking."""
    outcome: str | None
    """One of ``Outcome``; null where it was announced, but never sent."""
    updatedAt: NotRequired[str]
    """The booking's own, after the change, where it is known."""
    detail: NotRequired[str]
    """Why, in words for a person."""
    stored: NotRequired[dict[str, Any]]
    """Fields that Jicoo stored in another way than they were sent, as they were after the change."""
    adjusted: NotRequired[bool]
    """True where one of them is more than another way of writing the same."""
    sends: NotRequired[int]
    """How often the change left, as far as it may have arrived."""


class EndLine(TypedDict):
    """The last line of a segment: without it, nothing in the segment was acted on."""

    end: bool
    """Always true."""


class ReportedOutcome(TypedDict):
    """What became of one planned change, in the order of the plan."""

    uid: str
    """The booking."""
    action: Action
    """``update``, ``reschedule`` or ``cancel``."""
    outcome: str
    """One of ``Outcome``."""
    detail: NotRequired[str]
    """Why, in words for a person."""
    adjusted: NotRequired[bool]
    """True where Jicoo stored another value than was sent."""
    sends: NotRequired[int]
    """How often it left, where that is more than once."""


class TimelineSample(TypedDict):
    """Where a run was at one moment: totals so far."""

    seconds: float
    """Since the first sample."""
    done: int
    """Changes with an outcome."""
    requests: int
    """Requests of this try."""
    refused: int
    """How many of them with 429 or 503."""
    pace: float | None
    """The learnt pace in requests per second; null while nothing limits it."""


# "try" is a word of the language.
_Try = TypedDict("_Try", {"try": int})


class TryFacts(_Try):
    """One try at a plan that came to its end. ``try`` is its number, from 1; one that was killed leaves none."""

    startedAt: str | None
    """When it began."""
    endedAt: str | None
    """When it ended."""
    seconds: float
    """Between the two."""
    requests: int
    """How many requests were answered or lost in it."""
    refused: int
    """How many of them with 429 or 503."""
    sentAgain: int
    """How often one was sent again, or read back."""
    endedEarly: str | None
    """Why it ended before its end."""


class Reason(TypedDict):
    """Why changes did not go through."""

    outcome: str
    """One of ``Outcome``."""
    detail: str
    """Why, in words; where several differ in numbers, times or ids only, with … in their place."""
    count: int
    """How many there are."""
    uids: list[str]
    """The first bookings of these, at most 20."""


class ReportFacts(_Try):
    """What became of a plan. ``try`` is which try wrote it, from 1.

    In the report of several shards, texts of each stand beside each other, and numbers are added up.
    """

    plan: str
    """The path of the plan."""
    digest: str
    """That of the plan."""
    approval: Approval | None
    """Who agreed to it."""
    jicoo: str
    """The Jicoo that it was applied to."""
    selection: dict[str, str] | None
    """As in the plan's header."""
    change: dict[str, str] | None
    """As in the plan's header."""
    changes: int
    """How many were planned."""
    counts: dict[str, int]
    """How many ended in which outcome; every outcome is there."""
    endedEarly: str | None
    """Why the run ended before its end."""
    startedAt: str | None
    """When this try began."""
    endedAt: str | None
    """When it ended."""
    seconds: float
    """Between the two."""
    requests: int
    """How many requests were answered or lost in this try."""
    refused: int
    """How many of them with 429 or 503."""
    sentAgain: int
    """How often one was sent again, or read back."""
    adjusted: int
    """How many changes Jicoo stored with another value than was sent."""
    sentMoreThanOnce: int
    """How many changes may have been made more than once."""
    timeline: list[TimelineSample]
    """At most 600 samples; none in the report of several shards."""
    tries: list[TryFacts]
    """All tries that came to their end, this one among them; none in the report of several shards."""
    reasons: list[Reason]
    """Why changes did not go through, the worst first; at most 204."""
