"""What goes wrong in a sandbox: faults, quirks, limits, and a key that is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_jicoo.sandbox.contents import Contents
from airflow_provider_jicoo.sandbox.edge import Bucket, Edge
from airflow_provider_jicoo.sandbox.faults import FaultName
from airflow_provider_jicoo.sandbox.quirks import Quirks
from airflow_provider_jicoo.sandbox.state import State


class Trouble(Contents):
    """The handles to break a sandbox.

    :param state: what it remembers.
    :param edge: what its requests go through.
    """

    def __init__(self, state: State, edge: Edge) -> None:
        super().__init__(state)
        self._edge = edge

    def fail(
        self,
        fault: FaultName,
        *,
        method: str | None = None,
        path: str | None = None,
        times: int | None = None,
        share: float | None = None,
        **options: Any,
    ) -> None:
        """Let requests fail. See :mod:`~airflow_provider_jicoo.sandbox.faults`.

        ============== ============================================== ==================================================
        fault          what the client sees                           options
        ============== ============================================== ==================================================
        rate_limit     429, no change                                 ``retry_after=None``: text of the header
        server_error   5xx                                            ``status=503, html=False, changed=False, late``
        dropped        the change is made, then no answer             ``late``
        dropped_before no change, no answer
        cut_body       the change is made, then half an answer
        hang           no answer for a while: then the right one, or  ``seconds=60, changed=True, late``
                       (``changed=False``) no change and no answer
        slow           the right answer, after long work; the change  ``seconds=3``
                       is made then, also where the client has gone
        html           a page instead of JSON                         ``status=200, changed=False, late``
        redirect       a redirect, no change                          ``to="https://...", status=302``
        refused        an error of the API's, no change               ``status=422, message="..."``
        slow_body      the right answer, byte by byte                 ``seconds=0.6`` before each byte
        huge_body      200 with a huge body, its length not told      ``megabytes=400``
        bomb           200 with gzip that becomes huge                ``megabytes=256``, a thousandth of it compressed
        ============== ============================================== ==================================================

        With ``late=3`` (seconds, or ``"3s"``) the change is made so long *after* the connection broke or the answer was
        sent; until then the booking is as before. :meth:`settle` waits for it.

        :param fault: which one.
        :param method: only requests with this method.
        :param path: only requests to this path; ``{...}`` stands for one segment.
        :param times: so many matching requests. Default: 1, or no end where ``share`` is given.
        :param share: this share of the matching requests, 0 to 1, drawn with the seed.
        :param options: see the table.
        """
        self._edge.faults.add(fault, method=method, path=path, times=times, share=share, **options)

    def heal(self) -> None:
        """Take back all faults. A request that hangs already goes on hanging."""
        self._edge.faults.clear()

    @property
    def quirks(self) -> tuple[str, ...]:
        """The quirks that are on, as they were given. They can be set at any time."""
        return self._state.quirks.given

    @quirks.setter
    def quirks(self, quirks: Iterable[str]) -> None:
        self._state.quirks = Quirks(quirks)

    @property
    def rate_limit(self) -> float | None:
        """Requests per second; None for no limit. Setting it fills the bucket."""
        return None if self._edge.bucket is None else self._edge.bucket.rate

    @rate_limit.setter
    def rate_limit(self, rate: float | None) -> None:
        self._edge.bucket = None if rate is None else Bucket(rate)

    @property
    def latency(self) -> float:
        """Seconds by which each answer is delayed."""
        return self._edge.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._edge.latency = seconds

    @property
    def key_revoked(self) -> bool:
        """Whether the key is refused with 401."""
        return self._edge.key_revoked

    @key_revoked.setter
    def key_revoked(self, revoked: bool) -> None:
        self._edge.key_revoked = revoked

    def revoke_key(self) -> None:
        """From now on the key is refused with 401."""
        self.key_revoked = True
