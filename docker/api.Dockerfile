# The HTTP service: no torch, no GPU.
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/chronoseg
COPY requirements.lock pyproject.toml README.md ./
COPY geo geo
COPY models models
COPY workers workers
COPY service service
# The lock is the constraint: what is installed is installed at that version, what is not needed is not installed.
RUN pip install --constraint requirements.lock . \
    && useradd --uid 10001 --create-home chronoseg \
    && install --directory --owner chronoseg /var/lib/chronoseg

USER chronoseg
WORKDIR /var/lib/chronoseg
EXPOSE 8000
CMD ["chronoseg", "api", "--host", "0.0.0.0"]
