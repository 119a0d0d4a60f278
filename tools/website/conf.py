"Sphinx's settings; tools/website/build.py calls it."
import os
from pathlib import Path

from checkout import root, settings

project = settings["lib_name"]
author = settings["author"]
copyright = settings["copyright"]
version = release = settings["version"]
extensions = ["myst_nb", "website.katex"]
root_doc = "index"
source_suffix = {".ipynb": "myst-nb", ".md": "myst-nb"}
exclude_patterns = ["**/.ipynb_checkpoints"]
nitpicky = True
nitpick_ignore_regex = [("py:(class|exc|mod|meth|attr|func|data)", ".*"), ("py:obj", "(typing|collections|torch|numpy|pandas)\\b.*")]
add_module_names = False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
show_warning_types = True

nb_render_markdown_format = "myst"  # tables in outputs too
nb_execution_mode = "off"
nb_ipywidgets_js = {}
nb_output_stderr = "show"
nb_merge_streams = True
nb_code_prompt_show = nb_code_prompt_hide = "Imports"  # nothing else is folded
myst_enable_extensions = ["dollarmath", "fieldlist", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

html_math_renderer = "katex"
templates_path = [str(Path(__file__).parent / "templates")]
html_sidebars = {"**": ["navbar-logo.html", "search-button-field.html", "site-nav.html"]}
html_theme = "sphinx_book_theme"
html_title = "topofr_nb"
html_static_path = [os.environ["TOPOFR_KATEX"], str(Path(__file__).parent / "static")]
html_extra_path = [os.environ["TOPOFR_EXTRA"]]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = True
html_show_search_summary = False  # it would fetch pages, which a browser refuses to pages opened as files
html_domain_indices = False
html_theme_options = {
    "use_download_button": False, "use_fullscreen_button": False, "show_toc_level": 2, "show_navbar_depth": 1,
    "pygments_light_style": "a11y-high-contrast-light", "pygments_dark_style": "a11y-high-contrast-dark", "home_page_in_toc": False,
    "navbar_persistent": [],
}
html_context = {"default_mode": "auto"}
repository = os.environ.get("TOPOFR_REPOSITORY", "")


def edited(name):
    "The file of the checkout that a page is made from"
    path = Path(f"{name}.ipynb")
    if (root / "nbs" / path).exists(): return f"nbs/{path.as_posix()}"
    if name in ("CONTRIBUTING", "CHANGELOG"): return f"{name}.md"
    if (root / "docs" / f"{name}.md").exists(): return f"docs/{name}.md"
    if name.startswith("api/"):
        from website.names import modules
        module = modules_of.setdefault("all", modules()).get(f"topofr_nb.{name.removeprefix('api/')}")
        return module and f"nbs/{module.notebook.as_posix()}"
    return None


modules_of = {}


def edit_button(app, name, template, context, doctree):
    path = edited(name) if repository else None
    if path:
        context["header_buttons"].append({"type": "link", "url": f"{repository}/edit/main/{path}", "text": "",
                                          "tooltip": "Edit this page", "icon": "fas fa-pencil-alt", "label": "edit-button"})


def site_tree(env):
    "Captions, their pages and the pages below each, from the toctrees"
    def entry(name, below=True):
        children = [entry(child, False) for child in env.toctree_includes.get(name, ())] if below else []
        return {"name": name, "title": env.titles[name].astext(), "children": children}

    from sphinx.addnodes import toctree
    trees = env.tocs[root_doc].findall(toctree)
    return [{"caption": tree["caption"], "entries": [entry(name) for _, name in tree["entries"]]} for tree in trees if tree["caption"]]


def sidebar(app, name, template, context, doctree):
    if "all" not in trees_of: trees_of["all"] = site_tree(app.env)
    context["site_tree"] = lambda: trees_of["all"]


trees_of = {}


def setup(app):
    app.connect("html-page-context", sidebar)
    app.connect("html-page-context", edit_button, priority=900)
