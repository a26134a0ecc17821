"""An embedded Jicoo: a real HTTP server with seeded data and faults on demand, for demos and tests.

In a test, take the fixture ``jicoo_sandbox``; it comes with the package. Without pytest::

    from airflow_provider_jicoo.sandbox import Sandbox

    with Sandbox(bookings=500, seed=7) as jicoo:
        print(jicoo.url, jicoo.api_key)

On the command line: ``python -m airflow_provider_jicoo.sandbox --port 8123 --bookings 500 --seed 7``.

What reached it, and what it did: ``requests`` and ``count`` tell of HTTP requests, ``changes`` of what was carried out,
``messages`` of each message to each guest: ``Counter((one.uid, one.guest) for one in jicoo.messages)`` says how often
each was messaged.

It fails on demand (:meth:`Sandbox.fail`), and behaves differently on demand, since nobody here ever saw the real API:
``Sandbox(quirks=["trimmed-names"])``, see :mod:`~airflow_provider_jicoo.sandbox.quirks`.

Where the real API's behaviour is not known, :mod:`~airflow_provider_jicoo.sandbox.choices` says what the sandbox does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_jicoo.sandbox.server import Sandbox

__all__ = ["Sandbox"]


def __getattr__(name: str) -> Any:
    # pytest loads this package in every run of everybody who has it installed: FastAPI may not load before it is used.
    if name == "Sandbox":
        from airflow_provider_jicoo.sandbox.server import Sandbox

        return Sandbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
