"""The document's resources are those of the API's models, each with all of its fields."""

from __future__ import annotations

import typing

import pytest
import requests

from airflow_provider_jicoo.api import models

RESOURCES = [each for each in vars(models).values() if typing.is_typeddict(each)]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.__name__)
def test_a_resource(resource, jicoo_sandbox):
    document = requests.get(f"{jicoo_sandbox.url}/openapi.json", timeout=30).json()
    shape = document["components"]["schemas"][resource.__name__]

    of_the_sandbox = {"createdAt"} if resource is models.OrganizationInvitation else set()
    assert shape["properties"].keys() == set(shape["required"]) == resource.__annotations__.keys() | of_the_sandbox
    assert shape["additionalProperties"] is False
    for name, kind in shape["properties"].items():
        if name.endswith("At"):
            assert "date-time" in [each.get("format") for each in kind.get("anyOf", [kind])]


def test_there_are_such():
    assert {models.Booking, models.Host, models.Team} < set(RESOURCES)
