#!/usr/bin/env bash
# Installs what the tests of this package need beside its own packages: a redis-server, and the packages of
# test/published in the versions of its lock file. Does nothing where all is there.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

if ! command -v redis-server >/dev/null; then
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends redis-server
    else
        echo "a redis-server is needed for the tests of distributary/graphql: install redis-server" >&2
        exit 1
    fi
fi

published="$here/published"
if ! cmp -s "$published/node_modules/.installed" "$published/package-lock.json"; then
    (cd "$published" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp "$published/package-lock.json" "$published/node_modules/.installed"
fi
