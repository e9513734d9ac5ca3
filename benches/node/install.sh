#!/usr/bin/env bash
# Installs what the Node benches need: redis-server, the peers in the versions of the
# lock file, and the package itself, built for release from this source.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
package="$here/../../bindings-node"

# need WHAT PACKAGES COMMAND: the command is there, or is installed.
need() {
    command -v "$3" >/dev/null && return
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        # shellcheck disable=SC2086 # several packages
        apt-get install -y -qq --no-install-recommends $2
    else
        echo "$1 is needed for the Node benches: install $3" >&2
        exit 1
    fi
}

# packages FOLDER: what its lock file says, unless it is there already. Scripts are not
# run: the one that matters, the build, comes below.
packages() {
    local stamp="$1/node_modules/.installed"
    if ! cmp -s "$stamp" "$1/package-lock.json"; then
        (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
        cp "$1/package-lock.json" "$stamp"
    fi
}

need "Node 20 or later" "nodejs npm" node
need "A Redis server" "redis-server" redis-server
packages "$package"
packages "$here"
(cd "$package" && npm run --silent build)
