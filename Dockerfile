# One image for everything: worker, migrations, topics, command line.
FROM python:3.12.8-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/tagpulse \
    && /opt/tagpulse/bin/pip install --no-cache-dir .

FROM python:3.12.8-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tagpulse
COPY --from=build /opt/tagpulse /opt/tagpulse
ENV PATH=/opt/tagpulse/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /tmp
# Exec form: the worker itself gets SIGTERM, and finishes what it has in hand.
ENTRYPOINT ["tagpulse"]
CMD ["worker"]
