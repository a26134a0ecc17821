"""What stands on the pages, and who may see it."""

from __future__ import annotations

import asyncio
import re
import zlib
from urllib.parse import parse_qs, unquote, urlsplit

from tests.plugins.room import asgi, planted
from tests.plugins.room.hostile import Hostile


class TestRuns:
    def test_a_finished_apply_is_listed_and_leads_to_its_page(self, viewer, finished):
        text = viewer.read("/jicoo/runs/")
        assert "manual__2027-01-01T00:00:00+00:00" in text
        assert "started by <bdi>Grace</bdi>" in text
        assert "2 applied" in text
        assert "Ada Lovelace" in text
        assert f'href="{finished.address}"' in text

    def test_those_of_one_dag(self, viewer, finished):
        assert finished.run_id in viewer.read("/jicoo/runs/room/")
        assert finished.run_id not in viewer.read("/jicoo/runs/room_of_others/")


class TestRun:
    def test_a_finished_apply(self, viewer, finished):
        text = viewer.read(finished.address)
        assert "Change of 3 bookings" in text
        assert "b000001" in text
        assert "Tue 2027-03-02 10:00–12:00" in text
        assert "Asia/Tokyo" in text
        assert "<del>Ada Lovelace</del>" in text
        assert "<ins>Grace Hopper</ins>" in text
        assert "worker-1" in text
        assert "taken by a worker" in text

    def test_the_policy_lets_its_own_style_and_script_in_and_nothing_else(self, viewer, finished):
        answer = viewer.get(finished.address)
        policy = answer.headers["content-security-policy"]
        (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'self'" in policy
        assert answer.text.count(f'nonce="{nonce}"') == 2
        assert not re.search(r"\son\w+=|\sstyle=", answer.text)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert nonce not in viewer.get(finished.address).text

    def test_each_permission_is_asked_once(self, viewer, finished, monkeypatch):
        """Each is a look into the database before the first byte of the page."""
        from airflow_provider_jicoo.plugins import airflow_internals

        asked, may = [], airflow_internals.may

        def count(user, *args):
            asked.append(args)
            return may(user, *args)

        monkeypatch.setattr(airflow_internals, "may", count)
        viewer.read(finished.address)
        assert sorted(asked) == sorted(set(asked))
        assert len(asked) >= 3

    def test_its_head_can_be_shown_before_the_plan_is_read(self, viewer, finished, rest_api, monkeypatch):
        """Also where it is compressed, and by the Airflow that keeps what it compresses to the end."""
        from airflow_provider_jicoo.plugins.room import pages

        shown = b""
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        heads = []

        def hear(message):
            nonlocal shown
            shown += unpack.decompress(message.get("body", b""))

        table = pages._table
        monkeypatch.setattr(pages, "_table", lambda *args: heads.append(shown) or table(*args))
        proof = [(name.lower().encode(), value.encode()) for name, value in viewer.headers.items()]
        asked = Hostile("viewer", "GET", finished.address, headers=[(b"accept-encoding", b"gzip")])
        status, _ = asyncio.run(asgi.ask(rest_api.app, asked, proof, hear))
        assert status == 200
        (head,) = heads
        assert b"Change of 3 bookings" in head
        assert b"b000001" not in head
        assert b"b000001" in shown
        assert b"</html>" in shown

    def test_where_nothing_may_be_compressed(self, viewer, finished):
        answer = viewer.get(finished.address, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in answer.headers
        assert "b000001" in answer.text

    def test_a_name_that_is_half_a_character(self, viewer, room, tmp_path):
        manifest = planted.write_plan(tmp_path / "p.jsonl", [planted.change(1)], hosts={"u1": "Ada", "u2": "x\\ud83d"})
        header = (tmp_path / "p.jsonl").read_bytes().replace(b"\\\\ud83d", b"\\ud83d")
        (tmp_path / "p.jsonl").write_bytes(header)
        task = planted.plant("room", "half", "apply", "running", jicoo_plan=planted.note(manifest))
        assert "<ins>x?</ins>" in viewer.read(task.address)
        assert "</html>" in viewer.search(task.address, q="ada")


class TestWho:
    def test_anonymous_gets_nothing(self, person, finished):
        nobody = person(None)
        for address in ("/jicoo/runs/", "/jicoo/runs/room/", finished.address, f"{finished.address}/files/report.json"):
            answer = nobody.get(address)
            assert answer.status_code == 401
            assert "room" not in answer.text
            assert "b00000" not in answer.text

    def test_anonymous_is_shown_where_to_sign_in(self, person, finished):
        nobody = person(None)
        (link,) = re.findall(r'href="([^"]*/auth/login[^"]*)"', nobody.get(finished.address).text)
        answer = nobody.get(link, params={"next": finished.address}, follow_redirects=False)
        assert answer.status_code == 307
        back = parse_qs(urlsplit(answer.headers["location"]).query)["next"]
        assert [unquote(each) for each in back] == [unquote(finished.address)]

    def test_a_viewer_of_another_dag(self, viewer, finished, only):
        only(dag_ids={"room_of_others"})
        assert finished.run_id not in viewer.read("/jicoo/runs/")
        for address in ("/jicoo/runs/room/", finished.address, f"{finished.address}/files/report.json"):
            assert viewer.get(address).status_code == 404

    def test_a_dag_that_is_not_there(self, viewer):
        assert viewer.get("/jicoo/runs/no_such_dag/").status_code == 404


class TestProgress:
    def test_it_is_a_part_of_the_page(self, viewer, running):
        text = viewer.read(running.address)
        part = viewer.read(f"{running.address}/progress")
        assert "2 of 3" in part
        assert "1 min 1 s to go" in part
        assert "<html" not in part
        assert f'data-live="{running.address}/progress"' in text

    def test_at_its_end_the_page_is_to_be_loaded_anew(self, viewer, finished):
        assert viewer.get(f"{finished.address}/progress").status_code == 205

    def test_it_reads_no_file(self, viewer, running, monkeypatch):
        from airflow_provider_jicoo.plugins.room import pages

        monkeypatch.setattr(pages.source, "find", None)
        assert "2 of 3" in viewer.read(f"{running.address}/progress")


def test_airflows_ui_learns_of_it(person):
    """In its menu and at each DAG; at a task only where Airflow can tell ours from others."""
    from airflow import plugins_manager

    admin = person("ADMIN")
    (ours,) = [each for each in admin.get("/api/v2/plugins").json()["plugins"] if each["name"] == "jicoo"]
    views = {each["destination"]: each for each in ours["external_views"]}
    assert views["nav"]["href"].endswith("/jicoo/runs/")
    assert views["dag"]["href"].endswith("/jicoo/runs/{DAG_ID}/")
    assert len({each["url_route"] for each in views.values()}) == len(views)
    assert ("task_instance" in views) == hasattr(plugins_manager, "ExternalViewDict")
    if "task_instance" in views:
        assert "ApplyBookingPlanOperator" in views["task_instance"]["applies_to"]["operator_name"]


def test_the_literal_of_a_task_that_is_not_mapped(viewer, finished):
    """Airflow's UI leaves it in the address."""
    address = finished.address.removesuffix("/-1")
    assert "b000001" in viewer.read(f"{address}/%7BMAP_INDEX%7D")
