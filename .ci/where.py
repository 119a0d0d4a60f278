"Say where the last run left its notebook, checkpoint and scores."
import json
import os
import sys
from pathlib import Path

runs = Path(sys.argv[1])
print(f"\n{'notebook':<12}{runs / 'train.ipynb'}")
if not (runs / "latest.json").exists(): sys.exit("The run is not under runs/: the notebook names its folder.")
run = Path(json.loads((runs / "latest.json").read_text(encoding="utf-8"))["run"])
for what, name in ("checkpoint", "last.safetensors"), ("scores", "scores.json"):
    found = next((folder / name for folder in (run, runs / run, runs / run.name) if (folder / name).exists()), None)
    print(f"{what:<12}{os.path.relpath(found) if found else f'not found: {run / name}'}")
