#!/bin/sh
# Run the stories with every client, tool and system, or with those named, and print a table with a row for each.
#   compat/run.sh [CLIENT…] [--against HOST:PORT] [--page FILE]
# Updates their rows in compat/report.json, unless --against names another broker. --page writes the tables into a page of
# the documentation. Exit code 1 if one fails; one that cannot be installed is skipped.
set -eu
compat=$(cd "$(dirname "$0")" && pwd)
clients='' against='' page=''
while [ $# -gt 0 ]; do
    case $1 in
        --against) against=$2 && shift ;;
        --page) page=$2 && shift ;;
        -*) echo "usage: run.sh [CLIENT…] [--against HOST:PORT] [--page FILE]" >&2 && exit 2 ;;
        *) clients="$clients $1" ;;
    esac
    shift
done
[ -n "$clients" ] || for script in "$compat"/*/run.sh; do
    clients="$clients $(basename "$(dirname "$script")")"
done

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
    [ -n "$against" ] && keep='' || keep=$compat/report.json
    # shellcheck disable=SC2086  # names of ours, without spaces in the last part
    "${HIGGINS_PYTHON:-python3}" "$compat/report.py" ${keep:+--json "$keep"} ${page:+--page "$page"} $done
fi
exit $failed
