"""Sphinx: `make docs` builds these pages as a site, in build/docs/html."""

import importlib.metadata
import json
import logging
import os
import re
from pathlib import Path
from typing import Any

from sphinx.ext.autodoc.mock import _MockObject

from fusioncim_sim.pages.reference.made import with_made
from fusioncim_sim.pages.reference.modules import as_rst

DOCS = Path(__file__).parent
BUILD = DOCS.parent / "build/docs"
FOLDER = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[\w./-]+?)(#[\w-]+)?\)")
"""A link that leaves the folder of the pages."""
READMES = {
    "sim/fusioncim_sim/heads/data/README.md": "/reference/heads.md",
    "sim/fusioncim_sim/system/serving/data/README.md": "/reference/traces.md",
    "constraints/README.md": "/reference/pins.md",
    "constraints": "/reference/pins.md",
    "SECURITY.md": "/security.md",
}
"""Pages outside of this folder, and where the site shows them."""

project = "FusionCIM"
author = "The FusionCIM authors"
copyright = f"2026, {author}"
release = version = importlib.metadata.version("fusioncim")
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]

html_theme = "furo"
html_title = f"FusionCIM {release}"
html_show_sourcelink = False
html_static_path = ["style"]
html_css_files = ["site.css"]
highlight_language = "none"  # a block that names no language is a drawing, or what was printed
smartquotes = False  # an option begins with two hyphens

myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]

autodoc_member_order = "bysource"
autodoc_mock_imports = ["torch", "transformers"]  # documented where they are not installed
_MockObject.__or__ = lambda self, other: Any  # in annotations such as Tensor | None
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
viewcode_follow_imported_members = False
napoleon_custom_sections = [("Members", "params_style")]
napoleon_google_docstring = True

# make test-links: an answer within this many seconds, asked for twice; places in a page are often made by scripts.
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_anchors = False

nb_execution_mode = "cache"
nb_execution_cache_path = str(BUILD / "notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 120
# Kernels start without the settings of whoever builds this, and without a remark on how they are reached.
KERNEL = BUILD / "ipython/profile_default/ipython_kernel_config.json"
KERNEL.parent.mkdir(parents=True, exist_ok=True)
KERNEL.write_text(json.dumps({"IPKernelApp": {"log_level": "ERROR"}}), encoding="utf-8")
os.environ["IPYTHONDIR"] = str(KERNEL.parents[1])
logging.getLogger("traitlets").setLevel(logging.WARNING)
os.environ.setdefault("FUSIONCIM_BUILD", str(DOCS.parent / "build"))


def site_links(text, folder):
    """Links to folders become their names, links to pages elsewhere those of the site; files can be downloaded."""

    def link(found):
        target = (folder / found[2]).resolve()
        path = target.relative_to(DOCS.parent).as_posix()
        if target.suffix == ".md" and target.is_relative_to(DOCS):
            return f"[{found[1]}](/{target.relative_to(DOCS).as_posix()}{found[3] or ''})"
        if path in READMES:
            return f"[{found[1]}]({READMES[path]})"
        return found[1] if target.is_dir() else found[0]

    return FOLDER.sub(link, text)


def read_page(app, name, content):
    """Makes what a page leaves to the code, before Sphinx parses it."""
    content[0] = with_made(site_links(content[0], (DOCS / name).parent))


def read_included(app, path, name, content):
    """A page from elsewhere has links, too; its path is relative to this folder."""
    content[0] = site_links(content[0], (DOCS / path).parent)


def read_docstring(app, what, name, obj, options, lines):
    """Docstrings are plain text."""
    made = as_rst(lines)
    # Napoleon takes what is before the first colon for a type; it does not look behind the first line, here a comment.
    lines[:] = ["..", "", *made] if what in ("attribute", "data", "property") else made


def shows_others(app, env, added, changed, removed):
    """Pages that show what notebooks draw are made again with them."""
    return ["pictures"]


def setup(app):
    """Called by Sphinx."""
    app.connect("env-get-outdated", shows_others)
    app.connect("source-read", read_page)
    app.connect("include-read", read_included)
    app.connect("autodoc-process-docstring", read_docstring, priority=100)
