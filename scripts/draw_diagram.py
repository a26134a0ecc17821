"""Draw the Mermaid diagram of docs/one-change.md into docs/one-change.svg, which the built documentation shows.

    npm install mermaid
    python scripts/draw_diagram.py node_modules/mermaid/dist/mermaid.min.js

Only where the diagram has changed: tests/docs/test_links.py says so. Needs Chromium, which building the pages does not.
"""

from __future__ import annotations

import hashlib
import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# From top to bottom: as wide as a page. Labels as SVG's own text, which an <img> shows; HTML in SVG it does not.
PAGE = """<!doctype html><meta charset="utf-8"><pre id="of" hidden>{text}</pre><div id="to"></div>
<script src="{script}"></script><script>
mermaid.initialize({{startOnLoad: false, theme: "neutral", htmlLabels: false, flowchart: {{htmlLabels: false}},
  fontFamily: "sans-serif", deterministicIds: true}});
mermaid.render("d", document.getElementById("of").textContent.replace("direction LR", "direction TB"))
  .then(drawn => {{ document.getElementById("to").innerHTML = drawn.svg; }});
</script>"""


def main(script: str) -> None:
    found = re.search(r"```mermaid\n(.*?)```", (DOCS / "one-change.md").read_text(), re.DOTALL)
    assert found, "docs/one-change.md has no diagram"
    text = found[1]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(PAGE.format(text=html.escape(text), script=Path(script).resolve().as_uri()))
        command = ["chromium", *FLAGS, "--allow-file-access-from-files", f"--user-data-dir={folder}/profile"]
        command += ["--virtual-time-budget=20000", "--dump-dom", page.as_uri()]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    drawn = re.search(r"<svg.*</svg>", shown, re.DOTALL)
    if drawn is None or "foreignObject" in drawn[0]:
        sys.exit(f"Chromium has drawn nothing of use:\n{shown[:2000]}")
    digest = hashlib.sha256(text.encode()).hexdigest()
    told = f"<!-- Drawn from the diagram of one-change.md with the SHA-256 {digest} -->"
    (DOCS / "one-change.svg").write_text(f"{told}\n{drawn[0]}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
