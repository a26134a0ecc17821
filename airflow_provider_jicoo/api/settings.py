"""What a client needs to know before it can send anything."""

from __future__ import annotations

import os
import platform
import re
import ssl
import sys
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_jicoo import __version__
from airflow_provider_jicoo.api.ceiling import rate_problem
from airflow_provider_jicoo.api.errors import InvalidRequestError
from airflow_provider_jicoo.api.reading import ENCODINGS
from airflow_provider_jicoo.api.secret import Secret, discreet

BASE_URL = "https://api.jicoo.com"
"""Source: https://developer.jicoo.com/apidoc/project-373292/doc-468187"""
KEY_HEADER = "X-Jicoo-Api-Key"
PER_PAGE = 50
"""Rows of a list asked for at once. Jicoo documents no maximum; 50 is what clients are known to use."""
_ADDRESS_LENGTH = 2_000
_HOST = re.compile(r"[\w.:%-]+")
_PARAMETER = re.compile(r"[A-Za-z0-9_.\[\]-]+")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Settings:
    """Key, address, and limits of a client. A pickle of them has no key, and makes no client.

    :param api_key: the API key, from https://www.jicoo.com/dashboard/integrations/api_keys. Never shown.
    :param base_url: where the API is. Plain http is refused except on loopback: the key would travel in the open.
    :param timeout: seconds to wait for a connection, and between two pieces of an answer. A whole answer may take four
        times that.
    :param server_grace: seconds that Jicoo may still be at work on a request whose answer was lost; what messages a
        guest is not sent again within them, and by default not at all. Never less than ``timeout``.
    :param max_requests_per_second: hard ceiling of this client, one an hour at the least; None for none. Jicoo
        publishes no limit.
    :param period_parameters: what Available Schedules calls its two query parameters; the sources disagree.
    :param page_size: how many rows of a list to ask for at once. A client that is refused them asks for fewer.
    :param on_unproven: what to do where a list cannot be proved whole: ``fail``, or ``warn`` in the log and go on.
    :param lists_requests: that a list of bookings without a status is known to have those that await approval. It is
        seen wherever one comes; where none does, and Jicoo does not list by that status, nobody else can know it.
    :param debug_answers: an absolute path of a folder on the local disk, where answers that an error does not show are
        kept whole, each in a file for this user alone; None to keep none. They may be guests' data.
    :raises InvalidRequestError: one of them cannot be right.
    """

    api_key: str = field(repr=False)
    base_url: str = BASE_URL
    timeout: float = 30.0
    server_grace: float = 60.0
    max_requests_per_second: float | None = None
    period_parameters: tuple[str, str] = ("periodStart", "periodEnd")
    page_size: int = PER_PAGE
    on_unproven: str = "fail"
    lists_requests: bool = False
    debug_answers: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", _checked_key(self.api_key))
        object.__setattr__(self, "base_url", _checked(self.base_url))
        _positive("timeout", self.timeout, "seconds")
        _positive("server_grace", self.server_grace, "seconds")
        object.__setattr__(self, "server_grace", max(self.server_grace, self.timeout))
        if self.max_requests_per_second is not None:
            problem = rate_problem(self.max_requests_per_second)
            if problem is not None:
                raise InvalidRequestError(f"max_requests_per_second: {self.max_requests_per_second!r} {problem}")
        if isinstance(self.page_size, bool) or not isinstance(self.page_size, int) or self.page_size < 1:
            raise InvalidRequestError(f"page_size: {self.page_size!r} is not 1 or more rows")
        checked_word("on_unproven", self.on_unproven)
        folder = self.debug_answers
        if folder is not None and (not isinstance(folder, str) or not os.path.isabs(folder) or "\0" in folder):
            raise InvalidRequestError(f"debug_answers: {folder!r} is not an absolute path such as '/var/tmp/jicoo'")
        for name in self.period_parameters:
            if not _PARAMETER.fullmatch(name) or len(set(self.period_parameters)) < 2:
                raise InvalidRequestError(f"period parameters: {self.period_parameters} are not two names")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "api_key"}

    def __copy__(self) -> Settings:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Settings:
        return self

    def proxy(self) -> str | None:
        """Return the proxy that the environment names for this address (``https_proxy``, ``no_proxy``), or None.

        There is none for plain http: that is for this machine alone, and a proxy would get the key in the open.
        """
        parts = urllib.parse.urlsplit(self.base_url)
        if parts.scheme == "http" or urllib.request.proxy_bypass(parts.netloc):
            return None
        proxies = urllib.request.getproxies()
        found = proxies.get(parts.scheme) or proxies.get("all")
        return f"http://{found}" if found and "://" not in found else found

    def tls(self) -> ssl.SSLContext | bool:
        """Return how to check certificates: by the bundle that the environment names for requests, or as usual."""
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        if not bundle or not self.base_url.startswith("https:"):
            return True
        folder = os.path.isdir(bundle)
        return ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)

    @property
    def secret(self) -> Secret:
        """The API key, as it may stand anywhere."""
        return Secret(self.api_key)

    def key_header(self) -> dict[str, str]:
        """Return the header with the key. It goes with each request: what a session sends, it sends to a proxy too."""
        return {KEY_HEADER: self.api_key}

    def headers(self, library: str) -> dict[str, str]:
        """Return the headers of every request, but for that with the key.

        :param library: name and version of the HTTP library, for the User-Agent.
        """
        return {
            "Accept": "application/json",
            "Accept-Encoding": ENCODINGS,
            "User-Agent": f"airflow-provider-jicoo/{__version__} ({library}; python/{platform.python_version()})",
        }


