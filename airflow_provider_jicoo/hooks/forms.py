"""The form of a Jicoo connection: one table, written out for both mechanisms of Airflow.

Airflow 3.2 and later read dictionaries from the provider info; 3.1 asks the hook for WTForms fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class ExtraField:
    """A field of the connection's extras.

    :param kind: type in JSON. 3.1 knows no field for numbers with a fraction; there the form takes text.
    :param masked: it is a secret.
    """

    name: str
    label: str
    description: str
    kind: Literal["number", "string"]
    masked: bool = False


EXTRA_FIELDS = (
    ExtraField(
        "timeout",
        "Timeout (seconds)",
        "How long to wait for a connection, and between two pieces of an answer. Default 30.",
        "number",
    ),
    ExtraField(
        "max_requests_per_second",
        "Requests per second at most",
        "Hard ceiling of each client of this connection. Empty for none.",
        "number",
    ),
    ExtraField(
        "period_start_parameter",
        "Free slots: parameter for the start",
        "What Jicoo calls the start of the period in a request for free slots. Default periodStart.",
        "string",
    ),
    ExtraField(
        "period_end_parameter",
        "Free slots: parameter for the end",
        "What Jicoo calls the end of the period in a request for free slots. Default periodEnd.",
        "string",
    ),
    ExtraField(
        "page_size",
        "Rows of a list at once",
        "How many rows of a list to ask for at once. Default 50; where Jicoo refuses that, fewer are asked for.",
        "number",
    ),
    ExtraField(
        "on_unproven",
        "Lists that cannot be proved whole",
        "fail (the default), or warn in the log and go on. Plans may say it themselves.",
        "string",
    ),
    ExtraField(
        "lists_requests",
        "Requests are in the list of bookings",
        "true where Jicoo's list without a status is known to have bookings that await approval; it is not documented.",
        "string",
    ),
    ExtraField("webhook_secret", "Webhook secret", "Signing secret of the webhook endpoint.", "string", masked=True),
    ExtraField(
        "team_slug",
        "Team in the booking pages' address",
        "The part after /t/ in https://www.jicoo.com/t/your-team/e/...; makes tasks link to the event type.",
        "string",
    ),
)

HIDDEN_FIELDS = ("login", "schema", "port", "extra")
RELABELING = {"password": "API key", "host": "Base URL"}
PLACEHOLDERS = {"password": "sk_live_...", "host": "https://api.jicoo.com"}


def conn_fields() -> dict[str, Any]:
    """Return the ``conn-fields`` of the provider info (Airflow 3.2 and later)."""
    return {field.name: _conn_field(field) for field in EXTRA_FIELDS}


def _conn_field(field: ExtraField) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": [field.kind, "null"]}
    if field.masked:
        schema["format"] = "password"
    return {"label": field.label, "description": field.description, "schema": schema}


def ui_field_behaviour(joint: Literal["-", "_"]) -> dict[str, Any]:
    """Return which standard fields are hidden and how the others are called.

    :param joint: ``-`` for the provider info, ``_`` for the hook method of 3.1.
    """
    return {
        f"hidden{joint}fields": list(HIDDEN_FIELDS),
        "relabeling": dict(RELABELING),
        "placeholders": dict(PLACEHOLDERS),
    }


def wtforms_fields() -> dict[str, Any]:
    """Return the WTForms fields of the hook method (Airflow 3.1)."""
    # Not installed with Airflow: its API server puts stand-ins in their place before it calls this.
    from flask_appbuilder.fieldwidgets import (
        BS3PasswordFieldWidget,
        BS3TextFieldWidget,
    )
    from wtforms import PasswordField, StringField
    from wtforms.validators import Optional

    fields: dict[str, Any] = {}
    for field in EXTRA_FIELDS:
        kind, widget = (PasswordField, BS3PasswordFieldWidget) if field.masked else (StringField, BS3TextFieldWidget)
        fields[field.name] = kind(field.label, validators=[Optional()], description=field.description, widget=widget())
    return fields
