# shellcheck shell=bash disable=SC2034
# Read by the other scripts in this folder: where things are, how a message is given, how processes are told apart.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
state=$(realpath -m -- "${STATE_DIR:-$root/.kilonova}")
driver=${DRIVER:-libvirt}
port=${PORT:-8774}
clients=$root/.venv
guest_image_dir=$root/.build/guest-image
export PATH=$PATH:/usr/sbin:/sbin

# The file that says that a directory is one of our state directories.
readonly state_marker=.kilonova-state

# fail MESSAGE: one sentence with its remedy.
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

as_root() {
    [ "$(id -u)" -eq 0 ]
}

# Python of the system, not one that happens to stand first in PATH: its venv module is a Debian package we name.
system_python() {
    if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3; fi
}

# make_state_dir: creates the state directory with its marker; refuses a directory that holds something else.
make_state_dir() {
    if [ -d "$state" ] && [ ! -e "$state/$state_marker" ] && [ -n "$(ls -A -- "$state")" ]; then
        fail "$state exists and is not a Kilonova state directory; name another one with STATE_DIR=."
    fi
    if ! mkdir -p -- "$state" 2>/dev/null || ! [ -w "$state" ]; then
        fail "The state directory $state cannot be written; name another one with STATE_DIR=."
    fi
    chmod 711 -- "$state"
    mkdir -p -- "$state/log" "$state/run"
    [ -e "$state/$state_marker" ] ||
        echo 'State of a Kilonova deployment; "make wipe" removes this directory.' >"$state/$state_marker"
}

# A process is known by its number and its start time, so that a number used again is never taken for ours.
start_time_of() {
    local line
    line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    line=${line##*) }
    # shellcheck disable=SC2086
    set -- $line
    [ "$1" != Z ] || return 1
    echo "${20}"
}

# remember_process NAME PID
remember_process() {
    echo "$2 $(start_time_of "$2")" >"$state/run/$1.process"
}

# process_of NAME: prints the number of the remembered process when it still runs.
process_of() {
    local pid started
    [ -s "$state/run/$1.process" ] || return 1
    read -r pid started <"$state/run/$1.process"
    [ -n "$started" ] && [ "$(start_time_of "$pid")" = "$started" ] || return 1
    echo "$pid"
}

# stop_process NAME SECONDS: asks the remembered process to end and insists after SECONDS. Fails when it stays.
stop_process() {
    local pid deadline=$((SECONDS + $2))
    pid=$(process_of "$1") || {
        rm -f "$state/run/$1.process"
        return 0
    }
    kill -TERM "$pid" 2>/dev/null || true
    while process_of "$1" >/dev/null; do
        if [ $SECONDS -ge $deadline ]; then
            echo "$1 (process $pid) did not end within $2 s; ending it by force"
            kill -KILL "$pid" 2>/dev/null || true
            sleep 0.5
            break
        fi
        sleep 0.1
    done
    ! process_of "$1" >/dev/null || return 1
    rm -f "$state/run/$1.process"
}

# The programs of a build: the optimized one unless KILONOVAD names another.
kilonovad_path() {
    echo "${KILONOVAD:-$root/.build/release/kilonovad}"
}

# The system instance of libvirt, without any wait for a person's answer.
virsh_system() {
    timeout 60 virsh -q -c qemu:///system "$@" </dev/null
}

# Prints the identifiers of the domains whose disks lie in this state directory.
our_domains() {
    local uuid
    for uuid in $(virsh_system list --all --uuid 2>/dev/null); do
        if virsh_system dumpxml "$uuid" 2>/dev/null | grep -qF "'$state/"; then echo "$uuid"; fi
    done
}
