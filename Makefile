# Everything a newcomer, a contributor or CI runs. `make demo` and `make test` need
# cargo and make; what else they need they fetch themselves.

CARGO ?= cargo

.PHONY: demo test lint docs unit fuzz loom bench bench-gateway bench-redis bench-node bench-python browser node python python-fresh python-versions python-free-threaded clean compiler clients servers test-servers autobahn

## The main job on real input, with a table and a picture at the end.
demo:
	$(CARGO) run --release --locked -p distributary --example demo --features gateway

## All tests.
test: lint docs unit browser node python loom fuzz

# The fuzz targets link libFuzzer, which is C++.
compiler:
	@command -v c++ >/dev/null || { apt-get update && apt-get install -y g++; } || \
		{ echo "a C++ compiler is needed for the fuzz targets: install g++ or clang" >&2; exit 1; }

lint: compiler
	$(CARGO) fmt --all --check
	$(CARGO) clippy -p distributary --all-targets --locked -- -D warnings
	$(CARGO) clippy --workspace --all-targets --features distributary/gateway,distributary/redis --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc -p distributary --features gateway,redis --no-deps --locked

## What the gateway and its clients are tested with: a browser, curl, and packages from
## npm and PyPI.
clients:
	./core/tests/clients/install.sh

## The servers that the tests of the backplane start and hurt.
servers:
	./core/tests/backplane/install.sh

## The tests of the backplane on each of these: `make test-servers SERVERS="redis-server /opt/valkey/valkey-server"`,
## programs on the PATH or by their whole path.
test-servers: servers
	@[ -n "$(SERVERS)" ] || { echo 'which? make test-servers SERVERS="redis-server valkey-server"' >&2; exit 1; }
	$(CARGO) build --locked -p distributary --features distributary/gateway,distributary/redis --examples
	@failed=; for server in $(SERVERS); do \
		DISTRIBUTARY_TEST_SERVER="$$server" $(CARGO) test --locked -p distributary \
			--features distributary/gateway,distributary/redis --test backplane || failed="$$failed $$server"; \
	done; [ -z "$$failed" ] || { echo "failed on:$$failed" >&2; exit 1; }

## A WebSocket conformance suite of others, where there is a Python 2.7 to run it.
autobahn:
	./core/tests/clients/autobahn.sh

## Unit tests, the integration tests, the examples, and the examples in the docs.
unit: compiler clients servers
	$(CARGO) build --locked -p distributary --features distributary/gateway,distributary/redis --examples
	RUST_TEST_THREADS=$(TESTS_AT_ONCE) $(CARGO) test --locked -p distributary -p distributary-fuzz \
		--features distributary/gateway,distributary/redis

# More than there are cores: many wait for servers and clients, which are hurt and come back.
TESTS_AT_ONCE = $$(( $$(getconf _NPROCESSORS_ONLN) + 2 ))

## The client for browsers: its source, its build and its types.
browser: clients
	cd examples/browser && npm test

## The npm package: built from source, its types, its tests, and those of its examples and benches.
node:
	./bindings-node/test/install.sh
	cd bindings-node && npm ci --no-audit --no-fund --loglevel=error && npm test
	cd benches/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npm test

## The Python package: built from source, its style, its types, its tests, and those of its
## examples and benches. A process a core: most tests wait for servers, clients and deadlines.
python: clients
	./bindings-python/tests/install.sh
	cd bindings-python && .venv/bin/ruff check $(PYTHON_CODE) && .venv/bin/ruff format --check $(PYTHON_CODE)
	cd bindings-python && .venv/bin/mypy && .venv/bin/stubtest --mypy-config-file pyproject.toml distributary._native
	cd bindings-python && .venv/bin/pytest -q -n auto --maxprocesses 4 --dist loadfile
	cd benches/python && ../../bindings-python/.venv/bin/mypy && ../../bindings-python/.venv/bin/pytest -q

# All that is checked by the configuration of the package.
PYTHON_CODE = . $(patsubst %,../%,$(wildcard examples/python benches/python))

## The same for one who has cargo and pip and nothing else: shares no compiled code with the tree.
python-fresh:
	./bindings-python/tests/install.sh
	rm -rf target/fresh
	cd bindings-python && CARGO_TARGET_DIR="$(CURDIR)/target/fresh" .venv/bin/pytest -q tests/packaging
	rm -rf target/fresh

## The tests of the Python package on other interpreters: `make python-versions PYTHONS="python3.10 python3.13"`.
python-versions:
	./bindings-python/tests/install.sh
	./bindings-python/tests/versions.sh $(PYTHONS)

## The tests of its engine on an interpreter without a GIL (3.14 or later): `PYTHON_FREE_THREADED=python3.14t`.
PYTHON_FREE_THREADED ?= python3.14t
python-free-threaded:
	./bindings-python/tests/install.sh
	./bindings-python/tests/versions.sh $(PYTHON_FREE_THREADED)

## Every interleaving of park, publish and unsubscribe, as far as loom goes.
loom:
	RUSTFLAGS="--cfg loom" $(CARGO) test --locked --release -p distributary --lib --target-dir target/loom loom_

## A short, fixed run of each fuzz target.
fuzz: compiler
	./fuzz/run.sh

## All figures beside those of other libraries; writes benches/RESULTS.md.
bench:
	$(CARGO) run --profile bench --locked -p distributary-benches -- --all

## Ten thousand sockets: the gateway beside other servers; writes
## benches/gateway/RESULTS.md. Needs two cores; fetches the peers into target/.
bench-gateway:
	$(CARGO) run --profile bench --locked -p distributary-gateway-bench -- --all

## The backplane beside the clients of Redis; writes benches/redis/RESULTS.md. Needs two
## cores; fetches ioredis into target/.
bench-redis: servers
	$(CARGO) run --profile bench --locked -p distributary-redis-bench -- --all

## The npm package beside what Node apps use today; writes its part of benches/RESULTS.md.
bench-node:
	./benches/node/install.sh
	node benches/node/bench.js --all

## The Python package beside what Python apps use today; writes its part of benches/RESULTS.md.
bench-python:
	./benches/python/install.sh
	benches/python/.venv/bin/python benches/python/bench.py --all

clean:
	$(CARGO) clean
	rm -rf bindings-python/.venv bindings-python/python/distributary/_native.*.so
