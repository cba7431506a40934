# Sourced by the suite.sh of clients whose own tests are pytest's, behind environment.sh and suites.sh. Each takes
#   suite.sh [--against HOST:PORT] [ARGUMENT OF PYTEST…]

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
