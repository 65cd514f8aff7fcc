#!/usr/bin/env bash
# shellcheck disable=SC2317
# The functions prepare_* are called by the name of the driver.
#
# `make test-drivers`: the conformance suite on the drivers as the daemon loads them, against the hypervisors and
# simulators that this machine can run. Reports go to STATE_DIR/driver-reports, as JSON and in JUnit's form.
#
#   DRIVER=fake,libvirt,vmware,xenapi   which drivers (default: all four)
#   DRIVER=xen LIVE=1                   the Xen driver on a real Xen in an emulated machine; takes hours, so it runs
#                                       only when named, alone
#   QUICK=1                             the everyday subset
#   CASE=PATTERN                        only the cases that match
#   UPDATE=1                            makes docs/reference/support-matrix.md from all reports that are there
set -euo pipefail
wanted=${DRIVER:-fake,libvirt,vmware,xenapi}
unset DRIVER
# shellcheck source=Config/scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
scripts=$root/Config/scripts
simulators=$root/Tests/Simulators
reports=$state/driver-reports
make_state_dir
mkdir -p "$reports"
work=$(mktemp -d /var/tmp/kilonova-drivers-XXXXXX)
processes=()

clean_up() {
    local pid
    for pid in "${processes[@]}"; do kill "$pid" 2>/dev/null || true; done
    [ ! -d "$work/libvirt" ] || STATE_DIR=$work/libvirt "$scripts/hypervisor.sh" stop >/dev/null 2>&1 || true
    rm -rf -- "$work"
}
trap clean_up EXIT

# first_number FILE PID: waits until a simulator has printed its port and prints it.
first_number() {
    local deadline=$((SECONDS + 60)) number
    while :; do
        number=$(grep -oE '[0-9]+' "$1" | head -n 1 || true)
        if [ -n "$number" ]; then
            echo "$number"
            return
        fi
        kill -0 "$2" 2>/dev/null || fail "the simulator ended at once: $(cat "$1")"
        [ "$SECONDS" -lt "$deadline" ] || fail "the simulator did not name its port within 60 s: $(cat "$1")"
        sleep 0.1
    done
}

prepare_fake() {
    cat >"$work/fake.conf" <<'CONF'
[fake]
numa_cells = 2
[driver_verify]
time_scale = 0.5
stop_command = echo down > "$KILONOVA_DRIVER_STATE/hypervisor"
start_command = rm -f "$KILONOVA_DRIVER_STATE/hypervisor"
hang_command = echo hang > "$KILONOVA_DRIVER_STATE/hypervisor"
slow_metadata = fake:{call}:delay={seconds}
fail_metadata = fake:{call}:fail=failed, fake:{call}:fail_first=1
CONF
}

prepare_libvirt() {
    as_root || fail "The libvirt driver is tested with real guests, which need root."
    STATE_DIR=$work/libvirt "$scripts/hypervisor.sh" start
    "$root/Config/guest-image/build.sh" "$guest_image_dir"
    cat >"$work/libvirt.conf" <<CONF
[libvirt]
instances_path = $work/libvirt/instances
[driver_verify]
image = $guest_image_dir/tiny-linux.qcow2
image_format = qcow2
time_scale = 20
guests_max = 4
random_calls = 4
memory_mb = 160
flood_changes = 0
world_command = virsh -q -c qemu:///system list --all --uuid; ls -1 "$work/libvirt/instances" | grep -- - || true
CONF
}

prepare_vmware() {
    "$simulators/vmware/build-vcsim.sh" "$root/.build/vcsim/vcsim"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/key.pem" \
        -out "$work/cert.pem" -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    # The simulator ends with its standard input.
    mkfifo "$work/vcsim.in"
    exec 8<>"$work/vcsim.in"
    "$root/.build/vcsim/vcsim" -user verify -pass "a <secret> & more" -cert "$work/cert.pem" -key "$work/key.pem" \
        -clusters 2 -hosts 2 -vms 0 -datastores 1 <&8 >"$work/vcsim.out" 2>"$work/vcsim.err" &
    processes+=($!)
    local port
    port=$(first_number "$work/vcsim.out" $!)
    qemu-img create -q -f vmdk -o subformat=streamOptimized "$work/boot.vmdk" 16M
    cat >"$work/vmware.conf" <<CONF
[vmware]
host_ip = 127.0.0.1
host_port = $port
host_username = verify
host_password = a <secret> & more
cluster_name = DC0_C0
ca_file = $work/cert.pem
integration_bridge = VM Network
task_poll_interval = 0.05
[driver_verify]
image = $work/boot.vmdk
image_format = vmdk
time_scale = 3
CONF
}

prepare_xenapi() {
    mkdir -p "$work/xapi"
    mkfifo "$work/xapi.in"
    exec 9<>"$work/xapi.in"
    "$(system_python)" "$simulators/xenapi/xapi_simulator.py" --state "$work/xapi" --user root --password secret \
        --watch-parent <&9 >"$work/xapi.out" 2>"$work/xapi.err" &
    processes+=($!)
    local port
    port=$(first_number "$work/xapi.out" $!)
    head -c 4194304 /dev/zero >"$work/boot.raw"
    cat >"$work/xenapi.conf" <<CONF
[xenserver]
connection_url = http://127.0.0.1:$port
connection_username = root
connection_password = secret
[driver_verify]
image = $work/boot.raw
image_format = raw
time_scale = 3
CONF
}

update_matrix() {
    [ -n "${UPDATE:-}" ] || return 0
    "$program" driver matrix "$reports"/*.json --output "$root/docs/reference/support-matrix.md"
    echo "wrote docs/reference/support-matrix.md"
}

program=${KILONOVAD:-$root/.build/debug/kilonovad}
arguments=()
[ -z "${QUICK:-}" ] || arguments+=(--quick)
[ -z "${CASE:-}" ] || arguments+=(--case "$CASE")

if [ "$wanted" = xen ]; then
    [ -n "${LIVE:-}" ] || fail "The Xen driver has no simulator; LIVE=1 runs it on a real Xen in an emulated machine."
    "$scripts/prerequisites.sh" build xen-live
    (cd "$root" && swift build)
    "$root/Config/xen-live/build.sh" "$state/xen-host"
    status=0
    "$root/Config/xen-live/run.sh" "$state/xen-host" "$program" "$reports" "${arguments[@]}" || status=1
    update_matrix
    exit $status
fi

"$scripts/prerequisites.sh" build libvirt drivers guest-image
(cd "$root" && swift build)

status=0
IFS=, read -ra names <<<"$wanted"
for name in "${names[@]}"; do
    case $name in
    fake | libvirt | vmware | xenapi) ;;
    *) fail "DRIVER names '$name'; choose from fake, libvirt, vmware and xenapi, or xen alone." ;;
    esac
done
for name in "${names[@]}"; do
    echo "== $name"
    "prepare_$name"
    "$program" driver verify "$name" --config "$work/$name.conf" --json "$reports/$name.json" \
        --junit "$reports/$name.xml" "${arguments[@]}" || status=1
done
update_matrix
exit $status
