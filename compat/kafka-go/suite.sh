#!/bin/sh
# kafka-go's own tests against a broker on localhost:9092, the address they insist on: suite.sh [ARGUMENT OF GO TEST…]
# Two of its tests of commits are left out: they call a function that they have not set, whatever the broker.
# As root on Linux the broker is started here, in a network of its own, where that port is free; otherwise it has to run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
if [ "${IN_A_NETWORK_OF_ITS_OWN:-}" = '' ]; then
    source=$(cd "$here" && go mod download && go list -m -f '{{.Dir}}' github.com/segmentio/kafka-go)
    folder=$cache/kafka-go/suite
    rm -rf "$folder" && mkdir -p "$folder"
    cp -r "$source/." "$folder" && chmod -R u+w "$folder"
    # Everything is fetched here: there is nothing to fetch from within that network.
    (cd "$folder" && go mod tidy && go vet ./... >/dev/null 2>&1) || true
    if [ "$(id -u)" = 0 ] && command -v unshare >/dev/null && command -v ip >/dev/null; then
        IN_A_NETWORK_OF_ITS_OWN=yes exec unshare --net "$0" "$@"
    fi
else
    ip link set lo up
    "${HIGGINS:-$compat/../.venv/bin/higgins}" up --store memory:// --listen localhost:9092 --set num.partitions=4 \
        --set group.initial.rebalance.delay.ms=0 --set group.min.session.timeout.ms=1000 >"$cache/kafka-go/suite.log" 2>&1 &
    broker=$!
    trap 'kill $broker' EXIT
    sleep 3
fi
cd "$cache/kafka-go/suite"
KAFKA_VERSION=3.9.0 KAFKA_SKIP_NETTEST=1 go test -p 1 -count 1 -timeout 15m -skip 'TestReaderConsumerGroup/.*commit' "$@" . ./compress
