"""The proof of the events is one that can fail: what is lost, done twice or made up is seen."""

from __future__ import annotations

from collections import Counter

from airflow_provider_jicoo.sandbox import Sandbox
from tests.system.events import Burst, Rung, Verdict


def test_all_is_well():
    assert Verdict.of([Rung("a", "1"), Rung("b", "1")], [Rung("b", "1"), Rung("a", "1")]).is_well


def test_what_is_lost_doubled_and_made_up_is_seen():
    verdict = Verdict.of(["lost", "once", "twice"], ["once", "twice", "twice", "made up"])
    assert verdict == Verdict(["lost"], ["twice"], ["made up"])
    assert not verdict.is_well


def test_a_burst_is_what_jicoo_has_sent(httpserver):
    httpserver.expect_request("/hook").respond_with_data(status=204)
    with Sandbox(bookings=0, webhook_url=httpserver.url_for("/hook")) as jicoo:
        burst = Burst(jicoo, 50, per_second=500).start()
        burst.wait_for_half()
        burst.finish()
        jicoo.settle()
        sent = [Rung(each.event, each.uid) for each in jicoo.deliveries]
        assert Verdict.of(burst.rung, sent).is_well
        assert Counter(each.event for each in burst.rung) == {
            "guest_booked": 35,
            "guest_rescheduled": 10,
            "guest_cancelled": 5,
        }
        assert {each["uid"]: each["updatedAt"] for each in jicoo.bookings()} == dict(burst.states)
        assert len(set(burst.states)) == 50


def test_a_burst_of_which_some_get_lost_is_not_well(httpserver):
    httpserver.expect_request("/hook").respond_with_data(status=204)
    with Sandbox(bookings=0, webhook_url=httpserver.url_for("/hook"), webhook_faults=["drop=20%"]) as jicoo:
        burst = Burst(jicoo, 50, per_second=500).start().finish()
        jicoo.settle()
        sent = [Rung(each.event, each.uid) for each in jicoo.deliveries]
    verdict = Verdict.of(burst.rung, sent)
    assert 0 < len(verdict.missing) < 25
    assert len(verdict.missing) == 50 - len(sent)
