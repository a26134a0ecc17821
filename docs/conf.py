"""How the documentation is built: ``make docs``. Nothing in the built pages is requested from another server."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE / "_ext")]
# Autodoc imports operators, and Airflow makes its home when it is imported: not in that of whoever builds.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

from airflow_provider_jicoo import __version__  # noqa: E402

project = "airflow-provider-jicoo"
author = "The authors of airflow-provider-jicoo"
project_copyright = "the authors of airflow-provider-jicoo; Apache-2.0"
version = release = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_design", "repository"]
exclude_patterns = ["_build", "_templates"]
source_suffix = {".md": "markdown"}
nitpicky = False

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
autodoc_preserve_defaults = True

highlight_language = "default"
pygments_style = "tango"
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = f"airflow-provider-jicoo {version}"
html_short_title = "airflow-provider-jicoo"
html_static_path = ["_static"]
html_css_files = ["jicoo.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
templates_path = ["_templates"]
html_sidebars = {"**": ["whole-tree"]}
html_theme_options = {
    "logo": {"text": "airflow-provider-jicoo"},
    "navbar_align": "left",
    "navbar_center": [],
    "navbar_end": ["search-button-field", "theme-switcher"],
    "navbar_persistent": [],
    "show_toc_level": 2,
    "show_nav_level": 1,
    "navigation_depth": 2,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "github-dark",
    "back_to_top_button": False,
}