class _Key:
    """The attribute ``api_key``: a text to whoever asks for it, held as a :class:`Secret`."""

    def __get__(self, settings: Any, kind: type) -> Any:
        if settings is None:
            return self
        held = vars(settings).get("api_key")
        if held is None:
            raise InvalidRequestError(
                "these settings were pickled, and a pickle has no API key: make them where they are used"
            )
        return held.reveal()

    def __set__(self, settings: Any, key: object) -> None:
        vars(settings)["api_key"] = Secret(key if isinstance(key, str) else "")


# Behind the back of the dataclass, which would take the descriptor for a default.
Settings.api_key = _Key()  # type: ignore[assignment]
Settings.__init__ = discreet(Settings.__init__)  # type: ignore[method-assign]


def _checked_key(key: str) -> str:
    key = key.strip()
    if not key:
        raise InvalidRequestError("there is no API key; make one in Jicoo's dashboard under integrations, API keys")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidRequestError("the API key has a blank, a line break or a character that no key has")
    return key


def checked_word(name: str, value: object) -> str:
    """Return what to do with a list that cannot be proved whole.

    :raises InvalidRequestError: it is neither ``fail`` nor ``warn``.
    """
    if value not in ("fail", "warn"):
        raise InvalidRequestError(f"{name}: {value!r} is neither 'fail' nor 'warn'")
    return str(value)


def _checked(base_url: str) -> str:
    base_url = base_url.strip()
    # What is done with a name takes time by the square of its length.
    if len(base_url) > _ADDRESS_LENGTH:
        raise InvalidRequestError(f"host of {len(base_url):,} characters is no address such as {BASE_URL}")
    # Before any error that shows the address.
    if "@" in base_url or "sk_live_" in base_url:
        raise InvalidRequestError("the host has a user or a password in it; the API key belongs in the password field")
    try:
        parts = urllib.parse.urlsplit(base_url)
        host, _ = parts.hostname or "", parts.port  # an unreadable port raises here
        host.encode("idna")  # as does an empty or overlong part of a name
    except ValueError as error:
        raise InvalidRequestError(f"host {base_url!r} is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or re.search(r"[\s?#]", base_url):
        raise InvalidRequestError(f"host {base_url!r} is no address such as {BASE_URL}")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise InvalidRequestError(f"host {base_url!r} is not https: the API key would travel in the open")
    return base_url.rstrip("/")


def _positive(name: str, value: object, unit: str) -> None:
    # JSON has integers that no float can hold.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= sys.float_info.max:
        raise InvalidRequestError(f"{name}: {value!r:.100} is not a positive number of {unit}")
