# Sourced by the run.sh of every folder that needs Java: compiles what is in java/src against a release of kafka-clients.

# machinery NAME: skip unless there is a Java to compile with and a Maven to fetch with.
machinery() {
    for tool in java javac mvn; do
        if ! command -v "$tool" >/dev/null; then
            echo "$1: skipped: it takes a JDK (17 or newer) and Maven, and $tool is not here." >&2
            exit 77
        fi
    done
}

# driver KAFKA-VERSION: $JAVA_CLASSPATH is its class path afterwards. Nothing is fetched or compiled twice.
driver() {
    source=$compat/java
    built=$cache/java-$1
    stamp="$1 $(cat "$source/pom.xml" "$source"/src/*.java | cksum)"
    if [ "$(cat "$built/stamp" 2>/dev/null)" != "$stamp" ]; then
        rm -rf "$built"
        mkdir -p "$built/classes"
        mvn -q -B -f "$source/pom.xml" -Dkafka.version="$1" dependency:copy-dependencies \
            -DoutputDirectory="$built/lib" >&2 || {
            echo "java: skipped: Maven could not fetch kafka-clients $1." >&2
            exit 77
        }
        javac -Xlint:all,-deprecation,-removal -cp "$built/lib/*" -d "$built/classes" "$source"/src/*.java
        echo "$stamp" >"$built/stamp"
    fi
    export JAVA_CLASSPATH="$built/classes:$built/lib/*"
}
