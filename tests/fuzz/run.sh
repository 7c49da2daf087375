#!/usr/bin/env bash
# Builds the fuzz targets with coverage instrumentation and runs each for a while.
#
#   tests/fuzz/run.sh [SECONDS_PER_TARGET [TARGET...]]      default: 5 seconds, every target
#
# Needs cargo and g++ (the fuzzing engine is C++); no nightly compiler and no cargo-fuzz. Each target works on a
# copy of its committed corpus. What makes a target crash, hang or use too much memory is left in
# tests/fuzz/artifacts. Exit codes: 0 nothing found, 1 something found, 2 usage or build.
set -euo pipefail
cd "$(dirname "$0")"

seconds="${1:-5}"
if ! [[ "$seconds" =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: run.sh [SECONDS_PER_TARGET [TARGET...]]" >&2
    exit 2
fi
shift || true
command -v g++ >/dev/null || { echo "run.sh needs g++: apt-get install g++" >&2; exit 2; }

target=x86_64-unknown-linux-gnu
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
# SanitizerCoverage as cargo-fuzz asks for it; these options are stable.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
cargo build --quiet --locked --release --target "$target" --package obscura-fuzz || exit 2

if [ "$#" -gt 0 ]; then
    names=("$@")
else
    names=()
    for source in targets/*.rs; do
        name="${source##*/}"
        names+=("${name%.rs}")
    done
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p artifacts
found=0
summary=()
for name in "${names[@]}"; do
    mkdir -p "$work/$name"
    [ ! -d "corpus/$name" ] || cp "corpus/$name"/* "$work/$name/"
    # evaluation_keys fills tens of megabytes per input: memory has a limit that it needs to stay below too.
    if "$CARGO_TARGET_DIR/$target/release/$name" "$work/$name" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=1024 -malloc_limit_mb=512 -max_len=16384 -print_final_stats=1 \
        -artifact_prefix="artifacts/$name-" >"$work/$name.log" 2>&1; then
        verdict=clean
    else
        verdict=FOUND
        found=1
        tail -n 40 "$work/$name.log" >&2
    fi
    runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log")"
    coverage="$(grep -o 'cov: [0-9]*' "$work/$name.log" | tail -n 1 || true)"
    summary+=("$(printf '%-16s %-6s %10s runs  %s' "$name" "$verdict" "${runs:-?}" "$coverage")")
done
printf '%s\n' "${summary[@]}"
if [ "$found" -ne 0 ]; then
    echo "inputs that were found are in tests/fuzz/artifacts" >&2
fi
exit "$found"
