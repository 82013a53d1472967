# A server that tags over HTTP, without PyTorch and transformers. See docs/serving.md.
#
#     docker build -t nertool .
#     docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD/ws:/model:ro" nertool

FROM python:3.12-slim AS build
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.12-slim
COPY requirements-slim.lock /tmp/requirements-slim.lock
RUN pip install --no-cache-dir --no-deps -r /tmp/requirements-slim.lock
COPY --from=build /wheels /tmp/wheels
RUN pip install --no-cache-dir --no-deps --no-index --find-links /tmp/wheels nertool

# Nobody: the server writes nothing, and the workspace at /model may be read-only.
USER 65534:65534
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=5)"]
ENTRYPOINT ["nertool", "serve", "--workspace", "/model", "--quantized", "--host", "0.0.0.0"]
