#!/usr/bin/env bash
# Installs what the tests of this package need beside its own packages: a redis-server, and the packages of
# test/published in the versions of its lock file. Does nothing where all is there.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

"$here/../../core/tests/backplane/install.sh"

published="$here/published"
if ! cmp -s "$published/node_modules/.installed" "$published/package-lock.json"; then
    (cd "$published" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp "$published/package-lock.json" "$published/node_modules/.installed"
fi
