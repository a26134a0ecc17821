"""The asset's uri, as Airflow reads it."""

from __future__ import annotations

import warnings
from urllib.parse import urlsplit

import pytest
from airflow.sdk import Asset

from airflow_provider_jicoo.assets import batched, bookings_asset, bookings_uri
from airflow_provider_jicoo.assets.jicoo import convert_asset_to_openlineage, create_asset, sanitize_uri

URI = "jicoo://jicoo_default/bookings"


def test_the_helper_names_it_after_its_uri():
    asset = bookings_asset()
    assert (asset.name, asset.uri, asset.watchers) == (URI, URI, [])
    assert bookings_asset("jicoo.tokyo-2").uri == "jicoo://jicoo.tokyo-2/bookings"


@pytest.mark.parametrize("written", [URI, f"{URI}/", f"{URI}#now", "JICOO://jicoo_default/bookings"])
def test_airflow_takes_each_way_to_write_it_for_the_same(written):
    assert Asset(written).uri == URI


def test_capitals_in_a_connection_stay():
    """Two connections may differ in nothing else."""
    assert Asset("jicoo://Jicoo_Tokyo/bookings").uri == "jicoo://Jicoo_Tokyo/bookings"


def test_a_password_is_dropped():
    with warnings.catch_warnings(record=True):
        assert Asset("jicoo://user:sk_live_x@jicoo_default/bookings").uri == URI


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("jicoo:///bookings", "'jicoo:///bookings' names no connection"),
        ("jicoo:bookings", "'jicoo://bookings' names no connection"),
        ("jicoo://jicoo_default", "there is no '/', only /bookings"),
        ("jicoo://jicoo_default/contacts", "there is no '/contacts', only /bookings"),
        ("jicoo://jicoo_default/bookings/mzgdPJVBb7RE", "there is no '/bookings/mzgdPJVBb7RE', only /bookings"),
        ("jicoo://jicoo_default//bookings", "there is no '//bookings'"),
        ("jicoo://jicoo_default/Bookings", "there is no '/Bookings'"),
        ("jicoo://jicoo_default/bookings?status=open", "has a query, 'status=open'"),
        ("jicoo://user@jicoo_default/bookings", "'user@jicoo_default' cannot be the connection"),
        ("jicoo://jicoo_default:443/bookings", "'jicoo_default:443' cannot be the connection"),
        ("jicoo://予約/bookings", "'予約' cannot be the connection"),
        ("jicoo://{{ params.conn }}/bookings", "cannot be the connection"),
    ],
)
def test_a_wrong_uri_is_refused_with_its_value_and_the_way_out(uri, says):
    with pytest.raises(ValueError, match="jicoo://") as refused:
        Asset(uri)
    assert says in str(refused.value)
    assert "jicoo://jicoo_default/bookings" in str(refused.value) or "leave out those" in str(refused.value)


@pytest.mark.parametrize("conn_id", ["", "a/b", "a:b", "jicoo default", None, 5])
def test_a_connection_that_cannot_stand_in_a_uri(conn_id):
    with pytest.raises(ValueError, match="cannot be the connection in the uri"):
        bookings_uri(conn_id)


def test_what_is_right_is_not_changed():
    parts = urlsplit(URI)
    assert sanitize_uri(parts) == parts


def test_airflow_finds_all_three():
    try:
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as Manager
    except ImportError:  # Airflow 3.1
        from airflow.providers_manager import ProvidersManager as Manager

    manager = Manager()
    assert manager.asset_uri_handlers["jicoo"] is sanitize_uri
    assert manager.asset_factories["jicoo"] is create_asset
    assert manager.asset_to_openlineage_converters["jicoo"] is convert_asset_to_openlineage


def test_the_collector_of_lineage_makes_the_same_asset():
    try:
        from airflow.sdk.lineage import HookLineageCollector
    except ImportError:  # Airflow 3.1
        from airflow.lineage.hook import HookLineageCollector

    made = HookLineageCollector().create_asset(
        scheme="jicoo", asset_kwargs={"jicoo_conn_id": "other"}, asset_extra={"a": 1}
    )
    assert made == Asset(name="jicoo://other/bookings", uri="jicoo://other/bookings", extra={"a": 1})


def test_openlineage_gets_a_name_within_the_connection(monkeypatch):
    """Its client is not among what the tests install: what would be made of it is looked at."""
    from airflow.providers.common.compat.openlineage import facet

    monkeypatch.setattr(facet, "Dataset", lambda **fields: fields)
    assert convert_asset_to_openlineage(bookings_asset("other"), None) == {
        "namespace": "jicoo://other",
        "name": "bookings",
    }


def test_openlineage_without_its_client():
    assert convert_asset_to_openlineage(bookings_asset(), None) is None


def test_a_draining_dag_is_started_once_for_many_events_where_airflow_can_be_told_so():
    from airflow import sdk

    asset = bookings_asset()
    schedule = batched(asset)
    dag = sdk.DAG("draining", schedule=schedule)
    if hasattr(sdk, "AssetTriggeredTimetable"):  # Airflow 3.4
        assert dag.timetable.batch_asset_events is True
        assert sdk.AssetTriggeredTimetable(assets=asset).batch_asset_events is False, "it need be told"
    else:
        assert schedule == [asset]
    assert URI in repr(dag.timetable.asset_condition)
