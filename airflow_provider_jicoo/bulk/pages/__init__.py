"""How plans and reports look to a person in a browser: in Airflow's UI and as a file of its own, by the same templates.

Knows nothing of Airflow. What is personal to guests is shown only where a caller says so.
"""

from __future__ import annotations

from airflow_provider_jicoo.bulk.pages.render import render

__all__ = ["render"]
