#!/usr/bin/env bash
# Builds `tiny-linux`, a small Linux guest that says on its serial console what it sees.
#
#   build.sh OUTDIR
#
# Everything comes from Debian packages: the cloud kernel and dropbear are downloaded and unpacked, never
# installed; busybox is the machine's own busybox-static. Nothing is mounted and no loop device is needed.
# OUTDIR then holds
#
#   tiny-linux.qcow2   a disk that boots with BIOS and with UEFI, also where secure boot is enforced: GRUB, an ext4
#                      partition with kernel, initial RAM disk and root, and an EFI system partition with Debian's
#                      signed shim and GRUB
#   vmlinuz, initrd    the same kernel and RAM disk on their own, for booting a kernel directly
#   packages/          the packages that were downloaded
#   inputs             what the image was made of; while it is unchanged the build is skipped
#
# Needs the packages busybox-static cpio zstd e2fsprogs fdisk dosfstools mtools grub-pc-bin grub-common qemu-utils.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:?usage: build.sh OUTDIR}
mkdir -p "$out/packages"
out=$(cd "$out" && pwd)
readonly parts=$here/../scripts/debian-parts.sh
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
export SOURCE_DATE_EPOCH=1700000000 E2FSPROGS_FAKE_TIME=1700000000

readonly architecture=x86_64-linux-gnu
readonly root_end_mib=64
readonly boot_mib=8
readonly first_sector=2048
readonly root_uuid=6b696c6f-6e6f-4761-8000-74696e790001
readonly guest_packages=(dropbear-bin libtomcrypt1 libtommath1 libgmp10 qemu-guest-agent libglib2.0-0 libnuma1 libudev1
    liburing2 libpcre2-8-0)

# What UEFI starts: signed by whom firmware trusts, shim; by Debian, the rest.
readonly boot_packages=(shim-signed grub-efi-amd64-signed)

readonly guest_programs=(usr/sbin/dropbear usr/bin/dropbearkey usr/bin/dbclient usr/sbin/qemu-ga)

# Loaded by the initial RAM disk, in this order; depmod's table brings what they depend on.
readonly boot_modules=(virtio_pci virtio_blk virtio_scsi ata_piix sd_mod)
# Loaded once the root file system is there.
readonly guest_modules=(virtio_net virtio-rng virtio_balloon virtio_console sr_mod isofs nls_utf8 vfat nls_cp437
    nls_ascii evdev button)

die() {
    printf 'guest image: %s\n' "$*" >&2
    exit 1
}

# shellcheck source=Config/scripts/debian-parts.sh
. "$parts"

