#!/usr/bin/env bash
# sarama's own functional tests against five nodes on one directory: suite.sh [ARGUMENT OF GO TEST…]
# PEER=kafka runs them against five nodes of Apache Kafka instead.
#
# They insist on ports and on bringing up their brokers by docker, which stand-in/docker answers for. So this is for root
# on Linux: it runs in networks and processes of its own, and nothing of it outlives it. Needs: Go, Java 17, Maven.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../suites.sh"
export KAFKA_VERSION=4.2.0 SUITE=$cache/sarama/suite/${PEER:-higgins} TOXIPROXY=$cache/sarama/bin/server
export HIGGINS=${HIGGINS:-$compat/../.venv/bin/higgins}
source=$SUITE/source

tool() {
    printf '#!/bin/sh\nexec java -cp "$LIB/*" %s "$@"\n' "$2" >"$SUITE/tools/$1.sh"
    chmod +x "$SUITE/tools/$1.sh"
}

if [ -z "${IN_A_NETWORK_OF_ITS_OWN:-}" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v unshare ip go java mvn >/dev/null; then
        echo "sarama: skipped: root, unshare, ip, go, java and mvn are needed and are not all here." >&2
        exit 77
    fi
    # Everything is fetched here: there is nothing to fetch from within that network.
    LIB=$("$here/../kafka.sh" jars)
    export LIB
    [ -x "$TOXIPROXY" ] || GOBIN=$(dirname "$TOXIPROXY") go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0
    rm -rf "$SUITE"
    mkdir -p "$source" "$SUITE/tools"
    cp -r "$(cd "$here" && go mod download && go list -m -f '{{.Dir}}' github.com/IBM/sarama)/." "$source"
    chmod -R u+w "$source"
    (cd "$source" && go test -c -tags functional -o "$SUITE/tests" .)
    tool kafka-console-producer org.apache.kafka.tools.ConsoleProducer
    tool kafka-console-consumer org.apache.kafka.tools.consumer.ConsoleConsumer
    tool kafka-verifiable-consumer org.apache.kafka.tools.VerifiableConsumer
    IN_A_NETWORK_OF_ITS_OWN=yes exec unshare --net --pid --fork --kill-child --mount-proc "$0" "$@"
fi

ip link set lo up
cd "$source"
tests=$(sed -n 's/^func \(Test[A-Za-z0-9_]*\)(t .*/\1/p' functional_*_test.go | grep -vx TestMain | paste -sd'|')
PATH=$here/stand-in:$PATH "$SUITE/tests" -test.v -test.timeout 30m -test.run "^($tests)$" "$@" \
    >"$SUITE/tests.log" 2>&1 || true
sed -n 's/^--- PASS: /pass /p; s/^--- FAIL: /fail /p; s/^--- SKIP: /skip /p' "$SUITE/tests.log" >"$SUITE/results"
grep -qx 'PASS\|FAIL' "$SUITE/tests.log" || echo "fail did-not-finish" >>"$SUITE/results"
verdict=0
judge "$SUITE/results" "$here/suite.expected" || verdict=1
if [ "${PEER:-higgins}" = higgins ]; then clean "$SUITE"/node-*.log || verdict=1; fi
echo "what they said: $SUITE/tests.log; the nodes: $SUITE/node-*.log"
exit $verdict
