"""Tell Airflow what a task has read and written, as assets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def asset_uri(jicoo_conn_id: str, resource: str) -> str:
    """Return the URI of a resource of a connection, as ``jicoo://jicoo_default/bookings``."""
    return f"jicoo://{jicoo_conn_id}/{resource}"


def file_uri(path: Any) -> str:
    """Return the URI of a path."""
    text = str(path)
    if "://" in text:
        return text
    from pathlib import Path

    return Path(text).absolute().as_uri()


def note_assets(task: Any, inputs: Iterable[str], outputs: Iterable[str]) -> None:
    """Note what a task has read and written, where somebody collects that.

    :param task: the operator.
    :param inputs: URIs.
    :param outputs: URIs.
    """
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    collector = get_hook_lineage_collector()
    for uri in inputs:
        collector.add_input_asset(context=task, uri=uri)
    for uri in outputs:
        collector.add_output_asset(context=task, uri=uri)


def open_lineage(inputs: Iterable[tuple[str, str]], outputs: Iterable[tuple[str, str]]) -> Any:
    """Return what OpenLineage is told of a task. Only its provider asks for it.

    :param inputs: namespace and name of each.
    :param outputs: likewise.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(
        inputs=[Dataset(namespace=namespace, name=name) for namespace, name in inputs],
        outputs=[Dataset(namespace=namespace, name=name) for namespace, name in outputs],
    )


class BulkLineage:
    """Of a task that plans or applies: what it has read and written, for hook lineage and for OpenLineage."""

    _inputs: tuple[str, ...] = ()
    _outputs: tuple[str, ...] = ()

    def _touched(self, inputs: Iterable[str], outputs: Iterable[str]) -> None:
        """Note what was read and written, beside what was noted before.

        :param inputs: URIs.
        :param outputs: URIs.
        """
        inputs, outputs = tuple(inputs), tuple(outputs)
        self._inputs = tuple(dict.fromkeys((*self._inputs, *inputs)))
        self._outputs = tuple(dict.fromkeys((*self._outputs, *outputs)))
        note_assets(self, inputs, outputs)

    def get_openlineage_facets_on_complete(self, _: Any) -> Any:
        """Return what OpenLineage is told: the files and the bookings that this task has read and written."""
        return open_lineage(map(dataset_of, self._inputs), map(dataset_of, self._outputs))


def dataset_of(uri: str) -> tuple[str, str]:
    """Return namespace and name of a URI, as OpenLineage names files and objects."""
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        return "file", rest
    place, _, name = rest.partition("/")
    return f"{scheme}://{place}", name
