# Sourced by every client's run.sh: an environment of the client's own, kept between runs.
# Delete ${XDG_CACHE_HOME:-~/.cache}/higgins-compat to have the newest releases installed again.

compat=$(cd "$here/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/higgins-compat

# environment NAME PYTHON REQUIREMENT…: make it if it is not there; $python is its interpreter afterwards.
environment() {
    name=$1 base=$2
    shift 2
    folder=$cache/$name
    python=$folder/bin/python
    if [ "$(cat "$folder/installed" 2>/dev/null)" = "$base $*" ]; then
        return 0
    fi
    if ! "$base" -c 'import venv' >/dev/null 2>&1; then
        echo "$name: skipped: $base is needed and is not here." >&2
        exit 77
    fi
    rm -rf "$folder"
    mkdir -p "$cache"
    "$base" -m venv "$folder"
    "$python" -m pip install --quiet --disable-pip-version-check "$@"
    echo "$base $*" >"$folder/installed"
}

# try VERSION-OF-THE-CLIENT "$@": run the stories of the client in $here.
try() {
    version=$1
    shift
    exec "${HIGGINS_PYTHON:-python3}" "$compat/harness.py" "$here" --python "$python" --version "$version" "$@"
}

# version_of DISTRIBUTION: as it is installed in the environment.
version_of() {
    "$python" -c 'import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))' "$1"
}
