#!/bin/bash
# What `kilonovad driver verify` asks of a libvirt daemon: its helper_command.
#
#     helper.sh URI VERB [WORD...]
#
# Verbs are those of `[driver_verify] helper_command`. Answers that are empty mean: not here.
set -euo pipefail
uri=$1 verb=$2
shift 2

ask() {
    timeout 60 virsh -q -c "$uri" "$@" </dev/null
}

case $verb in
foreign-make)
    uuid=$(cat /proc/sys/kernel/random/uuid)
    description=$(mktemp)
    # A machine without disks that waits in its firmware.
    cat >"$description" <<XML
<domain type='qemu'>
  <name>somebody-$uuid</name>
  <uuid>$uuid</uuid>
  <memory unit='MiB'>16</memory>
  <os><type>hvm</type></os>
</domain>
XML
    ask create "$description" >/dev/null || { rm -f "$description"; exit 1; }
    rm -f "$description"
    echo "$uuid"
    ;;
foreign-power)
    case $(ask domstate "$1" 2>/dev/null) in
    running) echo running ;;
    paused) echo paused ;;
    'shut off') echo shutdown ;;
    esac
    ;;
foreign-remove) ask destroy "$1" >/dev/null ;;
# A process that ends by itself is what libvirt sees of a guest that turned itself off.
# The monitor may be gone before it answers.
stop) ask qemu-monitor-command "$1" --hmp quit >/dev/null 2>&1 || true ;;
esac
