#!/usr/bin/env bash
# Names the Debian packages that Kilonova needs and that are missing, and installs them when run as root.
#
#   prerequisites.sh [build] [clients] [guest-image] [libvirt] [drivers] [databases] [broker] [xen-live] [bench] [check]
#   (default: build, clients, guest-image and libvirt)
set -euo pipefail
# shellcheck source=Config/scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages_for() {
    case $1 in
    build) echo pkg-config libsqlite3-dev libmariadb-dev libpq-dev librabbitmq-dev libvirt-dev libxen-dev git ;;
    clients) echo python3 python3-venv ca-certificates openssh-client openssl curl ;;
    guest-image) echo busybox-static cpio zstd e2fsprogs fdisk dosfstools mtools grub-pc-bin grub-common qemu-utils ;;
    libvirt) echo qemu-system-x86 qemu-system-gui qemu-block-extra qemu-utils ovmf libvirt-daemon-system \
        libvirt-daemon-driver-qemu libvirt-clients iproute2 iputils-ping nftables iptables dnsmasq-base conntrack procps genisoimage ;;
    databases) echo mariadb-server mariadb-client postgresql openssl util-linux ;;
    drivers) echo golang-go golang-github-vmware-govmomi-dev openssl qemu-utils ;;
    xen-live) echo qemu-system-x86 qemu-utils seabios busybox-static cpio zstd e2fsprogs genisoimage iproute2 \
        util-linux mount binutils python3 ;;
    broker) echo rabbitmq-server erlang-base openssl ;;
    bench) echo wrk ;;
    check) echo shellcheck ;;
    *) fail "prerequisites: there is no set of packages named $1." ;;
    esac
}

if ! command -v swift >/dev/null; then
    fail "swift is not in PATH; install Swift 6.2 or newer from swift.org and add its usr/bin to PATH."
fi
[ "$(uname -m)" = x86_64 ] || fail "This machine is $(uname -m); Kilonova is built and tested on x86_64 only."
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    fail "This machine has no apt; Kilonova names its needs as packages of Debian 12."
fi

[ $# -gt 0 ] || set -- build clients guest-image libvirt
wanted=()
for set_name; do
    read -ra more <<<"$(packages_for "$set_name")"
    wanted+=("${more[@]}")
done
installed=$(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null |
    sed -n 's/^ii  *//p' || true)
missing=()
for package in "${wanted[@]}"; do
    if ! grep -qxF "$package" <<<"$installed" && [[ " ${missing[*]} " != *" $package "* ]]; then
        missing+=("$package")
    fi
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "all packages are installed"
    exit 0
fi
echo "missing packages: ${missing[*]}"
as_root || fail "Run as root: apt-get install --no-install-recommends ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install=(apt-get -y -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 install --no-install-recommends "${missing[@]}")
"${install[@]}" || {
    echo "asking the mirrors for newer package lists"
    apt-get -q update
    "${install[@]}"
}
echo "installed ${missing[*]}"
