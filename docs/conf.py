"""Sphinx configuration: Markdown pages, and the reference from numpydoc docstrings."""

import runpy
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from sphinx.addnodes import desc_signature

project = "Equivariant Hamiltonian flows"
author = "The equivariant-hamiltonian-flows developers"
copyright = f"2026, {author}"
release = version = installed_version("equivariant-hamiltonian-flows")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "examples_built",
    "filename_pattern": ".*",  # every example is executed: they are made to run in seconds
    "abort_on_example_error": True,
    "capture_repr": ("_repr_html_", "__repr__"),
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "copyfile_regex": "",
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}
suppress_warnings = ["config.cache"]
exclude_patterns = ["_build", "_generated", "examples"]
nitpicky = True  # a reference to what is not in these pages is an error, but for those below
nitpick_ignore_regex = [("py:obj", r"(autograd|distributed|numpy|scipy|sympy)(\..+)?")]
default_role = "autolink"  # `name` in a docstring: a link where there is such an object

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Formulas that are wider than the page break into lines; before Sphinx 9 they scroll.
mathjax4_config = {"output": {"displayOverflow": "linebreak"}}

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it in words
autosummary_generate = False
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["ehf.css"]

DOCS = Path(__file__).parent


def escape_bars(
    _app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]
) -> None:
    """Let |x| be an absolute value in docstrings, where docutils sees a substitution."""
    in_example = False
    for number, line in enumerate(lines):
        in_example = bool(line.strip()) and (in_example or line.lstrip().startswith(">>>"))
        if not in_example:
            lines[number] = line.replace("|", r"\|")


def add_anchors(_app: Any, doctree: Any) -> None:
    """Give what is documented under its module the address under its package as well.

    viewcode links back to one of the two for all that a module holds.
    """
    for signature in doctree.findall(desc_signature):
        package, below, _ = (signature.get("module") or "").partition(".")
        if below:
            signature["ids"].append(f"{package}.{signature['fullname']}")


def draw_layout(_app: Any) -> None:
    """Draw the picture of the layout from the code as it is."""
    draw = runpy.run_path(str(DOCS / "figures" / "layout.py"))["main"]
    draw(DOCS / "_generated" / "layout.svg")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", draw_layout)
    app.connect("doctree-read", add_anchors)
    app.connect("autodoc-process-docstring", escape_bars)
