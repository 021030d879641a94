# A release passes the base with its digest: --build-arg BASE=python:3.13-slim@sha256:…
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.txt requirements-build.txt ./
# Neither environment has a pip of its own, and the second goes no further; every file is checked against its hash.
RUN python3 -m venv --without-pip /opt/planetscale-exporter && python3 -m venv --without-pip /opt/build \
    && python3 -m pip --python /opt/planetscale-exporter/bin/python install --quiet \
        --only-binary :all: --require-hashes -r requirements.txt \
    && python3 -m pip --python /opt/build/bin/python install --quiet \
        --only-binary :all: --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheel \
    && python3 -m pip --python /opt/planetscale-exporter/bin/python install --quiet --no-deps --no-index /wheel/*.whl

FROM ${BASE}
COPY --from=build /opt/planetscale-exporter /opt/planetscale-exporter
ARG VERSION=
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.title="planetscale-exporter" \
    org.opencontainers.image.description="Prometheus exporter for PlanetScale deploy requests" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.source="${SOURCE}"
ENV PATH=/opt/planetscale-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PLANETSCALE_EXPORTER_REVISION=${REVISION}
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 10048
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["planetscale-exporter", "healthcheck"]
ENTRYPOINT ["planetscale-exporter"]
