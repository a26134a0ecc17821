"""The form of a connection is one table; what each version of Airflow shows is compared with it."""

from __future__ import annotations

import json
import os
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
LEGACY = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService as Service
found = {}
import airflow.api_fastapi.core_api.services.ui.connections as module
class Manager:
    hooks = connection_form_widgets = field_behaviours = None
    def __init__(self):
        from airflow_provider_jicoo.hooks.jicoo import JicooHook
        for name, field in JicooHook.get_connection_form_widgets().items():
            found[name] = field.param.dump()
module.ProvidersManager = Manager
Service._get_hooks_with_mocked_fab()
print(json.dumps(found))
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def conn_fields():
    return get_provider_info()["connection-types"][0]["conn-fields"]


def test_the_provider_info_has_the_fields_of_the_table():
    assert [*conn_fields()] == NAMES
    for field in forms.EXTRA_FIELDS:
        shown = conn_fields()[field.name]
        assert (shown["label"], shown["description"]) == (field.label, field.description)
        assert shown["schema"]["type"] == [field.kind, "null"]


def test_the_method_of_old_has_the_same_fields():
    """Airflow 3.1 calls it behind its own stand-ins for WTForms, which later versions have too."""
    shown = run(LEGACY)
    assert [*shown] == NAMES
    for name, field in conn_fields().items():
        schema = shown[name]["schema"]
        assert (schema.get("title"), shown[name]["description"]) == (field["label"], field["description"])
        assert schema.get("format") == field["schema"].get("format")
        assert "null" in schema["type"]


def test_what_the_api_server_shows():
    shown = run(SHOWN)
    assert shown["hook_name"] == "Jicoo"
    assert [*shown["extra_fields"]] == NAMES
    assert shown["extra_fields"]["webhook_secret"]["schema"]["format"] == "password"
    standard = shown["standard_fields"]
    assert standard["password"]["title"] == "API key"
    assert standard["host"]["title"] == "Base URL"
    assert standard["host"]["placeholder"] == "https://api.jicoo.com"
    for hidden in ("login", "url_schema", "port"):
        assert standard[hidden]["hidden"] is True


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
