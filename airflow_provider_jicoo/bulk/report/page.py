"""The report as one page that needs nothing from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from airflow_provider_jicoo.bulk.documents import Approval, ReportedOutcome, ReportFacts, TimelineSample
from airflow_provider_jicoo.bulk.outcomes import Outcome

ROWS = 5_000
"""How many rows of what did not go through the page has at the most; ``outcomes.jsonl`` has all."""
WORST_FIRST = ("unknown", "failed", "rejected", "stale")
"""Outcomes of changes that did not go through, in the order of the page's rows. ``not_attempted`` is a number only."""
WIDTH, HEIGHT, LEFT, BOTTOM = 900, 220, 48, 24

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:960px;padding:0 1rem;color:#1d2b2a;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #dde5e3;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.9em}
.counts{display:flex;flex-wrap:wrap;gap:.6rem}
.counts div{border:1px solid #dde5e3;border-radius:8px;padding:.5rem .9rem}
.counts b{display:block;font-size:1.4rem}.bad b{color:#b3261e}.good b{color:#0b7a53}.none{opacity:.45}
.early{background:#fdecea;border-left:4px solid #b3261e;padding:.6rem 1rem}
input{padding:.4rem .6rem;width:20rem;font:inherit}
svg{width:100%;height:auto}text{font-size:11px;fill:#5a6a68}
"""
_SCRIPT = """
const box=document.getElementById('search'),rows=[...document.querySelectorAll('#wrong tbody tr')];
if(box)box.addEventListener('input',()=>{const s=box.value.toLowerCase();let n=0;
for(const r of rows){const on=r.textContent.toLowerCase().includes(s);r.hidden=!on;n+=on}
document.getElementById('found').textContent=n+' of '+rows.length});
"""


class WorstFirst:
    """Changes that did not go through, collected one by one; no more of them are kept than the page shows."""

    def __init__(self) -> None:
        self._kept: dict[str, list[ReportedOutcome]] = {outcome: [] for outcome in WORST_FIRST}

    def add(self, made: ReportedOutcome) -> None:
        """Take in what became of a change."""
        kept = self._kept.get(made["outcome"])
        if kept is not None and len(kept) < ROWS:
            kept.append(made)

    def __iter__(self) -> Iterator[ReportedOutcome]:
        """Yield them, the worst first, and otherwise in the order in which they came."""
        for kept in self._kept.values():
            yield from kept


def page(facts: ReportFacts, wrong: Iterable[ReportedOutcome]) -> Iterator[str]:
    """Yield the page in parts.

    :param facts: what is in ``report.json``.
    :param wrong: the changes that did not go through, the worst first: ``uid``, ``action``, ``outcome``, ``detail``.
    """
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Bulk change</title><style>{_STYLE}</style>'
    yield f"<h1>{facts['changes']:,} planned changes</h1>"
    if facts["endedEarly"]:
        yield f'<p class="early">Ended early: {_text(facts["endedEarly"])}</p>'
    yield f'<div class="counts">{"".join(_count(name, count) for name, count in facts["counts"].items())}</div>'
    yield f"<h2>The run</h2><table>{''.join(_facts(facts))}</table>"
    if len(facts["timeline"]) > 2:
        yield f"<h2>Over time</h2>{plot(facts['timeline'])}"
    yield from _table(wrong, facts["counts"])
    yield f"<script>{_SCRIPT}</script></html>\n"


def _count(name: str, count: int) -> str:
    kind = "none" if not count else "good" if Outcome(name).is_fine else "bad"
    return f'<div class="{kind}"><b>{count:,}</b>{_text(name.replace("_", " "))}</div>'


def _facts(facts: ReportFacts) -> Iterator[str]:
    seconds, requests = facts["seconds"], facts["requests"]
    share = f" ({100 * facts['refused'] / requests:.1f} %)" if requests else ""
    for name, value in (
        ("Plan", facts["plan"]),
        ("Digest", facts["digest"]),
        ("Agreed to by", _approval(facts.get("approval"))),
        ("Jicoo", facts["jicoo"]),
        ("Selection", _pairs(facts["selection"])),
        ("Change", _pairs(facts["change"])),
        ("Try", facts["try"]),
        ("From, to", f"{facts['startedAt']} to {facts['endedAt']} ({seconds:,.1f} s)"),
        ("Requests", f"{requests:,}, of which {facts['refused']:,} refused with 429{share}"),
    ):
        yield f"<tr><th>{name}</th><td>{_text(value)}</td></tr>"


def _approval(approval: Approval | None) -> str:
    return "nobody was asked" if approval is None else f"{approval['by']}, at {approval['at']}"


def _pairs(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} = {value}" for name, value in (values or {}).items())


def _table(wrong: Iterable[ReportedOutcome], counts: Mapping[str, int]) -> Iterator[str]:
    rows = 0
    for made in wrong:
        if rows == 0:
            yield (
                "<h2>What did not go through</h2>"
                '<p><input id="search" placeholder="Search"> <span id="found"></span></p>'
                '<table id="wrong"><thead><tr><th>booking</th><th>action</th><th>outcome</th><th>why</th></tr></thead>'
                "<tbody>"
            )
        rows += 1
        if rows <= ROWS:
            cells = "".join(f"<td>{_text(made.get(name, ''))}</td>" for name in ("uid", "action", "outcome", "detail"))
            yield f"<tr>{cells}</tr>\n"
    left = counts.get("not_attempted", 0)
    if rows:
        yield "</tbody></table>"
    elif left:
        yield "<h2>Nothing went wrong before the run ended</h2>"
    else:
        yield "<h2>Everything went through</h2>"
    more = max(rows, sum(counts.get(outcome, 0) for outcome in WORST_FIRST)) - ROWS
    if more > 0:
        yield f"<p>{more:,} more are in outcomes.jsonl.</p>"
    if left:
        yield f"<p>{left:,} not attempted: the run ended before their turn. They are in outcomes.jsonl.</p>"


def plot(timeline: Sequence[TimelineSample]) -> str:
    """Return an SVG of requests and refusals per second, and of the pace, over time."""
    steps = [
        (
            after["seconds"],
            max(after["seconds"] - before["seconds"], 1e-6),
            after["requests"] - before["requests"],
            after["refused"] - before["refused"],
            after["pace"],
        )
        for before, after in pairwise(timeline)
    ]
    end = steps[-1][0] or 1.0
    sent = [(at, count / gap) for at, gap, count, _, _ in steps]
    refused = [(at, count / gap) for at, gap, _, count, _ in steps]
    pace = [(at, rate) for at, _, _, _, rate in steps if rate is not None]
    top = max(1.0, *(rate for _, rate in (*sent, *pace))) * 1.05
    lines = "".join(
        f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{_points(values, end, top)}"/>'
        for colour, values in (("#0b7a53", sent), ("#b3261e", refused), ("#8a8f98", pace))
        if values
    )
    marks = "".join(
        f'<text x="4" y="{_y(rate, top) + 4:.0f}">{rate:.3g}/s</text>'
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{_y(rate, top):.0f}" y2="{_y(rate, top):.0f}" stroke="#eef2f1"/>'
        for rate in (0, top / 2, top / 1.05)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Requests per second over time">{marks}{lines}'
        f'<text x="{LEFT}" y="{HEIGHT - 6}">0 s</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 6}" text-anchor="end">{end:,.0f} s</text></svg>'
        '<p><b style="color:#0b7a53">requests</b>, <b style="color:#b3261e">refused with 429</b> and '
        '<b style="color:#8a8f98">learnt pace</b>, per second</p>'
    )


def _points(values: Sequence[tuple[float, float]], end: float, top: float) -> str:
    return " ".join(f"{LEFT + (WIDTH - LEFT) * at / end:.1f},{_y(rate, top):.1f}" for at, rate in values)


def _y(rate: float, top: float) -> float:
    return (HEIGHT - BOTTOM) * (1 - rate / top) + 4


def _text(value: Any) -> str:
    return html.escape(str(value))
