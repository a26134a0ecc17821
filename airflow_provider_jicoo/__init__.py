"""Apache Airflow provider for Jicoo, the scheduling service."""

from __future__ import annotations

__version__ = "0.1.0"
