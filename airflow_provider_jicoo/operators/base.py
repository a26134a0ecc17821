"""What all operators of this package share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_provider_jicoo.failure import failing_at_once
from airflow_provider_jicoo.given import Private, given

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_jicoo.api.call import Call
    from airflow_provider_jicoo.hooks.jicoo import JicooHook


class JicooOperator(BaseOperator):
    """Base of the operators.

    Arguments are checked when the task runs, before the first request: templates and mapped values are not there
    earlier. Whatever a retry cannot mend (a refused key, a thing that does not exist, a request that Jicoo rejects, an
    outcome that nobody knows) fails the task at once.

    :param jicoo_conn_id: the Airflow connection. (templated)
    """

    ui_color = "#e6f4f1"
    private_fields: ClassVar[frozenset[str]] = frozenset()
    """The arguments that may hold personal data; rendered, they show as ``***`` in Airflow's UI."""

    def __init__(self, *, jicoo_conn_id: str = "jicoo_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.jicoo_conn_id = jicoo_conn_id

    def _do_render_template_fields(self, parent: Any, template_fields: Any, *args: Any, **kwargs: Any) -> None:
        # Airflow stores what it rendered right after rendering, for mapped tasks too only behind this method.
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)
        if parent is self:
            for name in self.private_fields.intersection(template_fields):
                value = getattr(self, name)
                if isinstance(value, (str, list, dict)):
                    setattr(self, name, Private(value))

    @contextmanager
    def _hook(self) -> Iterator[JicooHook]:
        from airflow_provider_jicoo.hooks.jicoo import JicooHook

        with failing_at_once(), JicooHook(self.jicoo_conn_id) as hook:
            yield hook

    def _given(self, names: Sequence[str], **turn: Callable[[str, Any], Any]) -> dict[str, Any]:
        """Return the arguments of these names that were given, each turned by the function of its name."""
        found = given({name: getattr(self, name) for name in names})
        return {name: turn[name](name, value) if name in turn else value for name, value in found.items()}

    def _change(self, hook: JicooHook, call: Call[Any], context: Context) -> Any:
        """Send a change; at a retry, read first whether an earlier try has made it.

        A worker may have died between the answer and its end. To send it again would message the guest again.
        """
        if call.confirm is not None and context["ti"].try_number > 1:
            found = hook.client.send(call.confirm.read())
            if call.confirm.done(found):
                self.log.info("%s %s: an earlier try has done it; not sent again", call.method, call.path)
                return found
        found = hook.client.send(call)
        self.log.info("%s %s: done", call.method, call.path)
        return found

    def _link(self, hook: JicooHook, booking: Mapping[str, Any], context: Context) -> None:
        """Note the address behind :class:`~airflow_provider_jicoo.links.bookings.EventTypeLink`, where it is known."""
        url = hook.event_type_url(booking.get("eventTypeId"))
        if url is not None:
            from airflow_provider_jicoo.links.bookings import EventTypeLink

            context["ti"].xcom_push(key=EventTypeLink.key, value=url)
