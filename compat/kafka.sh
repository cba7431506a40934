#!/usr/bin/env bash
# Apache Kafka to compare with and to measure against: one KRaft node from Maven Central's jars, and Kafka's own tools.
#
#   kafka.sh start [DIR]       fetches the jars once, formats DIR/data, starts, waits until it answers: "PID HOST:PORT"
#   kafka.sh stop [DIR]        ends it and deletes DIR/data
#   kafka.sh tool CLASS ARGS…  runs one of Kafka's own tools, e.g. org.apache.kafka.tools.TopicCommand --list …
#   kafka.sh jars              fetches the jars once and prints the folder they are in
#
# Needs: Java 17, Maven. KAFKA_VERSION (4.2.0), KAFKA_PORT (19092; the next one is taken, too), KAFKA_HEAP (1g),
# KAFKA_CORE (any core), KAFKA_NODE_ID (1), KAFKA_PARTITIONS (4, of topics made by default).
# Settings are Kafka's defaults, but those that one node needs and that clients' suites assume.
set -euo pipefail
verb=${1:?start, stop, tool or jars}
home=${XDG_CACHE_HOME:-$HOME/.cache}/higgins-peer-kafka
version=${KAFKA_VERSION:-4.2.0} port=${KAFKA_PORT:-19092} heap=${KAFKA_HEAP:-1g}
node=${KAFKA_NODE_ID:-1} partitions=${KAFKA_PARTITIONS:-4}
lib=$home/lib-$version

jars() {
  [ -d "$lib" ] && return
  work=$(mktemp -d)
  { echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>peer</groupId><artifactId>peer</artifactId><version>1</version><dependencies>'
    for artifact in kafka_2.13 kafka-tools kafka-streams; do
      echo "<dependency><groupId>org.apache.kafka</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'; } > "$work/pom.xml"
  mkdir -p "$home"
  # In place only when whole, so that an interrupted fetch is not mistaken for a finished one.
  mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$lib.part" >&2
  mv "$lib.part" "$lib"; rm -rf "$work"
}

settings() {
  cat <<P
process.roles=broker,controller
node.id=$node
controller.quorum.voters=$node@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
log.dirs=$dir/data
num.partitions=$partitions
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
P
}

start() {
  jars
  settings > "$dir/server.properties"
  rm -rf "$dir/data"
  java -cp "$lib/*" kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$dir/server.properties" > "$dir/format.log" 2>&1
  pinned=(); [ -z "${KAFKA_CORE:-}" ] || pinned=(taskset -c "$KAFKA_CORE")
  "${pinned[@]}" java "-Xmx$heap" "-Xms$heap" -XX:+UseG1GC -cp "$lib/*" kafka.Kafka "$dir/server.properties" > "$dir/broker.log" 2>&1 &
  echo $! > "$dir/pid"
  for _ in $(seq 300); do (: < "/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
  java -cp "$lib/*" org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$port" --list > /dev/null 2>&1 || {
    echo "kafka.sh: Kafka does not answer at 127.0.0.1:$port; see $dir/broker.log" >&2; exit 1; }
  echo "$(cat "$dir/pid") 127.0.0.1:$port"
}

stop() {
  [ -f "$dir/pid" ] || return 0
  kill "$(cat "$dir/pid")" 2>/dev/null || true
  for _ in $(seq 100); do kill -0 "$(cat "$dir/pid")" 2>/dev/null || break; sleep 0.1; done
  rm -rf "$dir/data" "$dir/pid"
}

case $verb in
  start | stop) dir=${2:-$home}; mkdir -p "$dir"; dir=$(cd "$dir" && pwd); "$verb" ;;
  tool) jars; shift; exec java -cp "$lib/*" "$@" ;;
  jars) jars; echo "$lib" ;;
  *) echo "kafka.sh: start, stop, tool or jars, not '$verb'" >&2; exit 2 ;;
esac
