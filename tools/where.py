"Say where the last run left its notebook, checkpoint and scores."
import json
import sys
from pathlib import Path

runs = Path(sys.argv[1])
print(f"\n{'notebook':<12}{runs / 'train.ipynb'}")
if (runs / "latest.json").exists():
    run = runs / json.loads((runs / "latest.json").read_text(encoding="utf-8"))["run"]
    print(f"{'checkpoint':<12}{run / 'last.safetensors'}\n{'scores':<12}{run / 'scores.json'}")
else: print("checkpoint and scores are in the out_dir that was given; the notebook names the folder")
