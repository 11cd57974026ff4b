"""Sphinx configuration: ``make docs`` builds the site into ``site/``, which opens from a folder."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

import reference_pages

import rightfit

OUTSIDE = re.compile(r"\]\((?:\.\./)+(SECURITY|CHANGELOG)\.md")
TITLED = re.compile(r'^```(\w+) title="(.+?)"\n', re.MULTILINE)

project = "Rightfit"
author = "Rightfit's contributors"
version = release = rightfit.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["README.md"]
nitpicky = False

myst_heading_anchors = 4
myst_links_external_new_tab = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
autodoc_default_options = {
    "exclude-members": "model_config, set_fit_request, set_predict_request, set_score_request"
}
python_use_unqualified_type_names = True
copybutton_exclude = ".linenos, .gp, .go"

html_title = "Rightfit"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_search_summary = False  # they would be fetched, which a folder forbids
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "Rightfit"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "footer_start": ["copyright-line"],
    "footer_end": [],
    "show_nav_level": 1,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}
html_sidebars = {"index": []}
templates_path = ["_templates"]


def adapt_page(app: Sphinx, docname: str, source: list[str]) -> None:  # noqa: ARG001 - Sphinx's
    """Adapt what a repository's browser shows otherwise.

    The title of a block, the file it belongs to, stands above it; pages outside ``docs`` are those
    among the pages made.
    """
    text = TITLED.sub(r"```{code-block} \1\n:caption: \2\n", source[0])
    source[0] = OUTSIDE.sub(lambda link: f"](/reference/made/{link[1].lower()}.md", text)


def setup(app: Sphinx) -> None:
    """Write the pages that are made from code, before any page is read."""
    app.connect("builder-inited", lambda app: reference_pages.write_pages(Path(app.srcdir)))
    app.connect("source-read", adapt_page)
