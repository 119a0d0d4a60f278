"Export all notebooks and remove the modules of notebooks that are gone."
import shutil, tempfile
from pathlib import Path

from checkout import fresh_export, modules, root

package = root / "topofr_nb"
with tempfile.TemporaryDirectory() as folder:
    fresh = fresh_export(Path(folder))
    package.mkdir(exist_ok=True)
    for stale in sorted(modules(package) - modules(fresh)):
        (package / stale).unlink()
        print("removed ", package.name + "/" + str(stale))
    for name in sorted(modules(fresh)):
        old, new = package / name, fresh / name
        if old.exists() and old.read_bytes() == new.read_bytes(): continue
        old.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(new, old)
        print("exported", package.name + "/" + str(name))
