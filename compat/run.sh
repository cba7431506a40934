#!/bin/sh
# Put every client, or those named, through the stories: compat/run.sh [CLIENT…] [--against HOST:PORT] [--readme FILE]
# Writes compat/report.json and prints the table. Exit code 1 when a client fails; one that cannot be installed is skipped.
set -eu
compat=$(cd "$(dirname "$0")" && pwd)
clients='' against='' readme=''
while [ $# -gt 0 ]; do
    case $1 in
        --against) against=$2 && shift ;;
        --readme) readme=$2 && shift ;;
        -*) echo "usage: run.sh [CLIENT…] [--against HOST:PORT] [--readme FILE]" >&2 && exit 2 ;;
        *) clients="$clients $1" ;;
    esac
    shift
done
: "${clients:=kafka-python kafka-python-2.0.2 confluent-kafka aiokafka kcat}"

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
failed=0 done=''
for client in $clients; do
    if [ ! -x "$compat/$client/run.sh" ]; then
        echo "run.sh: there is no client $client here" >&2
        exit 2
    fi
    code=0
    "$compat/$client/run.sh" --results "$results/$client.json" ${against:+--against "$against"} || code=$?
    [ $code -eq 0 ] || [ $code -eq 77 ] || failed=1
    [ ! -f "$results/$client.json" ] || done="$done $results/$client.json"
done
if [ -n "$done" ]; then
    # shellcheck disable=SC2086  # names of ours, without spaces in the last part
    "${HIGGINS_PYTHON:-python3}" "$compat/report.py" --json "$compat/report.json" ${readme:+--readme "$readme"} $done
fi
exit $failed
