#!/bin/sh
# kafka-go's own tests against a broker on localhost:9092, the address they insist on: suite.sh [ARGUMENT OF GO TEST…]
# Two of its tests of commits are left out: they call a function that they have not set, whatever the broker.
# As root on Linux the broker is started here, in a network of its own, where that port is free; otherwise it has to run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../suites.sh"
source=$cache/kafka-go/suite log=$source/broker.log
if [ "${IN_A_NETWORK_OF_ITS_OWN:-}" = '' ]; then
    if ! command -v go >/dev/null; then
        echo "kafka-go: skipped: go is needed and is not here." >&2
        exit 77
    fi
    module=$(cd "$here" && go mod download && go list -m -f '{{.Dir}}' github.com/segmentio/kafka-go)
    rm -rf "$source" && mkdir -p "$source"
    : >"$log"
    cp -r "$module/." "$source" && chmod -R u+w "$source"
    # Everything is fetched here: there is nothing to fetch from within that network.
    (cd "$source" && go mod tidy && go vet ./... >/dev/null 2>&1) || true
    if [ "$(id -u)" = 0 ] && command -v unshare >/dev/null && command -v ip >/dev/null; then
        IN_A_NETWORK_OF_ITS_OWN=yes exec unshare --net "$0" "$@"
    fi
else
    ip link set lo up
    "${HIGGINS:-$compat/../.venv/bin/higgins}" up --store memory:// --listen localhost:9092 --set num.partitions=4 \
        --set group.initial.rebalance.delay.ms=0 --set group.min.session.timeout.ms=1000 >"$log" 2>&1 &
    broker=$!
    trap 'kill $broker' EXIT
    sleep 3
fi
export KAFKA_VERSION=3.9.0 KAFKA_SKIP_NETTEST=1
(cd "$source" && go test -v -p 1 -count 1 -timeout 15m -skip 'TestReaderConsumerGroup/.*commit' "$@" . ./compress) \
    >"$source/tests.log" 2>&1 || true
judge_go "$here/suite.expected"
