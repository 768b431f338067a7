#!/usr/bin/env bash
# Exercises what cannot be run without docker and a GPU: NVIDIA's container on this model repository with
# configs/gpu.pbtxt (TensorRT, FP16), one canary per model, and the masks against the CPU answer of the embedded server.
# Usage: scripts/check_container.sh [SCAN]   (SCAN: anything that `sarcopenia assess` takes; default: a phantom)
set -euo pipefail
cd "$(dirname "$0")/.."

command -v docker >/dev/null || { echo "docker is needed." >&2; exit 1; }
[ -x .venv/bin/sarcopenia ] || { echo "Run 'make environments' first." >&2; exit 1; }

port=18001
docker build --quiet --target triton --tag sarcopenia-triton .
container=$(docker run --detach --rm --gpus all --shm-size 1g --publish "127.0.0.1:$port:8001" \
    sarcopenia-triton --model-config-name=gpu)
trap 'docker stop "$container" >/dev/null' EXIT

scan=${1:-$(mktemp -d)/phantom}
if [ "$#" -eq 0 ]; then
    .venv/bin/python - "$scan" <<'PYTHON'
import sys
from pathlib import Path
from sarcopenia.exchange.ct_writer import write_ct_series
from sarcopenia.phantom.demo import demo_studies
write_ct_series(demo_studies()[0].phantom().volume, Path(sys.argv[1]))
PYTHON
fi

echo "Waiting for the container (TensorRT builds its engines at the first start) …"
for _ in $(seq 120); do
    if SARCOPENIA_TRITON_URL="127.0.0.1:$port" .venv/bin/sarcopenia doctor | grep -q '^ok .*Triton'; then break; fi
    sleep 5
done
gpu=$(SARCOPENIA_TRITON_URL="127.0.0.1:$port" .venv/bin/sarcopenia assess "$scan" --json)
cpu=$(env -u SARCOPENIA_TRITON_URL .venv/bin/sarcopenia assess "$scan" --json)
.venv/bin/python - "$gpu" "$cpu" <<'PYTHON'
import json, sys
gpu, cpu = (json.loads(text) for text in sys.argv[1:])
difference = 100 * (gpu["sma_cm2"] / cpu["sma_cm2"] - 1)
print(f"SMA: GPU {gpu['sma_cm2']:.2f} cm², CPU {cpu['sma_cm2']:.2f} cm², difference {difference:+.2f} %")
sys.exit(gpu["slice_index"] != cpu["slice_index"] or abs(difference) > 0.5)
PYTHON
