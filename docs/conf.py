"""The documentation site: `make docs`. Sphinx with MyST, since the pages are Markdown and the docstrings numpydoc."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / "extensions"), str(Path(__file__).parent.parent)]

project = "dagmaker"
author = "the dagmaker authors"
html_show_copyright = False  # the licence says it
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "generated", "executed", "accessible"]
exclude_patterns = ["extensions", "generated/tutorial"]
source_suffix = {".md": "markdown"}

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]
autodoc_typehints = "none"  # numpydoc has them
# A new page is not lost: the index names it when somebody has decided where it belongs.
suppress_warnings = ["toc.not_included"]
numpydoc_show_class_members = False
autosummary_generate = False

html_theme = "furo"
html_title = "dagmaker"
html_copy_source = False
html_use_index = False  # the menu and the search find everything; the list of names is api.md
html_theme_options = {"top_of_page_buttons": []}
