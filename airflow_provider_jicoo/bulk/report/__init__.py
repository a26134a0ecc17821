"""What became of a plan: ``report.json``, ``outcomes.jsonl`` and ``report.html`` in ``<plan>.report``."""

from __future__ import annotations

from airflow_provider_jicoo.bulk.report.timeline import Timeline
from airflow_provider_jicoo.bulk.report.write import Report, is_reported, merge_reports, report_of, write_report

__all__ = ["Report", "Timeline", "is_reported", "merge_reports", "report_of", "write_report"]
