# Pulpo without a Redis of its own: PULPO_REDIS_URL must be given. Everything that it keeps is in /data.
#
# To pin the base, give the digest of the day; the tag alone is whatever it was last moved to:
#   docker build --build-arg BASE=python:3.12-slim@sha256:… --build-arg COMMIT=$(git rev-parse HEAD) .
ARG BASE=python:3.12-slim

FROM ${BASE} AS build

WORKDIR /opt/pulpo
COPY requirements.txt requirements-ldap.txt requirements-postgres.txt ./
# --without-pip: what runs needs no installer; the one outside fills it.
RUN python -m venv --without-pip venv \
 && python -m pip --python venv/bin/python install --no-cache-dir --no-compile --disable-pip-version-check --no-deps \
    --require-hashes --only-binary :all: -r requirements.txt -r requirements-ldap.txt -r requirements-postgres.txt \
 && rm requirements*.txt

COPY wsgi.py .
COPY app app
COPY deploy/*.py deploy/
# What `GET /` tells of where it comes from.
ARG COMMIT=
RUN printf %s "$COMMIT" > app/COMMIT
# The root is read-only, so bytecode is made here; nothing can change a source later, so it is never compared with it.
# Other users must be able to read what a strict umask checked out.
RUN python -m compileall -q --invalidation-mode unchecked-hash . \
 && chmod -R a+rX .


FROM ${BASE}

# The base brings the standard library without bytecode; without this, every start and health check compiles it anew.
RUN python -m compileall -q --invalidation-mode unchecked-hash \
    -x '/(site-packages|ensurepip|idlelib|lib2to3|tkinter|turtledemo|pydoc_data)/' \
    "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && install -d -o 10001 -g 10001 -m 0700 /data \
 && install -d -o 10001 -g 10001 -m 0755 /secrets
COPY --from=build /opt/pulpo /opt/pulpo

ENV PATH=/opt/pulpo/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PULPO_BIND=0.0.0.0:8000 \
    PULPO_DATA_DIR=/data

WORKDIR /opt/pulpo
VOLUME /data
EXPOSE 8000
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001

# Whether the process answers, not whether Redis does: a restart of Pulpo would not bring Redis back.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "-c", "\
import os, urllib.request as r; \
r.urlopen('http://127.0.0.1:' + os.environ['PULPO_BIND'].rpartition(':')[2] + '/health/live', timeout=4)"]

CMD ["python", "-m", "app"]

ARG COMMIT=
LABEL org.opencontainers.image.title="Pulpo" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.description="A message queue over HTTP on the Redis you already run." \
      org.opencontainers.image.licenses="MIT"
