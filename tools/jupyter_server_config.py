"""What `make lab` tells Jupyter's server: a notebook that was only read is saved as it lay there.

JupyterLab writes the kernel's display name and version into every notebook that it opens; git would then show it as changed.
"""

import warnings

warnings.filterwarnings("ignore", message="Overriding existing pre_save_hook")  # Jupyter applies this file twice


def keep_metadata(model, **_):
    "Only the kernel's name stays, as nbdev-clean leaves it; cells and outputs are saved as they are"
    if model["type"] != "notebook" or model["content"]["nbformat"] != 4: return
    metadata = model["content"]["metadata"]
    metadata.pop("language_info", None)
    kernel = metadata.get("kernelspec", {})
    if kernel.get("name") == "python3": metadata["kernelspec"] = {"display_name": "python3", "language": "python", "name": "python3"}


c = get_config()  # noqa: F821 (Jupyter reads this file)
c.FileContentsManager.pre_save_hook = keep_metadata
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"  # the package index is not asked; requirements.lock decides
