#!/usr/bin/env bash
# Builds the fuzz targets with the stable toolchain and runs each for a fixed number of inputs.
#
#   fuzz/run.sh                      all targets
#   fuzz/run.sh glob fields          these
#   RUNS=1000000 SECONDS_EACH=600 SEED=7 fuzz/run.sh glob
#
# A run starts from fuzz/seeds/TARGET. A crash ends the script with an error, and the input that caused it lies in
# target/fuzz/artifacts/TARGET; hand it to the target's binary to see it again.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${RUNS:-20000}
seconds_each=${SECONDS_EACH:-9}
seed=${SEED:-1}
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz/fuzz_targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi

# What cargo-fuzz passes, without the sanitizers, which are not stable. Naming the host as the target keeps build
# scripts and macros clear of it, and a target folder of its own keeps every other build from starting anew.
host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR=target/fuzz
export RUSTFLAGS="--cfg fuzzing \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cdebug-assertions -Ccodegen-units=1"
bins=()
for target in "${targets[@]}"; do
    bins+=(--bin "$target")
done
cargo build --release --quiet --target "$host" --package distributary-fuzz "${bins[@]}"

for target in "${targets[@]}"; do
    artifacts=$CARGO_TARGET_DIR/artifacts/$target/
    found=$(mktemp -d)
    mkdir -p "$artifacts"
    echo "fuzz $target: up to $runs inputs, ${seconds_each} s"
    # New inputs go to the first folder, so the seeds stay as they are.
    if ! "$CARGO_TARGET_DIR/$host/release/$target" "$found" "fuzz/seeds/$target" \
        -runs="$runs" -max_total_time="$seconds_each" -seed="$seed" -max_len=512 -timeout=5 -rss_limit_mb=1024 \
        -artifact_prefix="$artifacts" -print_final_stats=1 >"$artifacts/log" 2>&1; then
        tail -n 40 "$artifacts/log" >&2
        rm -rf "$found"
        echo "fuzz $target: failed; the input is in $artifacts" >&2
        exit 1
    fi
    rm -rf "$found"
    grep -E '^Done|number_of_executed_units' "$artifacts/log" | sed 's/^/  /'
done
