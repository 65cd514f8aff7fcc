#!/usr/bin/env bash
# `make fuzz`: attacks parsers with LLVM's libFuzzer, one after the other.
#
#   TARGET=vmware-soap,wire-json   which parsers (default: all; `TARGET=list` names them)
#   SECONDS=60                     how long for each (10)
#   INPUT=FILE                     feeds that one input to the one target instead, to see a finding again
#
# What was learned stays in .build-fuzz/corpus and is gone on with the next time. An input that breaks a parser is kept
# in .build-fuzz/findings, and the script fails.
set -euo pipefail
# A variable of that name counts seconds in bash, so what was asked for comes under another.
seconds=${FUZZ_SECONDS:-10}
# shellcheck source=Config/scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "SECONDS is '$seconds'; give a number of seconds, 1 or more."

build=$root/.build-fuzz
(cd "$root" && KILONOVA_FUZZ=1 swift build -c release --disable-index-store --sanitize=fuzzer \
    -Xswiftc -enable-testing --scratch-path "$build" --product Fuzz)
program=$build/release/Fuzz
mapfile -t known < <("$program" list)
[ "${TARGET:-}" != list ] || {
    printf '%s\n' "${known[@]}"
    exit 0
}
IFS=, read -ra targets <<<"${TARGET:-$(IFS=,; echo "${known[*]}")}"
for target in "${targets[@]}"; do
    [[ " ${known[*]} " == *" $target "* ]] || fail "There is no target '$target'; choose from ${known[*]}."
done
# Swift's own crash reporter would wait for a person; libFuzzer tells where the program was.
export SWIFT_BACKTRACE=enable=no

if [ -n "${INPUT:-}" ]; then
    [ ${#targets[@]} -eq 1 ] || fail "INPUT needs one TARGET."
    exec "$program" run "${targets[0]}" "$INPUT"
fi
mkdir -p "$build/findings" "$build/seeds"
broken=()
for target in "${targets[@]}"; do
    corpus=$build/corpus/$target seeds=$build/seeds/$target log=$build/findings/$target.log
    mkdir -p "$corpus"
    "$program" seeds "$target" "$seeds"
    if "$program" run "$target" "$corpus" "$seeds" "-dict=$seeds.words" "-max_total_time=$seconds" -max_len=16384 \
        -rss_limit_mb=1024 -timeout=20 -print_final_stats=1 "-artifact_prefix=$build/findings/$target-" \
        </dev/null >"$log" 2>&1; then
        echo "$target: $(grep -oE 'number_of_executed_units: *[0-9]+' "$log" | grep -oE '[0-9]+') inputs," \
            "$(find "$corpus" -type f | wc -l) kept, $(grep -oE 'cov: [0-9]+' "$log" | tail -n 1) places reached"
    else
        broken+=("$target")
        echo "$target: BROKEN; the input is in $build/findings/$target-*, the story in $log"
        tail -n 15 "$log"
    fi
done
[ ${#broken[@]} -eq 0 ] || fail "Broken: ${broken[*]}."
