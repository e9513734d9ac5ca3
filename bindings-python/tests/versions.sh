#!/usr/bin/env bash
# Runs the tests of the package on other interpreters: versions.sh PYTHON... -- [pytest's arguments]
#
# Each gets an environment of its own in target/python, with the wheel of this tree and not the tree itself. One without
# a GIL gets a wheel of its own: there is no binary for all of these yet. It gets the packages that the engine's tests
# need and no frameworks, few of which can be had there, and runs with the GIL off whatever is imported.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
target="$here/../../target/python"
maturin="$here/../.venv/bin/maturin"

pythons=()
failed=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do pythons+=("$1") && shift; done
[ "${1:-}" = -- ] && shift

for python in "${pythons[@]}"; do
    name="$("$python" -c 'import sys, sysconfig; print(sysconfig.get_config_var("SOABI") or sys.version.split()[0])')"
    free="$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("Py_GIL_DISABLED") or 0)')"
    venv="$target/$name"
    wanted="$("$python" -c 'import sys; print(sys.version, sys.prefix)'; cat "$here/requirements.txt")"
    if [ "$wanted" != "$(cat "$venv/.installed" 2>/dev/null)" ]; then
        "$python" -m venv --clear "$venv"
        pip=("$venv/bin/pip" install --quiet --disable-pip-version-check)
        if [ "$free" = 1 ]; then
            sed -n 's/^\([a-z0-9].*[^ ]\) *\\$/\1/p' "$here/requirements.txt" >"$venv/versions.txt"
            "${pip[@]}" -c "$venv/versions.txt" anyio pytest pytest-timeout trio
        else
            "${pip[@]}" --require-hashes -r "$here/requirements.txt"
        fi
        printf '%s\n' "$wanted" >"$venv/.installed"
    fi

    # One wheel for all that have a GIL.
    wheel="$target/wheel" builder="$here/../.venv/bin/python"
    [ "$free" = 1 ] && wheel="$venv/wheel" builder="$venv/bin/python"
    rm -rf "$wheel"
    (cd "$here/.." && "$maturin" build --quiet --release --locked -i "$builder" -o "$wheel")
    "$venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheel"/*.whl

    echo "== $("$venv/bin/python" -VV)"
    cd "$here/.."
    if [ "$free" = 1 ]; then
        tests=("$@")
        [ $# -gt 0 ] || tests=(tests/engine tests/threads)
        PYTHON_GIL=0 "$venv/bin/pytest" -q "${tests[@]}" || failed+=("$name")
    else
        "$venv/bin/pytest" -q --ignore tests/packaging "${@:-tests}" || failed+=("$name")
    fi
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "failed on ${failed[*]}" >&2
    exit 1
fi
