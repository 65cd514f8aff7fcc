#!/usr/bin/env bash
# `make test` and its parts: installs what the tests need, builds, runs the named sets, counts.
#
#   test.sh [unit] [drivers] [fake] [libvirt] [nodes] [databases] [broker]
#
# The last line is `N passed, N failed, N skipped` over all sets.
set -euo pipefail
# shellcheck source=Config/scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
scripts=$root/Config/scripts
cd "$root"

[ $# -gt 0 ] || set -- unit fake libvirt drivers databases broker
for set_name; do
    case $set_name in
    unit | drivers | fake | libvirt | nodes | databases | broker) ;;
    *) fail "test.sh: there is no set named $set_name; choose from unit, drivers, fake, libvirt, nodes, databases and broker." ;;
    esac
done

stage_logs=$root/.build/test-logs
mkdir -p "$stage_logs"
# shellcheck source=Config/scripts/stages.sh
. "$scripts/stages.sh"
passed=0 failed=0 skipped=0

# wants SET: whether the set is among those to run.
wants() {
    [[ " ${sets[*]} " == *" $1 "* ]]
}
sets=("$@")

# count LOG STATUS: adds what one set's log says; a set that ended badly without a failed test counts as one failure.
count() {
    local counts p f s
    counts=$(awk '
        /^end to end, .*: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
            sub(/^[^:]*: /, ""); split($0, n, /[^0-9]+/); p += n[1]; f += n[2]; s += n[3]; next
        }
        # The summary of a run of the conformance suite; what a driver does not declare is no test of it.
        /^driver [a-z0-9_]+: [0-9]+ passed, [0-9]+ failed, [0-9]+ not declared, [0-9]+ not shown/ {
            sub(/^[^:]*: /, ""); split($0, n, /[^0-9]+/); p += n[1]; f += n[2]; s += n[4]; next
        }
        / Test run with / || / Test case / { next }
        /^[^ ]+ +Test .* passed after / { p++ }
        /^[^ ]+ +Test .* failed after / { f++ }
        /^[^ ]+ +Test .* skipped/ { s++ }
        END { print p + 0, f + 0, s + 0 }' "$1")
    read -r p f s <<<"$counts"
    if [ "$2" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    printf '%d passed, %d failed, %d skipped' "$p" "$f" "$s"
}

# log_of NAME: the file that a set's output goes to.
log_of() {
    echo "$stage_logs/$(tr -c 'a-z0-9\n' '-' <<<"${1,,}").log"
}

declare -A set_process set_started

# start_set NAME COMMAND...: runs one set of tests in the background, in a process group of its own.
start_set() {
    local name=$1 log
    shift
    log=$(log_of "$name")
    : >"$log"
    set_started[$name]=${EPOCHREALTIME/[.,]/}
    set -m
    "$@" </dev/null >"$log" 2>&1 &
    set_process[$name]=$!
    set +m
}

# Ends what runs in the background, and the run.
end_sets() {
    local process
    for process in "${set_process[@]}"; do kill -TERM -- "-$process" 2>/dev/null || true; done
    exit 130
}

# finish_set NAME: shows the time, the counts, what failed and what was skipped; never ends the run.
finish_set() {
    local name=$1 log status=0 counts
    log=$(log_of "$name")
    stage_started=${set_started[$name]}
    stage_process=${set_process[$name]}
    show_progress "$name" "$log"
    wait "$stage_process" || status=$?
    stage_process=
    unset "set_process[$name]"
    count "$log" $status >"$stage_logs/.counts"
    counts=$(cat "$stage_logs/.counts")
    if [ $status -eq 0 ]; then
        printf 'ok  %-22s %8s  %s\n' "$name" "$(elapsed "$stage_started")" "$counts"
    else
        printf 'FAILED  %s after %s: %s\n' "$name" "$(elapsed "$stage_started")" "$counts"
        grep -E '^FAILED|^(ERROR|FAIL):|AssertionError|CommandFailed|error:|✘ .*(an issue|failed)|Fatal error' "$log" |
            head -n 60 | cut -c 1-300 | sed 's/^/    /' || true
        echo "    --- the end of the log"
        tail -n 15 "$log" | cut -c 1-300 | sed 's/^/    /'
        echo "    The log: $log"
    fi
    grep -E '^skipped |^[^ ]+ +Test .* skipped' "$log" | cut -c 1-200 | sed 's/^/    /' || true
}

run_set() {
    start_set "$@"
    finish_set "$1"
}

install_packages() {
    "$scripts/prerequisites.sh" build clients guest-image libvirt drivers databases broker
    note "$(tail -n 1 "$stage_logs/prerequisites.log" | cut -c 1-90)"
}

build_everything() {
    swift build --build-tests
    note "$(du -sh .build | cut -f1)"
}

unit_tests() {
    swift test --skip-build --no-parallel
    if [ -d Plugins/DriverKit/Tests ]; then
        swift test --package-path Plugins/DriverKit
    fi
}

# The everyday subset of the conformance suite on the drivers as they are loaded. Libvirt's, with guests that must boot
# and answer, takes minutes: `make test-drivers DRIVER=libvirt QUICK=1`; its own tests run with the others.
drivers_quickly() {
    DRIVER=fake,vmware,xenapi QUICK=1 KILONOVAD=$root/.build/debug/kilonovad "$scripts/test-drivers.sh"
}

end_to_end() {
    KILONOVAD=$root/.build/debug/kilonovad Tests/EndToEnd/run.sh "$1"
}

stop_libvirt() {
    STATE_DIR=$test_state "$scripts/hypervisor.sh" stop >/dev/null 2>&1 || true
}

stop_daemons() {
    stop_libvirt
    rm -rf "$test_state"
}

run_stage "prerequisites" "install the packages that are named above" install_packages
if wants fake || wants libvirt || wants nodes || wants databases || wants broker; then
    run_stage "clients" "see that pip reaches PyPI" "$scripts/clients.sh"
fi
run_stage "guest image" "put right what is named above" Config/guest-image/build.sh "$guest_image_dir"
export KILONOVA_TEST_GUEST_IMAGE=$guest_image_dir/tiny-linux.qcow2
run_stage "build" "mend what the compiler says" build_everything

# Tests of the libvirt plugin and the guests of the last set use one daemon.
test_state=$(mktemp -d /var/tmp/kilonova-test-XXXXXX)
trap stop_daemons EXIT
if as_root; then
    STATE_DIR=$test_state run_stage "libvirt" "the tests that need libvirt would be skipped; see the log" \
        env "STATE_DIR=$test_state" "$scripts/hypervisor.sh" start
fi
trap end_sets INT TERM HUP
# Sets that wait more than they compute run beside those that compute.
! wants fake || start_set "end to end, fake" end_to_end fake
! wants unit || run_set "tests in Swift" unit_tests
! wants drivers || start_set "drivers, quickly" drivers_quickly
! wants fake || finish_set "end to end, fake"
! wants libvirt || run_set "end to end, libvirt" end_to_end libvirt
! wants drivers || finish_set "drivers, quickly"
! wants databases || start_set "end to end, databases" end_to_end databases
! wants broker || run_set "end to end, broker" end_to_end broker
! wants databases || finish_set "end to end, databases"
if wants nodes; then
    # It stops and starts hypervisors, so it has a daemon of its own.
    stop_libvirt
    run_set "end to end, nodes" end_to_end drivers
fi

printf 'after %s\n' "$(elapsed "$run_started")"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
