#!/bin/sh
# The same recipe on one GPU and on all GPUs of this machine: the same losses (NCCL); then one process is killed, and the run goes on.
#   sh tests/multi_gpu.sh [processes]                                    NCCL, needs two GPUs or more
#   DEVICE=cpu CASES="arcface unpg" sh tests/multi_gpu.sh [processes]    gloo: rehearses the same script (default: 2 processes)
# topofr_nb is installed for $PYTHON (default: python). CASES and PRECISIONS choose among those below. Prints a line a case; the
# status is 1 where one differs.
set -eu
python=${PYTHON:-python}
device=${DEVICE:-cuda}
if [ "$device" = cuda ]; then
  gpus=$($python -c 'import torch; print(torch.cuda.device_count())')
  if [ "$gpus" -lt 2 ]; then echo "this machine has $gpus GPUs: nothing to compare; DEVICE=cpu rehearses"; exit 77; fi
  n=${1:-$gpus}
  if [ "$n" -gt "$gpus" ]; then echo "$n processes need as many GPUs; this machine has $gpus"; exit 2; fi
  size=64 precisions=${PRECISIONS:-float64 float32 bfloat16} length=2000
elif [ "$device" = cpu ]; then
  n=${1:-2} size=32 precisions=${PRECISIONS:-float64 float32} length=150
else echo "DEVICE = $device is unknown. Valid: cuda, cpu"; exit 2
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
unset RANK WORLD_SIZE LOCAL_RANK MASTER_ADDR MASTER_PORT 2>/dev/null || true  # of a batch system: torchrun sets its own
export TQDM_DISABLE=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} TOPOFR_CACHE="$out/cache"
failed=0
common="--sync_bn True --device $device --image_size $size --embedding_size 64 --identities 64 --shots 8 --eval_pairs 20"

# Losses of the newest run in two folders: compare [name] [limit]
compare() {
  $python - "$out" "$1" "$2" <<'P'
import json, pathlib, sys
out, name, limit = sys.argv[1:]
def losses(folder):
    log = max(pathlib.Path(out, folder).glob("*/metrics.jsonl"), key=lambda path: path.stat().st_mtime)
    return [json.loads(line)["loss"] for line in log.read_text().splitlines()]
gap = max(abs(a - b)/abs(b) for a, b in zip(losses("n"), losses("1"), strict=True))
print(f"{name}: largest relative difference of a loss {gap:.1e}, limit {limit}", flush=True)
sys.exit(not gap <= float(limit))
P
}

train() { "$@" < /dev/null > "$out/said" 2>&1 || { cat "$out/said"; return 1; }; }

# Batches of 60 on 7 GPUs or 61 on 2 are uneven on purpose. TopoFR's own mixture may wander in float32 (One run, any number of
# processes), so it is compared with the one that rests.
while read -r name options; do
  case " ${CASES:-$name} " in *" $name "*) ;; *) continue ;; esac
  for precision in $precisions; do
    case $precision in float64) limit=1e-9 ;; float32) limit=1e-4 ;; *) limit=5e-2 ;; esac
    more="$common --max_steps 20 --lr 0.0005 --precision $precision $options"
    if train $python -m topofr_nb.training $more --out_dir "$out/1" &&
       train $python -m torch.distributed.run --standalone --nproc-per-node "$n" -m topofr_nb.training $more --out_dir "$out/n"
    then compare "$name $precision" "$limit" || failed=1
    else echo "$name $precision: did not train"; failed=1
    fi
  done
done <<'CASES'
arcface --method arcface --batch_size 61
topofr --method topofr --batch_size 61 --mixture_rule moments
unpg --method unpg --batch_size 61
gif --method gif --batch_size 61
magface --method magface --batch_size 61
sample_rate --method arcface --batch_size 61 --sample_rate 0.3
pull --method topofr --batch_size 61 --mixture_rule moments --pull 0.1
parts --method arcface --batch_size 60 --accumulate 2
CASES

# kill -9 of one process; torchrun starts all again, and the run ends where an undisturbed one ends
more="$common --method arcface --batch_size 61 --precision float64 --max_steps $length --lr 0.0005 --checkpoint_seconds 1"
train $python -m torch.distributed.run --standalone --nproc-per-node "$n" -m topofr_nb.training $more --out_dir "$out/whole"
$python -m torch.distributed.run --standalone --nproc-per-node "$n" --max-restarts 1 -m topofr_nb.training $more \
  --out_dir "$out/killed" < /dev/null > "$out/said" 2>&1 &
launcher=$!
while kill -0 $launcher 2>/dev/null; do  # wait for a checkpoint
  if ls "$out"/killed/*/last.safetensors > /dev/null 2>&1; then break; fi
  sleep 0.2
done
victim=$(ps -o pid= --ppid $launcher | tail -1)
if [ -n "$victim" ]; then kill -9 $victim; else echo "kill: nobody was there to be killed"; failed=1; fi
if wait $launcher; then
  grep "is gone" "$out/said" || { echo "kill: nobody told who is gone"; failed=1; }
  rm -rf "$out/1" "$out/n" && mv "$out/whole" "$out/1" && mv "$out/killed" "$out/n"
  compare "killed, float64" 1e-6 || failed=1
else
  cat "$out/said"; echo "kill: the run did not go on"; failed=1
fi
exit $failed
