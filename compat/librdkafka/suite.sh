#!/bin/sh
# librdkafka's own tests, of the newest release, against brokers that are started here: suite.sh [NUMBER OF A TEST…]
# AGAINST=HOST:PORT tries a broker that runs already (and AGAINST_NOAUTOCREATE=HOST:PORT one that makes no topics itself).
#
# The source is what confluent-kafka-javascript brings, tests and all. Needs npm, make, a C++ compiler and, as root,
# apt-get for rapidjson, which four of the tests want; Java and Maven for Kafka's own tools, which a few call.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../suites.sh"
release=1.10.1 # of the npm package; librdkafka 2.15.1
folder=$cache/librdkafka/suite-$release
for tool in npm make c++ "${HIGGINS_PYTHON:-python3}"; do
    command -v "$tool" >/dev/null || { echo "librdkafka's suite: skipped: $tool is needed and is not here." >&2; exit 77; }
done
if [ ! -f "$folder/built" ]; then
    if [ "$(id -u)" = 0 ] && [ ! -d /usr/include/rapidjson ] && command -v apt-get >/dev/null; then
        { apt-get update -qq && apt-get install -qq --yes rapidjson-dev; } >/dev/null 2>&1 || true
    fi
    rm -rf "$folder" && mkdir -p "$folder"
    (cd "$folder" && npm pack --silent "@confluentinc/kafka-javascript@$release" >/dev/null && tar xzf ./*.tgz package/deps)
    echo "librdkafka's suite: building; see $folder/build.log" >&2
    (cd "$folder/package/deps/librdkafka" && ./configure --disable-gssapi --disable-curl && make -j 2 libs &&
        make -j 2 -C tests test-runner) >"$folder/build.log" 2>&1
    touch "$folder/built"
fi
logs=$folder/${AGAINST:+against-}logs
mkdir -p "$logs"
tests=$folder/package/deps/librdkafka/tests
export LD_LIBRARY_PATH="$tests/../src:$tests/../src-cpp"

# Kafka's tools where the tests look for them.
if command -v java >/dev/null && command -v mvn >/dev/null; then
    export KAFKA_PATH="$folder/kafka"
    mkdir -p "$KAFKA_PATH/bin"
    ln -sfn "$("$compat/kafka.sh" jars)" "$KAFKA_PATH/libs"
    tool() {
        printf '#!/bin/sh\nexec java -cp "$CLASSPATH:$KAFKA_PATH/libs/*" %s "$@"\n' "$2" >"$KAFKA_PATH/bin/$1"
        chmod +x "$KAFKA_PATH/bin/$1"
    }
    tool kafka-topics.sh org.apache.kafka.tools.TopicCommand
    tool kafka-acls.sh kafka.admin.AclCommand
    tool kafka-run-class.sh ''
fi

# broker NAME SETTING…: start one; its address is in $address afterwards.
brokers=
trap 'kill $brokers 2>/dev/null; wait' EXIT
broker() {
    log=$logs/$1.broker
    shift
    "${HIGGINS:-$compat/../.venv/bin/higgins}" up --store memory:// --listen 127.0.0.1:0 "$@" >"$log" 2>&1 &
    brokers="$brokers $!"
    for _ in $(seq 200); do
        address=$(sed -n 's/.*listening *\(127[^ ]*:[0-9]*\).*/\1/p' "$log" | head -n 1)
        [ -z "$address" ] || return 0
        sleep 0.1
    done
    echo "librdkafka's suite: the broker did not start; see $log" >&2
    exit 1
}
if [ -n "${AGAINST:-}" ]; then
    set -- --broker "$AGAINST" ${AGAINST_NOAUTOCREATE:+--noautocreate "$AGAINST_NOAUTOCREATE"} "$@"
else
    # Four partitions are the suite's own setting; some tests want all their members at the first rebalance.
    broker default --set num.partitions=4 --set group.initial.rebalance.delay.ms=500
    first=$address
    broker noautocreate --set num.partitions=4 --set group.initial.rebalance.delay.ms=500 \
        --set auto.create.topics.enable=false
    set -- --broker "$first" --noautocreate "$address" "$@"
fi
verdict=0
"${HIGGINS_PYTHON:-python3}" "$here/suite.py" "$tests" --logs "$logs/tests" --results "$logs/results" "$@" || verdict=1
judge "$logs/results" "$here/suite.expected" || verdict=1
[ -n "${AGAINST:-}" ] || clean "$logs"/*.broker || verdict=1
echo "what they said: $logs"
exit $verdict
