"""What the documentation needs beyond its extensions: diagrams without a script of 3 MB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def diagrams_as_pictures(app: Sphinx, doctree: nodes.document) -> None:
    """Put the drawn picture in the place of a Mermaid diagram, which a code host draws by itself."""
    for block in list(doctree.findall(nodes.literal_block)):
        if block.get("language") == "mermaid":
            name = app.env.docname.rpartition("/")[2]
            block.replace_self(nodes.image(uri=f"{name}.svg", alt=f"The diagram of {name}", classes=["diagram"]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register what is here."""
    # Before Sphinx collects the pictures of the page.
    app.connect("doctree-read", diagrams_as_pictures, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
