"""What all operators of this package share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_provider_jicoo.api.secret import discreet
from airflow_provider_jicoo.tasks.failure import fail_without_retry
from airflow_provider_jicoo.tasks.given import Masked, only_given
from airflow_provider_jicoo.tasks.xcom import fit_for_xcom, rows_for_xcom

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_jicoo.api.call import Call
    from airflow_provider_jicoo.api.errors import AmbiguousOutcomeError
    from airflow_provider_jicoo.hooks.jicoo import JicooHook

_SENT = "sent"
"""The key in Airflow's store of whether a change that messages a guest may have arrived."""

Converters = Mapping[str, Callable[[str, Any], Any]]
"""Functions of :mod:`~airflow_provider_jicoo.tasks.given` by the name of an argument."""


class JicooOperator(BaseOperator):
    """Base of the operators.

    Arguments are checked when the task runs, before the first request: templates and mapped values are not there
    earlier. An error that a retry cannot fix (a refused key, a thing that does not exist, a request that Jicoo rejects,
    an outcome that nobody knows) fails the task at once.

    :param jicoo_conn_id: the Airflow connection. (templated)
    """

    ui_color = "#e6f4f1"
    private_fields: ClassVar[frozenset[str]] = frozenset()
    """The arguments that may hold personal data; rendered, they show as ``***`` in Airflow's UI."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "execute" in vars(cls):
            cls.execute = discreet(cls.execute)  # type: ignore[method-assign]

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
                    setattr(self, name, Masked(value))

    @contextmanager
    def _hook(self) -> Iterator[JicooHook]:
        from airflow_provider_jicoo.hooks.jicoo import JicooHook

        with fail_without_retry(self.jicoo_conn_id), JicooHook(self.jicoo_conn_id) as hook:
            yield hook

    def _given(self, names: Sequence[str], **convert: Callable[[str, Any], Any]) -> dict[str, Any]:
        """Return the arguments of these names that were given, each turned by the function of its name."""
        found = only_given({name: getattr(self, name) for name in names})
        return {name: convert[name](name, value) if name in convert else value for name, value in found.items()}

    def _change(self, hook: JicooHook, call: Call[Any], context: Context) -> Any:
        """Send a change; at a further try, read first whether an earlier one has made it.

        A worker may have died between the answer and its end. To send it again would message the guest again.

        :raises AmbiguousOutcomeError: an earlier try may have sent it, and a second one could do it twice; says how to
            look.
        """
        if call.read_back is not None and context["ti"].try_number > 1:
            done, found = self._read_back(hook, call)
            if done:
                self.log.info("%s %s: an earlier try has done it; not sent again", call.method, call.path)
                return call.read_back.result(found)
            if done is None and self._is_repeated(context):
                raise in_doubt(call, "what was read does not tell whether an earlier try has done it")
        store = self._store(call, context)
        if self._may_be_sent(call, context) and self._is_repeated(context):
            over = f"; it was not there when it was read back over {hook.client.settings.server_grace:.0f} s"
            raise in_doubt(call, f"an earlier try may have sent it{over if call.read_back is not None else ''}")
        found = self._send(hook, call, store)
        self.log.info("%s %s: done", call.method, call.path)
        return found

    def _may_be_sent(self, call: Call[Any], context: Context) -> bool:
        """Tell of a change that must not be sent twice whether an earlier try may have sent it."""
        from airflow_provider_jicoo.api.call import Repeat

        store = self._store(call, context)
        return call.repeat in (Repeat.LEAVE, Repeat.NEVER) and (store is None or bool(store.get(_SENT)))

    def _store(self, call: Call[Any], context: Context) -> Any:
        """Return Airflow's store, from 3.3, where it is needed: it outlives a try, wherever the next one runs."""
        from airflow_provider_jicoo.api.call import Repeat

        return None if call.repeat in (Repeat.HARMLESS, Repeat.READ_BACK) else context.get("task_state_store")

    def _send(self, hook: JicooHook, call: Call[Any], store: Any) -> Any:
        """Send a change, and let a further try know whether it may have arrived.

        :param store: what outlives this try; None where nothing does.
        """
        from airflow_provider_jicoo.api.errors import AmbiguousOutcomeError, RequestError

        if store is None:
            return hook.client.send(call)
        store.set(_SENT, True)
        try:
            return hook.client.send(call)
        except RequestError as error:
            if not isinstance(error, AmbiguousOutcomeError):
                store.set(_SENT, False)  # it is known not to have been made
            raise

    def _read_back(self, hook: JicooHook, call: Call[Any]) -> tuple[bool | None, Any]:
        """Read whether an earlier try has made a change; what messages a guest, for the server's grace.

        :return: whether it was made, None where that cannot be told; and what was read.
        """
        from airflow_provider_jicoo.api.call import Repeat

        confirm = call.read_back
        assert confirm is not None, "only what can be read back is looked for"

        def look() -> tuple[bool | None, Any]:
            found = hook.client.send(confirm.read())
            return confirm.done(found), found

        messages = call.repeat in (Repeat.LEAVE, Repeat.AFTER_GRACE)
        return self._look_for_grace(hook, look) if messages else look()

    def _look_for_grace(self, hook: JicooHook, look: Callable[[], tuple[bool | None, Any]]) -> tuple[bool | None, Any]:
        """Look for what an earlier try may have done, until it is seen or the server cannot be at work on it any more.

        The worker of that try may have died a moment ago, with its request under way.

        :param look: tells whether it was done, and what was found.
        """
        from airflow_provider_jicoo.api.retry import looks

        grace = hook.client.settings.server_grace
        done, found = look()
        if not done:
            self.log.info("an earlier try may have sent it: looking for it for up to %.0f s", grace)
        waited = 0.0
        for at in looks(grace):
            if done:
                break
            time.sleep(at - waited)
            waited = at
            done, found = look()
        return done, found

    def _is_repeated(self, context: Context) -> bool:
        """Tell whether Airflow itself runs the task again. Somebody who clears it has looked: that is a first try."""
        ti = context["ti"]
        # When a task is cleared, its tries are counted anew, from those there were. Where its DAG has got more retries
        # since the run began, max_tries is less than they are.
        return bool(ti.try_number > max(ti.max_tries - (self.retries or 0), 0) + 1)

    def _link(self, hook: JicooHook, booking: Mapping[str, Any], context: Context) -> None:
        """Note the address behind :class:`~airflow_provider_jicoo.links.bookings.EventTypeLink`, where it is known."""
        url = hook.event_type_url(booking.get("eventTypeId"))
        if url is not None:
            from airflow_provider_jicoo.links.bookings import EventTypeLink

            context["ti"].xcom_push(key=EventTypeLink.key, value=url)


