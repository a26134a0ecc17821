"""Ask people whether a plan may be applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.definitions.param import ParamsDict

from airflow_provider_jicoo.tasks.compat import WAITS, AirflowFailException, stored_form
from airflow_provider_jicoo.tasks.failure import fail_without_retry
from airflow_provider_jicoo.tasks.given import as_int, as_json, as_span, unrendered
from airflow_provider_jicoo.tasks.storage import open_path

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.notifier import BaseNotifier
    from airflow.sdk.execution_time.hitl import HITLUser

REJECT = "Reject"
STALE = (
    "Airflow before 3.4 keeps the form of a task that is cleared or retried, and this one is from an earlier try: what "
    "it shows is not what would be applied. Nothing was sent. Start a new run of the DAG: it plans and asks anew"
)


@dataclass(frozen=True)
class _Asked:
    """What is asked about.

    :param path: of the plan.
    """

    path: str
    digest: str
    changes: int
    guests_notified: int
    irreversible: int
    summary: str

    @property
    def approve(self) -> str:
        """The option that agrees: with the beginning of the digest, which the names of the journal have too."""
        return f"Approve {self.digest[:12]}"

    @property
    def subject(self) -> str:
        """What is asked, where the DAG does not say it."""
        told = f", which messages the guests of {self.guests_notified:,}" if self.guests_notified else ""
        lost = f" {self.irreversible:,} of them cannot be undone." if self.irreversible else ""
        return f"Change {self.changes:,} booking{'' if self.changes == 1 else 's'}{told}?{lost}"


class ApproveBookingPlanOperator(HITLOperator):
    """Ask people whether a plan may be applied, and return who agreed to what.

    Stands between :class:`~airflow_provider_jicoo.operators.bulk.PlanBookingChangesOperator` (or an undo) and
    :class:`~airflow_provider_jicoo.operators.bulk.ApplyBookingPlanOperator`, which takes what it returns::

        approve = ApproveBookingPlanOperator(task_id="approve", plan=plan.output)
        ApplyBookingPlanOperator(task_id="apply", plan=plan.output, approval=approve.output)

    The question appears among Airflow's required actions, with the plan's summary. The option that agrees carries the
    beginning of the plan's digest, so that nobody agrees to a plan that they do not see: Airflow before 3.4 shows the
    first try's text when a task is cleared or retried; such a form fails the task, and says so. Who rejects fails the
    task for good, with their name, so that nothing after it runs.

    The plan's header is read for the summary, so that the task must be able to read the plan, as the apply must.

    :param plan: the manifest of a plan, or its path; of a plan in shards, that of the whole. (templated)
    :param subject: the question; by default how many bookings are changed. (templated)
    :param body: words above the plan's summary, in Markdown. (templated)
    :param assigned_users: who may answer: ``{"id": ..., "name": ...}``, or several; by default everybody who may act
        for the DAG. (templated)
    :param expires_after: how long to wait for all the answers, as a ``timedelta`` or a number of seconds; then the task
        fails for good. By default without an end. (templated)
    :param min_approvals: how many different people have to agree, one after the other; the same one twice counts once.
        (templated)
    :param min_changes_to_ask: where the plan has fewer changes, nobody is asked; by default only a plan of nothing is
        not asked for. (templated)
    :param notifiers: told whenever somebody is asked, as for Airflow's ``HITLOperator``.
    :return: ``{"digest": ..., "by": ..., "at": ...}``: the whole digest, the names of those who agreed, and when the
        last one did (ISO 8601, UTC).
    """

    template_fields: Sequence[str] = (
        "plan",
        "subject",
        "body",
        "assigned_users",
        "expires_after",
        "min_approvals",
        "min_changes_to_ask",
    )
    template_fields_renderers = {"body": "md"}  # noqa: RUF012 (as Airflow has it)

    def __init__(
        self,
        *,
        plan: Mapping[str, Any] | str,
        subject: str = "",
        body: str = "",
        assigned_users: HITLUser | list[HITLUser] | None = None,
        expires_after: timedelta | float | str | None = None,
        min_approvals: int | str = 1,
        min_changes_to_ask: int | str = 1,
        notifiers: Sequence[BaseNotifier] | BaseNotifier | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            subject=subject,
            body=body,
            # Which plan it is for is not known yet.
            options=["Approve", REJECT],
            assigned_users=assigned_users,
            notifiers=notifiers,
            **kwargs,
        )
        self.plan = plan
        self.expires_after = expires_after
        self.min_approvals = min_approvals
        self.min_changes_to_ask = min_changes_to_ask

    def validate_params(self) -> None:
        """Leave the parameters of the DAG out of the form: Airflow 3.1 shows them in it, and wants a value of each."""
        self.params = ParamsDict()

    def execute(self, context: Context) -> Any:
        """Ask, unless there is too little to ask about."""
        with fail_without_retry():
            asked = self._read_plan()
            expires_after = as_span("expires_after", unrendered("expires_after", self.expires_after))
            needed = self._needed()
            fewest = as_int("min_changes_to_ask", unrendered("min_changes_to_ask", self.min_changes_to_ask))
        if asked.changes < fewest:
            self.log.info("%s has %d changes: nobody is asked", asked.path, asked.changes)
            return {"digest": asked.digest, "by": f"nobody was asked: {asked.changes} changes", "at": _text(_now())}
        until = None if expires_after is None else (_now() + expires_after).isoformat()
        return self._ask(context, asked, needed, [], until)

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any],
        agreed: list[dict[str, str]] | None = None,
        until: str | None = None,
    ) -> Any:
        """Take an answer, and ask the next one where more have to agree.

        :param agreed: who has agreed before: ``id``, ``name``, ``at``.
        :param until: when all have to have answered.
        """
        with fail_without_retry():
            asked = self._read_plan()
            needed = self._needed()
        self.options = [asked.approve, REJECT]
        answer = super().execute_complete(context, event)
        who = answer["responded_by_user"]
        if not who:
            raise AirflowFailException(f"{asked.path}: the answer does not say who gave it: nobody has agreed")
        if REJECT in answer["chosen_options"]:
            raise AirflowFailException(f"rejected by {who['name']}: {asked.path} is not applied; nothing was sent")
        agreed = list(agreed or [])
        if who["id"] in [each["id"] for each in agreed]:
            self.log.warning("%s has agreed before: %d different people have to agree", who["name"], needed)
        else:
            agreed.append({"id": who["id"], "name": who["name"], "at": _text(answer["responded_at"])})
            self.log.info("%s agrees to %s (%d of %d)", who["name"], asked.digest, len(agreed), needed)
        if len(agreed) < needed:
            return self._ask(context, asked, needed, agreed, until)
        names = ", ".join(each["name"] for each in agreed)
        return {"digest": asked.digest, "by": names, "at": agreed[-1]["at"]}

    def validate_chosen_options(self, chosen_options: list[str]) -> None:
        """Refuse an answer to a form that was made for another plan.

        :raises AirflowFailException: says what to do.
        """
        if len(chosen_options) != 1 or chosen_options[0] not in self.options:
            raise AirflowFailException(f"answered was {chosen_options}, asked is {self.options}: {STALE}")

    def process_trigger_event_error(self, event: dict[str, Any]) -> None:
        """Fail for good where nobody has answered in time."""
        if event["error_type"] == "timeout":
            raise AirflowFailException(
                f"not all have answered in time (expires_after {self.expires_after}): the plan is not applied; nothing "
                "was sent. To ask again, start a new run of the DAG, or clear this task where the plan is still right"
            )
        super().process_trigger_event_error(event)

    def _read_plan(self) -> _Asked:
        """Read the header of the plan.

        :raises PlanMismatchError: it is not there, or is another one.
        """
        from airflow_provider_jicoo.bulk.errors import PlanMismatchError
        from airflow_provider_jicoo.bulk.plan.header import find_shards, read_header

        plan = as_json("plan", unrendered("plan", self.plan))
        digest = plan.get("digest") if isinstance(plan, Mapping) else None
        text = plan.get("plan") if isinstance(plan, Mapping) else plan
        if not isinstance(text, str) or not text:
            raise ValueError(f"plan: {plan!r:.100} is neither a manifest nor a path")
        path = open_path("plan", text)
        header = read_header(path)
        if "summary" not in header:
            told = "one shard of a plan" if "partOf" in header else "a plan of an earlier version, which has no summary"
            raise PlanMismatchError(f"{path} is {told}: ask for the whole plan; its approval is for each of its shards")
        if digest is not None and header["digest"] != digest:
            raise PlanMismatchError(
                f"{path} has the digest {header['digest']} by now, but the plan to ask about has {digest}: another "
                "plan was written over it; nothing was sent"
            )
        find_shards(path, header)
        return _Asked(
            str(path),
            header["digest"],
            header["changes"],
            header["guests_notified"],
            header["irreversible"],
            header["summary"],
        )

    def _needed(self) -> int:
        """Return how many have to agree.

        :raises ValueError: so many cannot.
        """
        needed: int = as_int("min_approvals", unrendered("min_approvals", self.min_approvals))
        if needed < 1:
            raise ValueError(f"min_approvals: {needed} is not 1 or more")
        people: Any = as_json("assigned_users", self.assigned_users) or None
        if isinstance(people, Mapping):
            people = [people]
        for user in people or ():
            if not isinstance(user, Mapping) or not {"id", "name"} <= user.keys():
                raise ValueError(f'assigned_users: {user!r:.100} is not as {{"id": "sato", "name": "Sato"}}')
        self.assigned_users = people
        ids = {user["id"] for user in people or ()}
        if people and len(ids) < needed:
            raise ValueError(f"min_approvals: {needed} have to agree, but only {len(ids)} may answer (assigned_users)")
        return needed

    def _ask(
        self, context: Context, asked: _Asked, needed: int, agreed: list[dict[str, str]], until: str | None
    ) -> Any:
        """Ask one person, and wait.

        :raises AirflowFailException: Airflow would show the form of another plan.
        """
        self.options = [asked.approve, REJECT]
        self.subject = self.subject or asked.subject
        parts = [self.body, _still_needed(needed, agreed), asked.summary]
        self.body = "\n\n".join(part for part in parts if part)
        if until is not None:
            # Airflow 3.1 takes it from the one, later ones from the other.
            left = datetime.fromisoformat(until) - _now()
            self.response_timeout = self.execution_timeout = max(left, timedelta(seconds=1))
        if context["ti"].try_number > 1:
            self._refuse_stale(stored_form(self, context))
            if not agreed:
                self.log.warning("Asked anew: whoever has answered an earlier try has to answer again")
        self.log.info(self._awaited(needed, agreed, until))
        try:
            return super().execute(context)
        except WAITS as wait:
            wait.kwargs = {**(wait.kwargs or {}), "agreed": agreed, "until": until}  # type: ignore[attr-defined]
            raise

    def _awaited(self, needed: int, agreed: list[dict[str, str]], until: str | None) -> str:
        """Say who has agreed, who is awaited, and until when."""
        heard = {each["id"] for each in agreed}
        people = [user["name"] for user in self.assigned_users or () if user["id"] not in heard]
        so_far = f"{', '.join(each['name'] for each in agreed)} agreed; " if agreed else ""
        who = ", ".join(people) or "everybody who may act for the DAG" + (", but for them" if agreed else "")
        end = "without an end" if until is None else f"until {until[:19]}Z, and then the task fails"
        return f"{so_far}{needed - len(agreed)} of {needed} still to agree: {who}; {end}"

    def _refuse_stale(self, shown: tuple[list[str], set[str]] | None) -> None:
        """Refuse to wait for an answer to another form.

        :param shown: the options that people see, and the ids of those who may answer.
        :raises AirflowFailException: they are those of an earlier try.
        """
        if shown is None:
            return
        options, people = shown
        if options != self.options:
            raise AirflowFailException(f"shown would be {options}, asked is {self.options}: {STALE}")
        if people != {user["id"] for user in self.assigned_users or ()}:
            raise AirflowFailException(f"{sorted(people) or 'everybody'} could answer, not assigned_users: {STALE}")


def _still_needed(needed: int, agreed: list[dict[str, str]]) -> str:
    if needed == 1:
        return ""
    so_far = f" So far: {', '.join(each['name'] for each in agreed)}." if agreed else ""
    return f"**{needed} different people have to agree, one after the other.**{so_far}"


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _text(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")
