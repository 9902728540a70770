"""Settings of Sphinx: ``sphinx-build -W -j auto -b dirhtml docs build/site``, with the extra ``docs``."""

import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import slimvec

project = "slimvec"
version = release = slimvec.__version__
language = "en"
html_theme = "furo"
html_title = "slimvec"
html_static_path = ["look"]
html_css_files = ["site.css"]
html_show_copyright = html_show_sphinx = html_copy_source = False

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "making.extension",
]
exclude_patterns = ["making", "look"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
nitpicky = True
# Docstrings name modules to read on in: these have no pages.
nitpick_ignore_regex = [("py:mod", r"slimvec\..*"), ("py:.*", r"slimvec\.[a-z]\w*\..*")]
linkcheck_ignore = [r"https?://"]  # what is outside is not asked for: a build needs no network

autosummary_generate = False  # making/api_pages.py does
autodoc_typehints = "none"  # docstrings tell types
autodoc_member_order = "groupwise"
# torch always: what its layers inherit is not ours to show, and takes a minute.
autodoc_mock_imports = ["torch", *(name for name in ("dask", "distributed") if find_spec(name) is None)]
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = False
