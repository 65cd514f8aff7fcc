#!/usr/bin/env bash
# Builds what a Xen host inside an emulated machine needs: the hypervisor, a dom0 with Xen's tools, and a guest's disk.
#
#   build.sh OUTDIR
#
# Everything comes from Debian packages, downloaded and unpacked but not installed, and from this machine's own programs
# and libraries. Nothing is mounted and no loop device is needed. OUTDIR then holds
#
#   xen          the hypervisor, in the form that QEMU loads
#   vmlinuz      dom0's kernel
#   initrd       finds dom0's root
#   root.img     dom0's root, an ext4 file system with room for guests
#   guest.raw    a guest's disk with a boot loader's configuration, kernel and RAM disk; boots as PV and PVH
#   guest-vmlinuz, guest-initrd
#                the same kernel and RAM disk on their own
#   packages/    the packages that were downloaded
#   inputs       what all that was made of; while it is unchanged the build is skipped
#
# Needs the packages that `prerequisites.sh xen-live` names.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:?usage: build.sh OUTDIR}
mkdir -p "$out/packages"
out=$(cd "$out" && pwd)
readonly parts=$here/../scripts/debian-parts.sh
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

readonly architecture=x86_64-linux-gnu
readonly xen=xen-4.17
readonly xen_packages=("xen-hypervisor-${xen#xen-}-amd64" "xen-utils-${xen#xen-}" xen-utils-common xenstore-utils
    grub-xen-host qemu-system-xen)

# In this order; what they depend on is brought along.
readonly dom0_boot_modules=(virtio_pci virtio_blk crc32c_generic ext4)
readonly dom0_modules=(xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-blkback xen-netback bridge loop tun)
readonly guest_modules=(xen-blkfront ata_piix sd_mod crc32c_generic ext4)

readonly xen_programs=(xl xenstored xenconsoled xenconsole xen-init-dom0 libxl-save-helper)
# From this machine: Xen's scripts want bash, and the driver and its suite some more.
readonly own_programs=(bash flock ip losetup qemu-img genisoimage mke2fs mkswap prlimit tar)

die() {
    printf 'xen host: %s\n' "$*" >&2
    exit 1
}

# shellcheck source=Config/scripts/debian-parts.sh
. "$parts"

need() {
    local tool missing=()
    for tool in busybox cpio zstd mke2fs dpkg-deb apt-get "${own_programs[@]}"; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    [ ${#missing[@]} -eq 0 ] || die "missing: ${missing[*]}; run 'Config/scripts/prerequisites.sh xen-live' as root"
}

# kernel_package NAME: the newest kernel that the package lists know for a package like linux-image-amd64.
kernel_package() {
    apt-cache depends "$1" 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }'
}

# One line for each thing that the build depends on.
describe_inputs() {
    (cd "$here" && find build.sh initramfs dom0 guest -type f -print0 | sort -z | xargs -0 sha256sum)
    sha256sum "$(command -v busybox)"
    sha256sum <"$parts"
    candidates "$dom0_kernel" "$guest_kernel" "${xen_packages[@]}"
}

# busybox_into TREE: busybox under all its names.
busybox_into() {
    local applet
    install -D -m 755 "$(command -v busybox)" "$1/bin/busybox"
    for applet in $(busybox --list); do
        case $applet in busybox | dpkg | dpkg-deb | rpm | rpm2cpio) continue ;; esac
        ln -sf busybox "$1/bin/$applet"
    done
}

# libraries_into TREE FILE...: the libraries that the files need, where the loader looks for them.
libraries_into() {
    local tree=$1 library
    shift
    mkdir -p "$tree/lib/$architecture" "$tree/lib64"
    # ldd fails when one of them is a script.
    LD_LIBRARY_PATH=$work/xen/usr/lib/$architecture ldd "$@" >"$work/libraries" 2>/dev/null || true
    if grep -h 'not found' "$work/libraries"; then die "some programs lack libraries"; fi
    awk '/=> \// { print $3 }' "$work/libraries" | sort -u | while read -r library; do
        install -m 755 "$library" "$tree/lib/$architecture/"
    done
    # Cancelling a thread, which libxl does, loads this one by name.
    install -m 755 "/lib/$architecture/libgcc_s.so.1" "$tree/lib/$architecture/"
    install -m 755 /lib64/ld-linux-x86-64.so.2 "$tree/lib64/"
}

pack() {
    (cd "$1" && find . | sort | cpio --quiet -R 0:0 -o -H newc) | zstd -q -T0 -3 >"$2"
}

kernel_modules() {
    find "$work/$1/lib/modules" -mindepth 1 -maxdepth 1 -type d
}

make_dom0_initrd() {
    local tree=$work/initramfs
    mkdir -p "$tree"/{dev,proc,sys,newroot}
    busybox_into "$tree"
    install -m 755 "$here/initramfs/init" "$tree/init"
    copy_modules "$(kernel_modules dom0-kernel)" "$tree/modules" "${dom0_boot_modules[@]}"
    pack "$tree" "$work/initrd"
}

