#!/usr/bin/env bash
# Installs the Autobahn test suite, which is written in Python 2, and runs it against the
# gateway.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
packages="target/clients/autobahn"

if ! python2.7 --version >/dev/null 2>&1; then
    echo "the Autobahn test suite needs a python2.7 with pip, and there is none" >&2
    exit 1
fi
if [ ! -e "$packages/.installed" ]; then
    python2.7 -m pip install --quiet --target "$packages" autobahntestsuite==25.10.1
    # Installed side by side, its namespace is a package like any other.
    touch "$packages/zope/__init__.py"
    touch "$packages/.installed"
fi
"${CARGO:-cargo}" test --locked -p distributary --features gateway --test gateway -- \
    --ignored --nocapture conformance::autobahn
