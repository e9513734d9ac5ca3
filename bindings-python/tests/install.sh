#!/usr/bin/env bash
# Makes bindings-python/.venv: what tests/requirements.txt names, and the package itself, built from source. Needs cargo
# and Python 3.10 or later (PYTHON names another one); a redis-server is installed where it can be. Where all is there
# it only builds.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$here/.."
venv="$root/.venv"
python="${PYTHON:-python3}"

# apt PACKAGE...: installs them, where that can be done.
apt() {
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] && apt-get update -qq &&
        apt-get install -y -qq --no-install-recommends "$@"
}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    echo "Python 3.10 or later is needed, as python3 or with PYTHON=/path/to/it" >&2
    exit 1
fi

if ! command -v redis-server >/dev/null && ! apt redis-server; then
    echo "a redis-server is needed for the tests of the Python package: install redis-server" >&2
    exit 1
fi

# An environment that another interpreter or other requirements have made is made anew.
stamp="$venv/.installed"
wanted="$("$python" -c 'import sys; print(sys.version, sys.prefix)'; cat "$here/requirements.txt")"
if [ "$wanted" != "$(cat "$stamp" 2>/dev/null)" ]; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null && ! apt python3-venv; then
        echo "Python's venv is needed for the tests of the Python package: install python3-venv" >&2
        exit 1
    fi
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
    printf '%s\n' "$wanted" >"$stamp"
fi

# In release: shared with the demo and the npm package, and what users get.
cd "$root"
VIRTUAL_ENV="$venv" "$venv/bin/maturin" develop --release --locked
