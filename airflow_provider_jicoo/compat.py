"""Every difference between the supported Airflow versions, in one place. Asked by capability, not by version number."""

from __future__ import annotations

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    XCom,
    conf,
)

__all__ = [
    "AirflowFailException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "XCom",
    "conf",
    "get_async_connection",
]
