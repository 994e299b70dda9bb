# syntax=docker/dockerfile:1
# Two stages: the first has pip and the build backend, the second has neither. Everything that is installed is named, with
# its hash, in requirements.lock and requirements-build.lock.
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/watcher
COPY requirements.lock requirements-build.lock ./
RUN python -m pip --python /opt/watcher/bin/python install --require-hashes --requirement requirements.lock \
 && python -m pip install --require-hashes --requirement requirements-build.lock
COPY pyproject.toml README.md ./
COPY watcher ./watcher
COPY patterns ./patterns
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && python -m pip --python /opt/watcher/bin/python install --no-deps --no-index /wheel/*.whl \
 && /opt/watcher/bin/watcher version \
 && install --directory --owner 65532 --group 65532 /var/lib/watcher

FROM python:${PYTHON}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kubecost-repair-watcher" \
      org.opencontainers.image.description="An unattended repair daemon for Kubecost" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/watcher /opt/watcher
COPY --from=build --chown=65532:65532 /var/lib/watcher /var/lib/watcher
# Nothing is written but below /var/lib/watcher and /tmp, so that the root file system may be read-only.
ENV PATH=/opt/watcher/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/watcher
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["watcher"]
CMD ["run"]
