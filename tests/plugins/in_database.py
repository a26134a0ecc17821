"""DAGs in Airflow's database, as the DAG processor puts them there."""

from __future__ import annotations

from typing import Any


def store(bag: Any, bundle: str) -> None:
    """Store the DAGs of a bag that has no import errors.

    :param bundle: the name of the bundle that they are of.
    """
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    try:
        from airflow.dag_processing.dagbag import sync_bag_to_db
    except ImportError:  # Airflow 3.1
        from airflow.models.dagbag import sync_bag_to_db

    assert not bag.import_errors
    with create_session() as session:
        session.merge(DagBundleModel(name=bundle))
    sync_bag_to_db(bag, bundle, None)
