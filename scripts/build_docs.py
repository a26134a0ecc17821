"""Build the documentation, with warnings as errors, and make sure that its pages request nothing from another server.

python scripts/build_docs.py build/docs
"""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What a browser loads by itself, by element. A link that a reader may follow is none of these.
LOADED = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
_ELSEWHERE = re.compile(r"^\s*(?:https?:)?//", re.IGNORECASE)
_CSS_LOADS = re.compile(r"""(?:url\(\s*|@import\s+)["']?\s*((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in LOADED.get(tag, ()) and value and _ELSEWHERE.match(value):
                self.found.append(value)
            if name == "style" and value:
                self.found += _CSS_LOADS.findall(value)


def loaded_from_elsewhere(folder: Path) -> list[str]:
    """Return what the pages, pictures and style sheets of a folder load from another server, each with its file."""
    found = []
    for file in sorted(folder.rglob("*")):
        if file.suffix not in (".html", ".css", ".svg"):
            continue
        text = file.read_text()
        loads = _CSS_LOADS.findall(text) if file.suffix != ".html" else []
        if file.suffix != ".css":
            parser = _Loads()
            parser.feed(text)
            loads += parser.found
        found += [f"{file.relative_to(folder)}: {load}" for load in loads]
    return found


def main(where: str) -> None:
    built = ROOT / where
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-j", "auto"]
    command += ["-d", str(built.parent / "doctrees"), str(ROOT / "docs"), str(built)]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(1)
    if found := loaded_from_elsewhere(built):
        sys.exit("These are loaded from another server:\n" + "\n".join(found))
    print(f"Built: {built / 'index.html'}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
