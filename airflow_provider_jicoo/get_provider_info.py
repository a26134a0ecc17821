"""What Airflow discovers of this package."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider info (``airflow/provider_info.schema.json``; ``conn-fields`` is read beside it from 3.2)."""
    from airflow_provider_jicoo.hooks import forms

    integration = "Jicoo"
    return {
        "package-name": "airflow-provider-jicoo",
        "name": integration,
        "description": "`Jicoo <https://www.jicoo.com>`__, the scheduling service.",
        "integrations": [
            {
                "integration-name": integration,
                "external-doc-url": "https://developer.jicoo.com",
                "logo": "/docs/logo.svg",
                "tags": ["service"],
            }
        ],
        "operators": [
            {
                "integration-name": integration,
                "python-modules": [
                    "airflow_provider_jicoo.operators.approval",
                    "airflow_provider_jicoo.operators.availability",
                    "airflow_provider_jicoo.operators.bookings",
                    "airflow_provider_jicoo.operators.bulk",
                    "airflow_provider_jicoo.operators.doctor",
                    "airflow_provider_jicoo.operators.event_types",
                    "airflow_provider_jicoo.operators.organization",
                    "airflow_provider_jicoo.operators.request",
                    "airflow_provider_jicoo.operators.schedules",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": integration,
                "python-modules": [
                    "airflow_provider_jicoo.sensors.bookings",
                    "airflow_provider_jicoo.sensors.event_types",
                ],
            }
        ],
        "hooks": [{"integration-name": integration, "python-modules": ["airflow_provider_jicoo.hooks.jicoo"]}],
        "triggers": [
            {
                "integration-name": integration,
                "python-modules": [
                    "airflow_provider_jicoo.triggers.apply",
                    "airflow_provider_jicoo.triggers.bookings",
                    "airflow_provider_jicoo.triggers.event_types",
                    "airflow_provider_jicoo.triggers.events",
                ],
            }
        ],
        "transfers": [
            {
                "source-integration-name": integration,
                "target-integration-name": integration,
                "python-module": "airflow_provider_jicoo.transfers.dlt",
                "how-to-guide": "/docs/warehouse-dlt.md",
            },
            {
                "source-integration-name": integration,
                "target-integration-name": integration,
                "python-module": "airflow_provider_jicoo.transfers.object_storage",
                "how-to-guide": "/docs/warehouse.md",
            },
            {
                "source-integration-name": integration,
                "target-integration-name": integration,
                "python-module": "airflow_provider_jicoo.transfers.sql_selection",
                "how-to-guide": "/docs/warehouse.md",
            },
        ],
        "queues": ["airflow_provider_jicoo.queues.jicoo.JicooMessageQueueProvider"],
        "connection-types": [
            {
                "connection-type": "jicoo",
                "hook-class-name": "airflow_provider_jicoo.hooks.jicoo.JicooHook",
                "hook-name": integration,
                "conn-fields": forms.conn_fields(),
                "ui-field-behaviour": forms.ui_field_behaviour("-"),
            }
        ],
        # The schema says "path", Airflow reads "class-name".
        "task-decorators": [
            {"name": "jicoo_plan", "class-name": "airflow_provider_jicoo.decorators.bulk.jicoo_plan_task"}
        ],
        "asset-uris": [
            {
                "schemes": ["jicoo"],
                "handler": "airflow_provider_jicoo.assets.jicoo.sanitize_uri",
                "factory": "airflow_provider_jicoo.assets.jicoo.create_asset",
                "to_openlineage_converter": "airflow_provider_jicoo.assets.jicoo.convert_asset_to_openlineage",
            }
        ],
        "extra-links": [
            "airflow_provider_jicoo.links.bookings.EventTypeLink",
            "airflow_provider_jicoo.links.bulk.PlanLink",
            "airflow_provider_jicoo.links.bulk.ReportLink",
        ],
    }
