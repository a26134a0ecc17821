"""What the extras of a connection say of webhooks."""

from __future__ import annotations

import json

import pytest

from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.api.signature import DOCUMENTED, Variant
from airflow_provider_jicoo.hooks import connection
from airflow_provider_jicoo.hooks.connection import Delivery
from airflow_provider_jicoo.hooks.jicoo import JicooHook


@pytest.fixture
def given(monkeypatch):
    def make(**extra):
        fields = {"conn_type": "jicoo", "password": "sk_live_1", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_JICOO_DEFAULT", json.dumps(fields))
        return JicooHook.get_connection("jicoo_default")

    return make


class TestSecret:
    @pytest.mark.parametrize(
        ("value", "secrets"),
        [
            ("whsec_1", ["whsec_1"]),
            (" whsec_1\n", ["whsec_1"]),
            ("whsec_1 whsec_2", ["whsec_1", "whsec_2"]),
            ("whsec_1,whsec_2", ["whsec_1", "whsec_2"]),
            ("whsec_1, whsec_2,", ["whsec_1", "whsec_2"]),
            ('["whsec_1", "with a space, and more"]', ["whsec_1", "with a space, and more"]),
            (["whsec_1", "whsec_2"], ["whsec_1", "whsec_2"]),
        ],
    )
    def test_one_or_several(self, given, value, secrets):
        found = connection.signing(given(webhook_secret=value))
        assert [secret.reveal() for secret in found.secrets] == secrets
        assert found.variant == DOCUMENTED
        assert "whsec" not in repr(found)

    @pytest.mark.parametrize("value", [None, "", "  ", ",", "[]", [], [""]])
    def test_none(self, given, value):
        assert connection.signing(given(webhook_secret=value)) is None

    @pytest.mark.parametrize("value", ["[whsec_1", '["whsec_1", 2]', ["whsec_1", None], {"whsec_1": 1}, 7])
    def test_what_is_none_shows_nothing(self, given, value):
        with pytest.raises(
            InvalidRequestError, match="'jicoo_default': webhook_secret: neither a text nor a list"
        ) as it:
            connection.signing(given(webhook_secret=value))
        assert "whsec_1" not in str(it.value)

    def test_the_client_does_without(self, given):
        assert connection.settings(given(webhook_secret="whsec_1", webhook_delivery="asset")).api_key


class TestVariant:
    def test_by_its_name(self, given):
        found = connection.signing(given(webhook_secret="a", webhook_variant=" secret=base64,separator=colon "))
        assert found.variant == Variant("base64", separator="colon")

    def test_another(self, given):
        with pytest.raises(InvalidRequestError, match="connection 'jicoo_default': no variant 'secret=rot13'"):
            connection.signing(given(webhook_secret="a", webhook_variant="secret=rot13"))


class TestDelivery:
    @pytest.mark.parametrize(
        ("extras", "delivery"),
        [
            ({"webhook_dag_ids": "one"}, Delivery("dag_run", ("one",))),
            ({"webhook_dag_ids": "one, two one"}, Delivery("dag_run", ("one", "two"))),
            ({"webhook_dag_ids": ["one", "two"], "webhook_delivery": "dag_run"}, Delivery("dag_run", ("one", "two"))),
            ({"webhook_delivery": "asset"}, Delivery("asset", ())),
            ({"webhook_delivery": "partitioned_asset", "webhook_dag_ids": "one"}, Delivery("partitioned_asset", ())),
        ],
    )
    def test_what_it_is(self, given, extras, delivery):
        assert connection.delivery(given(**extras)) == delivery

    @pytest.mark.parametrize(
        ("extras", "words"),
        [
            ({}, "webhook_dag_ids is empty"),
            ({"webhook_delivery": "dags"}, "webhook_delivery: 'dags' is none of dag_run, partitioned_asset, asset"),
            ({"webhook_dag_ids": {"one": 1}}, "webhook_dag_ids: neither a text nor a list of texts"),
        ],
    )
    def test_what_it_cannot_be(self, given, extras, words):
        with pytest.raises(InvalidRequestError, match=f"connection 'jicoo_default': {words}"):
            connection.delivery(given(**extras))
