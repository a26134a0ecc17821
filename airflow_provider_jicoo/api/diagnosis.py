"""What can be wrong with a connection, in one sentence."""

from __future__ import annotations

from airflow_provider_jicoo.api import errors


def diagnosis(error: errors.RequestError, base_url: str) -> str:
    """Say what an error of a first request means.

    :param error: what came of asking for bookings.
    :param base_url: where the API is.
    """
    if isinstance(error, errors.AuthenticationError):
        return f"{base_url} refuses the API key (401): make or copy it anew in Jicoo's dashboard"
    if isinstance(error, errors.PermissionDeniedError):
        return f"{base_url} knows the API key, but it has no permission to list bookings (403)"
    if isinstance(error, errors.TransportError):
        return f"{base_url} cannot be reached: {error.summary}"
    if isinstance(error, (errors.UnexpectedAnswerError, errors.NotFoundError)):
        return f"{base_url} is not Jicoo's API: {error}"
    return f"{base_url} answers, but not with bookings: {error}"
