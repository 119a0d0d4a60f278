#!/bin/sh
# The same recipe on one GPU and on all GPUs of this machine: the same losses (NCCL). Needs two GPUs or more.
#   sh tests/multi_gpu.sh [processes]
set -eu
python=${PYTHON:-python}
gpus=$($python -c 'import torch; print(torch.cuda.device_count())')
n=${1:-$gpus}
if [ "$gpus" -lt 2 ]; then echo "this machine has $gpus GPUs: nothing to compare"; exit 77; fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for method in arcface topofr unpg gif magface; do
  for precision in float64 float32 bfloat16; do
    options="--method $method --precision $precision --sync_bn True --device cuda --image_size 64 --embedding_size 64
             --identities 64 --shots 8 --batch_size 61 --max_steps 20 --lr 0.0005 --eval_pairs 20"
    $python -m topofr_nb.training $options --out_dir "$out/1" > /dev/null
    $python -m torch.distributed.run --standalone --nproc-per-node "$n" -m topofr_nb.training $options --out_dir "$out/n" > /dev/null
    $python - "$out" "$method" "$precision" <<'P'
import json, pathlib, sys
out, method, precision = sys.argv[1:]
limit = dict(float64=1e-9, float32=1e-4, bfloat16=5e-2)[precision]
def losses(name):
    log = max(pathlib.Path(out, name).glob("*/metrics.jsonl"), key=lambda path: path.stat().st_mtime)
    return [json.loads(line)["loss"] for line in log.read_text().splitlines()]
gap = max(abs(a - b) / abs(b) for a, b in zip(losses("n"), losses("1"), strict=True))
print(f"{method} {precision}: largest relative difference of a loss {gap:.1e}, limit {limit:g}")
sys.exit(gap > limit)
P
  done
done
