#!/usr/bin/env bash
# shellcheck disable=SC2317
# clean_up is called by the trap.
#
# Boots a Xen host in an emulated machine and runs the conformance suite of the Xen driver in its control domain.
#
#   run.sh HOSTDIR KILONOVAD REPORTS [ARGUMENTS OF `kilonovad driver verify`...]
#
# HOSTDIR is what build.sh made, KILONOVAD the daemon with the libraries of its drivers beside it. The reports xen.json
# and xen.xml go to the folder REPORTS, with the control domain's logs in xen-host.tar. Ends with 0 when the suite
# passed. Needs neither root nor hardware virtualization; takes between half an hour and some hours.
#
#   XEN_HOST_MEMORY=4096   MiB of the machine
#   XEN_TIME_LIMIT=14400   seconds after which the machine is stopped; the suite is asked to end at three quarters of
#                          it, and reports the cases that it had come to
#   XEN_TIME_SCALE=60      multiplies the suite's deadlines
#   XEN_GUEST_TYPE=pvh     how guests are virtualized
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
usage="usage: run.sh HOSTDIR KILONOVAD REPORTS [ARGUMENTS...]"
host=$(cd "${1:?$usage}" && pwd)
daemon=$(readlink -f "${2:?$usage}")
reports=${3:?$usage}
shift 3
mkdir -p "$reports"
reports=$(cd "$reports" && pwd)
memory=${XEN_HOST_MEMORY:-4096}
limit=${XEN_TIME_LIMIT:-14400}
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

die() {
    printf 'xen host: %s\n' "$*" >&2
    exit 1
}

work=$(mktemp -d /var/tmp/kilonova-xen-XXXXXX)
qemu=
clean_up() {
    [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
    [ -z "$qemu" ] || wait "$qemu" 2>/dev/null || true
    rm -rf -- "$work"
}
trap clean_up EXIT

# The disk with the daemon, its libraries, the driver and the job.
make_job_disk() {
    local tree=$work/job binaries
    binaries=$(dirname "$daemon")
    mkdir -p "$tree/lib" "$tree/plugins/xen"
    install -m 755 "$daemon" "$tree/kilonovad"
    install -m 755 "${XEN_DRIVER_LIBRARY:-$binaries/libXenDriver.so}" "$tree/libXenDriver.so"
    strip --strip-debug "$tree/kilonovad" "$tree/libXenDriver.so"
    cp "$root/Plugins/Xen/driver.json" "$tree/plugins/xen/"
    LD_LIBRARY_PATH=$binaries ldd "$daemon" "$tree/libXenDriver.so" | awk '/=> \// { print $3 }' | sort -u |
        while read -r library; do install -m 755 "$library" "$tree/lib/"; done
    cp "$host/guest-vmlinuz" "$host/guest-initrd" "$host/guest.raw" "$here/job" "$here/world" "$tree/"
    printf '%s ' "$@" >"$tree/arguments"
    echo $((limit * 3 / 4)) >"$tree/seconds"
    cat >"$tree/xen.conf" <<CONF
[DEFAULT]
driver_plugin_dir = /opt/kilonova/plugins
[xen]
guest_type = ${XEN_GUEST_TYPE:-pvh}
kernel = /opt/kilonova/guest-vmlinuz
ramdisk = /opt/kilonova/guest-initrd
command_line = console=hvc0 quiet loglevel=4 panic=5
instances_path = /var/lib/kilonova-instances
reserved_host_memory_mb = 64
[driver_verify]
image = /opt/kilonova/guest.raw
image_format = raw
time_scale = ${XEN_TIME_SCALE:-60}
guests_max = 4
random_calls = 6
flood_changes = 0
memory_mb = 160
root_gb = 1
world_command = sh /opt/kilonova/world
CONF
    truncate -s 1G "$work/job.img"
    mke2fs -q -F -t ext4 -O ^has_journal -m 0 -E root_owner=0:0 -d "$tree" "$work/job.img"
    rm -rf -- "$tree"
}

boot() {
    truncate -s 64M "$work/results.img"
    : >"$work/console"
    # All that dom0 writes to its root goes to a file that nobody sees, so every run begins alike.
    TMPDIR=$work qemu-system-x86_64 -accel tcg,thread=multi -cpu qemu64,+svm,+npt -m "$memory" -smp 2 -display none \
        -no-reboot -nic none -monitor none -serial "file:$work/console" -kernel "$host/xen" \
        -append "console=com1 com1=115200,8n1 dom0_mem=1536M,max:1536M noreboot" \
        -initrd "$host/vmlinuz console=hvc0 quiet loglevel=4,$host/initrd" \
        -drive "file=$host/root.img,format=raw,if=virtio,snapshot=on" \
        -drive "file=$work/job.img,format=raw,if=virtio,readonly=on" \
        -drive "file=$work/results.img,format=raw,if=virtio,cache=writethrough" &
    qemu=$!
}

# Shows what dom0 says until the machine is off.
follow() {
    local deadline=$((SECONDS + limit)) shown=0 lines
    while kill -0 "$qemu" 2>/dev/null; do
        lines=$(wc -l <"$work/console")
        if [ "$lines" -gt "$shown" ]; then
            sed -n "$((shown + 1)),${lines}p" "$work/console" | tr -d '\r' | grep -av '^(XEN)' || true
            shown=$lines
        fi
        if grep -aq '^DOM0-DONE' "$work/console" 2>/dev/null; then break; fi
        [ "$SECONDS" -lt "$deadline" ] || die "the machine did not end within $limit s: $(tail -n 5 "$work/console")"
        sleep 2
    done
}

# fact NAME VALUE: adds a fact to the report.
add_facts() {
    python3 - "$reports/xen.json" "$@" <<'PYTHON'
import json
import sys

path, *pairs = sys.argv[1:]
with open(path) as file:
    report = json.load(file)
report["facts"].update(pair.split("=", 1) for pair in pairs)
with open(path, "w") as file:
    json.dump(report, file, indent=2, sort_keys=True, ensure_ascii=False)
    file.write("\n")
PYTHON
}

[ -s "$host/root.img" ] || die "$host has no root.img; run build.sh $host"
make_job_disk "$@"
boot
follow
cp "$work/results.img" "$reports/xen-host.tar"
mkdir -p "$work/results"
tar -C "$work/results" -xf "$work/results.img" 2>/dev/null || die "the machine left no results: $(tail -n 5 "$work/console")"
[ -s "$work/results/xen.json" ] || die "the suite wrote no report: $(tail -n 20 "$work/results/output")"
cp "$work/results/xen.json" "$work/results/xen.xml" "$reports/"
add_facts "last_run=$(date -u +%Y-%m-%d)" "hypervisor=Xen 4.17 in QEMU without hardware virtualization" \
    "guests=${XEN_GUEST_TYPE:-pvh}" "selection=${*:-all cases}"
exit "$(cat "$work/results/status")"
