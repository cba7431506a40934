#!/bin/sh
# franz-go's own tests against a broker that runs already: suite.sh HOST:PORT [ARGUMENT OF GO TEST…]
# The broker needs the settings at the top of ../harness.py. Tests of transactions are left out.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
seeds=${1:?"usage: suite.sh HOST:PORT [ARGUMENT OF GO TEST…]"}
shift
source=$(cd "$here" && go mod download && go list -m -f '{{.Dir}}' github.com/twmb/franz-go)
folder=$cache/franz-go/suite
rm -rf "$folder" && mkdir -p "$folder"
cp -r "$source/." "$folder" && chmod -R u+w "$folder"
cd "$folder"
export KGO_SEEDS="$seeds" KGO_TEST_RF="${KGO_TEST_RF:-3}"
exec go test -p 2 -count 1 -timeout 20m -skip 'Txn' "$@" ./pkg/kgo
