"""Sphinx configuration: ``make docs`` builds the site into ``site/``, which opens from a folder."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from docutils.nodes import paragraph
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

import reference_pages
import yaml

import rightfit

OUTSIDE = re.compile(r"\]\((?:\.\./)+(SECURITY|CHANGELOG)\.md")
SYNONYMS = yaml.safe_load((Path(__file__).parent / "synonyms.yml").read_text(encoding="utf-8"))
# what answers no question of a user
NOT_SEARCHED = (
    "decisions/",
    "development/",
    "explanation/evidence/",
    "explanation/map",
    "reference/made/changelog",
)
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
html_search_scorer = str(Path(__file__).with_name("search_scorer.js"))
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
    among the pages made. Synonyms become keywords of the
    search, phrases entries of the index, which match a whole query.
    """
    text = TITLED.sub(r"```{code-block} \1\n:caption: \2\n", source[0])
    text = OUTSIDE.sub(lambda link: f"](/reference/made/{link[1].lower()}.md", text)
    phrases = SYNONYMS.get(docname, "").split(", ")
    if any(phrases):
        words = ", ".join(dict.fromkeys(" ".join(phrases).split()))
        entries = "".join(
            f"\n```{{index}} ! {phrase}\n```\n" for phrase in phrases if not phrase.isalnum()
        )
        title, _, rest = text.partition("\n")
        text = f"---\nmyst:\n  html_meta:\n    keywords: {words}\n---\n{title}\n{entries}{rest}"
    source[0] = text


def leave_out_of_search(app: Sphinx) -> Sequence[object]:
    """Remove the pages on development from the index, once every page is in it."""
    searched = {name for name in app.env.all_docs if not name.startswith(NOT_SEARCHED)}
    app.builder.indexer.prune(searched)
    return ()


def write_llms(app: Sphinx, exception: Exception | None) -> None:
    """Write ``llms.txt``: every page that is searched, with its title and first paragraph."""
    if exception is not None or app.builder.format != "html":
        return
    lines = ["# Rightfit", "", f"> {describe_page(app, 'index')}"]
    for section in ("tutorial", "howto", "reference", "explanation"):
        lines += ["", f"## {app.env.titles[f'{section}/index'].astext()}", ""]
        for name in sorted(app.env.all_docs):
            if name.startswith(f"{section}/") and not name.startswith(NOT_SEARCHED):
                address = app.builder.get_target_uri(name)
                title = app.env.titles[name].astext()
                lines.append(f"- [{title}]({address}): {describe_page(app, name)}".rstrip(": "))
    (Path(app.outdir) / "llms.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def describe_page(app: Sphinx, name: str) -> str:
    """Return a page's first paragraph on one line."""
    first = next(iter(app.env.get_doctree(name).findall(paragraph)), None)
    return "" if first is None else " ".join(first.astext().split())


def setup(app: Sphinx) -> None:
    """Write the pages that are made from code, before any page is read."""
    app.add_config_value("synonyms", SYNONYMS, "env")  # a change of them has every page read anew
    app.connect("builder-inited", lambda app: reference_pages.write_pages(Path(app.srcdir)))
    app.connect("source-read", adapt_page)
    app.connect("build-finished", write_llms)
    app.connect("html-collect-pages", leave_out_of_search)
