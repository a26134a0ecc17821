"""Hooks: Jicoo's API with the key of an Airflow connection.

Both hooks have the same methods with the same arguments; each is the endpoint of that name in a module of
:mod:`airflow_provider_jicoo.api`, which documents it.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from airflow.providers.common.compat.connection import get_async_connection
from airflow.sdk import BaseHook

from airflow_provider_jicoo.api import availability, bookings, errors, event_types, organization, schedules
from airflow_provider_jicoo.api.aio import AsyncJicooClient
from airflow_provider_jicoo.api.call import Call, Listing
from airflow_provider_jicoo.api.client import JicooClient
from airflow_provider_jicoo.api.diagnosis import diagnosis
from airflow_provider_jicoo.api.lookup import lookup_bookings
from airflow_provider_jicoo.api.models import AvailableSchedule, Booking
from airflow_provider_jicoo.api.request import request
from airflow_provider_jicoo.api.retry import RetryPolicy
from airflow_provider_jicoo.api.rows import status_problem
from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.hooks import connection, forms

P = ParamSpec("P")
T = TypeVar("T")


def _as_method(method: Callable[..., Any], endpoint: Callable[..., Any], of_rows: Any = None) -> Any:
    """Give a method the name, the documentation and, behind ``self``, the arguments of its endpoint.

    Its annotations are what they stand for, not their text, which would be looked up in this module.

    :param of_rows: of a list, what its rows come in.
    """
    functools.update_wrapper(method, endpoint)
    made = discreet(method)
    hints = typing.get_type_hints(endpoint)
    answer = _answer_of(hints["return"])
    made.__annotations__ = {**hints, "return": answer if of_rows is None else of_rows[answer]}
    me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    parameters = [
        each.replace(annotation=made.__annotations__[each.name])
        for each in inspect.signature(endpoint).parameters.values()
    ]
    made.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [me, *parameters], return_annotation=made.__annotations__["return"]
    )
    made.endpoint = endpoint  # type: ignore[attr-defined]
    return made


def _answer_of(request: Any) -> Any:
    """Return what a kind of Call or Listing is answered with: the ``T`` of ``Call[T]``, or of a subclass of it."""
    (answer,) = typing.get_args(request) or typing.get_args(request.__orig_bases__[0])
    return answer


def _sent(endpoint: Callable[P, Call[T]]) -> Callable[Concatenate[JicooHook, P], T]:
    def method(self: JicooHook, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.client.send(endpoint(*args, **kwargs))

    return _as_method(method, endpoint)  # type: ignore[no-any-return]


def _listed(endpoint: Callable[P, Listing[T]]) -> Callable[Concatenate[JicooHook, P], Iterator[T]]:
    def method(self: JicooHook, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.client.iterate(endpoint(*args, **kwargs))

    return _as_method(method, endpoint, Iterator)  # type: ignore[no-any-return]


def _sent_async(endpoint: Callable[P, Call[T]]) -> Callable[Concatenate[JicooAsyncHook, P], Coroutine[Any, Any, T]]:
    async def method(self: JicooAsyncHook, /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = endpoint(*args, **kwargs)
        return await (await self.get_client()).send(call)

    return _as_method(method, endpoint)  # type: ignore[no-any-return]


def _listed_async(endpoint: Callable[P, Listing[T]]) -> Callable[Concatenate[JicooAsyncHook, P], AsyncIterator[T]]:
    def method(self: JicooAsyncHook, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self._iterate(endpoint(*args, **kwargs))

    return _as_method(method, endpoint, AsyncIterator)  # type: ignore[no-any-return]


def endpoint(method: str) -> Callable[..., Call[Any] | Listing[Any]]:
    """Return the endpoint behind a method of the hooks: it makes the request as data, and sends nothing.

    :param method: name of the method, as ``get_booking``.
    """
    return getattr(JicooHook, method).endpoint  # type: ignore[no-any-return]


class JicooHook(BaseHook):
    """Jicoo's API for tasks.

    ::

        with JicooHook() as hook:
            booking = hook.update_booking("mzgdPJVBb7RE", priority="high")

    :param jicoo_conn_id: the Airflow connection: password = API key, host = base URL.
    """

    conn_name_attr = "jicoo_conn_id"
    default_conn_name = "jicoo_default"
    conn_type = "jicoo"
    hook_name = "Jicoo"

    def __init__(self, jicoo_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.jicoo_conn_id = jicoo_conn_id

    @staticmethod
    def get_connection_form_widgets() -> dict[str, Any]:
        """Return the fields of the connection's extras (Airflow 3.1; later versions read the provider info)."""
        return forms.wtforms_fields()

    @staticmethod
    def get_ui_field_behaviour() -> dict[str, Any]:
        """Return how the standard fields are shown (Airflow 3.1; later versions read the provider info)."""
        return forms.ui_field_behaviour("_")

    @functools.cached_property
    def client(self) -> JicooClient:
        """The client, made of the connection at its first use.

        :raises InvalidRequestError: the connection cannot be right.
        """
        return JicooClient(connection.settings(self._connection))

    @functools.cached_property
    def _connection(self) -> Any:
        # Looked up once: what fails, or is wrong, must do so before a change is sent, and not behind it.
        return self.get_connection(self.jicoo_conn_id)

    def get_conn(self) -> JicooClient:
        """Return :attr:`client`."""
        return self.client

    def event_type_url(self, event_type_id: str | None) -> str | None:
        """Return the address of an event type's booking page, or None where the connection names no team.

        Source of its form: the example of https://developer.jicoo.com/apidoc/project-373292/api-4059407.
        """
        slug = connection.team_slug(self._connection)
        return f"https://www.jicoo.com/t/{slug}/e/{event_type_id}" if slug and event_type_id else None

    list_bookings = _listed(bookings.list_bookings)
    get_booking = _sent(bookings.get_booking)
    create_booking = _sent(bookings.create_booking)
    update_booking = _sent(bookings.update_booking)
    cancel_booking = _sent(bookings.cancel_booking)
    reschedule_booking = _sent(bookings.reschedule_booking)
    get_booking_contacts = _sent(bookings.get_booking_contacts)

    list_event_types = _listed(event_types.list_event_types)
    get_event_type = _sent(event_types.get_event_type)
    list_event_type_hosts = _listed(event_types.list_event_type_hosts)
    create_event_type_host = _sent(event_types.create_event_type_host)
    update_event_type_host = _sent(event_types.update_event_type_host)
    delete_event_type_host = _sent(event_types.delete_event_type_host)
    validate_guest = _sent(event_types.validate_guest)

    list_user_availability_calendars = _listed(availability.list_user_availability_calendars)
    get_user_availability_calendar = _sent(availability.get_user_availability_calendar)

    list_schedules = _listed(schedules.list_schedules)
    create_schedule = _sent(schedules.create_schedule)
    update_schedule = _sent(schedules.update_schedule)
    delete_schedule = _sent(schedules.delete_schedule)

    list_organization_users = _listed(organization.list_organization_users)
    get_organization_user = _sent(organization.get_organization_user)
    update_organization_user = _sent(organization.update_organization_user)
    delete_organization_user = _sent(organization.delete_organization_user)
    create_organization_invitation = _sent(organization.create_organization_invitation)
    list_organization_invitations = _listed(organization.list_organization_invitations)
    get_organization_invitation = _sent(organization.get_organization_invitation)
    delete_organization_invitation = _sent(organization.delete_organization_invitation)
    list_teams = _listed(organization.list_teams)

    request = _sent(request)

    def list_available_schedules(
        self,
        event_type_id: str,
        *,
        period_start: datetime | str,
        period_end: datetime | str,
        time_zone: str | None = None,
    ) -> list[AvailableSchedule]:
        """List the free slots of an event type in a period, each once.

        As :func:`~airflow_provider_jicoo.api.event_types.list_available_schedules`, with the names of the query
        parameters from the connection.

        :param event_type_id: id of the event type.
        :param period_start: begin of the period; without an offset it is read as a wall clock in ``time_zone``.
        :param period_end: its end.
        :param time_zone: IANA name, as ``Asia/Tokyo``.
        """
        parameters = self.client.settings.period_parameters
        return self.client.run(
            event_types.list_available_schedules(
                event_type_id,
                period_start=period_start,
                period_end=period_end,
                time_zone=time_zone,
                parameters=parameters,
            )
        )

    def lookup_bookings(
        self, uids: Iterable[str], *, unreadable: dict[str, errors.RequestError] | None = None
    ) -> dict[str, Booking]:
        """Read many bookings with as few requests as it takes.

        :param uids: booking ids.
        :param unreadable: where given, a booking that cannot be read is put there with what is wrong, instead of an
            error, as long as others can.
        :return: the bookings by uid, as Jicoo gives them; of each the id and the status are checked.
        :raises NotFoundError: there is no such booking.
        :raises UnexpectedAnswerError: a booking cannot be read.
        """
        return self.client.run(lookup_bookings(uids, unreadable=unreadable, check=status_problem))

    def test_connection(self) -> tuple[bool, str]:
        """Ask for one booking, and tell apart what can be wrong with the connection."""
        try:
            settings = connection.settings(self.get_connection(self.jicoo_conn_id))
            with JicooClient(settings, policy=RetryPolicy(attempts=1)) as client:
                client.send(Call("GET", "/v1/bookings", query={"page": "1", "perPage": "1"}, answer_shape="page"))
        except errors.InvalidRequestError as error:
            return False, str(error)
        except errors.RequestError as error:
            return False, diagnosis(error, settings.base_url)
        return True, f"{settings.base_url} accepts the API key"

    def close(self) -> None:
        """Close the connections."""
        # Through __dict__: asking for the property would open what is to be closed.
        self.__dict__.pop("_connection", None)
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    def __enter__(self) -> JicooHook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class JicooAsyncHook(BaseHook):
    """Jicoo's API for triggers and other coroutines.

    ::

        async with JicooAsyncHook() as hook:
            async for booking in hook.list_bookings(status="open"):
                ...

    :param jicoo_conn_id: the Airflow connection, as for :class:`JicooHook`.
    """

    def __init__(self, jicoo_conn_id: str = JicooHook.default_conn_name) -> None:
        super().__init__()
        self.jicoo_conn_id = jicoo_conn_id
        self._client: AsyncJicooClient | None = None

    async def get_client(self) -> AsyncJicooClient:
        """Return the client, made of the connection at its first use.

        :raises InvalidRequestError: the connection cannot be right.
        """
        if self._client is None:
            settings = connection.settings(await get_async_connection(self.jicoo_conn_id))
            # Somebody else may have come first while the connection was awaited.
            self._client = self._client or AsyncJicooClient(settings)
        return self._client

    list_bookings = _listed_async(bookings.list_bookings)
    get_booking = _sent_async(bookings.get_booking)
    create_booking = _sent_async(bookings.create_booking)
    update_booking = _sent_async(bookings.update_booking)
    cancel_booking = _sent_async(bookings.cancel_booking)
    reschedule_booking = _sent_async(bookings.reschedule_booking)
    get_booking_contacts = _sent_async(bookings.get_booking_contacts)

    list_event_types = _listed_async(event_types.list_event_types)
    get_event_type = _sent_async(event_types.get_event_type)
    list_event_type_hosts = _listed_async(event_types.list_event_type_hosts)
    create_event_type_host = _sent_async(event_types.create_event_type_host)
    update_event_type_host = _sent_async(event_types.update_event_type_host)
    delete_event_type_host = _sent_async(event_types.delete_event_type_host)
    validate_guest = _sent_async(event_types.validate_guest)

    list_user_availability_calendars = _listed_async(availability.list_user_availability_calendars)
    get_user_availability_calendar = _sent_async(availability.get_user_availability_calendar)

    list_schedules = _listed_async(schedules.list_schedules)
    create_schedule = _sent_async(schedules.create_schedule)
    update_schedule = _sent_async(schedules.update_schedule)
    delete_schedule = _sent_async(schedules.delete_schedule)

    list_organization_users = _listed_async(organization.list_organization_users)
    get_organization_user = _sent_async(organization.get_organization_user)
    update_organization_user = _sent_async(organization.update_organization_user)
    delete_organization_user = _sent_async(organization.delete_organization_user)
    create_organization_invitation = _sent_async(organization.create_organization_invitation)
    list_organization_invitations = _listed_async(organization.list_organization_invitations)
    get_organization_invitation = _sent_async(organization.get_organization_invitation)
    delete_organization_invitation = _sent_async(organization.delete_organization_invitation)
    list_teams = _listed_async(organization.list_teams)

    request = _sent_async(request)

    async def list_available_schedules(
        self,
        event_type_id: str,
        *,
        period_start: datetime | str,
        period_end: datetime | str,
        time_zone: str | None = None,
    ) -> list[AvailableSchedule]:
        """List the free slots of an event type, as :meth:`JicooHook.list_available_schedules`."""
        client = await self.get_client()
        return await client.run(
            event_types.list_available_schedules(
                event_type_id,
                period_start=period_start,
                period_end=period_end,
                time_zone=time_zone,
                parameters=client.settings.period_parameters,
            )
        )

    async def lookup_bookings(
        self, uids: Iterable[str], *, unreadable: dict[str, errors.RequestError] | None = None
    ) -> dict[str, Booking]:
        """Read many bookings, as :meth:`JicooHook.lookup_bookings`."""
        steps = lookup_bookings(uids, unreadable=unreadable, check=status_problem)
        return await (await self.get_client()).run(steps)

    @discreet
    async def _iterate(self, listing: Listing[T]) -> AsyncIterator[T]:
        async for row in (await self.get_client()).iterate(listing):
            yield row

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def __aenter__(self) -> JicooAsyncHook:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
