"""A report as text for people, in lines of 80 columns."""

from __future__ import annotations

import json
import textwrap

from airflow_provider_jicoo.doctor.findings import Finding, Report, Verdict

WIDTH = 80
MARKS = {
    Verdict.HOLDS: "holds",
    Verdict.DIFFERS: "does not hold",
    Verdict.FAILS: "DOES NOT HOLD",
    Verdict.UNTOLD: "could not be told",
}
_INDENT = 2 + max(map(len, MARKS.values())) + 2
_MEANING = "DOES NOT HOLD: the package cannot live with it. With all others it can."


def as_text(report: Report) -> str:
    """Return the report as text."""
    lines = [_filled(f"Jicoo at {report.base_url}: {report.requests} requests in {report.seconds:.1f} s.")]
    if not report.can_be_lived_with:
        lines += ["", _filled(_MEANING)]
    for section, findings in report.sections.items():
        lines += ["", section, ""]
        for finding in findings:
            lines += _finding(finding)
    lines += ["", _filled(_verdict(report)), ""]
    if report.extras:
        lines += ["For the extras of the connection:", "", json.dumps(report.extras, indent=2)]
    return "\n".join(lines).rstrip()


def _finding(finding: Finding) -> list[str]:
    rest = " " * _INDENT
    lines = [_filled(finding.name, f"  {MARKS[finding.verdict]}".ljust(_INDENT), rest)]
    lines.append(_filled(_sentence(finding.seen), rest))
    if finding.advice:
        lines.append(_filled(finding.advice, f"{rest}-> ", f"{rest}   "))
    return lines


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:] if not text.startswith(("page=", "startedAt", "status=")) else text
    return text if text.endswith((".", "!", "?", ")")) else f"{text}."


def _filled(text: str, first: str = "", rest: str | None = None) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _verdict(report: Report) -> str:
    counts = {verdict: sum(finding.verdict is verdict for finding in report.findings) for verdict in Verdict}
    said = (
        f"{counts[Verdict.HOLDS]} assumptions hold, {counts[Verdict.DIFFERS] + counts[Verdict.FAILS]} do not, "
        f"{counts[Verdict.UNTOLD]} could not be told. "
    )
    if report.can_be_lived_with:
        return f"{said}The package can work with this account."
    failed = "; ".join(finding.name for finding in report.findings if finding.verdict is Verdict.FAILS)
    return f"{said}The package cannot work with this account as it should: {failed}."
