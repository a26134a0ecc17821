"""Which of the package's assumptions about Jicoo hold for an account, and what its connection should say.

Jicoo's API was never seen by those who wrote this package, and how it lists is not documented. A listing proves what
it assumes while it reads; the doctor looks at all of that at once, says what it saw, changes nothing, and writes the
extras of the connection::

    JICOO_API_KEY=sk_live_... python -m airflow_provider_jicoo.doctor
    python -m airflow_provider_jicoo.doctor --conn-id jicoo_default

In a DAG: :class:`~airflow_provider_jicoo.operators.doctor.JicooDoctorOperator`.
"""

from __future__ import annotations
