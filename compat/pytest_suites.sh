# Sourced by the suite.sh of clients whose own tests are pytest's, behind environment.sh and suites.sh. Each takes
#   suite.sh [--against HOST:PORT] [ARGUMENT OF PYTEST…]
# and without an address starts a broker in memory on a free port.

# unpack DISTRIBUTION VERSION: its sdist from PyPI, tests and all; $source is the folder afterwards.
unpack() {
    source=$cache/$1/suite/$2
    if [ ! -f "$source/unpacked" ]; then
        rm -rf "$source" && mkdir -p "$source"
        "$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$source" "$1==$2"
        tar -xzf "$source"/*.tar.gz --strip-components 1 -C "$source"
        # Without this the name belongs to the standard library's own tests.
        touch "$source/test/__init__.py" "$source/unpacked"
    fi
}

# address_of "$@": $address is what --against says, or that of a broker started here, whose log is $log and whose topics
# have PARTITIONS (4) partitions where nobody says how many. It is node 0, where some of the tests look for one.
address_of() {
    log=$source/broker.log
    if [ "${1:-}" = --against ]; then
        address=$2
        : >"$log"
        return
    fi
    HIGGINS_NODE_ID=0 "${HIGGINS:-$compat/../.venv/bin/higgins}" up --store memory:// --listen 127.0.0.1:0 \
        --set "num.partitions=${PARTITIONS:-4}" --set group.initial.rebalance.delay.ms=0 \
        --set group.min.session.timeout.ms=1000 >"$log" 2>&1 &
    broker=$!
    trap 'kill $broker; wait $broker || true' EXIT
    for _ in $(seq 200); do
        address=$(sed -n 's/.*listening *\(127[^ ]*:[0-9]*\).*/\1/p' "$log" | head -n 1)
        [ -z "$address" ] || return 0
        sleep 0.1
    done
    echo "suite.sh: the broker did not start; see $log" >&2
    exit 1
}

# try_tests ARGUMENT OF PYTEST…: run them in $source with the folder's own plugin, and judge. Leaves the shell.
try_tests() {
    verdict=0
    export RESULTS="$source/results" PYTHONPATH="$here:$compat"
    (cd "$source" && "$python" -m pytest -q -p pytest_results -p suite_plugin -p no:cacheprovider -o log_level=INFO \
        --timeout 120 --durations 0 --durations-min 5 "$@") >"$source/tests.log" 2>&1 || true
    judge "$RESULTS" "$here/suite.expected" || verdict=1
    clean "$log" || verdict=1
    echo "what they said: $source/tests.log; the broker: $log"
    exit $verdict
}
