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
#   CASE=PATTERN,…                      only the cases that match one of these
#   TIME_SCALE=N                        multiplies every deadline, for slow and busy machines
#   UPDATE=1                            makes docs/reference/support-matrix.md from the reports of whole runs
set -euo pipefail
wanted=${DRIVER:-fake,libvirt,vmware,xenapi}
unset DRIVER
# shellcheck source=Config/scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
scripts=$root/Config/scripts
simulators=$root/Tests/Simulators
reports=$state/driver-reports
# What only a part of the suite says does not make the matrix.
[ -z "${QUICK:-}${CASE:-}" ] || reports=$reports/part
make_state_dir
mkdir -p "$reports"
# A short path: the name of a socket may not be longer than 107 bytes.
work=$(mktemp -d /var/tmp/kn-XXXXXX)
chmod 711 "$work"
bridge=kn${work##*-}
processes=()

clean_up() {
    local pid
    [ ! -x "$work/xapi.sh" ] || "$work/xapi.sh" stop || true
    for pid in "${processes[@]}"; do kill "$pid" 2>/dev/null || true; done
    [ ! -d "$work/one" ] || "$scripts/libvirt-node.sh" end "$work/one" || true
    [ ! -d "$work/two" ] || "$scripts/libvirt-node.sh" end "$work/two" || true
    ip link delete "$bridge" 2>/dev/null || true
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

# no_disk FORMAT: a file that is none of that format.
no_disk() {
    echo "this is no disk" >"$work/broken.$1"
    echo "$work/broken.$1"
}

prepare_fake() {
    local number foreign helper
    foreign=$(cat /proc/sys/kernel/random/uuid)
    helper="$(system_python) -B $simulators/fake/helper.py $work/volumes $foreign $work/shared"
    mkdir -p "$work/shared"
    for number in 1 2; do
        cat >"$work/fake-$number.conf" <<CONF
[fake]
numa_cells = 2
vcpus = 64
memory_mb = 65536
huge_pages = 64
pci_devices = 0000:81:00.1 8086 1520 type-VF 0
shared_storage = $work/shared
fetch_images = true
quiesce_limit = 0.5
foreign_guests = $foreign
[driver_verify]
hypervisor = the driver itself, which keeps guests in memory and a journal
image = $work/fake.qcow2
uefi_image = $work/fake.qcow2
agent_image = $work/fake.qcow2
image_properties = hw_qemu_guest_agent=no
broken_image = $(no_disk qcow2)
image_format = qcow2
time_scale = ${TIME_SCALE:-2}
guests_max = 40
stop_command = echo down > "\$\$KILONOVA_DRIVER_STATE/hypervisor"
start_command = rm -f "\$\$KILONOVA_DRIVER_STATE/hypervisor"
hang_command = echo hang > "\$\$KILONOVA_DRIVER_STATE/hypervisor"
world_command = $helper world
helper_command = $helper
helper_parts = volumes, foreign_guests, accidents
may_turn_host_off = true
quiesce_limit = 0.5
deaf_metadata = fake:deaf=true
slow_metadata = fake:{call}:delay={seconds}, migrate|fake:migrate:duration={seconds}
fail_metadata = fake:{call}:fail=failed, fake:{call}:fail_first=1
CONF
    done
    echo "second_config = $work/fake-2.conf" >>"$work/fake-1.conf"
    qemu-img create -q -f qcow2 "$work/fake.qcow2" 1M
    mv "$work/fake-1.conf" "$work/fake.conf"
}

# Two daemons, as a host each, which share the disks of guests: moves go from one to the other.
prepare_libvirt() {
    as_root || fail "The libvirt driver is tested with real guests, which need root."
    "$root/Config/guest-image/build.sh" "$guest_image_dir"
    ip link add "$bridge" type bridge
    # SPICE's library asks for addresses as if there were none while the machine has the loopback's only.
    ip address add 10.79.255.1/30 dev "$bridge"
    ip link set "$bridge" up
    local node uri
    for node in one two; do
        "$scripts/libvirt-node.sh" start "$work/$node" "kn-$node"
        uri="qemu+unix:///system?socket=$work/$node/run/libvirt-sock"
        cat >"$work/world-$node.sh" <<SCRIPT
#!/bin/sh
# Guests, their disks and devices, and their folders. A daemon that is down is asked again by the suite.
set -eu
for guest in \$(virsh -q -c '$uri' list --all --uuid); do
    virsh -q -c '$uri' domblklist "\$guest" | sed "s|^|\$guest disk |"
    virsh -q -c '$uri' domiflist --inactive "\$guest" | sed "s|^ *[^ ]* *|\$guest interface |"
done
[ ! -d "$work/instances" ] || find "$work/instances" -mindepth 1 -maxdepth 2 -path '*-*-*-*-*' \
    ! -path '*/_removed/*' ! -path '*/_base/*' ! -name 'console.log*' -printf '%P\n'
SCRIPT
        chmod +x "$work/world-$node.sh"
        cat >"$work/libvirt-$node.conf" <<CONF
[libvirt]
connection_uri = $uri
live_migration_uri = $uri
live_migration_inbound_addr = 127.0.0.2
instances_path = $work/instances
graphics = vnc, spice
serial_console = true
serial_port_range = $(cat "$work/$node/serial-ports")
# A guest that still boots loses the request; whoever asks often waits no longer than it boots.
device_detach_timeout = 4
device_detach_attempts = 75
[driver_verify]
hypervisor = libvirt $(libvirtd --version | grep -oE '[0-9.]+$'), QEMU by emulation, two daemons that share disks
image = $guest_image_dir/tiny-linux.qcow2
agent_image = $guest_image_dir/tiny-linux.qcow2
agent_image_properties = hw_qemu_guest_agent=yes
broken_image = $(no_disk qcow2)
image_format = qcow2
time_scale = ${TIME_SCALE:-20}
guests_max = 4
random_calls = 4
memory_mb = 160
flood_changes = 0
bridge = $bridge
world_command = $work/world-$node.sh
stop_command = $scripts/libvirt-node.sh kill $work/$node
start_command = $scripts/libvirt-node.sh start $work/$node kn-$node
hang_command = $scripts/libvirt-node.sh hang $work/$node
helper_command = $root/Tests/Simulators/libvirt/helper.sh $uri
helper_parts = foreign_guests, accidents
CONF
    done
    echo "second_config = $work/libvirt-two.conf" >>"$work/libvirt-one.conf"
    mv "$work/libvirt-one.conf" "$work/libvirt.conf"
}

# What of vCenter is not real: the simulator, and what a front of ours answers because the simulator lacks it.
vcsim_told() {
    local version
    version=$(dpkg-query -W -f '${Version}' golang-github-vmware-govmomi-dev 2>/dev/null || true)
    printf '%s' "vcsim of govmomi ${version%%-*}, behind a front of ours that answers ExtendVirtualDisk_Task, " \
        "AcquireTicket, RebootGuest, CancelTask, copies of sparse disks and linked clones, and VNC"
}

# One vCenter with two clusters, each a node.
prepare_vmware() {
    "$simulators/vmware/build-vcsim.sh" "$root/.build/vcsim/vcsim"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/key.pem" \
        -out "$work/cert.pem" -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    # The simulator ends with its standard input.
    mkfifo "$work/vcsim.in"
    # Sixteen ports that no other run on this machine has.
    local screens=$((16384 + $$ % 1000 * 16))
    exec 8<>"$work/vcsim.in"
    "$root/.build/vcsim/vcsim" -user verify -pass "a <secret> & more" -cert "$work/cert.pem" -key "$work/key.pem" \
        -clusters 2 -hosts 2 -vms 0 -datastores 1 -vnc "$screens" <&8 >"$work/vcsim.out" 2>"$work/vcsim.err" &
    processes+=($!)
    local port cluster url
    port=$(first_number "$work/vcsim.out" $!)
    qemu-img create -q -f vmdk -o subformat=streamOptimized "$work/boot.vmdk" 16M
    url=https://127.0.0.1:$port
    for cluster in DC0_C0 DC0_C1; do
        cat >"$work/$cluster.conf" <<CONF
[vmware]
host_ip = 127.0.0.1
host_port = $port
host_username = verify
host_password = a <secret> & more
cluster_name = $cluster
ca_file = $work/cert.pem
integration_bridge = VM Network
vnc_port = $screens
vnc_port_total = 16
task_poll_interval = 0.05
[driver_verify]
hypervisor = $(vcsim_told)
image = $work/boot.vmdk
uefi_image = $work/boot.vmdk
# As large as the image: snapshots go through HTTP in full.
root_gb = 0
broken_image = $(no_disk vmdk)
image_format = vmdk
time_scale = ${TIME_SCALE:-3}
world_command = $simulators/vmware/helper.sh $url $work/cert.pem world
stop_command = curl -sS --fail --cacert $work/cert.pem $url/control/down
start_command = curl -sS --fail --cacert $work/cert.pem $url/control/up
hang_command = curl -sS --fail --cacert $work/cert.pem $url/control/hang
helper_command = $simulators/vmware/helper.sh $url $work/cert.pem
helper_parts = volumes, foreign_guests, accidents
CONF
    done
    echo "second_config = $work/DC0_C1.conf" >>"$work/DC0_C0.conf"
    mv "$work/DC0_C0.conf" "$work/vmware.conf"
}

# One pool with two hosts, each a node. The toolstack is killed and started; its machines and disks last.
prepare_xenapi() {
    mkdir -p "$work/xapi"
    cat >"$work/xapi.sh" <<SCRIPT
#!/bin/sh
# start | stop: the simulated toolstack, on the same port each time.
set -eu
cd "$work/xapi"
lives() { [ -s ../xapi.pid ] && kill -0 "\$(cat ../xapi.pid)" 2>/dev/null; }
case \$1 in
start)
    lives || {
        : >../xapi.out
        setsid "$(system_python)" -B "$simulators/xenapi/xapi_simulator.py" --state "$work/xapi" --user root \
            --password secret --hosts 2 --subnet 3 --port "\$(cat ../xapi.port)" \
            >../xapi.out 2>>../xapi.err </dev/null &
        echo \$! >../xapi.pid
    }
    until [ -s ../xapi.out ]; do
        lives || { cat ../xapi.err >&2; exit 1; }
        sleep 0.02
    done
    ;;
stop)
    ! lives || kill -9 "\$(cat ../xapi.pid)"
    while lives; do sleep 0.02; done
    ;;
esac
SCRIPT
    chmod +x "$work/xapi.sh"
    echo 0 >"$work/xapi.port"
    "$work/xapi.sh" start
    first_number "$work/xapi.out" "$(cat "$work/xapi.pid")" >"$work/xapi.port"
    head -c 4194304 /dev/zero >"$work/boot.raw"
    qemu-img create -q -f qcow2 "$work/broken.raw" 1M
    local number url
    for number in 1 2; do
        url=http://127.0.3.$number:$(cat "$work/xapi.port")
        cat >"$work/xenapi-$number.conf" <<CONF
[xenserver]
connection_url = $url
connection_username = root
connection_password = secret
integration_bridge = xapi0
[driver_verify]
hypervisor = a simulator of ours of a XenAPI pool with two hosts
image = $work/boot.raw
uefi_image = $work/boot.raw
# As large as the image: snapshots go through HTTP in full.
root_gb = 0
broken_image = $work/broken.raw
image_format = raw
time_scale = ${TIME_SCALE:-3}
world_command = $(system_python) -B $simulators/xenapi/helper.py $url world
stop_command = $work/xapi.sh stop
start_command = $work/xapi.sh start
helper_command = $(system_python) -B $simulators/xenapi/helper.py $url
helper_parts = volumes, foreign_guests, accidents
CONF
    done
    echo "second_config = $work/xenapi-2.conf" >>"$work/xenapi-1.conf"
    mv "$work/xenapi-1.conf" "$work/xenapi.conf"
}

