"""What the tries of one task know of each other where plan and apply are one: the plan that an earlier one has made."""

from __future__ import annotations

import json
import logging
import socket
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_jicoo.tasks.storage import is_local

if TYPE_CHECKING:
    from airflow_provider_jicoo.bulk.documents import Manifest, Owner

log = logging.getLogger(__name__)

_KEY = "plan"


class Tries:
    """The tries of a task, at one of them.

    :param path: of the plan.
    :param owner: the task, as it stands in the header of its plan.
    :param store: Airflow's task state store, which outlives a try wherever it runs; None before Airflow 3.3.
    """

    def __init__(self, path: Any, owner: Owner, store: Any) -> None:
        self._path, self._owner, self._store = path, owner, store

    def earlier_plan(self) -> Manifest | None:
        """Return the manifest of the plan of an earlier try, or None where it has sent nothing: plan anew then.

        :raises PlanMismatchError: it is damaged.
        :raises PlanError: it is gone, and something of it may have been sent.
        """
        from airflow_provider_jicoo.bulk.errors import PlanMismatchError
        from airflow_provider_jicoo.bulk.plan import PlanFile
        from airflow_provider_jicoo.bulk.plan.header import manifest_of, read_header

        if not self._path.exists():
            self._refuse_if_sent()
            return None
        try:
            header = read_header(self._path)
            if header.get("owner") != self._owner:
                # Whose it is, and that it is not written over, is said where it would be.
                return None
            PlanFile(self._path, header["digest"]).close()
        except PlanMismatchError:
            if self._journals() or self._noted():
                # To plan anew what was begun would change twice what is to be moved by an hour.
                raise
            log.info("an earlier try was ended while it wrote the plan: planning anew")
            return None
        log.info("going on with the plan of an earlier try, %s", header["digest"])
        return manifest_of(self._path, header)

    def _journals(self) -> list[str]:
        from airflow_provider_jicoo.bulk.journal_files import journals

        return journals(self._path)

    def _refuse_if_sent(self) -> None:
        """Refuse to plan anew where an earlier try may have sent something by a plan that is not here.

        :raises PlanError: says where it was, and how to look.
        """
        noted = self._noted()
        if noted:
            raise self._gone(f"it was {noted.get('plan')} on {noted.get('host')}, at {noted.get('at')}")
        if self._journals():
            raise self._gone(f"of it, only {self._journals()[0]} is left")
        # A plan is written before anything is sent. Storage that all workers share has none, so that nothing was sent;
        # a disk of this machine tells so where the earlier try has been here; the store tells so by itself.
        if self._store is None and is_local(str(self._path)) and not self._has_been_here():
            raise self._gone("an earlier try may have run on another machine, or what it wrote was removed")
        log.info("an earlier try made no plan, so that it has sent nothing: planning anew")

    def _gone(self, why: str) -> Exception:
        from airflow_provider_jicoo.bulk.errors import PlanError

        return PlanError(
            f"this is not the first try, and {self._path} is not there: the plan of an earlier try and its journal are "
            f"gone ({why}). It may have changed bookings and messaged guests, and to plan anew could do so twice; "
            "nothing was sent now. Bring plan and journal back and clear the task; or look in Jicoo at the bookings "
            "that were selected, of which updatedAt tells which were changed since the first try began, and start a "
            "new run for the rest"
        )

    def begin(self) -> None:
        """Note on a disk that a try was here, before it plans.

        :raises PlanError: the folder cannot be written to.
        """
        if is_local(str(self._path)):
            from airflow_provider_jicoo.bulk.errors import PlanError
            from airflow_provider_jicoo.bulk.files import make_folder, write_durably

            try:
                make_folder(self._path.parent)
                write_durably(self._mark(), json.dumps({"owner": self._owner, "at": _now()}).encode())
            except OSError as error:
                raise PlanError(f"the plan cannot be written to {self._path}: {error}; nothing was read") from error

    def note(self, manifest: Manifest) -> None:
        """Note in Airflow that a plan is about to be applied, wherever the next try will run.

        An error of Airflow's is not caught: nothing was sent yet, and a next try that does not know could send twice.
        """
        if self._store is not None:
            about = {"plan": manifest["plan"], "digest": manifest["digest"], "host": socket.gethostname(), "at": _now()}
            self._store.set(_KEY, about)

    def _noted(self) -> dict[str, Any] | None:
        return None if self._store is None else self._store.get(_KEY)

    def _mark(self) -> Any:
        return self._path.parent / f"{self._path.name}.begun"

    def _has_been_here(self) -> bool:
        from airflow_provider_jicoo.bulk.files import read_bytes

        try:
            owner: Any = json.loads(read_bytes(self._mark()))["owner"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return bool(owner == self._owner)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
