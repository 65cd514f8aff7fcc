#!/usr/bin/env bash
# `make up`: from a fresh clone to a cloud with a running server. Run again, it does only what is missing.
set -euo pipefail
# shellcheck source=Config/scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
scripts=$root/Config/scripts

case $driver in
libvirt | fake) ;;
*) fail "DRIVER is $driver; choose libvirt or fake." ;;
esac
[[ $port =~ ^[0-9]+$ && $port -ge 1 && $port -le 65535 ]] || fail "PORT is $port; choose a number from 1 to 65535."
if [ "$driver" = libvirt ] && ! as_root; then
    fail "Guests and networks need root: run 'make up' as root, or 'make up DRIVER=fake' without a hypervisor."
fi

make_state_dir
stage_logs=$state/log/up
mkdir -p "$stage_logs"
# shellcheck source=Config/scripts/stages.sh
. "$scripts/stages.sh"
exec 9>"$state/run/up.lock"
flock -n 9 || fail "Another 'make up' or 'make down' works on $state; wait until it has ended."

quietly() {
    exec 9>&-
    "$@"
}

install_packages() {
    if [ "$driver" = fake ]; then
        "$scripts/prerequisites.sh" build clients
    else
        "$scripts/prerequisites.sh" build clients guest-image libvirt
    fi
    note "$(tail -n 1 "$stage_logs/prerequisites.log" | cut -c 1-90)"
}

# Nothing is built when no source is newer than the program.
build_release() {
    local program newer
    program=$(kilonovad_path)
    if [ -n "${KILONOVAD:-}" ]; then
        [ -x "$program" ] || fail "KILONOVAD names $program, which is not a program."
        note "given: $program"
        return
    fi
    if [ -x "$program" ]; then
        newer=$(find "$root"/{Package.swift,Package.resolved,Sources,Plugins} -newer "$program" \
            -not -path '*/.build/*' -print -quit 2>/dev/null || true)
        if [ -z "$newer" ]; then
            note "unchanged"
            return
        fi
    fi
    (cd "$root" && swift build -c release --disable-index-store)
    touch -c "$program"
    note "$program"
}

make_clients() {
    "$scripts/clients.sh"
    note "$clients"
}

make_guest_image() {
    "$root/Config/guest-image/build.sh" "$guest_image_dir"
    note "$(tail -n 1 "$stage_logs/guest-image.log")"
}

start_hypervisor() {
    "$scripts/hypervisor.sh" start
    note "$(tail -n 1 "$stage_logs/libvirt.log")"
}

# What decides whether a running daemon is the one that we would start: the program's identity and its arguments.
daemon_identity() {
    stat -L -c '%d %i %s %Y' "$1"
    printf '%s\n' "${@:2}"
}

start_daemon() {
    local program pid identity verb=started deadline arguments
    program=$(kilonovad_path)
    arguments=(up --state-dir "$state" --set "DEFAULT.compute_driver=$driver"
        --set "kilonova.port=$port" --set "DEFAULT.log_file=$state/log/kilonovad.log")
    # The fake driver's guests have no network devices, and its networks need no root.
    [ "$driver" != fake ] || arguments+=(--set network_agent.enabled=false)
    [ -z "${CONFIG:-}" ] || arguments+=(--config "$(realpath "$CONFIG")")
    identity=$(daemon_identity "$program" "${arguments[@]}")
    if pid=$(process_of kilonovad); then
        if [ "$identity" = "$(cat "$state/run/kilonovad.identity" 2>/dev/null)" ] && is_ready; then
            note "process $pid runs already"
            return
        fi
        echo "the program or its options changed: ending process $pid"
        stop_process kilonovad 30
        verb="started anew"
    fi
    rm -f "$state/run/ready"
    setsid nohup "$program" "${arguments[@]}" </dev/null >"$state/log/kilonovad.out" 2>&1 9>&- &
    pid=$!
    disown
    remember_process kilonovad "$pid"
    deadline=$((SECONDS + ${KILONOVA_START_TIMEOUT:-60}))
    until [ -s "$state/run/ready" ]; do
        if ! process_of kilonovad >/dev/null; then
            tail -n 12 "$state/log/kilonovad.out"
            return 1
        fi
        if [ $SECONDS -ge $deadline ]; then
            tail -n 5 "$state/log/kilonovad.log" "$state/log/kilonovad.out" 2>/dev/null || true
            is_ready || true
            fail "kilonovad runs as process $pid but did not become ready within ${KILONOVA_START_TIMEOUT:-60} s."
        fi
        sleep 0.05
    done
    is_ready || fail "kilonovad says that it is not ready: see the causes above."
    printf '%s\n' "$identity" >"$state/run/kilonovad.identity"
    add_clients_to_environment
    note "$verb, process $pid"
}

# /readyz, whose body names the causes when something is not ready.
is_ready() {
    local answer
    answer=$(curl -sS -m 10 -w '\n%{http_code}' "http://127.0.0.1:$port/readyz") || return 1
    [ "${answer##*$'\n'}" = 200 ] || {
        echo "${answer%$'\n'*}"
        return 1
    }
}

# After `source openrc` the clients are found, too.
add_clients_to_environment() {
    local file
    for file in "$state"/openrc*; do
        # shellcheck disable=SC2016
        grep -qF "$clients/bin" "$file" || printf 'export PATH="%s/bin:$PATH"\n' "$clients" >>"$file"
    done
}

# demo VERB: through openstacksdk, as the user of the openrc file.
demo() {
    (
        set -a
        # shellcheck source=/dev/null
        . "$state/openrc"
        set +a
        "$clients/bin/python" "$scripts/demo.py" "$1" --state-dir "$state" --driver "$driver" \
            --image "$guest_image_dir/tiny-linux.qcow2"
    )
    note "$(tail -n 1 "$stage_logs/$2.log")"
}

see_daemon="the daemon's log is $state/log/kilonovad.log; put right what the message names and run 'make up' again"
echo "Kilonova: state in $state, driver $driver"
run_stage "prerequisites" "install the packages that are named above and run 'make up' again" quietly install_packages
run_stage "release build" "mend what the compiler says, then run 'make up' again" quietly build_release
run_stage "clients" "see that pip reaches PyPI, then run 'make up' again" quietly make_clients
if [ "$driver" = libvirt ]; then
    run_stage "guest image" "put right what is named above and run 'make up' again" quietly make_guest_image
    run_stage "libvirt" "put right what is named above and run 'make up' again" quietly start_hypervisor
fi
run_stage "kilonovad" "$see_daemon" start_daemon
run_stage "cloud resources" "$see_daemon" quietly demo resources cloud-resources
run_stage "server demo" \
    "'source $state/openrc', then 'openstack server show demo' and 'openstack console log show demo'" \
    quietly demo server server-demo
printf '\nUp after %s.\n' "$(elapsed "$run_started")"
cat "$state/run/summary"
