#!/usr/bin/env bash
# Installs what the tests of the backplane start themselves: redis-server, which is also
# its sentinel, and openssl for the certificates. Does nothing where all is there.
set -euo pipefail

# need WHAT COMMAND PACKAGE: the command is there, or is installed.
need() {
    command -v "$2" >/dev/null && return
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "$3"
    else
        echo "$1 is needed for the tests of the backplane: install $3" >&2
        exit 1
    fi
}

need "a redis-server 6.2 or later" redis-server redis-server
need "openssl" openssl openssl