class CallOperator(JicooOperator):
    """Base of the operators that send one request with the arguments they were given, and do nothing else.

    ::

        class UpdateThingOperator(CallOperator):
            endpoint = "update_thing"
            arguments = ("uid", "size")
            convert: ClassVar[Converters] = {"size": as_int}
            template_fields: Sequence[str] = (*arguments, "jicoo_conn_id")

            def __init__(self, *, uid: str, size: int | str | NotGiven = NOT_GIVEN, **kwargs: Any) -> None:
                super().__init__(**kwargs)
                self.uid = uid
                self.size = size

    A list is returned whole, and must fit into an XCom; a thing is returned as Jicoo gives it; a removal returns
    nothing. At a retry of Airflow's, the worker may have died after the request: a change is then read first, and one
    that cannot be read, and that a second request would do twice, is not sent, unless an earlier try is known to have
    sent nothing (from Airflow 3.3 on): the task says how to look, and is cleared by hand.
    """

    endpoint: ClassVar[str]
    """The method of :class:`~airflow_provider_jicoo.hooks.jicoo.JicooHook` that sends the request."""
    arguments: ClassVar[tuple[str, ...]]
    """The arguments that go to it; those that were not given do not."""
    convert: ClassVar[Converters] = {}
    """How what a template made of an argument is turned back, where it is more than text."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """What the endpoint calls an argument, where an operator cannot have one of that name."""

    if_too_large: ClassVar[str] = "give limit"
    """What to do where a list does not fit into an XCom."""

    def execute(self, context: Context) -> Any:
        """Send the request."""
        from airflow_provider_jicoo.api.call import Listing
        from airflow_provider_jicoo.hooks.jicoo import endpoint

        with self._hook() as hook:
            arguments = self._given(self.arguments, **self.convert)
            asked = endpoint(self.endpoint)(**{self.renamed.get(name, name): arguments[name] for name in arguments})
            if isinstance(asked, Listing):
                rows = rows_for_xcom(hook.client.iterate(asked), self.if_too_large)
                self.log.info("%d rows", len(rows))
                return rows
            return self._carry_out(hook, asked, context)

    def _carry_out(self, hook: JicooHook, call: Call[Any], context: Context) -> Any:
        """Send a request for one thing, and return what the task returns."""
        if call.method == "GET":
            return fit_for_xcom(hook.client.send(call), "read it with JicooHook in a task of your own")
        found = self._change(hook, call, context)
        return None if call.method == "DELETE" and call.answer_shape != "whole" else found


def in_doubt(call: Call[Any], seen: str) -> AmbiguousOutcomeError:
    """Return the error of a retry that sends nothing.

    :param seen: what is known of what an earlier try did.
    """
    from airflow_provider_jicoo.api.errors import AmbiguousOutcomeError

    return AmbiguousOutcomeError(
        f"this is a retry, and {seen}: it was not sent again. Before you repeat it, {call.how_to_check}; "
        "then clear the task.",
        method=call.method,
        path=call.path,
    )
