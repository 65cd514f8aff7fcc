#!/usr/bin/env bash
# The daemon of libvirt, for machines on which none runs: no systemd, D-Bus or polkit is needed.
#
#   hypervisor.sh start    starts virtlogd and libvirtd (or virtqemud) when qemu:///system does not answer
#   hypervisor.sh stop     stops those that `start` started
#
# The daemons see a configuration of ours in the place of /etc/libvirt, in a mount namespace of their own; the machine's
# /etc/libvirt is not touched. The definitions of guests therefore lie in the state directory too.
set -euo pipefail
# shellcheck source=Config/scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

configuration=$state/libvirt/etc

write_configuration() {
    mkdir -p "$configuration/qemu" "$state/log"
    local file
    for file in libvirtd.conf virtqemud.conf; do
        cat >"$configuration/$file" <<CONF
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
log_outputs = "2:file:$state/log/$file.log"
CONF
    done
    sed -i 's/\.conf\.log"/.log"/' "$configuration"/*.conf
    printf 'listen_tls = 0\nlisten_tcp = 0\n' >>"$configuration/libvirtd.conf"
    printf 'log_outputs = "2:file:%s/log/virtlogd.log"\n' "$state" >"$configuration/virtlogd.conf"
    # QEMU runs as the same user as we do: a state directory may lie where no other user may enter.
    cat >"$configuration/qemu.conf" <<CONF
user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
stdio_handler = "logd"
vnc_listen = "127.0.0.1"
CONF
}

answers() {
    virsh_system version >/dev/null 2>&1
}

socket_answers() {
    "$(system_python)" -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$1" 2>/dev/null
}

# run_daemon PROGRAM [ARGUMENT...]: in the background, in a mount namespace where /etc/libvirt is ours.
run_daemon() {
    local program=$1 pid_file=$state/run/$1.pid
    shift
    rm -f "$pid_file"
    # shellcheck disable=SC2016
    unshare --mount --propagation slave bash -c '
        mount --bind "$1" /etc/libvirt && exec "$2" --daemon --pid-file "$3" "${@:4}"
    ' _ "$configuration" "$program" "$pid_file" "$@"
    local deadline=$((SECONDS + 20))
    until [ -s "$pid_file" ]; do
        [ $SECONDS -lt $deadline ] || fail "$program did not start; see $state/log/$program.log."
        sleep 0.1
    done
    remember_process "$program" "$(cat "$pid_file")"
    echo "started $program (process $(cat "$pid_file"))"
}

start() {
    if answers; then
        echo "libvirt answers at qemu:///system"
        return
    fi
    as_root || fail "No libvirt daemon answers at qemu:///system; start one, or run 'make up' as root."
    local daemon
    if command -v libvirtd >/dev/null; then
        daemon=libvirtd
    elif command -v virtqemud >/dev/null; then
        daemon=virtqemud
    else
        fail "Neither libvirtd nor virtqemud is installed; run 'make prerequisites' as root."
    fi
    make_state_dir
    write_configuration
    mkdir -p /etc/libvirt /run/libvirt
    socket_answers /run/libvirt/virtlogd-sock || run_daemon virtlogd
    run_daemon "$daemon"
    local deadline=$((SECONDS + 60))
    until answers; do
        process_of "$daemon" >/dev/null || fail "$daemon ended at once; see $state/log/$daemon.log."
        [ $SECONDS -lt $deadline ] || fail "$daemon runs but does not answer; see $state/log/$daemon.log."
        sleep 0.2
    done
    echo "$daemon answers at qemu:///system"
}

stop() {
    local daemon
    for daemon in libvirtd virtqemud virtlogd; do
        if process_of "$daemon" >/dev/null; then
            stop_process "$daemon" 20
            echo "stopped $daemon"
        fi
    done
}

case ${1:-} in
start) start ;;
stop) stop ;;
*) fail "usage: hypervisor.sh start|stop" ;;
esac
