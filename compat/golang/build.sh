# Sourced by the run.sh of every client in Go, behind environment.sh.

# go_driver CLIENT MODULE: build the driver in $here; $version is the module's. The module and build caches are Go's own.
go_driver() {
    if ! command -v go >/dev/null; then
        echo "$1: skipped: the go command is needed and is not here." >&2
        exit 77
    fi
    mkdir -p "$cache/$1"
    # Two cores at most: others may be at work on the machine.
    (cd "$here" && go build -p 2 -o "$cache/$1/driver" .) || {
        echo "$1: skipped: go could not build the driver; are Go 1.26 and the module proxy reachable?" >&2
        exit 77
    }
    version=$(cd "$here" && go list -m -f '{{.Version}}' "$2")
    version=${version#v}
    python=${HIGGINS_PYTHON:-python3}
    COMPAT_DRIVER=$cache/$1/driver
    export COMPAT_DRIVER
}
