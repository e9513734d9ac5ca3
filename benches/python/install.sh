#!/usr/bin/env bash
# Makes .venv here: the peers in the versions of requirements.txt, and the package itself, built for release from this
# source. Needs cargo and Python 3.11 or later (PYTHON names another one); a redis-server is installed where it can be.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="$here/.venv"
python="${PYTHON:-python3}"

# need WHAT PACKAGE CHECK...: the check holds, or the package is installed.
need() {
    local what="$1" package="$2"
    shift 2
    "$@" >/dev/null 2>&1 && return
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "$package"
    else
        echo "$what is needed for the Python benches: install $package" >&2
        exit 1
    fi
}

need "Python 3.11 or later" python3 "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'
need "Python's venv" python3-venv "$python" -c 'import ensurepip, venv'
need "A Redis server" redis-server command -v redis-server

# An environment that another interpreter or other requirements have made is made anew.
stamp="$venv/.installed"
wanted="$("$python" -c 'import sys; print(sys.version, sys.prefix)' && cat "$here/requirements.txt")"
if [ "$wanted" != "$(cat "$stamp" 2>/dev/null)" ]; then
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    printf '%s\n' "$wanted" >"$stamp"
fi

cd "$here/../../bindings-python"
VIRTUAL_ENV="$venv" "$venv/bin/maturin" develop --release --locked --quiet
