# Two images. `higgins`, the default: the broker, not root, with a health check. `gateway`: versitygw, which makes a
# folder speak S3, for the profiles of docker-compose.yml that want a bucket.

FROM golang:1.26-bookworm AS gateway-build
ENV CGO_ENABLED=0
RUN go install -trimpath -ldflags=-s github.com/versity/versitygw/cmd/versitygw@v1.8.0

FROM debian:bookworm-slim AS gateway
RUN groupadd --gid 10001 gateway \
 && useradd --uid 10001 --gid gateway --no-create-home --home-dir /gateway --shell /usr/sbin/nologin gateway \
 && install --directory --owner=gateway --group=gateway /gateway
COPY --from=gateway-build /go/bin/versitygw /usr/local/bin/versitygw
USER gateway
VOLUME /gateway
EXPOSE 7070
# Every folder below the first is a bucket, so making the folder makes the bucket; $BUCKET names it.
ENV BUCKET=higgins VGW_PORT=:7070 VGW_REGION=us-east-1
CMD ["/bin/sh", "-c", "mkdir -p /gateway/objects/$BUCKET /gateway/sidecar && exec versitygw --quiet posix --sidecar /gateway/sidecar /gateway/objects"]

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY protocol protocol
COPY higgins higgins
RUN python -m pip wheel --quiet --no-cache-dir --no-deps --wheel-dir /wheels . \
 && python -m venv --without-pip /opt/higgins \
 && python -m pip --python /opt/higgins/bin/python install --quiet --no-cache-dir --only-binary :all: /wheels/*.whl

FROM python:3.13-slim-bookworm AS higgins
RUN groupadd --gid 10001 higgins \
 && useradd --uid 10001 --gid higgins --no-create-home --home-dir /data --shell /usr/sbin/nologin higgins \
 && install --directory --owner=higgins --group=higgins /data /etc/higgins
COPY --from=build /opt/higgins /opt/higgins
ENV PATH=/opt/higgins/bin:$PATH \
    HIGGINS_STORE=/data \
    HIGGINS_LISTEN=0.0.0.0:9092 \
    HIGGINS_ADVERTISE=localhost:9092
USER higgins
# A higgins.toml mounted here is read at start.
WORKDIR /etc/higgins
VOLUME /data
EXPOSE 9092
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s --retries=3 CMD ["higgins", "ping"]
ENTRYPOINT ["higgins"]
CMD ["up"]
