#!/bin/sh
# franz-go's own tests: suite.sh [--against HOST:PORT] [ARGUMENT OF GO TEST…]
# Without an address a broker in memory is started. Another one needs the settings at the top of ../harness.py. Tests of
# transactions are left out.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../environment.sh"
. "$here/../suites.sh"
if ! command -v go >/dev/null; then
    echo "franz-go: skipped: go is needed and is not here." >&2
    exit 77
fi
module=$(cd "$here" && go mod download && go list -m -f '{{.Dir}}' github.com/twmb/franz-go)
source=$cache/franz-go/suite
rm -rf "$source" && mkdir -p "$source"
cp -r "$module/." "$source" && chmod -R u+w "$source"
address_of "$@"
[ "${1:-}" != --against ] || shift 2
export KGO_SEEDS="$address" KGO_TEST_RF="${KGO_TEST_RF:-3}"
(cd "$source" && go test -v -p 2 -count 1 -timeout 20m -skip 'Txn' "$@" ./pkg/kgo) >"$source/tests.log" 2>&1 || true
judge_go "$here/suite.expected"
