#!/usr/bin/env bash
# `make down`: stops what `make up` started: kilonovad, the guests, our networks, the libvirt daemons if they are ours.
#
#   down.sh [--forget-guests]    with the option the definitions of the guests are removed as well
set -euo pipefail
# shellcheck source=Config/scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ -e "$state/$state_marker" ] || {
    echo "There is no deployment in $state."
    exit 0
}
exec 9>"$state/run/up.lock"
flock -n 9 || fail "Another 'make up' or 'make down' works on $state; wait until it has ended."
status=0
if process_of kilonovad >/dev/null || process_of libvirtd >/dev/null || process_of virtqemud >/dev/null; then
    echo "stopping what runs from $state"
else
    echo "Nothing runs from $state."
fi

state_of() {
    virsh_system domstate "$1" 2>/dev/null || echo gone
}

# A guest whose system has ended is "in shutdown" until its process has ended too.
is_off() {
    case $(state_of "$1") in
    "shut off" | crashed | gone) ;;
    *) return 1 ;;
    esac
}

stop_guests() {
    local uuid running=() deadline failed=0
    for uuid in $(our_domains); do
        is_off "$uuid" || running+=("$uuid")
    done
    [ ${#running[@]} -gt 0 ] || return 0
    for uuid in "${running[@]}"; do
        virsh_system shutdown --mode acpi "$uuid" >/dev/null 2>&1 || true
    done
    deadline=$((SECONDS + ${KILONOVA_SHUTDOWN_TIMEOUT:-20}))
    for uuid in "${running[@]}"; do
        until is_off "$uuid" || [ $SECONDS -ge $deadline ]; do sleep 0.3; done
        if is_off "$uuid"; then
            echo "powered off guest $uuid"
        elif virsh_system destroy "$uuid" >/dev/null || is_off "$uuid"; then
            echo "ended guest $uuid by force"
        else
            failed=1
        fi
    done
    return $failed
}

forget_guests() {
    local uuid
    for uuid in $(our_domains); do
        virsh_system undefine --managed-save --snapshots-metadata --nvram "$uuid" >/dev/null &&
            echo "forgot guest $uuid"
    done
}

if pid=$(process_of kilonovad); then
    stop_process kilonovad 30 || status=1
    [ $status -ne 0 ] || echo "stopped kilonovad (process $pid)"
fi
rm -f "$state/run/ready"
if command -v virsh >/dev/null && virsh_system version >/dev/null 2>&1; then
    stop_guests || status=1
    [ "${1:-}" != --forget-guests ] || forget_guests || status=1
fi
program=$(kilonovad_path)
if as_root && [ -x "$program" ]; then
    "$program" manage network clean --state-dir "$state" 9>&- || {
        echo "Some of our networks could not be removed; the message above says which."
        status=1
    }
fi
"$root/Config/scripts/hypervisor.sh" stop 9>&- || status=1
exit $status