update_matrix() {
    [ -n "${UPDATE:-}" ] || return 0
    "$program" driver matrix "$state/driver-reports"/*.json --output "$root/docs/reference/support-matrix.md"
    echo "wrote docs/reference/support-matrix.md"
}

program=${KILONOVAD:-$root/.build/debug/kilonovad}
arguments=()
[ -z "${QUICK:-}" ] || arguments+=(--quick)
IFS=, read -ra patterns <<<"${CASE:-}"
for pattern in "${patterns[@]}"; do arguments+=(--case "$pattern"); done

if [ "$wanted" = xen ]; then
    [ -n "${LIVE:-}" ] || fail "The Xen driver has no simulator; LIVE=1 runs it on a real Xen in an emulated machine."
    "$scripts/prerequisites.sh" build xen-live
    [ -n "${KILONOVAD:-}" ] || (cd "$root" && swift build)
    "$root/Config/xen-live/build.sh" "$state/xen-host"
    status=0
    "$root/Config/xen-live/run.sh" "$state/xen-host" "$program" "$reports" "${arguments[@]}" || status=1
    update_matrix
    exit $status
fi

"$scripts/prerequisites.sh" build libvirt drivers guest-image
[ -n "${KILONOVAD:-}" ] || (cd "$root" && swift build)

status=0
IFS=, read -ra names <<<"$wanted"
for name in "${names[@]}"; do
    case $name in
    fake | libvirt | vmware | xenapi) ;;
    *) fail "DRIVER names '$name'; choose from fake, libvirt, vmware and xenapi, or xen alone." ;;
    esac
done
summaries=()
for name in "${names[@]}"; do
    echo "== $name"
    "prepare_$name"
    "$program" driver verify "$name" --config "$work/$name.conf" --json "$reports/$name.json" \
        --junit "$reports/$name.xml" "${arguments[@]}" | tee "$work/$name.log" || status=1
    summaries+=("driver $(tail -n 1 "$work/$name.log")")
done
printf '%s\n' "${summaries[@]}"
update_matrix
exit $status
