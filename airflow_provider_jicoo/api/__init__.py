"""The Jicoo REST API. Knows nothing of Airflow: it works in a notebook.

Each endpoint is one function that returns a :class:`~airflow_provider_jicoo.api.call.Call`;
:class:`~airflow_provider_jicoo.api.client.JicooClient` and
:class:`~airflow_provider_jicoo.api.aio.AsyncJicooClient` send it.
"""
