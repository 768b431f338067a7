#!/usr/bin/env bash
# Exercises what cannot run without docker: NVIDIA's container on this model repository, compared with the embedded
# server on phantoms (benchmarks/compare_servers.py). Needs docker; for `gpu` also a GPU and NVIDIA's container toolkit.
#   scripts/check_container.sh cpu    the native ONNX Runtime backend with config.pbtxt
#   scripts/check_container.sh gpu    TensorRT FP16 with configs/gpu.pbtxt; the first start builds engines for minutes
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
    cpu) docker_options=() triton_options=(--load-model=body_compartments) ;;
    gpu) docker_options=(--gpus all) triton_options=(--model-config-name=gpu --load-model=body_compartments) ;;
    *)
        echo "Usage: $0 cpu|gpu" >&2
        exit 2
        ;;
esac
docker info >/dev/null 2>&1 || { echo "Docker does not answer: install it, or start its service." >&2; exit 1; }
[ -x .venv/bin/python ] || { echo "There is no .venv: run \`make environments\` first." >&2; exit 1; }

image=sarcopenia-triton
name="sarcopenia-triton-check-$$"
docker build --target triton --tag "$image" .
trap 'docker rm --force "$name" >/dev/null 2>&1 || true' EXIT
docker run --detach --name "$name" --read-only --tmpfs /tmp --shm-size 512m --publish 127.0.0.1::8001 \
    --volume sarcopenia-engines:/var/cache/trt "${docker_options[@]}" "$image" "${triton_options[@]}" >/dev/null

echo "Waiting for the container (at most 20 minutes) …"
for _ in $(seq 240); do
    state=$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$name")
    case "$state" in
        "running healthy") break ;;
        running*) sleep 5 ;;
        *)
            docker logs --tail 40 "$name" >&2
            echo "The container ended: $state" >&2
            exit 1
            ;;
    esac
done

.venv/bin/python benchmarks/compare_servers.py "$(docker port "$name" 8001/tcp)"
