#!/usr/bin/env bash
# Installs the clients that the gateway is tested with: a browser, curl, and the packages
# that the scripts beside this one and the tests of examples/browser use, in the versions
# of their lock files. Does nothing where all is there.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
target="$here/../../../target/clients"
browser="$here/../../../examples/browser"

# need WHAT PACKAGES COMMAND...: one of the commands is there, or is installed.
need() {
    local what="$1" packages="$2" command
    shift 2
    for command in "$@"; do
        command -v "$command" >/dev/null && return
    done
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        # shellcheck disable=SC2086 # several packages
        apt-get install -y -qq --no-install-recommends $packages
    else
        echo "$what is needed for the tests of the gateway: install one of $*" >&2
        exit 1
    fi
}

# unless STAMP FILE COMMAND...: runs the command unless it was run for this FILE before.
unless() {
    local stamp="$1" file="$2"
    shift 2
    if ! cmp -s "$stamp" "$file"; then
        "$@"
        mkdir -p "$(dirname "$stamp")"
        cp "$file" "$stamp"
    fi
}

python_packages() {
    # Debian has it in a package of its own.
    if ! python3 -c 'import ensurepip' 2>/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends python3-venv
    fi
    if ! python3 -m venv --clear "$target/python"; then
        echo "Python's venv is needed for the tests of the gateway: install python3-venv" >&2
        exit 1
    fi
    "$target/python/bin/pip" install --quiet --require-hashes -r "$here/python/requirements.txt"
}

node_packages() {
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error)
}

need "curl" curl curl
need "Node 20 or later" "nodejs npm" node
need "Python 3.9 or later" "python3 python3-venv" python3
need "a Chromium" chromium chromium chromium-browser google-chrome google-chrome-stable
unless "$here/node/node_modules/.installed" "$here/node/package-lock.json" node_packages "$here/node"
unless "$browser/node_modules/.installed" "$browser/package-lock.json" node_packages "$browser"
unless "$target/python/.installed" "$here/python/requirements.txt" python_packages
