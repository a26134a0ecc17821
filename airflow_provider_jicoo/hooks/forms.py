"""The form of a Jicoo connection: one table, written out for both mechanisms of Airflow.

Airflow 3.2 and later read dictionaries from the provider info; 3.1 asks the hook for WTForms fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

API_KEYS = "https://www.jicoo.com/dashboard/integrations/api_keys"
_LINK = re.compile(r"\[(.+?)\]\((.+?)\)")


@dataclass(frozen=True)
class ExtraField:
    """A field of the connection's extras.

    :param description: what it does, with an example. It may have links, as ``[words](address)``.
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
        "How long to wait for a connection, and between two pieces of an answer, for example 10. Empty means 30.",
        "number",
    ),
    ExtraField(
        "server_grace",
        "Server grace (seconds)",
        "How long Jicoo may still be at work on a request whose answer was lost. What messages a guest is not sent "
        "again within this time, and by default not at all. Empty means 60; it is never less than the timeout.",
        "number",
    ),
    ExtraField(
        "max_requests_per_second",
        "Requests per second at most",
        "Hard ceiling of each client of this connection, for example 5. Empty means none: the pace is then learnt from "
        f"Jicoo's answers. The API key is made in [Jicoo's dashboard]({API_KEYS})",
        "number",
    ),
    ExtraField(
        "period_start_parameter",
        "Free slots: parameter for the start",
        "What Jicoo calls the start of the period in a request for free slots, for example startedAt. Empty means "
        "periodStart.",
        "string",
    ),
    ExtraField(
        "period_end_parameter",
        "Free slots: parameter for the end",
        "What Jicoo calls the end of the period in a request for free slots, for example endedAt. Empty means "
        "periodEnd.",
        "string",
    ),
    ExtraField(
        "page_size",
        "Rows of a list at once",
        "How many rows of a list to ask for at once, for example 20. Empty means 50; where Jicoo refuses that, fewer "
        "are asked for.",
        "number",
    ),
    ExtraField(
        "on_unproven",
        "Lists that cannot be proved whole",
        "fail, or warn: go on and say so in the log. Empty means fail. A plan may say it itself.",
        "string",
    ),
    ExtraField(
        "lists_requests",
        "Requests are in the list of bookings",
        "true where Jicoo's list without a status is known to have the bookings that await approval, which is not "
        "documented. Empty means that each list has to prove it.",
        "string",
    ),
    ExtraField(
        "debug_answers",
        "Path for answers that are not shown",
        "Where to keep whole what Jicoo answers and an error does not show: an absolute path on the disk of the "
        "worker, for example /var/tmp/jicoo-answers. Such an answer may hold guests' data: its file is for the "
        "worker's user alone. Empty means that none are kept.",
        "string",
    ),
    ExtraField(
        "webhook_secret",
        "Webhook secret",
        "The signing secret of the webhook endpoint, as Jicoo shows it where the endpoint is made. Two with a space "
        "between them while it is being changed. Empty means that no webhooks are received.",
        "string",
        masked=True,
    ),
    ExtraField(
        "webhook_delivery",
        "Webhooks: what an event does",
        "dag_run starts the DAGs below; partitioned_asset (Airflow 3.2 and later) and asset make an event of the asset "
        "jicoo://<connection id>/bookings. Empty means dag_run.",
        "string",
    ),
    ExtraField(
        "webhook_dag_ids",
        "Webhooks: DAGs to start",
        "Ids of the DAGs that dag_run starts, for example on_booking, notify_sales.",
        "string",
    ),
    ExtraField(
        "webhook_variant",
        "Webhooks: variant of the signature",
        "How Jicoo signs, where the diagnosis in the documentation has found it to be another way than the documented "
        "one, for example secret=base64. Empty means the documented one.",
        "string",
    ),
    ExtraField(
        "team_slug",
        "Team in the booking pages' address",
        "The part after /t/, for example your-team in https://www.jicoo.com/t/your-team/e/...; makes tasks link to the "
        "event type.",
        "string",
    ),
)

HIDDEN_FIELDS = ("login", "schema", "extra")
RELABELING = {"password": "API key", "host": "Base URL", "port": "Port"}
# A placeholder is all that Airflow shows beside a standard field.
PLACEHOLDERS = {
    "password": f"sk_live_... from {API_KEYS.removeprefix('https://')}",
    "host": "https://api.jicoo.com",
    # Airflow 3.3 sends port 0 for an empty one, compares it with the stored one, and refuses to test the connection.
    "port": "443; the Test button of Airflow 3.3 says Bad Request without it",
}


def conn_fields() -> dict[str, Any]:
    """Return the ``conn-fields`` of the provider info (Airflow 3.2 and later)."""
    return {field.name: _conn_field(field) for field in EXTRA_FIELDS}


def _conn_field(field: ExtraField) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": [field.kind, "null"]}
    if field.masked:
        schema["format"] = "password"
    if _LINK.search(field.description):
        # Shown as Markdown, and only where there is no other description.
        schema["description_md"] = field.description
        return {"label": field.label, "schema": schema}
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
        description = _LINK.sub(r"\1: \2", field.description)
        fields[field.name] = kind(field.label, validators=[Optional()], description=description, widget=widget())
    return fields
