# Two images: `docker build --target dashboard .` and `docker build --target triton .`; compose.yaml joins them.
# Research use only – not a medical device.

FROM python:3.11-slim-bookworm AS dashboard
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
# The dependencies change more seldom than the code: a layer of their own.
COPY pyproject.toml README.md LICENSE ./
COPY sarcopenia ./sarcopenia
COPY dashboard ./dashboard
# The command line looks into this package only to start an embedded server, which containers never do.
COPY inference_server/__init__.py ./inference_server/__init__.py
RUN pip install -e '.[dashboard,postgres]'
RUN useradd --create-home --uid 10001 sarcopenia && mkdir /data && chown sarcopenia /data
USER sarcopenia
ENV SARCOPENIA_DATA_DIR=/data
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD \
    python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"
# Inside a container the port is published by whoever starts it; compose.yaml publishes it on loopback.
CMD ["python", "-m", "streamlit", "run", "dashboard/app.py", "--server.address", "0.0.0.0", "--server.port", "8501"]

# The same server release as the embedded one (Triton 2.51); its own ONNX Runtime backend reads the same configs.
FROM nvcr.io/nvidia/tritonserver:24.10-py3 AS triton
COPY model_repository /models
# TensorRT engines of configs/gpu.pbtxt are kept here; they belong to one GPU and one TensorRT version.
RUN useradd --create-home --uid 10001 sarcopenia && mkdir -p /var/cache/trt && chown sarcopenia /var/cache/trt
USER sarcopenia
# 8000 HTTP (health), 8001 gRPC (the product), 8002 metrics; for the network of the containers only, never published.
EXPOSE 8000 8001 8002
# Ready is honest here: the models run inside the server, not in python stubs as in the embedded one.
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s CMD curl --fail --silent http://127.0.0.1:8000/v2/health/ready
# NVIDIA's own entry point first: it sets up CUDA's compatibility with the driver of the host. Arguments go to Triton.
ENTRYPOINT ["/opt/nvidia/nvidia_entrypoint.sh", "tritonserver", "--model-repository=/models", \
    "--disable-auto-complete-config", "--model-control-mode=explicit", \
    "--load-model=spine_level", "--load-model=scan_quality"]
# The student; a GPU server loads the teacher instead (compose.gpu.yaml), research the classifier besides.
CMD ["--load-model=body_compartments"]