need() {
    local tool missing=()
    for tool in busybox cpio zstd mke2fs mkfs.vfat mcopy sfdisk grub-mkimage qemu-img dpkg-deb apt-get sha256sum; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    [ -d /usr/lib/grub/i386-pc ] || missing+=("grub-pc-bin (/usr/lib/grub/i386-pc)")
    [ ${#missing[@]} -eq 0 ] || die "missing: ${missing[*]}; run 'make prerequisites' as root"
    if ldd "$(command -v busybox)" >/dev/null 2>&1; then
        die "$(command -v busybox) is linked dynamically; install busybox-static"
    fi
}

# The newest cloud kernel that the package lists know, as the name of its package.
kernel_package() {
    apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }'
}

# One line for each thing that the image depends on.
describe_inputs() {
    (cd "$here" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
    sha256sum "$(command -v busybox)"
    sha256sum <"$parts"
    candidates "$kernel" "${guest_packages[@]}" "${boot_packages[@]}"
}

pack() {
    (cd "$1" && find . -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} + &&
        find . | sort | cpio --quiet --reproducible -R 0:0 -o -H newc) | zstd -q -T0 -15 >"$2"
}

make_initial_ram_disk() {
    local tree=$work/initramfs applet
    mkdir -p "$tree"/{bin,dev,proc,sys,newroot,modules}
    install -m 755 "$(command -v busybox)" "$tree/bin/busybox"
    for applet in sh mount umount insmod findfs switch_root sleep cat; do
        ln -s busybox "$tree/bin/$applet"
    done
    install -m 755 "$here/initramfs/init" "$tree/init"
    copy_modules "$modules" "$tree/modules" "${boot_modules[@]}"
    pack "$tree" "$work/initrd"
}

make_root() {
    local tree=$work/root applet library program
    mkdir -p "$tree"/{bin,sbin,boot,dev,proc,sys,run,tmp,mnt/config,usr/bin,usr/sbin,usr/lib,var/lib/guest,var/log} \
        "$tree"/{var/www,root/.ssh,home,lib/modules,lib64,etc/dropbear} "$tree/lib/$architecture"
    chmod 700 "$tree/root" "$tree/root/.ssh"
    chmod 1777 "$tree/tmp"
    cp -R "$here/root/." "$tree/"
    chmod 755 "$tree"/etc/guest/* "$tree/usr/sbin/chpasswd" "$tree"/etc/acpi/PWRF/* "$tree"/etc/udhcpc/*
    chmod 600 "$tree/etc/shadow"
    install -m 755 "$(command -v busybox)" "$tree/bin/busybox"
    for applet in $(busybox --list); do
        case $applet in busybox | chpasswd | dpkg | dpkg-deb | rpm | rpm2cpio) continue ;; esac
        [ -e "$tree/sbin/$applet" ] || ln -s busybox "$tree/bin/$applet"
    done
    # The agent looks for the clock's program there.
    for applet in init poweroff reboot halt hwclock; do
        ln -s ../bin/busybox "$tree/sbin/$applet"
    done
    copy_modules "$modules" "$tree/lib/modules/guest" "${guest_modules[@]}"

    for program in "${guest_programs[@]}"; do
        install -m 755 "$work/packages/$program" "$tree/$program"
    done
    LD_LIBRARY_PATH=$work/packages/usr/lib/$architecture:$work/packages/lib/$architecture \
        ldd "${guest_programs[@]/#/$tree/}" | awk '/=> \// { print $3 }' | sort -u |
        while read -r library; do
            install -m 755 "$library" "$tree/lib/$architecture/"
        done
    install -m 755 /lib64/ld-linux-x86-64.so.2 "$tree/lib64/"

    cp "$work/vmlinuz" "$tree/boot/vmlinuz"
    cp "$work/initrd" "$tree/boot/initrd"
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# make_boot_partition FILE: the file system that UEFI reads.
make_boot_partition() {
    local tree=$work/boot
    mkdir -p "$tree/EFI/BOOT" "$tree/EFI/debian"
    cp "$work/packages/usr/lib/shim/shimx64.efi.signed" "$tree/EFI/BOOT/BOOTX64.EFI"
    cp "$work/packages/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$tree/EFI/BOOT/grubx64.efi"
    # Where Debian's GRUB looks; its modules are all within.
    { echo "search --no-floppy --label tiny-root --set=root" && sed -n '/^echo/,$p' "$here/grub.cfg"; } \
        >"$tree/EFI/debian/grub.cfg"
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    truncate -s ${boot_mib}M "$1"
    mkfs.vfat --invariant -F 16 -s 1 -n TINY-BOOT "$1" >/dev/null
    mcopy -s -m -i "$1" "$tree/EFI" ::
}

make_disk() {
    local raw=$work/disk.raw root_kib=$(((root_end_mib * 2048 - first_sector) / 2))
    truncate -s $((root_end_mib + boot_mib))M "$raw"
    sfdisk -q "$raw" <<TABLE
label: dos
label-id: 0x6b696c6f
start=$first_sector, size=$((root_end_mib * 2048 - first_sector)), type=83, bootable
start=$((root_end_mib * 2048)), type=ef
TABLE
    make_boot_partition "$work/boot.fat"
    dd if="$work/boot.fat" of="$raw" bs=1M seek=$root_end_mib conv=notrunc status=none
    mke2fs -q -F -t ext4 -b 1024 -I 256 -N 2048 -m 0 -J size=1 -L tiny-root -U "$root_uuid" \
        -E "offset=$((first_sector * 512)),hash_seed=$root_uuid,lazy_itable_init=0,root_owner=0:0" \
        -d "$work/root" "$raw" "${root_kib}k"
    grub-mkimage -O i386-pc -o "$work/core.img" -p '(,msdos1)/boot' -c "$here/grub.cfg" \
        biosdisk part_msdos ext2 serial terminal linux normal echo sleep test
    [ "$(stat -c %s "$work/core.img")" -lt $(((first_sector - 1) * 512)) ] || die "GRUB does not fit before the partition"
    dd if=/usr/lib/grub/i386-pc/boot.img of="$raw" bs=440 count=1 conv=notrunc status=none
    dd if="$work/core.img" of="$raw" bs=512 seek=1 conv=notrunc status=none
    qemu-img convert -q -f raw -O qcow2 -c "$raw" "$work/tiny-linux.qcow2"
}

need
kernel=$(kernel_package)
[ -n "$kernel" ] || die "apt knows no linux-image-cloud-amd64; run 'apt-get update' and try again"
inputs=$(describe_inputs)
if [ -s "$out/tiny-linux.qcow2" ] && [ -s "$out/inputs" ] && [ "$inputs" = "$(cat "$out/inputs")" ]; then
    echo "unchanged: $out/tiny-linux.qcow2"
    exit 0
fi

work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
rm -f "$out/inputs"

echo "unpacking $kernel"
unpack "$kernel" "$work/kernel"
for package in "${guest_packages[@]}" "${boot_packages[@]}"; do
    unpack "$package" "$work/packages"
done
modules=$(find "$work/kernel/lib/modules" -mindepth 1 -maxdepth 1 -type d)
cp "$work"/kernel/boot/vmlinuz-* "$work/vmlinuz"

echo "making the initial RAM disk"
make_initial_ram_disk
echo "making the root file system"
make_root
echo "making the disk"
make_disk

mv "$work/vmlinuz" "$work/initrd" "$work/tiny-linux.qcow2" "$out/"
printf '%s\n' "$inputs" >"$out/inputs"
echo "built $out/tiny-linux.qcow2 ($(($(stat -c %s "$out/tiny-linux.qcow2") / 1024)) KiB)"
