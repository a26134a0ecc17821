"""The form of a connection is one table; what each version of Airflow shows is compared with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from airflow_provider_jicoo.get_provider_info import get_provider_info
from airflow_provider_jicoo.hooks import forms
from airflow_provider_jicoo.hooks.jicoo import JicooHook

NAMES = [field.name for field in forms.EXTRA_FIELDS]

# Airflow's API server puts stand-ins for wtforms into sys.modules, for good: so not in this process.
SHOWN = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
meta = next(each for each in HookMetaService.hook_meta_data() if each.connection_type == "jicoo")
print(json.dumps(meta.model_dump(mode="json")))
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def widgets(monkeypatch):
    """The fields of the hook's method, behind the stand-ins for WTForms that Airflow's API server has."""
    from airflow.api_fastapi.core_api.services.ui import connections

    found = {}

    class Manager:
        hooks = connection_form_widgets = field_behaviours = _instance = initialized = None

        def __init__(self):
            found.update(JicooHook.get_connection_form_widgets())

    before = set(sys.modules)
    monkeypatch.setattr("airflow.providers_manager.ProvidersManager", Manager)
    # Airflow 3.1 imports it where it needs it.
    monkeypatch.setattr(connections, "ProvidersManager", Manager, raising=False)
    connections.HookMetaService._get_hooks_with_mocked_fab()
    # It leaves the stand-ins behind.
    for name in set(sys.modules) - before:
        if name.startswith(("wtforms", "flask_babel", "flask_appbuilder")):
            del sys.modules[name]
    return found


def conn_fields():
    return get_provider_info()["connection-types"][0]["conn-fields"]


def test_the_provider_info_has_the_fields_of_the_table():
    assert [*conn_fields()] == NAMES
    for field in forms.EXTRA_FIELDS:
        shown = conn_fields()[field.name]
        assert (shown["label"], described(shown)) == (field.label, field.description)
        assert shown["schema"]["type"] == [field.kind, "null"]


def described(field):
    """Return what the form shows below a field: Airflow shows Markdown only where there is no plain description."""
    return field.get("description") or field["schema"]["description_md"]


@pytest.mark.parametrize("field", forms.EXTRA_FIELDS, ids=lambda field: field.name)
def test_each_field_is_described_with_an_example(field):
    assert any(words in field.description for words in ("for example", "Empty means"))
    assert len(field.description) > 40


def test_the_form_leads_to_the_api_keys(widgets):
    address = "https://www.jicoo.com/dashboard/integrations/api_keys"
    assert [name for name, field in conn_fields().items() if f"]({address})" in described(field)]
    assert [name for name, field in widgets.items() if field.param.dump()["description"].endswith(address)]
    assert forms.PLACEHOLDERS["password"].endswith(address.removeprefix("https://"))


def test_the_method_of_old_has_the_same_fields(widgets):
    """Airflow 3.1 calls it; later versions read the provider info."""
    assert [*widgets] == NAMES
    for name, field in conn_fields().items():
        shown = widgets[name].param.dump()
        assert shown["schema"].get("title") == field["label"]
        # Airflow 3.1 knows no Markdown here.
        assert shown["description"] == re.sub(r"\[(.+)\]\((.+)\)", r"\1: \2", described(field))
        assert shown["schema"].get("format") == field["schema"].get("format")
        assert "null" in shown["schema"]["type"]


def test_what_the_api_server_shows():
    shown = run(SHOWN)
    assert shown["hook_name"] == "Jicoo"
    assert [*shown["extra_fields"]] == NAMES
    assert shown["extra_fields"]["webhook_secret"]["schema"]["format"] == "password"
    standard = shown["standard_fields"]
    assert standard["password"]["title"] == "API key"
    assert standard["host"]["title"] == "Base URL"
    assert standard["host"]["placeholder"] == "https://api.jicoo.com"
    for hidden in ("login", "url_schema"):
        assert standard[hidden]["hidden"] is True
    assert standard["port"]["hidden"] is False, "without a port Airflow 3.3 refuses to test the connection"
    assert standard["port"]["placeholder"].startswith("443; the Test button of Airflow 3.3")


def test_only_the_webhook_secret_is_masked():
    masked = [name for name, field in conn_fields().items() if field["schema"].get("format") == "password"]
    assert masked == ["webhook_secret"]


def test_the_webhook_secret_is_masked_in_logs(monkeypatch):
    """Airflow masks an extra in logs where its name holds a sensitive word."""
    try:
        from airflow.sdk._shared.secrets_masker import should_hide_value_for_key
    except ImportError:
        from airflow.sdk.execution_time.secrets_masker import should_hide_value_for_key
    assert should_hide_value_for_key("webhook_secret")


def test_both_mechanisms_treat_the_standard_fields_alike():
    behaviour = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
    old = JicooHook.get_ui_field_behaviour()
    assert old.pop("hidden_fields") == behaviour.pop("hidden-fields")
    assert old == behaviour


@pytest.mark.parametrize("hidden", forms.HIDDEN_FIELDS)
def test_no_hidden_field_has_a_label(hidden):
    assert hidden not in forms.RELABELING
    assert hidden not in forms.PLACEHOLDERS