make_dom0_root() {
    local tree=$work/root program
    mkdir -p "$tree"/{dev,proc,sys,run,tmp,root,mnt,opt/kilonova,sbin,usr/bin,usr/sbin,usr/lib,etc/xen,var/lib/xen} \
        "$tree"/var/{lib/xen/dump,lib/xenstored,log/xen,tmp}
    ln -s /run "$tree/var/run"
    ln -s /run/lock "$tree/var/lock"
    ln -s /proc/mounts "$tree/etc/mtab"
    busybox_into "$tree"
    install -m 755 "$here/dom0/init" "$tree/sbin/init"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$tree/etc/passwd"
    echo 'root:x:0:' >"$tree/etc/group"
    echo '127.0.0.1 localhost dom0' >"$tree/etc/hosts"
    copy_modules "$(kernel_modules dom0-kernel)" "$tree/lib/modules/dom0" "${dom0_modules[@]}"

    mkdir -p "$tree/usr/lib/$xen/bin" "$tree/usr/lib/$xen/boot" "$tree/usr/lib/grub-xen" "$tree/usr/libexec"
    for program in "${xen_programs[@]}"; do
        install -m 755 "$work/xen/usr/lib/$xen/bin/$program" "$tree/usr/lib/$xen/bin/"
    done
    install -m 644 "$work/xen/usr/lib/$xen/boot/hvmloader" "$tree/usr/lib/$xen/boot/"
    install -m 644 "$work"/xen/usr/lib/grub-xen/*.bin "$tree/usr/lib/grub-xen/"
    install -m 755 "$work"/xen/usr/bin/xenstore-* "$tree/usr/bin/"
    install -m 755 "$work/xen/usr/libexec/xen-qemu-system-i386" "$tree/usr/libexec/"
    mkdir -p "$tree/usr/share/seabios" "$tree/usr/share/qemu" "$tree/usr/share/vgabios"
    cp -R /usr/share/seabios/. "$tree/usr/share/seabios/"
    cp -R /usr/share/qemu/keymaps "$tree/usr/share/qemu/"
    cp -R "$work/xen/etc/xen/scripts" "$tree/etc/xen/"
    install -m 755 "$here/dom0/block" "$tree/etc/xen/scripts/block"
    echo 'autoballoon="off"' >"$tree/etc/xen/xl.conf"
    for program in "${own_programs[@]}"; do
        rm -f "$tree/bin/$program"
        install -m 755 "$(command -v "$program")" "$tree/bin/"
    done
    libraries_into "$tree" "$tree/usr/lib/$xen/bin/"* "$tree"/usr/bin/xenstore-* "$tree"/usr/libexec/* \
        "${own_programs[@]/#/$tree/bin/}" "/usr/lib/$architecture/libxlutil.so"

    truncate -s 8G "$work/root.img"
    mke2fs -q -F -t ext4 -m 0 -L dom0 -E root_owner=0:0,lazy_itable_init=1 -d "$tree" "$work/root.img"
}

make_guest() {
    local tree=$work/guest ram=$work/guest-ram
    mkdir -p "$ram"/{dev,proc,sys,sbin,disk} "$tree/boot/grub"
    busybox_into "$ram"
    install -m 755 "$here/guest/init" "$ram/init"
    install -m 755 "$here/guest/poweroff" "$ram/sbin/poweroff"
    install -m 755 "$here/guest/reboot" "$ram/sbin/reboot"
    copy_modules "$(kernel_modules guest-kernel)" "$ram/modules" "${guest_modules[@]}"
    pack "$ram" "$tree/boot/initrd"
    cp "$work"/guest-kernel/boot/vmlinuz-* "$tree/boot/vmlinuz"
    cp "$tree/boot/vmlinuz" "$work/guest-vmlinuz"
    cp "$tree/boot/initrd" "$work/guest-initrd"
    cp "$here/guest/grub.cfg" "$tree/boot/grub/"
    truncate -s 48M "$work/guest.raw"
    mke2fs -q -F -t ext4 -b 1024 -N 512 -m 0 -J size=1 -L xen-guest -E root_owner=0:0 -d "$tree" "$work/guest.raw"
}

need
dom0_kernel=$(kernel_package linux-image-amd64)
guest_kernel=$(kernel_package linux-image-cloud-amd64)
if [ -z "$dom0_kernel" ] || [ -z "$guest_kernel" ]; then
    die "apt knows no kernels; run 'apt-get update' and try again"
fi
inputs=$(describe_inputs)
if [ -s "$out/root.img" ] && [ -s "$out/inputs" ] && [ "$inputs" = "$(cat "$out/inputs")" ]; then
    echo "unchanged: $out"
    exit 0
fi

work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
rm -f "$out/inputs"
unpack "$dom0_kernel" "$work/dom0-kernel"
unpack "$guest_kernel" "$work/guest-kernel"
for package in "${xen_packages[@]}"; do
    unpack "$package" "$work/xen"
done
gunzip -c "$work/xen/boot/$xen-amd64.gz" >"$work/xen-hypervisor"
cp "$work"/dom0-kernel/boot/vmlinuz-* "$work/vmlinuz"

echo "making dom0"
make_dom0_initrd
make_dom0_root
echo "making the guest's disk"
make_guest

mv "$work/xen-hypervisor" "$out/xen"
mv "$work/vmlinuz" "$work/initrd" "$work/guest-vmlinuz" "$work/guest-initrd" \
    "$work/root.img" "$work/guest.raw" "$out/"
printf '%s\n' "$inputs" >"$out/inputs"
echo "built $out"
