#!/bin/sh
# Apicurio Registry from Maven Central, with its storage in Kafka topics.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$compat/java/build.sh"
machinery apicurio
release=3.0.9
export APICURIO_FOLDER="$cache/apicurio-$release"
if [ ! -f "$APICURIO_FOLDER/installed" ]; then
    rm -rf "$APICURIO_FOLDER"
    mkdir -p "$APICURIO_FOLDER"
    mvn -q -B dependency:copy -Dartifact=io.apicurio:apicurio-registry-app:$release:tar.gz:all \
        -DoutputDirectory="$APICURIO_FOLDER" >&2 || {
        echo "apicurio: skipped: Maven could not fetch it." >&2
        exit 77
    }
    tar -xzf "$APICURIO_FOLDER"/*.tar.gz -C "$APICURIO_FOLDER"
    rm "$APICURIO_FOLDER"/*.tar.gz
    touch "$APICURIO_FOLDER/installed"
fi
python=${HIGGINS_PYTHON:-python3}
try $release "$@"
