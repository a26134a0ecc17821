"""The OpenAPI document tells the truth: schemathesis finds no request that it answers otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
import requests
import schemathesis
from schemathesis.config import (
    ChecksConfig,
    GenerationConfig,
    PositiveDataAcceptanceConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.engine import Status, events, from_schema

from airflow_provider_jicoo.api import models
from airflow_provider_jicoo.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The same data on every day: what schemathesis tries depends on what it was answered."""
    with Sandbox(now=datetime(2026, 1, 15, tzinfo=timezone.utc)) as sandbox:
        yield sandbox


@pytest.mark.long
@pytest.mark.once
@pytest.mark.proof
def test_schemathesis_finds_no_failure(sandbox: Sandbox) -> None:
    # 422 is a right answer to data that fit the schema: no schema says which slot is taken or which zone exists.
    accepted = PositiveDataAcceptanceConfig(expected_statuses=["2xx", "401", "403", "404", "422"])
    project = ProjectConfig(
        headers={"X-Jicoo-Api-Key": sandbox.api_key},
        continue_on_failure=True,
        checks=ChecksConfig(positive_data_acceptance=accepted),
        # An unknown query parameter is ignored, as most servers do; schemathesis wants it to be refused.
        generation=GenerationConfig(max_examples=10, deterministic=True, database="none", allow_extra_parameters=False),
    )
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    schema = schemathesis.openapi.from_url(f"{sandbox.url}/openapi.json", config=config)

    failures = []
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished) and event.status is Status.FAILURE:
            for checks in event.recorder.checks.values():
                failures += [
                    f"{check.failure_info.failure}\n{check.failure_info.code_sample}"
                    for check in checks
                    if check.failure_info is not None
                ]
        assert not isinstance(event, (events.NonFatalError, events.FatalError)), event

    assert failures == [], "\n".join(failures)
    assert {request.status for request in sandbox.requests} >= {200, 201, 400, 401, 404, 422}


@pytest.mark.parametrize(
    "name", ["Booking", "Host", "BookingContact", "BookingAnswer", "Schedule", "Attendee", "OrganizationUser", "Team"]
)
def test_promises_the_fields_that_the_client_knows(sandbox: Sandbox, name: str) -> None:
    document = requests.get(f"{sandbox.url}/openapi.json", timeout=30).json()
    promised = document["components"]["schemas"][name]

    assert set(promised["required"]) == set(promised["properties"]) == set(getattr(models, name).__annotations__)


BOOKINGS = {
    ("get", "/v1/bookings"),
    ("post", "/v1/bookings"),
    ("get", "/v1/bookings/{uid}"),
    ("patch", "/v1/bookings/{uid}"),
    ("post", "/v1/bookings/{uid}/cancel"),
    ("post", "/v1/bookings/{uid}/reschedule"),
    ("get", "/v1/bookings/{uid}/contacts"),
}
SCHEDULES = {
    ("get", "/v1/schedules"),
    ("post", "/v1/schedules"),
    ("patch", "/v1/schedules/{uid}"),
    ("delete", "/v1/schedules/{uid}"),
}
ORGANIZATION = {
    ("get", "/v1/organization_users"),
    ("get", "/v1/organization_users/{userId}"),
    ("patch", "/v1/organization_users/{userId}"),
    ("delete", "/v1/organization_users/{userId}"),
    ("get", "/v1/organization_invitations"),
    ("post", "/v1/organization_invitations"),
    ("get", "/v1/organization_invitations/{uid}"),
    ("delete", "/v1/organization_invitations/{uid}"),
    ("get", "/v1/teams"),
}


def test_documents_every_endpoint(sandbox: Sandbox) -> None:
    paths = requests.get(f"{sandbox.url}/openapi.json", timeout=30).json()["paths"]

    assert {(method, path) for path, operations in paths.items() for method in operations} >= {
        *BOOKINGS,
        *SCHEDULES,
        *ORGANIZATION,
    }
    for operations in paths.values():
        for operation in operations.values():
            assert {"401", "403", "429", "503"} <= operation["responses"].keys()
