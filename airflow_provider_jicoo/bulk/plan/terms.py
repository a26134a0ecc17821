"""What holds for all changes of a plan: whether guests are messaged, with which words, and at which Jicoo."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_jicoo.api.exhaustive import assert_never
from airflow_provider_jicoo.bulk.changes import (
    Change,
    ReplaceHost,
    ShiftTime,
    UpdateFields,
)
from airflow_provider_jicoo.bulk.documents import TermsDocument
from airflow_provider_jicoo.bulk.errors import PlanError
from airflow_provider_jicoo.bulk.plan.file import PlannedChange


@dataclass(frozen=True)
class Terms:
    """What holds for all changes of a plan.

    :param is_send_updates: whether Update Booking messages the guests; None where nothing is updated.
    :param update_message: words for those messages.
    :param base_url: the Jicoo that the plan is for.
    """

    is_send_updates: bool | None
    update_message: str | None
    base_url: str

    def check(self, change: Change) -> None:
        """Refuse what cannot be kept.

        :raises PlanError: says what is missing or in contradiction.
        """
        if self.is_send_updates is not None and not isinstance(self.is_send_updates, bool):
            # A non-empty text such as "false" would count as true.
            raise PlanError(f"is_send_updates: {self.is_send_updates!r} is neither True nor False")
        # A function or an undo decides per booking, which is not known yet: their lines are checked one by one.
        updates = isinstance(change, (UpdateFields, ReplaceHost, ShiftTime))
        if self.is_send_updates is None and updates:
            raise PlanError(
                "is_send_updates must be said: True messages the guest of every booking, False messages nobody"
            )
        if self.update_message is not None:
            if not self.is_send_updates:
                raise PlanError("update_message is given, but is_send_updates is not True: nobody would get it")
            if len(self.update_message) > 2000:
                raise PlanError(f"update_message: {len(self.update_message)} characters, at most 2000")

    def messages(self, planned: PlannedChange) -> bool:
        """Tell whether a change messages its guest.

        :raises PlanError: the plan does not say, or promises silence or words that Jicoo does not keep.
        """
        match planned.action:
            case "update":
                if self.is_send_updates is None:
                    raise PlanError(
                        f"booking {planned.uid}: is_send_updates must be said, True or False, for an update"
                    )
                return self.is_send_updates
            case "cancel":
                instead = ""
            case "reschedule":
                instead = ", or use ShiftTime"
            case _:
                assert_never(planned.action)
        if self.update_message is not None:
            raise PlanError(
                f"booking {planned.uid}: update_message is given, but Jicoo takes no words with a {planned.action}: "
                "the guest would not get them; leave it out"
            )
        if self.is_send_updates is False:
            raise PlanError(
                f"booking {planned.uid}: Jicoo messages the guest at every {planned.action}, so that "
                f"is_send_updates=False cannot be kept; leave it out{instead}"
            )
        return True

    def json(self) -> TermsDocument:
        """Return the terms as they stand in the header."""
        return {
            "isSendUpdates": self.is_send_updates,
            "updateMessage": self.update_message,
            "baseUrl": self.base_url,
        }


def check_count(name: str, given: int | None, least: int = 0) -> None:
    """Refuse what is no whole number: a limit of NaN, say, would limit nothing.

    :raises PlanError: with the value.
    """
    if given is None:
        return
    if not isinstance(given, int) or isinstance(given, bool):
        raise PlanError(f"{name}: {given!r} is no whole number")
    if given < least:
        raise PlanError(f"{name}: {given!r} is not {least} or more")
