"""Tracebacks with locals of a bulk change have neither the key nor what bookings are called in them."""

from __future__ import annotations

import pytest

from airflow_provider_jicoo.bulk import Options, Selection, UpdateFields, apply_plan, plan_changes, plan_undo
from airflow_provider_jicoo.bulk.errors import BulkFailedError, PlanError
from tests.tracebacks import chain, frames, shown

TITLE = "The divorce of Ottilie"
NEW = "Ottilie alone"


@pytest.fixture
def sandbox(server):
    server.reset(bookings=20, seed=3)
    for booking in server.bookings():
        server.edit(booking["uid"], name=TITLE, description=TITLE)
    return server


def rename(booking):
    return UpdateFields(name=NEW)


def slips(booking):
    return UpdateFields(name=booking["nmae"])


def assert_shows_nothing(error, sandbox):
    assert list(frames(error))
    found = shown(error)
    assert not [word for word in (sandbox.api_key, "Ottilie", "divorce") if word in found], found


@pytest.mark.parametrize(
    ("change", "limits"), [(slips, {}), (rename, {"max_changes": 3}), (rename, {"max_notified_guests": 3})]
)
def test_of_a_plan(sandbox, jicoo, tmp_path, change, limits):
    with pytest.raises(PlanError) as caught:
        plan_changes(jicoo, Selection(), change, tmp_path / "plan.jsonl", is_send_updates=True, **limits)

    assert_shows_nothing(caught.value, sandbox)
    if change is slips and hasattr(caught.value, "add_note"):
        (slip,) = [one for one in chain(caught.value) if isinstance(one, KeyError)]
        assert f"{__file__}:{slips.__code__.co_firstlineno + 1}" in slip.__notes__[0], "who wrote it finds it"


@pytest.mark.parametrize("fault", ["refused", "revoked"])
def test_of_an_apply_and_an_undo(sandbox, jicoo, tmp_path, fault):
    plan = plan_changes(jicoo, Selection(), rename, tmp_path / "plan.jsonl", is_send_updates=False)
    if fault == "refused":
        sandbox.fail("server_error", method="PATCH", status=422, share=1)
    else:
        sandbox.revoke_key()

    with pytest.raises(Exception) as caught:  # noqa: PT011
        apply_plan(jicoo, plan, options=Options(tolerated_failures=0))
    assert_shows_nothing(caught.value, sandbox)
    if fault == "refused":
        assert isinstance(caught.value, BulkFailedError)
    with pytest.raises(PlanError) as caught:
        plan_undo(jicoo, tmp_path / "none.jsonl", tmp_path / "undo.jsonl", is_send_updates=False)
    assert_shows_nothing(caught.value, sandbox)
