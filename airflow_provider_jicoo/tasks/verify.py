"""``python -m airflow_provider_jicoo.tasks.verify s3://conn@bucket/plan.jsonl``: verify where a connection leads.

The same as :mod:`airflow_provider_jicoo.bulk.verify`, which does without Airflow, for plans that one of Airflow's
connections is needed for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from airflow_provider_jicoo.bulk.verify.__main__ import main as verify
from airflow_provider_jicoo.tasks.storage import open_path


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify a report; return the exit code."""
    return verify(arguments, lambda text: open_path("PLAN", text), "airflow_provider_jicoo.tasks.verify")


if __name__ == "__main__":
    sys.exit(main())
