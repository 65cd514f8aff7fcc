#!/usr/bin/env bash
# A libvirt node of its own for tests: virtlogd and libvirtd in mount and host name namespaces of their own, beside
# whatever else runs on the machine. Guests' files lie where the tests want them; the daemons' are in DIR.
#
#   libvirt-node.sh start DIR NAME   starts the node, or its daemon again after `kill`; returns when it answers
#   libvirt-node.sh kill DIR         ends libvirtd as a crash does; guests run on
#   libvirt-node.sh hang DIR         libvirtd takes calls and answers none, until `start`
#   libvirt-node.sh end DIR          ends guests, daemons and namespaces
#
# Its address is qemu+unix:///system?socket=DIR/run/libvirt-sock. DIR/serial-ports names ports that are the node's own,
# for serial consoles (FIRST:LAST).
set -euo pipefail
# shellcheck source=Config/scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
verb=${1:?usage: libvirt-node.sh start|kill|hang|end DIR}
node=$(realpath -m -- "${2:?usage: libvirt-node.sh start|kill|hang|end DIR}")

virsh_node() {
    timeout 30 virsh -q -c "qemu+unix:///system?socket=$node/run/libvirt-sock" "$@" </dev/null
}

# number_of NAME: the number of a process of the node that lives.
number_of() {
    local pid
    pid=$(cat "$node/$1.pid" 2>/dev/null) && [ -n "$pid" ] && start_time_of "$pid" >/dev/null && echo "$pid"
}

# Takes one of eighty groups of ports that no other node of this machine has, until all who have file descriptor 9 close
# it. Of two daemons that share ports both give the same one to a guest, and the second guest fails.
take_ports() {
    mkdir -p /tmp/kilonova-node-ports
    for group in {0..79}; do
        exec 9>"/tmp/kilonova-node-ports/$group"
        ! flock -n 9 || return 0
    done
    fail "All eighty groups of ports for libvirt nodes are taken; end nodes that are left over (libvirt-node.sh end)."
}

make_node() {
    local group
    take_ports
    mkdir -p "$node"/{etc,lib,run,log,cache}
    chmod 711 "$node"
    [ ! -d /etc/libvirt ] || cp -a /etc/libvirt/. "$node/etc/"
    rm -rf "$node"/etc/qemu/* "$node"/etc/libxl/*
    # What libvirt found out about QEMU on this machine, which takes it long.
    [ ! -d /var/cache/libvirt ] || cp -a /var/cache/libvirt/. "$node/cache/"
    cat >"$node/etc/libvirtd.conf" <<CONF
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
listen_tls = 0
log_outputs = "2:file:$node/log/libvirtd.log"
CONF
    # Guests run as root, whom the kernel lets do what post-copy needs. Two daemons must not meet in control groups.
    # libvirt refuses 127.0.0.1 as a place to migrate to.
    cat >"$node/etc/qemu.conf" <<CONF
user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
cgroup_controllers = [ ]
vnc_listen = "127.0.0.1"
spice_listen = "127.0.0.1"
migration_address = "127.0.0.2"
remote_display_port_min = $((6500 + group * 40))
remote_display_port_max = $((6500 + group * 40 + 39))
migration_port_min = $((49152 + group * 40))
migration_port_max = $((49152 + group * 40 + 39))
CONF
    echo "$((10000 + group * 100)):$((10000 + group * 100 + 99))" >"$node/serial-ports"
    printf '127.0.0.1 localhost %s\n' "$1" >"$node/hosts"
    mkdir -p /etc/libvirt /var/lib/libvirt /run/libvirt /var/log/libvirt /var/cache/libvirt
    # The process that keeps the namespaces; it ends with the node.
    # shellcheck disable=SC2016
    setsid unshare --mount --uts --propagation slave bash -c '
        node=$1
        for pair in etc:/etc lib:/var/lib run:/run log:/var/log cache:/var/cache; do
            mount --bind "$node/${pair%%:*}" "${pair#*:}/libvirt"
        done
        mount --bind "$node/hosts" /etc/hosts
        hostname "$2"
        echo $$ >"$node/keeper.pid"
        exec sleep infinity
    ' _ "$node" "$1" >/dev/null 2>&1 </dev/null &
    local deadline=$((SECONDS + 20))
    until number_of keeper >/dev/null; do
        [ $SECONDS -lt $deadline ] || fail "The namespaces of the node in $node could not be made; is this root?"
        sleep 0.05
    done
    # The keeper keeps the ports.
    exec 9>&-
}

# inside PROGRAM...: in the node's namespaces, with no signal blocked and nothing of ours held open.
inside() {
    nsenter -t "$(number_of keeper)" --mount --uts "$@" </dev/null >>"$node/log/start.log" 2>&1
}

start() {
    local pid deadline=$((SECONDS + 180))
    number_of keeper >/dev/null || make_node "$1"
    if pid=$(number_of libvirtd); then kill -CONT "$pid"; fi
    number_of virtlogd >/dev/null || inside virtlogd -d -p "$node/virtlogd.pid"
    number_of libvirtd >/dev/null || inside libvirtd -d -p "$node/libvirtd.pid"
    until virsh_node version >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || fail "libvirtd in $node does not answer; see $node/log."
        sleep 0.05
    done
}

# end_process NAME SIGNAL
end_process() {
    local pid deadline=$((SECONDS + 20))
    pid=$(number_of "$1") || return 0
    kill "-$2" "$pid" 2>/dev/null || true
    kill -CONT "$pid" 2>/dev/null || true
    while start_time_of "$pid" >/dev/null; do
        [ $SECONDS -lt $deadline ] || { kill -KILL "$pid" 2>/dev/null || true; }
        sleep 0.02
    done
    rm -f "$node/$1.pid"
}

end() {
    local uuid
    ! number_of libvirtd >/dev/null || for uuid in $(virsh_node list --uuid 2>/dev/null); do
        virsh_node destroy "$uuid" >/dev/null 2>&1 || true
    done
    end_process libvirtd TERM
    end_process virtlogd TERM
    end_process keeper KILL
}

case $verb in
start) start "${3:-$(basename "$node")}" ;;
kill) end_process libvirtd KILL ;;
hang) kill -STOP "$(number_of libvirtd)" ;;
end) end ;;
*) fail "usage: libvirt-node.sh start|kill|hang|end DIR" ;;
esac
