"""The one place where a change gets its outcome, and where the run ends once too much has gone wrong."""

from __future__ import annotations

from airflow_provider_jicoo.bulk.apply.change import Change
from airflow_provider_jicoo.bulk.apply.gate import Gate
from airflow_provider_jicoo.bulk.apply.ledger import Ledger
from airflow_provider_jicoo.bulk.apply.options import Options
from airflow_provider_jicoo.bulk.apply.waves import Tolerance
from airflow_provider_jicoo.bulk.errors import BulkFailedError
from airflow_provider_jicoo.bulk.outcomes import Entry, Outcome


class Settler:
    """Records outcomes, and closes the gate when more went wrong than is tolerated.

    :param total: planned changes.
    """

    def __init__(self, ledger: Ledger, gate: Gate, options: Options, total: int) -> None:
        self._ledger, self._gate = ledger, gate
        self._options, self._total = options, total
        self._tolerance = Tolerance(options.tolerated_failures)

    def settle(self, change: Change, entry: Entry) -> None:
        """Record what became of a change.

        :raises WayError: it cannot have become that.
        """
        self._ledger.record(change, entry)
        if entry.outcome is not None and (entry.outcome.is_bad or entry.outcome is Outcome.STALE):
            self._check()

    def _check(self) -> None:
        bad, stale = sum(self._ledger.bad.values()), self._ledger.counts[Outcome.STALE]
        if self._options.on_stale == "fail" and stale:
            reason = f"{stale} bookings were edited since the plan was made"
            self._gate.close(reason, BulkFailedError(reason, permanent=True))
        elif self._tolerance.exceeded(bad, self._total):
            reason = f"{bad} changes went wrong, and {self._options.tolerated_failures} are tolerated"
            for_good = self._tolerance.exceeded(self._ledger.counts[Outcome.REJECTED], self._total)
            self._gate.close(reason, BulkFailedError(reason, permanent=for_good))
