# Workers: both queues, on CUDA where the host has it, else on the CPU.
FROM nvidia/cuda:13.0.1-base-ubuntu24.04

ENV DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH

RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv libexpat1 \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/venv

WORKDIR /opt/chronoseg
COPY requirements.lock pyproject.toml README.md ./
COPY geo geo
COPY models models
COPY workers workers
COPY service service
RUN pip install --constraint requirements.lock '.[gpu]' \
    && useradd --uid 10001 --create-home chronoseg \
    && install --directory --owner chronoseg /var/lib/chronoseg

USER chronoseg
WORKDIR /var/lib/chronoseg
CMD ["chronoseg", "worker", "--queues", "gpu"]
