"Package description: everything that can be said in settings.ini is said there."
import os
from configparser import ConfigParser
from pathlib import Path

from setuptools import Extension, find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=["="], interpolation=None)
config.read(here / "settings.ini", encoding="utf-8")
settings = config["DEFAULT"]

# Without a compiler the package installs and works: torch and Python then do the same, more slowly.
fast = ["/O2"] if os.name == "nt" else ["-O3"]
compiled = [Extension(f"topofr_nb.compiled.{name}", [f"csrc/{name}.c"], optional=True, py_limited_api=True, extra_compile_args=fast)
            for name in ("prim", "jpeg", "products")]

setup(
    name=settings["lib_name"],
    version=settings["version"],
    description=settings["description"],
    keywords=settings["keywords"],
    author=settings["author"],
    license="Apache-2.0",
    long_description=(here / "README.md").read_text(encoding="utf-8") if (here / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    python_requires=f">={settings['min_python']}",
    install_requires=settings["requirements"].split(),
    extras_require={"dev": settings["dev_requirements"].split()}
    | {name.removeprefix("extra_"): value.split() for name, value in settings.items() if name.startswith("extra_")},
    packages=find_packages(include=["topofr_nb", "topofr_nb.*"]) + ["topofr_nb.published", "topofr_nb.compiled", "topofr_nb.web"],
    package_dir={"topofr_nb.published": "data/published", "topofr_nb.compiled": "csrc", "topofr_nb.web": "web"},
    package_data={"topofr_nb": ["py.typed"], "topofr_nb.published": ["*.csv"], "topofr_nb.web": ["*.js", "*.css"]},
    ext_modules=compiled,
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
    zip_safe=False,
)
