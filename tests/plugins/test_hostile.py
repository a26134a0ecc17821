"""Ten thousand hostile requests (a thousand, without ``JICOO_LOAD``): none accepted, no 5xx, no memory, no words."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import os
import statistics
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jicoo.plugins.jicoo import WebhookApp
from tests.plugins.hostile import PREFIX, hand_made
from tests.plugins.sending import GUEST, SECRET, body, post, signed

pytestmark = pytest.mark.once

COUNT = 10_000 if os.environ.get("JICOO_LOAD") else 1_000
REFUSED = (401, b"refused\n")
API_KEY = "sk_live_tests"


@pytest.fixture
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(made.shutdown_default_executor())
    made.close()


@pytest.fixture
def endpoint(endpoint, monkeypatch):
    """Beside the endpoint, a connection that receives nothing and one of another type."""
    endpoint("jicoo_plain", webhook_secret="")
    fields = {"conn_type": "http", "password": "pw", "extra": {"webhook_secret": SECRET}}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_TYPE", json.dumps(fields))


@pytest.fixture
def words(caplog, capfd):
    """Everything that was said anywhere."""
    caplog.set_level(logging.DEBUG)
    return lambda: caplog.text + "".join(capfd.readouterr())


def private(words):
    signature = signed(body())
    return [each for each in (SECRET, API_KEY, *GUEST.values(), signature.partition("v1=")[2]) if each in words]


@pytest.mark.timeout(600)
def test_hand_made(loop, endpoint, runs, asset_events, words):
    app = WebhookApp()
    requests = itertools.chain.from_iterable(map(hand_made, itertools.count()))

    async def send(number):
        answers = set()
        for request in itertools.islice(requests, number):
            answer = await post(app, **request)
            if answer != REFUSED:
                answers.add((answer, str(request)[:300]))
        return answers

    assert loop.run_until_complete(send(COUNT // 2)) == set()
    tracemalloc.start()
    try:
        # What is made once is made by now.
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        assert loop.run_until_complete(send(COUNT // 2)) == set()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # What is remembered of unknown connections is the most of it: at most a thousand of their ids.
    assert grown < 1_000_000, grown
    assert not any(runs(f"webhook_{each}") for each in ("first", "second", "paused"))
    assert asset_events() == ([], [])
    said = words()
    assert "webhook for 'jicoo_default' refused" in said
    assert private(said) == []
    # And is none the worse for it.
    raw = body()
    assert loop.run_until_complete(post(app, raw, signed(raw))) == (200, b"stored\n")
    assert private(words()) == []


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"content-encoding", b"content-length", b"jicoo-webhook-signature", b"host", b"expect"]),
        st.binary(max_size=40),
    ),
    max_size=3,
)
REQUESTS = st.fixed_dictionaries(
    {
        "raw_body": st.one_of(st.binary(max_size=300), st.just(body())),
        "signature": st.one_of(
            st.none(),
            st.text(st.characters(max_codepoint=255), max_size=90),
            st.integers(-5, 5).map(lambda off: signed(body(), "whsec_another", int(time.time()) + off)),
        ),
        "path": st.one_of(
            st.text(max_size=60),
            st.text("jico_default./%\\\0", max_size=20).map(lambda text: f"{PREFIX}/{text}"),
            st.just(f"{PREFIX}/jicoo_default"),
        ),
        "method": st.one_of(st.sampled_from(["POST", "GET"]), st.text(max_size=6)),
        "headers": HEADERS,
        "parts": st.one_of(st.none(), st.lists(st.binary(max_size=70_000), max_size=4)),
        "own": st.lists(st.sampled_from([b"content-length", b"content-type"]), unique=True),
        "root": st.sampled_from(["", PREFIX, "/jicoo", "/"]),
    }
)


@pytest.mark.timeout(600)
def test_any(loop, endpoint, runs, words):
    """Whatever is not signed."""
    app = WebhookApp()

    @settings(
        max_examples=COUNT // 5,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
    )
    @given(REQUESTS)
    def refuse(request):
        assert loop.run_until_complete(post(app, **request)) == REFUSED

    refuse()
    assert not runs("webhook_first")
    assert private(words()) == []


@pytest.mark.parametrize("conn_id", ["no_such_one", "jicoo_plain", "other_type"])
def test_a_refusal_takes_the_same_time_whether_there_is_such_an_endpoint(loop, endpoint, runs, conn_id):
    app = WebhookApp()
    raw = body(note="x" * 2000)
    forged = signed(raw, "whsec_another")
    took = {conn_id: [], "jicoo_default": []}

    async def compare():
        for _ in range(2000):
            # In turn: whatever else the machine does falls on both.
            for each, seconds in took.items():
                begin = time.perf_counter()
                answer = await post(app, raw, forged, path=f"{PREFIX}/{each}")
                seconds.append(time.perf_counter() - begin)
                assert answer == REFUSED

    loop.run_until_complete(compare())
    one, other = (statistics.median(seconds) for seconds in took.values())
    assert 0.67 < one / other < 1.5, took
