#!/usr/bin/env bash
# Makes bindings-python/.venv: what tests/requirements.txt names, and the package itself, built from source. Needs cargo
# and Python 3.10 or later (PYTHON names another one); a redis-server is installed where it can be. Where all is there
# it only builds.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$here/.."
venv="$root/.venv"
python="${PYTHON:-python3}"

# need WHAT PACKAGE CHECK...: the check holds, or the package is installed.
need() {
    local what="$1" package="$2"
    shift 2
    "$@" >/dev/null 2>&1 && return
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "$package"
        "$@" >/dev/null 2>&1 && return
    fi
    echo "$what is needed for the tests of the Python package: install $package" >&2
    exit 1
}

need "Python 3.10 or later (as python3, or with PYTHON=/path/to/it)" python3 \
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'
need "Python's venv" python3-venv "$python" -c 'import ensurepip, venv'
need "A redis-server" redis-server command -v redis-server
need "openssl" openssl openssl version

# What another interpreter or other requirements have made is made anew.
wanted="$("$python" -c 'import sys; print(sys.version, sys.prefix)'; cat "$here/requirements.txt")"
if [ "$wanted" != "$(cat "$venv/.installed" 2>/dev/null)" ]; then
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
    printf '%s\n' "$wanted" >"$venv/.installed"
fi

# In release: shared with the demo and the npm package, and what users get.
cd "$root"
VIRTUAL_ENV="$venv" "$venv/bin/maturin" develop --release --locked
