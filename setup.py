"Package description: everything that can be said in settings.ini is said there."
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=["="], interpolation=None)
config.read(here / "settings.ini", encoding="utf-8")
settings = config["DEFAULT"]

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
    packages=find_packages(include=["topofr_nb", "topofr_nb.*"]) + ["topofr_nb.published"],
    package_dir={"topofr_nb.published": "data/published"},
    package_data={"topofr_nb.published": ["*.csv"]},
    zip_safe=False,
)
