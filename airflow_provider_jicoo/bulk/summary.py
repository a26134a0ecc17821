"""A plan in Markdown, made to be read before it is agreed to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

SAMPLE = 24
"""How many differences are shown."""
PERSONAL = frozenset({"name", "description"})
"""Fields whose texts may hold personal data: that they change is shown, their texts are not."""


def difference(uid: str, action: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what becomes of one booking, as an item of a list."""
    parts = [
        f"{name} changes" if name in PERSONAL else f"{name}: {_show(before.get(name))} → {_show(value)}"
        for name, value in after.items()
    ]
    return f"- `{uid}` {action}: {', '.join(parts)}"


def summary(
    manifest: Mapping[str, Any], header: Mapping[str, Any], terms: Mapping[str, Any], sample: Sequence[str]
) -> str:
    """Return the whole plan in Markdown.

    :param manifest: its counts.
    :param header: selection, change and cycles.
    :param terms: what holds for all changes.
    :param sample: some differences.
    """
    lines = [
        f"**{manifest['changes']:,} bookings will be changed**, {manifest['unchanged']:,} are so already.",
        "",
        f"- Guests of **{manifest['guests_notified']:,}** bookings will be messaged"
        + (f", with these words: {terms['updateMessage']}" if terms["updateMessage"] else "."),
        f"- **{manifest['irreversible']:,}** changes cannot be undone.",
        f"- Selection: {_pairs(header['selection'])}",
        f"- Change: {_pairs(header['change'])}",
        f"- Jicoo: {terms['baseUrl']}",
        f"- Digest: `{manifest['digest']}`",
    ]
    if len(manifest["shards"]) > 1:
        lines.append(f"- In {len(manifest['shards'])} shards")
    for cycle in header["cycles"]:
        lines.append(f"- **No order works** for these, which take each other's slots: {', '.join(cycle)}")
    lines += [f"- **Note**: {warning}" for warning in header.get("warnings", [])]
    left = header.get("leftAlone", [])
    if left:
        lines.append(f"- **{len(left):,} are left alone**, among them:")
        lines += [f"  - `{each['uid']}`: {each['why']}" for each in left[:SAMPLE]]
    if sample:
        lines += ["", f"The first {len(sample)}:" if len(sample) < manifest["changes"] else "All of them:", "", *sample]
    return "\n".join(lines) + "\n"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items()) or "everything"


def _show(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(host, dict) and "userId" in host for host in value):
        return " + ".join(host["userId"] for host in value) or "nobody"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
